"""Rotation: when, how much is kept, and what a disk that refuses or a death at any step leaves behind."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from consensus.errors import StoreError
from swarm.edge import event_log as event_log_module
from swarm.edge.event_log import EventLog
from swarm.edge.events import GAP_EVENT, encode_line, read_events
from swarm.edge.log_follower import LogFollower
from swarm.edge.log_rotation import (
    AGAIN_SHARE,
    RotationLimits,
    get_log_file,
    is_old_name,
    list_old_files,
)

LIMITS = RotationLimits(bytes_max=300, files_kept=2)  # three events a file
WHOLE = RotationLimits(bytes_max=300, files_kept=1_000)
CALLS = ("open", "close", "fchmod", "fsync", "link", "replace", "unlink", "pwrite", "ftruncate", "scandir")
Args = ParamSpec("Args")
Result = TypeVar("Result")
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


class DiedError(BaseException):
    """The process is no more; nothing that it catches."""


def open_log(path: Path, limits: RotationLimits | None = LIMITS) -> EventLog:
    return EventLog(path, get_time_ms=lambda: 1_000, limits=limits)


def list_seqs(path: Path) -> list[int]:
    return [event.seq for event in read_events(path)]


def list_names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@contextmanager
def watch_calls(before: Callable[[str], None]) -> Iterator[list[int]]:
    """Have `before` called ahead of every call that touches the disk; yields what is opened meanwhile."""
    opened: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        for module, name in [*((os, name) for name in CALLS), (fcntl, "flock")]:
            patch.setattr(module, name, _wrap(name, getattr(module, name), before, opened))
        yield opened


def _wrap(
    name: str, real: Callable[Args, Result], before: Callable[[str], None], opened: list[int]
) -> Callable[Args, Result]:
    def call(*args: Args.args, **keywords: Args.kwargs) -> Result:
        before(name)
        result = real(*args, **keywords)
        if name == "open":
            assert isinstance(result, int)
            opened.append(result)
        return result

    return call


def test_a_log_without_limits_stays_one_file(path: Path) -> None:
    with open_log(path, None) as log:
        for _ in range(50):
            log.append("tick")
    assert list_names(path.parent) == ["events.jsonl"]


def test_a_full_file_is_put_aside_and_the_oldest_is_removed(path: Path) -> None:
    with open_log(path) as log:
        line_bytes = len(encode_line(log.append("tick")))
        for _ in range(10):
            log.append("tick")
        assert log.failure is None
    assert LIMITS.bytes_max // line_bytes == 3
    assert list_names(path.parent) == [
        "events.000000000006.jsonl",
        "events.000000000009.jsonl",
        "events.jsonl",
    ]
    assert [(file.end_seq, file.size_bytes) for file in list_old_files(path)] == [
        (6, 3 * line_bytes),
        (9, 3 * line_bytes),
    ]
    assert list_seqs(path) == list(range(3, 11))
    assert list_seqs(list_old_files(path)[0].path) == [3, 4, 5]
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert {file.stat().st_nlink for file in path.parent.iterdir()} == {1}


def test_a_line_that_fits_exactly_stays(path: Path) -> None:
    with open_log(path) as log:
        line_bytes = len(encode_line(log.append("tick", fields={"x": ""})))
        filler = "y" * (LIMITS.bytes_max - 2 * line_bytes)
        log.append("tick", fields={"x": filler})
        assert path.stat().st_size == LIMITS.bytes_max
        assert list_names(path.parent) == ["events.jsonl"]
        log.append("tick")
    assert list_names(path.parent) == ["events.000000000002.jsonl", "events.jsonl"]


def test_a_line_beyond_the_limit_has_a_file_of_its_own(path: Path) -> None:
    with open_log(path, WHOLE) as log:
        for size in (500, 500, 1, 500):
            log.append("tick", fields={"x": "y" * size})
    assert [file.end_seq for file in list_old_files(path)] == [1, 2, 3]
    assert list_seqs(path) == [0, 1, 2, 3]


def test_a_long_log_from_before_is_put_aside_at_the_first_event(path: Path) -> None:
    with open_log(path, None) as log:
        for _ in range(20):
            log.append("tick")
    with open_log(path) as log:
        log.append("tick")
    assert [file.end_seq for file in list_old_files(path)] == [20]
    assert list_seqs(path) == list(range(21))


def test_seq_goes_on_where_the_new_file_is_empty_torn_or_gone(path: Path) -> None:
    with open_log(path, WHOLE) as log:
        for _ in range(4):
            log.append("tick")
    for data in (b"", encode_line(log.append("never"))[:30], None):
        if data is None:
            path.unlink()
        else:
            path.write_bytes(data)
        with open_log(path, WHOLE) as log:
            assert log.next_seq == 3
    with open_log(path, None) as log:
        log.append("tick")
    assert list_seqs(path) == [0, 1, 2, 3]


def test_the_places_of_lost_events_are_not_used_again(path: Path) -> None:
    with open_log(path) as log:
        gap = log.append(GAP_EVENT, fields={"lost": 5})
    assert gap.next_seq == 5
    with open_log(path) as log:
        assert log.next_seq == 5


def test_files_with_other_names_are_left_alone(path: Path) -> None:
    others = [
        "events.1.jsonl",
        "events.00000000001.jsonl",
        "event.000000000001.jsonl",
        "events.000000000001.jsonl.bak",
        "events.000000000001.txt",
    ]
    for name in others:
        (path.parent / name).write_text("mine")
    with open_log(path) as log:
        for _ in range(30):
            log.append("tick")
    assert all((path.parent / name).read_text() == "mine" for name in others)
    assert len(list_names(path.parent)) == len(others) + LIMITS.files_kept + 1


def test_names_tell_which_log_a_file_belongs_to() -> None:
    old = Path("logs/a.b.000000000012.jsonl")
    assert (is_old_name(old), get_log_file(old)) == (True, Path("logs/a.b.jsonl"))
    for name in ("a.b.jsonl", "a.12.jsonl", ".000000000012.jsonl"):
        assert (is_old_name(Path(name)), get_log_file(Path(name))) == (False, Path(name))


def test_a_directory_that_is_not_there_has_no_old_files_and_one_that_fails_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    assert list_old_files(path.parent / "none" / "events.jsonl") == ()
    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(StoreError, match=r"cannot read .*Input/output error") as caught:
        list_old_files(path)
    assert caught.value.remedy


def test_a_log_that_somebody_moved_away_begins_anew_at_its_place(path: Path) -> None:
    with open_log(path, WHOLE) as log:
        log.append("tick")
        path.rename(path.with_name("mine.jsonl"))
        for _ in range(3):
            log.append("tick")
        assert log.failure is None
    assert list_names(path.parent) == ["events.jsonl", "mine.jsonl"]
    assert (list_seqs(path.with_name("mine.jsonl")), list_seqs(path)) == ([0, 1, 2], [3])


def test_a_file_that_somebody_put_in_its_place_is_not_overwritten(path: Path) -> None:
    with open_log(path) as log:
        log.append("tick")
        path.rename(path.with_name("mine.jsonl"))
        path.write_text("dear diary")
        for _ in range(3):
            log.append("tick")
        assert "another file has taken its place" in str(log.failure)
    assert (path.read_text(), list_seqs(path.with_name("mine.jsonl"))) == ("dear diary", [0, 1, 2, 3])


class TestRefusals:
    @pytest.mark.parametrize("call", ["fchmod", "flock", "fsync", "link", "replace", "open", "scandir"])
    def test_a_disk_that_refuses_costs_no_event_and_is_asked_again_after_a_while(
        self, path: Path, call: str
    ) -> None:
        tries = 0

        def refuse(name: str) -> None:
            nonlocal tries
            if name == call:
                tries += 1
                raise OSError(errno.EACCES, "Permission denied")

        limits = RotationLimits(bytes_max=1_600 * AGAIN_SHARE, files_kept=2)
        with open_log(path, limits) as log:
            with watch_calls(refuse):
                for _ in range(345):
                    log.append("tick")
                assert "cannot rotate the event log" in str(log.failure)
                assert "Permission denied" in str(log.failure)
            assert limits.bytes_max * 19 // 16 < path.stat().st_size < limits.bytes_max * 20 // 16
            assert tries == 4, "at the limit, and then after every sixteenth of it"
            assert list_seqs(path) == list(range(345))
            for _ in range(20):
                log.append("tick")
            assert log.failure is None
            assert list_seqs(path) == list(range(365))
        assert len(list_old_files(path)) == 1
        assert {file.stat().st_nlink for file in path.parent.iterdir()} == {1}

    def test_old_files_that_cannot_be_removed_are_said_and_removed_later(self, path: Path) -> None:
        def refuse(name: str) -> None:
            if name == "unlink":
                raise OSError(errno.EPERM, "Operation not permitted")

        with open_log(path) as log:
            with watch_calls(refuse):
                for _ in range(13):
                    log.append("tick")
            assert "Operation not permitted" in str(log.failure)
            assert [file.end_seq for file in list_old_files(path)] == [3, 6, 9, 12]
            for _ in range(3):
                log.append("tick")
            assert log.failure is None
        assert [file.end_seq for file in list_old_files(path)] == [12, 15]

    def test_what_a_full_disk_cost_is_counted_in_the_next_file(self, path: Path) -> None:
        def refuse(name: str) -> None:
            if name in ("pwrite", "link"):
                raise NO_SPACE

        with open_log(path) as log:
            log.append("tick")
            log.append("tick")
            with watch_calls(refuse):
                for _ in range(4):
                    log.append("lost")
            assert "No space left" in str(log.failure)
            log.append("tick")
            log.append("tick")
            assert log.failure is None
        assert [(event.seq, event.event) for event in read_events(path)] == [
            (0, "tick"),
            (1, "tick"),
            (2, GAP_EVENT),
            (6, "tick"),
            (7, "tick"),
        ]
        assert [file.end_seq for file in list_old_files(path)] == [2]

    def test_a_death_by_ctrl_c_leaves_no_file_held(self, path: Path) -> None:
        def interrupt(name: str) -> None:
            if name == "link":
                raise KeyboardInterrupt

        with open_log(path) as log:
            for _ in range(3):
                log.append("tick")
            with watch_calls(interrupt) as opened, pytest.raises(KeyboardInterrupt):
                log.append("tick")
            (following,) = opened
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(following)


class TestWriters:
    def test_a_log_is_held_at_every_step_of_a_rotation(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(event_log_module, "LOCK_TRIES", 0)
        steps: list[str] = []
        with open_log(path) as log:
            for _ in range(3):
                log.append("tick")
            follower = LogFollower(path)

            def look(name: str) -> None:
                if is_looking:
                    return
                is_looking.append(True)
                steps.append(name)
                late = LogFollower(path)
                assert follower.is_written()
                assert late.is_written()
                assert [line.event.seq for line in late.read() if line.event] == [0, 1, 2]
                late.close()
                with pytest.raises(StoreError, match="by another process"):
                    open_log(path)
                is_looking.clear()

            is_looking: list[bool] = []
            with watch_calls(look):
                log.append("tick")
            assert follower.is_written()
            follower.close()
        assert {"open", "flock", "link", "replace", "close"} <= {*steps}
        assert len(list_old_files(path)) == 1

    def test_who_opens_a_log_that_is_rotated_just_then_does_not_write_its_old_file(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real_lock = event_log_module._lock
        with open_log(path) as log:
            for _ in range(3):
                log.append("tick")

            def rotate_first(descriptor: int) -> None:
                log.append("tick")
                real_lock(descriptor)

            monkeypatch.setattr(event_log_module, "_lock", rotate_first)
            with pytest.raises(StoreError, match="by another process"):
                open_log(path)
        assert list_seqs(path) == [0, 1, 2, 3]


def append_and_die(path: Path, *, calls: int) -> bool:
    """Write an event as a process that dies after so many calls; say whether it got through."""
    left = iter(range(calls))
    is_counting = False

    def count(_name: str) -> None:
        if is_counting and next(left, None) is None:
            raise DiedError

    has_died = False
    with watch_calls(count) as opened:
        log = open_log(path)
        is_counting = True
        try:
            log.append("tick", fields={"last": True})
        except DiedError:
            has_died = True
    for descriptor in dict.fromkeys(opened):  # as the end of a process does; most were closed before
        with suppress(OSError):
            os.close(descriptor)
    return not has_died


@pytest.mark.parametrize("old_files", [0, 1, LIMITS.files_kept])
def test_a_death_at_any_step_loses_no_event_and_uses_no_place_twice(tmp_path: Path, old_files: int) -> None:
    steps = 0
    while True:
        path = tmp_path / str(steps) / "events.jsonl"
        with open_log(path) as log:
            for _ in range(3 * (old_files + 1)):
                log.append("tick")
        follower = LogFollower(path)
        before = list_seqs(path)
        followed = [line.event.seq for line in follower.read() if line.event]
        has_survived = append_and_die(path, calls=steps)
        assert not follower.is_written()
        left = list_seqs(path)
        assert left[0] in (before[0], before[0] + 3), "the oldest file goes where too many are kept, no other"
        assert left[-1] in (before[-1], before[-1] + 1)
        assert left == list(range(left[0], left[-1] + 1))
        with open_log(path) as log:
            assert log.next_seq == left[-1] + 1
            for _ in range(4):
                log.append("tick")
            assert log.failure is None
        followed += [line.event.seq for line in follower.read() if line.event]
        follower.close()
        assert followed == list(range(before[0], left[-1] + 5))
        assert list_seqs(path) == followed[-len(list_seqs(path)) :]
        assert len(list_old_files(path)) <= LIMITS.files_kept
        assert {file.stat().st_nlink for file in path.parent.glob("*.jsonl")} == {1}
        if has_survived:
            break
        steps += 1
    assert steps > 15
