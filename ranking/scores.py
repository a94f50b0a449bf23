"""Scores of one step: strengths, order, margins without each judge, P(best), flip estimate. Integers only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Final

from ranking._hash import hash_numbers
from ranking.ballots import Q16, Comparison, JudgeTerms, gather_evidence
from ranking.solver import Table, compute_log_strengths
from ranking.tables import ODDS

CLASS_DOUBT_Q16: Final = 16384
"""Odds, Q16, that every further class adds while judges are few: 1/4 over the square of their number."""
SHARED_ERROR_Q16: Final = 13107
"""Error of a margin that all judges share, nats Q16 (.2): however many they are, they can be wrong together.
Measured (docs/adr/0020)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What a step's certificate says about its classes.

    Attributes:
        log_strengths: Bradley-Terry log-strength by class index, Q16 nats, 0 = the anchor's.
        order: Class indices, best first; equal log-strengths in the order of H(seed, class index).
        z: By class index: the leader's margin over it in standard errors, Q8, clustered by judge and with the
            error that judges share; 0 for the leader, and for all while fewer than two judges have mass.
        judges: Seats with positive mass in the comparisons.
        p_best_q16: P(the leader is best), Q16, if judges share no more error than SHARED_ERROR_Q16.
        flip_estimate: Fewest judges whose removal changes the leader, 0 if no removal does. Exact for
            one judge; beyond, a linear estimate that is rather too high than too low.
        is_leader_stable: Whether the leader stays when any one judge is removed.
    """

    log_strengths: tuple[int, ...]
    order: tuple[int, ...]
    z: tuple[int, ...]
    judges: int
    p_best_q16: int
    flip_estimate: int
    is_leader_stable: bool


def compute_order(log_strengths: Sequence[int], seed: bytes) -> tuple[int, ...]:
    """Return class indices, best first; equal log-strengths in the order of H(seed, class index)."""
    return _compute_order(log_strengths, _compute_tie_ranks(len(log_strengths), seed))


def _compute_tie_ranks(classes: int, seed: bytes) -> list[bytes]:
    return [hash_numbers("tie", seed, index) for index in range(classes)]


def _compute_order(log_strengths: Sequence[int], tie_ranks: Sequence[bytes]) -> tuple[int, ...]:
    return tuple(
        sorted(range(len(log_strengths)), key=lambda index: (-log_strengths[index], tie_ranks[index]))
    )


def _compute_z(margin: int, shifts: Sequence[int]) -> int:
    """Return margin over its error, Q8: the judge-clustered jackknife's, and what all judges share.

    Args:
        margin: D, Q16 nats.
        shifts: D without judge j, minus D, for every judge; Q16 nats.
    """
    judges = len(shifts)
    if judges < 2:
        return 0
    spread = sum(shift * shift for shift in shifts)
    variance_times_judges = (judges - 1) * spread + judges * SHARED_ERROR_Q16 * SHARED_ERROR_Q16
    return isqrt((judges * margin * margin << 16) // variance_times_judges)


def compute_odds(z: int) -> int:
    """Return the odds, Q16, that a challenger `z` (Q8) behind is in truth the better: table, linear."""
    knot, gap = z >> 6, z & 63
    if knot >= len(ODDS) - 1:
        return ODDS[-1]
    return ODDS[knot] + ((ODDS[knot + 1] - ODDS[knot]) * gap >> 6)


def _compute_p_best(challenger_z: Sequence[int], judges: int) -> int:
    """Return P(leader is best), Q16, from the challengers' z (Q8)."""
    doubt = len(challenger_z) * CLASS_DOUBT_Q16 // max(judges, 1) ** 2
    return (1 << 32) // (Q16 + sum(map(compute_odds, challenger_z)) + doubt)


