"""A round as a network of strangers would hold it: pairs dealt step by step, verdicts, scores, an early stop.

The same functions decide as in `consensus.decision`; all seats reveal. A verdict that failed is in no ballot
and is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from consensus.hashing import tagged_hash
from evaluation.methods.base import Settings
from evaluation.record import ClassScores, PairOutcomes, QuestionRecord, Shown
from ranking.canonical import (
    Assignment,
    Comparison,
    Next,
    Scores,
    compute_scores,
    deal_pairs,
    decide_next,
)

DEALT_MAX: Final = 16_384
"""Rounds that are remembered: several rules look at the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealt:
    """What a round came to.

    Attributes:
        comparisons: All verdicts of all steps.
        scores: Of the last step.
        calls: Pairs that judges were dealt.
        missing: Verdicts among them that failed.
        tokens: What they took.
    """

    comparisons: tuple[Comparison, ...]
    scores: Scores
    calls: int
    missing: int
    tokens: int


@lru_cache(maxsize=DEALT_MAX)
def deal_round(record: QuestionRecord, settings: Settings) -> Dealt:
    """Hold a round on a record.

    Args:
        record: With at least one class, and judged.
        settings: Calls a peer, steps and seed.
    """
    seeds = [tagged_hash("evaluation-step", settings.draw_seed(record), step) for step in range(4)]
    history: list[Assignment] = []
    comparisons: list[Comparison] = []
    scores = compute_scores(authors=record.authors, comparisons=(), seed=seeds[0])
    step = 0
    while True:
        deal = _deal(record, settings, step + 1, seeds[step], scores if step else None, history)
        decided = decide_next(
            step=step,
            steps_max=settings.steps,
            revealed=record.peers,
            quorum=1,
            classes=len(record.classes),
            scores=scores if step else None,
            has_more_pairs=bool(deal),
        )
        if decided is not Next.CONTINUE:
            break
        step += 1
        history += deal
        comparisons += list_comparisons(record, deal)
        scores = compute_scores(authors=record.authors, comparisons=comparisons, seed=seeds[step])
    return Dealt(
        comparisons=tuple(comparisons),
        scores=scores,
        calls=len(history),
        missing=len(history) - len(comparisons),
        tokens=sum_judge_tokens(record, history),
    )


def _deal(
    record: QuestionRecord,
    settings: Settings,
    step: int,
    seed: bytes,
    scores: Scores | None,
    history: Sequence[Assignment],
) -> tuple[Assignment, ...]:
    if step > settings.steps or len(record.classes) < 2:
        return ()
    return deal_pairs(
        step=step,
        authors=record.authors,
        seats=record.peers,
        calls_per_peer=settings.calls_per_peer,
        seed=seed,
        scores=scores,
        history=history,
    )


def list_comparisons(record: QuestionRecord, dealt: Sequence[Assignment]) -> list[Comparison]:
    """Return the verdicts on dealt pairs; those that failed are left out."""
    assert record.judgements is not None, "a rule that needs judgements is run on judged records only"
    found = []
    for pair in dealt:
        outcome = record.judgements.get_outcome(pair.judge, pair.left, pair.right)
        if outcome is not None:
            found.append(Comparison(pair.judge, pair.left, pair.right, outcome))
    return found


def sum_judge_tokens(record: QuestionRecord, dealt: Sequence[Assignment]) -> int:
    """Return the tokens that verdicts on dealt pairs take; a judge that scores texts scores each once."""
    match record.judgements:
        case ClassScores() as scores:
            seen = {(pair.judge, index) for pair in dealt for index in (pair.left, pair.right)}
            return sum(scores.tokens[index] * len(scores.values[judge]) for judge, index in seen)
        case PairOutcomes() as outcomes:
            return sum(outcomes.tokens.get(Shown(pair.judge, pair.left, pair.right), 0) for pair in dealt)
        case None:
            return 0
