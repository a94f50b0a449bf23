"""A table of comparisons by many judges, checked once: what the float engine fits.

Rows are columns of flat arrays, so that 10^7 of them are read, checked and fitted without a Python object
a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

ITEMS_MAX: Final = 1_000_000
JUDGES_MAX: Final = 1_000_000
ROWS_MAX: Final = 50_000_000
"""Most comparisons of a table: 28 bytes a row, 1.4 GB."""
WEIGHT_MAX: Final = 1e12
"""Largest weight of a row; with more, float64 no longer sees a row of weight 1 beside it."""

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]
NumbersLike = Floats | npt.NDArray[np.float32 | np.int64 | np.int32 | np.int8 | np.bool_] | Sequence[float]
IndicesLike = Indices | npt.NDArray[np.int64 | np.int16 | np.uint8] | Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComparisonTable:
    """Comparisons as columns; made by `create_table`, which checks them.

    Equal rows are separate pieces of evidence and add up. A row of weight 0 is kept and has no mass: it
    moves no strength, but its judge and items are part of the table.

    Attributes:
        items: Names of what is ranked, by item index.
        judges: Names of the judges, by judge index.
        judge: Judge of each row, shape (rows,) int32, read-only like all arrays here.
        left: Item shown on the left, shape (rows,) int32.
        right: Item shown on the right, shape (rows,) int32; never the left one.
        outcome: How far the left item won, 0..1, shape (rows,) float64; .5 is a tie.
        weight: Mass of the row, 0..WEIGHT_MAX, shape (rows,) float64. A table made without weights holds
            one 1.0, repeated without memory.
    """

    items: tuple[str, ...]
    judges: tuple[str, ...]
    judge: Indices
    left: Indices
    right: Indices
    outcome: Floats
    weight: Floats

    @property
    def rows(self) -> int:
        """Number of comparisons."""
        return len(self.left)

    @property
    def has_unit_weights(self) -> bool:
        """Whether the table was made without weights."""
        return self.weight.strides == (0,)


def _check_names(names: tuple[str, ...], noun: str, count_max: int) -> None:
    if not names:
        raise ValueError(f"expected at least one {noun}, got none")
    if len(names) > count_max:
        raise ValueError(f"expected at most {count_max} {noun}s, got {len(names)}")
    if len(set(names)) == len(names):
        return
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            raise ValueError(f"{noun}s {first[name]} and {index} are both named {name!r}, expected two names")


def _freeze_floats(values: NumbersLike, name: str) -> Floats:
    """Return a read-only float64 view, copied only where the type differs."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "fiub"):
        raise ValueError(f"{name}: expected numbers, one a row, got {array.dtype} of {array.ndim} dimensions")
    frozen = np.ascontiguousarray(array, dtype=np.float64).view()
    frozen.flags.writeable = False
    return frozen


