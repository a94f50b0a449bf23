"""Meshes with address books, over real loopback sockets or over memory and a mock clock."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack

import trio

from consensus.errors import NetworkError
from consensus.identity import KeyPair, PeerKey
from swarm.edge.address_book import AddressBook
from swarm.edge.handshake import Handshaker
from swarm.edge.limits import EdgeLimits
from swarm.edge.link import Inbound, LinkDown, LinkUp, MeshEvent
from swarm.edge.memory_transport import SCHEME, MemoryNetwork
from swarm.edge.mesh import Mesh
from swarm.edge.overlay_limits import OverlayLimits
from swarm.edge.transport import Carrier, Connector, Listener
from swarm.edge.websocket import dial, open_listener
from tests.edge.test_mesh import NETWORK, PAIRS

LIMITS = EdgeLimits(close_timeout_s=0.2, handshake_timeout_s=2.0)
QUICK = OverlayLimits(presence_s=0.05, news_s=0.05, reverse_dial_s=0.5)
START_MS = 1_700_000_000_000


def get_time_ms() -> int:
    """A wall clock that goes with Trio's, mock or not."""
    return START_MS + int(trio.current_time() * 1_000)


@dataclass(slots=True)
class Place:
    """One member of a world: where it listens, if anywhere, and its mesh while it runs."""

    pair: KeyPair
    mesh: Mesh
    book: AddressBook
    url: str = ""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    seen: list[MeshEvent] = field(default_factory=list)

    @property
    def key(self) -> PeerKey:
        return self.pair.key

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self.scope:
            await self.mesh.run(task_status=task_status)

    def drain(self) -> list[MeshEvent]:
        """Take what waits, and return all that was ever taken."""
        while len(self.mesh.inbox):
            self.seen.append(self.mesh.inbox.receive_nowait())
        return self.seen

    async def next_message(self) -> Inbound:
        while True:
            event = await self.mesh.inbox.receive()
            self.seen.append(event)
            if isinstance(event, Inbound):
                return event

    def count(self, kind: type[LinkUp] | type[LinkDown], key: PeerKey) -> int:
        return sum(isinstance(event, kind) and event.key == key for event in self.drain())


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what other tasks bring about."""
    while not condition():
        await trio.sleep(0.01)


class Options(TypedDict, total=False):
    """What a member may have otherwise than others."""

    hints: dict[PeerKey, str]
    overlay: OverlayLimits
    limits: EdgeLimits
    anchors: Path | None
    clock: Callable[[], int]


class World:
    """Members of one network, whose addresses are learnt."""

    def __init__(self, nursery: trio.Nursery, *, members: int, limits: EdgeLimits, memory: bool) -> None:
        self.nursery = nursery
        self.pairs: Sequence[KeyPair] = PAIRS[:members]
        self.limits = limits
        self.memory = MemoryNetwork(limits) if memory else None
        self.blocked: set[tuple[PeerKey, str]] = set()  # who cannot reach which URL
        self._ports = 1_000

    def make_connect(self, own: PeerKey) -> Connector:
        memory = self.memory

        async def connect(nursery: trio.Nursery, url: str, /) -> Carrier:
            if (own, url) in self.blocked:
                raise NetworkError(f"no way to {url}")
            if memory is not None:
                return await memory.connect(nursery, SCHEME + url)
            return await dial(nursery, url, limits=self.limits)

        return connect

    async def open(self) -> tuple[Listener, str]:
        """Return a listener on a port of its own, and its URL."""
        if self.memory is not None:
            self._ports += 1
            url = f"ws://127.0.0.1:{self._ports}"
            return self.memory.listen(url).serve, url
        listener = await open_listener("127.0.0.1", 0, limits=self.limits)
        return listener.serve, listener.url

    async def make(
        self,
        pair: KeyPair,
        *,
        bootstrap: Sequence[str] = (),
        is_public: bool = True,
        **options: Unpack[Options],
    ) -> Place:
        listener, url = await self.open() if is_public else (None, "")
        members = [other.key for other in self.pairs]
        book = AddressBook(
            signer=pair,
            network_id=NETWORK,
            members=members,
            get_time_ms=options.get("clock", get_time_ms),
            urls=[url] if url else [],
            bootstrap=bootstrap,
            draw=random.Random(7),
        )
        mesh = Mesh(
            signer=pair,
            network_id=NETWORK,
            members={key: options.get("hints", {}).get(key) for key in members},
            limits=options.get("limits", self.limits),
            connect=self.make_connect(pair.key),
            listen=listener,
            jitter=lambda: 0.5,
            book=book,
            overlay_limits=options.get("overlay", QUICK),
            anchors=options.get("anchors"),
        )
        return Place(pair, mesh, book, url)

    async def start(
        self,
        pair: KeyPair,
        *,
        bootstrap: Sequence[str] = (),
        is_public: bool = True,
        **options: Unpack[Options],
    ) -> Place:
        place = await self.make(pair, bootstrap=bootstrap, is_public=is_public, **options)
        await self.nursery.start(place.run)
        return place

    async def dial_raw(self, pair: KeyPair, url: str, *, version: int = 2) -> Carrier:
        """Return an authenticated carrier with no mesh behind it, for misbehaving."""
        carrier = await self.make_connect(pair.key)(self.nursery, url)
        shaker = Handshaker(signer=pair, network_id=NETWORK, timeout_s=2.0, version_max=version)
        await shaker.dial(carrier, expected_key=None)
        return carrier


@asynccontextmanager
async def open_world(
    members: int, *, limits: EdgeLimits = LIMITS, memory: bool = False
) -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        yield World(nursery, members=members, limits=limits, memory=memory)
        nursery.cancel_scope.cancel()
