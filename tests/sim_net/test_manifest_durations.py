"""Durations: units, fractions, and one way to write each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ConfigError
from sim_net.durations import parse_duration, render_duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("1.5s", 1_500), ("-2s", -2_000)],
)
def test_units(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "5 s", " 5s", "5s\n", "5S", "5d", "1e3s", "+5s", "--5s", ".5s", "5.s", "٣s", "1m30s"],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_duration(text)


def test_fractions_of_a_millisecond_are_refused() -> None:
    assert parse_duration("0.001s") == 1
    with pytest.raises(ConfigError, match="whole milliseconds"):
        parse_duration("0.0001s")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0s"), (250, "250ms"), (90_000, "90s"), (7_200_000, "2h"), (-1_000, "-1s"), (61_000, "61s")],
)
def test_written_in_the_largest_unit(milliseconds: int, text: str) -> None:
    assert render_duration(milliseconds) == text


@given(st.integers(-(10**10), 10**10))
def test_round_trip(milliseconds: int) -> None:
    assert parse_duration(render_duration(milliseconds)) == milliseconds
