"""What a round wants done. Effects are ordered: whatever follows a `Save` leaves only once it is durable."""

from dataclasses import dataclass
from enum import IntEnum

from consensus.decision import ClosedStep
from consensus.evidence import Evidence
from consensus.messages import SeatMessage
from consensus.phases import Phase
from ranking.canonical import Assignment


class TimerName(IntEnum):
    """What a timer is for. Timers affect only liveness."""

    COMMIT_GRACE = 0
    COMMIT_DEADLINE = 1
    FORWARD = 2
    REVEAL_GRACE = 3
    REVEAL_DEADLINE = 4
    PROPOSER_WAIT = 5
    PREVOTE = 6
    VIEW = 7
    RESEND = 8
    BODIES = 9
    CERTIFY = 10
    GIVE_UP = 11


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer's identity; one that fires for a step or view already left is ignored."""

    name: TimerName
    step: int
    view: int = 0


@dataclass(frozen=True, slots=True)
class Save:
    """Write these, synced, in one transaction: signed statements by slot, and facts by key."""

    signed: tuple[tuple[bytes, bytes], ...]
    facts: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to every other seat."""

    message: SeatMessage


@dataclass(frozen=True, slots=True)
class SendTo:
    """Send to one seat."""

    seat: int
    message: SeatMessage


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Fire `timer` once after `delay_ms`."""

    timer: Timer
    delay_ms: int


@dataclass(frozen=True, slots=True)
class NeedAnswer:
    """Have the seat's model answer the question under this noise seed."""

    noise_seed: bytes


@dataclass(frozen=True, slots=True)
class NeedBallot:
    """Have the seat's model judge the dealt pairs; `texts` is one text a class."""

    step: int
    dealt: tuple[Assignment, ...]
    texts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PhaseReached:
    """The seat entered a phase; `seats` counts what it then held (commits, reveals or lists)."""

    step: int
    phase: Phase
    seats: int


@dataclass(frozen=True, slots=True)
class StepDecided:
    """A step closed with this outcome."""

    closed: ClosedStep


@dataclass(frozen=True, slots=True)
class Accuse:
    """Self-contained evidence against a seat."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Finished:
    """The round is over; `receipt` is the exact bytes of its receipt."""

    receipt: bytes


@dataclass(frozen=True, slots=True)
class Halted:
    """The seat leaves the round: what is certified cannot be followed. More than f seats must be bad."""

    reason: str


Effect = (
    Save
    | Broadcast
    | SendTo
    | StartTimer
    | NeedAnswer
    | NeedBallot
    | PhaseReached
    | StepDecided
    | Accuse
    | Finished
    | Halted
)
