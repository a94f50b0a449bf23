"""A database and the mark beside it, held against each other when the database is opened.

A database that is behind its mark is an older copy that somebody put back, or has lost its last writes to a
damaged disk. What it signed since is forgotten, so its peer must be silent in every round that this can
concern: rounds that the copy does not know are entered as known, without their seats; rounds that it holds
open are abandoned. Both are what the node does of itself with a round it was in and cannot go on with.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiosqlite

from consensus.errors import StoreError
from consensus.round import ABANDONED_KEY
from swarm.core.records import QUESTION_KEY, Record, Table
from swarm.edge.sign_mark import MarkState, Opened, get_mark_path, read_mark, write_mark
from swarm.edge.store_schema import (
    PROGRESS_KIND,
    compute_progress_seal,
    compute_seal,
    damaged,
    is_sealed,
    run_transaction,
)

NEW_KEY_REMEDY: Final = "put back the one of the same moment as the database, or give this peer a new key"
ROLLBACK_REMEDY: Final = (
    "let those rounds end without this peer; new ones are not concerned. Where nobody put a copy back, check"
    " that disk"
)

# The bounds are written out as in the index `opening`: SQLite uses it for nothing else.
_SELECT_OPENED = (
    "SELECT ordinal, round_id, slot, value, seal FROM signed"
    " WHERE slot >= x'61736b65722f' AND slot < x'61736b657230' AND ordinal > ? ORDER BY ordinal"
)
_SELECT_HELD = "SELECT value FROM signed WHERE round_id = ? AND slot = ?"
_SELECT_OPEN_ROUNDS = (
    "SELECT round_id FROM fact WHERE key = ? AND round_id NOT IN (SELECT round_id FROM receipt)"
    " AND round_id NOT IN (SELECT round_id FROM fact WHERE key = ?) ORDER BY ordinal"
)
_INSERT = "INSERT INTO record (kind, round_id, key, value, ordinal, seal) VALUES (?, ?, ?, ?, ?, ?)"

Values = tuple[bytes | int, ...]


@dataclass(frozen=True, slots=True)
class Rollback:
    """What an older copy of a database has cost.

    Attributes:
        lost: Rounds that the copy does not know of.
        abandoned: Rounds that it holds open, where it may have forgotten what it signed.
        writes: Records by which it is behind.
    """

    lost: int
    abandoned: int
    writes: int


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The ordinal to go on from, and what was found."""

    ordinal: int
    rollback: Rollback | None


def compose_progress(ordinal: int) -> Values:
    """Return the row of the view `record` that says how far writing has come."""
    return PROGRESS_KIND, b"", b"", b"", ordinal, compute_progress_seal(ordinal)


def prepare_mark(path: Path, version: int) -> None:
    """Make sure that a database that is about to get a mark has one; blocks for two syncs at most.

    The mark comes first: from then on a database without one is known to have lost it.

    Args:
        path: The database.
        version: Of its schema; 0 and 1 know of no mark.

    Raises:
        StoreError: It cannot be written.
    """
    mark = get_mark_path(path)
    if version <= 1 and not mark.exists():
        write_mark(mark, 0, ())


async def reconcile(path: Path, connection: aiosqlite.Connection) -> Reconciled:
    """Hold a database of the present schema against its mark, and bring both to the same state.

    Raises:
        StoreError: The mark is missing or damaged, or the two tell different stories.
        sqlite3.Error: The database cannot be read or written.
    """
    mark_path = get_mark_path(path)
    mark = read_mark(mark_path)
    if mark is None:
        raise StoreError(
            f"{mark_path} is missing, so nothing says whether {path} is the latest", remedy=NEW_KEY_REMEDY
        )
    ordinal, rollback = await _read_ordinal(path, connection), None
    if ordinal < mark.ordinal:
        if not mark.is_whole:
            raise StoreError(
                f"{path} is an older copy, and {mark_path} is damaged: which rounds it lost is not known",
                remedy=NEW_KEY_REMEDY,
            )
        rollback = await _abstain(path, connection, mark, behind=mark.ordinal - ordinal)
        ordinal = await _read_ordinal(path, connection)
    known = max((one.ordinal for one in mark.opened), default=-1)
    missing = await _read_opened(path, connection, above=known)
    if rollback is not None or missing or not mark.is_whole or ordinal != mark.ordinal:
        write_mark(mark_path, ordinal, await _read_opened(path, connection, above=-1))
    return Reconciled(ordinal, rollback)


async def _abstain(path: Path, connection: aiosqlite.Connection, mark: MarkState, *, behind: int) -> Rollback:
    """Enter what the mark knows and the database does not, and abandon what the database holds open."""
    lost = []
    for one in mark.opened:
        key = one.record.round_id, one.record.key
        held = [row[0] for row in await connection.execute_fetchall(_SELECT_HELD, key)]
        if not held:
            lost.append(one.record)
        elif held != [one.record.value]:
            raise StoreError(
                f"{path} and its mark tell different stories of counter {key[1].hex()}",
                remedy="two nodes ran with this key; give this peer a new one",
            )
    rows = list(await connection.execute_fetchall(_SELECT_OPEN_ROUNDS, (QUESTION_KEY, ABANDONED_KEY)))
    if not all(isinstance(row[0], bytes) for row in rows):
        raise damaged(path, "the id of a round is no bytes")
    left = [Record(Table.FACT, row[0], ABANDONED_KEY, b"") for row in rows]
    await _insert(connection, [*lost, *left], start=mark.ordinal)
    return Rollback(len(lost), len(left), behind)


async def _insert(connection: aiosqlite.Connection, records: list[Record], *, start: int) -> None:
    def compose() -> Iterator[Values]:
        for ordinal, record in enumerate(records, start=start + 1):
            seal = compute_seal(record.table, record.round_id, record.key, record.value)
            yield record.table, record.round_id, record.key, record.value, ordinal, seal
        yield compose_progress(start + len(records) + 1)  # beyond the mark, so that this is said once

    await run_transaction(connection, ((_INSERT, values) for values in compose()))


async def _read_ordinal(path: Path, connection: aiosqlite.Connection) -> int:
    rows = list(await connection.execute_fetchall("SELECT ordinal, seal FROM progress"))
    if len(rows) != 1 or not isinstance(rows[0][0], int) or compute_progress_seal(rows[0][0]) != rows[0][1]:
        raise damaged(path, "the ordinal written last does not match its seal")
    return rows[0][0]


async def _read_opened(path: Path, connection: aiosqlite.Connection, *, above: int) -> list[Opened]:
    found = []
    for ordinal, round_id, key, value, seal in await connection.execute_fetchall(_SELECT_OPENED, (above,)):
        if not isinstance(round_id, bytes) or not is_sealed(Table.SIGNED, round_id, key, value, seal):
            raise damaged(path, "a row that opened a round does not match its seal")
        found.append(Opened(ordinal, Record(Table.SIGNED, round_id, key, value)))
    return found
