"""The canonical solver: Newman's iteration for Bradley-Terry strengths, in Python integers.

The integers are those of `protocol.md`, "Scores and decision". Only the order of exact operations is
chosen for speed:

- masses of equal (pair, offset) are summed over judges before anything is iterated;
- each class's row holds flat tuples; no look-up by key happens inside a sweep;
- the commonest mass of a row (as a rule the author prior, which meets every pair) is factored out of
  its sum, and only the cells that differ from it are visited one by one;
- a sweep that changes nothing ends the fit: all later sweeps would change nothing either.

Source: M. E. J. Newman, "Efficient computation of rankings from pairwise comparisons", JMLR 24 (2023).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter, mul
from typing import Final

from ranking.ballots import Cell, Masses
from ranking.tables import EXP, LOG, OFFSET_MAX

SWEEPS: Final = 40
SWEEPS_WARM: Final = 8
"""Sweeps of a refit of at most CLASSES_FEW classes: there ties are likely, and must come out exact."""
SWEEPS_WARM_MANY: Final = 4
"""Sweeps of a refit of more classes; P(best) moves by less than .001 (docs/adr/0017)."""
CLASSES_FEW: Final = 8
STRENGTH_ONE: Final = 1 << 32
"""Strength 1 in Q32: where every class starts, and the anchor's for ever."""
STRENGTH_MIN: Final = 1 << 16
STRENGTH_MAX: Final = 1 << 48
_RECIPROCAL: Final = 1 << 96
_LN2_Q24: Final = 11629080
_Pick = Callable[[list[int]], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Row:
    """One class's side of its cells, ready for a sweep.

    Attributes:
        pick: Takes the opponents' strengths, as this class sees them, out of the slots.
        mirrors: (slot, EXP factor): where others read this class's strength under an offset.
        win, loss: Masses taken as common to every column.
        corrections: (column, win - common, loss - common) where a column differs.
    """

    pick: _Pick
    mirrors: tuple[tuple[int, int], ...]
    win: int
    loss: int
    corrections: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Slots:
    """Working state: strengths by class, the anchor, then strengths under an offset, all Q32."""

    classes: int
    values: list[int]

    def copy(self) -> "Slots":
        """Return an independent copy, the start of a warm refit."""
        return Slots(self.classes, self.values.copy())

    def get_strengths(self) -> tuple[int, ...]:
        """Return the strength of each class, Q32."""
        return tuple(self.values[: self.classes])


def _sweep(rows: Sequence[_Row], values: list[int]) -> None:
    """Update every class once, in ascending order, each from the newest strengths of the others."""
    for index, row in enumerate(rows):
        strength = values[index]
        seen = row.pick(values)
        shares = [_RECIPROCAL // (strength + other) for other in seen]
        gains = list(map(mul, seen, shares))
        won, lost = row.win * sum(gains), row.loss * sum(shares)
        for column, win, loss in row.corrections:
            won += win * gains[column]
            lost += loss * shares[column]
        # The anchor's loss mass keeps `lost` positive, whatever the ballots.
        _store(row, index, won // lost, values)


def _rescale(rows: Sequence[_Row], values: list[int]) -> None:
    """Move all strengths by one common factor towards where wins and losses against the anchor balance.

    Without this step the common scale does not settle in 40 sweeps.
    """
    strengths = values[: len(rows)]
    shares = [_RECIPROCAL // (strength + STRENGTH_ONE) for strength in strengths]
    numerator = sum(shares) << 32
    denominator = sum(map(mul, strengths, shares))
    for index, row in enumerate(rows):
        _store(row, index, strengths[index] * numerator // denominator, values)


def _store(row: _Row, index: int, strength: int, values: list[int]) -> None:
    if strength < STRENGTH_MIN:
        strength = STRENGTH_MIN
    elif strength > STRENGTH_MAX:
        strength = STRENGTH_MAX
    values[index] = strength
    for slot, factor in row.mirrors:
        values[slot] = strength * factor >> 32


class Table:
    """The cells of one fit laid out in rows; refits without some of the mass share the layout.

    Args:
        classes: Number of classes, at least 1.
        total: Cells summed over judges; every later `removed` must be a part of it.
    """

    __slots__ = ("_common", "_losses", "_mirrors", "_picks", "_places", "_wins", "classes", "slot_count")

    def __init__(self, classes: int, total: Masses) -> None:
        self.classes = classes
        slots = {(index, 0): index for index in range(classes)}
        columns: list[list[int]] = [[classes] for _ in range(classes)]
        # The anchor: one game won and one lost, Q32, against strength 1.
        self._wins: list[list[int]] = [[STRENGTH_ONE] for _ in range(classes)]
        self._losses: list[list[int]] = [[STRENGTH_ONE] for _ in range(classes)]
        self._mirrors: list[list[tuple[int, int]]] = [[] for _ in range(classes)]
        self._places: dict[Cell, tuple[int, int]] = {}
        self.slot_count = classes + 1
        for cell in sorted(total):
            low, high, offset = cell
            self._places[cell] = (len(columns[low]), len(columns[high]))
            columns[low].append(self._get_slot(slots, high, -offset))
            columns[high].append(self._get_slot(slots, low, offset))
            win, loss = total[cell]
            self._wins[low].append(win)
            self._losses[low].append(loss)
            self._wins[high].append(loss)
            self._losses[high].append(win)
        self._picks = [_make_pick(row, classes) for row in columns]
        # Kept for refits too: taking one judge out changes few columns, but for its own class's row.
        self._common = [
            (_get_commonest(row_wins), _get_commonest(row_losses))
            for row_wins, row_losses in zip(self._wins, self._losses, strict=True)
        ]

    def _get_slot(self, slots: dict[tuple[int, int], int], index: int, offset: int) -> int:
        """Return the slot of a class under an offset, made at its first use."""
        slot = slots.get((index, offset))
        if slot is None:
            slot = slots[index, offset] = self.slot_count
            self._mirrors[index].append((slot, EXP[OFFSET_MAX + offset]))
            self.slot_count += 1
        return slot

    def _make_rows(self, removed: Iterable[tuple[Cell, tuple[int, int]]]) -> list[_Row]:
        wins = [row.copy() for row in self._wins]
        losses = [row.copy() for row in self._losses]
        for cell, (win, loss) in removed:
            at_low, at_high = self._places[cell]
            wins[cell.low][at_low] -= win
            losses[cell.low][at_low] -= loss
            wins[cell.high][at_high] -= loss
            losses[cell.high][at_high] -= win
        return [
            _make_row(self._picks[index], self._mirrors[index], self._common[index], row_wins, row_losses)
            for index, (row_wins, row_losses) in enumerate(zip(wins, losses, strict=True))
        ]

    def fit(self) -> Slots:
        """Run the full fit from equal strengths."""
        rows = self._make_rows(())
        values = [STRENGTH_ONE] * self.slot_count
        for index, row in enumerate(rows):
            _store(row, index, STRENGTH_ONE, values)
        return self._iterate(rows, Slots(self.classes, values), SWEEPS)

    def refit(self, start: Slots, removed: Masses) -> Slots:
        """Run a warm refit without `removed`.

        Args:
            start: Where the full fit ended; left as it is.
            removed: Cells to take out, each at most what the table holds.
        """
        sweeps = SWEEPS_WARM if self.classes <= CLASSES_FEW else SWEEPS_WARM_MANY
        return self._iterate(self._make_rows(removed.items()), start.copy(), sweeps)

    def _iterate(self, rows: Sequence[_Row], slots: Slots, sweeps: int) -> Slots:
        for _ in range(sweeps):
            before = slots.values[: self.classes]
            _sweep(rows, slots.values)
            _rescale(rows, slots.values)
            if slots.values[: self.classes] == before:
                break
        return slots


def _make_pick(columns: Sequence[int], anchor: int) -> _Pick:
    # An itemgetter of one slot returns a bare value: a class without games reads the anchor twice.
    return itemgetter(*columns) if len(columns) > 1 else itemgetter(anchor, anchor)


def _make_row(
    pick: _Pick,
    mirrors: Sequence[tuple[int, int]],
    common: tuple[int, int],
    wins: Sequence[int],
    losses: Sequence[int],
) -> _Row:
    # A class without games is picked twice (see `_make_pick`), so nothing may be common to its columns.
    win, loss = common if len(wins) > 1 else (0, 0)
    corrections = tuple(
        [
            (column, column_win - win, column_loss - loss)
            for column, (column_win, column_loss) in enumerate(zip(wins, losses, strict=True))
            if column_win != win or column_loss != loss
        ]
    )
    return _Row(pick, tuple(mirrors), win, loss, corrections)


def _get_commonest(masses: list[int]) -> int:
    """Return the mass that occurs most often, the first such; any choice gives the same sums."""
    return Counter(masses).most_common(1)[0][0]


def compute_log_strength(strength: int) -> int:
    """Return the natural logarithm of a Q32 strength, in Q16 nats, from the table by linear steps.

    Args:
        strength: Q32, STRENGTH_MIN..STRENGTH_MAX.

    Returns:
        Q16 nats, within 2^-15 of the true logarithm and never falling as `strength` rises.
    """
    exponent = strength.bit_length() - 1
    mantissa = ((strength << 32) >> exponent) - STRENGTH_ONE
    knot, gap = mantissa >> 24, mantissa & 0xFFFFFF
    fine = LOG[knot] + ((LOG[knot + 1] - LOG[knot]) * gap >> 24) + (exponent - 32) * _LN2_Q24
    return fine >> 8


def compute_log_strengths(slots: Slots) -> tuple[int, ...]:
    """Return the logarithm of every class's strength, Q16 nats."""
    return tuple(map(compute_log_strength, slots.get_strengths()))
