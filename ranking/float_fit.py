"""Bradley-Terry strengths of a round by Newton's method, with and without each judge.

The posterior is the canonical engine's (`ranking.solver`): verdicts under their judges' weights and offsets,
half a win shared for each author, and a win and a loss of every class against an anchor of strength 1. It
is strictly log-concave: there is one maximum, and the canonical sweeps end close to it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ranking.float_reputation import Terms
from ranking.float_round import Booleans, Floats, Games, Integers, Layout, make_layout

_STEPS_MAX: Final = 100
_TOLERANCE_NATS: Final = 1e-3
"""A step this small is the last: Newton's next one would be about its square."""
_TOLERANCE_WITHOUT_NATS: Final = 0.1
"""The same without each judge, where a hundredth of a nat is far below the spread between judges."""
_SAFE_STEP_NATS: Final = 0.75
"""A step that moves no strength by more climbs, whatever the games are; longer ones are cut to this."""
_AUTHOR_WINS: Final = 0.5
MASSES_MAX: Final = 1 << 21
"""Most masses of seats held at a time, 8 bytes each."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Strengths of a round.

    Attributes:
        strengths: Log-strength of each class, nats, 0 = the anchor's, shape (classes,).
        without: The same without each seat's verdicts and its vote as an author, shape (seats, classes).
        is_judge: Whether each seat has positive mass in verdicts, shape (seats,).
    """

    strengths: Floats
    without: Floats
    is_judge: Booleans


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Rows of a layout, once for each distinct offset.

    Attributes:
        layout: The rows.
        lifts: Minus the offset in favour of the lower class, nats, shape (cells,).
        low: Lower class of each, shape (cells,).
        high: Higher class of each, shape (cells,).
        place: Cell of each verdict, shape (verdicts,).
        neutral: First of the cells under offset 0.
    """

    layout: Layout
    lifts: Floats
    low: Integers
    high: Integers
    place: Integers
    neutral: int


@dataclass(frozen=True, slots=True, eq=False)
class _Masses:
    """Games by cell, seen from the lower class.

    Attributes:
        won: Mass that the lower class won, shape (..., cells).
        played: Mass played, the same shape.
    """

    won: Floats
    played: Floats


def fit_round(games: Games, terms: Terms, *, masses_max: int = MASSES_MAX) -> Fit:
    """Fit a round's strengths, then those without each seat.

    Args:
        games: The round.
        terms: What is assumed of its judges.
        masses_max: Most masses of seats to hold at a time; the seats that fit are refitted together.
    """
    seats, classes = len(games.peers), games.classes
    cells = _make_cells(games, terms)
    played = terms.weights[games.judge]
    verdicts = _Masses(
        played * np.where(games.left < games.right, games.outcome, 1.0 - games.outcome), played
    )
    author_wins = terms.weights * (_AUTHOR_WINS / max(classes - 1, 1))
    total = _gather_total(games, cells, verdicts, author_wins)
    strengths = _maximise(total, cells, _TOLERANCE_NATS, _make_start(total, cells))
    step = max(masses_max // len(cells.lifts), 1)
    without = np.empty((seats, classes))
    for first in range(0, seats, step):
        last = min(first + step, seats)
        part = _gather_seats(games, cells, verdicts, author_wins, first, last)
        rest = _Masses(total.won - part.won, total.played - part.played)
        without[first:last] = _maximise(rest, cells, _TOLERANCE_WITHOUT_NATS, strengths)
    is_judge = np.bincount(games.judge, minlength=seats) > 0
    return Fit(strengths, without, is_judge & (terms.weights > 0.0))


def _make_cells(games: Games, terms: Terms) -> _Cells:
    layout = make_layout(games.classes)
    rows = layout.rows
    is_low = games.left < games.right
    row = layout.row[games.left, games.right]
    if not (terms.own.any() or terms.side.any()):
        return _Cells(layout, np.zeros(rows), layout.low, layout.high, row, 0)
    offset = terms.side[games.judge] + games.own_sign * terms.own[games.judge]
    offset = np.append(np.where(is_low, offset, -offset), 0.0)
    offsets, block = np.unique(offset, return_inverse=True)
    return _Cells(
        layout=layout,
        lifts=np.repeat(-offsets, rows),
        low=np.tile(layout.low, len(offsets)),
        high=np.tile(layout.high, len(offsets)),
        place=block[:-1] * rows + row,
        neutral=int(block[-1]) * rows,
    )


def _gather_total(games: Games, cells: _Cells, verdicts: _Masses, author_wins: Floats) -> _Masses:
    """Return the masses of all seats, and a game won and one lost of each class against the anchor."""
    size, layout = len(cells.lifts), cells.layout
    by_class = _sum_by(games.owned, author_wins, games.classes + 1)
    neutral = slice(cells.neutral, cells.neutral + layout.rows)
    anchors = slice(cells.neutral + layout.pairs, cells.neutral + layout.rows)
    won = _sum_by(cells.place, verdicts.won, size)
    won[neutral] += by_class @ layout.author_wins
    won[anchors] = 1.0
    played = _sum_by(cells.place, verdicts.played, size)
    played[neutral] += by_class @ layout.author_games
    played[anchors] = 2.0
    return _Masses(won, played)


def _gather_seats(
    games: Games, cells: _Cells, verdicts: _Masses, author_wins: Floats, first: int, last: int
) -> _Masses:
    """Return the masses of each seat of a span, shape (last - first, cells)."""
    size, layout = len(cells.lifts), cells.layout
    shape, length = (last - first, size), (last - first) * size
    span = slice(*games.judge.searchsorted((first, last)))
    place = (games.judge[span] - first) * size + cells.place[span]
    wins, owned = author_wins[first:last, None], games.owned[first:last]
    neutral = slice(cells.neutral, cells.neutral + layout.rows)
    won = _sum_by(place, verdicts.won[span], length).reshape(shape)
    won[:, neutral] += wins * layout.author_wins[owned]
    played = _sum_by(place, verdicts.played[span], length).reshape(shape)
    played[:, neutral] += wins * layout.author_games[owned]
    return _Masses(won, played)


def _sum_by(places: Integers, values: Floats, length: int) -> Floats:
    """Return the sum of the values at each place, shape (length,)."""
    # Where there are none, bincount counts in integers.
    return np.bincount(places, values, length).astype(np.float64, copy=False)


def _make_start(total: _Masses, cells: _Cells) -> Floats:
    """Return the log-odds of each class's mass won, whoever it played."""
    balance = _spread(2.0 * total.won - total.played, cells) * cells.layout.sign
    games = _spread(total.played, cells)
    start: Floats = np.log((games + balance).sum(axis=-1) / (games - balance).sum(axis=-1))
    return start


