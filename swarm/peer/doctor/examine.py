"""Running all checks at one time, each within its own; and what comes of them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from consensus.errors import PeerageError
from models.errors import ModelError
from swarm.edge.events import Json
from swarm.peer.doctor.checks import CHECKS
from swarm.peer.doctor.facts import Facts, Wish
from swarm.peer.doctor.finding import CHECK_S_MAX, Check, Finding, Status, blame, skip, warn
from swarm.peer.doctor.gather import gather
from swarm.peer.doctor.world import World

SCHEMA: Final = "peerage.doctor/1"
STATE_STOPPED, STATE_STUCK = "stopped", "stuck"


@dataclass(frozen=True, slots=True)
class Result:
    """A check, what it found, and how long that took, seconds."""

    check: Check
    finding: Finding
    took_s: float

    def to_value(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "id": self.check.id,
            "title": self.check.title,
            "status": self.finding.status.value,
            "seen": self.finding.seen,
            "cause": self.finding.cause,
            "remedy": self.finding.remedy,
            "link": self.check.link,
            "took_s": round(self.took_s, 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found, in the order of the checks.

    Attributes:
        directory: The peer's.
        state: What the running peer says of its state; `stopped` or `stuck` where it says nothing.
        results: One a check.
        took_s: Seconds, all in all.
    """

    directory: Path
    state: str
    results: tuple[Result, ...]
    took_s: float

    @property
    def is_healthy(self) -> bool:
        """Whether there is no fault."""
        return not self.count(Status.FAULT)

    def count(self, status: Status) -> int:
        """Return how many checks found this."""
        return sum(result.finding.status is status for result in self.results)

    def to_value(self) -> Mapping[str, Json]:
        """Return it as JSON."""
        return {
            "schema": SCHEMA,
            "directory": str(self.directory),
            "state": self.state,
            "healthy": self.is_healthy,
            "counts": {status.value: self.count(status) for status in Status},
            "took_s": round(self.took_s, 3),
            "checks": [result.to_value() for result in self.results],
        }


async def examine(
    directory: Path,
    wish: Wish,
    *,
    world: World,
    skipped: Collection[str] = (),
    on_begin: Callable[[Check], None] = lambda _: None,
) -> Report:
    """Look at a peer, whether or not it runs; nothing is changed.

    Args:
        directory: The peer's.
        wish: What its owner wants looked at.
        world: The machine.
        skipped: Ids of checks that are left out.
        on_begin: Called as each check begins.
    """
    began = trio.current_time()
    facts = await gather(directory, world, wish)
    found: dict[str, Result] = {}

    async def run(check: Check) -> None:
        on_begin(check)
        since = trio.current_time()
        finding = skip("left out with --skip") if check.id in skipped else await run_check(check, facts)
        found[check.id] = Result(check, finding, trio.current_time() - since)

    async with trio.open_nursery() as nursery:
        for check in CHECKS:
            nursery.start_soon(run, check)
    state = STATE_STOPPED if facts.said is None else STATE_STUCK
    return Report(
        directory=directory,
        state=state if facts.running is None else str(facts.running["state"]),
        results=tuple(found[check.id] for check in CHECKS),
        took_s=trio.current_time() - began,
    )


async def run_check(check: Check, facts: Facts) -> Finding:
    """Run one check within its time; whatever stops it becomes its finding."""
    lacking = facts.find_lacking(check.needs)
    if lacking is not None:
        return skip(lacking.value)
    try:
        with trio.fail_after(CHECK_S_MAX):
            return await check.run(facts)
    except trio.TooSlowError:
        return warn(
            f"not done within {CHECK_S_MAX:g} s",
            cause="this machine is busy, or a disk or network that the check needs does not answer",
            remedy="look again when it is calm; if it stays so, see whether that disk or network is broken",
        )
    except (PeerageError, ModelError) as exc:
        return blame(
            exc.message,
            cause="what the check looks at cannot be used",
            remedy=exc.remedy or "mend that first",
        )
    except OSError as exc:
        return blame(
            f"it cannot be looked at ({exc})",
            cause="this user may not look there, or the disk fails",
            remedy="run the doctor as the user that runs the peer",
        )
