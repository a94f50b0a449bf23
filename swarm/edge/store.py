"""A peer's database: what it signed, what it resumes from, its receipts. SQLite through aiosqlite.

One asyncio loop serves a whole process (`open_asyncio_loop`), one connection one peer's database.
Every write is one SQL statement, hence one transaction that SQLite itself opens and ends: a transaction
split over several awaits leaves the connection inside it when its task is cancelled, every later write
fails, and each await costs a trip between threads. The call is shielded, so that a write that was begun
is awaited. With `synchronous=FULL` it is on disk when `write` returns; only then may anything signed
leave the machine.

The file is locked for this process: two nodes with one key are the straight way to a double signature.
"""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

import aiosqlite
import trio
import trio_asyncio

from consensus.errors import StoreError
from swarm.core.records import QUESTION_KEY, Record, Table
from swarm.edge.paths import DATA_DIR_VARIABLE, create_private_file

BUSY_MS_MAX = 5_000  # how long opening waits for another process to let go of the file
DATABASE_BYTES_MAX = 4 * 1024**3
PAGE_BYTES = 4_096
RECORDS_MAX = 1_024  # records of one write
VALUE_BYTES_MAX = 16 * 1024**2

ResultT = TypeVar("ResultT")


class Store(Protocol):
    """Where a node's records live. `MemoryStore` and `SqliteStore` pass one contract suite."""

    async def write(self, records: Sequence[Record]) -> None:
        """Keep all of `records`, or none; durable on return.

        Raises:
            StoreError: A record contradicts an earlier one, or the disk refuses.
        """

    async def load_round(self, round_id: bytes) -> tuple[Record, ...]:
        """Return a round's records in the order in which their keys were first written."""

    async def unfinished_rounds(self) -> tuple[bytes, ...]:
        """Return the rounds that have a question and no receipt, oldest first."""

    async def receipts(self) -> tuple[bytes, ...]:
        """Return the ids of the rounds that have a receipt, in the order of finishing."""

    async def aclose(self) -> None:
        """Let go of the file; closing twice is allowed."""


@dataclass(frozen=True, slots=True)
class _Migration:
    name: str
    statements: tuple[str, ...]


_MIGRATIONS = (
    _Migration(
        "signed-fact-receipt",
        (
            "CREATE TABLE signed (round_id BLOB NOT NULL, slot BLOB NOT NULL, value BLOB NOT NULL,"
            " ordinal INTEGER NOT NULL, PRIMARY KEY (round_id, slot))",
            "CREATE TABLE fact (round_id BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
            " ordinal INTEGER NOT NULL, PRIMARY KEY (round_id, key))",
            "CREATE TABLE receipt (round_id BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL,"
            " finished_order INTEGER NOT NULL)",
            # The database itself refuses a second signature, whoever writes to it.
            "CREATE TRIGGER signed_once BEFORE INSERT ON signed WHEN EXISTS (SELECT 1 FROM signed"
            " WHERE round_id = NEW.round_id AND slot = NEW.slot AND value <> NEW.value)"
            " BEGIN SELECT RAISE(ABORT, 'signed once'); END",
            "CREATE TRIGGER signed_stays BEFORE UPDATE ON signed"
            " BEGIN SELECT RAISE(ABORT, 'signed once'); END",
            "CREATE TRIGGER receipt_once BEFORE INSERT ON receipt WHEN EXISTS (SELECT 1 FROM receipt"
            " WHERE round_id = NEW.round_id AND value <> NEW.value)"
            " BEGIN SELECT RAISE(ABORT, 'receipt once'); END",
            # One name for all three, so that a write of any mixture is a single statement.
            "CREATE VIEW record AS SELECT 1 AS kind, round_id, slot AS key, value, ordinal FROM signed"
            " UNION ALL SELECT 2, round_id, key, value, ordinal FROM fact"
            " UNION ALL SELECT 3, round_id, x'', value, finished_order FROM receipt",
            "CREATE TRIGGER record_signed INSTEAD OF INSERT ON record WHEN NEW.kind = 1 BEGIN"
            " INSERT INTO signed VALUES (NEW.round_id, NEW.key, NEW.value, NEW.ordinal)"
            " ON CONFLICT (round_id, slot) DO NOTHING; END",
            "CREATE TRIGGER record_fact INSTEAD OF INSERT ON record WHEN NEW.kind = 2 BEGIN"
            " INSERT INTO fact VALUES (NEW.round_id, NEW.key, NEW.value, NEW.ordinal)"
            " ON CONFLICT (round_id, key) DO UPDATE SET value = excluded.value; END",
            "CREATE TRIGGER record_receipt INSTEAD OF INSERT ON record WHEN NEW.kind = 3 BEGIN"
            " INSERT INTO receipt VALUES (NEW.round_id, NEW.value, NEW.ordinal)"
            " ON CONFLICT (round_id) DO NOTHING; END",
        ),
    ),
)

