"""The gateway's own database: which rounds were asked through it, by whom, and who has a key.

One SQLite file and two connections, each doing one thing at a time, in a worker thread: one writes, and one
only reads, so that whoever looks something up (a wrong key, above all) waits for no write and takes no lock.
The command line and a running gateway may have it open together. A write is on disk when it returns, and seen
by every read begun after it. Receipts are files of their own beside it (`Paths.receipts`), as those of
`peerage ask` are.
"""

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import trio

from consensus.errors import StoreError
from swarm.edge.paths import DATA_DIR_VARIABLE, create_private_file

BUSY_S_MAX = 5.0
FILE_NAME = "gateway.sqlite3"
MIGRATIONS = (
    (
        "CREATE TABLE round (id BLOB NOT NULL PRIMARY KEY, place INTEGER NOT NULL UNIQUE,"
        " created_ms INTEGER NOT NULL, ended_ms INTEGER, model TEXT NOT NULL, owner TEXT NOT NULL,"
        " status TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', p_best REAL, digest BLOB)",
        "CREATE TABLE api_key (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
        " digest BLOB NOT NULL, created_ms INTEGER NOT NULL, revoked_ms INTEGER,"
        " requests_per_minute INTEGER, tokens_per_day INTEGER, tokens_in_all INTEGER)",
        "CREATE TABLE spent (key_id TEXT NOT NULL, day INTEGER NOT NULL, requests INTEGER NOT NULL,"
        " tokens INTEGER NOT NULL, PRIMARY KEY (key_id, day))",
    ),
)

ResultT = TypeVar("ResultT")


class Database:
    """An open database; close it, or use it as a context manager.

    Args:
        path: The file; made where it is not there.

    Raises:
        StoreError: It cannot be opened, or a later peerage has written it.
    """

    def __init__(self, path: Path) -> None:
        create_private_file(path)
        self._path = path
        self._writing, self._reading = trio.CapacityLimiter(1), trio.CapacityLimiter(1)
        with ExitStack() as opened:
            self._writer = opened.enter_context(closing(self._connect()))
            self.call(_prepare)
            self._reader = opened.enter_context(closing(self._connect()))
            self.read(lambda connection: connection.execute("PRAGMA query_only=ON"))
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def call(self, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """Do some work as one transaction, in this thread.

        Raises:
            StoreError: The database refuses.
        """
        return self._transact(self._writer, "BEGIN IMMEDIATE", work)

    def read(self, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """Look something up, all of one moment, in this thread.

        Raises:
            StoreError: The database refuses; a write is refused always.
        """
        return self._transact(self._reader, "BEGIN", work)

    async def run(self, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """Do some work as one transaction, in a worker thread; once begun it is waited for.

        Raises:
            StoreError: The database refuses.
        """
        return await trio.to_thread.run_sync(self.call, work, limiter=self._writing)

    async def run_read(self, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """Look something up, all of one moment, in a worker thread; once begun it is waited for.

        Raises:
            StoreError: The database refuses; a write is refused always.
        """
        return await trio.to_thread.run_sync(self.read, work, limiter=self._reading)

    def close(self) -> None:
        """Let go of the file; closing twice is allowed."""
        self._opened.close()

    def _connect(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(
                self._path, timeout=BUSY_S_MAX, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as exc:
            raise self._explain(exc) from exc

    def _transact(
        self, connection: sqlite3.Connection, begin: str, work: Callable[[sqlite3.Connection], ResultT]
    ) -> ResultT:
        try:
            connection.execute(begin)
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk may have ended it already
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as exc:
            raise self._explain(exc) from exc
        return result

    def _explain(self, exc: sqlite3.Error) -> StoreError:
        return StoreError(
            f"the gateway's database {self._path} cannot be used ({exc})",
            remedy=f"free space on that disk, or set {DATA_DIR_VARIABLE} to another directory",
        )


def _prepare(connection: sqlite3.Connection) -> None:
    """Bring the tables to this version."""
    connection.execute("COMMIT")  # the journal's mode is set outside of transactions
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the gateway's database has version {version}, expected at most {len(MIGRATIONS)}",
            remedy="use the peerage that wrote it",
        )
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
