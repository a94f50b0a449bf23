"""Expectations: what they say, when they are met, and what is no expectation."""

import math

import pytest

from consensus.errors import ConfigError
from sim_net.expectations import check_expectation
from sim_net.metrics import METRICS

CASES = (
    ("accuracy >= 0.8", 0.8, 0.79),
    ("accuracy > 0.8", 0.81, 0.8),
    ("latency_p95_ms <= 5000", 5_000.0, 5_001.0),
    ("forks < 1", 0.0, 1.0),
    ("finished == 1", 1.0, 0.999),
    ("mean_p_best >= -0.5", -0.5, -0.6),
    ("  rounds>=3 ", 3.0, 2.0),
)


@pytest.mark.parametrize(("text", "good", "bad"), CASES)
def test_met_and_not_met(text: str, good: float, bad: float) -> None:
    expectation = check_expectation(text)
    assert expectation.is_met({expectation.metric: good})
    assert not expectation.is_met({expectation.metric: bad})
    assert expectation.describe({expectation.metric: good}).startswith("met: ")
    assert expectation.describe({expectation.metric: bad}).startswith("NOT MET: ")


@pytest.mark.parametrize("metrics", [{}, {"accuracy": None}, {"accuracy": math.nan}])
@pytest.mark.parametrize("comparison", [">=", "<=", "==", "<", ">"])
def test_what_was_not_measured_meets_nothing(metrics: dict[str, float | None], comparison: str) -> None:
    expectation = check_expectation(f"accuracy {comparison} 0")
    assert not expectation.is_met(metrics)
    assert "not measured" in expectation.describe(metrics)


def test_the_detail_names_what_was_got() -> None:
    said = check_expectation("accuracy>=0.8").describe({"accuracy": 2 / 3})
    assert said == "NOT MET: accuracy >= 0.8 (got 0.666667)"


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_can_be_expected_of(metric: str) -> None:
    assert check_expectation(f"{metric} >= 0").metric == metric
    assert METRICS[metric].endswith(".")


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("acuracy >= 0.8", "acuracy is no metric", "did you mean accuracy?"),
        ("latency-p95-ms >= 1", "is no metric", "did you mean latency_p95_ms?"),
        ("banana >= 1", "is no metric", "known: rounds"),
        ("accuracy => 0.8", "=> compares nothing", ">= <= == < >"),
        ("accuracy != 0.8", "!= compares nothing", ">="),
        ("accuracy >= high", "high is no number", "a number"),
        ("accuracy >= nan", "nan is no number", "a number"),
        ("accuracy >= 1e3", "1e3 is no number", "a number"),
        ("accuracy", "expected a condition", "accuracy >= 0.8"),
        ("accuracy >= 0.8 or rounds > 1", "expected a condition", ""),
        ("", "expected a condition", ""),
        ("x" * 10_000, "...", ""),
    ],
)
def test_what_is_no_expectation(text: str, message: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_expectation(text)
    assert message in caught.value.message
    assert remedy in caught.value.remedy
    assert len(caught.value.message) < 200
