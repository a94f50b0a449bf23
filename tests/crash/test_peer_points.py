"""A real peer in a swarm of four, killed at every system call that changes its files; then it comes back.

All points take minutes, so `make test` strikes at a few:
    PEERAGE_NIGHTLY=1 .venv/bin/python -m pytest tests/crash/test_peer_points.py
PEERAGE_CRASH_FROM=N begins at call N.
"""

import os
import shutil
from pathlib import Path

import pytest
import trio

from swarm.edge.store import open_asyncio_loop
from tests.crash.peer_lives import live_twice
from tests.crash.tracer import Blow, Strike

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tracing")]

FIRST = int(os.environ.get("PEERAGE_CRASH_FROM", "0"))
POINTS_MAX = 2_000
QUIET_S = 5.0
UNHARMED = 10  # runs in a row that ended before their call: how many calls a round takes varies with timing
STRIDE = 1 if os.environ.get("PEERAGE_NIGHTLY") == "1" else 40


def test_killed_at_every_call_it_never_signs_twice_and_loses_no_receipt(scratch: Path) -> None:
    problems: list[str] = []

    async def main() -> None:
        unharmed = 0
        async with open_asyncio_loop():
            for at in range(FIRST, POINTS_MAX, STRIDE):
                lives = await live_twice(scratch / str(at), Strike(Blow.KILL, at))
                call = lives.trace.calls[-1]
                shutil.rmtree(scratch / str(at))
                if lives.problems:
                    problems.append(f"call {at}, {call.name} {call.path}: {lives.problems}")
                unharmed = 0 if lives.trace.was_killed else unharmed + 1
                if unharmed * STRIDE >= UNHARMED:
                    return
            pytest.fail(f"more than {POINTS_MAX} calls in a round")

    trio.run(main)
    assert problems == []


LATE = 130  # a call of the round's middle: the victim has spoken, and is killed before the end


@pytest.mark.parametrize("is_mark_kept", [True, False], ids=["mark-kept", "mark-gone"])
def test_a_peer_whose_database_is_gone_says_nothing_more_in_that_round(
    scratch: Path, is_mark_kept: bool
) -> None:
    """Without the mark it would speak again: the mark is what stops it, and what a cloned machine lacks."""

    def tamper(state: Path) -> None:
        gone = "*.sqlite3*" if is_mark_kept else "*"
        for path in [*state.glob(gone)]:
            if path.suffix == ".mark" and is_mark_kept:
                continue
            path.unlink()

    async def main() -> None:
        async with open_asyncio_loop():
            lives = await live_twice(
                scratch / "lives", Strike(Blow.KILL, LATE), tamper=tamper, patience_s=QUIET_S
            )
            assert lives.trace.was_killed
            assert (lives.heard_again == 0) is is_mark_kept
            assert lives.is_back is not is_mark_kept
            assert ("database_rolled_back" in lives.events) is is_mark_kept
            assert lives.doubles == 0

    trio.run(main)
