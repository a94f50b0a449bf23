"""What a node wants done, in the imperative. The edge performs actions in order."""

from dataclasses import dataclass

from consensus.effects import Timer
from consensus.identity import PeerKey
from models.contract import GenerateRequest, ScoreRequest
from models.judges.strategy import JudgeStrategy
from models.judges.task import JudgeTask
from swarm.core.records import Record

EventValue = int | str | bool | None | tuple[int, ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Persist:
    """Write the records in one synced transaction, then report Persisted."""

    write_id: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message over the link of `to`; dropped where there is none."""

    to: PeerKey
    data: bytes


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Report TimerFired once after `delay_ms`."""

    round_id: bytes
    timer: Timer
    delay_ms: int


@dataclass(frozen=True, slots=True)
class Generate:
    """Have the model answer; report CallFinished or CallFailed under this id."""

    call_id: int
    request: GenerateRequest


@dataclass(frozen=True, slots=True)
class ScoreTexts:
    """Have the model score; report CallFinished or CallFailed under this id."""

    call_id: int
    requests: tuple[ScoreRequest, ...]


@dataclass(frozen=True, slots=True)
class JudgePairs:
    """Have a judge compare pairs, in as many model calls as it takes; report CallFinished or CallFailed."""

    call_id: int
    strategy: JudgeStrategy
    task: JudgeTask


@dataclass(frozen=True, slots=True)
class CancelCall:
    """Give up a model call whose result is no longer wanted."""

    call_id: int


@dataclass(frozen=True, slots=True)
class LoadReceipt:
    """Read a round's receipt from disk; report ReceiptLoaded."""

    request_id: int
    round_id: bytes


@dataclass(frozen=True, slots=True)
class Penalise:
    """Count a broken rule against whoever holds this link."""

    key: PeerKey
    reason: str


@dataclass(frozen=True, slots=True)
class Emit:
    """Append to the event log; no field carries the text of a question or an answer."""

    round_id: bytes | None
    event: str
    fields: tuple[tuple[str, EventValue], ...]


Action = (
    Persist
    | Send
    | SetTimer
    | Generate
    | ScoreTexts
    | JudgePairs
    | CancelCall
    | LoadReceipt
    | Penalise
    | Emit
)
