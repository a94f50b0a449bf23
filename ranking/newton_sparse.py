"""Games as a list of rows: any number of items, offsets, and perhaps a leaning of each judge to fit."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from ranking.comparisons import Floats, Indices
from ranking.newton import Slope, make_start

BLOCK_ROWS: Final = 1 << 16
"""Rows worked on at a time: what a core's second cache holds with its temporaries."""

MERGE_ROWS_MIN: Final = 1 << 16
"""Fewer rows are not worth merging."""
MERGE_FACTOR_MIN: Final = 3.0
"""Rows for each pair from which sorting them costs less than visiting them all in every step."""
SAMPLE_ROWS: Final = 1 << 14

_Positions = npt.NDArray[np.intp]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Games, one row each: the left item won `share` of `mass` against the right one.

    Attributes:
        items: Number of items.
        parameters: Items, and judges whose leaning is a parameter.
        left: Item on the left, shape (rows,) int32.
        right: Item on the right, shape (rows,) int32.
        share: 0..1, shape (rows,) float64.
        mass: At least 0, shape (rows,) float64; None is 1 for all.
        offset: Known advantage of the left item, nats, shape (rows,) float64; None is 0 for all.
        judge: Judge index of each row, shape (rows,) int32, if leanings are parameters, else None.
    """

    items: int
    parameters: int
    left: Indices
    right: Indices
    share: Floats
    mass: Floats | None
    offset: Floats | None
    judge: Indices | None

    def __len__(self) -> int:
        return len(self.left)

    def take(self, order: Labels) -> "Rows":
        """Return some of the rows, in a given order."""
        return replace(
            self,
            left=self.left[order],
            right=self.right[order],
            share=self.share[order],
            mass=None if self.mass is None else self.mass[order],
            offset=None if self.offset is None else self.offset[order],
            judge=None if self.judge is None else self.judge[order],
        )


def _count_pairs_roughly(rows: Rows) -> float:
    """Return how many pairs there are, from how often two rows of a regular sample share one.

    Pairs met unequally often make it an underestimate.
    """
    step = max(1, len(rows) // SAMPLE_ROWS)
    keys = np.sort(_make_keys(rows.left[::step], rows.right[::step], rows.items))
    runs = np.diff(np.flatnonzero(np.diff(keys, prepend=-1, append=-1)))
    shared = float((runs * (runs - 1.0)).sum())
    return len(keys) * (len(keys) - 1.0) / shared if shared else math.inf


def _make_keys(left: Indices, right: Indices, items: int) -> Labels:
    """Return one number a pair, the same whichever item is on the left."""
    return np.minimum(left, right).astype(np.int64) * items + np.maximum(left, right)


def merge_rows(rows: Rows) -> Rows:
    """Return rows with the same likelihood, one a pair, where that leaves far fewer; else the same rows.

    Rows with offsets or judges stay: those of one pair differ.
    """
    if rows.offset is not None or rows.judge is not None or len(rows) < MERGE_ROWS_MIN:
        return rows
    if len(rows) < MERGE_FACTOR_MIN * _count_pairs_roughly(rows):
        return rows
    keys = _make_keys(rows.left, rows.right, rows.items)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    mass = np.ones(len(rows)) if rows.mass is None else rows.mass[order]
    share = rows.share[order]
    low_share = np.where(rows.left[order] < rows.right[order], share, 1.0 - share)
    total = np.add.reduceat(mass, starts)
    won = np.add.reduceat(mass * low_share, starts)
    low, high = np.divmod(keys[starts], rows.items)
    return replace(
        rows,
        left=low.astype(np.int32),
        right=high.astype(np.int32),
        share=np.divide(won, total, out=np.full(len(total), 0.5), where=total > 0.0),
        mass=total,
    )


@dataclass(frozen=True, slots=True)
class _Block:
    """A run of rows with the parameters that enter their logits: plus, minus, and perhaps a leaning."""

    span: "slice[int, int, None]"
    left: _Positions
    right: _Positions
    leaning: _Positions | None

    def take(self, point: Floats) -> Floats:
        """Return each row's logit without offsets, shape (rows,), a fresh array."""
        logit = point.take(self.left)
        logit -= point.take(self.right)
        if self.leaning is not None:
            logit += point.take(self.leaning)
        return logit

    def add(self, total: Floats, pull: Floats) -> None:
        """Add each row's pull to the parameters of its logit, with their signs."""
        size = len(total)
        total += np.bincount(self.left, pull, size)
        total -= np.bincount(self.right, pull, size)
        if self.leaning is not None:
            total += np.bincount(self.leaning, pull, size)

    def add_squares(self, total: Floats, weight: Floats) -> None:
        """Add each row's weight to the parameters of its logit."""
        size = len(total)
        for index in (self.left, self.right, self.leaning):
            if index is not None:
                total += np.bincount(index, weight, size)


