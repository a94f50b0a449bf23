"""The links of a network's members and askers: where they lead, and under which limits."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from consensus.identity import PeerKey, Signer
from swarm.edge.address_book import AddressBook
from swarm.edge.anchors import read_anchors
from swarm.edge.clock import get_wall_ms
from swarm.edge.limits import EdgeLimits
from swarm.edge.mesh import Mesh
from swarm.edge.network_file import NetworkFile
from swarm.edge.network_urls import parse_listen
from swarm.edge.peer_config import PeerConfig
from swarm.edge.tls import TlsIdentity
from swarm.edge.websocket import dial, open_listener


@dataclass(frozen=True, slots=True)
class MemberLinks:
    """A member's links. `url` is where it listens, empty where nowhere."""

    mesh: Mesh
    book: AddressBook
    url: str

    def list_members(self) -> tuple[PeerKey, ...]:
        """Return the members it is linked with; askers are no members."""
        return tuple(key for key in self.mesh.linked() if self.mesh.is_member(key))

    def get_clock_behind_s(self) -> float:
        """Return how far this clock is behind another member's at least, seconds: records name their time."""
        now_ms = self.book.get_time_ms()
        records = [record for record in self.book.list_records() if record.key != self.book.own_key]
        return max([0, *(record.issued_ms - now_ms for record in records)]) / 1_000


@asynccontextmanager
async def open_member_links(
    signer: Signer,
    file: NetworkFile,
    config: PeerConfig,
    *,
    anchors: Path,
    limits: EdgeLimits,
    note: Callable[[str], None],
) -> AsyncIterator[MemberLinks]:
    """Make a member's mesh, which the caller runs, and let go of its socket when the block is left.

    Args:
        signer: The member.
        file: The network.
        config: Where it listens, and what it tells others of that.
        anchors: Where addresses of other members are kept.
        limits: Bounds.
        note: Called with a line of what is to be known.

    Raises:
        ConfigError: The address is not to be had.
    """
    listener = None
    if config.listen:
        host, port = parse_listen(config.listen)
        listener = await open_listener(host, port, limits=limits, tls=TlsIdentity.create())
        note(f"listening at {listener.url}")
    book = _make_book(signer, file, urls=config.advertise)
    saved = read_anchors(anchors)
    if saved.problem:
        note(saved.problem)
    book.load_anchors(saved.records)
    mesh = Mesh(
        signer=signer,
        network_id=file.network.network_id,
        members=file.map_addresses(),
        limits=limits,
        connect=partial(dial, limits=limits),
        listen=None if listener is None else listener.serve,
        book=book,
        anchors=anchors,
    )
    try:
        yield MemberLinks(mesh, book, "" if listener is None else listener.url)
    finally:
        if listener is not None:
            await listener.aclose()


def create_client_mesh(signer: Signer, file: NetworkFile, *, limits: EdgeLimits) -> Mesh:
    """Return an asker's mesh to the members of a network, whose addresses it hears from each other."""
    return Mesh(
        signer=signer,
        network_id=file.network.network_id,
        members=file.map_addresses(),
        limits=limits,
        connect=partial(dial, limits=limits),
        book=_make_book(signer, file, urls=()),
    )


def list_known_urls(signer: Signer, file: NetworkFile, anchors: Path) -> dict[PeerKey, str | None]:
    """Return where each member was last known to be, None where that is not known.

    Args:
        signer: Who asks; not among them.
        file: The network, whose file may name some.
        anchors: What was kept of others.
    """
    book = _make_book(signer, file, urls=())
    book.set_hints({key: (url,) for key, url in file.addresses.items()})
    book.load_anchors(read_anchors(anchors).records)
    known = book.list_urls()
    return {key: known[key][0] if key in known else None for key in file.network.keys}


def _make_book(signer: Signer, file: NetworkFile, *, urls: Sequence[str]) -> AddressBook:
    return AddressBook(
        signer=signer,
        network_id=file.network.network_id,
        members=file.network.keys,
        get_time_ms=get_wall_ms,
        urls=urls,
    )
