"""The float twin of the canonical fit: same model, by Newton's method, with intervals, for display only.

Nothing here is signed or hashed. The posterior maximised is the one whose fixed point the canonical
iteration seeks: weighted Bradley-Terry with offsets, one fictitious win and loss of every class against
an anchor at 0, and the author prior.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ranking.ballots import Comparison, JudgeTerms, Masses, gather_evidence

NEWTON_STEPS_MAX: Final = 100
GRADIENT_TOLERANCE: Final = 1e-10
STEP_MAX_NATS: Final = 2.0
_MASS_ONE: Final = float(1 << 32)
_OFFSET_UNITS_A_NAT: Final = 16.0

_Floats = npt.NDArray[np.float64]
_Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A display fit.

    Attributes:
        log_strengths: By class index, nats, 0 = the anchor's.
        standard_errors: Of the log-strengths, nats, clustered by judge; 0 with fewer than two judges.
        order: Class indices, best first; exact ties by class index (the canonical order hashes them).
        display_p_best: By class index, summing to 1: normal approximation, errors of judges taken as
            independent. Not the certified `p_best_q16`, which is another formula.
    """

    log_strengths: tuple[float, ...]
    standard_errors: tuple[float, ...]
    order: tuple[int, ...]
    display_p_best: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Games:
    """Cells as flat arrays, one entry a cell: indices intp, the rest float64."""

    low: _Indices
    high: _Indices
    offset: _Floats
    win: _Floats
    loss: _Floats


def _make_games(masses: Masses) -> _Games:
    cells = list(masses)
    return _Games(
        low=np.array([cell.low for cell in cells], dtype=np.intp),
        high=np.array([cell.high for cell in cells], dtype=np.intp),
        offset=np.array([cell.offset for cell in cells], dtype=np.float64) / _OFFSET_UNITS_A_NAT,
        win=np.array([mass.win for mass in masses.values()], dtype=np.float64) / _MASS_ONE,
        loss=np.array([mass.loss for mass in masses.values()], dtype=np.float64) / _MASS_ONE,
    )


def _compute_sigmoid(logits: _Floats) -> _Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def _compute_game_gradient(games: _Games, theta: _Floats) -> _Floats:
    """Return the gradient of the games' log-likelihood, shape (classes,)."""
    expected = _compute_sigmoid(theta[games.low] - theta[games.high] + games.offset)
    pull = games.win * (1.0 - expected) - games.loss * expected
    gradient = np.zeros(len(theta))
    np.add.at(gradient, games.low, pull)
    np.subtract.at(gradient, games.high, pull)
    return gradient


def _compute_gradient(games: _Games, theta: _Floats) -> _Floats:
    return _compute_game_gradient(games, theta) + (1.0 - 2.0 * _compute_sigmoid(theta))


def _compute_information(games: _Games, theta: _Floats) -> _Floats:
    """Return minus the Hessian, prior included, shape (classes, classes); positive definite."""
    expected = _compute_sigmoid(theta[games.low] - theta[games.high] + games.offset)
    weight = (games.win + games.loss) * expected * (1.0 - expected)
    anchor = _compute_sigmoid(theta)
    information = np.diag(2.0 * anchor * (1.0 - anchor))
    np.add.at(information, (games.low, games.low), weight)
    np.add.at(information, (games.high, games.high), weight)
    np.add.at(information, (games.low, games.high), -weight)
    np.add.at(information, (games.high, games.low), -weight)
    return information


def _maximise(games: _Games, classes: int) -> _Floats:
    """Return the posterior mode, nats, by Newton's method with a bounded step."""
    theta = np.zeros(classes)
    for _ in range(NEWTON_STEPS_MAX):
        gradient = _compute_gradient(games, theta)
        if float(np.abs(gradient).max()) < GRADIENT_TOLERANCE:
            return theta
        step = np.linalg.solve(_compute_information(games, theta), gradient)
        # The posterior is concave; the bound only keeps the first steps from overshooting its curvature.
        theta = theta + step * min(1.0, STEP_MAX_NATS / max(float(np.abs(step).max()), STEP_MAX_NATS))
    raise ArithmeticError(f"Newton's method did not settle in {NEWTON_STEPS_MAX} steps")


def _compute_covariance(judges: Sequence[_Games], games: _Games, theta: _Floats) -> _Floats:
    """Return the sandwich covariance clustered by judge, shape (classes, classes); 0 below two judges."""
    classes, count = len(theta), len(judges)
    if count < 2:
        return np.zeros((classes, classes))
    scores = np.stack([_compute_game_gradient(judge, theta) for judge in judges])
    # Uncentred, as the canonical jackknife is: deviations from the fit, not from the judges' mean.
    influence = np.linalg.solve(_compute_information(games, theta), scores.T)
    covariance: _Floats = (influence @ influence.T) * (count / (count - 1))
    return covariance


def _compute_display_p_best(theta: _Floats, covariance: _Floats) -> tuple[float, ...]:
    """Return P(each class beats all others), margins taken as normal and independent, scaled to sum 1."""
    classes = len(theta)
    chances: list[float] = []
    for index in range(classes):
        chance = 1.0
        for other in range(classes):
            if other == index:
                continue
            variance = covariance[index, index] + covariance[other, other] - 2 * covariance[index, other]
            spread = math.sqrt(2.0 * max(float(variance), 1e-12))
            chance *= 0.5 * math.erfc(float(theta[other] - theta[index]) / spread)
        chances.append(chance)
    total = math.fsum(chances)
    return tuple(chance / total for chance in chances)


def fit_bradley_terry(
    *,
    authors: Sequence[Sequence[int]],
    comparisons: Sequence[Comparison],
    terms: Mapping[int, JudgeTerms] | None = None,
) -> Fit:
    """Fit weighted MAP Bradley-Terry in float64, with errors clustered by judge.

    Args:
        authors: Seats of each class, by class index.
        comparisons: Verdicts in any order.
        terms: Seat -> its terms; defaults where a seat is not named.

    Returns:
        The fit, for display.

    Raises:
        ValueError: A seat, class, outcome or weight is out of bounds.
        ArithmeticError: Newton's method did not settle; the posterior is strictly concave, so this
            means weights beyond what float64 can hold apart.

    Source:
        Bradley and Terry 1952; sandwich: Huber 1967, clustered as in Liang and Zeger 1986.
    """
    evidence = gather_evidence(authors=authors, comparisons=comparisons, terms=terms)
    games = _make_games(evidence.compute_total())
    theta = _maximise(games, evidence.classes)
    judges = [_make_games(evidence.by_judge[judge]) for judge in evidence.judges]
    covariance = _compute_covariance(judges, games, theta)
    strengths = tuple(float(value) for value in theta)
    return Fit(
        log_strengths=strengths,
        standard_errors=tuple(math.sqrt(max(float(value), 0.0)) for value in np.diag(covariance)),
        order=tuple(sorted(range(evidence.classes), key=lambda index: (-strengths[index], index))),
        display_p_best=_compute_display_p_best(theta, covariance),
    )
