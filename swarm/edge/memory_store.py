"""A store that forgets when its process ends: for tests, simulations and swarms that leave no trace."""

from collections.abc import Sequence

from consensus.errors import StoreError
from swarm.core.records import QUESTION_KEY, Record, Table
from swarm.edge.store import check_records, contradiction
from swarm.edge.store_recovery import Rollback

Place = tuple[Table, bytes, bytes]


class MemoryStore:
    """The twin of `SqliteStore` under the same contract, durability aside."""

    __slots__ = ("_closed", "_records")

    def __init__(self) -> None:
        self._records: dict[Place, Record] = {}
        self._closed = False

    async def write(self, records: Sequence[Record]) -> None:
        """Keep all of `records`, or none.

        Raises:
            StoreError: A record contradicts an earlier one, or a limit is exceeded.
        """
        self._check_open()
        check_records(records)
        fresh: dict[Place, Record] = {}
        for record in records:
            place = (record.table, record.round_id, record.key)
            held = fresh.get(place, self._records.get(place))
            if held is not None and record.table is not Table.FACT and held.value != record.value:
                raise contradiction(record)
            fresh[place] = record
        self._records.update(fresh)  # a key that exists keeps its place in the order

    async def load_round(self, round_id: bytes) -> tuple[Record, ...]:
        """Return a round's records in the order in which their keys were first written."""
        self._check_open()
        return tuple(record for record in self._records.values() if record.round_id == round_id)

    async def unfinished_rounds(self) -> tuple[bytes, ...]:
        """Return the rounds that have a question and no receipt, oldest first."""
        self._check_open()
        return tuple(
            round_id
            for table, round_id, key in self._records
            if table is Table.FACT
            and key == QUESTION_KEY
            and (Table.RECEIPT, round_id, b"") not in self._records
        )

    async def receipts(self) -> tuple[bytes, ...]:
        """Return the ids of the rounds that have a receipt, in the order of finishing."""
        self._check_open()
        return tuple(round_id for table, round_id, _ in self._records if table is Table.RECEIPT)

    @property
    def rollback(self) -> Rollback | None:
        """None: it starts empty and knows no older copy."""
        return None

    async def aclose(self) -> None:
        """Refuse every later call; closing twice is allowed."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the memory store is closed")
