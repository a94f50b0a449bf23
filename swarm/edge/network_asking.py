"""Asking a network that is there already: no peer and no model of one's own, only links and a key.

The asker's key is made anew each time: nobody can tell two askers of one person apart, and none is kept.
"""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from consensus.errors import NetworkError
from consensus.identity import KeyPair, PeerKey
from swarm.edge.ask_options import AskOptions, check_options
from swarm.edge.asking import SwarmAsker
from swarm.edge.client import AskerClient, Progress, ProgressKind
from swarm.edge.deadlines import Pace
from swarm.edge.limits import EdgeLimits
from swarm.edge.link import DialFailed, LinkUp
from swarm.edge.local import PEERS_OWN, SwarmAccess
from swarm.edge.mesh import Mesh
from swarm.edge.network_file import NetworkFile, write_network
from swarm.edge.network_mesh import create_client_mesh
from swarm.edge.paths import Paths

LINK_S_MAX = 15.0  # within which a first member has to answer
MORE_S_MAX = 2.0  # how long further ones are waited for
POLL_S = 0.02
REASONS_MAX = 3


@asynccontextmanager
async def open_network_asker(
    options: AskOptions,
    file: NetworkFile,
    *,
    paths: Paths,
    note: Callable[[str], None],
    on_progress: Callable[[Progress], None],
) -> AsyncIterator[SwarmAsker]:
    """Connect to a network's members, until the block is left.

    Args:
        options: How to ask; `peers` are the seats, and what concerns peers of one's own is not used.
        file: The network.
        paths: The user's directories.
        note: Called with one line at each stage.
        on_progress: Called with whatever the asker's links bring.

    Raises:
        ConfigError: An option cannot be used.
        NetworkError: No member answers.
        StoreError: The genesis cannot be kept.
    """
    check_options(options)
    write_network(paths, file.network)
    asker, started = KeyPair(secrets.token_bytes(32)), time.monotonic()
    limits = EdgeLimits()
    mesh = create_client_mesh(asker, file, limits=limits)
    async with trio.open_nursery() as nursery:
        await nursery.start(mesh.run)
        await _wait_linked(mesh, file, on_progress=on_progress)
        note(f"{len(mesh.linked())} of {len(file.network.keys)} members of {file.name} are connected")
        client = AskerClient(network=file.network, mesh=mesh, on_progress=on_progress)
        access = SwarmAccess(file.network, asker, dict(file.addresses), (), PEERS_OWN)
        pace = Pace(options.deadline_s or file.deadline_s)
        elapsed = {"start": time.monotonic() - started}
        yield SwarmAsker(options, access, paths, pace, client, elapsed, secrets.token_bytes(32))
        with trio.move_on_after(limits.close_timeout_s):
            await mesh.stop()  # what was said last, a question taken back above all, is still said
        nursery.cancel_scope.cancel()


async def _wait_linked(mesh: Mesh, file: NetworkFile, *, on_progress: Callable[[Progress], None]) -> None:
    """Wait for links: until all that have an address answered or failed, not long after the first one."""
    failures: dict[PeerKey, str] = {}
    with trio.move_on_after(LINK_S_MAX) as patience:
        while True:
            _drain(mesh, failures, on_progress)
            linked = mesh.linked()
            if linked and all(key in linked or key in failures for key in file.addresses):
                return
            if linked:
                patience.deadline = min(patience.deadline, trio.current_time() + MORE_S_MAX)
            await trio.sleep(POLL_S)
    if not mesh.linked():
        said = "; ".join(sorted(set(failures.values()))[:REASONS_MAX]) or "no address is known"
        raise NetworkError(
            f"no member of {file.name!r} answered within {LINK_S_MAX:g} s ({said})",
            remedy="see that peers are up and the file holds addresses: peerage net show FILE",
        )


def _drain(mesh: Mesh, failures: dict[PeerKey, str], on_progress: Callable[[Progress], None]) -> None:
    while len(mesh.inbox):
        event = mesh.inbox.receive_nowait()
        if isinstance(event, DialFailed):
            failures[event.key] = event.reason
        elif isinstance(event, LinkUp):
            on_progress(Progress(ProgressKind.LINKED, event.key))
