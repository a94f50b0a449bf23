"""Anna dials Bert over real sockets and both authenticate, with or without somebody between them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import trio

from consensus.errors import NetworkError, PeerageError
from consensus.identity import KeyPair, NetworkId
from swarm.edge.handshake import Authenticated, Handshaker
from swarm.edge.tls import TlsIdentity
from swarm.edge.transport import Carrier
from swarm.edge.websocket import dial, serve
from tests.edge.carriers import LIMITS, LOOPBACK, TLS, run_trio

NETWORK = NetworkId(b"\x01" * 32)
ANNA, BERT = KeyPair(b"a" * 32), KeyPair(b"b" * 32)


@dataclass(slots=True)
class Outcomes:
    """How the handshake ended at either end."""

    dialed: Authenticated | PeerageError | None = None
    answered: Authenticated | PeerageError | None = None
    is_answered: trio.Event = field(default_factory=trio.Event)


def make_handshaker(pair: KeyPair, *, version_min: int = 1, version_max: int = 1) -> Handshaker:
    return Handshaker(
        signer=pair, network_id=NETWORK, timeout_s=5.0, version_min=version_min, version_max=version_max
    )


Alter = Callable[[bytes], bytes]


async def relay(source: Carrier, sink: Carrier, alter: Alter) -> None:
    """Forward every frame of one direction, and the hang-up."""
    try:
        while True:
            await sink.send(alter(await source.recv()))
    except NetworkError:
        await sink.aclose()


@dataclass(frozen=True, slots=True)
class Middle:
    """A proxy that ends TLS on one side, dials on the other, and forwards every frame.

    `tls` is what it shows to the dialing end; None if it speaks in the clear.
    """

    tls: TlsIdentity | None
    alter: Alter = bytes

    async def run(self, target: str, *, task_status: trio.TaskStatus[str]) -> None:
        async def on_carrier(near: Carrier) -> None:
            async with trio.open_nursery() as nursery:
                far = await dial(nursery, target, limits=LIMITS)
                try:
                    async with trio.open_nursery() as relays:
                        relays.start_soon(relay, near, far, self.alter)
                        relays.start_soon(relay, far, near, self.alter)
                finally:
                    await far.aclose()

        await serve(on_carrier, LOOPBACK, 0, limits=LIMITS, tls=self.tls, task_status=task_status)


def meet(
    middle: Middle | None = None,
    *,
    listener: TlsIdentity | None = TLS,
    anna: Handshaker | None = None,
    bert: Handshaker | None = None,
) -> Outcomes:
    """Have Anna dial Bert, with or without somebody between them."""
    initiator, responder = anna or make_handshaker(ANNA), bert or make_handshaker(BERT)
    outcomes = Outcomes()

    async def answer(carrier: Carrier) -> None:
        try:
            outcomes.answered = await responder.answer(carrier, binding=carrier.binding)
        except PeerageError as exc:
            outcomes.answered = exc
        outcomes.is_answered.set()

    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, answer, LOOPBACK, 0, limits=LIMITS, tls=listener))
            if middle is not None:
                url = await nursery.start(middle.run, url)
            carrier = await dial(nursery, url, limits=LIMITS)
            try:
                outcomes.dialed = await initiator.dial(
                    carrier, expected_key=BERT.key, binding=carrier.binding
                )
            except PeerageError as exc:
                outcomes.dialed = exc
            await outcomes.is_answered.wait()
            await carrier.aclose()
            nursery.cancel_scope.cancel()

    run_trio(body)
    return outcomes
