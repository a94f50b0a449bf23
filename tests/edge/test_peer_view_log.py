"""Which log is shown, how a long one is opened, and what happens while it is written, rotated or cut off."""

import os
import re
from itertools import islice
from pathlib import Path

import pytest

from consensus.errors import ConfigError, StoreError
from swarm.edge.event_log import EventLog
from swarm.edge.events import encode_line
from swarm.edge.log_rotation import RotationLimits, list_old_files
from swarm.edge.log_tail import CHUNK_BYTES, LogLine, LogTail
from swarm.edge.paths import Paths
from swarm.edge.peer_view_log import PeerLog, find_peer_log
from tests.edge.peer_events import ANA, NOW_MS, Script, make_round_id


def open_log(path: Path) -> EventLog:
    return EventLog(path, get_time_ms=lambda: NOW_MS)


def get_names(lines: list[LogLine]) -> list[str]:
    return [line.damage if line.event is None else line.event.event for line in lines]


def write_long(path: Path, *, rounds: int) -> Script:
    """Write a log that is longer than a few chunks."""
    script = Script()
    script.say("node_started", rounds=0)
    script.say("link_opened", peer=ANA)
    for number in range(rounds):
        script.open_round(make_round_id(number))
        script.say("call_failed", round_id=make_round_id(number), reason='"event":"node_halted" ' + "x" * 900)
        script.close_round(make_round_id(number))
    path.write_bytes(b"".join(map(encode_line, script.events)))
    assert path.stat().st_size > 3 * CHUNK_BYTES
    return script


def test_of_the_older_part_only_what_lasts_is_read_and_line_numbers_stay_true(tmp_path: Path) -> None:
    script = write_long(tmp_path / "a.jsonl", rounds=900)
    log = PeerLog(tmp_path / "a.jsonl", tail_bytes=10_000)
    lines = list(log.read())
    log.close()
    names = get_names(lines)
    assert (names[0], names.count("link_opened"), names.count("round_closed")) == ("node_started", 1, 900)
    assert 1 < names.count("call_failed") < 900
    for line in lines:
        assert line.event == script.events[line.number - 1]
    assert lines[-1].number == len(script.events)


def test_a_short_log_is_read_in_full(tmp_path: Path) -> None:
    script = write_long(tmp_path / "a.jsonl", rounds=900)
    log = PeerLog(tmp_path / "a.jsonl")
    assert [line.event for line in log.read()] == script.events
    log.close()


