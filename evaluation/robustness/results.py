"""Figures of robustness and of standing, as a run's summary holds them; all shares are 0..1."""

from dataclasses import dataclass

from evaluation.statistics import Interval, McNemar


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRow:
    """A method on questions with and without a text that does not belong there.

    Attributes:
        method: Which rule.
        kind: Of the texts; "all" over all kinds.
        questions: Paired questions.
        clean: Accuracy without.
        dirty: Accuracy with.
        difference: dirty - clean, paired.
        mcnemar: The exact test of it; None where a method is a mean over peers.
        loss_ratio: Its loss as a share of a single peer's loss; None where a single peer's loss is not told
            from none, so that a ratio to it would mean nothing.
        beyond_half: Its loss minus half a single peer's loss: below 0 where it loses less than that.
    """

    method: str
    kind: str
    questions: int
    clean: float
    dirty: float
    difference: Interval
    mcnemar: McNemar | None
    loss_ratio: Interval | None
    beyond_half: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileRow:
    """A method where peers that are wrong speak to the judges.

    Attributes:
        method: Which rule.
        questions: Questions on which somebody was wrong, so that there was a hostile answer.
        clean_wins: How often the wrong answer of one of these peers won as it was.
        hostile_wins: How often it won with the hostile text behind it.
        difference: hostile_wins - clean_wins, paired.
        accuracy_change: Accuracy with hostile answers minus accuracy without, on the same questions.
    """

    method: str
    questions: int
    clean_wins: float
    hostile_wins: float
    difference: Interval
    accuracy_change: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileVerdictRow:
    """How often judges prefer a wrong answer to a right one, as it was and with a hostile text behind it.

    Attributes:
        text: Name of the hostile text; "all" over all of them.
        questions: Questions with such pairs.
        verdicts: Verdicts of either kind; the authors of hostile answers are not among the judges.
        clean: Share in which the wrong answer was preferred as it was; an even verdict counts half.
        hostile: The same with the hostile text.
        difference: hostile - clean, paired; None for single texts, which have too few questions.
    """

    text: str
    questions: int
    verdicts: int
    clean: float
    hostile: float
    difference: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackRow:
    """A rule where some peers judge against the swarm.

    Attributes:
        attack: How they do; "none" where nobody does.
        hostile: How many.
        rule: "unweighted", "weighted" by what rounds before taught, or "single".
        rounds: "all", or "second half", by when weights are learnt.
        questions: How many.
        accuracy: Of the rule.
        difference: Points over a single peer, paired.
        weight_share: Share of all weight that hostile judges have, on average over these rounds; None where
            nobody is weighed.
    """

    attack: str
    hostile: int
    rule: str
    rounds: str
    questions: int
    accuracy: Interval
    difference: Interval
    weight_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessSummary:
    """What a swarm withstood; a part that the plan does not ask for is empty.

    Attributes:
        paired: With and without extraneous text in the question.
        hostile: With and without hostile answers.
        verdicts: Of judges on hostile answers.
        attacks: With and without hostile judges.
        problem: Why a part that was asked for is not there; empty where all are.
    """

    paired: tuple[PairedRow, ...] = ()
    hostile: tuple[HostileRow, ...] = ()
    verdicts: tuple[HostileVerdictRow, ...] = ()
    attacks: tuple[AttackRow, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingPeer:
    """What one peer is worth, and what it weighs.

    Attributes:
        peer: Which one.
        model: Its model's specification.
        answers: Accuracy of its own answers.
        pairs: How often it prefers a right answer to a wrong one, a mean over questions; None without any.
        weight_first: Its weight in the first round.
        weight_last: Its mean weight over the last quarter of the rounds.
    """

    peer: int
    model: str
    answers: Interval
    pairs: Interval | None
    weight_first: float
    weight_last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingGroup:
    """Peers of one model.

    Attributes:
        model: Its specification.
        peers: How many.
        answers: Mean accuracy of their own answers.
        pairs: Mean accuracy as judges; None where they compared none.
        weight_last: Mean weight over the last quarter of the rounds.
    """

    model: str
    peers: int
    answers: float
    pairs: float | None
    weight_last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightPoint:
    """All peers' weights in one round, by peer."""

    round: int
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSummary:
    """Rounds in sequence.

    Attributes:
        rounds: How many had something to judge.
        gold: How many of them showed their truth afterwards.
        peers: By peer.
        groups: By model, in the order of the peers; one where all run the same.
        trace: Weights by round; rounds are left out where there are many.
        unweighted: Accuracy of the same verdicts without weights.
        weighted: Accuracy with the weights of the rounds before.
        difference: weighted - unweighted, paired.
        correlation: Spearman's, of the peers' last weights with how well they judge; None where one of the
            two does not vary.
    """

    rounds: int
    gold: int
    peers: tuple[StandingPeer, ...]
    groups: tuple[StandingGroup, ...]
    trace: tuple[WeightPoint, ...]
    unweighted: Interval
    weighted: Interval
    difference: Interval
    correlation: float | None
