"""Who can be trusted to judge, from agreement alone: `ranking.camps` in floats, both memories at once.

The model, its constants and its order of decisions are those of the canonical engine, which explains them.
What is exact there and rounded here can differ where a decision hangs on a hair.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ranking.ballots import Q16
from ranking.camps import (
    DOUBTFUL_Q8,
    FIT_PASSES,
    GOLD_GAP_Q8,
    LOADING_MAX,
    LOADING_MIN,
    PRIOR_COUNT_Q16,
    SPLIT_CLEAR_Q8,
    SPLIT_FAST_Q8,
    SPLIT_SLOW_Q8,
    TIGHTER,
)
from ranking.float_round import Booleans, Floats, Integers

_Q8: Final = 256
_DOUBTFUL: Final = DOUBTFUL_Q8 / _Q8
_GOLD: Final = GOLD_GAP_Q8 / _Q8
_PRIOR: Final = PRIOR_COUNT_Q16 / Q16
_MAX: Final = LOADING_MAX / Q16
_MIN: Final = LOADING_MIN / Q16
_BASE_MIN: Final = 0.01
_WEIGHT_MAX: Final = 2.0
_TIE: Final = 1e-9
"""Sums that differ by less, relative to the largest, are equal but for rounding."""
_COUNT_MIN: Final = 1.0 / Q16


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One memory's agreement of the judges of a round; the diagonals of both matrices are 0.

    Attributes:
        sums: Sums of products of net votes, shape (judges, judges), symmetric.
        counts: Numbers of products, shape (judges, judges).
        decided: Mean square of each judge's net votes, shape (judges,).
    """

    sums: Floats
    counts: Floats
    decided: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Gold:
    """Sums of products of judges' net votes with the truth, and their numbers, both of shape (judges,)."""

    sums: Floats
    counts: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Trust:
    """Weight of each judge, 0..2, before gold caps it, and whether it is of the long memory's reference."""

    weights: Floats
    reference: Booleans


def compute_trust(sums: Floats, counts: Floats, gold: Gold) -> Trust:
    """Return every judge's weight from the long memory, lowered where the short one accuses it.

    Args:
        sums: Sums of products of net votes in the long and the short memory, shape (2, judges, judges); at
            least one judge.
        counts: Numbers of products, the same shape.
        gold: What gold says of the same judges.
    """
    judges = sums.shape[1]
    apart = 1.0 - np.eye(judges)
    decided = sums.diagonal(axis1=1, axis2=2) / np.maximum(counts.diagonal(axis1=1, axis2=2), _COUNT_MIN)
    # Whatever order the arrays come in, they lie line by line from here on.
    sums, counts = np.multiply(sums, apart, order="C"), np.multiply(counts, apart, order="C")
    signs = _split(sums, counts)
    everyone = np.ones(judges, dtype=np.bool_)
    loadings = _fit_loadings(sums, counts, everyone)
    slow, fast = (Table(*parts) for parts in zip(sums, counts, decided, strict=True))
    reference, slow_loadings = everyone, loadings[0]
    split = _compute_split(slow, signs[0], loadings[0]) * _Q8
    if split >= SPLIT_SLOW_Q8:
        reference = _choose_reference(slow, gold, signs[0], np.ones(judges), split)
        slow_loadings = _fit_loadings(slow.sums, slow.counts, reference)
    weights = _compute_weights(slow_loadings, reference)
    split = _compute_split(fast, signs[1], loadings[1]) * _Q8
    if split >= SPLIT_FAST_Q8:
        members = _choose_reference(fast, gold, signs[1], weights, split)
        outside = ~members & (_compute_preferences(fast, ~members, members) >= _DOUBTFUL)
        if outside.any():
            short = _compute_weights(_fit_loadings(fast.sums, fast.counts, members), members)
            weights = np.where(outside, np.minimum(weights, short), weights)
    return Trust(weights, reference)


