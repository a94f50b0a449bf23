"""Tables of a run: typed, complete, the same bytes again, and nulls where nothing is known."""

import dataclasses
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from consensus.errors import ConfigError, StoreError
from sim_net.records import FaultRow, Recording, RoundRow
from sim_net.report.tables import (
    ROW_CLASSES,
    TABLES_SCHEMA,
    get_schema,
    read_table,
    verify_tables_supported,
    write_tables,
)
from tests.sim_net.recordings import make_empty_recording, make_recording

# Whoever changes a column changes this list, and thinks about the number in TABLES_SCHEMA.
COLUMNS = {
    "rounds": "round:int64 round_id:string question:string truth:string? asked_ms:int64 closed_ms:int64? "
    "status:string steps:int64 winner:string? majority:string? is_right:bool? is_majority_right:bool? "
    "has_right_answer:bool? is_winner_adversarial:bool? p_best:double? flip_estimate:int64? "
    "result_digest:string? bad_seats:int64 seats:int64 is_gold:bool history:int64",
    "answers": "round:int64 peer:int64 text:string candidate:int64 rank:int64 strength:double? "
    "is_right:bool? is_adversarial:bool",
    "comparisons": "round:int64 step:int64 judge:int64 left:int64 right:int64 outcome:double weight:double "
    "is_adversarial:bool",
    "weights": "round:int64 peer:int64 weight:double position:double own_or_ally:double",
    "phases": "round:int64 peer:int64 step:int64 phase:string at_ms:int64",
    "decisions": "round:int64 step:int64 peer:int64 digest:string view:int64 at_ms:int64",
    "missing": "round:int64 step:int64 peer:int64",
    "faults": "at_ms:int64 kind:string peers:list<element: int64 not null> detail:string is_end:bool",
    "accusations": "at_ms:int64 round:int64? peer:int64 accused:int64? kind:string is_evidence:bool",
    "peers": "peer:int64 key:string behaviour:string is_byzantine:bool accuracy:double? "
    "judge_accuracy:double? sent_messages:int64 sent_bytes:int64",
    "checks": "name:string kind:string is_ok:bool detail:string",
}


@pytest.fixture(scope="module")
def recording() -> Recording:
    return make_recording()


@pytest.fixture(scope="module")
def directory(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tables")
    write_tables(recording, directory)
    return directory


def test_every_class_of_rows_has_a_table() -> None:
    rows = [field.name for field in dataclasses.fields(Recording) if str(field.type).startswith("tuple[")]
    assert list(ROW_CLASSES) == rows
    assert list(COLUMNS) == rows


@pytest.mark.parametrize("name", ROW_CLASSES)
def test_columns_are_those_that_are_promised(name: str, directory: Path) -> None:
    for schema in (get_schema(name), parquet.read_schema(directory / f"{name}.parquet")):
        shown = [f"{field.name}:{field.type}{'?' if field.nullable else ''}" for field in schema]
        assert " ".join(shown) == COLUMNS[name]


@pytest.mark.parametrize("name", ROW_CLASSES)
def test_rows_come_back_as_they_were(name: str, recording: Recording, directory: Path) -> None:
    rows = getattr(recording, name)
    assert rows
    assert read_table(directory, name, ROW_CLASSES[name]) == rows


def test_what_is_not_known_is_null_and_never_zero(recording: Recording, directory: Path) -> None:
    table = parquet.read_table(directory / "rounds.parquet")
    unfinished = [row for row in recording.rounds if row.closed_ms is None]
    unjudged = [row for row in recording.rounds if row.is_right is None]
    assert len(unfinished) == 1
    assert len(unjudged) == 2
    assert table["closed_ms"].null_count == len(unfinished)
    assert table["is_right"].null_count == len(unjudged)
    assert parquet.read_table(directory / "accusations.parquet")["accused"].to_pylist()[1] is None


def test_every_file_says_which_run_it_is_of(recording: Recording, directory: Path) -> None:
    for name in ROW_CLASSES:
        metadata = parquet.read_schema(directory / f"{name}.parquet").metadata
        assert metadata[b"peerage.schema"] == TABLES_SCHEMA.encode()
        assert metadata[b"peerage.table"] == name.encode()
        assert metadata[b"peerage.seed"] == b"7"
        assert metadata[b"peerage.replay"] == recording.replay.encode()
        assert metadata[b"peerage.trace_digest"] == recording.trace_digest.encode()


def test_the_same_recording_gives_the_same_bytes(directory: Path, tmp_path: Path) -> None:
    paths = write_tables(make_recording(), tmp_path)
    assert sorted(paths) == sorted(ROW_CLASSES)
    for name, path in paths.items():
        assert path.read_bytes() == (directory / f"{name}.parquet").read_bytes()
    other = write_tables(make_recording(seed=8), tmp_path / "other")
    assert other["rounds"].read_bytes() != paths["rounds"].read_bytes()


def test_a_run_without_rows_has_typed_tables(tmp_path: Path) -> None:
    for name, path in write_tables(make_empty_recording(), tmp_path).items():
        table = parquet.read_table(path)
        assert table.num_rows == 0
        assert table.schema.names == get_schema(name).names


def test_tables_are_for_their_owner_only(directory: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


def test_columns_of_later_versions_are_passed_over(directory: Path, tmp_path: Path) -> None:
    table = parquet.read_table(directory / "faults.parquet")
    parquet.write_table(
        table.append_column("later", pa.array([1] * table.num_rows)), tmp_path / "faults.parquet"
    )
    assert read_table(tmp_path, "faults", FaultRow) == read_table(directory, "faults", FaultRow)


def test_what_is_no_such_table_is_refused(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot read .*rounds\.parquet"):
        read_table(tmp_path, "rounds", RoundRow)
    (tmp_path / "rounds.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(StoreError, match="is not a table of rounds"):
        read_table(tmp_path, "rounds", RoundRow)
    (tmp_path / "rounds.parquet").write_bytes((directory / "faults.parquet").read_bytes())
    with pytest.raises(StoreError, match="is not a table of rounds"):
        read_table(tmp_path, "rounds", RoundRow)
    whole = parquet.read_table(directory / "rounds.parquet")
    parquet.write_table(whole.replace_schema_metadata({"peerage.schema": "x/2"}), tmp_path / "rounds.parquet")
    with pytest.raises(StoreError, match=r"has the schema 'x/2', expected 'peerage\.testnet\.tables/2'"):
        read_table(tmp_path, "rounds", RoundRow)


def test_a_damaged_table_is_refused(directory: Path, tmp_path: Path) -> None:
    data = bytearray((directory / "comparisons.parquet").read_bytes())
    middle = len(data) // 3
    data[middle : middle + 64] = bytes(64)
    (tmp_path / "comparisons.parquet").write_bytes(data)
    with pytest.raises(StoreError, match="comparisons"):
        read_table(tmp_path, "comparisons", ROW_CLASSES["comparisons"])


def test_without_pyarrow_there_is_a_remedy(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify_tables_supported()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match="PyArrow") as caught:
        write_tables(recording, tmp_path)
    assert caught.value.remedy == "pip install 'peerage[testnet]'"
    assert not list(tmp_path.iterdir())
