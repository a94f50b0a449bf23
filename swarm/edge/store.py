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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol, TypeVar

import aiosqlite
import trio
import trio_asyncio

from consensus.errors import StoreError
from swarm.core.records import QUESTION_KEY, Record, Table
from swarm.edge.paths import DATA_DIR_VARIABLE, create_private_file
from swarm.edge.sign_mark import Opened, SignMark, get_mark_path, is_opening
from swarm.edge.store_recovery import Rollback, compose_progress, prepare_mark, reconcile
from swarm.edge.store_retention import forget_rounds, measure_used
from swarm.edge.store_schema import (
    check_integrity,
    check_schema,
    compute_seal,
    damaged,
    is_sealed,
    migrate,
    read_version,
)

BUSY_MS_MAX = 5_000  # how long opening waits for another process to let go of the file
DATABASE_BYTES_MAX = 4 * 1024**3
# The second is what Python makes of a message of SQLite's that quotes damaged text.
DATABASE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
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

    @property
    def rollback(self) -> Rollback | None:
        """What was found when the disk turned out to hold an older copy; None where it does not."""

    async def aclose(self) -> None:
        """Let go of the file; closing twice is allowed."""


_SELECT_ROUND = "SELECT kind, key, value, seal FROM record WHERE round_id = ? ORDER BY ordinal"
_SELECT_UNFINISHED = (
    "SELECT round_id FROM fact WHERE key = ?"
    " AND round_id NOT IN (SELECT round_id FROM receipt) ORDER BY ordinal"
)


@lru_cache(maxsize=64)
def _compose_insert(count: int) -> str:
    rows = ", ".join(["(?, ?, ?, ?, ?, ?)"] * count)
    return f"INSERT INTO record (kind, round_id, key, value, ordinal, seal) VALUES {rows}"  # noqa: S608 (no data)


@asynccontextmanager
async def open_asyncio_loop() -> AsyncIterator[None]:
    """Run the process's one asyncio loop, which every `SqliteStore` needs; open it once, near the top."""
    async with trio_asyncio.open_loop():
        yield


