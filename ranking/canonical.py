"""The canonical engine: all that decides anything certified, in Python integers, and the door to it.

`consensus` imports this module and `ranking.merge`, nothing else of `ranking`. Behind it: `ballots`
(what each judge adds), `solver` (strengths), `scores` (order, z, P(best), flip estimate), `pairs` (who
judges what), `reputation` (what rounds teach about judges), `tables` (literals). Measured constants are
starting values; whoever changes one, or any rounding, changes `ENGINE_VERSION`.
"""

from enum import IntEnum
from typing import Final

from ranking.ballots import OUTCOME_MAX, OUTCOME_MIN, Q16, WEIGHT_MAX_Q16, Comparison, JudgeTerms
from ranking.pairs import (
    CALLS_PER_PEER_MIN,
    STEPS_MAX,
    Assignment,
    compute_step_calls,
    deal_pairs,
    default_calls_per_peer,
)
from ranking.reputation import (
    PEERS_MAX,
    PastRound,
    Reputation,
    compute_terms,
    create_reputation,
    from_numbers,
    to_numbers,
    update_reputation,
)
from ranking.scores import Scores, compute_scores
from ranking.tables import OFFSET_MAX

__all__ = [
    "CALLS_PER_PEER_MIN",
    "ENGINE_VERSION",
    "OFFSET_MAX",
    "OUTCOME_MAX",
    "OUTCOME_MIN",
    "PEERS_MAX",
    "Q16",
    "STEPS_MAX",
    "STOP_JUDGES_MIN",
    "STOP_P_BEST_Q16",
    "WEIGHT_MAX_Q16",
    "Assignment",
    "Comparison",
    "JudgeTerms",
    "Next",
    "PastRound",
    "Reputation",
    "Scores",
    "compute_scores",
    "compute_step_calls",
    "compute_terms",
    "create_reputation",
    "deal_pairs",
    "decide_next",
    "default_calls_per_peer",
    "from_numbers",
    "to_numbers",
    "update_reputation",
]

ENGINE_VERSION: Final = 3
STOP_P_BEST_Q16: Final = 62259
"""P(best), Q16, from which a round may stop early: .95."""
STOP_JUDGES_MIN: Final = 4
"""Judges with mass that an early stop needs."""


class Next(IntEnum):
    """What follows a certified step."""

    CONTINUE = 0
    STOP = 1
    ABORT = 2


def decide_next(
    *,
    step: int,
    steps_max: int,
    revealed: int,
    quorum: int,
    classes: int,
    scores: Scores | None,
    has_more_pairs: bool,
) -> Next:
    """Decide what follows a step, in the order of `protocol.md`, "Order of the decision".

    Args:
        step: The step just collected; 0 = answers.
        steps_max: Ballot steps of the round, 1..STEPS_MAX.
        revealed: Size of R, the reveals that count.
        quorum: n - f.
        classes: Candidates after merging.
        scores: Scores of this step; needed only where the decision gets as far as the early stop.
        has_more_pairs: Whether `deal_pairs` of the next step would deal anything.

    Returns:
        The decision; one class stops as unanimous.

    Raises:
        ValueError: An argument is out of bounds, or scores are needed and missing.
    """
    if not 0 <= step <= steps_max or not 1 <= steps_max <= STEPS_MAX:
        raise ValueError(f"a step is 0..steps_max <= {STEPS_MAX}, got step {step} of {steps_max}")
    if revealed < quorum:
        return Next.ABORT if step <= 1 else Next.STOP
    if classes < 1:
        raise ValueError(f"a quorum of reveals has at least one class, got {classes}")
    if classes == 1:
        return Next.STOP
    if step == 0:
        return Next.CONTINUE
    if step == steps_max or not has_more_pairs:
        return Next.STOP
    if scores is None:
        raise ValueError(f"step {step} cannot be decided without scores")
    is_settled = (
        scores.judges >= STOP_JUDGES_MIN and scores.p_best_q16 >= STOP_P_BEST_Q16 and scores.is_leader_stable
    )
    return Next.STOP if is_settled else Next.CONTINUE
