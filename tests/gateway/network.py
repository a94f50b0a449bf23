"""A network of real peers in a thread of its own; each of them can go down and come back."""

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Queue

import trio

from swarm.edge.ask_options import AskOptions
from swarm.edge.network_file import NetworkFile
from swarm.edge.store import open_asyncio_loop
from swarm.gateway.limits import GatewayLimits
from swarm.gateway.swarms import serve_network
from swarm.peer.service import PeerService, open_peer
from tests.gateway.kit import LIMITS, PATIENCE_S, Up, open_before, poll
from tests.peer.kit import Place, make_places

START_S = 60.0
DEADLINE_S = 30.0


@dataclass
class _Running:
    service: PeerService
    ended: trio.Event = field(default_factory=trio.Event)


@dataclass
class Peers:
    """A network's peers, as another thread handles them."""

    places: list[Place]
    file: NetworkFile
    wanted: trio.MemorySendChannel[int]
    token: trio.lowlevel.TrioToken
    running: dict[int, _Running] = field(default_factory=dict)
    came_up: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do some work where the peers live."""

        async def bounded() -> None:
            with trio.fail_after(START_S):
                await work()

        trio.from_thread.run(bounded, trio_token=self.token)

    def start(self, *indices: int) -> None:
        """Have peers come up that are down."""

        async def start_all() -> None:
            for index in indices:
                await self.wanted.send(index)
            while not self.running.keys() >= {*indices}:
                await self.came_up.park()

        self.run(start_all)

    def stop(self, *indices: int) -> None:
        """Have peers go down."""

        async def stop_all() -> None:
            for index in indices:
                self.running[index].service.stop()
            for index in indices:
                await self.running.pop(index).ended.wait()

        self.run(stop_all)

    def read_log(self, index: int) -> str:
        """Return a peer's own event log."""
        return (self.places[index].directory / "logs" / "events.jsonl").read_text()


async def run_peer(
    place: Place, file: NetworkFile, *, task_status: trio.TaskStatus[_Running] = trio.TASK_STATUS_IGNORED
) -> None:
    """Run a peer until it is told to stop."""
    async with open_peer(
        place.directory,
        config=place.config,
        file=file,
        signer=place.signer,
        note=lambda _: None,
        checks_alone=False,  # that takes seconds
    ) as service:
        running = _Running(service)
        task_status.started(running)
        await service.stopped.wait()
    running.ended.set()


@contextmanager
def open_peers(directory: Path, *, count: int = 4, outbound: int = 0, model: str = "") -> Iterator[Peers]:
    """Run a network of peers, the last of which only dial out, until the block is left."""
    places, file = make_places(directory, count, outbound=outbound)
    if model:
        places = [replace(place, config=replace(place.config, model=model)) for place in places]
    came_up: Queue[Peers] = Queue()

    async def main() -> None:
        send, receive = trio.open_memory_channel[int](0)
        peers = Peers(places, file, send, trio.lowlevel.current_trio_token())
        async with open_asyncio_loop(), trio.open_nursery() as nursery:
            came_up.put(peers)
            async for index in receive:  # here, for peers need the loop around whoever starts them
                peers.running[index] = await nursery.start(run_peer, places[index], file)
                peers.came_up.unpark_all()
            nursery.cancel_scope.cancel()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    peers = came_up.get(timeout=PATIENCE_S)
    try:
        peers.start(*range(count))
        yield peers
        peers.stop(*peers.running)
    finally:
        trio.from_thread.run_sync(peers.wanted.close, trio_token=peers.token)
        thread.join(timeout=PATIENCE_S)
    assert not thread.is_alive(), "the peers did not go down"


@contextmanager
def open_network_gateway(
    directory: Path, file: NetworkFile, *, seats: int = 4, limits: GatewayLimits = LIMITS
) -> Iterator[Up]:
    """Serve a network of peers that are up from a thread until the block is left."""
    options = AskOptions(peers=seats, deadline_s=DEADLINE_S, rounds_at_once=limits.rounds_at_once)
    with open_before(serve_network(options, file), directory, limits=limits) as up:
        wait_linked(up, len(file.network.keys))
        yield up


def wait_linked(up: Up, count: int) -> None:
    """Wait until a gateway has links to so many peers, no more and no fewer."""
    client = up.serving.gateway.asker.client
    is_so = poll(lambda: client.linked == count, within_s=PATIENCE_S)  # who was away is dialed now and then
    assert is_so, f"{client.linked} peers are linked, expected {count}"