class SqliteStore:
    """A `Store` in one SQLite file, with a mark beside it; made by `open_store`."""

    __slots__ = ("_closed", "_connection", "_lock", "_mark", "_marking", "_ordinal", "_path", "_rollback")

    def __init__(
        self,
        path: Path,
        connection: aiosqlite.Connection,
        *,
        mark: SignMark,
        ordinal: int,
        rollback: Rollback | None,
    ) -> None:
        self._path = path
        self._connection = connection
        self._mark = mark
        self._ordinal = ordinal
        self._rollback = rollback
        self._lock = trio.Lock()
        self._marking = trio.CapacityLimiter(1)
        self._closed = False

    @property
    def rollback(self) -> Rollback | None:
        """What was found when the database turned out to be an older copy; None where it was not."""
        return self._rollback

    async def write(self, records: Sequence[Record]) -> None:
        """Keep all of `records`, or none; on disk on return. A cancelled call wrote all or nothing.

        Raises:
            StoreError: A slot was signed with another value, a round has another receipt, a limit is
                exceeded, or the disk refuses; then nothing of `records` was written. Or the mark beside the
                database could not follow: then they are on disk, and the same write may be tried again.
        """
        check_records(records)
        async with self._lock:
            self._check_open()
            if not records:
                return
            values: list[bytes | int] = []
            opened: list[Opened] = []
            for record in records:
                self._ordinal += 1
                values += (record.table, record.round_id, record.key, record.value, self._ordinal)
                values.append(compute_seal(record.table, record.round_id, record.key, record.value))
                if is_opening(record):
                    opened.append(Opened(self._ordinal, record))
            values += compose_progress(self._ordinal)
            sql = _compose_insert(len(records) + 1)
            with trio.CancelScope(shield=True):  # the mark follows what was written, whoever gives up waiting
                try:
                    await _run_shielded(lambda: self._connection.execute_fetchall(sql, values))
                except sqlite3.IntegrityError as exc:
                    raise await self._explain(records) from exc
                except DATABASE_ERRORS as exc:
                    raise translate_error(self._path, exc) from exc
                await self._follow(opened)

    async def _follow(self, opened: Sequence[Opened]) -> None:
        """Have the mark follow the write that has just been made."""
        if opened or self._mark.is_behind:
            # A thread of its own: those that all share may be waiting for names that nobody can look up.
            await trio.to_thread.run_sync(self._mark.note, self._ordinal, opened, limiter=self._marking)
        else:
            # 16 bytes and no sync: a trip to a thread costs 30 times that, and the event log writes so too.
            self._mark.note(self._ordinal, ())

    async def load_round(self, round_id: bytes) -> tuple[Record, ...]:
        """Return a round's records in the order in which their keys were first written."""
        return tuple(self._open_rows(round_id, await self._select(_SELECT_ROUND, (round_id,))))

    async def unfinished_rounds(self) -> tuple[bytes, ...]:
        """Return the rounds that have a question and no receipt, oldest first."""
        return tuple(row[0] for row in await self._select(_SELECT_UNFINISHED, (QUESTION_KEY,)))

    async def receipts(self) -> tuple[bytes, ...]:
        """Return the ids of the rounds that have a receipt, in the order of finishing."""
        return tuple(
            row[0] for row in await self._select("SELECT round_id FROM receipt ORDER BY finished_order")
        )

    async def measure_used(self) -> int:
        """Return how many bytes of the file hold anything; the rest is written to next.

        Raises:
            StoreError: The disk refuses.
        """
        return await self._tend(measure_used)

    async def forget_rounds(self, *, rounds: int, keep: int) -> int:
        """Forget the rounds that ended first, as `swarm.edge.store_retention` says.

        Args:
            rounds: How many to forget that have a receipt, at most.
            keep: How many of these stay in any case, the latest.

        Returns:
            How many were forgotten, with a receipt or without; 0 where no more may be.

        Raises:
            StoreError: The disk refuses; what was forgotten before stays forgotten.
        """
        return await self._tend(partial(forget_rounds, rounds=rounds, keep=keep))

    async def _tend(self, body: Callable[[aiosqlite.Connection], Awaitable[int]]) -> int:
        async with self._lock:
            self._check_open()
            try:
                return await _run_shielded(lambda: body(self._connection))
            except DATABASE_ERRORS as exc:
                raise translate_error(self._path, exc) from exc

    async def aclose(self) -> None:
        """Let go of the file, also when the calling task is cancelled; closing twice is allowed."""
        with trio.CancelScope(shield=True):
            async with self._lock:
                if not self._closed:
                    self._closed = True
                    await _run_shielded(self._connection.close)
                    self._mark.close()

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
        except DATABASE_ERRORS as exc:
            raise translate_error(self._path, exc) from exc

    def _open_rows(self, round_id: bytes, rows: Iterable[sqlite3.Row]) -> Iterator[Record]:
        for kind, key, value, seal in rows:
            if not is_sealed(kind, round_id, key, value, seal):
                raise damaged(self._path, f"a row of round {round_id.hex()} does not match its seal")
            yield Record(Table(kind), round_id, key, value)

    async def _explain(self, records: Sequence[Record]) -> StoreError:
        """Name the record that contradicts another; the transaction has been rolled back."""
        earlier: dict[tuple[Table, bytes, bytes], bytes] = {}
        for round_id in dict.fromkeys(record.round_id for record in records):
            for held in self._open_rows(round_id, await self._select_locked(_SELECT_ROUND, (round_id,))):
                earlier[held.table, round_id, held.key] = held.value
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
            await _lock_file(connection, busy_ms_max=busy_ms_max)
            version = await read_version(path, connection)
            await _configure(connection, pages_max=bytes_max // PAGE_BYTES)
            await check_integrity(path, connection)
            prepare_mark(path, version)
            await migrate(path, connection, version)
            await check_schema(path, connection)
            reconciled = await reconcile(path, connection)
            mark = SignMark(get_mark_path(path))
        except BaseException:
            await connection.close()
            raise
        return SqliteStore(
            path, connection, mark=mark, ordinal=reconciled.ordinal, rollback=reconciled.rollback
        )

    try:
        return await _run_shielded(body)
    except DATABASE_ERRORS as exc:
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


def translate_error(path: Path, exc: Exception) -> StoreError:
    """Say what one of DATABASE_ERRORS means for `path` and how to mend it."""
    name = getattr(exc, "sqlite_errorname", "")
    elsewhere = f"set {DATA_DIR_VARIABLE} to another directory"
    if name.startswith("SQLITE_FULL"):
        return StoreError(
            f"no space left for {path}; nothing of this write was kept",
            remedy=f"free space on that disk, or {elsewhere}",
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or isinstance(exc, UnicodeDecodeError):
        return StoreError(
            f"{path} is not a usable database ({exc})",
            remedy="put back an older copy of it and leave its mark as it is; where it never was a peer's,"
            f" move that file away, or {elsewhere}",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError(
            f"{path} is in use by another process",
            remedy="stop the other node first: two nodes with one key would sign twice",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return StoreError(f"cannot write {path} ({exc})", remedy=f"make it writable, or {elsewhere}")
    if name.startswith("SQLITE_IOERR"):
        return StoreError(
            f"the disk failed under {path} ({name}: {exc}); nothing of this write was acknowledged",
            remedy=f"free space on that disk, see whether it is broken, or {elsewhere}",
        )
    return StoreError(
        f"{path}: the database failed ({name or type(exc).__name__}: {exc})",
        remedy=f"see whether that disk is broken, or {elsewhere}",
    )


async def _run_shielded(body: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Run an asyncio coroutine to its end, whatever happens to the calling Trio task meanwhile."""

    async def call() -> ResultT:
        return await body()

    with trio.CancelScope(shield=True):
        result: ResultT = await trio_asyncio.aio_as_trio(call)()
        return result
    raise AssertionError("a scope that nobody cancels was cancelled")


async def _lock_file(connection: aiosqlite.Connection, *, busy_ms_max: int) -> None:
    for pragma in (
        f"busy_timeout = {busy_ms_max:d}",
        "locking_mode = EXCLUSIVE",  # before WAL is entered, so that no shared-memory file is needed
        "cell_size_check = ON",  # a damaged page is found where it is read
    ):
        await connection.execute_fetchall(f"PRAGMA {pragma}")


async def _configure(connection: aiosqlite.Connection, *, pages_max: int) -> None:
    for pragma in (
        f"page_size = {PAGE_BYTES:d}",
        "journal_mode = WAL",
        "synchronous = FULL",
        f"max_page_count = {pages_max:d}",
    ):
        await connection.execute_fetchall(f"PRAGMA {pragma}")
