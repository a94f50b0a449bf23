"""What a run leaves behind, as rows: one class a table, plain values only.

Peers are named by their index in the manifest's network, never by seat, so that tables of one run join.
Rounds are numbered as they were asked; a negative number is a second question that an asker signed under one
counter, and does not follow. Times are virtual milliseconds since the start of the run (in a real testnet:
milliseconds since its start).
"""

from dataclasses import dataclass
from enum import StrEnum


class VerdictKind(StrEnum):
    """How a run ended; the worst that applies."""

    OK = "ok"
    EXPECTATION = "expectation"
    LIVENESS = "liveness"
    SAFETY = "safety"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRow:
    """One question. `status` is full, partial, failed, or unfinished (no receipt); texts are as shown.

    `is_right`, `is_majority_right` are None where no truth is known or nothing was answered.
    `has_right_answer` says whether any certified answer was right. `is_gold` says that the asker asked it to
    learn who judges well, and opens it with the next; `history` is how many rounds the standing sums up that
    the round builds on, 0 where it builds on none.
    """

    round: int
    round_id: str
    question: str
    truth: str | None
    asked_ms: int
    closed_ms: int | None
    status: str
    steps: int
    winner: str | None
    majority: str | None
    is_right: bool | None
    is_majority_right: bool | None
    has_right_answer: bool | None
    is_winner_adversarial: bool | None
    p_best: float | None
    flip_estimate: int | None
    result_digest: str | None
    bad_seats: int
    seats: int
    is_gold: bool
    history: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """One peer's certified answer: the class it was merged into, and that class's log-strength in nats."""

    round: int
    peer: int
    text: str
    candidate: int
    rank: int
    strength: float | None
    is_right: bool | None
    is_adversarial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """One certified comparison of two classes: `outcome` is P(left is better), 0..1; weight of the judge."""

    round: int
    step: int
    judge: int
    left: int
    right: int
    outcome: float
    weight: float
    is_adversarial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightRow:
    """What a certified round assumed about one of its judges: leanings in nats, as in its receipt.

    All weigh 1 where the round builds on no standing. `position` is towards the left answer, `own_or_ally`
    towards its own or its allies'.
    """

    round: int
    peer: int
    weight: float
    position: float
    own_or_ally: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRow:
    """A node reached a phase of a step: committing, revealing, voting, or closed."""

    round: int
    peer: int
    step: int
    phase: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """What one node holds to be certified for a step: agreement means one digest a round and step."""

    round: int
    step: int
    peer: int
    digest: str
    view: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRow:
    """A seat that is missing from the certified set of a step."""

    round: int
    step: int
    peer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """A fault that struck, or was undone (`is_end`)."""

    at_ms: int
    kind: str
    peers: tuple[int, ...]
    detail: str
    is_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccusationRow:
    """Evidence (`is_evidence`) or a penalty on a link, by `peer` against `accused` (None: not a peer)."""

    at_ms: int
    round: int | None
    peer: int
    accused: int | None
    kind: str
    is_evidence: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRow:
    """One peer: what it thinks with and how it behaves; accuracies are None where unknown."""

    peer: int
    key: str
    behaviour: str
    is_byzantine: bool
    accuracy: float | None
    judge_accuracy: float | None
    sent_messages: int
    sent_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One checker, or one expectation: what it looked at, and what it found."""

    name: str
    kind: VerdictKind
    is_ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Everything a run leaves behind besides its event log.

    Attributes:
        manifest_toml: The manifest as it was run, overrides applied, as canonical TOML.
        name: The manifest's name.
        seed: The seed it ran from.
        version: Version of this software.
        replay: The command that runs it again.
        time: `virtual` or `real`.
        trace_digest: SHA-256 over every message in order, hex; empty in a real testnet.
        ended_ms: When the run ended.
        healed_ms: When everything healed; None where nothing had to.
        verdict: The worst of the checks.
        metrics: What the expectations are about, by name.
    """

    manifest_toml: str
    name: str
    seed: int
    version: str
    replay: str
    time: str
    trace_digest: str
    ended_ms: int
    healed_ms: int | None
    verdict: VerdictKind
    metrics: dict[str, float]
    rounds: tuple[RoundRow, ...]
    answers: tuple[AnswerRow, ...]
    comparisons: tuple[ComparisonRow, ...]
    weights: tuple[WeightRow, ...]
    phases: tuple[PhaseRow, ...]
    decisions: tuple[DecisionRow, ...]
    missing: tuple[MissingRow, ...]
    faults: tuple[FaultRow, ...]
    accusations: tuple[AccusationRow, ...]
    peers: tuple[PeerRow, ...]
    checks: tuple[CheckRow, ...]