def _maximise(masses: _Masses, cells: _Cells, tolerance: float, start: Floats) -> Floats:
    """Return the log-strengths that maximise the posterior.

    Args:
        masses: All games, the anchor's included, shape (..., cells).
        cells: What they are games of.
        tolerance: Largest last step, nats.
        start: Log-strengths to begin with, shape (classes,).

    Returns:
        Shape (..., classes).
    """
    classes = len(start)
    # The anchor, the last, stays at 0.
    strengths = np.zeros((*masses.won.shape[:-1], classes + 1))
    strengths[..., :-1] = start
    for _ in range(_STEPS_MAX):
        gradient, curvature = _evaluate(masses, cells, strengths)
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        largest = float(np.abs(step).max())
        if largest > _SAFE_STEP_NATS:
            lengths = np.abs(step).max(axis=-1, keepdims=True)
            step *= _SAFE_STEP_NATS / np.maximum(lengths, _SAFE_STEP_NATS)
        strengths[..., :-1] += step
        if largest < tolerance:
            break
    return strengths[..., :-1]


def _evaluate(masses: _Masses, cells: _Cells, strengths: Floats) -> tuple[Floats, Floats]:
    """Return the log-posterior's gradient and minus its Hessian at log-strengths, the anchor's last.

    Returns:
        Shapes (..., classes) and (..., classes, classes).
    """
    gaps = strengths.take(cells.low, axis=-1)
    gaps -= strengths.take(cells.high, axis=-1)
    chances = 1.0 / (1.0 + np.exp(cells.lifts - gaps))
    expected = masses.played * chances
    gradient = (_spread(masses.won - expected, cells) * cells.layout.sign).sum(axis=-1)
    expected -= expected * chances
    curvature = _spread(expected, cells)
    diagonal = curvature.sum(axis=-1)
    np.negative(curvature, out=curvature)
    # The anchor's information, so far on the diagonal, is a part of the sum that takes its place.
    curvature.reshape(*diagonal.shape[:-1], -1)[..., :: diagonal.shape[-1] + 1] = diagonal
    return gradient, curvature


def _spread(values: Floats, cells: _Cells) -> Floats:
    """Lay values of cells out by the two classes they are of, shape (..., classes, classes).

    Cells that differ by offset only are summed; those against the anchor stand on the diagonal. Gathering
    is done without matrix products: libraries for those wake threads that cost more than they save here.
    """
    layout = cells.layout
    if values.shape[-1] > layout.rows:
        values = values.reshape(*values.shape[:-1], -1, layout.rows).sum(axis=-2)
    return values.take(layout.row, axis=-1)
