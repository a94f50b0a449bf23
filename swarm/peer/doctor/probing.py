"""Dialing an address as a stranger does, to see who answers: the handshake, and nothing after it.

The key that dials is drawn for the occasion, so a peer can be asked at its own address too, and whoever
answers sees a stranger that hangs up.
"""

import secrets
from dataclasses import dataclass
from enum import Enum

import trio

from consensus.encoding import decode
from consensus.errors import ConfigError, LimitExceeded, NetworkError, PeerError
from consensus.identity import SEED_BYTES, KeyPair, NetworkId, PeerKey
from swarm.edge.handshake import HELLO_BYTES_MAX, MAGIC, VERSION_MAX, VERSION_MIN, Handshaker, Hello
from swarm.edge.limits import EdgeLimits
from swarm.edge.transport import Carrier
from swarm.edge.websocket import dial


class Outcome(Enum):
    """Who answers at an address."""

    RIGHT = "the member"
    UNREACHABLE = "nobody"
    NO_PEER = "something that is no peer"
    OTHER_NETWORK = "a peer of another network"
    OTHER_VERSION = "a peer that speaks no version of ours"
    OTHER_KEY = "a peer with another key"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a dial.

    Attributes:
        url: What was dialed.
        outcome: Who answers there.
        detail: More of it, in words; empty for the right one.
    """

    url: str
    outcome: Outcome
    detail: str = ""


class _Listening:
    """A carrier that keeps the first frame it brings, which is the other side's Hello."""

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


async def probe(url: str, *, expected: PeerKey, network: NetworkId, limits: EdgeLimits) -> Answer:
    """Dial an address and see whether a member answers.

    Args:
        url: `wss://HOST:PORT`, or `ws://` of this machine.
        expected: The key that must answer.
        network: The network that it must be in, 32 bytes.
        limits: `handshake_timeout_s` bounds the connection, and again the handshake.
    """
    async with trio.open_nursery() as nursery:
        try:
            carrier = _Listening(await dial(nursery, url, limits=limits))
        except (NetworkError, ConfigError) as exc:
            return Answer(url, Outcome.UNREACHABLE, exc.message)
        handshaker = Handshaker(
            signer=KeyPair(secrets.token_bytes(SEED_BYTES)),
            network_id=network,
            timeout_s=limits.handshake_timeout_s,
        )
        try:
            await handshaker.dial(carrier, expected_key=expected, binding=carrier.binding)
            return Answer(url, Outcome.RIGHT)
        except (NetworkError, PeerError) as exc:
            return classify(url, carrier.first, exc.message, expected=expected, network=network)
        finally:
            with trio.CancelScope(shield=True):
                await carrier.aclose()
            nursery.cancel_scope.cancel()


def classify(url: str, first: bytes | None, failure: str, *, expected: PeerKey, network: NetworkId) -> Answer:
    """Say who answered, from what it said first and from why the handshake failed."""
    if first is None:
        return Answer(url, Outcome.NO_PEER, f"it opens a connection and says nothing of itself ({failure})")
    try:
        hello = decode(Hello, first, bytes_max=HELLO_BYTES_MAX)
    except (PeerError, LimitExceeded) as exc:
        return Answer(url, Outcome.NO_PEER, exc.message)
    if hello.magic != MAGIC:
        return Answer(url, Outcome.NO_PEER, failure)
    if hello.network != network:
        return Answer(url, Outcome.OTHER_NETWORK, f"it is in network {hello.network.hex()[:16]}")
    if min(hello.version_max, VERSION_MAX) < max(hello.version_min, VERSION_MIN):
        spoken = f"it speaks {hello.version_min} to {hello.version_max}"
        return Answer(url, Outcome.OTHER_VERSION, f"{spoken}, this one {VERSION_MIN} to {VERSION_MAX}")
    if hello.key != expected:
        return Answer(url, Outcome.OTHER_KEY, f"it has the key {hello.key.hex()[:16]}")
    return Answer(url, Outcome.UNREACHABLE, failure)
