"""How sure a figure is: bootstrap over questions, paired differences, an exact test, calibration.

Questions are what is drawn at random, so questions are resampled, within their family. All columns are
resampled together: a difference of two methods, or a share of a gap, has an interval that knows they answered
the same questions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL: Final = 0.95
CALIBRATION_BINS: Final = 10
DRAWS_AT_ONCE: Final = 500
DIGITS: Final = 12
"""Decimal digits that are kept: below them is the noise of the order of summation."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the bounds between which LEVEL of the resamples fall."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class McNemar:
    """An exact paired test.

    Attributes:
        better: Questions that the method alone got right.
        worse: Questions that the other alone got right.
        p_value: Two-sided, exact: P(a fair coin is at least as lopsided).
    """

    better: int
    worse: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Questions whose claimed probability falls into one tenth.

    Attributes:
        low: Where it begins.
        count: How many.
        claimed: Mean probability.
        right: Share that was right.
    """

    low: float
    count: int
    claimed: float
    right: float


def resample_means(values: Floats, strata: Sequence[str], *, draws: int, seed: int) -> Floats:
    """Return the means of columns over resampled questions.

    Args:
        values: `(questions, columns) float64`, no NaN.
        strata: The family of each question; as many of each are drawn as there are.
        draws: Number of resamples.
        seed: Of the draws; the same one gives the same questions, whatever the columns.

    Returns:
        `(draws, columns) float64`.

    Source:
        Efron 1979; stratified: Davison and Hinkley 1997, section 3.2.
    """
    rng = np.random.default_rng(seed)
    labels = np.array(strata)
    places = [np.flatnonzero(labels == family) for family in sorted(dict.fromkeys(strata))]
    parts = []
    for start in range(0, draws, DRAWS_AT_ONCE):
        count = min(DRAWS_AT_ONCE, draws - start)
        total: Floats = np.zeros((count, values.shape[1]))
        for place in places:
            picked = rng.multinomial(len(place), np.full(len(place), 1.0 / len(place)), size=count)
            total += picked.astype(np.float64) @ values[place]
        parts.append(total / len(values))
    return np.concatenate(parts) if parts else np.empty((0, values.shape[1]))


def make_interval(value: float, resampled: Floats) -> Interval:
    """Return a figure between the percentiles of its resamples.

    Args:
        value: The figure on the questions as they are.
        resampled: `(draws,) float64`; at least one, no NaN.
    """
    low, high = np.quantile(resampled, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0]).tolist()
    return Interval(round_off(value), round_off(low), round_off(high))


def compute_recovered(
    method: float, low: float, high: float, resampled: tuple[Floats, Floats, Floats]
) -> Interval | None:
    """Return the share of the gap between two methods that a third one closes.

    Args:
        method: Its accuracy.
        low: Accuracy at the lower end, such as the majority's.
        high: Accuracy at the upper end, such as the oracle's.
        resampled: Their resamples, each `(draws,) float64`, in the same order.

    Returns:
        The share; None where there is no gap. Resamples without a gap say nothing and are left out.
    """
    if high <= low:
        return None
    own, bottom, top = resampled
    has_gap = top - bottom > 0.0
    if not has_gap.any():
        return None
    shares = (own[has_gap] - bottom[has_gap]) / (top[has_gap] - bottom[has_gap])
    return make_interval((method - low) / (high - low), shares)


def compute_mcnemar(method: Sequence[bool], other: Sequence[bool]) -> McNemar:
    """Test whether two methods are right equally often on the same questions.

    Args:
        method: Whether it was right, by question.
        other: The same of the other, in the same order.

    Source:
        McNemar 1947, in its exact form: under the null the questions on which they differ are fair coins.
    """
    better = sum(mine and not theirs for mine, theirs in zip(method, other, strict=True))
    worse = sum(theirs and not mine for mine, theirs in zip(method, other, strict=True))
    differing = better + worse
    tail = sum(math.comb(differing, count) for count in range(min(better, worse) + 1))
    # Integers of hundreds of digits: divided as such, they neither overflow nor vanish.
    p_value = min(1.0, 2 * tail / 2**differing)
    return McNemar(better, worse, p_value)


def compute_bins(claimed: Sequence[float], is_right: Sequence[bool]) -> tuple[Bin, ...]:
    """Group claims by tenths; those without claims are left out.

    Args:
        claimed: Probabilities, 0..1.
        is_right: Whether each came true.
    """
    groups: dict[int, list[tuple[float, bool]]] = {}
    for claim, right in zip(claimed, is_right, strict=True):
        groups.setdefault(min(int(claim * CALIBRATION_BINS), CALIBRATION_BINS - 1), []).append((claim, right))
    return tuple(
        Bin(
            low=index / CALIBRATION_BINS,
            count=len(group),
            claimed=round_off(math.fsum(claim for claim, _ in group) / len(group)),
            right=round_off(sum(right for _, right in group) / len(group)),
        )
        for index, group in sorted(groups.items())
    )


def compute_ece(bins: Sequence[Bin]) -> float | None:
    """Return the mean, by count, of |claimed - right| (expected calibration error); None without claims."""
    total = sum(one.count for one in bins)
    if not total:
        return None
    return round_off(math.fsum(one.count * abs(one.claimed - one.right) for one in bins) / total)


def round_off(value: float) -> float:
    """Return a figure without the noise of the order of summation."""
    return round(value, DIGITS) + 0.0
