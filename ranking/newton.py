"""Newton's method for strictly concave posteriors of logistic games, with direct or conjugate-gradient steps.

The likelihood is anything that gives its gradient and curvature at a point: `newton_dense` holds a matrix of
pairs, `newton_sparse` a list of rows. numpy only.
"""

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from ranking.comparisons import Floats

NEWTON_STEPS_MAX: Final = 1_000
"""As a rule 3 to 6 are enough; damped steps towards strengths a thousand nats apart are some hundreds."""
STEP_TOLERANCE_NATS: Final = 5e-4
"""A step this small is the last: Newton's next one would move nothing by more than about its square."""
SAFE_SPREAD_NATS: Final = 1.0
"""A full step that changes no logit by more than this always climbs; larger ones are damped."""
DIRECT_PARAMETERS_MAX: Final = 160
"""Up to here a step solves its linear system by factorisation, beyond by conjugate gradients."""
GRADIENT_STEPS_MAX: Final = 10_000
RESIDUAL_TOLERANCE: Final = 1e-6
"""Residual of a conjugate-gradient solution, relative to the right side, in the preconditioned norm."""


class Curvature(Protocol):
    """Minus the Hessian of a log-likelihood at one point: symmetric, positive semidefinite."""

    def get_diagonal(self) -> Floats:
        """Return its diagonal, shape (parameters,)."""
        ...

    def multiply(self, vector: Floats) -> Floats:
        """Return its product with a vector, both of shape (parameters,)."""
        ...

    def compute_matrix(self) -> Floats:
        """Return it in full, shape (parameters, parameters), a fresh array."""
        ...


@dataclass(frozen=True, slots=True)
class Slope:
    """A log-likelihood's gradient, shape (parameters,), and its curvature, at one point."""

    gradient: Floats
    curvature: Curvature


class Likelihood(Protocol):
    """The log-likelihood of games, concave in all its parameters."""

    def evaluate(self, point: Floats) -> Slope:
        """Return gradient and curvature at a point of shape (parameters,)."""
        ...

    def make_start(self) -> Floats:
        """Return a point, shape (parameters,), not far from where the likelihood is large."""
        ...


def make_start(won: Floats, played: Floats) -> Floats:
    """Return centred log-odds of the mass won, one game won and one lost added, all of shape (items,)."""
    start: Floats = np.log((won + 1.0) / (played - won + 1.0))
    start -= start.mean()
    return start


@dataclass(frozen=True, slots=True)
class GaussianPrior:
    """An independent normal prior around 0 on every strength.

    Attributes:
        precision: 1 over its variance, nats^-2. The default is the curvature at 0 of one fictitious win
            and one loss (`AnchorPrior`), so the two agree for items near the mean. Far out they differ:
            this pull grows without bound, theirs never exceeds one game.
    """

    precision: float = 0.5

    def __post_init__(self) -> None:
        _check_positive(self.precision, "a prior's precision")


@dataclass(frozen=True, slots=True)
class AnchorPrior:
    """Fictitious games of every item against an anchor of strength 0: the canonical engine's prior.

    Attributes:
        games: Games won and as many lost by each item; 1 in the canonical engine.
    """

    games: float = 1.0

    def __post_init__(self) -> None:
        _check_positive(self.games, "a prior's number of games")


Prior = GaussianPrior | AnchorPrior


