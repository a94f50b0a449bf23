"""Student's t distribution with whole degrees of freedom, by its finite series; no tables, no SciPy."""

import math
from statistics import NormalDist
from typing import Final

FREEDOM_MAX: Final = 1_000
"""Beyond, the normal distribution stands in: a .975 quantile differs by .003."""


def compute_t_probability(value: float, freedom: int) -> float:
    """Return P(T <= value).

    Args:
        value: Any number.
        freedom: Degrees of freedom, at least 1.

    Source:
        Abramowitz and Stegun 1964, 26.7.3 and 26.7.4.
    """
    if freedom > FREEDOM_MAX:
        return NormalDist().cdf(value)
    angle = math.atan2(value, math.sqrt(freedom))
    cosine = math.cos(angle)
    is_odd = freedom % 2
    term, total = (cosine if is_odd else 1.0), 0.0
    for power in range(2 + is_odd, freedom + 1, 2):
        total += term
        term *= cosine * cosine * (power - 1) / power
    inner = math.sin(angle) * total
    share = 2.0 / math.pi * (angle + inner) if is_odd else inner
    return 0.5 + 0.5 * share


def compute_t_quantile(probability: float, freedom: int) -> float:
    """Return the value below which T falls with a probability strictly between 1/2 and 1."""
    if freedom > FREEDOM_MAX:
        return NormalDist().inv_cdf(probability)
    low, high = 0.0, 1.0
    while compute_t_probability(high, freedom) < probability:
        low, high = high, 2.0 * high
    for _ in range(60):
        middle = 0.5 * (low + high)
        if compute_t_probability(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return high
