"""Run directories: whole or not there, for their owner only, and read back as they were written."""

import json
import math
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consensus.errors import ConfigError, StoreError
from sim_net.records import Recording
from sim_net.run_directory import RUN_SCHEMA, create_run_directory, open_recording, recording_to_json
from tests.sim_net.recordings import make_empty_recording, make_recording, with_hostile_texts

AT = datetime(2026, 11, 24, 14, 5, 1, tzinfo=UTC)
EVENTS: list[dict[str, object]] = [{"seq": 0, "event": "started"}, {"seq": 1, "event": "ended", "text": "ü"}]
ENVIRONMENT = {"python": "3.11", "commit": "abc"}


@pytest.fixture(scope="module")
def recording() -> Recording:
    return make_recording()


def write(recording: Recording, root: Path, *, with_tables: bool = True) -> Path:
    held = create_run_directory(root, name="lossy", seed=7, at=AT)
    return held.write(recording, events=EVENTS, environment=ENVIRONMENT, with_tables=with_tables)


def test_a_run_is_read_back_as_it_was_written(recording: Recording, tmp_path: Path) -> None:
    path = write(recording, tmp_path)
    assert path == tmp_path / "lossy-seed7-20261124-140501"
    assert open_recording(path) == recording
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("healed_ms", [None, 0, 5])
def test_a_run_without_rows_is_read_back(healed_ms: int | None, tmp_path: Path) -> None:
    empty = replace(make_empty_recording(), healed_ms=healed_ms, manifest_toml='name = "ü"\r\n')
    assert open_recording(write(empty, tmp_path)) == empty


def test_hostile_texts_are_read_back(recording: Recording, tmp_path: Path) -> None:
    hostile = with_hostile_texts(recording)
    found = open_recording(write(hostile, tmp_path))
    assert replace(found, metrics={}) == replace(hostile, metrics={})
    assert [math.isnan(value) for value in found.metrics.values()] == [True]


def test_a_directory_holds_what_it_says(recording: Recording, tmp_path: Path) -> None:
    path = write(recording, tmp_path)
    files = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    assert [file for file in files if not file.startswith("tables/")] == [
        "events.jsonl",
        "manifest.toml",
        "recording.json",
        "report.html",
    ]
    assert len(files) == 15
    assert (path / "manifest.toml").read_text() == recording.manifest_toml
    assert [json.loads(line) for line in (path / "events.jsonl").read_text().splitlines()] == EVENTS
    summary = json.loads((path / "recording.json").read_text())
    assert summary["environment"] == ENVIRONMENT
    assert (path / "report.html").read_text().startswith("<!doctype html>")


def test_a_directory_is_for_its_owner_only(recording: Recording, tmp_path: Path) -> None:
    path = write(recording, tmp_path / "new" / "root")
    entries = [path, *path.rglob("*")]
    assert {entry.stat().st_mode & 0o777 for entry in entries if entry.is_dir()} == {0o700}
    assert {entry.stat().st_mode & 0o777 for entry in entries if entry.is_file()} == {0o600}


def test_the_summary_has_its_keys_in_order(recording: Recording) -> None:
    summary = recording_to_json(recording)
    assert " ".join(summary) == (
        "schema name verdict seed version replay time trace_digest ended_ms healed_ms "
        "metrics weights checks rows"
    )
    assert summary["schema"] == RUN_SCHEMA
    assert summary["verdict"] == "ok"
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    unknown = recording_to_json(replace(recording, metrics={"a": math.nan, "b": math.inf, "c": 0.0}))
    assert unknown["metrics"] == {"a": None, "b": None, "c": 0.0}


def test_events_may_come_from_a_file(recording: Recording, tmp_path: Path) -> None:
    source = tmp_path / "log.jsonl"
    source.write_bytes(b'{"seq":0}\n' * 1_000)
    held = create_run_directory(tmp_path / "runs", name="lossy", seed=7, at=AT)
    path = held.write(recording, events=source, environment={})
    assert (path / "events.jsonl").read_bytes() == source.read_bytes()
    missing = create_run_directory(tmp_path / "runs", name="lossy", seed=7, at=AT)
    with pytest.raises(StoreError, match="cannot write the run"):
        missing.write(recording, events=tmp_path / "none.jsonl", environment={})
    assert [entry.name for entry in (tmp_path / "runs").iterdir()] == [path.name]


