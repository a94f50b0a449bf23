"""Several peers' writes in one database: gathered, kept apart, and failing apart."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
import trio
import trio.testing

from consensus.errors import StoreError
from swarm.core.records import QUESTION_KEY, Record, Table
from swarm.edge.memory_store import MemoryStore
from swarm.edge.shared_store import SharedStore
from swarm.edge.store import RECORDS_MAX

ROUND, OTHER = b"r" * 32, b"o" * 32
ALICE, BOB = b"a" * 32, b"b" * 32
DEADLINE_S = 5.0


class CountedStore(MemoryStore):
    """A store that counts its transactions, and takes a moment over each."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.is_broken = False

    async def write(self, records: Sequence[Record]) -> None:
        self.sizes.append(len(records))
        await trio.sleep(0.001)
        if self.is_broken:
            raise RuntimeError("a bug")
        await super().write(records)


def fact(value: bytes, *, key: bytes = b"k", round_id: bytes = ROUND) -> Record:
    return Record(Table.FACT, round_id, key, value)


def signed(value: bytes, *, slot: bytes = b"s", round_id: bytes = ROUND) -> Record:
    return Record(Table.SIGNED, round_id, slot, value)


def run_bounded(body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(DEADLINE_S):
            await body()

    trio.run(main)


def test_parts_do_not_see_each_other() -> None:
    async def main() -> None:
        shared = SharedStore(MemoryStore())
        alice, bob = shared.open_part(ALICE), shared.open_part(BOB)
        await alice.write([fact(b"q", key=QUESTION_KEY), signed(b"one")])
        await bob.write([fact(b"q", key=QUESTION_KEY, round_id=OTHER), signed(b"two")])
        assert await alice.load_round(ROUND) == (fact(b"q", key=QUESTION_KEY), signed(b"one"))
        assert await bob.load_round(ROUND) == (signed(b"two"),)
        assert await alice.unfinished_rounds() == (ROUND,)
        assert await bob.unfinished_rounds() == (OTHER,)
        await alice.write([Record(Table.RECEIPT, ROUND, b"", b"receipt")])
        assert (await alice.receipts(), await bob.receipts()) == ((ROUND,), ())
        assert await alice.unfinished_rounds() == ()
        assert await shared.open_part(ALICE).receipts() == (ROUND,)
        await alice.aclose()
        assert await bob.load_round(ROUND) == (signed(b"two"),)

    run_bounded(main)


def test_writes_that_come_together_share_transactions() -> None:
    async def main() -> None:
        store = CountedStore()
        shared = SharedStore(store)
        async with trio.open_nursery() as nursery:
            for place in range(16):
                part = shared.open_part(bytes([place]) * 32)
                nursery.start_soon(part.write, [fact(b"x"), signed(b"y")])
        assert sum(store.sizes) == 32
        assert len(store.sizes) <= 2

    run_bounded(main)


def test_a_transaction_holds_no_more_than_a_store_takes() -> None:
    async def main() -> None:
        store = CountedStore()
        shared = SharedStore(store)
        many = [fact(b"x", key=b"%d" % index) for index in range(RECORDS_MAX // 2 + 1)]
        async with trio.open_nursery() as nursery:
            for name in (ALICE, BOB, b"c" * 32):
                nursery.start_soon(shared.open_part(name).write, many)
        assert max(store.sizes) <= RECORDS_MAX
        assert sum(store.sizes) == 3 * len(many)

    run_bounded(main)


def test_one_refused_write_does_not_fail_its_neighbours() -> None:
    async def main() -> None:
        shared = SharedStore(CountedStore())
        alice, bob = shared.open_part(ALICE), shared.open_part(BOB)
        await alice.write([signed(b"one")])
        refused: list[str] = []

        async def contradict() -> None:
            with pytest.raises(StoreError, match="would sign twice") as caught:
                await alice.write([signed(b"another"), fact(b"beside")])
            refused.append(caught.value.message)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(contradict)
            nursery.start_soon(bob.write, [signed(b"another")])
        assert len(refused) == 1
        assert await alice.load_round(ROUND) == (signed(b"one"),)
        assert await bob.load_round(ROUND) == (signed(b"another"),)

    run_bounded(main)


def test_a_cancelled_write_was_made_or_was_not() -> None:
    async def main() -> None:
        shared = SharedStore(CountedStore())
        alice, bob = shared.open_part(ALICE), shared.open_part(BOB)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alice.write, [fact(b"x")])
            nursery.start_soon(bob.write, [fact(b"y")])
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert await alice.load_round(ROUND) == (fact(b"x"),)
        assert await bob.load_round(ROUND) == (fact(b"y"),)
        await alice.write([fact(b"z")])
        assert await alice.load_round(ROUND) == (fact(b"z"),)

    run_bounded(main)


def test_a_store_that_fails_in_an_unknown_way_leaves_nobody_waiting() -> None:
    async def main() -> None:
        store = CountedStore()
        shared = SharedStore(store)
        store.is_broken = True
        told: list[bytes] = []

        async def write(name: bytes) -> None:
            try:
                await shared.open_part(name).write([fact(b"x")])
            except StoreError:
                told.append(name)

        with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="a bug")):
            async with trio.open_nursery() as nursery:
                for place in range(4):
                    nursery.start_soon(write, bytes([place]) * 32)
        assert len(told) == 3
        store.is_broken = False
        await shared.open_part(ALICE).write([fact(b"x")])

    run_bounded(main)
