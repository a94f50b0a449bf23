"""One database for all peers of a process: each has a part of its own, and one sync serves them all.

Peers of one process die together and trust it anyway, so nothing is lost by sharing a file; what is
gained is that writes which wait at the same time become durable in one transaction. A peer with a
process of its own has a database of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from consensus.errors import StoreError
from swarm.core.records import Record
from swarm.edge.store import RECORDS_MAX, Store
from swarm.edge.store_recovery import Rollback


@dataclass(slots=True, eq=False)
class _Waiting:
    records: list[Record]
    done: trio.Event = field(default_factory=trio.Event)
    error: StoreError | None = None


class SharedStore:
    """Gathers the writes of several parts into transactions of one store.

    Args:
        store: Where everything is written; the caller opens and closes it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[_Waiting] = []
        self._is_writing = False

    def open_part(self, name: bytes) -> "StorePart":
        """Return the part of one peer; the same name is the same part."""
        return StorePart(self, name)

    @property
    def store(self) -> Store:
        """The store behind all parts."""
        return self._store

    async def write(self, records: list[Record]) -> None:
        """Keep all of `records`, or none; durable on return. A cancelled call wrote all or nothing.

        Raises:
            StoreError: These records were refused; others' that were written with them were not.
        """
        mine = _Waiting(records)
        self._waiting.append(mine)
        if self._is_writing:
            with trio.CancelScope(shield=True):
                await mine.done.wait()
        else:
            self._is_writing = True
            with trio.CancelScope(shield=True):
                await self._write_all()
        if mine.error is not None:
            raise mine.error

    async def _write_all(self) -> None:
        """Write until nobody waits; whoever comes meanwhile is in the next transaction."""
        batch: list[_Waiting] = []
        try:
            await trio.lowlevel.checkpoint()  # peers that have something to write now come along
            while self._waiting:
                batch = self._take_batch()
                try:
                    await self._store.write([record for item in batch for record in item.records])
                except StoreError:
                    await self._write_each(batch)
                for item in batch:
                    item.done.set()
        finally:
            self._is_writing = False
            # Only a bug of ours gets here with somebody waiting: nobody may wait for ever because of it.
            for item in (*batch, *self._waiting):
                if not item.done.is_set():
                    item.error = StoreError("the database failed in a way that nobody expected")
                    item.done.set()
            self._waiting = []

    async def _write_each(self, batch: list[_Waiting]) -> None:
        """One of several writes was refused and took the others with it: find out whose it was."""
        for item in batch:
            try:
                await self._store.write(item.records)
            except StoreError as exc:
                item.error = exc

    def _take_batch(self) -> list[_Waiting]:
        size = taken = 0
        for item in self._waiting:
            if taken and size + len(item.records) > RECORDS_MAX:
                break
            size, taken = size + len(item.records), taken + 1
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return batch


class StorePart:
    """One peer's part: a `Store` whose round ids carry the peer's name in the database."""

    def __init__(self, shared: SharedStore, name: bytes) -> None:
        self._shared = shared
        self._name = name

    async def write(self, records: Sequence[Record]) -> None:
        """Keep all of `records`, or none; durable on return.

        Raises:
            StoreError: A record contradicts an earlier one, or the disk refuses.
        """
        await self._shared.write([Record(r.table, self._name + r.round_id, r.key, r.value) for r in records])

    async def load_round(self, round_id: bytes) -> tuple[Record, ...]:
        """Return a round's records in the order in which their keys were first written."""
        records = await self._shared.store.load_round(self._name + round_id)
        return tuple(Record(r.table, round_id, r.key, r.value) for r in records)

    async def unfinished_rounds(self) -> tuple[bytes, ...]:
        """Return the rounds that have a question and no receipt, oldest first."""
        return self._strip(await self._shared.store.unfinished_rounds())

    async def receipts(self) -> tuple[bytes, ...]:
        """Return the ids of the rounds that have a receipt, in the order of finishing."""
        return self._strip(await self._shared.store.receipts())

    @property
    def rollback(self) -> Rollback | None:
        """What was found when the database turned out to be an older copy, all parts together."""
        return self._shared.store.rollback

    async def aclose(self) -> None:
        """Nothing to let go of: the file belongs to whoever opened the shared store."""
        await trio.lowlevel.checkpoint()

    def _strip(self, round_ids: Sequence[bytes]) -> tuple[bytes, ...]:
        size = len(self._name)
        return tuple(round_id[size:] for round_id in round_ids if round_id.startswith(self._name))
