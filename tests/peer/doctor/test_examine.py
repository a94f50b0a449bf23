"""The doctor changes nothing, ends in time whatever hangs, and turns what stops a check into a finding."""

import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from consensus.errors import ConfigError
from swarm.edge.sign_mark import get_mark_path
from swarm.peer.doctor import database_look
from swarm.peer.doctor import gather as gather_module
from swarm.peer.doctor.checks import CHECKS
from swarm.peer.doctor.examine import SCHEMA, examine, run_check
from swarm.peer.doctor.facts import Facts, Wish
from swarm.peer.doctor.finding import CHECK_S_MAX, Check, Finding, Status, blame, note_ok
from swarm.peer.doctor.gather import gather
from tests.peer.doctor.kit import Scene, find, list_faults, list_warnings
from tests.peer.doctor.rounds import put_round


def take_picture(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for path in sorted(directory.rglob("*")):
        stat = path.lstat()
        found[str(path)] = (stat.st_mode, stat.st_mtime_ns, path.read_bytes() if path.is_file() else b"")
    return found


def leave_a_journal(scene: Scene) -> None:
    """Leave the database as a process that was killed does: with a journal that holds the last write."""
    aside = scene.directory.parent / "aside"
    aside.mkdir()
    with closing(sqlite3.connect(scene.database)) as connection:
        for step in (1, -1):
            connection.execute("UPDATE progress SET ordinal = ordinal + ?", (step,))
            connection.commit()
        for path in scene.directory.glob("peer.sqlite3*"):
            shutil.copyfile(path, aside / path.name)
    for path in aside.iterdir():
        if not path.name.endswith("-shm"):
            shutil.copyfile(path, scene.directory / path.name)
            (scene.directory / path.name).chmod(0o600)


def test_nothing_is_changed_on_disk(scene: Scene) -> None:
    put_round(scene, scene.file, counter=1)
    scene.log(("node_started", 1, {"rounds": 0}))
    leave_a_journal(scene)
    assert scene.database.with_name("peer.sqlite3-wal").stat().st_size > 0
    before = take_picture(scene.directory)
    report = scene.look()
    assert list_faults(report) == []
    assert find(report, "D14-database").seen.endswith("1 rounds; every page and index fits")
    assert take_picture(scene.directory) == before


def test_a_database_too_large_for_the_time_is_left_out(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_look, "LOOK_S_MAX", -1.0)
    monkeypatch.setattr(database_look, "STEPS", 1)
    finding = find(scene.look(), "D14-database")
    assert finding.status is Status.SKIPPED
    assert "too much" in finding.seen


def test_a_large_database_with_a_journal_is_left_to_the_peer(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_a_journal(scene)
    monkeypatch.setattr(database_look, "COPY_BYTES_MAX", 1)
    finding = find(scene.look(), "D14-database")
    assert finding.status is Status.SKIPPED
    assert "checked when the peer starts" in finding.seen


def run_alone(scene: Scene, run: Callable[[Facts], Finding]) -> Finding:
    async def body(facts: Facts) -> Finding:
        await trio.lowlevel.checkpoint()
        return run(facts)

    async def main() -> Finding:
        facts = await gather(scene.directory, scene.world, Wish())
        return await run_check(Check(id="D99-test", title="a test", run=body), facts)

    return trio.run(main)


def test_an_error_becomes_a_fault_with_a_remedy(scene: Scene) -> None:
    def fail(_: Facts) -> Finding:
        raise ConfigError("it is broken")

    def fail_below(_: Facts) -> Finding:
        raise PermissionError(13, "Permission denied")

    for run in (fail, fail_below):
        finding = run_alone(scene, run)
        assert finding.status is Status.FAULT
        assert finding.cause
        assert finding.remedy
    assert run_alone(scene, lambda _: note_ok("fine")).status is Status.OK


def test_a_check_that_hangs_is_given_up(scene: Scene) -> None:
    async def hang(_: Facts) -> Finding:
        await trio.sleep_forever()
        raise AssertionError

    facts = trio.run(gather, scene.directory, scene.world, Wish())

    async def main() -> Finding:
        began = trio.current_time()
        finding = await run_check(Check(id="D99-test", title="a test", run=hang), facts)
        assert trio.current_time() - began <= CHECK_S_MAX
        return finding

    finding = trio.run(main, clock=MockClock(autojump_threshold=0.0))
    assert finding.status is Status.WARNING
    assert finding.remedy


def test_a_finding_of_something_wrong_names_cause_and_remedy() -> None:
    with pytest.raises(AssertionError, match="no cause or remedy"):
        blame("it is broken", cause="", remedy="mend it")
    with pytest.raises(AssertionError, match="no cause or remedy"):
        blame("it is broken", cause="it fell", remedy="")


def test_what_is_left_out_says_so(scene: Scene) -> None:
    scene.answering = []
    report = scene.look(skipped=["D22-members"])
    assert list_faults(report) == []
    assert find(report, "D22-members").seen == "left out with --skip"


def test_every_check_begins_once_and_ids_are_in_order(scene: Scene) -> None:
    begun: list[str] = []

    async def main() -> None:
        await examine(
            scene.directory, Wish(), world=scene.world, on_begin=lambda check: begun.append(check.id)
        )

    trio.run(main)
    ids = [check.id for check in CHECKS]
    assert sorted(begun) == ids
    assert len({id_.partition("-")[0] for id_ in ids}) == len(ids)


def test_as_json(scene: Scene) -> None:
    get_mark_path(scene.database).unlink()
    value = scene.look().to_value()
    assert value["schema"] == SCHEMA
    assert value["healthy"] is False
    checks = value["checks"]
    assert isinstance(checks, list)
    (fault,) = [check for check in checks if check["status"] == "fault"]
    assert fault["id"] == "D17-sign-mark"
    assert fault["link"] == "docs/doctor.md#d17-sign-mark"
    assert all(set(check) == set(fault) for check in checks)
    assert value["counts"] == {"ok": len(CHECKS) - 9, "warning": 0, "fault": 1, "skipped": 8}


def test_what_takes_too_long_to_read_is_no_fault(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def never_end(_: Path) -> None:
        ended.wait(60.0)

    ended = threading.Event()
    scene.log(("node_started", 1, {"rounds": 0}))
    monkeypatch.setattr(gather_module, "READ_S_MAX", 0.5)
    monkeypatch.setattr(gather_module, "read_story", never_end)
    try:
        report = scene.look()
    finally:
        ended.set()
    assert list_faults(report) == []
    assert list_warnings(report) == ["D31-event-log"]
    assert find(report, "D33-halted").status is Status.SKIPPED
