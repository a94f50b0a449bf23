"""What a node keeps on disk: signatures it must never contradict, facts it resumes from, receipts.

The core names the records; the edge writes them and says when they are durable. A record is written
before anything that depends on it leaves the machine.
"""

from dataclasses import dataclass
from enum import IntEnum

QUESTION_KEY = (
    b"question"  # the FACT that opens a round; with it and without a RECEIPT, a round is unfinished
)

ASKER_PREFIX = b"asker/"  # of the SIGNED keys, under the network's id, that hold which round a counter opened

STANDING_KEY = b"standing"  # the FACT beside it: the bytes of the standing that the question builds on


class Table(IntEnum):
    """Where a record goes, and so what a second write under the same key means."""

    SIGNED = 1  # key = slot; the same value again changes nothing, another value is refused
    FACT = 2  # the last value under a key stands
    RECEIPT = 3  # key is empty; one a round, the same value again changes nothing, another is refused


@dataclass(frozen=True, slots=True)
class Record:
    """One row: `value` under (`table`, `round_id`, `key`)."""

    table: Table
    round_id: bytes
    key: bytes
    value: bytes