def _split(rows: Rows) -> Iterator[_Block]:
    # A block costs a few passes over all parameters, so it never has fewer rows than those.
    length = max(BLOCK_ROWS, rows.parameters)
    for first in range(0, len(rows), length):
        span = slice(first, first + length)
        leaning = None if rows.judge is None else rows.judge[span].astype(np.intp) + rows.items
        yield _Block(span, rows.left[span].astype(np.intp), rows.right[span].astype(np.intp), leaning)


def compute_probability(logit: Floats) -> Floats:
    """Return 1 / (1 + e^-logit), elementwise, in place; huge logits saturate."""
    np.negative(logit, out=logit)
    np.minimum(logit, 700.0, out=logit)
    np.exp(logit, out=logit)
    logit += 1.0
    return np.reciprocal(logit, out=logit)


@dataclass(frozen=True, slots=True)
class Pulls:
    """What rows say at a point: mass (share - p), and the weight mass p (1 - p), shape (rows,) each."""

    pull: Floats
    weight: Floats


def _compute_block_pulls(rows: Rows, block: _Block, point: Floats) -> Pulls:
    logit = block.take(point)
    if rows.offset is not None:
        logit += rows.offset[block.span]
    expected = compute_probability(logit)
    pull = rows.share[block.span] - expected
    expected -= expected * expected
    if rows.mass is not None:
        pull *= rows.mass[block.span]
        expected *= rows.mass[block.span]
    return Pulls(pull, expected)


def compute_pulls(rows: Rows, point: Floats) -> Pulls:
    """Return what each row says at a point of shape (parameters,)."""
    pull, weight = np.empty(len(rows)), np.empty(len(rows))
    for block in _split(rows):
        found = _compute_block_pulls(rows, block, point)
        pull[block.span], weight[block.span] = found.pull, found.weight
    return Pulls(pull, weight)


def sum_matrices(rows: Rows, weight: Floats, group: Labels | None = None, groups: int = 1) -> Floats:
    """Return the curvature of each group of rows in full, shape (groups, parameters, parameters).

    Args:
        rows: Games.
        weight: Of each row, shape (rows,).
        group: Group of each row, shape (rows,), 0..groups-1; None is one group.
        groups: Number of groups.
    """
    size, cells = rows.parameters, groups * rows.parameters**2
    half = np.zeros(cells)
    for block in _split(rows):
        base = 0 if group is None else group[block.span] * size**2
        mass = weight[block.span]
        half -= np.bincount(base + block.left * size + block.right, mass, cells)
        if block.leaning is not None:
            half += np.bincount(base + block.left * size + block.leaning, mass, cells)
            half -= np.bincount(base + block.right * size + block.leaning, mass, cells)
        for index in (block.left, block.right, block.leaning):
            if index is not None:
                half += np.bincount(base + index * (size + 1), 0.5 * mass, cells)
    matrices = half.reshape(groups, size, size)
    return matrices + matrices.transpose(0, 2, 1)


@dataclass(frozen=True, slots=True)
class RowCurvature:
    """Minus the Hessian of a list of rows.

    Attributes:
        rows: The games.
        weight: mass p (1 - p) of each row, shape (rows,).
        diagonal: Shape (parameters,).
    """

    rows: Rows
    weight: Floats
    diagonal: Floats

    def get_diagonal(self) -> Floats:
        """Return the diagonal, shape (parameters,)."""
        return self.diagonal

    def multiply(self, vector: Floats) -> Floats:
        """Return the product with a vector of shape (parameters,)."""
        product = np.zeros(self.rows.parameters)
        for block in _split(self.rows):
            change = block.take(vector)
            change *= self.weight[block.span]
            block.add(product, change)
        return product

    def compute_matrix(self) -> Floats:
        """Return it in full, shape (parameters, parameters)."""
        matrix: Floats = sum_matrices(self.rows, self.weight)[0]
        return matrix


@dataclass(frozen=True, slots=True)
class RowLikelihood:
    """The log-likelihood of a list of rows."""

    rows: Rows

    def make_start(self) -> Floats:
        """Return log-odds of the mass won by each item, and leanings of 0, shape (parameters,)."""
        rows = self.rows
        won, played = np.zeros(rows.parameters), np.zeros(rows.parameters)
        for block in _split(replace(rows, judge=None)):
            mass = np.ones(len(block.left)) if rows.mass is None else rows.mass[block.span]
            win = rows.share[block.span] * mass
            block.add(won, win)
            block.add_squares(played, mass)
            won += np.bincount(block.right, mass, len(won))
        start = np.zeros(rows.parameters)
        start[: rows.items] = make_start(won[: rows.items], played[: rows.items])
        return start

    def evaluate(self, point: Floats) -> Slope:
        """Return gradient and curvature at a point of shape (parameters,)."""
        rows = self.rows
        gradient, diagonal = np.zeros(rows.parameters), np.zeros(rows.parameters)
        weight = np.empty(len(rows))
        for block in _split(rows):
            found = _compute_block_pulls(rows, block, point)
            weight[block.span] = found.weight
            block.add(gradient, found.pull)
            block.add_squares(diagonal, found.weight)
        return Slope(gradient, RowCurvature(rows, weight, diagonal))
