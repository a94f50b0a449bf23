"""One link, side by side: in memory, over a plain loopback socket, and over one under TLS.

Both ends are in this process, so times hold both ends' work and CPU is that of both together. Frames go
straight through the carriers: no queues, no coalescing, no signatures but the handshake's. Wall time is the
fastest tenth's, since on a machine with other work the rest says how long this process was kept waiting;
one-way rates hold those waits.

    python -m benchmarks.transport_link --rounds 500
"""

import argparse
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from consensus.errors import NetworkError
from consensus.identity import KeyPair, NetworkId
from swarm.edge.handshake import Handshaker
from swarm.edge.limits import EdgeLimits
from swarm.edge.memory_transport import MemoryNetwork
from swarm.edge.tls import TlsIdentity
from swarm.edge.transport import Carrier, Connector, Handler
from swarm.edge.websocket import dial, open_listener

NETWORK = NetworkId(b"\x07" * 32)
ANNA, BERT = KeyPair(b"a" * 32), KeyPair(b"b" * 32)
LIMITS = EdgeLimits(links_inbound_max=1_000)
SIZES = {"1 KB": 1_024, "64 KB": 65_536}
HELD_LINKS = 200
FASTEST = 10  # the fastest tenth
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ACK = b"\x01"
DEADLINE_S = 120.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one operation took, microseconds: wall time of the fastest tenth, mean CPU of both ends."""

    wall_us: float
    cpu_us: float


Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of carrier: serves a handler until cancelled and says where to connect, and how."""

    name: str
    open: Callable[[trio.Nursery, Handler], Awaitable[tuple[Connector, str]]]


async def open_memory(nursery: trio.Nursery, handler: Handler) -> tuple[Connector, str]:
    """Serve in memory."""
    network = MemoryNetwork(LIMITS)
    return network.connect, await nursery.start(network.listen("bert").serve, handler)


async def open_socket(
    nursery: trio.Nursery, handler: Handler, *, tls: TlsIdentity | None
) -> tuple[Connector, str]:
    """Serve on a loopback socket."""
    listener = await open_listener("127.0.0.1", 0, limits=LIMITS, tls=tls)
    return partial(dial, limits=LIMITS), await nursery.start(listener.serve, handler)


async def answer(carrier: Carrier) -> None:
    """Authenticate, then do as told: echo what comes, or take it and acknowledge each empty frame."""
    await Handshaker(signer=BERT, network_id=NETWORK, timeout_s=5.0).answer(carrier, binding=carrier.binding)
    is_echoing = False
    try:
        while True:
            frame = await carrier.recv()
            if len(frame) == 1:
                is_echoing = not is_echoing
            if is_echoing or len(frame) <= 1:
                await carrier.send(frame)
    except NetworkError:
        return


@asynccontextmanager
async def open_link(nursery: trio.Nursery, connect: Connector, url: str) -> AsyncIterator[Carrier]:
    """Connect and authenticate."""
    carrier = await connect(nursery, url)
    handshaker = Handshaker(signer=ANNA, network_id=NETWORK, timeout_s=5.0)
    await handshaker.dial(carrier, expected_key=BERT.key, binding=carrier.binding)
    yield carrier
    await carrier.aclose()


async def time_each(rounds: int, operation: Callable[[], Awaitable[None]]) -> Cost:
    """Run an operation again and again."""
    walls: list[float] = []
    cpu = time.process_time()
    for _ in range(rounds):
        started = time.perf_counter()
        await operation()
        walls.append(time.perf_counter() - started)
    quick = sorted(walls)[len(walls) // FASTEST]
    return Cost(1e6 * quick, 1e6 * (time.process_time() - cpu) / rounds)


async def time_one_way(carrier: Carrier, frame: bytes, rounds: int) -> Cost:
    """Push frames and wait until the last has been taken."""
    started, cpu = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        await carrier.send(frame)
    await carrier.send(b"")
    await carrier.recv()
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Cost(1e6 * wall / rounds, 1e6 * cpu / rounds)


def get_rss_bytes() -> int:
    """Return this process's resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


async def measure(kind: Kind, rounds: int) -> Row:
    """Measure one kind of carrier."""
    row: Row = {}

    def note(name: str, cost: Cost, *, is_rate: bool = False) -> None:
        wall = f"{1e6 / cost.wall_us:,.0f}/s" if is_rate else f"{cost.wall_us / 1_000:.2f} ms"
        row[name] = f"{wall:>10} {cost.cpu_us:7.0f} us"

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            connect, url = await kind.open(nursery, answer)

            async def link_once() -> None:
                async with open_link(nursery, connect, url):
                    return

            note("connect, authenticate, close", await time_each(max(1, rounds // 5), link_once))
            async with open_link(nursery, connect, url) as carrier:
                for name, size in SIZES.items():
                    note(f"one way, {name}", await time_one_way(carrier, bytes(size), rounds), is_rate=True)
                await carrier.send(ACK)  # from here on it echoes
                await carrier.recv()
                for name, size in SIZES.items():
                    request = partial(ask, carrier, bytes(size))
                    note(f"request and response, {name}", await time_each(rounds, request))
            before = get_rss_bytes()
            held = [open_link(nursery, connect, url) for _ in range(HELD_LINKS)]
            carriers = [await link.__aenter__() for link in held]
            per_link = (get_rss_bytes() - before) / len(carriers) / 1_024
            row["memory of a link, both ends"] = f"{per_link:7.0f} KiB{'':11}"
            for carrier in carriers:
                await carrier.aclose()
            nursery.cancel_scope.cancel()
    return row


async def ask(carrier: Carrier, frame: bytes) -> None:
    """Send a frame and wait for its echo."""
    await carrier.send(frame)
    await carrier.recv()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="One link in memory, plain and under TLS, side by side.")
    parser.add_argument("--rounds", type=int, default=500, help="operations of each kind")
    rounds = parser.parse_args(argv).rounds
    kinds = [
        Kind("memory", open_memory),
        Kind("plain", partial(open_socket, tls=None)),
        Kind("TLS", partial(open_socket, tls=TlsIdentity.create())),
    ]
    rows = {kind.name: trio.run(measure, kind, rounds) for kind in kinds}
    print(f"{'':30}" + "".join(f"{f'{name}: wall, CPU':>24}" for name in rows))
    for name in rows["memory"]:
        print(f"{name:30}" + "".join(f"{row[name]:>24}" for row in rows.values()))


if __name__ == "__main__":
    main()
