"""What a database of ours looks like: named migrations, and the checks that one passes when it is opened.

Every row carries a seal, a check over what it says: a flipped bit that leaves the file well-formed is found
when the row is read. It protects against disks, not against people, who can compute it as well.
"""

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import aiosqlite

from consensus.errors import StoreError
from swarm.core.records import Table
from swarm.edge.paths import DATA_DIR_VARIABLE, create_private_file, sync_directory

PROGRESS_KIND: Final = 0  # in the view `record`, beside the values of Table: the ordinal written last
SEAL_BYTES: Final = 8
LENGTH_BYTES: Final = 4
KINDS: Final = tuple(int(table) for table in Table)
PROBLEMS_MAX: Final = 3  # of a damaged database, named in the error


@dataclass(frozen=True, slots=True)
class Migration:
    """A step from one schema to the next; what has been released never changes."""

    name: str
    statements: tuple[str, ...]


MIGRATIONS: Final = (
    Migration(
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
    Migration(
        "seals-and-progress",
        (
            "DROP TRIGGER signed_stays",
            "ALTER TABLE signed ADD COLUMN seal BLOB NOT NULL DEFAULT x''",
            "ALTER TABLE fact ADD COLUMN seal BLOB NOT NULL DEFAULT x''",
            "ALTER TABLE receipt ADD COLUMN seal BLOB NOT NULL DEFAULT x''",
            "UPDATE signed SET seal = compute_seal(1, round_id, slot, value)",
            "UPDATE fact SET seal = compute_seal(2, round_id, key, value)",
            "UPDATE receipt SET seal = compute_seal(3, round_id, x'', value)",
            # What the mark beside the database is compared with: it grows with every write, also with one
            # that changes a fact and adds no row.
            "CREATE TABLE progress (id INTEGER PRIMARY KEY CHECK (id = 1), ordinal INTEGER NOT NULL,"
            " seal BLOB NOT NULL)",
            "INSERT INTO progress SELECT 1, ordinal, compute_progress_seal(ordinal) FROM"
            " (SELECT coalesce(max(ordinal), 0) AS ordinal FROM record)",
            "DROP VIEW record",  # and its triggers
            "CREATE TRIGGER signed_stays BEFORE UPDATE ON signed"
            " BEGIN SELECT RAISE(ABORT, 'signed once'); END",
            # x'61736b65722f' is ASKER_PREFIX: the records that open rounds, which the mark repeats.
            "CREATE INDEX opening ON signed (ordinal)"
            " WHERE slot >= x'61736b65722f' AND slot < x'61736b657230'",
            "CREATE VIEW record AS"
            " SELECT 1 AS kind, round_id, slot AS key, value, ordinal, seal FROM signed"
            " UNION ALL SELECT 2, round_id, key, value, ordinal, seal FROM fact"
            " UNION ALL SELECT 3, round_id, x'', value, finished_order, seal FROM receipt",
            "CREATE TRIGGER record_signed INSTEAD OF INSERT ON record WHEN NEW.kind = 1 BEGIN"
            " INSERT INTO signed VALUES (NEW.round_id, NEW.key, NEW.value, NEW.ordinal, NEW.seal)"
            " ON CONFLICT (round_id, slot) DO NOTHING; END",
            "CREATE TRIGGER record_fact INSTEAD OF INSERT ON record WHEN NEW.kind = 2 BEGIN"
            " INSERT INTO fact VALUES (NEW.round_id, NEW.key, NEW.value, NEW.ordinal, NEW.seal)"
            " ON CONFLICT (round_id, key) DO UPDATE SET value = excluded.value, seal = excluded.seal; END",
            "CREATE TRIGGER record_receipt INSTEAD OF INSERT ON record WHEN NEW.kind = 3 BEGIN"
            " INSERT INTO receipt VALUES (NEW.round_id, NEW.value, NEW.ordinal, NEW.seal)"
            " ON CONFLICT (round_id) DO NOTHING; END",
            "CREATE TRIGGER record_progress INSTEAD OF INSERT ON record WHEN NEW.kind = 0 BEGIN"
            " UPDATE progress SET ordinal = NEW.ordinal, seal = NEW.seal; END",
        ),
    ),
)

_SELECT_SCHEMA = (
    "SELECT type, name, sql FROM sqlite_master WHERE type <> 'table' AND sql NOT NULL ORDER BY name"
)


def compute_seal(kind: int, round_id: bytes, key: bytes, value: bytes) -> bytes:
    """Return the check over what a row says."""
    digest = blake2b(bytes([kind]), digest_size=SEAL_BYTES)
    for part in (round_id, key, value):
        digest.update(len(part).to_bytes(LENGTH_BYTES))
        digest.update(part)
    return digest.digest()


def compute_progress_seal(ordinal: int) -> bytes:
    """Return the check over the ordinal written last."""
    return compute_seal(PROGRESS_KIND, b"", b"", b"%d" % ordinal)


def is_sealed(kind: object, round_id: bytes, key: object, value: object, seal: object) -> bool:
    """Say whether a row, as the database gave it back, says what was written."""
    if not isinstance(kind, int) or not isinstance(key, bytes) or not isinstance(value, bytes):
        return False
    return kind in KINDS and compute_seal(kind, round_id, key, value) == seal


def damaged(path: Path, problem: str) -> StoreError:
    """Return the error for a database that lost or changed something on its disk."""
    return StoreError(
        f"{path} is damaged ({problem})",
        remedy="check that disk; put back an older copy of the database and leave its mark as it is, or give"
        " this peer a new key",
    )


async def read_version(path: Path, connection: aiosqlite.Connection) -> int:
    """Return the version of a database's schema, 0 for one that is empty; changes nothing.

    Raises:
        StoreError: It is another program's, a newer version's, or its list of migrations is damaged.
    """
    rows = await connection.execute_fetchall("SELECT name FROM sqlite_master ORDER BY name")
    tables = [row[0] for row in rows]
    if not tables:
        return 0
    if "meta" not in tables:
        raise StoreError(
            f"{path} is a database of another program (it holds {tables[0]!r} and no 'meta')",
            remedy=f"move that file away, or set {DATA_DIR_VARIABLE} to another directory",
        )
    applied = [row[0] for row in await connection.execute_fetchall("SELECT name FROM meta ORDER BY version")]
    known = [migration.name for migration in MIGRATIONS]
    if len(applied) > len(known):
        raise StoreError(
            f"{path} has schema {len(applied)} ({applied[-1]!r}), this version knows schema {len(known)}"
            f" ({known[-1]!r})",
            remedy=f"run the newer peerage that made it, or set {DATA_DIR_VARIABLE} to another directory",
        )
    if applied != known[: len(applied)]:
        raise damaged(path, f"its schema is {applied}, expected {known[: len(applied)]}")
    return len(applied)


async def check_integrity(path: Path, connection: aiosqlite.Connection) -> None:
    """Have SQLite walk every page, and compare every row with its index.

    Raises:
        StoreError: Something does not fit; the first problems are named.
    """
    rows = await connection.execute_fetchall(f"PRAGMA integrity_check({PROBLEMS_MAX:d})")
    problems = [str(row[0]) for row in rows]
    if problems != ["ok"]:
        raise damaged(path, "; ".join(problems)[:300])


async def check_schema(path: Path, connection: aiosqlite.Connection) -> None:
    """Check that views, triggers and indexes are to the letter those that the migrations make.

    Raises:
        StoreError: One differs, is missing or came from somewhere else.
    """
    expected = sqlite3.connect(":memory:")
    try:
        _add_functions(expected)
        for migration in MIGRATIONS:
            for sql in migration.statements:
                expected.execute(sql)
        wanted = expected.execute(_SELECT_SCHEMA).fetchall()
    finally:
        expected.close()
    found = [tuple(row) for row in await connection.execute_fetchall(_SELECT_SCHEMA)]
    if found != wanted:
        names = sorted({str(row[1]) for row in {*found} ^ {*wanted}})
        raise damaged(path, f"its schema differs in {', '.join(names)}")


async def migrate(path: Path, connection: aiosqlite.Connection, version: int) -> None:
    """Bring a schema up to date in one transaction; a database with rows is copied aside first.

    Raises:
        StoreError: The copy cannot be written; the database is untouched.
        sqlite3.Error: Likewise, for the database itself.
    """
    pending = MIGRATIONS[version:]
    if not pending:
        return
    statements: list[str] = []
    if version:
        await _copy_aside(path, connection, version)
    else:
        statements.append("CREATE TABLE IF NOT EXISTS meta (version INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    for number, migration in enumerate(pending, start=version + 1):
        statements += migration.statements
        statements.append(f"INSERT INTO meta (version, name) VALUES ({number:d}, '{migration.name}')")  # noqa: S608 (ours)
    await connection.create_function("compute_seal", 4, compute_seal, deterministic=True)
    await connection.create_function("compute_progress_seal", 1, compute_progress_seal, deterministic=True)
    await run_transaction(connection, ((sql, ()) for sql in statements))


def get_copy_path(path: Path, version: int) -> Path:
    """Return where the copy of a database lies that was made before it left a version of the schema."""
    return path.with_name(f"before-schema-{version + 1}-{path.name}")


async def run_transaction(
    connection: aiosqlite.Connection, statements: Iterable[tuple[str, tuple[bytes | int, ...]]]
) -> None:
    """Run statements, all or none; only while opening, where nothing else uses the connection."""
    try:
        await connection.execute("BEGIN IMMEDIATE")
        for sql, values in statements:
            await connection.execute(sql, values)
        await connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            await connection.execute("ROLLBACK")
        raise


async def _copy_aside(path: Path, connection: aiosqlite.Connection, version: int) -> None:
    copy = get_copy_path(path, version)
    partial = copy.with_name(f".{copy.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        create_private_file(partial)
        await connection.execute_fetchall("VACUUM INTO ?", (str(partial),))
        with partial.open("rb") as file:
            os.fsync(file.fileno())  # SQLite leaves that to its caller here
        partial.replace(copy)
        sync_directory(copy.parent)
    except (OSError, sqlite3.Error) as exc:
        partial.unlink(missing_ok=True)
        raise StoreError(
            f"cannot copy {path} aside before its schema changes ({exc})",
            remedy="free as much space as the database takes on that disk; nothing was changed",
        ) from exc


def _add_functions(connection: sqlite3.Connection) -> None:
    connection.create_function("compute_seal", 4, compute_seal, deterministic=True)
    connection.create_function("compute_progress_seal", 1, compute_progress_seal, deterministic=True)
