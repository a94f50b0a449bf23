"""What a round's judging is worth: a score that honest work earns and cheap imitation does not. Integers.

A verdict is scored by what the other judges, weighted, make of it, beyond what anybody could have said
without judging:

    score = y ln(p / q) + (1 - y) ln((1 - p) / (1 - q))   nats

where y is the outcome, p is P(left is better) by a fit without this judge, and q is the verdict to expect
from the answers alone: halfway between 1/2 and the share of the peers, this judge left out and one added to
each side, that gave the left one. A judge that follows the crowd of answers loses, as does one that tosses a
coin, turns verdicts round, always picks a side or follows a signal of its own. In a gold round p is what the
truth says, 9 to 1, and pairs that the truth does not tell apart count for nothing.

No score: verdicts on the judge's own class, and verdicts of which only one judge is left. Scores say what a
round's work is worth to others, not what to trust: that is `ranking.reputation`.

Source: log scores of left-out peers against a public prior: Prelec, "A Bayesian truth serum", Science 306
(2004), and peer prediction in general; output agreement pays followers of the crowd just as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ranking.ballots import Q16, Comparison, JudgeTerms, compute_owners, gather_evidence, group_by_judge
from ranking.reputation import PastRound
from ranking.solver import STRENGTH_ONE, Table, compute_log_strength

GOLD_ODDS: Final = 9
"""Odds at which the truth speaks in a gold round."""


@dataclass(frozen=True, slots=True)
class Incentive:
    """What one judge earned in one round.

    Attributes:
        total: Sum of its scores, Q16 nats.
        count: Verdicts scored.
    """

    total: int
    count: int


def compute_incentives(past: PastRound, terms: Mapping[int, JudgeTerms]) -> dict[int, Incentive]:
    """Return what each judge of a round earned, by seat ascending; judges without a scored verdict too.

    Args:
        past: A ranked round; its truth where it was gold.
        terms: The terms it was ranked with, by seat.

    Raises:
        ValueError: A seat, class or outcome is out of bounds.
    """
    owners = compute_owners(past.authors)
    by_judge = group_by_judge(past.comparisons)
    evidence = gather_evidence(authors=past.authors, comparisons=past.comparisons, terms=terms)
    table = Table(evidence.classes, evidence.compute_total())
    fit = table.fit()
    earned = {}
    for seat in sorted(by_judge):
        verdicts = [one for one in by_judge[seat] if owners.get(seat) not in (one.left, one.right)]
        if past.correct is not None:
            scores = [_score_by_truth(one, past, seat) for one in verdicts]
        elif any(judge != seat for judge in evidence.judges):
            strengths = table.refit(fit, evidence.by_judge.get(seat, {})).get_strengths()
            scores = [_score_by_peers(one, past, seat, strengths) for one in verdicts]
        else:
            scores = []
        counted = [score for score in scores if score is not None]
        earned[seat] = Incentive(sum(counted), len(counted))
    return earned


def _score_by_peers(one: Comparison, past: PastRound, seat: int, strengths: Sequence[int]) -> int:
    left, right = strengths[one.left], strengths[one.right]
    return _score(one.outcome, left, right, _compute_crowd_odds(past, one, seat))


def _score_by_truth(one: Comparison, past: PastRound, seat: int) -> int | None:
    right_classes = past.correct or ()
    is_left, is_right = one.left in right_classes, one.right in right_classes
    if is_left == is_right:
        return None
    left, right = (GOLD_ODDS, 1) if is_left else (1, GOLD_ODDS)
    return _score(one.outcome, left, right, _compute_crowd_odds(past, one, seat))


def _compute_crowd_odds(past: PastRound, one: Comparison, seat: int) -> tuple[int, int]:
    """Return the odds that the answers alone give a verdict for left: q as a ratio."""
    left, right = (
        sum(author != seat for author in past.authors[index]) + 1 for index in (one.left, one.right)
    )
    # (1/2 + left / (left + right)) / 2, as a ratio. All of it would pay whoever votes against the crowd.
    return 3 * left + right, 3 * right + left


def _score(outcome: int, left: int, right: int, crowd: tuple[int, int]) -> int:
    """Return y ln(p / q) + (1 - y) ln((1 - p) / (1 - q)), Q16 nats, with p and q as ratios."""
    gain_left = _compute_log_share(left, right) - _compute_log_share(*crowd)
    gain_right = _compute_log_share(right, left) - _compute_log_share(crowd[1], crowd[0])
    return (outcome * gain_left + (Q16 - outcome) * gain_right) >> 16


def _compute_log_share(part: int, rest: int) -> int:
    """Return ln(part / (part + rest)), Q16 nats."""
    return compute_log_strength(max(part * STRENGTH_ONE // (part + rest), 1 << 16))