def _freeze_indices(values: IndicesLike, name: str, noun: str, count: int) -> Indices:
    """Return a read-only int32 view of indices in 0..count-1, copied only where the type differs."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{name}: expected indices, one a row, got {array.dtype} of {array.ndim} dimensions")
    if array.size and not (array.min() >= 0 and array.max() < count):
        row = int(np.argmax((array < 0) | (array >= count)))
        raise ValueError(f"row {row}: {name} is unknown {noun} {array[row]}, expected 0..{count - 1}")
    frozen = np.ascontiguousarray(array, dtype=np.int32).view()
    frozen.flags.writeable = False
    return frozen


def _check_rows(left: Indices, right: Indices, outcome: Floats) -> None:
    same = left == right
    if same.any():
        row = int(np.argmax(same))
        raise ValueError(f"row {row}: item {left[row]} is compared with itself, expected two items")
    # A NaN is the least and the largest, so it fails both comparisons.
    if outcome.size and not (outcome.min() >= 0.0 and outcome.max() <= 1.0):
        row = int(np.argmax(~((outcome >= 0.0) & (outcome <= 1.0))))
        raise ValueError(f"row {row}: outcome is {outcome[row]}, expected 0..1")


def _freeze_weights(weight: NumbersLike | None, rows: int) -> Floats:
    if weight is None:
        return np.broadcast_to(np.float64(1.0), (rows,))
    frozen = _freeze_floats(weight, "weight")
    if frozen.size and not (frozen.min() >= 0.0 and frozen.max() <= WEIGHT_MAX):
        row = int(np.argmax(~((frozen >= 0.0) & (frozen <= WEIGHT_MAX))))
        raise ValueError(f"row {row}: weight is {frozen[row]}, expected 0..{WEIGHT_MAX:g}")
    return frozen


def _create(
    items: Sequence[str],
    judges: Sequence[str],
    judge: IndicesLike,
    left: IndicesLike,
    right: IndicesLike,
    outcome: NumbersLike,
    weight: NumbersLike | None,
) -> ComparisonTable:
    item_names, judge_names = tuple(items), tuple(judges)
    # 1. Sizes, before anything is converted.
    lengths = {"judge": len(judge), "left": len(left), "right": len(right), "outcome": len(outcome)}
    if weight is not None:
        lengths["weight"] = len(weight)
    rows = len(left)
    if any(length != rows for length in lengths.values()):
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"expected columns of one length, got {found}")
    if rows > ROWS_MAX:
        raise ValueError(f"expected at most {ROWS_MAX} comparisons, got {rows}")
    _check_names(item_names, "item", ITEMS_MAX)
    _check_names(judge_names, "judge", JUDGES_MAX)
    # 2. Columns.
    table = ComparisonTable(
        items=item_names,
        judges=judge_names,
        judge=_freeze_indices(judge, "judge", "judge", len(judge_names)),
        left=_freeze_indices(left, "left", "item", len(item_names)),
        right=_freeze_indices(right, "right", "item", len(item_names)),
        outcome=_freeze_floats(outcome, "outcome"),
        weight=_freeze_weights(weight, rows),
    )
    # 3. Rows.
    _check_rows(table.left, table.right, table.outcome)
    return table


def create_table(
    *,
    items: Sequence[str],
    judges: Sequence[str],
    judge: IndicesLike,
    left: IndicesLike,
    right: IndicesLike,
    outcome: NumbersLike,
    weight: NumbersLike | None = None,
) -> ComparisonTable:
    """Make a table of comparisons and check every row.

    Whether a judge compares its own answer is not checked: a table does not know who authored an item.

    Args:
        items: Names of what is ranked, each once, at most ITEMS_MAX.
        judges: Names of the judges, each once, at most JUDGES_MAX.
        judge: Judge index of each row, shape (rows,) integer.
        left: Item index shown on the left, shape (rows,) integer.
        right: Item index shown on the right, shape (rows,) integer.
        outcome: How far the left item won, 0..1, shape (rows,); .5 is a tie.
        weight: Mass of each row, 0..WEIGHT_MAX, shape (rows,); None is 1 for all. 0 keeps a row without
            mass.

    Returns:
        The table. Columns that already are int32 or float64 are shared, not copied: the caller must not
        write to them afterwards.

    Raises:
        ValueError: There is no item, judge or row, a name occurs twice, columns differ in length, there
            are too many rows, or a row breaks a bound; the message names the first such row, from 0.
    """
    if not len(left):
        raise ValueError("expected at least one comparison, got none")
    return _create(items, judges, judge, left, right, outcome, weight)


def create_empty_table(*, items: Sequence[str], judges: Sequence[str]) -> ComparisonTable:
    """Make a table without rows: where an adaptive design starts, or a round with one candidate ends.

    Its fit is the prior alone: all strengths 0, all items equally likely to be the best.

    Args:
        items: Names of what is to be ranked, each once, at most ITEMS_MAX.
        judges: Names of the judges, each once, at most JUDGES_MAX.

    Raises:
        ValueError: There is no item or judge, there are too many, or a name occurs twice.
    """
    return _create(items, judges, [], [], [], [], None)
