"""A healthy peer on a disk, members that answer, and the doctor that looks at them."""

import functools
import random
import shutil
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import trio

from consensus.errors import NetworkError, PeerError
from consensus.identity import NetworkId, Signer
from swarm.edge.event_log import EventLog
from swarm.edge.events import Json
from swarm.edge.handshake import VERSION_MAX, VERSION_MIN, Handshaker
from swarm.edge.joining import join_network
from swarm.edge.limits import EdgeLimits
from swarm.edge.log_rotation import RotationLimits
from swarm.edge.network_file import NetworkFile
from swarm.edge.network_urls import parse_url
from swarm.edge.peer_directory import STORE_NAME, get_log_path
from swarm.edge.store import open_asyncio_loop, open_store
from swarm.edge.tls import TlsIdentity
from swarm.edge.transport import Carrier
from swarm.edge.websocket import open_listener
from swarm.peer.control import serve_control
from swarm.peer.doctor.examine import Report, examine
from swarm.peer.doctor.facts import Wish
from swarm.peer.doctor.finding import Finding, Status
from swarm.peer.doctor.world import DiskSpace, Memory, World
from swarm.peer.stage import QUIET_PORTS
from tests.peer.kit import Place, make_network_file, make_place

LOOK_S_MAX = 200.0  # a machine may be busy; nothing here is about time
NOW_MS = 1_795_000_000_000

LIMITS = EdgeLimits(handshake_timeout_s=1.5, close_timeout_s=0.1)


@functools.cache
def get_tls() -> TlsIdentity:
    return TlsIdentity.create()


@dataclass(frozen=True)
class Answering:
    """Somebody who answers at an address: a member as a rule."""

    url: str
    signer: Signer
    network: NetworkId
    version_min: int = VERSION_MIN
    version_max: int = VERSION_MAX

    async def serve(self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        address = parse_url(self.url)
        listener = await open_listener(address.host, address.port, limits=LIMITS, tls=get_tls())
        handshaker = Handshaker(
            signer=self.signer,
            network_id=self.network,
            timeout_s=1.5,
            version_min=self.version_min,
            version_max=self.version_max,
        )

        async def answer(carrier: Carrier) -> None:
            with trio.move_on_after(2.0):
                await handshaker.answer(carrier, binding=carrier.binding)
                await carrier.recv()

        async def handle(carrier: Carrier) -> None:
            try:
                await answer(carrier)
            except (NetworkError, PeerError):
                return

        await listener.serve(handle, task_status=task_status)


@dataclass
class Scene:
    """A peer with a database, in a network of four whose other members answer.

    `said` is what the peer answers to orders; None where it does not run. `dialed_back` is who of the members
    that it asks to dial it reach it.
    """

    place: Place
    places: list[Place]
    file: NetworkFile
    world: World
    answering: list[Answering]
    said: dict[str, Json] | None = None
    dialed_back: Sequence[bool] = ()

    @property
    def directory(self) -> Path:
        return self.place.directory

    @property
    def database(self) -> Path:
        return self.directory / STORE_NAME

    def look(self, wish: Wish | None = None, *, skipped: Sequence[str] = ()) -> Report:
        """Have the doctor look, while the other members answer."""

        async def main() -> Report:
            with trio.fail_after(LOOK_S_MAX):
                async with self.open():
                    return await examine(self.directory, wish or Wish(), world=self.world, skipped=skipped)

        return trio.run(main)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            for one in self.answering:
                await nursery.start(one.serve)
            if self.said is not None:
                await nursery.start(partial(serve_control, self.directory, self._answer))
            yield
            nursery.cancel_scope.cancel()

    async def _answer(self, order: Mapping[str, str]) -> Mapping[str, Json]:
        assert self.said is not None
        if order["do"] != "dial-back":
            return self.said
        found = dict(zip("abc", self.dialed_back, strict=False))
        return {url: dict[str, Json](found) for url in self.place.config.advertise}

    def change(self, **fields: object) -> None:
        """Change the machine."""
        self.world = replace(self.world, **fields)  # type: ignore[arg-type]  # by name, as replace has it

    def run(self, **fields: Json) -> None:
        """Let the peer seem to run, saying what a running one does, or otherwise where that is given."""
        self.said = {
            "state": "running",
            "reason": "",
            "key": self.place.signer.key.hex(),
            "network": {"network_id": self.file.network.network_id.hex()},
            "url": next(iter(self.place.config.advertise), None),
            "links": [],
            "started_ms": NOW_MS - 60_000,
            "pid": 1,
            **fields,
        }
        own = self.place.config.advertise[0]
        self.answering.append(Answering(own, self.place.signer, self.file.network.network_id))

    def log(
        self,
        *events: tuple[str, int, Mapping[str, Json]],
        peer: bytes | None = None,
        limits: RotationLimits | None = None,
    ) -> None:
        """Write events, each with its time, into the peer's log."""
        now = 0
        with EventLog(get_log_path(self.directory), get_time_ms=lambda: now, limits=limits) as log:
            for name, at_ms, fields in events:
                now = at_ms
                log.append(name, peer=peer or self.place.signer.key, fields=fields)


def find_quiet_ports(count: int) -> list[int]:
    """Return free ports that nobody is given by chance: a whole run of tests binds them again and again."""
    found: list[int] = []
    for port in random.sample(QUIET_PORTS, len(QUIET_PORTS)):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"there are no {count} free ports")


@dataclass(frozen=True)
class Template:
    """A healthy network on disk, made once: making it syncs a lot."""

    root: Path
    places: list[Place]
    file: NetworkFile

    @classmethod
    def make(cls, root: Path) -> "Template":
        ports = find_quiet_ports(4)
        places = [make_place(root / f"p{index}", index, port=port) for index, port in enumerate(ports)]
        file = make_network_file(places)
        for place in places:
            join_network(place.directory, file, replaces=False)
        trio.run(make_database, places[0].directory / STORE_NAME)
        return cls(root, places, file)


def make_scene(directory: Path, template: Template) -> Scene:
    """Make a healthy peer that does not run."""
    shutil.copytree(template.root, directory, dirs_exist_ok=True)
    places = [replace(place, directory=directory / place.directory.name) for place in template.places]
    file = template.file
    mountinfo = directory / "mountinfo"
    mountinfo.write_text("22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n")
    world = World(
        get_wall_ms=lambda: NOW_MS,
        get_disk_space=lambda _: DiskSpace(1 << 40, 1 << 20, 1 << 19),
        get_memory=lambda: Memory(1 << 34, 1 << 33),
        get_files_max=lambda _: 4_096,
        get_age_s=lambda _: 61.0,
        cores=4,
        mountinfo=mountinfo,
        cache=directory / "cache",
        systemd=directory / "no-systemd",
        unit_directories=(directory / "units",),
        limits=LIMITS,
    )
    answering = [
        Answering(file.addresses[place.signer.key], place.signer, file.network.network_id)
        for place in places[1:]
    ]
    return Scene(places[0], places, file, world, answering)


async def make_database(path: Path) -> None:
    async with open_asyncio_loop(), AsyncExitStack() as stack:
        store = await open_store(path)
        stack.push_async_callback(store.aclose)


def list_faults(report: Report) -> list[str]:
    return [result.check.id for result in report.results if result.finding.status is Status.FAULT]


def list_warnings(report: Report) -> list[str]:
    return [result.check.id for result in report.results if result.finding.status is Status.WARNING]


def find(report: Report, id_: str) -> Finding:
    return next(result.finding for result in report.results if result.check.id == id_)
