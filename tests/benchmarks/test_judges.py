"""The judge figures count what judges said: on models whose accuracy is set."""

import math

import pytest

from benchmarks.judges import Measured, compute_interval, make_samples, measure
from consensus.gold import FAMILIES, is_correct
from models.judges.strategy import parse_strategy
from models.scripted import ScriptedModel

SAMPLES = make_samples(40)
TRUTHS = {sample.gold.text: sample.right for sample in SAMPLES}


@pytest.mark.parametrize("judge", ["likelihood", "letters", "reasoning:orders=1"])
def test_a_judge_that_is_always_right_is_counted_so(judge: str) -> None:
    found = measure(parse_strategy(judge), ScriptedModel(judge_accuracy=1.0, answers=TRUTHS), SAMPLES)
    assert (found.right, found.wrong, found.tied, found.missing) == (len(SAMPLES), 0, 0, 0)
    assert found.accuracy == 1.0
    assert found.same_letter == (0.0 if judge == "letters" else None)


def test_a_judge_that_is_always_wrong_is_counted_so() -> None:
    found = measure(parse_strategy("letters"), ScriptedModel(judge_accuracy=0.0, answers=TRUTHS), SAMPLES)
    assert (found.right, found.wrong) == (0, len(SAMPLES))


def test_samples_hold_a_right_and_a_wrong_answer_of_every_family() -> None:
    samples = make_samples(2 * len(FAMILIES))
    assert {sample.gold.family for sample in samples} == set(FAMILIES)
    for sample in samples:
        assert is_correct(sample.gold, sample.right)
        assert not is_correct(sample.gold, sample.wrong)
    assert 0.4 < sum(sample.is_right_left for sample in samples) / len(samples) < 0.6
    assert make_samples(3) == samples[:3]


@pytest.mark.parametrize(
    ("share", "count", "low", "high"), [(0.85, 60, 0.739, 0.919), (1.0, 10, 0.722, 1.0), (0.0, 0, 0.0, 1.0)]
)
def test_intervals_are_wilsons(share: float, count: int, low: float, high: float) -> None:
    assert compute_interval(share, count) == pytest.approx((low, high), abs=1e-3)


def test_ties_count_half_and_missing_ones_not_at_all() -> None:
    found = Measured(right=3, wrong=1, tied=2, missing=4, same_letter=None, seconds=0.0)
    assert (found.judged, found.accuracy) == (6, 4 / 6)
    nothing = Measured(right=0, wrong=0, tied=0, missing=4, same_letter=None, seconds=0.0)
    assert math.isnan(nothing.accuracy)
