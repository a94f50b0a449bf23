"""A database forgets rounds that ended long ago, and never what would let its peer sign twice."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import aiosqlite
import pytest
import trio

from consensus.errors import StoreError
from consensus.round import ABANDONED_KEY
from swarm.core.records import ASKER_PREFIX, QUESTION_KEY, Record, Table
from swarm.edge.store import SqliteStore, open_asyncio_loop, open_store

NETWORK = b"n" * 32
STATEMENTS = 6  # of forgetting: what may be cut short by a crash or a failing disk


def make_id(number: int) -> bytes:
    return number.to_bytes(32)


def make_slot(number: int) -> bytes:
    return ASKER_PREFIX + b"a" * 32 + b"/%d" % number


def open_round(number: int) -> list[Record]:
    round_id = make_id(number)
    return [
        Record(Table.FACT, round_id, QUESTION_KEY, b"question"),
        Record(Table.SIGNED, NETWORK, make_slot(number), round_id),
        Record(Table.SIGNED, round_id, b"commit/0", b"signed" * 50),
        Record(Table.FACT, round_id, b"body", b"text" * 500),
    ]


def end_round(number: int) -> list[Record]:
    return [Record(Table.RECEIPT, make_id(number), b"", b"receipt" * 200)]


async def fill(store: SqliteStore, numbers: Iterable[int]) -> None:
    """Have rounds open and end, one after another."""
    for number in numbers:
        await store.write(open_round(number))
        await store.write(end_round(number))


def run(path: Path, body: Callable[[SqliteStore], Awaitable[None]]) -> None:
    async def main() -> None:
        async with open_asyncio_loop():
            store = await open_store(path)
            try:
                await body(store)
            finally:
                await store.aclose()

    trio.run(main)


def test_the_rounds_that_ended_first_are_forgotten_and_their_counters_are_not(tmp_path: Path) -> None:
    async def body(store: SqliteStore) -> None:
        await fill(store, range(10))
        assert await store.forget_rounds(rounds=4, keep=3) == 4
        assert await store.receipts() == tuple(map(make_id, range(4, 10)))
        for number in range(4):
            assert await store.load_round(make_id(number)) == ()
        assert len(await store.load_round(make_id(4))) == 4
        opened = {record.key: record.value for record in await store.load_round(NETWORK)}
        assert opened == {make_slot(number): make_id(number) for number in range(10)}

    run(tmp_path / "peer.sqlite3", body)


def test_the_latest_rounds_stay_in_any_case(tmp_path: Path) -> None:
    async def body(store: SqliteStore) -> None:
        await fill(store, range(5))
        assert await store.forget_rounds(rounds=64, keep=3) == 2
        assert await store.forget_rounds(rounds=64, keep=3) == 0
        assert await store.receipts() == tuple(map(make_id, (2, 3, 4)))
        assert await store.forget_rounds(rounds=64, keep=9) == 0

    run(tmp_path / "peer.sqlite3", body)


def test_rounds_under_way_stay_and_those_given_up_long_ago_go(tmp_path: Path) -> None:
    async def body(store: SqliteStore) -> None:
        await store.write(open_round(100))  # still open, and older than everything
        await store.write(open_round(101))
        await store.write([Record(Table.FACT, make_id(101), ABANDONED_KEY, b"")])
        await fill(store, range(3))
        await store.write(open_round(102))
        await store.write([Record(Table.FACT, make_id(102), ABANDONED_KEY, b"")])  # just now
        assert await store.forget_rounds(rounds=2, keep=1) == 3
        assert await store.unfinished_rounds() == (make_id(100), make_id(102))
        assert len(await store.load_round(make_id(100))) == 3
        assert await store.load_round(make_id(101)) == ()
        assert len(await store.load_round(make_id(102))) == 4

    run(tmp_path / "peer.sqlite3", body)


def test_what_is_forgotten_makes_room_for_what_comes(tmp_path: Path) -> None:
    path, full = tmp_path / "peer.sqlite3", 0

    async def body(store: SqliteStore) -> None:
        nonlocal full
        await fill(store, range(100))
        full = await store.measure_used()
        assert await store.forget_rounds(rounds=90, keep=1) == 90
        assert await store.measure_used() < full / 2
        await fill(store, range(100, 180))
        assert await store.measure_used() < 1.2 * full

    run(path, body)
    assert path.stat().st_size < 1.2 * full


def test_a_database_that_forgot_opens_as_the_latest_one(tmp_path: Path) -> None:
    path = tmp_path / "peer.sqlite3"

    async def forget(store: SqliteStore) -> None:
        await fill(store, range(8))
        await store.forget_rounds(rounds=6, keep=1)

    async def look(store: SqliteStore) -> None:
        assert store.rollback is None
        assert await store.receipts() == (make_id(6), make_id(7))
        assert await store.unfinished_rounds() == ()
        await fill(store, range(8, 10))

    run(path, forget)
    run(path, look)


@pytest.mark.parametrize("done", range(STATEMENTS))
def test_forgetting_that_is_cut_short_leaves_no_round_that_would_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    path = tmp_path / "peer.sqlite3"
    run_sql = aiosqlite.Connection.execute_fetchall
    deleted = 0

    async def fail(
        self: aiosqlite.Connection, sql: str, parameters: Iterable[object] | None = None
    ) -> Iterable[sqlite3.Row]:
        nonlocal deleted
        if sql.startswith("DELETE"):
            if deleted == done:
                raise sqlite3.OperationalError("disk I/O error")
            deleted += 1
        return await run_sql(self, sql, parameters)

    async def forget(store: SqliteStore) -> None:
        await store.write(open_round(50))
        await store.write([Record(Table.FACT, make_id(50), ABANDONED_KEY, b"")])
        await fill(store, range(6))
        with monkeypatch.context() as patched:
            patched.setattr(aiosqlite.Connection, "execute_fetchall", fail)
            if done < STATEMENTS - 1:
                with pytest.raises(StoreError, match="disk I/O error"):
                    await store.forget_rounds(rounds=4, keep=1)
            else:
                assert await store.forget_rounds(rounds=4, keep=1) == 5

    async def look(store: SqliteStore) -> None:
        assert store.rollback is None
        for round_id in await store.unfinished_rounds():
            assert ABANDONED_KEY in {record.key for record in await store.load_round(round_id)}
        assert len(await store.load_round(NETWORK)) == 7
        await store.forget_rounds(rounds=64, keep=1)
        assert await store.receipts() == (make_id(5),)
        assert await store.unfinished_rounds() == ()

    run(path, forget)
    run(path, look)
