"""A simulated disk: what survives a crash, and the ways in which disks fail.

Transactions are whole or absent, as SQLite's are: a torn write loses the transaction, or keeps it unsaid.
A second, different statement for one slot is a bug of the node's, and stops the world.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from swarm.core.node import ASKER_PREFIX
from swarm.core.records import QUESTION_KEY, Record, Table

RowKey = tuple[Table, bytes, bytes]
Undo = dict[RowKey, Record | None]
UNDO_MAX = 256  # transactions that a rollback can reach back


class DiskFullError(Exception):
    """No room: nothing of the transaction was written."""


class SignedTwiceError(AssertionError):
    """A node wrote two statements for one slot."""


@dataclass(slots=True)
class Disk:
    """Records in the order they were first written.

    Attributes:
        rows: What a reader sees.
        is_full: Refuses every write.
        is_lying: Reports writes as durable that a crash will lose.
        unsynced: Transactions a crash loses, oldest first, each with how to undo it.
    """

    rows: dict[RowKey, Record] = field(default_factory=dict)
    is_full: bool = False
    is_lying: bool = False
    unsynced: list[Undo] = field(default_factory=list)
    _undos: list[Undo] = field(default_factory=list)

    def write(self, records: Sequence[Record]) -> None:
        """Write records in one transaction.

        Raises:
            DiskFullError: The disk is full; nothing was written.
            SignedTwiceError: A slot, an asker's counter or a receipt would change.
        """
        if self.is_full:
            raise DiskFullError("disk full")
        undo: Undo = {}
        for record in records:
            key = (record.table, record.round_id, record.key)
            known = self.rows.get(key)
            if record.table is not Table.FACT and known is not None and known.value != record.value:
                raise SignedTwiceError(f"signed twice: {record.key.hex()}")
            undo.setdefault(key, known)
            self.rows[key] = record
        self._undos.append(undo)
        if len(self._undos) > 2 * UNDO_MAX:
            del self._undos[:UNDO_MAX]
        if self.is_lying:
            self.unsynced.append(undo)

    def crash(self) -> int:
        """Lose what was never synced; returns the number of transactions lost."""
        lost = len(self.unsynced)
        self.roll_back(lost)
        self.unsynced.clear()
        return lost

    def roll_back(self, transactions: int) -> int:
        """Restore the state of some transactions ago, as an old backup does; returns how many were undone."""
        undone = min(transactions, len(self._undos))
        for _ in range(undone):
            for key, record in self._undos.pop().items():
                if record is None:
                    del self.rows[key]
                else:
                    self.rows[key] = record
        return undone

    def erase(self) -> None:
        """Forget everything."""
        self.rows.clear()
        self.unsynced.clear()
        self._undos.clear()

    def load_open(self, network_id: bytes) -> tuple[Record, ...]:
        """Return what a node that comes up is given."""
        done = {record.round_id for record in self.rows.values() if record.table is Table.RECEIPT}
        opened = {record.round_id for record in self.rows.values() if record.key == QUESTION_KEY}
        return tuple(
            record
            for record in self.rows.values()
            if (record.round_id in opened and record.round_id not in done)
            or (record.round_id == network_id and record.key.startswith(ASKER_PREFIX))
        )

    def get_receipt(self, round_id: bytes) -> bytes | None:
        """Return a round's receipt."""
        row = self.rows.get((Table.RECEIPT, round_id, b""))
        return row.value if row is not None else None
