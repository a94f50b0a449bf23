"""The gateway's database: a piece of work is done as a whole or not at all, and the next one is done."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from consensus.errors import StoreError
from swarm.gateway.database import Database
from swarm.gateway.keys import KeyLimits, KeyStore

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


def test_keys_are_looked_up_while_something_is_written(database: Database) -> None:
    """Here, or by another process; neither a wrong key nor a right one waits for that."""
    keys = KeyStore(database)
    created = keys.create("alice", KeyLimits(), now_ms=1)
    wrong = created.secret[:-1] + ("A" if created.secret[-1] != "A" else "B")
    is_writing, may_end = threading.Event(), threading.Event()

    def write_slowly(connection: sqlite3.Connection) -> None:
        connection.execute(INSERT)
        is_writing.set()
        assert may_end.wait(10.0)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.run, write_slowly)
            await trio.to_thread.run_sync(is_writing.wait, 10.0)
            try:
                with trio.fail_after(2.0):
                    assert await keys.find(wrong) is None
                    assert await keys.find(created.secret) == created.key
                    assert (await keys.get_spent("k", now_ms=0)).tokens == 0  # not written yet
            finally:
                may_end.set()
        assert (await keys.get_spent("k", now_ms=0)).tokens == 1

    trio.run(main)


def test_a_read_that_writes_is_refused(database: Database) -> None:
    with pytest.raises(StoreError, match="readonly"):
        database.read(lambda connection: connection.execute(INSERT))
    assert count(database) == 0


def test_closing_twice_is_allowed(database: Database) -> None:
    database.close()
    database.close()
    with pytest.raises(StoreError):
        count(database)