def _check_positive(value: float, name: str) -> None:
    if not 0.0 < value < math.inf:
        raise ValueError(
            f"{name} is positive and finite, got {value}; without a prior an unbeaten item has no strength"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorTerms:
    """The priors of all parameters: strengths first, then the judges' leanings, if any.

    Attributes:
        strength: Prior of each of the first `items` parameters.
        items: Number of strengths.
        leaning_precision: Precision of the normal prior around 0 of all further parameters, nats^-2.
    """

    strength: Prior
    items: int
    leaning_precision: float

    def evaluate(self, point: Floats) -> tuple[Floats, Floats]:
        """Return gradient and minus the second derivatives of the log-prior, shape (parameters,) each."""
        curvature = np.full(len(point), self.leaning_precision)
        gradient = -self.leaning_precision * point
        theta = point[: self.items]
        match self.strength:
            case GaussianPrior(precision):
                gradient[: self.items] = -precision * theta
                curvature[: self.items] = precision
            case AnchorPrior(games):
                half = np.tanh(0.5 * theta)
                gradient[: self.items] = -games * half
                curvature[: self.items] = 0.5 * games * (1.0 - half * half)
        return gradient, curvature


@dataclass(frozen=True, slots=True)
class Information:
    """Minus the Hessian of a log-posterior at one point: a curvature plus the prior's diagonal."""

    curvature: Curvature
    prior: Floats

    def compute_matrix(self) -> Floats:
        """Return it in full, shape (parameters, parameters); positive definite."""
        matrix = self.curvature.compute_matrix()
        np.einsum("ii->i", matrix)[:] += self.prior  # a view of the diagonal
        return matrix

    def solve(self, right: Floats) -> Floats:
        """Return x with information x = right, shape (parameters,): by factorisation if small.

        Raises:
            ArithmeticError: The matrix is singular in float64, or conjugate gradients did not settle in
                GRADIENT_STEPS_MAX steps.
        """
        if len(right) <= DIRECT_PARAMETERS_MAX:
            try:
                return np.linalg.solve(self.compute_matrix(), right).astype(np.float64, copy=False)
            except np.linalg.LinAlgError as exc:
                raise ArithmeticError("the information matrix is singular in float64") from exc
        return self._solve_iteratively(right)

    def _solve_iteratively(self, right: Floats) -> Floats:
        """Run conjugate gradients, preconditioned by the diagonal, from 0.

        Source:
            Hestenes and Stiefel 1952; Golub and Van Loan, Matrix Computations, 11.5.
        """
        scale = 1.0 / (self.curvature.get_diagonal() + self.prior)
        solution = np.zeros(len(right))
        residual = right.copy()
        scaled = scale * residual
        direction = scaled
        norm = float(residual @ scaled)
        target = norm * RESIDUAL_TOLERANCE**2
        for _ in range(GRADIENT_STEPS_MAX):
            if norm <= target:
                return solution
            image = self.curvature.multiply(direction)
            image += self.prior * direction
            length = norm / float(direction @ image)
            solution += length * direction
            residual -= length * image
            scaled = scale * residual
            norm, before = float(residual @ scaled), norm
            direction = scaled + (norm / before) * direction
        raise ArithmeticError(f"conjugate gradients did not settle in {GRADIENT_STEPS_MAX} steps")


@dataclass(frozen=True, slots=True)
class Mode:
    """Where a log-posterior is largest: the point, shape (parameters,), and the steps it took."""

    point: Floats
    steps: int


def evaluate_posterior(
    likelihood: Likelihood, prior: PriorTerms, point: Floats
) -> tuple[Floats, Information]:
    """Return gradient, shape (parameters,), and information of the log-posterior at a point."""
    slope = likelihood.evaluate(point)
    gradient, curvature = prior.evaluate(point)
    gradient += slope.gradient
    return gradient, Information(slope.curvature, curvature)


def _damp(step: Floats) -> float:
    """Return the share of a Newton step to take, 1 when it is small.

    Along a step no logit changes by more than the spread M, so the curvature grows at most e^M-fold, and a
    share log(1 + M) / M of the step climbs for certain, as does the whole step for M up to 1.7.

    Source:
        F. Bach, "Self-concordant analysis for logistic regression", EJS 4 (2010).
    """
    spread = max(float(step.max()), 0.0) - min(float(step.min()), 0.0)
    return 1.0 if spread <= SAFE_SPREAD_NATS else math.log1p(spread) / spread


def find_mode(likelihood: Likelihood, prior: PriorTerms) -> Mode:
    """Return the mode of a log-posterior.

    Args:
        likelihood: Games.
        prior: Priors, which make the posterior strictly concave.

    Returns:
        The mode, within 1e-6 nats of the true one, as a rule within 1e-8.

    Raises:
        ArithmeticError: The steps did not become small. The posterior is strictly concave, so this means
            masses that float64 cannot hold apart.
    """
    point = likelihood.make_start()
    for count in range(1, NEWTON_STEPS_MAX + 1):
        gradient, information = evaluate_posterior(likelihood, prior, point)
        step = information.solve(gradient)
        size = float(np.abs(step).max())
        if not math.isfinite(size):
            break
        point = point + _damp(step) * step
        if size <= STEP_TOLERANCE_NATS:
            return Mode(point, count)
    raise ArithmeticError(
        f"Newton's method did not settle in {NEWTON_STEPS_MAX} steps; expected weights of a range that "
        "float64 can hold apart"
    )
