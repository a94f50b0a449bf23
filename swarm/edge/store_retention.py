"""What a database forgets so that it does not grow for ever: the records of rounds that ended long ago.

Kept of such a round is the one record that opened it, under the asker's counter: a node that is asked again
finds that it was in that round, and signs nothing in it (`swarm.core.node`). Everything else of it goes in
statements of their own, in an order in which each leaves a state that a node may resume from: what marks the
round as ended goes last. The progress and the mark beside the database stay as they are, since nothing is
written.

The file does not become shorter; what is free in it is written to next.
"""

import aiosqlite

from consensus.round import ABANDONED_KEY

_SELECT_NTH = "SELECT finished_order FROM receipt ORDER BY finished_order LIMIT 1 OFFSET ?"
_COUNT_ABANDONED = "SELECT count(*) FROM fact WHERE key = ? AND ordinal <= ?"
_WITH_RECEIPT = "round_id IN (SELECT round_id FROM receipt WHERE finished_order <= ?)"
_ABANDONED = "round_id IN (SELECT round_id FROM fact WHERE key = ? AND ordinal <= ?)"
_COUNT_RECEIPTS = "SELECT count(*) FROM receipt"


async def measure_used(connection: aiosqlite.Connection) -> int:
    """Return how many bytes of the database hold anything.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    pages = await _read_number(connection, "PRAGMA page_count")
    free = await _read_number(connection, "PRAGMA freelist_count")
    return (pages - free) * await _read_number(connection, "PRAGMA page_size")


async def forget_rounds(connection: aiosqlite.Connection, *, rounds: int, keep: int) -> int:
    """Forget the rounds that ended first, and those given up before the last of them ended.

    Args:
        connection: To a database of the present schema, which nobody else uses meanwhile.
        rounds: How many to forget that have a receipt, at most.
        keep: How many of these stay in any case, the latest.

    Returns:
        How many were forgotten, with a receipt or without.

    Raises:
        sqlite3.Error: The database cannot be read or written; what was forgotten stays forgotten.
    """
    going = min(rounds, await _read_number(connection, _COUNT_RECEIPTS) - keep)
    if going < 1:
        return 0
    until = await _read_number(connection, _SELECT_NTH, (going - 1,))
    abandoned = (ABANDONED_KEY, until)
    forgotten = going + await _read_number(connection, _COUNT_ABANDONED, abandoned)
    for sql, values in (
        (f"DELETE FROM signed WHERE {_ABANDONED}", abandoned),  # noqa: S608 (constants)
        (f"DELETE FROM fact WHERE {_ABANDONED}", abandoned),  # noqa: S608 (the question and its end at once)
        (f"DELETE FROM fact WHERE {_WITH_RECEIPT}", (until,)),  # noqa: S608
        (f"DELETE FROM signed WHERE {_WITH_RECEIPT}", (until,)),  # noqa: S608
        ("DELETE FROM receipt WHERE finished_order <= ?", (until,)),
    ):
        await connection.execute_fetchall(sql, values)
    return forgotten


async def _read_number(
    connection: aiosqlite.Connection, sql: str, values: tuple[bytes | int, ...] = ()
) -> int:
    row = next(iter(await connection.execute_fetchall(sql, values)))
    return int(row[0])
