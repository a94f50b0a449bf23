"""The links of a network's members and askers: where they lead, and under which limits."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from consensus.identity import Signer
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
    url: str

    def get_sent(self) -> Mapping[str, int]:
        """Return what was sent, as the event of a stop says it."""
        return {"sent_messages": self.mesh.sent_messages, "sent_bytes": self.mesh.sent_bytes}


@asynccontextmanager
async def open_member_links(
    signer: Signer,
    file: NetworkFile,
    config: PeerConfig,
    *,
    limits: EdgeLimits,
    note: Callable[[str], None],
) -> AsyncIterator[MemberLinks]:
    """Make a member's mesh, which the caller runs, and let go of its socket when the block is left.

    Args:
        signer: The member.
        file: The network.
        config: Where it listens, and what it tells others of that.
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
    members = {key: file.addresses.get(key) for key in file.network.keys}
    if config.is_outbound_only:
        members[signer.key] = None
    mesh = Mesh(
        signer=signer,
        network_id=file.network.network_id,
        members=members,
        limits=limits,
        connect=partial(dial, limits=limits),
        listen=None if listener is None else listener.serve,
    )
    try:
        yield MemberLinks(mesh, "" if listener is None else listener.url)
    finally:
        if listener is not None:
            await listener.aclose()


def create_client_mesh(signer: Signer, file: NetworkFile, *, limits: EdgeLimits) -> Mesh:
    """Return an asker's mesh to the members of a network whose addresses are known."""
    return Mesh(
        signer=signer,
        network_id=file.network.network_id,
        members={key: file.addresses.get(key) for key in file.network.keys},
        limits=limits,
        connect=partial(dial, limits=limits),
    )