@pytest.mark.parametrize("length", [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_skimming_passes_over_lines_of_any_length(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.jsonl"
    script = Script()
    for reason in ("short", "y" * length, "short"):
        script.say("call_failed", reason=reason)
        script.say("node_started", rounds=0)
    path.write_bytes(b"".join(map(encode_line, script.events)) + b"z" * CHUNK_BYTES)
    tail = LogTail(path)
    lines = [*tail.skim(re.compile(b'"event":"node_started"'), keep_bytes=0), *tail.read()]
    tail.close()
    assert get_names(lines).count("node_started") == 3
    assert [line.event for line in lines] == [script.events[line.number - 1] for line in lines]


def test_reading_can_be_left_off_at_any_line(tmp_path: Path) -> None:
    script = write_long(tmp_path / "a.jsonl", rounds=900)
    log = PeerLog(tmp_path / "a.jsonl", tail_bytes=10_000)
    whole = PeerLog(tmp_path / "a.jsonl", tail_bytes=10_000)
    pieces: list[int] = []
    while taken := [line.number for line in islice(log.read(), 7)]:
        pieces += taken
    assert pieces == [line.number for line in whole.read()]
    assert pieces[-1] == len(script.events)
    log.close()
    whole.close()


def test_a_log_that_is_rotated_is_read_to_its_end_and_the_next_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first = open_log(path)
    log = PeerLog(path)
    first.append("node_started")
    assert get_names(list(log.read())) == ["node_started"]
    path.rename(tmp_path / "events.1.jsonl")
    first.append("node_halted")  # whoever writes still holds the old file
    assert get_names(list(log.read())) == ["node_halted"]
    assert log.is_written()
    first.append("node_stopped")
    first.close()
    with open_log(path) as second:
        second.append("node_started")
        assert get_names(list(log.read())) == ["node_stopped", "node_started"]
        assert (log.rotations, log.is_written()) == (1, True)
        second.append("node_stopped")
        assert get_names(list(log.read())) == ["node_stopped"]
    assert not log.is_written()
    log.close()


def test_a_rotated_log_is_opened_with_what_lasts_of_its_old_files(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    limits = RotationLimits(bytes_max=2 * CHUNK_BYTES, files_kept=9)
    with EventLog(path, get_time_ms=lambda: NOW_MS, limits=limits) as written:
        written.append("node_started", fields={"rounds": 0})
        written.append("link_opened", peer=ANA)
        while len(list_old_files(path)) < 3:
            written.append("call_failed", fields={"reason": "x" * 900})
        log = PeerLog(path, tail_bytes=CHUNK_BYTES // 2)
        names = get_names(list(log.read()))
        assert names[:2] == ["node_started", "link_opened"]
        assert CHUNK_BYTES // 2_000 < names.count("call_failed") < written.next_seq * 3 // 4
        assert (log.rotations, log.is_written()) == (3, True)
        while len(list_old_files(path)) < 5:
            written.append("call_failed", fields={"reason": "x" * 900})  # of what comes later all is read
        log_seqs = [line.event.seq for line in log.read() if line.event is not None]
        assert log_seqs == list(range(log_seqs[0], written.next_seq))
        assert len(log_seqs) > 2 * CHUNK_BYTES // 1_024
    assert not log.is_written()
    log.close()


def test_a_log_that_was_emptied_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    script = Script()
    line = encode_line(script.say("node_started", rounds=0))
    path.write_bytes(line + line)
    log = PeerLog(path)
    assert len(list(log.read())) == 2
    os.truncate(path, 0)
    assert list(log.read()) == []
    path.write_bytes(line)
    assert len(list(log.read())) == 1
    log.close()


def test_a_torn_line_is_left_out_until_a_restart_has_written_another(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    script = Script()
    path.write_bytes(
        encode_line(script.say("node_started", rounds=0)) + encode_line(script.say("link_opened"))[:50]
    )
    log = PeerLog(path)
    assert (get_names(list(log.read())), log.is_torn) == (["node_started"], True)
    with open_log(path) as again:
        again.append("node_started", fields={"rounds": 0})
        assert (get_names(list(log.read())), log.is_torn, log.rotations) == (["node_started"], False, 0)
    log.close()


def make_paths(tmp_path: Path) -> Paths:
    return Paths(data=tmp_path / "data", cache=tmp_path / "cache")


def write(path: Path, *, at_s: int = 0, text: str = "{}\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (at_s, at_s))
    return path


def test_the_log_is_the_one_named_or_the_peers_or_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERAGE_DATA_DIR", str(tmp_path / "data"))
    paths = make_paths(tmp_path)
    with pytest.raises(ConfigError, match="no log yet"):
        find_peer_log(paths, directory=None, log=None)
    write(paths.logs / "a-peer-0.jsonl", at_s=10)
    newest = write(paths.logs / "a-peer-1.jsonl", at_s=20)
    write(paths.logs / "a.jsonl", at_s=30, text="")  # what a swarm of processes leaves beside its peers'
    assert find_peer_log(paths, directory=None, log=None) == newest
    own = write(paths.data / "peer" / "logs" / "events.jsonl", at_s=5)
    assert find_peer_log(paths, directory=None, log=None) == own
    other = write(tmp_path / "other" / "logs" / "events.jsonl")
    assert find_peer_log(paths, directory=tmp_path / "other", log=None) == other
    assert find_peer_log(paths, directory=None, log=newest) == newest


def test_a_log_that_is_not_there_is_refused_with_what_to_do(tmp_path: Path) -> None:
    paths = make_paths(tmp_path)
    with pytest.raises(ConfigError, match="that peer has not run yet") as caught:
        find_peer_log(paths, directory=tmp_path / "none", log=None)
    assert "peerage peer run --dir" in caught.value.remedy
    with pytest.raises(ConfigError, match="there is no file"):
        find_peer_log(paths, directory=None, log=tmp_path / "none.jsonl")
    with pytest.raises(StoreError, match="cannot read"):
        PeerLog(tmp_path / "none.jsonl")
