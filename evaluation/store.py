"""What models said, kept on disk by what they were asked: killed at any moment, a run goes on from there.

A batch is one transaction, so it is there as a whole or not at all. That is what makes an interrupted run end
like an uninterrupted one: which requests run together never depends on where it was stopped.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from consensus.errors import StoreError
from swarm.edge.paths import create_private_file

STORE_VERSION: Final = 1
BUSY_TIMEOUT_S: Final = 10.0
LOOKUP_ROWS_MAX: Final = 500
"""Keys of one query; SQLite takes 999 variables at least."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS calls (
    key BLOB PRIMARY KEY, kind TEXT NOT NULL, model BLOB NOT NULL, seconds REAL NOT NULL, value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class StoredCall:
    """One finished call.

    Attributes:
        key: SHA-256 of everything it depends on.
        seconds: Its share of the time its batch took.
        value: What came back, encoded.
    """

    key: bytes
    seconds: float
    value: bytes


@dataclass(frozen=True, slots=True)
class Spent:
    """What calls of one kind have cost."""

    calls: int
    seconds: float


class CallStore:
    """A SQLite file of finished calls; one process at a time writes it.

    Args:
        path: The file; made where it is missing, readable by this user only.

    Raises:
        StoreError: It cannot be opened, or is not such a file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        create_private_file(path)
        with self._translated():
            self._database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            with self._translated():
                self._prepare()
        except StoreError:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def _prepare(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version not in (0, STORE_VERSION):
            raise StoreError(
                f"{self._path} is a store of version {version}, expected {STORE_VERSION}",
                remedy="open it with the version of this software that wrote it, or use another directory",
            )
        self._database.executescript(_SCHEMA)
        self._database.execute(f"PRAGMA user_version = {STORE_VERSION}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise StoreError(
                f"{self._path}: {exc}", remedy="free space, or let the other process that has it finish"
            ) from exc

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the values of those keys that are there."""
        found: dict[bytes, bytes] = {}
        with self._translated():
            for start in range(0, len(keys), LOOKUP_ROWS_MAX):
                part = keys[start : start + LOOKUP_ROWS_MAX]
                marks = ",".join("?" * len(part))
                # Only the number of marks enters the text of the query.
                rows = self._database.execute(f"SELECT key, value FROM calls WHERE key IN ({marks})", part)  # noqa: S608
                found.update(rows.fetchall())
        return found

    def add(self, calls: Sequence[StoredCall], *, kind: str, model: bytes) -> None:
        """Keep finished calls, all of them or none; a key that is there keeps its first value.

        Args:
            calls: One batch.
            kind: What was called.
            model: Digest of the model.
        """
        rows = [(call.key, kind, model, call.seconds, call.value) for call in calls]
        with self._translated():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(
                    "INSERT INTO calls VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING", rows
                )
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                raise

    def get_spent(self) -> Mapping[tuple[str, bytes], Spent]:
        """Return what has been spent, by kind and model digest."""
        with self._translated():
            rows = self._database.execute(
                "SELECT kind, model, COUNT(*), SUM(seconds) FROM calls GROUP BY kind, model"
            ).fetchall()
        return {(kind, model): Spent(calls, seconds) for kind, model, calls, seconds in sorted(rows)}

    def get_fact(self, name: str) -> str | None:
        """Return a fact about the run, such as what a model is; None where it is not known."""
        with self._translated():
            row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Keep a fact about the run, in place of what it was before."""
        with self._translated():
            self._database.execute(
                "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, value),
            )
