"""Distributions of delays, as a manifest writes them: `lognormal(40, 0.5)`."""

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from consensus.errors import ConfigError

DELAY_MS_MAX = 3_600_000.0  # an hour; longer tails are cut there
_PATTERN = re.compile(r"\s*([a-z]+)\s*\(([^()]*)\)\s*")
_ARGUMENTS = {
    "constant": ("delay",),
    "uniform": ("low", "high"),
    "normal": ("mean", "deviation"),
    "exponential": ("mean",),
    "lognormal": ("median", "sigma"),
}
_EXAMPLES = "constant(5), uniform(1, 20), normal(40, 5), exponential(30), or lognormal(40, 0.5)"


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of delays in milliseconds, cut to 0..DELAY_MS_MAX."""

    text: str
    mean_ms: float
    draw: Callable[[random.Random], float]

    def draw_ms(self, dice: random.Random) -> int:
        """Draw one delay in whole milliseconds."""
        return round(min(max(self.draw(dice), 0.0), DELAY_MS_MAX))


def parse_distribution(text: str) -> Distribution:
    """Read a distribution of delays.

    Args:
        text: `constant(a)`, `uniform(low, high)`, `normal(mean, deviation)`, `exponential(mean)`, or
            `lognormal(median, sigma)`; milliseconds, sigma of the logarithm.

    Raises:
        ConfigError: Another name, another number of arguments, or a value out of range.
    """
    match = _PATTERN.fullmatch(text)
    name = match[1] if match is not None else ""
    if match is None or name not in _ARGUMENTS:
        raise ConfigError(f"got the distribution {text!r}", remedy=f"write {_EXAMPLES}")
    try:
        values = [float(part) for part in match[2].split(",")]
    except ValueError as exc:
        raise ConfigError(f"got {text!r}, expected numbers in it", remedy=f"write {_EXAMPLES}") from exc
    names = _ARGUMENTS[name]
    if len(values) != len(names):
        raise ConfigError(f"got {text!r} with {len(values)} numbers, expected {name}({', '.join(names)})")
    if not all(math.isfinite(value) and 0.0 <= value <= DELAY_MS_MAX for value in values):
        raise ConfigError(f"got {text!r}, expected numbers of 0 to {DELAY_MS_MAX:g} milliseconds")
    return _make(name, text, values)


def _make(name: str, text: str, values: list[float]) -> Distribution:
    first, second = values[0], values[-1]
    match name:
        case "constant":
            return Distribution(text, first, lambda _: first)
        case "uniform":
            if first > second:
                raise ConfigError(f"got {text!r}, expected the lower bound first")
            return Distribution(text, (first + second) / 2, lambda dice: dice.uniform(first, second))
        case "normal":
            return Distribution(text, first, lambda dice: dice.normalvariate(first, second))
        case "exponential":
            rate = 1.0 / first if first else math.inf
            return Distribution(text, first, lambda dice: dice.expovariate(rate) if first else 0.0)
        case _:
            if first <= 0.0 or second > 10.0:
                raise ConfigError(f"got {text!r}, expected a median above 0 and a sigma of 10 at most")
            centre = math.log(first)
            mean = min(first * math.exp(second * second / 2), DELAY_MS_MAX)
            return Distribution(text, mean, lambda dice: dice.lognormvariate(centre, second))
