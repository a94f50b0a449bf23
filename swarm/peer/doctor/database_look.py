"""A peer's database, looked at while no peer runs, without changing a byte of it or beside it.

SQLite writes beside a database even where it only reads, and mends what a crash left. So one that was closed
is opened as if nobody could ever change it, and one that a crash left is copied first, with its journal.
"""

import shutil
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aiosqlite
import trio
import trio_asyncio

from consensus.desk import load_signed
from consensus.encoding import decode
from consensus.errors import LimitExceeded, PeerError, StoreError
from consensus.hashing import sha256
from consensus.identity import NetworkId, Verifier
from consensus.messages import SignedQuestion
from consensus.question import Question
from swarm.core.records import QUESTION_KEY
from swarm.edge.store import translate_error
from swarm.edge.store_schema import (
    MIGRATIONS,
    check_integrity,
    check_schema,
    compute_progress_seal,
    damaged,
    read_version,
)

LOOK_S_MAX: Final = 2.5
COPY_BYTES_MAX: Final = 1 << 27  # copied in about a second
STEPS: Final = 10_000  # of SQLite's machine, between two looks at the time: less than a millisecond
STATEMENTS_MAX: Final = 256  # of the peer's own, the latest, whose signatures are checked
RECORD_BYTES_MAX: Final = 1 << 20
_SELECT_NETWORKS: Final = (
    "SELECT DISTINCT round_id FROM signed WHERE slot >= x'61736b65722f' AND slot < x'61736b657230'"
)
_SELECT_QUESTIONS: Final = (
    "SELECT round_id, value, round_id IN (SELECT round_id FROM receipt) FROM fact WHERE key = ?"
    " ORDER BY ordinal DESC LIMIT ?"
)
_SELECT_STATEMENTS: Final = "SELECT value FROM signed WHERE round_id = ? LIMIT 1"


@dataclass(frozen=True, slots=True)
class DatabaseLook:
    """What a database that could be read says.

    Attributes:
        size_bytes: Of its file.
        version: Of its schema.
        rounds: Rounds that it knows.
        networks: The networks that its rounds are of, ascending.
        foreign_open: Rounds of other networks than the one asked for that have no receipt.
        statements: Own statements whose signature was checked.
        strangers: Of them, those that another key signed.
        ordinal: Of the write made last; None where the schema knows none.
    """

    size_bytes: int
    version: int
    rounds: int
    networks: tuple[bytes, ...]
    foreign_open: int
    statements: int
    strangers: int
    ordinal: int | None


class OutOfTimeError(StoreError):
    """There is no time to read it to its end; nothing is known to be wrong with it."""


