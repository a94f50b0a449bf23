"""Simple rules to measure the engine against; each returns class indices, best first.

Exact ties go by H(seed, class index), as in the engine, so that no rule profits from class order.
"""

from collections.abc import Sequence
from fractions import Fraction

from ranking._hash import hash_numbers
from ranking.ballots import Q16, Comparison, compute_owners, gather_evidence
from ranking.solver import Table, compute_log_strengths


def _order_by(scores: Sequence[int | Fraction], seed: bytes) -> tuple[int, ...]:
    return tuple(
        sorted(range(len(scores)), key=lambda index: (-scores[index], hash_numbers("tie", seed, index)))
    )


def majority(*, authors: Sequence[Sequence[int]], seed: bytes) -> tuple[int, ...]:
    """Order classes by the number of their authors; comparisons play no part.

    Raises:
        ValueError: No class, or a seat with two answers.
    """
    compute_owners(authors)
    return _order_by([len(seats) for seats in authors], seed)


def borda(
    *, authors: Sequence[Sequence[int]], comparisons: Sequence[Comparison], seed: bytes
) -> tuple[int, ...]:
    """Order classes by their mean outcome, 1/2 where a class was never compared.

    The mean, not the sum: dealt designs compare some classes far more often than others.

    Args:
        authors: Seats of each class, by class index.
        comparisons: Verdicts in any order.
        seed: Seed for ties.

    Raises:
        ValueError: A seat, class or outcome is out of bounds.
    """
    classes = gather_evidence(authors=authors, comparisons=comparisons).classes
    points, games = [0] * classes, [0] * classes
    for comparison in comparisons:
        points[comparison.left] += comparison.outcome
        points[comparison.right] += Q16 - comparison.outcome
        games[comparison.left] += 1
        games[comparison.right] += 1
    means = [
        Fraction(won, played * Q16) if played else Fraction(1, 2)
        for won, played in zip(points, games, strict=True)
    ]
    return _order_by(means, seed)


def plain_bt(
    *, authors: Sequence[Sequence[int]], comparisons: Sequence[Comparison], seed: bytes
) -> tuple[int, ...]:
    """Order classes by Bradley-Terry with the anchor prior alone: no weights, offsets or author prior.

    Args:
        authors: Seats of each class, by class index; only their number of classes enters.
        comparisons: Verdicts in any order.
        seed: Seed for ties.

    Raises:
        ValueError: A seat, class or outcome is out of bounds.
    """
    evidence = gather_evidence(authors=authors, comparisons=comparisons, has_author_prior=False)
    table = Table(evidence.classes, evidence.compute_total())
    return _order_by(compute_log_strengths(table.fit()), seed)
