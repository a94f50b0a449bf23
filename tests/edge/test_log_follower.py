"""A log followed over rotations: every event once and in order, or a gap that counts what is missing."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import StoreError
from swarm.edge import log_follower as log_follower_module
from swarm.edge.event_log import EventLog
from swarm.edge.events import GAP_EVENT, Event, encode_line, read_events
from swarm.edge.log_follower import LogFollower
from swarm.edge.log_rotation import RotationLimits, list_old_files
from swarm.edge.log_tail import CHUNK_BYTES, LogLine, LogTail

LIMITS = RotationLimits(bytes_max=300, files_kept=2)  # three events a file
WHOLE = RotationLimits(bytes_max=300, files_kept=1_000)
STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 12)),
    st.tuples(st.just("read"), st.integers(1, 20)),
    st.tuples(st.just("reopen"), st.just(0)),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def open_log(path: Path, limits: RotationLimits = WHOLE) -> EventLog:
    return EventLog(path, get_time_ms=lambda: 1_000, limits=limits)


def write(log: EventLog, events: int, *, size: int = 0) -> None:
    for _ in range(events):
        log.append("tick", fields={"x": "y" * size} if size else {})


def get_seqs(lines: Iterator[LogLine] | list[LogLine]) -> list[int]:
    return [line.event.seq for line in lines if line.event is not None]


def get_events(lines: Iterator[LogLine]) -> list[tuple[int, str]]:
    return [(line.event.seq, line.event.event) for line in lines if line.event is not None]


@contextmanager
def act_while_looking(act: Callable[[], None]) -> Iterator[None]:
    """Have something happen before and after every look that a follower takes at names."""
    real_is_at = LogTail.is_at

    def is_at(tail: LogTail, path: Path) -> bool:
        act()
        return real_is_at(tail, path)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("find_tail", "list_old_files"):
            patch.setattr(log_follower_module, name, _surround(getattr(log_follower_module, name), act))
        patch.setattr(LogTail, "is_at", is_at)
        yield


def _surround(real: Callable[[Path], object], act: Callable[[], None]) -> Callable[[Path], object]:
    def call(path: Path) -> object:
        act()
        found = real(path)
        act()
        return found

    return call


@given(
    before=st.integers(0, 15),
    steps=st.lists(STEPS, max_size=25),
    between=st.lists(st.integers(0, 4), max_size=25),
    files_kept=st.sampled_from([1, 2, 1_000]),
)
def test_every_event_is_read_once_and_in_order_whatever_is_rotated_meanwhile(
    tmp_path_factory: pytest.TempPathFactory,
    before: int,
    steps: list[tuple[str, int]],
    between: list[int],
    files_kept: int,
) -> None:
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    limits = RotationLimits(bytes_max=300, files_kept=files_kept)
    log = open_log(path, limits)
    pending = iter(between)
    seen: list[Event] = []

    def take(lines: Iterator[LogLine]) -> None:
        for line in lines:
            assert line.event is not None
            seen.append(line.event)

    with act_while_looking(lambda: write(log, next(pending, 0))):
        write(log, before)
        follower = LogFollower(path)
        for what, count in steps:
            if what == "write":
                write(log, count)
            elif what == "read":
                take(islice(follower.read(), count))
            else:
                log.close()
                log = open_log(path, limits)
            assert follower.is_written()
        take(follower.read())
    take(follower.read())
    log.close()
    assert not follower.is_written()
    follower.close()
    place = seen[0].seq if seen else 0
    assert place == 0 or files_kept < 1_000
    for event in seen:
        assert event.seq == place
        place = event.next_seq
    assert place == log.next_seq
    if files_kept == 1_000:
        assert [event.event for event in seen] == ["tick"] * log.next_seq
    assert all(event in seen for event in read_events(path))


def test_what_is_written_and_rotated_after_a_file_was_read_is_not_lost(path: Path) -> None:
    with open_log(path) as log:
        write(log, 1)
        follower = LogFollower(path)
        pending = iter([4])
        with act_while_looking(lambda: write(log, next(pending, 0))):
            assert get_events(follower.read()) == [(seq, "tick") for seq in range(5)]
        follower.close()


def test_files_that_are_removed_before_they_were_read_are_a_gap(path: Path) -> None:
    with open_log(path, LIMITS) as log:
        write(log, 2)
        follower = LogFollower(path)
        assert get_seqs(follower.read()) == [0, 1]
        write(log, 18)
        assert get_events(follower.read()) == [
            (2, "tick"),  # of the file that was held
            (3, GAP_EVENT),
            *((seq, "tick") for seq in range(12, 20)),
        ]
        follower.close()


def test_a_gap_and_the_line_after_it_may_be_read_apart(path: Path) -> None:
    with open_log(path, LIMITS) as log:
        write(log, 3)
        follower = LogFollower(path)
        assert get_seqs(follower.read()) == [0, 1, 2]
        write(log, 12)
        assert get_events(islice(follower.read(), 1)) == [(3, GAP_EVENT)]
        assert get_events(islice(follower.read(), 1)) == [(6, "tick")]
        follower.close()


def test_old_files_are_read_first_and_a_log_begins_where_they_do(path: Path) -> None:
    with open_log(path, LIMITS) as log:
        write(log, 12)
    follower = LogFollower(path)
    lines = list(follower.read())
    assert get_seqs(lines) == list(range(3, 12)), "nobody waited for what is gone"
    assert {(line.file, line.log) for line in lines} == {
        ("events.000000000006", "events"),
        ("events.000000000009", "events"),
        ("events", "events"),
    }
    assert [line.number for line in lines] == [1, 2, 3] * 3
    follower.close()


@pytest.mark.parametrize(("old_files_max", "first"), [(0, 9), (1, 6), (2, 3), (3, 0), (9, 0), (None, 0)])
def test_no_more_old_files_are_read_than_are_wanted(
    path: Path, old_files_max: int | None, first: int
) -> None:
    with open_log(path) as log:
        write(log, 12)
        follower = LogFollower(path, old_files_max=old_files_max)
        assert get_seqs(follower.read()) == list(range(first, 12))
        write(log, 6)
        assert get_seqs(follower.read()) == list(range(12, 18))
        follower.close()


def test_of_old_files_too_only_what_is_wanted_is_read_and_of_later_ones_all(path: Path) -> None:
    limits = RotationLimits(bytes_max=2 * CHUNK_BYTES, files_kept=9)
    with open_log(path, limits) as log:
        for number in range(60):
            log.append("wanted" if number % 10 == 0 else "other", fields={"x": "y" * (CHUNK_BYTES // 8)})
        assert len(list_old_files(path)) > 2
        follower = LogFollower(path, wanted=re.compile(b'"event":"wanted"'), keep_bytes=CHUNK_BYTES)
        events = get_events(follower.read())
        assert [seq for seq, name in events if name == "wanted"] == list(range(0, 60, 10))
        assert [seq for seq, _ in events[-7:]] == list(range(53, 60))
        assert len(events) < 30
        write(log, 40, size=CHUNK_BYTES // 8)
        assert get_seqs(follower.read()) == list(range(60, 100))
        follower.close()


def test_what_a_damaged_end_hides_is_not_read_twice_and_is_no_gap(path: Path) -> None:
    with open_log(path) as log:
        write(log, 3)
        follower = LogFollower(path)
        data = path.read_bytes()
        path.write_bytes(data[:-10] + b"x" * 9 + b"\n")
        assert [line.event is None for line in follower.read()] == [False, False, True]
        write(log, 4)
        assert get_events(follower.read()) == [(seq, "tick") for seq in range(3, 7)]
        follower.close()


def test_a_log_that_begins_again_is_read_again(path: Path) -> None:
    with open_log(path) as log:
        write(log, 8)
    follower = LogFollower(path)
    assert len(get_seqs(follower.read())) == 8
    for file in path.parent.iterdir():
        file.unlink()
    with open_log(path) as log:
        write(log, 1)
        assert get_events(follower.read()) == [(0, "tick")]
        write(log, 4)
        assert get_events(follower.read()) == [(seq, "tick") for seq in range(1, 5)]
    follower.close()


def test_old_files_without_the_one_that_is_written_are_a_log_that_has_ended(path: Path) -> None:
    with open_log(path) as log:
        write(log, 7)
    path.unlink()
    follower = LogFollower(path)
    assert get_seqs(follower.read()) == list(range(6))
    assert not follower.is_written()
    with open_log(path) as log:
        write(log, 1)
        assert follower.is_written()
        assert get_seqs(follower.read()) == [6]
    follower.close()
    with pytest.raises(StoreError, match=r"cannot read .*none\.jsonl"):
        LogFollower(path.with_name("none.jsonl"))


def test_a_file_that_has_two_names_after_a_crash_is_read_once(path: Path) -> None:
    with open_log(path) as log:
        write(log, 5)
    path.with_name("events.000000000005.jsonl").hardlink_to(path)
    follower = LogFollower(path)
    assert get_seqs(follower.read()) == list_seqs(path) == list(range(5))
    with open_log(path) as log:
        write(log, 1)
        assert [file.end_seq for file in list_old_files(path)] == [3]
        write(log, 2)
        assert get_seqs(follower.read()) == [5, 6, 7]
    follower.close()
    assert [file.end_seq for file in list_old_files(path)] == [3, 6]


def list_seqs(path: Path) -> list[int]:
    return [event.seq for event in read_events(path)]


def test_events_are_read_over_a_rotation_at_any_place(path: Path) -> None:
    with open_log(path) as log:
        write(log, 8)
        events = read_events(path)
        seqs = [next(events).seq]
        write(log, 6)
        seqs += [event.seq for event in events]
        assert seqs == list(range(9)), "to the end of the file that was written when it was opened"
        assert list_seqs(path) == list(range(14))
        old = list_old_files(path)[1]
        assert list_seqs(old.path) == [3, 4, 5]


def test_old_files_that_go_while_events_are_read_are_passed_over(path: Path) -> None:
    with open_log(path, LIMITS) as log:
        write(log, 9)
        events = read_events(path)
        assert next(events).seq == 0
        write(log, 3)
        assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6, 7, 8]
        events = read_events(path)
        assert next(events).seq == 3
        write(log, 9)
        assert [event.seq for event in events] == [4, 5, 9, 10, 11]


def test_damage_in_an_old_file_is_named_with_it(path: Path) -> None:
    with open_log(path) as log:
        write(log, 6)
    old = list_old_files(path)[0].path
    old.write_bytes(encode_line(Event(seq=0, t_ms=1, event="tick")) + b"dear diary\n")
    with pytest.raises(StoreError, match=r"events\.000000000003\.jsonl, line 2: no event"):
        list_seqs(path)