def _split(sums: Floats, counts: Floats) -> Floats:
    """Return +1 or -1 a judge of each memory, so that agreement above the mean lies within camps.

    Greedy flips from one start a judge, all starts and memories in step; the best of all starts.

    Returns:
        Signs, shape (memories, judges).
    """
    memories, judges, _ = sums.shape
    means = sums.sum(axis=(1, 2)) / np.maximum(counts.sum(axis=(1, 2)), _COUNT_MIN)
    excess = sums - means[:, None, None] * counts
    excess /= np.maximum(np.abs(excess).max(axis=(1, 2), keepdims=True), _COUNT_MIN)
    starts = np.where(excess > 0.0, 1.0, -1.0)
    starts.reshape(memories, judges * judges)[:, :: judges + 1] = 1.0
    signs = _climb(excess, starts)
    gains = ((signs @ excess) * signs).sum(axis=2)
    tops = gains.max(axis=1)
    # Of equal gains the first start's; all in one camp unless a split gains more.
    best = (gains >= (tops - _TIE)[:, None]).argmax(axis=1)
    chosen: Floats = signs[np.arange(memories), best]
    chosen[tops <= excess.sum(axis=(1, 2)) + _TIE] = 1.0
    return chosen


def _climb(excess: Floats, starts: Floats) -> Floats:
    """Return signs where in each line of `starts` the one that gained most was flipped until none gained.

    Args:
        excess: Shape (memories, judges, judges), diagonal 0, at most 1 in size.
        starts: Signs, shape (memories, starts, judges).
    """
    memories, judges, _ = excess.shape
    signs = starts.reshape(-1, judges).copy()
    pulls = (starts @ excess).reshape(-1, judges) * signs
    table = excess.reshape(memories * judges, judges)
    line = np.arange(len(signs)) * judges
    first = np.repeat(np.arange(memories) * judges, starts.shape[1])
    flat_signs, flat_pulls = signs.reshape(-1), pulls.reshape(-1)
    # A pull is what a sign gains as it is; a flip turns its own and moves all others of its line.
    for _ in range(4 * judges):
        place = pulls.argmin(axis=1)
        at = line + place
        lowest = flat_pulls.take(at)
        gains = lowest < -_TIE
        if not gains.any():
            break
        turned = flat_signs.take(at)
        step = -2.0 * turned * gains
        change = table.take(first + place, axis=0)
        change *= signs
        change *= step[:, None]
        pulls += change
        flat_signs[at] = turned + step
        flat_pulls[at] = np.abs(lowest)
    return signs.reshape(starts.shape)


def _fit_loadings(sums: Floats, counts: Floats, reference: Booleans) -> Floats:
    """Return each judge's loading on the reference's one factor, -.9...9.

    Alternating least squares over products with members of the reference, damped by half.

    Args:
        sums: Shape (..., judges, judges), diagonal 0.
        counts: The same shape.
        reference: Shape (judges,).

    Returns:
        Shape (..., judges).
    """
    members = reference.astype(np.float64)
    agreed, played = sums @ members @ members, counts @ members @ members
    base = np.maximum(np.sqrt(np.maximum(agreed, 0.0) / np.maximum(played, _COUNT_MIN)), _BASE_MIN)[..., None]
    prior = _PRIOR * base * base
    # First what is above the fraction line, then what is below; half above, for half of each new value.
    table = np.array([0.5 * sums * members, counts * members])
    factors = np.empty((2, *sums.shape[:-1]))
    loadings: Floats = factors[0]
    squares = factors[1]
    np.multiply(base, members, out=loadings)
    priors, parts = np.empty_like(factors), np.empty_like(factors)
    priors[0], priors[1] = 0.25 * prior * base, prior
    above, below = parts
    columns, products = factors[..., None], parts[..., None]
    lowest = np.where(reference, _MIN, -_MAX)
    for _ in range(FIT_PASSES):
        np.multiply(loadings, loadings, out=squares)
        np.matmul(table, columns, out=products)
        np.add(parts, priors, out=parts)
        np.divide(above, below, out=above)
        np.multiply(loadings, 0.5, out=loadings)
        np.add(loadings, above, out=loadings)
        np.maximum(loadings, lowest, out=loadings)
        np.minimum(loadings, _MAX, out=loadings)
    return loadings