def compute_p_bests(scores: Scores) -> tuple[int, ...]:
    """Return P(best) by class index, Q16: the leader's, and what is left shared by the challengers' odds.

    No share is above the leader's: on one judge's word the leader of two may be left with less than a half,
    because one word is doubted as such, which speaks for nobody. Shares sum to at most 2^16.
    """
    leader, *challengers = scores.order
    odds = {index: compute_odds(scores.z[index]) + 1 for index in challengers}
    doubt = Q16 - scores.p_best_q16
    total = sum(odds.values())
    shares = {index: min(scores.p_best_q16, doubt * value // total) for index, value in odds.items()}
    return tuple(
        scores.p_best_q16 if index == leader else shares[index] for index in range(len(scores.order))
    )


def compute_flip_estimate(margin: int, shifts: Sequence[int]) -> int:
    """Return how many judges, largest help first, carry more than the whole margin together; 0 if none.

    Args:
        margin: D of the closest challenger, Q16 nats.
        shifts: D without judge j, minus D, for every judge; negative where the judge helps the leader.
    """
    remaining = margin
    for count, shift in enumerate(sorted(shifts), start=1):
        if shift >= 0:
            break
        remaining += shift
        if remaining < 0:
            return count
    return 0


def compute_scores(
    *,
    authors: Sequence[Sequence[int]],
    comparisons: Sequence[Comparison],
    terms: Mapping[int, JudgeTerms] | None = None,
    seed: bytes,
) -> Scores:
    """Rank classes from comparisons and authorship, identically on every machine.

    1. Fit: 40 sweeps over all cells. 2. Refit without each judge: 8 or 4 warm sweeps. 3. Margins, their
    spread over the refits, z, P(best). 4. How many judges the leader hangs on.

    Args:
        authors: Seats of each class, by class index; at least one class, each with an author.
        comparisons: Verdicts of all ballot steps so far, in any order. That a judge was dealt its pairs
            is not checked here, but where ballots are validated.
        terms: Seat -> its terms; `JudgeTerms()` where a seat is not named.
        seed: Seed for ties, fixed before the ballots of the step were revealed.

    Returns:
        The scores. One class: log-strength 0, P(best) 1, no judges, stable.

    Raises:
        ValueError: A seat, class, outcome or weight is out of bounds.

    Source:
        `protocol.md`, "Scores and decision", engine version 3.
    """
    evidence = gather_evidence(authors=authors, comparisons=comparisons, terms=terms)
    classes = evidence.classes
    tie_ranks = _compute_tie_ranks(classes, seed)
    # 1. Fit.
    table = Table(classes, evidence.compute_total())
    slots = table.fit()
    log_strengths = compute_log_strengths(slots)
    order = _compute_order(log_strengths, tie_ranks)
    leader = order[0]
    margins = [log_strengths[leader] - log_strength for log_strength in log_strengths]
    # 2. Refit without each judge; shifts[c] holds one entry a judge.
    shifts: list[list[int]] = [[] for _ in range(classes)]
    is_leader_stable = True
    for judge in evidence.judges:
        refitted = compute_log_strengths(table.refit(slots, evidence.by_judge[judge]))
        is_leader_stable = is_leader_stable and _compute_order(refitted, tie_ranks)[0] == leader
        for index in range(classes):
            shifts[index].append(refitted[leader] - refitted[index] - margins[index])
    # 3. z and P(best).
    judges = len(evidence.judges)
    z = tuple(_compute_z(margin, row) for margin, row in zip(margins, shifts, strict=True))
    p_best_q16 = _compute_p_best([z[index] for index in order[1:]], judges)
    # 4. Flip.
    flip_estimate = 0
    if not is_leader_stable:
        flip_estimate = 1
    elif classes > 1:
        flip_estimate = compute_flip_estimate(margins[order[1]], shifts[order[1]])
    return Scores(
        log_strengths=log_strengths,
        order=order,
        z=z,
        judges=judges,
        p_best_q16=p_best_q16,
        flip_estimate=flip_estimate,
        is_leader_stable=is_leader_stable,
    )
