"""The event log: what is written is read back, what is torn is skipped, what is lost is counted."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ConfigError, LimitExceeded, StoreError
from swarm.edge.event_log import RING_EVENTS_MAX, SUBSCRIBER_EVENTS_MAX, SUBSCRIBERS_MAX, EventLog
from swarm.edge.events import GAP_EVENT, LINE_BYTES_MAX, Event, read_events
from swarm.edge.paths import ensure_directory, get_paths

ROUND, PEER = b"\x01" * 32, b"\x02" * 32


class Clock:
    """A clock that advances 7 ms a reading."""

    def __init__(self) -> None:
        self.now_ms = 1_000

    def __call__(self) -> int:
        self.now_ms += 7
        return self.now_ms


def open_log(path: Path | None, *, keep_texts: bool = False) -> EventLog:
    return EventLog(path, get_time_ms=Clock(), keep_texts=keep_texts)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "events.jsonl"
    with open_log(path) as log:
        made = [
            log.append("round_opened", round_id=ROUND),
            log.append(
                "ballot_received", round_id=ROUND, peer=PEER, fields={"step": 1, "late": [1, None, 0.5]}
            ),
        ]
    assert list(read_events(path)) == made
    assert [event.seq for event in made] == [0, 1]
    assert json.loads(path.read_text().splitlines()[1]) == {
        "schema": "peerage.event/1",
        "seq": 1,
        "t_ms": 1_014,
        "round": ROUND.hex(),
        "peer": PEER.hex(),
        "event": "ballot_received",
        "step": 1,
        "late": [1, None, 0.5],
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_reopened_log_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for _ in range(3):
        with open_log(path) as log:
            log.append("node_started")
    assert [event.seq for event in read_events(path)] == [0, 1, 2]


@pytest.mark.parametrize("kept", [0, 1, 5, 60, -1])
def test_a_torn_last_line_is_skipped_and_then_taken_off(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "events.jsonl"
    with open_log(path) as log:
        log.append("first")
        size = path.stat().st_size
        log.append("second")
    data = path.read_bytes()
    path.write_bytes(data[: size + kept] if kept >= 0 else data[:-1])
    assert [event.event for event in read_events(path)] == ["first"]
    with open_log(path) as log:
        log.append("third")
    assert [(event.seq, event.event) for event in read_events(path)] == [(0, "first"), (1, "third")]


def test_a_torn_line_after_a_long_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with open_log(path, keep_texts=True) as log:
        log.append("first", texts={"answer": "x" * (LINE_BYTES_MAX - 200)})
        log.append("second", texts={"answer": "x" * (LINE_BYTES_MAX - 200)})
    path.write_bytes(path.read_bytes()[:-1])
    with open_log(path) as log:
        assert log.next_seq == 1


def test_texts_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    secret = "what is my diagnosis?"
    for keep_texts in (False, True):
        path = tmp_path / f"{keep_texts}.jsonl"
        with open_log(path, keep_texts=keep_texts) as log:
            event = log.append("question_received", texts={"question": secret})
        assert (secret in path.read_text()) == keep_texts
        assert event.fields == ({"question": secret} if keep_texts else {"question_chars": len(secret)})


@given(
    text=st.text(st.characters(codec=None), max_size=30), name=st.from_regex(r"[a-z_]{1,8}x", fullmatch=True)
)
def test_any_text_round_trips_on_one_line(
    tmp_path_factory: pytest.TempPathFactory, text: str, name: str
) -> None:
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    with open_log(path, keep_texts=True) as log:
        made = log.append("said", texts={name: text})
    assert list(read_events(path)) == [made]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\n", "line 1: no event"),
        ("[]\n", "line 1: no event"),
        ("null\n", "line 1: no event"),
        ('{"schema":"peerage.event/1"}\n', "line 1: no event"),
        (
            '{"schema":"peerage.event/1","seq":Infinity,"t_ms":0,"round":null,"peer":null,"event":"a"}\n',
            "line 1: no event",
        ),
        ('{"schema":"peerage.event/9"}\n', "got schema 'peerage.event/9'"),
        ("[" * 100_000 + "\n", "line 1: no event"),
    ],
)
def test_a_line_that_is_no_event_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(text)
    with pytest.raises(StoreError, match=message):
        list(read_events(path))
    with pytest.raises(StoreError):
        open_log(path)
    assert path.read_text() == text, "a file that is no log is left alone"


def test_a_foreign_file_without_newline_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "diary.txt"
    path.write_text("dear diary")
    with pytest.raises(StoreError, match="no event log"):
        open_log(path)
    assert path.read_text() == "dear diary"


def test_an_endless_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"x" * (LINE_BYTES_MAX + 2))
    with pytest.raises(StoreError, match="longer than"):
        list(read_events(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot read"):
        list(read_events(tmp_path / "none.jsonl"))


def test_a_line_beyond_the_limit_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with open_log(path, keep_texts=True) as log:
        with pytest.raises(LimitExceeded, match="expected at most"):
            log.append("said", texts={"answer": "x" * LINE_BYTES_MAX})
        log.append("said")
    assert [event.seq for event in read_events(path)] == [0]


def test_one_writer_a_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with open_log(path), pytest.raises(StoreError, match="by another process"):
        open_log(path)
    open_log(path).close()


def test_a_full_disk_is_reported_survived_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes ten bytes of a line and is full; later it takes writes again."""
    path = tmp_path / "events.jsonl"
    real_pwrite, room = os.pwrite, [10]

    def scarce_pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = min(room[0], len(data))
        room[0] -= taken
        return real_pwrite(descriptor, data[:taken], offset)

    with open_log(path) as log:
        log.append("first")
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", scarce_pwrite)
            log.append("second")
            log.append("third")
            assert "No space left" in str(log.failure)
            assert [event.event for event in read_events(path)] == ["first"]
        log.append("fourth")
        failure_after = log.failure
    assert failure_after is None
    events = [(event.seq, event.event, event.fields) for event in read_events(path)]
    assert events == [(0, "first", {}), (1, GAP_EVENT, {"lost": 2}), (3, "fourth", {})]


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write|not a directory"):
        open_log(tmp_path / "file" / "events.jsonl")


