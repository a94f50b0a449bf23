"""The gateway's database: a piece of work is done as a whole or not at all, and the next one is done."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from consensus.errors import StoreError
from swarm.gateway.database import Database

COUNT = "SELECT count(*) FROM spent"
INSERT = "INSERT INTO spent VALUES ('k', 1, 1, 1)"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "gateway.sqlite3") as opened:
        yield opened


def count(database: Database) -> int:
    return int(database.call(lambda connection: connection.execute(COUNT).fetchone()[0]))


def test_work_that_raises_leaves_nothing_behind(database: Database) -> None:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute(INSERT)
        raise KeyError("of its own")

    with pytest.raises(KeyError):
        database.call(work)
    assert count(database) == 0


def test_work_that_cannot_be_committed_does_not_spoil_what_comes_after(database: Database) -> None:
    def prepare(connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "CREATE TABLE child (id TEXT REFERENCES api_key (id) DEFERRABLE INITIALLY DEFERRED)"
        )

    def work(connection: sqlite3.Connection) -> None:
        connection.execute(INSERT)
        connection.execute("INSERT INTO child VALUES ('nobody')")  # found out when it is committed

    database.call(prepare)
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        database.call(work)
    assert count(database) == 0


def test_a_database_that_refuses_is_no_bug(database: Database) -> None:
    with pytest.raises(StoreError, match="no such table"):
        database.call(lambda connection: connection.execute("SELECT * FROM no_such"))
    assert count(database) == 0
