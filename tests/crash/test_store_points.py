"""A round's records through a `SqliteStore`, and a crash at every system call that changes a file.

The calls are enumerated, not sampled: a blow is struck at call 0, at call 1, and so on, until a run ends
before it. docs/adr/0031-crash-points.md says how, and how many there are.
"""

import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import pytest
import trio

from swarm.core.records import Table
from swarm.edge.sign_mark import get_mark_path, write_mark
from swarm.edge.store import open_asyncio_loop
from tests.crash.damage import WAL_ENDING, Damage, check_damaged, list_damages
from tests.crash.model import check_directory, write_files
from tests.crash.power import PowerCut, list_power_cuts, replay
from tests.crash.tracer import Blow, Call
from tests.crash.worker import DATABASE, Job, Outcome, Write, run_job

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tracing")]

IS_NIGHTLY = os.environ.get("PEERAGE_NIGHTLY") == "1"
OPEN_WRITES = 10  # of a round that is not over then
POINTS_MIN = 100  # fewer would mean that the tracer sees little of what happens


def on_disk(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with open_asyncio_loop():
            await scenario()

    trio.run(main)


def check_all(outcomes: Sequence[Outcome], writes: Sequence[Write]) -> list[str]:
    """Open what every run left; returns what is wrong."""
    found: list[str] = []

    async def scenario() -> None:
        for outcome in outcomes:
            problem = await check_directory(outcome.directory, writes, outcome.acknowledged)
            if problem:
                call = outcome.call
                found.append(f"{outcome.strike} {call and (call.name, call.path)}: {problem}")

    on_disk(scenario)
    return found


def read_files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def strike_everywhere(scratch: Path, writes: tuple[Write, ...], *blows: Blow) -> list[Outcome]:
    outcomes = run_job(Job(scratch, writes, blows))
    assert outcomes[0].acknowledged == len(writes)
    assert len(outcomes) >= POINTS_MIN * len(blows)
    return outcomes


class TestKilled:
    def test_at_every_call_nothing_acknowledged_is_lost_and_nothing_can_be_signed_twice(
        self, scratch: Path, writes: tuple[Write, ...]
    ) -> None:
        blows = (Blow.KILL, Blow.TEAR) if IS_NIGHTLY else (Blow.KILL,)
        outcomes = strike_everywhere(scratch, writes, *blows)
        struck = outcomes[1:]
        assert all(outcome.trace.was_killed for outcome in struck)
        assert [
            outcome.strike.at for outcome in struck if outcome.strike and outcome.strike.blow is Blow.KILL
        ] == [*range(len(outcomes[0].trace.calls))]
        names = Counter(call.name for call in outcomes[0].trace.calls)
        assert names.keys() >= {"mkdir", "openat", "pwrite64", "fsync", "fdatasync", "rename", "unlink"}
        assert {outcome.acknowledged for outcome in struck} == {*range(len(writes) + 1)}
        assert check_all(outcomes, writes) == []

    def test_the_check_objects_to_a_store_that_acknowledges_too_early(
        self, scratch: Path, writes: tuple[Write, ...]
    ) -> None:
        outcomes = run_job(Job(scratch, writes[:2], (Blow.KILL,)))
        early = [outcome for outcome in outcomes if outcome.acknowledged == 1]

        async def scenario() -> None:
            problems = [
                await check_directory(outcome.directory, writes[:2], outcome.acknowledged + 1)
                for outcome in early
            ]
            assert any("lost" in problem for problem in problems)

        on_disk(scenario)


class TestPowerCut:
    def test_every_state_it_may_leave_holds_what_was_acknowledged(
        self, scratch: Path, writes: tuple[Write, ...]
    ) -> None:
        (whole,) = run_job(Job(scratch, writes, ()))
        cuts = list(list_power_cuts(whole.trace.calls, whole.acknowledged_at, is_thorough=IS_NIGHTLY))
        assert len(cuts) > 2 * POINTS_MIN
        assert check_cuts(scratch, writes, cuts) == []

    @pytest.mark.parametrize("ending", ["-wal", "/peer"], ids=["log", "directory"])
    def test_the_check_objects_where_something_is_not_synced(
        self, scratch: Path, writes: tuple[Write, ...], ending: str
    ) -> None:
        (whole,) = run_job(Job(scratch, writes[:4], ()))
        calls = [
            Call("fchmod", call.path) if "sync" in call.name and f"/{call.path}".endswith(ending) else call
            for call in whole.trace.calls
        ]
        cuts = [
            cut
            for cut in list_power_cuts(calls, whole.acknowledged_at)
            if cut.what == "nothing that was not synced"
        ]
        assert any("lost" in problem for problem in check_cuts(scratch, writes[:4], cuts))


def check_cuts(scratch: Path, writes: tuple[Write, ...], cuts: Sequence[PowerCut]) -> list[str]:
    found: list[str] = []

    async def scenario() -> None:
        for cut in cuts:
            write_files(scratch / "cut", cut.files)
            problem = await check_directory(scratch / "cut", writes, cut.acknowledged)
            if problem:
                found.append(f"before call {cut.before}, {cut.what}: {problem}")

    on_disk(scenario)
    return found


class TestFull:
    def test_at_every_call_it_is_said_with_a_remedy_and_nothing_acknowledged_is_lost(
        self, scratch: Path, writes: tuple[Write, ...]
    ) -> None:
        blows = (Blow.STAY_FULL, Blow.FAIL) if IS_NIGHTLY else (Blow.STAY_FULL,)
        outcomes = strike_everywhere(scratch, writes, *blows)
        assert [outcome for outcome in outcomes if outcome.trace.status] == [], "it ends, and ends well"
        halted = [outcome for outcome in outcomes if outcome.error]
        assert all(outcome.remedy for outcome in halted)
        assert len(halted) > len(outcomes) // 2
        # What is not said has cost nothing: every write was acknowledged, and is there.
        silent = [outcome for outcome in outcomes if not outcome.error]
        assert {outcome.acknowledged for outcome in silent} == {len(writes)}
        assert check_all(outcomes, writes) == []


class TestDamaged:
    @pytest.mark.parametrize("is_killed", [False, True], ids=["closed", "killed"])
    def test_in_every_page_it_is_refused_or_found_or_costs_nothing(
        self, scratch: Path, writes: tuple[Write, ...], is_killed: bool
    ) -> None:
        files = make_files(scratch, writes[:OPEN_WRITES], is_killed=is_killed)
        damages = list_damages(files, is_thorough=IS_NIGHTLY)
        ends, problems = check_damages(scratch, writes[:OPEN_WRITES], files, damages)
        assert problems == []
        assert ends.keys() == {"whole", "refused", "older"}

    def test_without_the_mark_a_log_would_lose_its_end_in_silence(
        self, scratch: Path, writes: tuple[Write, ...]
    ) -> None:
        files = make_files(scratch, writes[:OPEN_WRITES], is_killed=True)
        mark = get_mark_path(scratch / DATABASE)
        write_mark(mark, 0, ())
        name = str(mark.relative_to(scratch))
        assert name in files
        in_log = [damage for damage in list_damages(files) if damage.name.endswith(WAL_ENDING)]
        unmarked = {**files, name: mark.read_bytes()}
        _, problems = check_damages(scratch, writes[:OPEN_WRITES], unmarked, in_log[-40:])
        assert any("silently lost" in problem for problem in problems)


def make_files(scratch: Path, writes: tuple[Write, ...], *, is_killed: bool) -> dict[str, bytes]:
    """Return the files of a round that is not over, its log included where the process was killed."""
    assert not any(record.table is Table.RECEIPT for records in writes for record in records)
    (whole,) = run_job(Job(scratch, writes, ()))
    files = replay(whole.trace.calls[: whole.acknowledged_at[-1]] if is_killed else whole.trace.calls)
    assert any(name.endswith(WAL_ENDING) for name in files) == is_killed
    if not is_killed:
        assert files == read_files(whole.directory), "the model of the disk says what the disk says"
    return files


def check_damages(
    scratch: Path, writes: tuple[Write, ...], files: dict[str, bytes], damages: Iterable[Damage]
) -> tuple[Counter[str], list[str]]:
    ends: Counter[str] = Counter()
    found: list[str] = []

    async def scenario() -> None:
        for damage in damages:
            write_files(scratch / "damaged", {**files, damage.name: damage.data})
            end, problem = await check_damaged(scratch / "damaged", writes)
            ends[end] += 1
            if problem:
                found.append(f"{damage.name}, {damage.what}: {end}, {problem}")

    on_disk(scenario)
    return ends, found
