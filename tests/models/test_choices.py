"""What the backends' choices share: checks, and the share of each option."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.choices import check_choice_request, normalise_logprobs, refuse_choices
from models.contract import CHOICE_OPTIONS_MAX, ChoiceRequest, Prompt
from models.errors import ModelError

CONTEXT = Prompt(prefix="", suffix="Verdict:")


@given(
    logprobs=st.lists(
        st.one_of(st.floats(-1e6, 1e6), st.just(-math.inf)), min_size=2, max_size=CHOICE_OPTIONS_MAX
    ).filter(lambda values: max(values) > -math.inf)
)
def test_shares_sum_to_one_and_keep_their_order(logprobs: list[float]) -> None:
    shares = normalise_logprobs(logprobs)
    assert math.fsum(map(math.exp, shares)) == pytest.approx(1.0)
    assert all(share <= 0 for share in shares)
    for (before, after), (other_before, other_after) in zip(
        list(zip(logprobs, shares, strict=True))[:-1],
        list(zip(logprobs, shares, strict=True))[1:],
        strict=True,
    ):
        assert before >= other_before or after <= other_after
        assert (before == -math.inf) == (after == -math.inf)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_what_is_no_number_is_refused(bad: float, place: int) -> None:
    values = [-1.0, -2.0]
    values[place] = bad
    with pytest.raises(ModelError, match="expected a finite one") as caught:
        normalise_logprobs(values)
    assert caught.value.remedy


def test_no_mass_anywhere_is_refused() -> None:
    with pytest.raises(ModelError):
        normalise_logprobs([-math.inf, -math.inf])
    assert normalise_logprobs([-math.inf, -3.0]) == (-math.inf, 0.0)


def test_two_distinct_options_are_enough() -> None:
    check_choice_request(ChoiceRequest(context=CONTEXT, options=(" A", " B")))
    with pytest.raises(ModelError, match="1 options"):
        check_choice_request(ChoiceRequest(context=CONTEXT, options=(" A",)))
    with pytest.raises(ModelError, match="twice"):
        check_choice_request(ChoiceRequest(context=CONTEXT, options=(" A", " B", " A")))
    with pytest.raises(ModelError, match="empty"):
        check_choice_request(ChoiceRequest(context=CONTEXT, options=(" A", "")))


def test_a_refusal_names_the_model_and_a_way_out() -> None:
    with pytest.raises(ModelError, match=r"mute cannot choose.*1 choices") as caught:
        refuse_choices("mute", [ChoiceRequest(context=CONTEXT, options=(" A", " B"))])
    assert "likelihood" in caught.value.remedy
