"""Confidence in fitted strengths: intervals, and the chance that an item is the best."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from ranking.comparisons import ComparisonTable, Floats
from ranking.fit import StrengthFit
from ranking.spread import Spread, compute_spread
from ranking.student import FREEDOM_MAX, compute_t_probability, compute_t_quantile

CONTENDERS_MAX: Final = 256
"""Most items, the strongest, that may be drawn as the best; the chance of all others is given as 0."""
DRAWS: Final = 4_096
"""Draws behind each P(best): its standard error is at most .008."""
_VARIANCE_MIN: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intervals:
    """How sure a fit is. Strengths are taken relative to their mean, since only differences can be known.

    Attributes:
        level: Probability that an interval covers its contrast.
        contrasts: Strengths minus their mean, nats, shape (items,).
        standard_errors: Of the contrasts, nats, shape (items,).
        low: Lower end of each interval, nats, shape (items,).
        high: Upper end.
        p_best: P(the item is the strongest), shape (items,), summing to 1: DRAWS seeded draws of the
            strengths from their t distribution; 0 beyond CONTENDERS_MAX items, or beyond the leading ones.
        p_first_beats_second: P(the first item is stronger than the second); 1 where there is no second.
        clusters: Judges, or pools of judges, taken as independent; 0 where errors rest on the model alone.
        exact: How many of the strongest items have errors that reckon with what is unsure about their
            rivals; for all others these are taken as known, which makes intervals a little too narrow.
    """

    level: float
    contrasts: Floats
    standard_errors: Floats
    low: Floats
    high: Floats
    p_best: Floats
    p_first_beats_second: float
    clusters: int
    exact: int


def _check_matches(table: ComparisonTable, fit: StrengthFit) -> None:
    if table.items != fit.items:
        raise ValueError(
            f"expected the fit of this table, of {len(table.items)} items, got one of {len(fit.items)} others"
        )
    if fit.offsets is not None and len(fit.offsets) != table.rows:
        raise ValueError(f"expected the fit of these {table.rows} rows, got one of {len(fit.offsets)}")
    if fit.leanings is not None and len(fit.leanings) != len(table.judges):
        raise ValueError(f"expected a fit of {len(table.judges)} judges, got one of {len(fit.leanings)}")


def compute_intervals(
    table: ComparisonTable,
    fit: StrengthFit,
    *,
    level: float = 0.95,
    seed: int = 0,
    is_model_only: bool = False,
) -> Intervals:
    """Return intervals of the strengths and P(best), from how judges differ (`ranking.spread`).

    Judges are taken as independent of each other and may each err in a way of their own; quantiles are
    Student's with judges - 1 degrees of freedom, so few judges give wide intervals. Judges that err
    together, or lie together, are not seen here. With one judge the model alone speaks.

    Args:
        table: The comparisons that were fitted.
        fit: Their fit.
        level: Probability that an interval covers, strictly between 0 and 1.
        seed: Of the draws behind `p_best`, at least 0.
        is_model_only: Whether to take every row as independent and the model as true.

    Raises:
        ValueError: The fit is of another table, or level or seed is out of bounds.
        ArithmeticError: A linear system is singular in float64, or did not settle.

    Source:
        t quantiles for clustered errors: Cameron and Miller, J. Human Resources 50 (2015).
    """
    _check_matches(table, fit)
    if not 0.0 < level < 1.0:
        raise ValueError(f"a level is strictly between 0 and 1, got {level}")
    if seed < 0:
        raise ValueError(f"a seed is at least 0, got {seed}")
    spread = compute_spread(table, fit, is_model_only=is_model_only)
    freedom = spread.clusters - 1 if spread.clusters else FREEDOM_MAX + 1
    errors = np.sqrt(np.maximum(spread.variances, 0.0))
    reach = compute_t_quantile(0.5 + 0.5 * level, freedom) * errors
    contrasts = fit.strengths - fit.strengths.mean()
    return Intervals(
        level=level,
        contrasts=contrasts,
        standard_errors=errors,
        low=contrasts - reach,
        high=contrasts + reach,
        p_best=_draw_p_best(contrasts, spread, freedom, seed),
        p_first_beats_second=_compute_p_first(contrasts, spread, freedom),
        clusters=spread.clusters,
        exact=len(spread.leading),
    )


def _compute_p_first(contrasts: Floats, spread: Spread, freedom: int) -> float:
    if len(spread.leading) < 2:
        return 1.0
    covariance = spread.covariance
    variance = float(covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1])
    margin = float(contrasts[spread.leading[0]] - contrasts[spread.leading[1]])
    return compute_t_probability(margin / math.sqrt(max(variance, _VARIANCE_MIN)), freedom)


def _draw_p_best(contrasts: Floats, spread: Spread, freedom: int, seed: int) -> Floats:
    """Return the share of draws in which each item is the strongest, shape (items,)."""
    leading = spread.leading[:CONTENDERS_MAX]
    count = len(leading)
    # A covariance of contrasts is singular, so its root is taken by eigenvectors, not by Cholesky.
    values, vectors = np.linalg.eigh(spread.covariance[:count, :count])
    root = vectors * np.sqrt(np.maximum(values, _VARIANCE_MIN))
    source = np.random.default_rng(seed)
    draws = source.standard_normal((DRAWS, count)) @ root.T
    if freedom <= FREEDOM_MAX:
        draws *= np.sqrt(freedom / source.chisquare(freedom, DRAWS))[:, None]
    draws += contrasts[leading]
    p_best = np.zeros(len(contrasts))
    p_best[leading] = np.bincount(draws.argmax(axis=1), minlength=count) / DRAWS
    return p_best