def _compute_split(table: Table, signs: Floats, loadings: Floats) -> float:
    """Return how clearly what one factor leaves over falls into the two camps: see `ranking.camps`."""
    signed = signs * loadings
    residual = float(signs @ table.sums @ signs - signed @ table.counts @ signed) / 2.0
    variance = float(table.decided @ table.counts @ table.decided) / 2.0
    if residual <= 0.0 or variance <= 0.0:
        return 0.0
    return residual / float(np.sqrt(len(signs) * variance))


def _choose_reference(table: Table, gold: Gold, signs: Floats, heads: Floats, split_q8: float) -> Booleans:
    """Return the camp to trust, with those who are counted with it: see `ranking.camps`."""
    first, second = signs > 0.0, signs < 0.0
    by_gold = _compare_gold(table, gold, first, second)
    if by_gold:
        return first if by_gold > 0.0 else second
    chosen, other = first, second
    if heads @ first < heads @ second:
        chosen, other = second, first
    if _is_doubtful(table, chosen, other, heads):
        within_chosen, within_other = _compute_within(table, chosen), _compute_within(table, other)
        if within_chosen * TIGHTER[1] > within_other * TIGHTER[0]:
            chosen, other = other, chosen
    if split_q8 >= SPLIT_CLEAR_Q8:
        return chosen
    return chosen | (_compute_preferences(table, other, chosen) < _DOUBTFUL)


def _compare_gold(table: Table, gold: Gold, first: Booleans, second: Booleans) -> float:
    """Return above 0, below 0 or 0 as gold speaks for the first camp, the second, or does not tell."""
    camps = np.array([first, second], dtype=np.float64)
    counts = camps @ gold.counts
    if not (counts > 0.0).all():
        return 0.0
    means = camps @ gold.sums / counts
    variance = float((camps @ (gold.counts * table.decided) / (counts * counts)).sum())
    gap = float(means[0] - means[1])
    return 0.0 if gap * gap < _GOLD * _GOLD * variance else gap


def _is_doubtful(table: Table, larger: Booleans, smaller: Booleans, heads: Floats) -> bool:
    """Say whether the majority hangs on a member that hardly prefers its camp."""
    size, total = float(heads @ larger), float(heads.sum())
    # What rounding may add must not turn a tie into a majority.
    half = total * (0.5 + _TIE)
    if size <= half:
        return True
    decisive: Integers = np.flatnonzero(larger & (size - heads <= half))
    return bool(len(decisive) and (_compute_preferences(table, larger, smaller)[decisive] < _DOUBTFUL).any())


def _compute_preferences(table: Table, own: Booleans, other: Booleans) -> Floats:
    """Return how much more each judge agrees with `own` than with `other`, in standard errors; 0 at least."""
    camps = np.array([own, other], dtype=np.float64).T
    counts = table.counts @ camps
    with_both = (counts > 0.0).all(axis=1)
    counts = np.maximum(counts, _COUNT_MIN)
    means = table.sums @ camps / counts
    gap = means[:, 0] - means[:, 1]
    error = table.decided * np.sqrt((1.0 / counts).sum(axis=1))
    is_clear = with_both & (gap > 0.0) & (error > 0.0)
    preferences: Floats = np.divide(gap, error, out=np.zeros_like(gap), where=is_clear)
    return preferences


def _compute_within(table: Table, camp: Booleans) -> float:
    """Return the mean agreement of two members; 0 for a camp of one."""
    members = camp.astype(np.float64)
    count = float(members @ table.counts @ members)
    return float(members @ table.sums @ members) / count if count > 0.0 else 0.0


def _compute_weights(loadings: Floats, reference: Booleans) -> Floats:
    """Return loadings as weights: the reference's lower median is 1, none is below 0 or above 2."""
    median = max(get_lower_median(loadings[reference]), _MIN)
    return np.minimum(np.maximum(loadings / median, 0.0), _WEIGHT_MAX)


def get_lower_median(values: Floats) -> float:
    """Return the middle one of some values, of an even number the lower one of the two."""
    return float(np.sort(values)[(len(values) - 1) // 2])