async def look_at_database(
    path: Path, *, network: NetworkId | None, key: bytes | None
) -> DatabaseLook | None:
    """Read a database that no process has open; needs the loop of `open_asyncio_loop` around it.

    Args:
        path: The file.
        network: The peer's, to tell rounds of others from its own.
        key: The peer's, to tell its own statements from another's.

    Returns:
        What it says; None where there is none.

    Raises:
        OutOfTimeError: It is too large.
        StoreError: It cannot be read, is damaged, another program's or a newer version's.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StoreError(f"cannot read {path} ({exc.strerror})", remedy="make it readable") from exc
    journals = [name for name in map(path.with_name, _name_journals(path)) if _is_filled(name)]
    if not journals:
        return await _look(path, path, size, network, key)
    if size > COPY_BYTES_MAX:
        raise OutOfTimeError(
            f"{size >> 20} MiB, and a crash left its journal: it is checked when the peer starts"
        )
    with TemporaryDirectory(prefix="peerage-doctor-") as place:
        await trio.to_thread.run_sync(_copy, [path, *journals], Path(place))
        return await _look(path, Path(place) / path.name, size, network, key)


def _name_journals(path: Path) -> tuple[str, ...]:
    """Return what SQLite calls the files from which it mends a database after a crash."""
    return tuple(f"{path.name}{suffix}" for suffix in ("-wal", "-journal"))


def _is_filled(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _copy(paths: Sequence[Path], place: Path) -> None:
    for path in paths:
        try:
            shutil.copyfile(path, place / path.name)
        except OSError as exc:
            raise StoreError(
                f"cannot copy {path} to look at it ({exc.strerror})", remedy="make room where TMPDIR lies"
            ) from exc


async def _look(
    path: Path, opened: Path, size: int, network: NetworkId | None, key: bytes | None
) -> DatabaseLook:
    async def body() -> DatabaseLook:
        state = "&immutable=1" if opened == path else ""
        connection = await aiosqlite.connect(
            f"{opened.as_uri()}?mode={'ro' if state else 'rw'}{state}", uri=True
        )
        try:
            await connection.execute_fetchall("PRAGMA cell_size_check = ON")
            until = time.monotonic() + LOOK_S_MAX
            await connection.set_progress_handler(lambda: int(time.monotonic() > until), STEPS)
            return await _read(path, connection, size, network, key)
        finally:
            await connection.close()

    try:
        look: DatabaseLook = await trio_asyncio.aio_as_trio(body)()
    except sqlite3.Error as exc:
        if getattr(exc, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            raise OutOfTimeError(f"{size >> 20} MiB are too much for {LOOK_S_MAX:g} s") from exc
        raise translate_error(path, exc) from exc
    return look


async def _read(
    path: Path, connection: aiosqlite.Connection, size: int, network: NetworkId | None, key: bytes | None
) -> DatabaseLook:
    version = await read_version(path, connection)
    await check_integrity(path, connection)
    if not version:
        return DatabaseLook(size, 0, 0, (), 0, 0, 0, None)
    ordinal = None
    if version == len(MIGRATIONS):
        await check_schema(path, connection)
        ordinal = await _read_ordinal(path, connection)
    networks = {bytes(row[0]) for row in await connection.execute_fetchall(_SELECT_NETWORKS)}
    questions = list(await connection.execute_fetchall(_SELECT_QUESTIONS, (QUESTION_KEY, STATEMENTS_MAX)))
    foreign_open = statements = strangers = 0
    for round_id, value, is_finished in questions:
        owner = _read_network(path, bytes(value))
        networks.add(owner)
        if network is not None and owner != network:
            foreign_open += not is_finished
        elif key is not None:
            for row in await connection.execute_fetchall(_SELECT_STATEMENTS, (round_id,)):
                statements += 1
                strangers += not _is_own(path, bytes(row[0]), NetworkId(owner), key)
    rows = list(await connection.execute_fetchall("SELECT count(*) FROM fact WHERE key = ?", (QUESTION_KEY,)))
    return DatabaseLook(
        size, version, rows[0][0], tuple(sorted(networks)), foreign_open, statements, strangers, ordinal
    )


async def _read_ordinal(path: Path, connection: aiosqlite.Connection) -> int:
    rows = list(await connection.execute_fetchall("SELECT ordinal, seal FROM progress"))
    if len(rows) != 1 or not isinstance(rows[0][0], int) or compute_progress_seal(rows[0][0]) != rows[0][1]:
        raise damaged(path, "the ordinal written last does not match its seal")
    return rows[0][0]


def _read_network(path: Path, value: bytes) -> bytes:
    try:
        signed = decode(SignedQuestion, value, bytes_max=RECORD_BYTES_MAX)
        return decode(Question, signed.payload, bytes_max=RECORD_BYTES_MAX).network
    except (PeerError, LimitExceeded) as exc:
        raise damaged(path, "a question cannot be read") from exc


def _is_own(path: Path, value: bytes, network: NetworkId, key: bytes) -> bool:
    try:
        signed = load_signed(value)
    except (PeerError, LimitExceeded) as exc:
        raise damaged(path, "a statement cannot be read") from exc
    verifier = Verifier(good_max=1)
    return verifier.is_valid(key, signed.kind, network, sha256(signed.payload), signed.signature)