_SELECT_ROUND = "SELECT kind, key, value FROM record WHERE round_id = ? ORDER BY ordinal"
_SELECT_UNFINISHED = (
    "SELECT round_id FROM fact WHERE key = ?"
    " AND round_id NOT IN (SELECT round_id FROM receipt) ORDER BY ordinal"
)
_SELECT_ORDINAL_MAX = "SELECT coalesce(max(ordinal), 0) FROM record"


@lru_cache(maxsize=64)
def _compose_insert(count: int) -> str:
    rows = ", ".join(["(?, ?, ?, ?, ?)"] * count)
    return f"INSERT INTO record (kind, round_id, key, value, ordinal) VALUES {rows}"  # noqa: S608 (no data in it)


@asynccontextmanager
async def open_asyncio_loop() -> AsyncIterator[None]:
    """Run the process's one asyncio loop, which every `SqliteStore` needs; open it once, near the top."""
    async with trio_asyncio.open_loop():
        yield


class SqliteStore:
    """A `Store` in one SQLite file; made by `open_store`."""

    __slots__ = ("_closed", "_connection", "_lock", "_ordinal", "_path")

    def __init__(self, path: Path, connection: aiosqlite.Connection, ordinal: int) -> None:
        self._path = path
        self._connection = connection
        self._ordinal = ordinal
        self._lock = trio.Lock()
        self._closed = False

    async def write(self, records: Sequence[Record]) -> None:
        """Keep all of `records`, or none; on disk on return. A cancelled call wrote all or nothing.

        Raises:
            StoreError: A slot was signed with another value, a round has another receipt, a limit is
                exceeded, or the disk refuses; then nothing of `records` was written.
        """
        check_records(records)
        async with self._lock:
            self._check_open()
            if not records:
                return
            values: list[bytes | int] = []
            for record in records:
                self._ordinal += 1
                values += (record.table, record.round_id, record.key, record.value, self._ordinal)
            sql = _compose_insert(len(records))
            try:
                await _run_shielded(lambda: self._connection.execute_fetchall(sql, values))
            except sqlite3.IntegrityError as exc:
                raise await self._explain(records) from exc
            except sqlite3.Error as exc:
                raise translate_error(self._path, exc) from exc

    async def load_round(self, round_id: bytes) -> tuple[Record, ...]:
        """Return a round's records in the order in which their keys were first written."""
        rows = await self._select(_SELECT_ROUND, (round_id,))
        return tuple(Record(Table(table), round_id, key, value) for table, key, value in rows)

    async def unfinished_rounds(self) -> tuple[bytes, ...]:
        """Return the rounds that have a question and no receipt, oldest first."""
        return tuple(row[0] for row in await self._select(_SELECT_UNFINISHED, (QUESTION_KEY,)))

    async def receipts(self) -> tuple[bytes, ...]:
        """Return the ids of the rounds that have a receipt, in the order of finishing."""
        return tuple(
            row[0] for row in await self._select("SELECT round_id FROM receipt ORDER BY finished_order")
        )

    async def aclose(self) -> None:
        """Let go of the file, also when the calling task is cancelled; closing twice is allowed."""
        with trio.CancelScope(shield=True):
            async with self._lock:
                if not self._closed:
                    self._closed = True
                    await _run_shielded(self._connection.close)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"{self._path} is closed")

    async def _select(self, sql: str, parameters: Sequence[bytes] = ()) -> list[sqlite3.Row]:
        async with self._lock:
            self._check_open()
            return await self._select_locked(sql, parameters)

    async def _select_locked(self, sql: str, parameters: Sequence[bytes]) -> list[sqlite3.Row]:
        try:
            return list(await _run_shielded(lambda: self._connection.execute_fetchall(sql, parameters)))
        except sqlite3.Error as exc:
            raise translate_error(self._path, exc) from exc

    async def _explain(self, records: Sequence[Record]) -> StoreError:
        """Name the record that contradicts another; the transaction has been rolled back."""
        earlier: dict[tuple[Table, bytes, bytes], bytes] = {}
        for round_id in dict.fromkeys(record.round_id for record in records):
            for row in await self._select_locked(_SELECT_ROUND, (round_id,)):
                earlier[Table(row[0]), round_id, row[1]] = row[2]
        for record in records:
            place = (record.table, record.round_id, record.key)
            if record.table is not Table.FACT and earlier.setdefault(place, record.value) != record.value:
                return contradiction(record)
        return StoreError(f"{self._path} refused a write that contradicts none of its records")


