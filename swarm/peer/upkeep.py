"""Keeps a peer's database from growing for ever."""

from typing import Final

import trio

from consensus.identity import PeerKey
from swarm.edge.event_log import EventLog
from swarm.edge.store import SqliteStore
from swarm.peer.vitals import MIB, Vitals

TEND_S: Final = 60.0
FORGOTTEN_AT_ONCE: Final = 64  # rounds, while which nothing is written: some milliseconds
KEPT: Final = 256  # rounds that are never forgotten: their late seats may still ask


async def tend_store(store: SqliteStore, vitals: Vitals, log: EventLog, key: PeerKey) -> None:
    """Have the rounds that ended first forgotten whenever the database is larger than allowed.

    Args:
        store: The database.
        vitals: Hold the limit, and are told how much is used.
        log: Where it is said.
        key: The peer's own.

    Raises:
        StoreError: The disk failed.
    """
    allowed = vitals.config.store_mb * MIB
    while True:
        forgotten, used = 0, await store.measure_used()
        while allowed and used > allowed:
            rounds = await store.forget_rounds(rounds=FORGOTTEN_AT_ONCE, keep=KEPT)
            if not rounds:
                break
            forgotten += rounds
            used = await store.measure_used()
        vitals.store_bytes = used
        if forgotten:
            log.append("rounds_forgotten", peer=key, fields={"rounds": forgotten, "used_bytes": used})
        await trio.sleep(TEND_S)
