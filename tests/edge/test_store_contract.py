"""One contract for the store in memory and the store on disk, then what only a disk can break."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import trio

from consensus.errors import StoreError
from swarm.core.records import QUESTION_KEY, Record, Table
from swarm.edge.memory_store import MemoryStore
from swarm.edge.shared_store import SharedStore, StorePart
from swarm.edge.store import RECORDS_MAX, SqliteStore, Store, open_asyncio_loop, open_store

ROUND_A, ROUND_B = b"\xaa" * 32, b"\xbb" * 32
Opener = Callable[[], Awaitable[Store]]


def signed(slot: bytes, value: bytes, round_id: bytes = ROUND_A) -> Record:
    return Record(Table.SIGNED, round_id, slot, value)


def fact(key: bytes, value: bytes, round_id: bytes = ROUND_A) -> Record:
    return Record(Table.FACT, round_id, key, value)


def receipt(value: bytes, round_id: bytes = ROUND_A) -> Record:
    return Record(Table.RECEIPT, round_id, b"", value)


class OwnedPart(StorePart):
    """A part that closes the shared file: here nobody else does."""

    async def aclose(self) -> None:
        await self._shared.store.aclose()


@pytest.fixture(params=["memory", "sqlite", "part"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    async def open_memory() -> Store:
        return MemoryStore()

    async def open_sqlite() -> Store:
        return await open_store(tmp_path / "peer" / "peer.db")

    async def open_part() -> Store:
        shared = SharedStore(await open_sqlite())
        await shared.open_part(b"another peer").write([fact(QUESTION_KEY, b"q"), signed(b"s1", b"other")])
        return OwnedPart(shared, b"this peer")

    return {"memory": open_memory, "sqlite": open_sqlite, "part": open_part}[request.param]


@asynccontextmanager
async def opened(opener: Opener) -> AsyncIterator[Store]:
    async with open_asyncio_loop():
        store = await opener()
        try:
            yield store
        finally:
            await store.aclose()


def run(opener: Opener, scenario: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        async with opened(opener) as store:
            await scenario(store)

    trio.run(main)


class TestContract:
    def test_a_round_comes_back_in_the_order_of_first_writing(self, opener: Opener) -> None:
        first = [fact(QUESTION_KEY, b"q"), signed(b"s1", b"v1"), fact(b"lock", b"none")]
        second = [signed(b"s2", b"v2"), fact(b"lock", b"view 1"), receipt(b"r")]

        async def scenario(store: Store) -> None:
            await store.write(first)
            await store.write(second)
            assert await store.load_round(ROUND_A) == (
                first[0],
                first[1],
                fact(b"lock", b"view 1"),
                second[0],
                second[2],
            )
            assert await store.load_round(ROUND_B) == ()

        run(opener, scenario)

    def test_signing_the_same_again_changes_nothing(self, opener: Opener) -> None:
        async def scenario(store: Store) -> None:
            await store.write([signed(b"s", b"v"), signed(b"s", b"v")])
            await store.write([signed(b"s", b"v")])
            assert await store.load_round(ROUND_A) == (signed(b"s", b"v"),)

        run(opener, scenario)

    def test_signing_otherwise_is_refused_and_takes_its_whole_write_along(self, opener: Opener) -> None:
        async def scenario(store: Store) -> None:
            await store.write([signed(b"s", b"v")])
            with pytest.raises(StoreError, match="would sign twice: slot 73 "):
                await store.write([fact(b"k", b"1"), signed(b"t", b"v"), signed(b"s", b"other")])
            assert await store.load_round(ROUND_A) == (signed(b"s", b"v"),)
            await store.write([signed(b"s", b"other", ROUND_B)])  # another round, another slot

        run(opener, scenario)

    def test_one_write_may_not_contradict_itself(self, opener: Opener) -> None:
        async def scenario(store: Store) -> None:
            with pytest.raises(StoreError, match="would sign twice"):
                await store.write([signed(b"s", b"v"), signed(b"s", b"w")])
            assert await store.load_round(ROUND_A) == ()

        run(opener, scenario)

    def test_a_receipt_is_never_replaced(self, opener: Opener) -> None:
        async def scenario(store: Store) -> None:
            await store.write([receipt(b"r")])
            await store.write([receipt(b"r")])
            with pytest.raises(StoreError, match="would replace a receipt"):
                await store.write([fact(b"k", b"1"), receipt(b"other")])
            assert await store.load_round(ROUND_A) == (receipt(b"r"),)

        run(opener, scenario)

    def test_unfinished_rounds_have_a_question_and_no_receipt(self, opener: Opener) -> None:
        async def scenario(store: Store) -> None:
            assert await store.unfinished_rounds() == ()
            await store.write([fact(QUESTION_KEY, b"q", ROUND_B), fact(b"other", b"x", b"\xcc" * 32)])
            await store.write([fact(QUESTION_KEY, b"q", ROUND_A)])
            assert await store.unfinished_rounds() == (ROUND_B, ROUND_A)
            await store.write([receipt(b"r", ROUND_A)])
            await store.write([receipt(b"r", ROUND_B)])
            assert await store.unfinished_rounds() == ()
            assert await store.receipts() == (ROUND_A, ROUND_B)

        run(opener, scenario)

    def test_an_empty_write_is_allowed(self, opener: Opener) -> None:
        async def scenario(store: Store) -> None:
            await store.write([])
            assert await store.receipts() == ()

        run(opener, scenario)

    def test_limits_are_refused(self, opener: Opener) -> None:
        async def scenario(store: Store) -> None:
            with pytest.raises(StoreError, match="expected at most"):
                await store.write([fact(b"%d" % i, b"") for i in range(RECORDS_MAX + 1)])
            with pytest.raises(StoreError, match="expected an empty key"):
                await store.write([Record(Table.RECEIPT, ROUND_A, b"k", b"r")])
            assert await store.load_round(ROUND_A) == ()

        run(opener, scenario)

    def test_a_closed_store_refuses(self, opener: Opener) -> None:
        async def scenario(store: Store) -> None:
            await store.aclose()
            await store.aclose()
            with pytest.raises(StoreError, match="closed"):
                await store.write([fact(b"k", b"v")])
            with pytest.raises(StoreError, match="closed"):
                await store.load_round(ROUND_A)

        run(opener, scenario)

    def test_writers_and_readers_may_overlap(self, opener: Opener) -> None:
        async def scenario(store: Store) -> None:
            async def work(i: int) -> None:
                await store.write([signed(b"%d" % i, b"v"), fact(b"%d" % i, b"v")])
                await store.load_round(ROUND_A)

            async with trio.open_nursery() as nursery:
                for i in range(20):
                    nursery.start_soon(work, i)
            assert len(await store.load_round(ROUND_A)) == 40

        run(opener, scenario)

    def test_a_storm_of_cancellations_leaves_writes_whole(self, opener: Opener) -> None:
        """Two rows a write, cancelled after a random number of scheduling steps."""
        random = Random(20261124)

        async def scenario(store: Store) -> None:
            acknowledged = await _storm(store, [random.randrange(12) for _ in range(200)])
            rows = {record.key for record in await store.load_round(ROUND_A)}
            for i in range(200):
                pair = {b"%d left" % i, b"%d right" % i}
                assert pair <= rows if i in acknowledged else pair <= rows or not pair & rows
            assert 0 < len(acknowledged) < 200, "the storm must hit some writes and miss others"
            await store.write([fact(b"after", b"calm")])

        run(opener, scenario)


async def _storm(store: Store, steps: Sequence[int]) -> list[int]:
    """Write pairs 0, 1, ... and cancel each after its number of steps; return those acknowledged."""
    acknowledged: list[int] = []

    async def attempt(i: int, scope: trio.CancelScope) -> None:
        with scope:
            await trio.lowlevel.checkpoint()
            await store.write([signed(b"%d left" % i, b"v"), fact(b"%d right" % i, b"v")])
            acknowledged.append(i)

    async with trio.open_nursery() as nursery:
        scopes = [trio.CancelScope() for _ in steps]
        for i, scope in enumerate(scopes):
            nursery.start_soon(attempt, i, scope)
        for tick in range(max(steps) + 1):
            for scope, step in zip(scopes, steps, strict=True):
                if step == tick and tick < max(steps):
                    scope.cancel()
            await trio.lowlevel.checkpoint()
    return acknowledged


def on_disk(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with open_asyncio_loop():
            await scenario()

    trio.run(main)


class TestDisk:
    def test_no_double_signature_across_a_reopening(self, tmp_path: Path) -> None:
        path = tmp_path / "peer.db"

        async def scenario() -> None:
            async with aclosing(await open_store(path)) as store:
                await store.write([signed(b"s", b"v"), fact(b"a", b"1")])
            async with aclosing(await open_store(path)) as store:
                with pytest.raises(StoreError, match="would sign twice"):
                    await store.write([signed(b"s", b"w")])
                await store.write([fact(b"b", b"2")])
                assert await store.load_round(ROUND_A) == (
                    signed(b"s", b"v"),
                    fact(b"a", b"1"),
                    fact(b"b", b"2"),
                )

        on_disk(scenario)

    def test_the_database_itself_refuses_a_second_signature(self, tmp_path: Path) -> None:
        path = tmp_path / "peer.db"

        async def scenario() -> None:
            async with aclosing(await open_store(path)) as store:
                await store.write([signed(b"s", b"v")])

        on_disk(scenario)
        connection = sqlite3.connect(path)
        for sql in (
            "UPDATE signed SET value = x'00'",
            "INSERT OR REPLACE INTO signed SELECT round_id, slot, x'00', 9, x'00' FROM signed",
            "INSERT OR IGNORE INTO signed SELECT round_id, slot, x'00', 9, x'00' FROM signed",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="signed once"):
                connection.execute(sql)
        connection.close()

    def test_a_cancelled_writer_leaves_no_transaction_open(self, tmp_path: Path) -> None:
        random = Random(7)

        async def scenario() -> None:
            async with aclosing(await open_store(tmp_path / "peer.db")) as store:
                for start in range(20):
                    await _storm(store, [random.randrange(30) for _ in range(10)])
                    assert not store._connection.in_transaction, start

        on_disk(scenario)

    def test_files_are_for_their_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / "a" / "b" / "peer.db"
        umask = os.umask(0)
        try:

            async def scenario() -> None:
                async with aclosing(await open_store(path)) as store:
                    await store.write([fact(b"k", b"v")])
                    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
                    assert modes == dict.fromkeys(("peer.db", "peer.db-wal", "signed-peer.db.mark"), 0o600)

            on_disk(scenario)
        finally:
            os.umask(umask)
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700

    def test_the_sign_state_is_synced(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with aclosing(await open_store(tmp_path / "peer.db")) as store:
                pragmas = {}
                for name in ("synchronous", "journal_mode", "locking_mode", "busy_timeout"):
                    rows = list(await store._select(f"PRAGMA {name}"))
                    pragmas[name] = rows[0][0]
                assert pragmas == {
                    "synchronous": 2,
                    "journal_mode": "wal",
                    "locking_mode": "exclusive",
                    "busy_timeout": 5_000,
                }

        on_disk(scenario)

    def test_a_full_disk_loses_nothing_and_heals(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with aclosing(await open_store(tmp_path / "peer.db", bytes_max=40 * 4096)) as store:
                await store.write([signed(b"s", b"v")])
                with pytest.raises(StoreError, match="no space left") as caught:
                    await store.write([signed(b"t", b"v"), fact(b"big", bytes(200_000))])
                assert "free space" in caught.value.remedy
                assert not store._connection.in_transaction
                assert await store.load_round(ROUND_A) == (signed(b"s", b"v"),)
                await store.write([fact(b"small", b"v")])

        on_disk(scenario)

    def test_a_second_process_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "peer.db"

        async def scenario() -> None:
            async with aclosing(await open_store(path)) as store:
                await store.write([fact(b"k", b"v")])
                with pytest.raises(StoreError, match="in use by another process") as caught:
                    await open_store(path, busy_ms_max=1)
                assert "two nodes with one key" in caught.value.remedy
            async with aclosing(await open_store(path, busy_ms_max=1)):
                pass

        on_disk(scenario)

    def test_an_unwritable_place_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("not a directory")

        async def scenario() -> None:
            with pytest.raises(StoreError, match=r"cannot write|not a directory") as caught:
                await open_store(tmp_path / "file" / "peer.db")
            assert "PEERAGE_DATA_DIR" in caught.value.remedy

        on_disk(scenario)

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
    def test_a_read_only_directory_is_named(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)

        async def scenario() -> None:
            with pytest.raises(StoreError, match="cannot write"):
                await open_store(tmp_path / "peer.db")

        on_disk(scenario)

    def test_a_directory_in_the_files_place_is_named(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            with pytest.raises(StoreError, match="Is a directory"):
                await open_store(tmp_path)

        on_disk(scenario)

    def test_a_file_that_is_no_database_is_kept_and_named(self, tmp_path: Path) -> None:
        path = tmp_path / "peer.db"
        text = "dear diary, " * 200
        path.write_text(text)

        async def scenario() -> None:
            with pytest.raises(StoreError, match="not a usable database") as caught:
                await open_store(path)
            assert "move that file away" in caught.value.remedy

        on_disk(scenario)
        assert path.read_text() == text

    def test_a_database_of_another_program_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "peer.db"
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
        connection.close()

        async def scenario() -> None:
            with pytest.raises(StoreError, match="another program"):
                await open_store(path)

        on_disk(scenario)

    @pytest.mark.parametrize("stopped_after", [0, 1, 2])
    def test_opening_resumes_a_migration_that_was_cut_short(self, tmp_path: Path, stopped_after: int) -> None:
        path = tmp_path / "peer.db"
        connection = sqlite3.connect(path)
        if stopped_after >= 1:
            connection.execute("CREATE TABLE meta (version INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        if stopped_after == 2:  # the transaction that was open when the process died
            connection.execute("BEGIN")
            connection.execute("CREATE TABLE signed (round_id BLOB)")
        connection.close()

        async def scenario() -> None:
            async with aclosing(await open_store(path)) as store:
                await store.write([signed(b"s", b"v")])

        on_disk(scenario)

    def test_closing_works_in_a_cancelled_task(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            stores: list[SqliteStore] = []
            with trio.CancelScope() as scope:
                async with aclosing(await open_store(tmp_path / "peer.db")) as store:
                    stores.append(store)
                    scope.cancel()
                    await trio.lowlevel.checkpoint()
            with pytest.raises(StoreError, match="closed"):
                await stores[0].receipts()

        on_disk(scenario)


WRITER = """
import sys
import trio
from pathlib import Path
from swarm.core.records import Record, Table
from swarm.edge.store import open_asyncio_loop, open_store

async def main():
    async with open_asyncio_loop():
        store = await open_store(Path(sys.argv[1]))
        for i in range(100_000):
            left = Record(Table.SIGNED, bytes(32), b"%d" % i, b"v" * 512)
            right = Record(Table.FACT, bytes(32), b"%d" % i, b"v" * 512)
            await store.write([left, right])
            sys.stdout.write(f"{i}\\n")
            sys.stdout.flush()

trio.run(main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("written", [1, 40, 173])
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path, written: int) -> None:
    path = tmp_path / "peer.db"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        for _ in range(written):
            process.stdout.readline()
        process.kill()
        rest = process.stdout.read().splitlines()
    acknowledged = written + len(rest)  # a line is one small write, so none is torn

    async def scenario() -> None:
        async with aclosing(await open_store(path)) as store:
            records = await store.load_round(bytes(32))
            left = [record.key for record in records if record.table is Table.SIGNED]
            right = [record.key for record in records if record.table is Table.FACT]
            assert left == right == [b"%d" % i for i in range(len(left))]
            assert acknowledged <= len(left) <= acknowledged + 1

    on_disk(scenario)
