"""From log-odds to outcomes: bounded, rising, and exactly symmetric."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.judges.outcomes import (
    OUTCOME_MAX_Q16,
    OUTCOME_MIN_Q16,
    OUTCOME_ONE_Q16,
    compute_outcome_q16,
)

odds = st.floats(allow_nan=False)


@given(odds, odds)
def test_outcomes_are_bounded_rising_and_symmetric(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert OUTCOME_MIN_Q16 <= compute_outcome_q16(low) <= compute_outcome_q16(high) <= OUTCOME_MAX_Q16
    assert compute_outcome_q16(one) + compute_outcome_q16(-one) == OUTCOME_ONE_Q16


@pytest.mark.parametrize(
    ("log_odds", "expected"),
    [(0.0, 32_768), (1.0, 47_911), (-1.0, 17_625), (math.inf, 62_259), (-math.inf, 3_277)],
)
def test_vectors(log_odds: float, expected: int) -> None:
    assert compute_outcome_q16(log_odds) == expected
