"""Which rounds were asked through the gateway, so that an answer can be looked up later.

A row is written before a question leaves and completed before its answer does; the receipt, which holds the
texts, is a file that was on disk by then. A row still running when the gateway starts was cut off by a crash:
if its receipt is there it is completed from it, else it is called interrupted.
"""

import sqlite3
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from consensus.errors import StoreError
from consensus.verify import verify_receipt
from swarm.edge.report import RoundReport, create_report
from swarm.gateway.answers import name_status
from swarm.gateway.database import Database
from swarm.gateway.replies import RoundStatus

ROUND_ID_BYTES = 32
RUNNING: RoundStatus = "running"
INTERRUPTED: RoundStatus = "interrupted"
ANSWERED: tuple[RoundStatus, ...] = ("full", "partial")
_COLUMNS = "id, created_ms, ended_ms, model, owner, status, reason, p_best, digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRow:
    """A round as the gateway remembers it. `owner` is the id of the API key that asked."""

    round_id: bytes
    created_ms: int
    ended_ms: int | None
    model: str
    owner: str
    status: RoundStatus
    reason: str
    p_best: float | None
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Page:
    """Rounds, newest first, and whether there are older ones."""

    rows: tuple[RoundRow, ...]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEnd:
    """How a round ended."""

    ended_ms: int
    status: RoundStatus
    reason: str = ""
    p_best: float | None = None
    digest: bytes | None = None


def end_by_report(report: RoundReport, *, ended_ms: int) -> RoundEnd:
    """Return how a certified round ended."""
    return RoundEnd(
        ended_ms=ended_ms,
        status=name_status(report.status),
        p_best=report.p_best,
        digest=report.receipt_digest,
    )


class RoundStore:
    """Rounds on disk.

    Args:
        database: Open; the caller closes it.
        receipts: Where receipts lie.
    """

    def __init__(self, database: Database, receipts: Path) -> None:
        self._database = database
        self._receipts = receipts

    def get_receipt_path(self, round_id: bytes) -> Path:
        """Return where a round's receipt is kept."""
        return self._receipts / f"{round_id.hex()[:16]}.receipt"

    async def begin(self, round_id: bytes, *, created_ms: int, model: str, owner: str) -> None:
        """Note that a question is about to be asked; a round that is there already runs once more.

        Raises:
            StoreError: The database refuses.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO round (id, place, created_ms, model, owner, status) VALUES"
                " (?, (SELECT coalesce(max(place), 0) + 1 FROM round), ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended_ms = NULL, reason = ''",
                (round_id, created_ms, model, owner, RUNNING),
            )

        await self._database.run(work)

    async def end(self, round_id: bytes, end: RoundEnd) -> None:
        """Note how a round ended.

        Raises:
            StoreError: The database refuses.
        """
        await self._database.run(partial(_end, round_id=round_id, end=end))

    async def get(self, round_id: bytes, owner: str | None) -> RoundRow | None:
        """Return a round; None where there is none, or it is not this owner's. None sees all.

        Raises:
            StoreError: The database refuses.
        """

        def work(connection: sqlite3.Connection) -> RoundRow | None:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM round WHERE id = ? AND (? IS NULL OR owner = ?)",  # noqa: S608
                (round_id, owner, owner),
            ).fetchone()
            return None if row is None else _read(row)

        return await self._database.run_read(work)

    async def list(self, owner: str | None, *, after: bytes | None, limit: int) -> Page | None:
        """Return a page of rounds, newest first; None where `after` is no round of this owner's.

        Raises:
            StoreError: The database refuses.
        """

        def work(connection: sqlite3.Connection) -> Page | None:
            place = None
            if after is not None:
                found = connection.execute(
                    "SELECT place FROM round WHERE id = ? AND (? IS NULL OR owner = ?)",
                    (after, owner, owner),
                ).fetchone()
                if found is None:
                    return None
                (place,) = found
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM round WHERE (? IS NULL OR place < ?)"  # noqa: S608
                " AND (? IS NULL OR owner = ?) ORDER BY place DESC LIMIT ?",
                (place, place, owner, owner, limit + 1),
            ).fetchall()
            return Page(tuple(_read(row) for row in rows[:limit]), len(rows) > limit)

        return await self._database.run_read(work)

    async def read_receipt(self, row: RoundRow) -> bytes | None:
        """Return a round's receipt; None where it has none any more.

        Raises:
            StoreError: The file cannot be read.
        """
        return await trio.to_thread.run_sync(_read_file, self.get_receipt_path(row.round_id))

    async def find_kept(self, round_id: bytes) -> RoundReport | None:
        """Return what the kept receipt of a round says, where the round ended well and its receipt holds.

        Raises:
            StoreError: The database or the file refuses.
        """
        row = await self.get(round_id, None)
        if row is None or row.status not in ANSWERED:
            return None
        return await trio.to_thread.run_sync(read_report, await self.read_receipt(row), round_id)

    def settle_interrupted(self, now_ms: int) -> int:
        """Complete what a crash cut off; returns how many rounds that were.

        Raises:
            StoreError: The database refuses.
        """
        running = self._database.read(
            lambda connection: connection.execute(
                "SELECT id FROM round WHERE status = ?", (RUNNING,)
            ).fetchall()
        )
        for (round_id,) in running:
            report = read_report(_read_file(self.get_receipt_path(round_id)), round_id)
            end = (
                RoundEnd(ended_ms=now_ms, status=INTERRUPTED, reason="the gateway went down meanwhile")
                if report is None
                else end_by_report(report, ended_ms=now_ms)
            )
            self._database.call(partial(_end, round_id=round_id, end=end))
        return len(running)


def read_report(receipt: bytes | None, round_id: bytes) -> RoundReport | None:
    """Read a receipt's report; None where it is not there, does not hold, or is another round's.

    That its network is one that this gateway asked is known from the row it was found by.
    """
    if receipt is None:
        return None
    verified = verify_receipt(receipt).round
    if verified is None or verified.facts.round_id != round_id:
        return None
    return create_report(verified)


def _read_file(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StoreError(f"cannot read the receipt {path} ({exc.strerror})") from exc


def _end(connection: sqlite3.Connection, *, round_id: bytes, end: RoundEnd) -> None:
    connection.execute(
        "UPDATE round SET ended_ms = ?, status = ?, reason = ?, p_best = ?, digest = ? WHERE id = ?",
        (end.ended_ms, end.status, end.reason, end.p_best, end.digest, round_id),
    )


def _read(
    row: tuple[bytes, int, int | None, str, str, RoundStatus, str, float | None, bytes | None],
) -> RoundRow:
    round_id, created_ms, ended_ms, model, owner, status, reason, p_best, digest = row
    return RoundRow(
        round_id=round_id,
        created_ms=created_ms,
        ended_ms=ended_ms,
        model=model,
        owner=owner,
        status=status,
        reason=reason,
        p_best=p_best,
        digest=digest,
    )
