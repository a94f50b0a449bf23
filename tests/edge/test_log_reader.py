"""Reading logs while they are written: whole lines only, damage named, several files as one."""

import os
from pathlib import Path

import pytest

from consensus.errors import ConfigError, StoreError
from swarm.edge.event_log import EventLog
from swarm.edge.events import LINE_BYTES_MAX, Event
from swarm.edge.log_reader import LogReader, find_log, list_logs
from swarm.edge.log_rotation import RotationLimits
from swarm.edge.log_tail import CHUNK_BYTES, LogLine, LogTail
from swarm.edge.paths import Paths


def open_log(path: Path, *, at_ms: int = 1_000) -> EventLog:
    return EventLog(path, get_time_ms=lambda: at_ms)


def make_line(seq: int, *, t_ms: int = 1_000, filler: str = "") -> bytes:
    fields = {"filler": filler} if filler else {}
    return Event(seq=seq, t_ms=t_ms, event="tick", fields=fields).to_json().encode() + b"\n"


def get_seqs(lines: list[LogLine]) -> list[int | None]:
    return [None if line.event is None else line.event.seq for line in lines]


def test_what_comes_later_is_read_later(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with open_log(path) as log:
        tail = LogTail(path)
        assert list(tail.read()) == []
        log.append("tick")
        log.append("tick")
        assert get_seqs(list(tail.read())) == [0, 1]
        assert list(tail.read()) == []
        log.append("tick")
        assert get_seqs(list(tail.read())) == [2]
    tail.close()


def test_a_line_is_read_once_it_is_whole_whatever_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    whole = make_line(0)
    path.write_bytes(whole + make_line(1, filler="torn")[:40])
    tail = LogTail(path)
    assert (get_seqs(list(tail.read())), tail.torn_bytes) == ([0], 40)
    with open_log(path) as log:  # takes the torn line off and writes another in its place
        log.append("tock")
    (line,) = tail.read()
    assert line.event is not None
    assert (line.event.seq, line.event.event, line.number, tail.torn_bytes) == (1, "tock", 2, 0)
    tail.close()


@pytest.mark.parametrize("damage", [b"", b"hello", b"[]", b"\xff\xfe", make_line(1)[:-9]])
def test_a_damaged_line_is_named_and_the_rest_is_read(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(make_line(0, t_ms=5) + damage + b"\n" + make_line(2, t_ms=7))
    tail = LogTail(path)
    before, bad, after = tail.read()
    assert (get_seqs([before, bad, after]), bad.number, bad.t_ms, after.number) == ([0, None, 2], 2, 5, 3)
    assert bad.damage.startswith("no event")
    assert "a.jsonl" not in bad.damage
    tail.close()


@pytest.mark.parametrize("size", [LINE_BYTES_MAX + 1, LINE_BYTES_MAX + CHUNK_BYTES, 4 * LINE_BYTES_MAX])
def test_an_endless_line_is_named_once_and_passed_over(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(make_line(0) + b"x" * size + b"\n" + make_line(2))
    tail = LogTail(path)
    lines = list(tail.read())
    assert get_seqs(lines) == [0, None, 2]
    assert "longer than" in lines[1].damage
    assert [line.number for line in lines] == [1, 2, 3]
    tail.close()


def test_lines_across_chunks_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(make_line(seq, filler="x" * 50_000) for seq in range(20)))
    tail = LogTail(path)
    assert get_seqs(list(tail.read())) == list(range(20))
    tail.close()


def test_who_writes_is_known_and_not_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with open_log(path):
        tail = LogTail(path)
        assert tail.is_written()
    assert not tail.is_written()
    with open_log(path):
        assert tail.is_written()
    tail.close()


def test_a_file_that_was_moved_away_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with open_log(path) as log:
        tail = LogTail(path)
        path.rename(tmp_path / "b.jsonl")
        log.append("tick")
        assert tail.is_written()
        assert get_seqs(list(tail.read())) == [0]
    tail.close()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot read .*none\.jsonl"):
        LogTail(tmp_path / "none.jsonl")


class TestLogs:
    def make_paths(self, tmp_path: Path) -> Paths:
        paths = Paths(data=tmp_path, cache=tmp_path)
        paths.logs.mkdir()
        for name, changed_s in (
            ("aa-1.jsonl", 300),
            ("ab-2.jsonl", 100),
            ("ab-2-peer-0.jsonl", 500),
            ("ab-2-peer-1.jsonl", 400),
        ):
            (paths.logs / name).write_bytes(make_line(0, t_ms=changed_s))
            os.utime(paths.logs / name, (changed_s, changed_s))
        (paths.logs / "peer-0.stderr.txt").write_text("no log")
        (paths.logs / "folder.jsonl").mkdir()
        return paths

    def test_the_files_of_a_swarm_are_one_log(self, tmp_path: Path) -> None:
        paths = self.make_paths(tmp_path)
        found = list_logs(paths.logs)
        assert [(log.name, len(log.files), log.changed_s) for log in found] == [
            ("ab-2", 3, 500),
            ("aa-1", 1, 300),
        ]
        reader = LogReader(found[0])
        assert [(line.log, line.t_ms) for line in reader.read()] == [
            ("ab-2", 100),
            ("ab-2-peer-1", 400),
            ("ab-2-peer-0", 500),
        ]
        assert (reader.writers, reader.torn, reader.is_written()) == (3, (), False)
        reader.close()

    def test_peers_that_come_up_later_are_taken_in(self, tmp_path: Path) -> None:
        paths = self.make_paths(tmp_path)
        reader = LogReader(find_log("aa", paths))
        assert len(list(reader.read())) == 1
        (paths.logs / "aa-1-peer-0.jsonl").write_bytes(make_line(0))
        reader.look_for_files()
        assert [line.log for line in reader.read()] == ["aa-1-peer-0"]
        reader.close()

    def write_rotated(self, path: Path, *times_ms: int) -> None:
        """Write a log of a file an event."""
        clock = iter(times_ms)
        with EventLog(
            path, get_time_ms=lambda: next(clock), limits=RotationLimits(bytes_max=1, files_kept=9)
        ) as log:
            for _ in times_ms:
                log.append("tick")

    def test_old_files_of_a_log_are_that_log(self, tmp_path: Path) -> None:
        paths = Paths(data=tmp_path, cache=tmp_path)
        self.write_rotated(paths.logs / "ab-2-peer-0.jsonl", 10, 30, 20, 50)  # its clock was set back
        self.write_rotated(paths.logs / "ab-2-peer-1.jsonl", 15, 40)
        (found,) = list_logs(paths.logs)
        assert (found.name, len(found.files)) == ("ab-2", 6)
        assert found.files[2:5] == (
            "ab-2-peer-0.000000000003.jsonl",
            "ab-2-peer-0.jsonl",
            "ab-2-peer-1.000000000001.jsonl",
        )
        assert found.size_bytes == sum(path.stat().st_size for path in paths.logs.iterdir())
        reader = LogReader(found)
        lines = list(reader.read())
        assert [(line.log, line.t_ms) for line in lines if line.log == "ab-2-peer-0"] == [
            ("ab-2-peer-0", t_ms) for t_ms in (10, 30, 20, 50)
        ], "in the order in which they were written"
        assert [(line.log, line.t_ms) for line in lines if line.log == "ab-2-peer-1"] == [
            ("ab-2-peer-1", 15),
            ("ab-2-peer-1", 40),
        ]
        assert (len(lines), reader.writers, reader.torn) == (6, 2, ())
        reader.look_for_files()
        assert (list(reader.read()), reader.writers) == ([], 2)
        reader.close()

    def test_a_log_is_followed_over_rotations_and_has_not_ended(self, tmp_path: Path) -> None:
        paths = Paths(data=tmp_path, cache=tmp_path)
        path = paths.logs / "ab-2.jsonl"
        with EventLog(path, get_time_ms=lambda: 1, limits=RotationLimits(bytes_max=1, files_kept=9)) as log:
            log.append("tick")
            reader = LogReader(find_log("", paths))
            assert get_seqs(list(reader.read())) == [0]
            for _ in range(3):
                log.append("tick")
            reader.look_for_files()
            assert reader.is_written()
            assert get_seqs(list(reader.read())) == [1, 2, 3]
        assert not reader.is_written()
        reader.close()

    def test_a_file_that_is_removed_while_logs_are_listed_hides_no_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths = self.make_paths(tmp_path)
        real_stat = Path.stat

        def remove_first(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
            if path.name in ("aa-1.jsonl", "ab-2.jsonl"):
                path.unlink(missing_ok=True)
            return real_stat(path, follow_symlinks=follow_symlinks)

        monkeypatch.setattr(Path, "stat", remove_first)
        (found,) = list_logs(paths.logs)
        assert found.files == ("ab-2-peer-0.jsonl", "ab-2-peer-1.jsonl")

    def test_a_file_stands_for_its_log_an_old_one_for_itself(self, tmp_path: Path) -> None:
        paths = self.make_paths(tmp_path)
        peer = tmp_path / "peer"
        self.write_rotated(peer / "logs" / "events.jsonl", 1, 2, 3)
        old = peer / "logs" / "events.000000000002.jsonl"
        for named, seqs in ((peer, [0, 1, 2]), (peer / "logs", [0, 1, 2]), (old, [1])):
            reader = LogReader(find_log(str(named), paths))
            reader.look_for_files()
            assert get_seqs(list(reader.read())) == seqs
            assert (reader.writers, reader.is_written()) == (1, False)
            reader.close()
        whole = LogReader(find_log(str(peer / "logs" / "events.jsonl"), paths))
        assert get_seqs(list(whole.read())) == [0, 1, 2]
        whole.close()

    def test_one_file_of_several_may_be_asked_for(self, tmp_path: Path) -> None:
        paths = self.make_paths(tmp_path)
        reader = LogReader(find_log(str(paths.logs / "ab-2-peer-1.jsonl"), paths))
        reader.look_for_files()
        assert [line.log for line in reader.read()] == ["ab-2-peer-1"]
        reader.close()

    def test_a_log_is_found_by_name_file_run_or_age(self, tmp_path: Path) -> None:
        paths = self.make_paths(tmp_path)
        run = tmp_path / "run"
        run.mkdir()
        (run / "events.jsonl").write_bytes(make_line(0))
        assert find_log("", paths).name == "ab-2"
        assert find_log("aa", paths).name == "aa-1"
        assert find_log(str(run), paths).paths == (run / "events.jsonl",)

    @pytest.mark.parametrize("text", ["a", "zz", "nul\0byte", "x" * 5_000])
    def test_what_names_none_or_several_is_refused(self, tmp_path: Path, text: str) -> None:
        paths = self.make_paths(tmp_path)
        with pytest.raises(ConfigError, match=r"logs in|cannot read"):
            find_log(text, paths)

    def test_no_log_yet(self, tmp_path: Path) -> None:
        paths = Paths(data=tmp_path, cache=tmp_path)
        assert list_logs(paths.logs) == ()
        with pytest.raises(ConfigError, match="no log yet"):
            find_log("", paths)
