"""Choices read out of first tokens and constrained answers."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.openai_choice import read_verdict, share_first_token
from models.openai_wire import Constraint

AB = (" A", " B")


def test_mass_goes_to_the_option_that_a_token_begins() -> None:
    shared = share_first_token(
        [(" A", math.log(0.3)), (" B", math.log(0.1)), (" C", -1.0)], AB, is_chat=False
    )
    assert shared == pytest.approx((math.log(0.75), math.log(0.25)))


def test_an_unseen_option_has_no_mass() -> None:
    assert share_first_token([(" B", -0.1)], AB, is_chat=False) == (-math.inf, 0.0)


def test_a_part_of_an_option_counts() -> None:
    shared = share_first_token([(" y", -1.0), (" ye", -1.0), (" no", -1.0)], (" yes", " no"), is_chat=False)
    assert shared == pytest.approx((math.log(2 / 3), math.log(1 / 3)))


@pytest.mark.parametrize("top", [[], [(" C", -0.1)], [("", -0.1)], [(" A", -math.inf)]])
def test_nothing_is_read_where_no_option_has_mass(top: list[tuple[str, float]]) -> None:
    assert share_first_token(top, AB, is_chat=False) is None


def test_options_that_begin_alike_are_not_told_apart_by_their_beginning() -> None:
    assert share_first_token([(" 1", -0.1), (" 12", -5.0)], (" 12", " 13"), is_chat=False) is None
    assert share_first_token([(" ", -0.1), (" A", -5.0)], AB, is_chat=False) is None
    assert share_first_token([(" ", -9.0), (" A", -0.5)], AB, is_chat=False) == (0.0, -math.inf)


def test_an_answer_in_chat_begins_without_the_space() -> None:
    assert share_first_token([("A", -0.1)], AB, is_chat=False) is None
    assert share_first_token([("A", -0.1)], AB, is_chat=True) == (0.0, -math.inf)


@given(
    st.lists(st.tuples(st.text("AB ", max_size=3), st.floats(-50, 0)), max_size=8),
    st.booleans(),
)
def test_shares_are_probabilities(top: list[tuple[str, float]], is_chat: bool) -> None:
    shared = share_first_token(top, AB, is_chat=is_chat)
    if shared is not None:
        assert math.fsum(map(math.exp, shared)) == pytest.approx(1.0)
        assert max(shared) <= 0.0


@pytest.mark.parametrize("kind", list(Constraint))
def test_a_verdict_is_exactly_one_option(kind: Constraint) -> None:
    def say(text: str) -> str:
        return json.dumps({"choice": text}) if kind is Constraint.SCHEMA else text

    assert read_verdict(say(" B"), AB, kind) == 1
    assert read_verdict(say("A\n"), AB, kind) == 0
    assert read_verdict(say(" A"), (" A", "A"), kind) == 0
    for wrong in ("", "C", "A B", "a"):
        assert read_verdict(say(wrong), AB, kind) is None
    assert read_verdict(say("A "), (" A", "A"), kind) is None


@pytest.mark.parametrize("text", ["", "B", '{"choice": 1}', "[" * 5_000, '{"verdict": " B"}'])
def test_a_verdict_that_is_not_of_the_schema(text: str) -> None:
    assert read_verdict(text, AB, Constraint.SCHEMA) is None
