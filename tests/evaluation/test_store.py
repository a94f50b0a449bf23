import sqlite3
from pathlib import Path

import pytest

from consensus.errors import StoreError
from evaluation.store import CallStore, Spent, StoredCall

MODEL = bytes(32)


def make_calls(*names: bytes) -> list[StoredCall]:
    return [StoredCall(name, 0.5, b"value of " + name) for name in names]


def test_calls_are_found_again_after_closing(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite3"
    with CallStore(path) as store:
        store.add(make_calls(b"a", b"b"), kind="score", model=MODEL)
    with CallStore(path) as store:
        assert store.find([b"b", b"c"]) == {b"b": b"value of b"}
        assert store.get_spent() == {("score", MODEL): Spent(2, 1.0)}
    assert path.stat().st_mode & 0o777 == 0o600


def test_many_keys_are_looked_up_at_once(tmp_path: Path) -> None:
    with CallStore(tmp_path / "calls.sqlite3") as store:
        names = [b"%d" % index for index in range(2_000)]
        store.add(make_calls(*names), kind="score", model=MODEL)
        assert len(store.find(names)) == 2_000
        assert store.find([]) == {}


def test_the_first_value_stays(tmp_path: Path) -> None:
    with CallStore(tmp_path / "calls.sqlite3") as store:
        store.add(make_calls(b"a"), kind="score", model=MODEL)
        store.add([StoredCall(b"a", 9.0, b"other")], kind="score", model=MODEL)
        assert store.find([b"a"]) == {b"a": b"value of a"}


def test_a_batch_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    with CallStore(tmp_path / "calls.sqlite3") as store:
        bad = [*make_calls(b"a"), StoredCall(b"b", 0.5, None)]  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="constraint"):
            store.add(bad, kind="score", model=MODEL)
        assert store.find([b"a", b"b"]) == {}
        store.add(make_calls(b"a"), kind="score", model=MODEL)
        assert store.find([b"a"])


def test_facts_are_kept_and_replaced(tmp_path: Path) -> None:
    with CallStore(tmp_path / "calls.sqlite3") as store:
        assert store.get_fact("x") is None
        store.set_fact("x", "1")
        store.set_fact("x", "2")
        assert store.get_fact("x") == "2"


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite3"
    path.write_bytes(b"no database, but long enough to be taken for one" * 100)
    with pytest.raises(StoreError):
        CallStore(path)


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite3"
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(StoreError, match="version 9, expected 1"):
        CallStore(path)
