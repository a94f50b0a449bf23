import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from evaluation.statistics import (
    compute_bins,
    compute_ece,
    compute_mcnemar,
    compute_recovered,
    make_interval,
    resample_means,
)


def test_the_bootstrap_of_a_mean_has_the_known_spread() -> None:
    values = np.array([[1.0]] * 300 + [[0.0]] * 700)
    means = resample_means(values, ["a"] * 1_000, draws=4_000, seed=1)
    assert means.shape == (4_000, 1)
    assert means.mean() == pytest.approx(0.3, abs=0.001)
    assert means.std() == pytest.approx(math.sqrt(0.3 * 0.7 / 1_000), rel=0.04)
    interval = make_interval(0.3, means[:, 0])
    assert interval.low == pytest.approx(0.3 - 1.96 * math.sqrt(0.21 / 1_000), abs=0.002)
    assert interval.high == pytest.approx(0.3 + 1.96 * math.sqrt(0.21 / 1_000), abs=0.002)


def test_each_family_keeps_its_size() -> None:
    values = np.array([[1.0], [1.0], [0.0]])
    means = resample_means(values, ["a", "a", "b"], draws=200, seed=3)
    assert means[:, 0].tolist() == pytest.approx([2 / 3] * 200)


def test_columns_are_resampled_together_and_the_seed_decides() -> None:
    values = np.random.default_rng(0).random((50, 2))
    values[:, 1] = values[:, 0] - 0.25
    first = resample_means(values, ["a"] * 50, draws=600, seed=5)
    assert (first[:, 0] - first[:, 1]).tolist() == pytest.approx([0.25] * 600)
    assert np.array_equal(first, resample_means(values, ["a"] * 50, draws=600, seed=5))
    assert not np.array_equal(first, resample_means(values, ["a"] * 50, draws=600, seed=6))


@given(better=st.integers(0, 40), worse=st.integers(0, 40), both=st.integers(0, 5))
def test_mcnemar_agrees_with_the_binomial_test(better: int, worse: int, both: int) -> None:
    mine = [True] * better + [False] * worse + [True] * both
    theirs = [False] * better + [True] * worse + [True] * both
    found = compute_mcnemar(mine, theirs)
    assert (found.better, found.worse) == (better, worse)
    known = binomtest(better, better + worse, 0.5).pvalue if better + worse else 1.0
    assert found.p_value == pytest.approx(known, rel=1e-9)


def test_mcnemar_of_many_questions_neither_overflows_nor_vanishes() -> None:
    found = compute_mcnemar([True] * 3_000 + [False] * 2_000, [False] * 3_000 + [True] * 2_000)
    assert 0.0 < found.p_value < 1e-40


def test_a_recovered_share_lies_between_its_ends() -> None:
    ends = (np.array([0.5, 0.6]), np.array([0.4, 0.4]), np.array([0.8, 0.8]))
    found = compute_recovered(0.55, 0.4, 0.8, ends)
    assert found is not None
    assert found.value == pytest.approx(0.375)
    assert [found.low, found.high] == pytest.approx([0.25, 0.5], abs=0.01)


def test_without_a_gap_nothing_is_recovered() -> None:
    flat = np.array([0.5, 0.5])
    assert compute_recovered(0.5, 0.5, 0.5, (flat, flat, flat)) is None
    assert compute_recovered(0.5, 0.4, 0.5, (flat, flat, flat)) is None


def test_a_resample_without_a_gap_says_nothing() -> None:
    ends = (np.array([0.45, 0.5]), np.array([0.4, 0.5]), np.array([0.5, 0.5]))
    found = compute_recovered(0.45, 0.4, 0.5, ends)
    assert found is not None
    assert found.low == found.high == pytest.approx(0.5)


def test_calibration_of_known_claims() -> None:
    bins = compute_bins([0.95, 0.97, 0.55, 0.51, 1.0], [True, True, True, False, False])
    assert [(one.low, one.count, one.right) for one in bins] == [
        (0.5, 2, 0.5),
        (0.9, 3, pytest.approx(2 / 3)),
    ]
    ece = compute_ece(bins)
    assert ece == pytest.approx((2 * 0.03 + 3 * abs(2.92 / 3 - 2 / 3)) / 5)
    assert compute_ece(()) is None
