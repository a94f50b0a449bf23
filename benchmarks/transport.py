"""Cost of a full mesh over loopback WebSockets, all nodes in one process.

Every node dials its peers, then broadcasts a burst; the run ends when every message has arrived. A
burst is queued at once, so the writers coalesce it; `--apart` lets all other tasks run between any two
messages of a node, which is the worst case: about one frame a message. `--tls` does it all under TLS;
`benchmarks.transport_link` sets one link beside another.

    python -m benchmarks.transport --nodes 31 --messages 20 --message-bytes 1024
"""

import argparse
import cProfile
import pstats
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import trio

from consensus.identity import KeyPair, NetworkId, PeerKey
from swarm.edge.limits import EdgeLimits
from swarm.edge.link import Inbound
from swarm.edge.mesh import Mesh
from swarm.edge.tls import TlsIdentity
from swarm.edge.transport import Carrier
from swarm.edge.websocket import WebSocketListener, dial, open_listener

NETWORK = NetworkId(b"\x07" * 32)
DEADLINE_S = 120.0
PROFILE_LINES = 30


@dataclass(frozen=True, slots=True)
class Settings:
    """The command line."""

    nodes: int
    messages: int
    message_bytes: int
    is_apart: bool
    is_profiled: bool
    is_secure: bool


class Stopwatch:
    """Wall and CPU seconds since it was made."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def report(self, what: str, amounts: dict[str, int]) -> None:
        """Print the time, and each amount with its rate."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        rates = ", ".join(f"{amount:,} {unit} ({amount / wall:,.0f}/s)" for unit, amount in amounts.items())
        print(f"{what:<12} {wall:7.3f} s wall, {cpu:7.3f} s CPU: {rates}")


class FrameCounter:
    """A Connector whose carriers count frames. Every link has one dialing end: both ways are counted."""

    def __init__(self, limits: EdgeLimits) -> None:
        self._limits = limits
        self.frames = 0

    async def connect(self, nursery: trio.Nursery, url: str, /) -> Carrier:
        """Open a counted carrier."""
        return _CountedCarrier(await dial(nursery, url, limits=self._limits), self)


class _CountedCarrier:
    def __init__(self, inner: Carrier, counter: FrameCounter) -> None:
        self._inner = inner
        self._counter = counter
        self.aclose = inner.aclose
        self.binding = inner.binding
        self.note_authenticated = inner.note_authenticated

    async def send(self, frame: bytes) -> None:
        self._counter.frames += 1
        await self._inner.send(frame)

    async def recv(self) -> bytes:
        frame = await self._inner.recv()
        self._counter.frames += 1
        return frame


class Node:
    """A mesh and what arrived at it."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.received = 0
        self._progress = trio.lowlevel.ParkingLot()

    async def collect(self) -> None:
        """Take events for ever."""
        while True:
            for event in await self.mesh.inbox.receive_batch():
                self.received += isinstance(event, Inbound)
            self._progress.unpark_all()

    async def wait_linked(self, peers: int) -> None:
        """Wait for links to `peers` peers."""
        while len(self.mesh.linked()) < peers:
            await self._progress.park()

    async def wait_received(self, messages: int) -> None:
        """Wait for `messages` messages in all."""
        while self.received < messages:
            await self._progress.park()


async def broadcast(mesh: Mesh, settings: Settings) -> None:
    """Send one node's burst."""
    for index in range(settings.messages):
        mesh.broadcast(index.to_bytes(8, "big") + bytes(settings.message_bytes - 8))
        if settings.is_apart:
            await trio.lowlevel.checkpoint()


async def measure(settings: Settings) -> None:
    """Connect everybody, send everything, print both."""
    limits = EdgeLimits()
    pairs = [KeyPair(index.to_bytes(32, "big")) for index in range(1, settings.nodes + 1)]
    identities = [TlsIdentity.create() if settings.is_secure else None for _ in pairs]
    listeners = [await open_listener("127.0.0.1", 0, limits=limits, tls=identity) for identity in identities]
    members: dict[PeerKey, str | None] = {
        pair.key: listener.url for pair, listener in zip(pairs, listeners, strict=True)
    }
    counter = FrameCounter(limits)

    def build(pair: KeyPair, listener: WebSocketListener) -> Node:
        return Node(
            Mesh(
                signer=pair,
                network_id=NETWORK,
                members=members,
                limits=limits,
                connect=counter.connect,
                listen=listener.serve,
            )
        )

    nodes = [build(pair, listener) for pair, listener in zip(pairs, listeners, strict=True)]
    peers = len(nodes) - 1
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            watch = Stopwatch()
            for node in nodes:
                nursery.start_soon(node.collect)
                await nursery.start(node.mesh.run)
            for node in nodes:
                await node.wait_linked(peers)
            watch.report("connect all", {"links": len(nodes) * peers // 2})
            counter.frames = 0
            watch = Stopwatch()
            for node in nodes:
                nursery.start_soon(broadcast, node.mesh, settings)
            for node in nodes:
                await node.wait_received(peers * settings.messages)
            delivered = sum(node.received for node in nodes)
            watch.report("deliver all", {"messages": delivered, "frames": counter.frames})
            nursery.cancel_scope.cancel()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'memory':<12} {peak_mib:7.1f} MiB peak, both ends of every link included")


def parse(argv: Sequence[str] | None) -> Settings:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Cost of a full mesh over loopback WebSockets.")
    parser.add_argument("--nodes", type=int, default=31, help="nodes in the process")
    parser.add_argument("--messages", type=int, default=20, help="broadcasts of each node")
    parser.add_argument("--message-bytes", type=int, default=1024, help="bytes of one message, 8 or more")
    parser.add_argument("--apart", action="store_true", help="let other tasks run between two broadcasts")
    parser.add_argument("--tls", action="store_true", help="under TLS, each node with its own certificate")
    parser.add_argument("--profile", action="store_true", help="print where the CPU time goes")
    found = parser.parse_args(argv)
    return Settings(
        nodes=found.nodes,
        messages=found.messages,
        message_bytes=found.message_bytes,
        is_apart=found.apart,
        is_profiled=found.profile,
        is_secure=found.tls,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    settings = parse(argv)
    run = partial(trio.run, measure, settings)
    if settings.is_profiled:
        profile = cProfile.Profile()
        profile.runcall(run)
        pstats.Stats(profile).sort_stats("tottime").print_stats(PROFILE_LINES)
    else:
        run()


if __name__ == "__main__":
    main()
