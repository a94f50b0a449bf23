"""What `swarm.edge.peer_view` says of a peer, as plain values."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from swarm.edge.peer_view_faults import Severity

STATUS_UNDER_WAY: Final = "under way"
STATUS_HALTED: Final = "no result"
STATUS_INTERRUPTED: Final = "interrupted"


class NodeState(Enum):
    """How a peer is, in words that are shown."""

    UNKNOWN = "not known"
    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "HALTED"
    STOPPED = "stopped"
    GONE = "not running"


class LinkState(Enum):
    """How a link is, in words that are shown."""

    UP = "up"
    DOWN = "DOWN"
    UNREACHED = "NEVER UP"


class Own(Enum):
    """What became of this peer's own answer in a round, in words that are shown."""

    WON = "won"
    LOST = "did not win"
    NOT_COUNTED = "did not count"
    NO_WINNER = "no winner"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """The link to another peer.

    Attributes:
        peer: Its public key.
        state: Whether it is up.
        since_ms: Since when it is in that state; of one never up, when that was first tried.
        times_lost: How often it went down, as far as the log was read.
        reason: Why it is not up; of one that is up, why it last went down in between, empty if never.
    """

    peer: bytes
    state: LinkState
    since_ms: int
    times_lost: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRow:
    """A peer's part in a round; None stands for what its log does not say.

    Attributes:
        round_id: Which round.
        peer: Whose part, by public key.
        status: As certified, or `under way`, `no result` where it left, `interrupted` by a restart.
        opened_ms: When it took the question.
        finished_ms: When it was through with it; None while it is under way.
        seat: Its own.
        seats: Of the committee.
        quorum: Seats that certify.
        step: 0 the answers, then the ballots.
        phase: Of that step.
        heard: Seats it has heard of in this phase; 0 where nothing is counted.
        own: What became of its own answer.
    """

    round_id: bytes
    peer: bytes
    status: str
    opened_ms: int | None = None
    finished_ms: int | None = None
    seat: int | None = None
    seats: int | None = None
    quorum: int | None = None
    step: int | None = None
    phase: str = ""
    heard: int | None = None
    own: Own = Own.UNKNOWN

    @property
    def is_under_way(self) -> bool:
        """Whether the round goes on."""
        return self.finished_ms is None

    def compute_took_ms(self, now_ms: int) -> int | None:
        """Return how long the round took, or takes so far; None where its beginning is not known."""
        if self.opened_ms is None:
            return None
        return max(0, (now_ms if self.finished_ms is None else self.finished_ms) - self.opened_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class PenaltyRow:
    """A peer that broke rules: how often, when last, and which rule that was."""

    peer: bytes
    times: int
    last_ms: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """Something that went wrong, once or repeatedly.

    Attributes:
        t_ms: When, the last time.
        times: How often, in the same round if in one.
        severity: How bad it is.
        event: The event's name.
        round_id: In which round, if in one.
        words: What it means.
        reason: As logged the last time; comes from outside.
        remedy: What can be done about it.
    """

    t_ms: int
    times: int
    severity: Severity
    event: str
    round_id: bytes | None
    words: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A peer at one moment. Times are milliseconds by the log's clock; totals count what was read of it.

    Attributes:
        peers: Whose log it is; several where a local swarm in one process wrote it.
        state: How the peer is.
        reason: Why it is paused or halted; empty otherwise.
        started_ms: Since when it is up; None where the log does not say.
        last_ms: When the last event was written.
        now_ms: The moment.
        links: By the time they were first seen.
        rounds: Under way, the newest first; then finished ones, likewise.
        penalties: The latest first.
        faults: The latest first.
        rounds_last_hour: Rounds certified within the last 60 minutes.
        rounds_seen: Rounds certified.
        rounds_declined: Questions that it did not take because it was paused.
        penalties_seen: Rules broken by others.
        faults_seen: Faults, repeated ones and forgotten ones too.
        events_lost: Events that the log lacks, by its own word.
    """

    peers: tuple[bytes, ...]
    state: NodeState
    reason: str
    started_ms: int | None
    last_ms: int | None
    now_ms: int
    links: tuple[LinkRow, ...]
    rounds: tuple[RoundRow, ...]
    penalties: tuple[PenaltyRow, ...]
    faults: tuple[FaultRow, ...]
    rounds_last_hour: int
    rounds_seen: int
    rounds_declined: int
    penalties_seen: int
    faults_seen: int
    events_lost: int

    @property
    def links_up(self) -> int:
        """How many links are up."""
        return sum(link.state is LinkState.UP for link in self.links)

    @property
    def rounds_under_way(self) -> int:
        """How many rounds are under way."""
        return sum(row.is_under_way for row in self.rounds)