class TestSubscription:
    def test_live_events_arrive_in_order_and_end(self) -> None:
        async def main() -> list[str]:
            log = open_log(None)
            log.append("before")
            subscription = log.subscribe()
            seen: list[str] = []

            async def read() -> None:
                async for event in subscription:
                    seen.append(event.event)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await trio.testing.wait_all_tasks_blocked()
                for name in ("first", "second"):
                    log.append(name)
                await trio.testing.wait_all_tasks_blocked()
                log.append("third")
                log.close()
            return seen

        assert trio.run(main) == ["first", "second", "third"]

    def test_a_late_subscriber_may_begin_with_what_memory_holds(self) -> None:
        async def main() -> list[Event]:
            log = open_log(None)
            made = [log.append("tick") for _ in range(5)]
            subscription = log.subscribe(after_seq=2)
            log.close()
            seen = [event async for event in subscription]
            assert seen == made[3:]
            return seen

        trio.run(main)

    def test_what_memory_no_longer_holds_is_a_counted_gap(self) -> None:
        async def main() -> None:
            log = open_log(None)
            for _ in range(RING_EVENTS_MAX + 10):
                log.append("tick")
            subscription = log.subscribe(after_seq=-1)
            log.close()
            seen = [event async for event in subscription]
            assert (seen[0].event, seen[0].seq, seen[0].fields) == (GAP_EVENT, 0, {"lost": 10})
            assert [event.seq for event in seen[1:]] == list(range(10, RING_EVENTS_MAX + 10))

        trio.run(main)

    def test_a_slow_reader_loses_the_oldest_and_learns_how_many(self) -> None:
        async def main() -> None:
            log = open_log(None)
            slow, quick = log.subscribe(), log.subscribe()
            for _ in range(SUBSCRIBER_EVENTS_MAX + 3):
                log.append("tick")
                assert (await quick.receive()).event == "tick"
            gap = await slow.receive()
            assert (gap.event, gap.seq, gap.fields) == (GAP_EVENT, 0, {"lost": 3})
            assert [(await slow.receive()).seq for _ in range(SUBSCRIBER_EVENTS_MAX)] == list(
                range(3, SUBSCRIBER_EVENTS_MAX + 3)
            )

        trio.run(main)

    def test_a_cancelled_reader_loses_nothing(self) -> None:
        async def main() -> None:
            log = open_log(None)
            subscription = log.subscribe()
            log.append("tick")
            with trio.CancelScope() as scope:
                scope.cancel()
                await subscription.receive()
            assert (await subscription.receive()).seq == 0

        trio.run(main)

    def test_a_closed_subscription_receives_nothing_more(self) -> None:
        async def main() -> None:
            log = open_log(None)
            subscription = log.subscribe()
            async with trio.open_nursery() as nursery:

                async def read() -> None:
                    with pytest.raises(trio.ClosedResourceError):
                        await subscription.receive()

                nursery.start_soon(read)
                await trio.testing.wait_all_tasks_blocked()
                await subscription.aclose()
            await subscription.aclose()
            log.append("tick")
            with pytest.raises(trio.ClosedResourceError):
                await subscription.receive()

        trio.run(main)

    def test_subscribers_are_limited(self) -> None:
        async def main() -> None:
            log = open_log(None)
            subscriptions = [log.subscribe() for _ in range(SUBSCRIBERS_MAX)]
            with pytest.raises(LimitExceeded, match="which is its limit"):
                log.subscribe()
            await subscriptions[0].aclose()
            log.subscribe()

        trio.run(main)


class TestPaths:
    def test_the_environment_decides(self, tmp_path: Path) -> None:
        data, cache = tmp_path / "data", tmp_path / "cache"
        paths = get_paths({"PEERAGE_DATA_DIR": str(data), "PEERAGE_CACHE_DIR": str(cache)})
        assert (paths.data, paths.cache) == (data, cache)
        assert paths.receipts == data / "receipts"
        assert paths.models == cache / "models"
        assert not data.exists(), "asking creates nothing"

    def test_without_it_the_platform_decides(self) -> None:
        paths = get_paths({})
        assert paths.data.name == paths.cache.name == "peerage"
        assert paths.data.is_absolute()

    def test_a_relative_directory_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="relative path 'here'") as caught:
            get_paths({"PEERAGE_DATA_DIR": "here"})
        assert "PEERAGE_DATA_DIR=/" in caught.value.remedy

    def test_made_directories_are_private_and_others_keep_their_mode(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        made = ensure_directory(tmp_path / "a" / "b")
        assert [stat.S_IMODE(path.stat().st_mode) for path in (made, made.parent, tmp_path)] == [
            0o700,
            0o700,
            0o755,
        ]

    def test_a_file_in_the_way_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("")
        for path in (tmp_path / "a", tmp_path / "a" / "b"):
            with pytest.raises(StoreError) as caught:
                ensure_directory(path)
            assert caught.value.remedy
