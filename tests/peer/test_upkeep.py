"""A peer's database stays as large as its owner allows."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from swarm.core.records import Record, Table
from swarm.edge.event_log import EventLog
from swarm.edge.peer_config import STORE_MB_MIN
from swarm.edge.store import SqliteStore, open_store
from swarm.peer.tally import Tally
from swarm.peer.upkeep import KEPT, tend_store
from swarm.peer.vitals import MIB, Vitals
from tests.peer.kit import in_loop, make_places

DEADLINE_S = 60.0
RECEIPT_BYTES = 50_000
ROUNDS = 400  # 20 MB of receipts, of which KEPT are 13


def make_vitals(tmp_path: Path, store_mb: int) -> Vitals:
    places, file = make_places(tmp_path / "peers", 4)
    return Vitals(
        config=replace(places[0].config, store_mb=store_mb),
        file=file,
        key=places[0].signer.key,
        directory=places[0].directory,
        started_ms=0,
        tally=Tally(),
        get_links=lambda: (),
        count_open=lambda: 0,
        get_clock_behind_s=lambda: 0.0,
    )


async def fill(path: Path) -> SqliteStore:
    store = await open_store(path)
    for first in range(0, ROUNDS, 50):
        rounds = range(first, first + 50)
        await store.write(
            [Record(Table.RECEIPT, b"%032d" % number, b"", bytes(RECEIPT_BYTES)) for number in rounds]
        )
    return store


@pytest.mark.parametrize(("store_mb", "is_forgotten"), [(STORE_MB_MIN, True), (64, False), (0, False)])
@in_loop
async def test_a_database_larger_than_allowed_forgets_until_it_is_not(
    tmp_path: Path, store_mb: int, is_forgotten: bool
) -> None:
    vitals = make_vitals(tmp_path, store_mb)
    store = await fill(tmp_path / "peer.sqlite3")
    before = await store.measure_used()
    with EventLog(None, get_time_ms=lambda: 7) as log, trio.fail_after(DEADLINE_S):
        told = log.subscribe()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tend_store, store, vitals, log, vitals.key)
            while not vitals.store_bytes:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        left = len(await store.receipts())
        assert vitals.describe()["store_bytes"] == vitals.store_bytes == await store.measure_used()
        if is_forgotten:
            event = await told.receive()
            assert (event.event, event.peer) == ("rounds_forgotten", vitals.key)
            assert event.fields == {"rounds": ROUNDS - left, "used_bytes": vitals.store_bytes}
            assert KEPT <= left < ROUNDS
            assert vitals.store_bytes <= store_mb * MIB < before
        else:
            assert (left, vitals.store_bytes) == (ROUNDS, before)
    await store.aclose()
