"""Databases put back from a copy, deleted, or without their mark: silent where they forgot, and said so."""

import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import trio

from consensus.errors import StoreError
from consensus.round import ABANDONED_KEY
from swarm.core.records import ASKER_PREFIX, QUESTION_KEY, Record, Table
from swarm.edge.shared_store import SharedStore
from swarm.edge.sign_mark import get_mark_path, read_mark
from swarm.edge.store import SqliteStore, open_asyncio_loop, open_store
from swarm.edge.store_recovery import Rollback

NETWORK, ROUND_A, ROUND_B = b"\x11" * 32, b"\xaa" * 32, b"\xbb" * 32


def make_opening(round_id: bytes, counter: int) -> list[Record]:
    key = ASKER_PREFIX + b"\x22" * 32 + b"/%d" % counter
    return [Record(Table.FACT, round_id, QUESTION_KEY, b"q"), Record(Table.SIGNED, NETWORK, key, round_id)]


def signed(slot: bytes, round_id: bytes = ROUND_A) -> Record:
    return Record(Table.SIGNED, round_id, slot, b"said in " + slot)


def abandoned(round_id: bytes) -> Record:
    return Record(Table.FACT, round_id, ABANDONED_KEY, b"")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "peer" / "peer.sqlite3"


def on_disk(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with open_asyncio_loop():
            await scenario()

    trio.run(main)


def copy_away(path: Path) -> Path:
    """Copy the database, its log included, as somebody does while the peer is down."""
    copy = path.with_name("backup")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        shutil.copyfile(file, copy / file.name)
    return copy


def put_back(path: Path, copy: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    for file in copy.iterdir():
        shutil.copyfile(file, path.with_name(file.name))


async def write_all(path: Path, *writes: list[Record]) -> None:
    async with aclosing(await open_store(path)) as store:
        for records in writes:
            await store.write(records)


async def check_once(path: Path, expected: Rollback | None) -> None:
    """Open twice: what was found is said once."""
    async with aclosing(await open_store(path)) as store:
        assert store.rollback == expected
    async with aclosing(await open_store(path)) as store:
        assert store.rollback is None


async def load(path: Path, round_id: bytes) -> tuple[Record, ...]:
    async with aclosing(await open_store(path)) as store:
        return await store.load_round(round_id)


class TestRolledBack:
    def test_a_round_that_the_copy_does_not_know_is_entered_without_its_seat(self, path: Path) -> None:
        async def scenario() -> None:
            await write_all(path, make_opening(ROUND_A, 0), [Record(Table.RECEIPT, ROUND_A, b"", b"r")])
            copy = copy_away(path)
            await write_all(path, make_opening(ROUND_B, 1), [signed(b"s", ROUND_B)])
            put_back(path, copy)
            await check_once(path, Rollback(lost=1, abandoned=0, writes=3))
            # The node takes a question once an asker's counter: this one is known, and has no seat here.
            assert make_opening(ROUND_B, 1)[1] in await load(path, NETWORK)
            assert await load(path, ROUND_B) == ()
            async with aclosing(await open_store(path)) as store:
                assert await store.unfinished_rounds() == ()

        on_disk(scenario)

    def test_a_round_that_the_copy_holds_open_is_abandoned(self, path: Path) -> None:
        async def scenario() -> None:
            await write_all(path, make_opening(ROUND_A, 0))
            copy = copy_away(path)
            await write_all(path, [signed(b"s")])
            put_back(path, copy)
            await check_once(path, Rollback(lost=0, abandoned=1, writes=1))
            assert abandoned(ROUND_A) in await load(path, ROUND_A)

        on_disk(scenario)

    def test_a_copy_that_lacks_nothing_but_a_changed_fact_is_an_older_one_too(self, path: Path) -> None:
        async def scenario() -> None:
            await write_all(path, make_opening(ROUND_A, 0), [Record(Table.FACT, ROUND_A, b"lock/0", b"none")])
            copy = copy_away(path)
            await write_all(path, [Record(Table.FACT, ROUND_A, b"lock/0", b"view 1")])
            put_back(path, copy)
            await check_once(path, Rollback(lost=0, abandoned=1, writes=1))

        on_disk(scenario)

    def test_a_finished_round_stays_finished(self, path: Path) -> None:
        async def scenario() -> None:
            await write_all(path, make_opening(ROUND_A, 0), [Record(Table.RECEIPT, ROUND_A, b"", b"r")])
            copy = copy_away(path)
            await write_all(path, make_opening(ROUND_B, 1))
            put_back(path, copy)
            await check_once(path, Rollback(lost=1, abandoned=0, writes=2))
            assert abandoned(ROUND_A) not in await load(path, ROUND_A)

        on_disk(scenario)

    def test_a_deleted_database_is_the_oldest_copy_of_all(self, path: Path) -> None:
        async def scenario() -> None:
            await write_all(path, make_opening(ROUND_A, 0), make_opening(ROUND_B, 1))
            path.unlink()
            await check_once(path, Rollback(lost=2, abandoned=0, writes=4))
            assert len(await load(path, NETWORK)) == 2

        on_disk(scenario)

    def test_a_log_that_loses_its_end_is_an_older_copy(self, path: Path) -> None:
        """SQLite takes a damaged frame for the end of its log: what comes after is silently gone."""

        async def scenario() -> None:
            store = await open_store(path)
            await store.write(make_opening(ROUND_A, 0))
            before = path.with_name(path.name + "-wal").stat().st_size
            await store.write([signed(b"s")])
            copy = copy_away(path)  # as a killed process leaves it
            await store.aclose()
            put_back(path, copy)
            log = path.with_name(path.name + "-wal")
            data = bytearray(log.read_bytes())
            data[before + 100] ^= 1
            log.write_bytes(data)
            await check_once(path, Rollback(lost=0, abandoned=1, writes=1))

        on_disk(scenario)

    def test_writing_goes_on_after_it(self, path: Path) -> None:
        async def scenario() -> None:
            await write_all(path, make_opening(ROUND_A, 0))
            copy = copy_away(path)
            await write_all(path, [signed(b"s"), signed(b"t")])
            put_back(path, copy)
            await write_all(path, make_opening(ROUND_B, 1), [signed(b"s", ROUND_B)])
            assert len(await load(path, ROUND_B)) == 2
            mark = read_mark(get_mark_path(path))
            assert mark is not None
            assert [one.record.value for one in mark.opened] == [ROUND_A, ROUND_B]
            put_back(path, copy)
            async with aclosing(await open_store(path)) as store:
                assert store.rollback is not None
                assert store.rollback.lost == 1

        on_disk(scenario)

    def test_every_part_of_a_shared_database_abstains(self, path: Path) -> None:
        async def open_parts() -> tuple[SqliteStore, SharedStore]:
            store = await open_store(path)
            return store, SharedStore(store)

        async def scenario() -> None:
            store, shared = await open_parts()
            for name in (b"a" * 32, b"b" * 32):
                await shared.open_part(name).write(make_opening(ROUND_A, 0))
            await store.aclose()
            copy = copy_away(path)
            store, shared = await open_parts()
            await shared.open_part(b"a" * 32).write([signed(b"s")])
            await store.aclose()
            put_back(path, copy)
            store, shared = await open_parts()
            for name in (b"a" * 32, b"b" * 32):
                part = shared.open_part(name)
                assert part.rollback == Rollback(lost=0, abandoned=2, writes=1)
                assert abandoned(ROUND_A) in await part.load_round(ROUND_A)
            await store.aclose()

        on_disk(scenario)


class TestMarks:
    def test_a_mark_that_a_crash_left_behind_is_brought_up_to_date(self, path: Path) -> None:
        """The database is written first: a process killed in between leaves it ahead."""

        async def scenario() -> None:
            await write_all(path, make_opening(ROUND_A, 0))
            mark = get_mark_path(path)
            before = mark.read_bytes()
            await write_all(path, make_opening(ROUND_B, 1))
            after = mark.read_bytes()
            mark.write_bytes(before)
            await check_once(path, None)
            state = read_mark(mark)
            assert state is not None
            assert len(state.opened) == 2
            mark.write_bytes(after[:-3])  # torn by a power cut
            await check_once(path, None)
            assert read_mark(mark) == state

        on_disk(scenario)

    def test_a_database_without_its_mark_is_refused(self, path: Path) -> None:
        async def scenario() -> None:
            await write_all(path, make_opening(ROUND_A, 0))
            get_mark_path(path).unlink()
            with pytest.raises(StoreError, match="is missing") as caught:
                await open_store(path)
            assert "new key" in caught.value.remedy

        on_disk(scenario)

    def test_an_older_copy_beside_a_damaged_mark_is_refused(self, path: Path) -> None:
        async def scenario() -> None:
            await write_all(path, make_opening(ROUND_A, 0))
            copy = copy_away(path)
            await write_all(path, make_opening(ROUND_B, 1))
            put_back(path, copy)
            mark = get_mark_path(path)
            mark.write_bytes(mark.read_bytes()[:-1])
            with pytest.raises(StoreError, match="which rounds it lost is not known") as caught:
                await open_store(path)
            assert "new key" in caught.value.remedy

        on_disk(scenario)

    def test_two_stories_of_one_counter_are_refused(self, path: Path) -> None:
        async def scenario() -> None:
            other = path.parent.with_name("other") / path.name
            await write_all(path, make_opening(ROUND_A, 0), [signed(b"s")])
            await write_all(other, make_opening(ROUND_B, 0))
            path.write_bytes(other.read_bytes())
            with pytest.raises(StoreError, match="tell different stories") as caught:
                await open_store(path)
            assert "two nodes" in caught.value.remedy

        on_disk(scenario)

    def test_a_damaged_opening_is_not_repeated_in_the_mark(self, path: Path) -> None:
        async def scenario() -> None:
            await write_all(path, make_opening(ROUND_A, 0))
            with sqlite3.connect(path) as connection:
                connection.execute("DROP TRIGGER signed_stays")
                connection.execute("UPDATE signed SET seal = x'00'")
                connection.execute(
                    "CREATE TRIGGER signed_stays BEFORE UPDATE ON signed"
                    " BEGIN SELECT RAISE(ABORT, 'signed once'); END"
                )
            connection.close()
            mark = get_mark_path(path)
            mark.write_bytes(mark.read_bytes()[:-1])
            with pytest.raises(StoreError, match="does not match its seal"):
                await open_store(path)

        on_disk(scenario)