async def open_store(
    path: Path, *, busy_ms_max: int = BUSY_MS_MAX, bytes_max: int = DATABASE_BYTES_MAX
) -> SqliteStore:
    """Open or make a peer's database; needs the loop of `open_asyncio_loop` around it.

    Args:
        path: The file; made with mode 0600, its missing directories with 0700.
        busy_ms_max: How long to wait for another process to let go of the file, milliseconds.
        bytes_max: Size the database may grow to, bytes; beyond it writes fail as on a full disk.

    Returns:
        The store; whoever opened it closes it.

    Raises:
        StoreError: The place is not writable, the file is no database of ours, was made by a newer
            version, or is in use by another process.
    """
    create_private_file(path)

    async def body() -> SqliteStore:
        connection = await aiosqlite.connect(path, isolation_level=None)
        try:
            await _configure(connection, busy_ms_max=busy_ms_max, pages_max=bytes_max // PAGE_BYTES)
            await _migrate(path, connection)
            rows = list(await connection.execute_fetchall(_SELECT_ORDINAL_MAX))
        except BaseException:
            await connection.close()
            raise
        return SqliteStore(path, connection, rows[0][0])

    try:
        return await _run_shielded(body)
    except sqlite3.Error as exc:
        raise translate_error(path, exc) from exc


def check_records(records: Sequence[Record]) -> None:
    """Refuse what no store keeps: too many records, a value too long, a receipt under a key."""
    if len(records) > RECORDS_MAX:
        raise StoreError(f"got {len(records)} records in one write, expected at most {RECORDS_MAX}")
    for record in records:
        if len(record.value) > VALUE_BYTES_MAX:
            raise StoreError(f"got a value of {len(record.value)} bytes, expected at most {VALUE_BYTES_MAX}")
        if record.table is Table.RECEIPT and record.key:
            raise StoreError(f"got a receipt under the key {record.key.hex()}, expected an empty key")


def contradiction(record: Record) -> StoreError:
    """Return the error for a record whose place holds another value."""
    if record.table is Table.SIGNED:
        return StoreError(
            f"would sign twice: slot {record.key.hex()} of round {record.round_id.hex()}"
            " holds another statement",
            remedy="keep silent in this slot; the statement on disk is the one that stands",
        )
    return StoreError(f"would replace a receipt: round {record.round_id.hex()} has another one already")


def translate_error(path: Path, exc: sqlite3.Error) -> StoreError:
    """Say what a SQLite error means for `path` and how to mend it."""
    name = getattr(exc, "sqlite_errorname", "")
    elsewhere = f"set {DATA_DIR_VARIABLE} to another directory"
    if name.startswith("SQLITE_FULL"):
        return StoreError(
            f"no space left for {path}; nothing of this write was kept",
            remedy=f"free space on that disk, or {elsewhere}",
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return StoreError(
            f"{path} is not a usable database ({exc})", remedy=f"move that file away, or {elsewhere}"
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError(
            f"{path} is in use by another process",
            remedy="stop the other node first: two nodes with one key would sign twice",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return StoreError(f"cannot write {path} ({exc})", remedy=f"make it writable, or {elsewhere}")
    return StoreError(f"{path}: the database failed ({name or type(exc).__name__}: {exc})")


async def _run_shielded(body: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Run an asyncio coroutine to its end, whatever happens to the calling Trio task meanwhile."""

    async def call() -> ResultT:
        return await body()

    with trio.CancelScope(shield=True):
        result: ResultT = await trio_asyncio.aio_as_trio(call)()
        return result
    raise AssertionError("a scope that nobody cancels was cancelled")


async def _run_transaction(connection: aiosqlite.Connection, statements: Iterable[str]) -> None:
    """Run schema changes, all or none; only while opening, where nothing else uses the connection."""
    try:
        await connection.execute("BEGIN IMMEDIATE")
        for sql in statements:
            await connection.execute(sql)
        await connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            await connection.execute("ROLLBACK")
        raise


async def _configure(connection: aiosqlite.Connection, *, busy_ms_max: int, pages_max: int) -> None:
    for pragma in (
        f"busy_timeout = {busy_ms_max:d}",
        "locking_mode = EXCLUSIVE",  # before WAL is entered, so that no shared-memory file is needed
        f"page_size = {PAGE_BYTES:d}",
        "journal_mode = WAL",
        "synchronous = FULL",
        f"max_page_count = {pages_max:d}",
    ):
        await connection.execute_fetchall(f"PRAGMA {pragma}")


async def _migrate(path: Path, connection: aiosqlite.Connection) -> None:
    """Bring the schema up to date, each migration in a transaction of its own."""
    tables = [
        row[0] for row in await connection.execute_fetchall("SELECT name FROM sqlite_master ORDER BY name")
    ]
    if not tables:
        create = "CREATE TABLE meta (version INTEGER PRIMARY KEY, name TEXT NOT NULL)"
        await _run_transaction(connection, [create])
    elif "meta" not in tables:
        raise StoreError(
            f"{path} is a database of another program (it holds {tables[0]!r} and no 'meta')",
            remedy=f"move that file away, or set {DATA_DIR_VARIABLE} to another directory",
        )
    applied = [row[0] for row in await connection.execute_fetchall("SELECT name FROM meta ORDER BY version")]
    known = [migration.name for migration in _MIGRATIONS]
    if applied != known[: len(applied)]:
        raise StoreError(
            f"{path} has schema {applied}, this version knows {known}",
            remedy="run the newer peerage that made it, or set PEERAGE_DATA_DIR to another directory",
        )
    for version, migration in enumerate(_MIGRATIONS[len(applied) :], start=len(applied) + 1):
        note = f"INSERT INTO meta (version, name) VALUES ({version:d}, '{migration.name}')"  # noqa: S608 (ours)
        await _run_transaction(connection, [*migration.statements, note])
