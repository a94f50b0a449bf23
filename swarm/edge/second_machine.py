"""Makes sure that a peer is alone with its key: two machines that sign under one key contradict each other.

Before a peer links as itself, `check_alone` looks at the network as a client under another key. While it
runs, its mesh watches for two signs that nobody without the key can make: an address record under the
key, signed after the peer started and not by it, and a handshake proven under the key by somebody else
(`SecondMachine`).

What this cannot see: a machine that no member reachable from here has a link to, for as long as that
lasts. Two machines parted from each other, each with members of its own, both run until the two halves
meet. So a copy of a key stays its owner's to prevent; the directory's lock and the database's marks guard
one machine only.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import trio

from consensus.errors import ConfigError
from consensus.identity import SEED_BYTES, KeyPair, NetworkId, PeerKey, Signer
from swarm.edge.address_book import AddressBook
from swarm.edge.limits import EdgeLimits
from swarm.edge.link import LinkUp
from swarm.edge.mesh import Mesh
from swarm.edge.transport import Connector

WAIT_S: Final = 60.0  # the links of a machine that lost its power are held for up to half of it
LOOK_S: Final = 3.0  # what honest members answer within
RESTORED_WAIT_S: Final = 300.0  # after a backup was restored: the old machine may be on its way up
RESTORED_LOOK_S: Final = 60.0
HANDSHAKES: Final = 2  # a dial takes one timeout to connect, and one to authenticate
POLL_S: Final = 0.05
NAMED_MAX: Final = 5  # members named in an error
REMEDY: Final = (
    "stop the other one for good before this one starts; if there is none, its links may be on their way out"
    " or this machine's clock was set back: start again in ten minutes; else a member that was named lies"
)


class SecondMachineError(ConfigError):
    """A key is in use on another machine.

    Args:
        key: The key.
        seen: What was seen of the other machine.
    """

    def __init__(self, key: PeerKey, seen: str) -> None:
        super().__init__(f"another machine runs with the key {key.hex()}: {seen}", remedy=REMEDY)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, seconds: a shadow, something to show, a first neighbour's word."""

    wait_s: float
    look_s: float
    link_s: float


@dataclass(frozen=True, slots=True)
class _Sight:
    """What there is to see of a key: `is_certain` if only its holder can have made it."""

    seen: str = ""
    is_certain: bool = False


async def check_alone(
    *,
    signer: Signer,
    network_id: NetworkId,
    members: Mapping[PeerKey, str | None],
    bootstrap: Sequence[str] = (),
    connect: Connector,
    limits: EdgeLimits,
    get_time_ms: Callable[[], int],
    wait_s: float = WAIT_S,
    look_s: float = LOOK_S,
) -> None:
    """Look for another machine with this key, and wait while it may be the shadow of this one's own crash.

    Numbered steps:

    1. Link to members as a client under a key of its own, learning addresses on the way.
    2. An address record that the key signed since, or the key proven at an address: somebody runs. Refuse.
    3. A member says to have a link with the key: wait until none says so, at most `wait_s`. Then refuse.
    4. Nobody has said so for `look_s`: alone, as far as can be seen from here.

    A network in which nobody answers is one in which this peer is the first: that is no reason to refuse.

    Args:
        signer: The peer; nothing is signed with it.
        network_id: Its network, 32 bytes.
        members: Every member's key, with a URL to dial it at or None.
        bootstrap: URLs at which some member is said to be.
        connect: Opens carriers.
        limits: Bounds of links.
        get_time_ms: Reads the wall clock, milliseconds since 1970.
        wait_s: How long a shadow is waited out, seconds.
        look_s: How long nothing must be seen, seconds; longer where another machine may be about to start.

    Raises:
        ConfigError: There is another machine, or what a member says of one did not end within `wait_s`.
    """
    # 1. Links under another key.
    client = KeyPair(secrets.token_bytes(SEED_BYTES))
    book = AddressBook(
        signer=client,
        network_id=network_id,
        members=members,
        get_time_ms=get_time_ms,
        bootstrap=bootstrap,
    )
    mesh = Mesh(
        signer=client, network_id=network_id, members=members, limits=limits, connect=connect, book=book
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(mesh.run)
        patience = Patience(wait_s, look_s, HANDSHAKES * limits.handshake_timeout_s)
        refusal = await _watch(mesh, book, signer.key, patience)
        with trio.move_on_after(limits.close_timeout_s):
            await mesh.stop()
        nursery.cancel_scope.cancel()
    if refusal:
        raise SecondMachineError(signer.key, refusal)


async def _watch(mesh: Mesh, book: AddressBook, key: PeerKey, patience: Patience) -> str:
    """Return what speaks against starting, empty if nothing does."""
    started = clear_since = trio.current_time()
    while True:
        sight = _look(mesh, book, key)
        now = trio.current_time()
        # 2. Somebody runs.
        if sight.is_certain:
            return sight.seen
        # 3. A shadow, or not.
        if sight.seen:
            clear_since = now
            if now - started >= patience.wait_s:
                return f"{sight.seen}, still after {patience.wait_s:g} s"
        elif not mesh.count_heard() and now - started < patience.link_s:
            clear_since = now
        # 4. Alone.
        elif now - clear_since >= patience.look_s:
            return ""
        await trio.sleep(POLL_S)


def _look(mesh: Mesh, book: AddressBook, key: PeerKey) -> _Sight:
    while len(mesh.inbox):
        event = mesh.inbox.receive_nowait()
        if isinstance(event, LinkUp) and event.key == key and event.is_direct:
            return _Sight("it answers at an address of this peer", is_certain=True)
    record = book.get(key)
    if record is not None and record.issued_ms > book.started_ms:
        at = ", ".join(record.urls) or "no address"
        return _Sight(f"it has just signed an address record ({at})", is_certain=True)
    holders = mesh.find_holders(key)
    if not holders:
        return _Sight()
    names = ", ".join(holder.hex()[:16] for holder in holders[:NAMED_MAX])
    more = f" and {len(holders) - NAMED_MAX} more" if len(holders) > NAMED_MAX else ""
    return _Sight(f"members say to have a link with it ({names}{more})")
