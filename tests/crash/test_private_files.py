"""Keys, settings and receipts go through `write_private_file`: the old one or the new one, never a part."""

from pathlib import Path

import pytest

from tests.crash.power import list_power_cuts
from tests.crash.tracer import Blow
from tests.crash.worker import NEW, OLD, SECRET, Job, run_job

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tracing")]


def test_a_kill_at_every_call_leaves_the_old_or_the_new(scratch: Path) -> None:
    outcomes = run_job(Job(scratch, None, (Blow.KILL, Blow.TEAR)))
    assert len(outcomes) > 8
    for outcome in outcomes:
        held = (outcome.directory / SECRET).read_bytes()
        assert held == NEW if outcome.acknowledged else held in (OLD, NEW)
        assert all(path.stat().st_mode & 0o077 == 0 for path in (outcome.directory / SECRET).parent.iterdir())


def test_a_power_cut_leaves_the_old_or_the_new(scratch: Path) -> None:
    (whole,) = run_job(Job(scratch, None, ()))
    cuts = list(list_power_cuts(whole.trace.calls, whole.acknowledged_at))
    assert len(cuts) > 4
    for cut in cuts:  # what was there before is not in the model: without a new file the old one stands
        held = cut.files.get(SECRET)
        assert held == NEW if cut.acknowledged else held in (None, NEW), (cut.before, cut.what)


def test_a_full_disk_at_every_call_leaves_the_old_one_and_says_so(scratch: Path) -> None:
    outcomes = run_job(Job(scratch, None, (Blow.FAIL, Blow.STAY_FULL)))
    assert len(outcomes) > 8
    for outcome in outcomes:
        held = (outcome.directory / SECRET).read_bytes()
        assert outcome.trace.status == 0
        if outcome.acknowledged:
            assert held == NEW
        else:
            assert outcome.call is not None
            assert outcome.error, outcome.call.name
            assert "free space" in outcome.remedy
            # Where only the directory could not be synced it is the new one, until a crash undoes that.
            is_renamed = any(call.name == "rename" and call.result == 0 for call in outcome.trace.calls)
            assert held == (NEW if is_renamed else OLD)
            left = [path.name for path in (outcome.directory / SECRET).parent.iterdir()]
            assert left == [Path(SECRET).name] or outcome.call.name == "unlink"
