"""What a check found, and what a check is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from swarm.peer.doctor.facts import Facts

PAGE: Final = "docs/doctor.md"
CHECK_S_MAX: Final = 4.0  # seconds that one check may take


class Status(Enum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"  # the peer runs, and somebody should look
    FAULT = "fault"  # the peer cannot run, cannot be trusted, or reaches nobody
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found.

    Attributes:
        status: How grave it is.
        seen: What there was to see, in one line; of a skipped check why it was skipped.
        cause: Where that comes from; empty where all is well.
        remedy: What to do; empty where all is well.
    """

    status: Status
    seen: str
    cause: str = ""
    remedy: str = ""

    def __post_init__(self) -> None:
        is_calm = self.status in (Status.OK, Status.SKIPPED)
        assert self.seen, "a finding says what was seen"
        assert is_calm or (self.cause and self.remedy), f"no cause or remedy for: {self.seen}"


class Need(Enum):
    """What a check cannot do without, and what is said where it is missing."""

    DIRECTORY = "there is no data directory"
    CONFIG = "the settings cannot be read"
    KEY = "the key file cannot be read"
    NETWORK = "the network's file cannot be read"


Run = Callable[["Facts"], Awaitable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check.

    Attributes:
        id: Its name, which never changes its meaning: `D01-data-dir`.
        title: What is checked, for people.
        run: Does it.
        needs: What it cannot do without.
    """

    id: str
    title: str
    run: Run
    needs: tuple[Need, ...] = ()

    @property
    def link(self) -> str:
        """Where it is explained."""
        return f"{PAGE}#{self.id.lower()}"


def note_ok(seen: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(status=Status.OK, seen=seen)


def skip(why: str) -> Finding:
    """Return the finding that nothing was looked at."""
    return Finding(status=Status.SKIPPED, seen=why)


def warn(seen: str, *, cause: str, remedy: str) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(status=Status.WARNING, seen=seen, cause=cause, remedy=remedy)


def blame(seen: str, *, cause: str, remedy: str) -> Finding:
    """Return a fault."""
    return Finding(status=Status.FAULT, seen=seen, cause=cause, remedy=remedy)


def in_thread(look: Callable[["Facts"], Finding]) -> Run:
    """Make a check of a function that blocks on disks; what outlives its time is left to itself."""

    async def run(facts: "Facts") -> Finding:
        return await trio.to_thread.run_sync(look, facts, abandon_on_cancel=True)

    return run


def at_once(look: Callable[["Facts"], Finding]) -> Run:
    """Make a check of a function of facts alone, which does not block."""

    async def run(facts: "Facts") -> Finding:
        await trio.lowlevel.checkpoint()
        return look(facts)

    return run
