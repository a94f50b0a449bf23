"""What the baselines share: comparisons as columns, games by pair, and one small Bradley-Terry fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ranking._hash import hash_numbers
from ranking.ballots import Q16, compute_owners
from ranking.comparisons import ComparisonTable, Floats, Indices
from ranking.rounds import Round, RoundRanking

SCORE_DIGITS: Final = 9
"""Decimal digits to which scores are kept: below them is the noise of the order of summation."""
DENSE_ITEMS_MAX: Final = 2_000
"""Most items of a method that needs an items x items matrix: 32 MB each."""
NEWTON_STEPS_MAX: Final = 50
_GRADIENT_TOLERANCE: Final = 1e-10
_STEP_MAX_NATS: Final = 2.0

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Games:
    """Comparisons as columns of shape (rows,); outcomes are whole Q16, so that sums of them are exact.

    Attributes:
        items: Number of items.
        judges: Number of judges.
        judge: Judge index of each row.
        left: Item index shown on the left.
        right: Item index shown on the right.
        outcome: P(left is better), 0..1.
        weight: Mass of each row.
    """

    items: int
    judges: int
    judge: Indices
    left: Indices
    right: Indices
    outcome: Floats
    weight: Floats


def _round_outcomes(outcome: Floats) -> Floats:
    return np.rint(outcome * Q16) / Q16


def make_table_games(table: ComparisonTable) -> Games:
    """Return the rows of a table."""
    return Games(
        items=len(table.items),
        judges=len(table.judges),
        judge=table.judge,
        left=table.left,
        right=table.right,
        outcome=_round_outcomes(table.outcome),
        weight=table.weight,
    )


def make_round_games(round_: Round) -> tuple[Games, tuple[int, ...]]:
    """Return a round's comparisons, sorted, with weight 1, and the peer behind each judge index.

    Raises:
        ValueError: An author, judge, candidate or outcome is out of bounds.
    """
    compute_owners(round_.authors)
    items = len(round_.authors)
    ordered = sorted((v.judge, v.left, v.right, v.outcome) for v in round_.verdicts)
    for judge, left, right, outcome in ordered:
        if judge < 0 or not (0 <= left < items and 0 <= right < items) or left == right:
            raise ValueError(
                f"judge {judge} compares {left} and {right}, expected a peer and two of {items} candidates"
            )
        if not 0.0 <= outcome <= 1.0:
            raise ValueError(f"an outcome is 0..1, got {outcome}")
    columns = np.array(ordered, dtype=np.float64).reshape(-1, 4)
    peers, judge_index = np.unique(columns[:, 0].astype(np.int64), return_inverse=True)
    games = Games(
        items=items,
        judges=len(peers),
        judge=judge_index.astype(np.int32),
        left=columns[:, 1].astype(np.int32),
        right=columns[:, 2].astype(np.int32),
        outcome=_round_outcomes(columns[:, 3]),
        weight=np.ones(len(ordered)),
    )
    return games, tuple(peers.tolist())


def order_by(scores: Floats, seed: bytes) -> tuple[int, ...]:
    """Return indices by falling score; equal ones by H(seed, index), as in the canonical engine."""
    values = np.round(scores, SCORE_DIGITS).tolist()
    return tuple(sorted(range(len(values)), key=lambda i: (-values[i], hash_numbers("tie", seed, i))))


def make_ranking(round_: Round, scores: Floats, weights: Mapping[int, float]) -> RoundRanking:
    """Put scores into a ranking without P(best); peers that `weights` does not name have weight 1."""
    peers = sorted({peer for group in round_.authors for peer in group} | {v.judge for v in round_.verdicts})
    return RoundRanking(
        order=order_by(scores, round_.seed),
        strengths=tuple((np.round(scores, SCORE_DIGITS) + 0.0).tolist()),
        p_best=None,
        flip_certificate=None,
        weights={peer: weights.get(peer, 1.0) for peer in peers},
    )


def compute_wins(games: Games, outcome: Floats, weight: Floats) -> Floats:
    """Return the mass won by row against column, shape (items, items).

    Args:
        games: Who was compared with whom.
        outcome: In place of the games' own, shape (rows,).
        weight: In place of the games' own, shape (rows,).

    Raises:
        ValueError: More than DENSE_ITEMS_MAX items.
    """
    n = games.items
    if n > DENSE_ITEMS_MAX:
        raise ValueError(f"this method takes at most {DENSE_ITEMS_MAX} items, got {n}")
    forth = games.left.astype(np.int64) * n + games.right
    back = games.right.astype(np.int64) * n + games.left
    won = sum_by(forth, weight * outcome, n * n) + sum_by(back, weight * (1.0 - outcome), n * n)
    return won.reshape(n, n)


def sum_by(keys: Indices | Keys, values: Floats, size: int) -> Floats:
    """Return the sums of `values` by key, shape (size,)."""
    sums: Floats = np.bincount(keys, weights=values, minlength=size).astype(np.float64, copy=False)
    return sums


def sum_sides(games: Games, left: Indices | Keys, right: Indices | Keys, size: int) -> tuple[Floats, Floats]:
    """Return the mass won and the mass played, each of shape (size,), summed by the keys of either side."""
    won = sum_by(left, games.weight * games.outcome, size)
    won += sum_by(right, games.weight * (1.0 - games.outcome), size)
    return won, sum_by(left, games.weight, size) + sum_by(right, games.weight, size)


def compute_sigmoid(logits: Floats) -> Floats:
    """Return 1 / (1 + e^-x)."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def fit_bradley_terry(wins: Floats, start: Floats, *, steps: int = NEWTON_STEPS_MAX) -> Floats:
    """Return log-strengths, nats, with one win and one loss against an anchor at 0, by Newton's method.

    Args:
        wins: Mass won by row against column, shape (items, items).
        start: Log-strengths to start from, shape (items,).
        steps: Most steps.

    Source:
        Bradley and Terry 1952; the prior is that of the canonical engine.
    """
    games, won, theta = wins + wins.T, wins.sum(axis=1), start
    for _ in range(steps):
        expected = compute_sigmoid(theta[:, None] - theta[None, :])
        anchor = compute_sigmoid(theta)
        gradient = won - (games * expected).sum(axis=1) + 1.0 - 2.0 * anchor
        if np.abs(gradient).max() < _GRADIENT_TOLERANCE:
            break
        curvature = games * expected * (1.0 - expected)
        information = np.diag(curvature.sum(axis=1) + 2.0 * anchor * (1.0 - anchor)) - curvature
        step = np.linalg.solve(information, gradient)
        theta = theta + step * (_STEP_MAX_NATS / max(float(np.abs(step).max()), _STEP_MAX_NATS))
    return theta
