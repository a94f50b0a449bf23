"""Connections that ended leave no memory behind that only a rare collection would find."""

import gc
import secrets
from collections.abc import Iterator

import pytest
import trio

from swarm.edge.limits import EdgeLimits
from swarm.edge.tls import TlsIdentity
from swarm.edge.tuning import CONNECTIONS_PER_COLLECTION
from swarm.edge.websocket import open_listener
from tests.e2e.processes import run_within
from tests.edge.carriers import connect_socket

DEADLINE_S = 60.0


@pytest.fixture
def rare_collections() -> Iterator[None]:
    """Collect no garbage but what is collected by name, as in a process that makes few objects."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def count_streams() -> int:
    return sum(isinstance(one, trio.SSLStream) for one in gc.get_objects())


@pytest.mark.usefixtures("rare_collections")
def test_a_flood_of_failed_handshakes_is_let_go() -> None:
    async def main() -> None:
        listener = await open_listener("127.0.0.1", 0, limits=EdgeLimits(), tls=TlsIdentity.create())
        async with trio.open_nursery() as nursery:
            await nursery.start(listener.serve, lambda carrier: carrier.aclose())
            before = count_streams()
            most = 0
            for number in range(2 * CONNECTIONS_PER_COLLECTION):
                async with await connect_socket(listener.url) as stream:
                    # Noise that looks like the head of a TLS record is waited for, five seconds each.
                    await stream.send_all(b"\0\0" + secrets.token_bytes(98))
                    await stream.receive_some()
                if number % 32 == 0:
                    most = max(most, count_streams() - before)
            assert CONNECTIONS_PER_COLLECTION // 2 < most <= CONNECTIONS_PER_COLLECTION
            nursery.cancel_scope.cancel()

    run_within(DEADLINE_S, main)
