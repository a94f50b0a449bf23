"""What comparisons leave open: parts never compared with each other, items without a loss or a win."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ranking.comparisons import ComparisonTable, Indices

_Labels = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Where strengths rest on the prior; item indices ascending. Rows of weight 0 are no comparisons.

    Attributes:
        counts: Comparisons of each item, shape (items,).
        parts: Items that are linked by comparisons, the largest part first; one part is the sound case.
        undefeated: Items that won all their comparisons outright.
        winless: Items that lost all their comparisons outright.
    """

    counts: npt.NDArray[np.int64]
    parts: tuple[tuple[int, ...], ...]
    undefeated: tuple[int, ...]
    winless: tuple[int, ...]


def diagnose(table: ComparisonTable) -> Diagnosis:
    """Find what the comparisons leave open; without a prior no strengths would exist there."""
    size = len(table.items)
    left, right, outcome = table.left, table.right, table.outcome
    if not table.has_unit_weights:
        has_mass = table.weight > 0.0
        left, right, outcome = left[has_mass], right[has_mass], outcome[has_mass]
    counts = np.bincount(left, minlength=size) + np.bincount(right, minlength=size)
    beaten = np.bincount(left[outcome < 1.0], minlength=size) + np.bincount(
        right[outcome > 0.0], minlength=size
    )
    won = np.bincount(left[outcome > 0.0], minlength=size) + np.bincount(right[outcome < 1.0], minlength=size)
    return Diagnosis(
        counts=counts.astype(np.int64, copy=False),
        parts=_group(_label_parts(size, left, right)),
        undefeated=tuple(np.flatnonzero((counts > 0) & (beaten == 0)).tolist()),
        winless=tuple(np.flatnonzero((counts > 0) & (won == 0)).tolist()),
    )


def _label_parts(size: int, left: Indices, right: Indices) -> _Labels:
    """Return for each item the least item of its part, shape (size,).

    Every round hooks roots under lower roots they are compared with, then lets each item point at its root;
    rows inside one part are dropped.

    Source:
        Shiloach and Vishkin 1982.
    """
    labels = np.arange(size)
    while True:
        one, other = labels[left], labels[right]
        is_across = one != other
        if not is_across.any():
            return labels
        left, right = left[is_across], right[is_across]
        one, other = one[is_across], other[is_across]
        np.minimum.at(labels, np.maximum(one, other), np.minimum(one, other))
        while True:
            roots = labels[labels]
            if (roots == labels).all():
                break
            labels = roots


def _group(labels: _Labels) -> tuple[tuple[int, ...], ...]:
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    parts = [tuple(part.tolist()) for part in np.split(order, starts)]
    return tuple(sorted(parts, key=lambda part: (-len(part), part[0])))
