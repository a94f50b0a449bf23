"""The letters judge: both orders, symmetric, blind to a preferred letter, and missing where it fails."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.choices import normalise_logprobs
from models.contract import Choice, ChoiceRequest, Score
from models.errors import ModelError
from models.judges.judging import run_judging, start_judging
from models.judges.letters import combine_orders
from models.judges.strategy import JudgeKind, JudgeStrategy
from models.judges.task import JudgedPairs, JudgeTask
from models.prompts import get_labelled_texts
from models.scripted import ScriptedModel, compute_scripted_truth
from tests.models.judges.kit import HOSTILE, PlantedModel, make_task

LETTERS = JudgeStrategy(kind=JudgeKind.LETTERS)
HALF = 32_768
nats = st.floats(-200.0, 0.0)
choices = st.one_of(
    st.builds(lambda a, b: normalise_logprobs((a, b)), nats, nats),
    st.sampled_from([(0.0, -math.inf), (-math.inf, 0.0)]),
)


def judge(model: PlantedModel | ScriptedModel, task: JudgeTask) -> JudgedPairs:
    return run_judging(model, start_judging(LETTERS, task))


def choice(*logprobs: float) -> Choice:
    return Choice(logprobs=logprobs, prompt_tokens=1)


@given(choices, choices)
def test_a_pair_turned_round_gets_the_rest_of_one(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    dealt, turned = combine_orders(choice(*one), choice(*other)), combine_orders(choice(*other), choice(*one))
    assert isinstance(dealt, int)
    assert isinstance(turned, int)
    assert dealt + turned == 65_536


@given(st.permutations(range(4)), st.integers(0, 1_000))
def test_swapped_pairs_are_judged_symmetrically(places: list[int], salt: int) -> None:
    texts = [f"{salt + place}" for place in range(4)]
    pairs = [(places[0], places[1]), (places[1], places[0]), (places[2], places[3]), (places[3], places[2])]
    outcomes = judge(ScriptedModel(), make_task(texts, pairs)).outcomes
    assert None not in outcomes
    first, first_turned, second, second_turned = (outcome or 0 for outcome in outcomes)
    assert first + first_turned == second + second_turned == 65_536


@given(bias=st.floats(0.0, 50.0), noise=st.floats(0.0, 0.1), letter=st.integers(0, 1))
def test_a_preferred_letter_says_nothing(bias: float, noise: float, letter: int) -> None:
    calls = iter((noise, -noise))

    def verdict(_: ChoiceRequest) -> tuple[float, ...]:
        odds = (bias if letter == 0 else -bias) + next(calls)
        return normalise_logprobs((odds, 0.0))

    (outcome,) = judge(PlantedModel(verdict), make_task()).outcomes
    assert outcome is not None
    assert outcome == pytest.approx(HALF, abs=0.03 * 65_536)


def test_a_certain_letter_both_ways_is_exactly_one_half() -> None:
    (outcome,) = judge(PlantedModel(lambda _: (0.0, -math.inf)), make_task()).outcomes
    assert outcome == HALF


def prefer_text(wanted: str, nats: float) -> PlantedModel:
    def verdict(request: ChoiceRequest) -> tuple[float, ...]:
        labelled = get_labelled_texts(request.context.suffix)
        merits = [nats * (labelled[f"Answer {letter}"] == wanted) for letter in "AB"]
        return normalise_logprobs(merits)

    return PlantedModel(verdict)


def test_who_prefers_a_text_is_heard_whichever_way_round() -> None:
    judged = judge(prefer_text("84", 2.0), make_task(("84", "85"), ((0, 1), (1, 0))))
    assert judged.outcomes[0] == round(65_536 / (1 + math.exp(-2.0)))
    assert sum(outcome or 0 for outcome in judged.outcomes) == 65_536
    assert judged.missing == 0
    assert judged.reasons == ()


def test_both_orders_are_shown_and_the_options_are_letters() -> None:
    model = PlantedModel(lambda _: (-0.7, -0.7))
    judge(model, make_task(("84", "85")))
    shown = [get_labelled_texts(request.context.suffix) for request in model.chosen]
    assert [(one["Answer A"], one["Answer B"]) for one in shown] == [("84", "85"), ("85", "84")]
    assert all(request.options == (" A", " B") for request in model.chosen)


def test_a_failed_judgement_is_missing_and_its_neighbours_are_not() -> None:
    model = prefer_text("84", 2.0)
    model.fails_at = "poison"
    judged = judge(model, make_task(("84", "85", "poison"), ((0, 1), (0, 2), (2, 1), (1, 0))))
    assert [outcome is None for outcome in judged.outcomes] == [False, True, True, False]
    assert judged.missing == 2
    assert judged.reasons == ("no verdict",)


@pytest.mark.parametrize("logprobs", [(math.nan, -1.0), (-math.inf, -math.inf)])
def test_a_verdict_that_is_no_number_is_missing(logprobs: tuple[float, float]) -> None:
    judged = judge(PlantedModel(lambda _: logprobs), make_task())
    assert judged.outcomes == (None,)
    assert "log-probabilities" in judged.reasons[0]
    error = combine_orders(choice(-0.1, -2.0), ModelError("no verdict"))
    assert isinstance(error, ModelError)


def test_a_reply_of_another_kind_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        combine_orders(Score(logprob=0.0, tokens=1), choice(-0.1, -2.0))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_text_gains_no_verdict(hostile: str) -> None:
    """Nothing in a text reaches the labels that the scripted judge reads: it is wrong, whatever it says."""
    truth = compute_scripted_truth("What is 7 times 12?")
    (outcome,) = judge(ScriptedModel(judge_accuracy=1.0), make_task((truth, hostile))).outcomes
    assert outcome is not None
    assert outcome > HALF


def test_no_pairs_no_calls() -> None:
    model = PlantedModel(lambda _: (-0.7, -0.7))
    assert judge(model, make_task(pairs=())) == JudgedPairs(outcomes=(), reasons=())
    assert model.chosen == []
