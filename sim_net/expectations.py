"""Expectations of a run: `accuracy >= 0.8` over the names of `sim_net.metrics`."""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from consensus.errors import ConfigError
from sim_net.keys import make_suggestion
from sim_net.metrics import METRICS

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
EXPECTATION_PATTERN = rf"^\s*({'|'.join(METRICS)})\s*(>=|<=|==|<|>)\s*-?[0-9]{{1,15}}(\.[0-9]{{1,15}})?\s*$"
_EXAMPLE = 'write it as "accuracy >= 0.8": a metric, one of >= <= == < >, a number'
_PARTS = re.compile(r"\s*([A-Za-z_][\w-]*)\s*([<>=!]+)\s*(\S+)\s*", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)
_CHARS_SHOWN_MAX = 60


@dataclass(frozen=True, slots=True)
class Expectation:
    """One condition on the metrics of a run."""

    text: str
    metric: str
    comparison: str
    value: float

    def is_met(self, metrics: Mapping[str, float | None]) -> bool:
        """Say whether the condition holds; what was not measured meets nothing."""
        got = metrics.get(self.metric)
        return got is not None and not math.isnan(got) and COMPARISONS[self.comparison](got, self.value)

    def describe(self, metrics: Mapping[str, float | None]) -> str:
        """Return the condition beside what was measured, for people."""
        got = metrics.get(self.metric)
        is_known = got is not None and not math.isnan(got)
        measured = f"got {got:.6g}" if is_known else "not measured in this run"
        return f"{'met' if self.is_met(metrics) else 'NOT MET'}: {self.text} ({measured})"


def check_expectation(text: str) -> Expectation:
    """Read an expectation.

    Raises:
        ConfigError: It has another shape, or names no metric.
    """
    shown = repr(text if len(text) <= _CHARS_SHOWN_MAX else text[:_CHARS_SHOWN_MAX] + "...")
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise ConfigError(f"got {shown}, expected a condition", remedy=_EXAMPLE)
    metric, comparison, number = parts.groups()
    if metric not in METRICS:
        raise ConfigError(f"got {shown}, {metric} is no metric", remedy=make_suggestion(metric, METRICS))
    if comparison not in COMPARISONS:
        raise ConfigError(
            f"got {shown}, {comparison} compares nothing", remedy=f"use one of {' '.join(COMPARISONS)}"
        )
    if _NUMBER.fullmatch(number) is None:
        raise ConfigError(f"got {shown}, {number} is no number", remedy=_EXAMPLE)
    return Expectation(f"{metric} {comparison} {number}", metric, comparison, float(number))
