"""What a database must hold after a crash: the state after some writes, all acknowledged ones included."""

import shutil
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from consensus.errors import StoreError
from swarm.core.records import Record, Table
from swarm.edge.store import SqliteStore, open_store
from tests.crash.worker import DATABASE, Write

Place = tuple[Table, bytes, bytes]
State = dict[Place, bytes]


def compute_state(writes: Sequence[Write]) -> State:
    """Return what a database holds after these writes."""
    state: State = {}
    for records in writes:
        for record in records:
            place = (record.table, record.round_id, record.key)
            if record.table is Table.FACT:
                state[place] = record.value
            else:
                state.setdefault(place, record.value)
    return state


async def read_state(store: SqliteStore, rounds: Sequence[bytes]) -> State:
    """Return all that a database holds of these rounds."""
    return {
        (record.table, record.round_id, record.key): record.value
        for round_id in rounds
        for record in await store.load_round(round_id)
    }


def list_rounds(writes: Sequence[Write]) -> list[bytes]:
    return list(dict.fromkeys(record.round_id for records in writes for record in records))


async def check_directory(directory: Path, writes: Sequence[Write], acknowledged: int) -> str:
    """Open what a crash left; returns what is wrong with it, empty where nothing is.

    Args:
        directory: Where the database lies; changed, as every opening does.
        writes: All that were to be written, in order.
        acknowledged: How many of them were reported as durable before the crash.
    """
    try:
        async with aclosing(await open_store(directory / DATABASE)) as store:
            if store.rollback is not None:
                return f"taken for an older copy: {store.rollback}"
            held = await read_state(store, list_rounds(writes))
            allowed = [compute_state(writes[:count]) for count in (acknowledged, acknowledged + 1)]
            if held not in allowed:
                lost = [place for place in allowed[0] if place not in held]
                return f"{len(held)} rows are no state after {acknowledged} or one more write; lost: {lost}"
            return await _check_refusals(store, held)
    except StoreError as exc:
        return f"it does not open: {exc.message}"


async def _check_refusals(store: SqliteStore, held: State) -> str:
    """Try to sign every slot anew, in one other way."""
    for table, round_id, key in held:
        if table is Table.SIGNED:
            try:
                await store.write([Record(Table.SIGNED, round_id, key, b"something else")])
            except StoreError:
                continue
            return f"slot {key.hex()} was signed twice"
    return ""


def write_files(directory: Path, files: dict[str, bytes]) -> None:
    """Make a directory hold these files and no others."""
    shutil.rmtree(directory, ignore_errors=True)
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
