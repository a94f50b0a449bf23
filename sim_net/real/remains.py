"""What a run left on disk: every peer's database and event log, and the receipts its asker took."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from consensus.errors import StoreError
from consensus.identity import PeerKey
from sim_net.real.net import NetPaths
from swarm.core.records import Table
from swarm.edge.events import Event, read_events


@dataclass(frozen=True, slots=True)
class PeerRemains:
    """One peer's disk. `problems` says what of it could not be read."""

    peer: int
    signed: Mapping[tuple[bytes, bytes], bytes] = field(default_factory=dict)
    facts: Mapping[tuple[bytes, bytes], bytes] = field(default_factory=dict)
    receipts: Mapping[bytes, bytes] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    problems: tuple[str, ...] = ()


def read_peer(paths: NetPaths, index: int) -> PeerRemains:
    """Read a peer's database and event log; its process must have ended. Nothing is raised for bad files."""
    problems: list[str] = []
    rows: list[tuple[int, bytes, bytes, bytes]] = []
    events: list[Event] = []
    database = paths.get_database(index)
    try:
        with closing(sqlite3.connect(database)) as connection:
            rows = connection.execute(
                "SELECT kind, round_id, key, value FROM record ORDER BY ordinal"
            ).fetchall()
    except sqlite3.Error as exc:
        problems.append(f"peer {index}: {database} cannot be read ({exc})")
    try:
        events += read_events(paths.get_log(index))
    except StoreError as exc:
        problems.append(f"peer {index}: {exc.message}")
    return PeerRemains(
        peer=index,
        signed={(row[1], row[2]): row[3] for row in rows if row[0] == Table.SIGNED},
        facts={(row[1], row[2]): row[3] for row in rows if row[0] == Table.FACT},
        receipts={row[1]: row[3] for row in rows if row[0] == Table.RECEIPT},
        events=tuple(events),
        problems=tuple(problems),
    )


def read_log(path: Path) -> tuple[Event, ...]:
    """Read the whole lines of a log that is being written; none where there is no log yet."""
    return tuple(read_events(path)) if path.exists() else ()


def compute_places(keys: tuple[PeerKey, ...]) -> dict[bytes, int]:
    """Return each peer's index by its key."""
    return {bytes(key): index for index, key in enumerate(keys)}
