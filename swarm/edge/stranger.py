"""Dialing an address as a stranger does, to see who answers: the handshake, and nothing after it.

The key that dials is drawn for the occasion: under a node's own the link that there is would give way to this
one, a peer can be asked at its own address too, and whoever answers sees a stranger that hangs up.
"""

import secrets
from dataclasses import dataclass

import trio

from consensus.errors import ConfigError, NetworkError, PeerError
from consensus.identity import SEED_BYTES, KeyPair, NetworkId, PeerKey
from swarm.edge.handshake import Handshaker
from swarm.edge.transport import Carrier, Connector


@dataclass(frozen=True, slots=True)
class Meeting:
    """What came of a dial.

    Attributes:
        is_open: Whether a carrier came up.
        first: The first frame of whoever answered, which should be its Hello; None where there was none.
        failure: Why the key that was expected is not proven; None where it is.
    """

    is_open: bool
    first: bytes | None
    failure: str | None


class _Listening:
    """A carrier that keeps the first frame it brings."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self.first: bytes | None = None

    @property
    def binding(self) -> bytes:
        return self._carrier.binding

    async def send(self, frame: bytes) -> None:
        await self._carrier.send(frame)

    async def recv(self) -> bytes:
        frame = await self._carrier.recv()
        if self.first is None:
            self.first = frame
        return frame

    def note_authenticated(self) -> None:
        self._carrier.note_authenticated()

    async def aclose(self) -> None:
        await self._carrier.aclose()


async def meet(
    connect: Connector, url: str, *, expected: PeerKey, network: NetworkId, timeout_s: float
) -> Meeting:
    """Dial an address and see whether a member proves its key there.

    Args:
        connect: Opens carriers, within bounds of its own.
        url: Where.
        expected: The key that must answer.
        network: The network that it must be in, 32 bytes.
        timeout_s: Bounds the handshake, seconds.
    """
    shaker = Handshaker(
        signer=KeyPair(secrets.token_bytes(SEED_BYTES)), network_id=network, timeout_s=timeout_s
    )
    carrier: _Listening | None = None
    failure: str | None = None
    is_met = False
    async with trio.open_nursery() as nursery:
        try:
            carrier = _Listening(await connect(nursery, url))
            await shaker.dial(carrier, expected_key=expected, binding=carrier.binding)
            is_met = True
        except (NetworkError, PeerError, ConfigError) as exc:
            failure = exc.message
        finally:
            if carrier is not None:
                with trio.CancelScope(shield=True) as scope:
                    if not is_met:  # no farewell, which whoever is there could draw out
                        scope.cancel()
                    await carrier.aclose()
            nursery.cancel_scope.cancel()
    return Meeting(carrier is not None, None if carrier is None else carrier.first, failure)
