"""Whom a node dials, where, and when again; which dials run follows a plan that may change."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from consensus.errors import ConfigError
from consensus.hashing import sha256
from consensus.identity import PeerKey
from swarm.edge.address_book import AddressBook
from swarm.edge.limits import EdgeLimits
from swarm.edge.overlay_limits import OverlayLimits


@dataclass(frozen=True, slots=True)
class Target:
    """Where a member is dialed; `after_s` seconds without a link, where the other end is to dial first."""

    urls: tuple[str, ...]
    after_s: float = 0.0


class DialPlan(Protocol):
    """Whom to dial at present."""

    @property
    def changed(self) -> trio.lowlevel.ParkingLot:
        """Where to wait for another plan."""

    @property
    def bootstrap(self) -> tuple[str, ...]:
        """URLs at which some member is said to be."""

    def get_targets(self) -> Mapping[PeerKey, Target]:
        """Return whom to dial and where, by rising key."""


class StaticPlan:
    """A plan that never changes: members at known URLs.

    Args:
        own: The node's key.
        members: Every member's key, with its URL or None.

    Raises:
        ConfigError: A member's key is not a key.
    """

    bootstrap: tuple[str, ...] = ()

    def __init__(self, own: PeerKey, members: Mapping[PeerKey, str | None]) -> None:
        self.changed = trio.lowlevel.ParkingLot()
        self._targets = {key: Target((url,)) for key, url in compute_dialed(own, members).items()}

    def get_targets(self) -> Mapping[PeerKey, Target]:
        """Return whom to dial; see `DialPlan`."""
        return self._targets


class BookPlan:
    """A plan that follows an address book.

    Args:
        book: Where members are.
        limits: How many are dialed, and how long one waits for the other end's dial.
    """

    def __init__(self, book: AddressBook, limits: OverlayLimits) -> None:
        self._book = book
        self._limits = limits

    @property
    def changed(self) -> trio.lowlevel.ParkingLot:
        """Where to wait for another plan."""
        return self._book.changed

    @property
    def bootstrap(self) -> tuple[str, ...]:
        """URLs at which some member is said to be."""
        return self._book.bootstrap

    def get_targets(self) -> Mapping[PeerKey, Target]:
        """Return whom to dial; see `DialPlan`."""
        book = self._book
        is_awaited = book.own_key in book.members and bool(book.urls)
        return compute_targets(book.own_key, book.list_urls(), is_awaited=is_awaited, limits=self._limits)


def compute_dialed(own: PeerKey, members: Mapping[PeerKey, str | None]) -> dict[PeerKey, str]:
    """Return whom a node dials, and where: so that a pair has one link, and every pair that can has one.

    Args:
        own: The node's key; a client's is not among the members.
        members: Every member's key, with its URL or None.

    Returns:
        Keys in ascending order, each with its URL.
    """
    for key in members:
        if len(key) != len(own):
            raise ConfigError(f"got a member key of {len(key)} bytes, expected {len(own)}")
    dials_all = members.get(own) is None  # a client, or a member that others have no address of
    return {
        key: url
        for key, url in sorted(members.items())
        if url is not None and key != own and (dials_all or key > own)
    }


def compute_targets(
    own: PeerKey,
    urls: Mapping[PeerKey, Sequence[str]],
    *,
    is_awaited: bool,
    limits: OverlayLimits,
) -> dict[PeerKey, Target]:
    """Return whom a node dials in a network whose addresses are learnt.

    As in `compute_dialed` the lower key of a pair dials; but where no link comes of that, the higher one
    dials as well, since an address that is right may still be out of the other end's reach. Of more
    members than a node keeps links to it dials some, others than every other node does.

    Args:
        own: The node's key.
        urls: Where members are, by key.
        is_awaited: Whether others can dial this node.
        limits: `dialed_max` and `reverse_dial_s` are used.

    Returns:
        Keys in ascending order, each with where and when it is dialed.
    """
    others = sorted(key for key, its in urls.items() if its and key != own)
    if len(others) > limits.dialed_max:
        others = sorted(sorted(others, key=lambda key: sha256(own + key))[: limits.dialed_max])
        is_awaited = (
            False  # which of a pair dials is no longer for the keys to say: one of them may not want to
        )
    return {
        key: Target(tuple(urls[key]), limits.reverse_dial_s if is_awaited and key < own else 0.0)
        for key in others
    }


def compute_backoff_s(limits: EdgeLimits, attempt: int, jitter: float) -> float:
    """Return the wait before dial number `attempt` + 1, seconds: doubling, capped, half of it jittered."""
    doubled = limits.backoff_s_min * 2.0 ** min(attempt, 32)
    return min(limits.backoff_s_max, doubled) * (0.5 + 0.5 * jitter)


class DialHost(Protocol):
    """What dialing needs to know of the mesh it dials for."""

    def is_settled(self, key: PeerKey) -> bool:
        """Say whether there is nothing to dial: the member is linked, or cut off."""

    def is_banned(self, key: PeerKey) -> bool:
        """Say whether links with a key are refused at present."""

    def count_members(self) -> int:
        """Return how many members there are direct links to."""


class Opener(Protocol):
    """What makes links (`swarm.edge.opening`)."""

    async def dial_member(self, nursery: trio.Nursery, key: PeerKey, url: str) -> None:
        """Dial a member and keep the link until it ends; failures are reported, not raised."""

    async def dial_anyone(self, nursery: trio.Nursery, url: str) -> PeerKey | None:
        """Dial whatever member answers and keep the link; returns who did, None if nobody of use."""


class Dialer:
    """Dials what its plan says, for ever, waiting longer after each short-lived attempt.

    Args:
        plan: Whom to dial.
        host: Says what links there are.
        opener: Does the dialing.
        limits: How long to wait.
        enough: Member links from which on addresses without keys are not dialed.
        jitter: Returns numbers in [0, 1).
    """

    def __init__(
        self,
        *,
        plan: DialPlan,
        host: DialHost,
        opener: Opener,
        limits: EdgeLimits,
        enough: int,
        jitter: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._host = host
        self._opener = opener
        self._limits = limits
        self._enough = enough
        self._jitter = jitter
        self._targets = plan.get_targets()
        self._dialing: dict[PeerKey, bool] = {}
        self._wake = trio.lowlevel.ParkingLot()

    async def run(self) -> None:
        """Dial until cancelled."""
        async with trio.open_nursery() as nursery:
            for url in self._plan.bootstrap:
                nursery.start_soon(self._keep_bootstrapped, nursery, url)
            while True:
                self._targets = self._plan.get_targets()
                for key in self._targets:
                    if key not in self._dialing:
                        self._dialing[key] = True
                        nursery.start_soon(self._keep_dialed, nursery, key)
                self._wake.unpark_all()
                await self._plan.changed.park()

    def wake(self) -> None:
        """Look again: a link has ended, or a cut was lifted."""
        self._wake.unpark_all()

    async def _keep_dialed(self, nursery: trio.Nursery, key: PeerKey) -> None:
        """Dial one member for as long as the plan says so."""
        attempt, unlinked_since = 0, math.inf
        urls: tuple[str, ...] = ()
        while (target := self._targets.get(key)) is not None:
            if target.urls != urls:
                attempt, urls = 0, target.urls
            if self._host.is_settled(key):
                unlinked_since = math.inf
                await self._wake.park()
                continue
            started = trio.current_time()
            unlinked_since = min(unlinked_since, started)
            if started < unlinked_since + target.after_s:
                with trio.move_on_at(unlinked_since + target.after_s):
                    await self._wake.park()
                continue
            if not self._host.is_banned(key):
                await self._opener.dial_member(nursery, key, urls[attempt % len(urls)])
                unlinked_since = math.inf
            pause_s = compute_backoff_s(self._limits, attempt, self._jitter())
            attempt = self._count(attempt, started)
            await self._pause(key, pause_s)
        del self._dialing[key]

    async def _pause(self, key: PeerKey, pause_s: float) -> None:
        """Wait after a dial, unless its target changes."""
        target = self._targets.get(key)
        with trio.move_on_after(pause_s):
            while self._targets.get(key) == target:
                await self._wake.park()

    def _count(self, attempt: int, started: float) -> int:
        """Return the number of the next attempt: the first again after a link that lived."""
        return 0 if trio.current_time() - started > self._limits.backoff_s_max else attempt + 1

    async def _keep_bootstrapped(self, nursery: trio.Nursery, url: str) -> None:
        """Dial one address, whoever is there, while there are too few links."""
        if any(url in target.urls for target in self._targets.values()):
            await trio.sleep(self._limits.handshake_timeout_s)  # it is dialed as a member's first
        attempt = 0
        found: PeerKey | None = None
        while True:
            is_linked = found is not None and self._host.is_settled(found)
            if is_linked or self._host.count_members() >= self._enough:
                await self._wake.park()
                continue
            started = trio.current_time()
            found = await self._opener.dial_anyone(nursery, url)
            pause_s = compute_backoff_s(self._limits, attempt, self._jitter())
            attempt = self._count(attempt, started)
            await trio.sleep(pause_s)
