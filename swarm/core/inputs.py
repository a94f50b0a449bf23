"""What happens to a node, in the past tense. Every input carries the time it came, in milliseconds."""

from dataclasses import dataclass

from consensus.effects import Timer
from consensus.identity import PeerKey
from models.contract import Generation, Score
from models.judges.task import JudgedPairs
from swarm.core.records import Record

CallResult = Generation | tuple[Score, ...] | JudgedPairs


@dataclass(frozen=True, slots=True)
class Started:
    """The node came up; `records` holds what its disk knows of unfinished rounds and of askers."""

    at_ms: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes came over the authenticated link of `sender`; hostile until verified."""

    at_ms: int
    sender: PeerKey
    data: bytes


@dataclass(frozen=True, slots=True)
class PeerLinked:
    """A link to `peer` came up; whatever was sent to it before may be lost."""

    at_ms: int
    peer: PeerKey


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer set earlier ran out."""

    at_ms: int
    round_id: bytes
    timer: Timer


@dataclass(frozen=True, slots=True)
class Persisted:
    """A write is durable."""

    at_ms: int
    write_id: int


@dataclass(frozen=True, slots=True)
class PersistFailed:
    """A write did not reach the disk: the node signs nothing more."""

    at_ms: int
    write_id: int
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class CallFinished:
    """A model call returned."""

    at_ms: int
    call_id: int
    result: CallResult


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A model call failed or was given up."""

    at_ms: int
    call_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Paused:
    """Whoever runs the node wants no further rounds, and says why; those that are open go on."""

    at_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Unpaused:
    """Rounds are welcome again."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class ReceiptLoaded:
    """A receipt asked for with LoadReceipt; None where the disk has none."""

    at_ms: int
    request_id: int
    receipt: bytes | None


Input = (
    Started
    | Received
    | PeerLinked
    | TimerFired
    | Persisted
    | PersistFailed
    | CallFinished
    | CallFailed
    | Paused
    | Unpaused
    | ReceiptLoaded
)