def test_namesakes_get_numbers(recording: Recording, tmp_path: Path) -> None:
    first = create_run_directory(tmp_path, name="lossy", seed=7, at=AT)
    second = create_run_directory(tmp_path, name="lossy", seed=7, at=AT)
    first.write(recording, events=EVENTS, environment={})
    third = create_run_directory(tmp_path, name="lossy", seed=7, at=AT)
    names = [held.path.name.removeprefix("lossy-seed7-20261124-140501") for held in (first, second, third)]
    assert names == ["", "-2", "-3"]
    second.discard()
    third.discard()
    assert [entry.name for entry in tmp_path.iterdir()] == [first.path.name]


def test_nothing_stands_under_the_name_before_it_is_whole(recording: Recording, tmp_path: Path) -> None:
    held = create_run_directory(tmp_path, name="lossy", seed=7, at=AT)

    def events() -> Iterator[dict[str, object]]:
        assert held.partial.is_dir()
        assert not held.path.exists()
        yield {"seq": 0}

    assert held.write(recording, events=events(), environment={}).is_dir()
    assert not held.partial.exists()


def test_what_cannot_be_written_leaves_nothing(recording: Recording, tmp_path: Path) -> None:
    held = create_run_directory(tmp_path, name="lossy", seed=7, at=AT)

    def events() -> Iterator[dict[str, object]]:
        yield {"seq": 0}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        held.write(recording, events=events(), environment={})
    assert list(tmp_path.iterdir()) == []


WRITE_ON_A_FULL_DISK = """
import sys, signal, resource
from pathlib import Path
from consensus.errors import StoreError
from tests.sim_net.test_run_directory import AT, write
from tests.sim_net.recordings import make_recording
from sim_net.run_directory import create_run_directory

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recording = make_recording()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    write(recording, Path(sys.argv[1]))
except StoreError as error:
    print(error.remedy)
    raise SystemExit(3)
"""


@pytest.mark.slow
@pytest.mark.parametrize("bytes_max", [16, 100, 2_000, 8_000, 40_000])
def test_a_full_disk_leaves_nothing(bytes_max: int, tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk: the system fails the write, of every kind."""
    found = subprocess.run(
        [sys.executable, "-c", WRITE_ON_A_FULL_DISK, str(tmp_path), str(bytes_max)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert found.returncode == 3, found.stderr
    assert "free space" in found.stdout
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != bytes_max


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        create_run_directory(tmp_path / "file", name="lossy", seed=7, at=AT)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-a", "a b", "a\n", "ü", "a" * 101])
def test_names_that_are_no_directory_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be a directory's"):
        create_run_directory(tmp_path, name=name, seed=7, at=AT)


def test_without_pyarrow_the_rest_is_written(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match="PyArrow"):
        write(recording, tmp_path)
    assert list(tmp_path.iterdir()) == []
    path = write(recording, tmp_path, with_tables=False)
    assert not (path / "tables").exists()
    assert json.loads((path / "recording.json").read_text())["tables"] is False
    with pytest.raises(StoreError, match="has no tables") as caught:
        open_recording(path)
    assert recording.replay in caught.value.remedy


def change_summary(path: Path, **changes: object) -> None:
    file = path / "recording.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_what_is_no_run_directory_is_refused(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot read"):
        open_recording(tmp_path)
    path = write(recording, tmp_path)
    change_summary(path, schema="peerage.testnet.run/2")
    with pytest.raises(StoreError, match=r"has the schema 'peerage\.testnet\.run/2'"):
        open_recording(path)
    change_summary(path, schema=RUN_SCHEMA, seed="seven")
    with pytest.raises(StoreError, match="is no recording"):
        open_recording(path)
    (path / "recording.json").write_bytes(b'{"schema": "\xff')
    with pytest.raises(StoreError, match="is no recording"):
        open_recording(path)


def test_tables_that_do_not_belong_together_are_refused(recording: Recording, tmp_path: Path) -> None:
    path = write(recording, tmp_path)
    other = write(make_recording(rounds=9), tmp_path)
    (path / "tables" / "rounds.parquet").write_bytes((other / "tables" / "rounds.parquet").read_bytes())
    with pytest.raises(StoreError, match=r"recording\.json says"):
        open_recording(path)
    (path / "tables" / "rounds.parquet").unlink()
    with pytest.raises(StoreError, match="cannot read"):
        open_recording(path)
