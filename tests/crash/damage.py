"""Files with a flipped bit or a missing end, and what a store may make of them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

from consensus.errors import StoreError
from consensus.round import ABANDONED_KEY
from swarm.core.records import QUESTION_KEY, Table
from swarm.edge.sign_mark import is_opening
from swarm.edge.store import open_store
from tests.crash.model import State, compute_state, list_rounds, read_state
from tests.crash.worker import DATABASE, Write

PAGE_BYTES = 4_096
WAL_HEAD_BYTES = 32
FRAME_HEAD_BYTES = 24
HEAD_BYTES = 48  # of a page: its header and the first pointers to cells, where a bit does most
FLIPS_PER_PAGE = 20
WAL_ENDING = "-wal"
SEED = 20261129


@dataclass(frozen=True)
class Damage:
    """One change to one file."""

    name: str
    what: str
    data: bytes


def list_damages(files: dict[str, bytes], *, is_thorough: bool = False) -> Iterator[Damage]:
    """Yield flipped bits in every page of every file, and every page torn off; thorough: in every byte.

    Each frame of a log has a checksum of SQLite's over all of it: there a few bytes stand for the others.
    """
    random = Random(SEED)
    for name, data in files.items():
        pages = _list_pages(name, len(data))
        for start, end in pages:
            for place in _list_places(random, name, start, end, is_thorough=is_thorough):
                bit = random.randrange(8)
                flipped = bytes([data[place] ^ 1 << bit])
                what = f"bit {bit} of byte {place}"
                yield Damage(name, what, data[:place] + flipped + data[place + 1 :])
        for start, end in pages:
            middle = (start + end) // 2
            yield Damage(name, f"cut at {start}", data[:start])
            yield Damage(name, f"cut at {middle}", data[:middle])
            yield Damage(name, f"zeros from {start} to {end}", data[:start] + bytes(end - start) + data[end:])


def _list_places(random: Random, name: str, start: int, end: int, *, is_thorough: bool) -> Iterable[int]:
    is_log = name.endswith(WAL_ENDING)
    if is_thorough and not is_log:
        return range(start, end)
    stride, flips = (4, 3) if is_log and not is_thorough else (1, FLIPS_PER_PAGE)
    heads = range(start, min(start + HEAD_BYTES, end), stride)
    return dict.fromkeys([*heads, *sorted(random.sample(range(start, end), min(flips, end - start)))])


def _list_pages(name: str, size: int) -> list[tuple[int, int]]:
    head, step = (
        (WAL_HEAD_BYTES, FRAME_HEAD_BYTES + PAGE_BYTES) if name.endswith(WAL_ENDING) else (0, PAGE_BYTES)
    )
    bounds = [0, *range(head or step, size, step), size]
    return [(start, end) for start, end in pairwise(bounds) if start < end]


async def check_damaged(directory: Path, writes: Sequence[Write]) -> tuple[str, str]:
    """Open and read a damaged database of which all of `writes` were acknowledged.

    Returns:
        What came of it, in a word, and what is wrong with that, empty where nothing is.
    """
    truth = compute_state(writes)
    try:
        async with aclosing(await open_store(directory / DATABASE)) as store:
            held = await read_state(store, list_rounds(writes))
            is_old = store.rollback is not None
    except StoreError as exc:
        return "refused", "" if exc.remedy else f"no remedy: {exc.message}"
    if not is_old:
        return "whole", "" if held == truth else f"silently lost {[p for p in truth if p not in held]}"
    told = {place: value for place, value in held.items() if place[2] != ABANDONED_KEY}
    if any(truth.get(place) != value for place, value in told.items()):
        return "older", "it says what was never written"
    return "older", _check_silence(writes, held)


def _check_silence(writes: Sequence[Write], held: State) -> str:
    """Check that a node which finds this signs nothing in the rounds that were open."""
    for record in (record for records in writes for record in records if is_opening(record)):
        place, round_id = (Table.SIGNED, record.round_id, record.key), record.value
        if held.get(place) != round_id:
            return "a question would be taken again"
        is_open = (Table.FACT, round_id, QUESTION_KEY) in held
        is_closed = (Table.FACT, round_id, ABANDONED_KEY) in held or (Table.RECEIPT, round_id, b"") in held
        if is_open and not is_closed:
            return "a round would be resumed"
    return ""
