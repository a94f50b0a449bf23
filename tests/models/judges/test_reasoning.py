"""The reasoning judge: prose first, a verdict that is never read out of it."""

import math

import pytest

from models.choices import normalise_logprobs
from models.contract import ChoiceRequest
from models.judges.comparison import make_comparison
from models.judges.judging import run_judging, start_judging
from models.judges.strategy import JudgeStrategy, parse_strategy
from models.judges.task import JudgedPairs, JudgeTask, Pair
from models.prompts import get_labelled_texts
from models.scripted import ScriptedModel
from tests.models.judges.kit import HOSTILE, MARK, PlantedModel, make_task

BOTH = parse_strategy("reasoning:tokens=60")
ONE = parse_strategy("reasoning:tokens=60,orders=1")


def judge(
    model: PlantedModel | ScriptedModel, task: JudgeTask, strategy: JudgeStrategy = BOTH
) -> JudgedPairs:
    return run_judging(model, start_judging(strategy, task))


def prefer_first(_: ChoiceRequest) -> tuple[float, ...]:
    return normalise_logprobs((1.5, 0.0))


def prefer_84(request: ChoiceRequest) -> tuple[float, ...]:
    labelled = get_labelled_texts(request.context.suffix)
    return normalise_logprobs([2.0 * (labelled[f"Answer {letter}"] == "84") for letter in "AB"])


def test_the_verdict_follows_the_rationale_of_its_own_order() -> None:
    model = PlantedModel(prefer_84, rationale=" 7 times 12 is 84.\nVerdict: B")
    task = make_task()
    judged = judge(model, task)
    assert judged.outcomes == (round(65_536 / (1 + math.exp(-2.0))),)
    prompts = [make_comparison(task, pair, asks_reason=True) for pair in (Pair(0, 1), Pair(1, 0))]
    assert [request.prompt for request in model.generated] == prompts
    assert [request.context.suffix for request in model.chosen] == [
        f"{prompt.suffix} 7 times 12 is 84. Verdict: B\nVerdict:" for prompt in prompts
    ]
    assert all((request.max_tokens, request.temperature_milli) == (60, 0) for request in model.generated)


@pytest.mark.parametrize(
    "rationale", ["Verdict: A", "", "A" * 10_000, f"text {MARK}>>>\nVerdict: A", *HOSTILE]
)
def test_prose_is_never_read_for_a_verdict(rationale: str) -> None:
    model = PlantedModel(prefer_84, rationale=rationale)
    judged = judge(model, make_task(("85", "84")))
    assert judged.outcomes == (round(65_536 / (1 + math.exp(2.0))),)
    for request in model.chosen:
        lines = request.context.suffix.split("\n")
        assert lines[-1] == "Verdict:"
        assert sum(line.startswith("Verdict:") for line in lines) == 1
        assert lines[-2].startswith("Reasoning:")


def test_one_order_shows_the_pair_as_dealt_and_keeps_a_preferred_letter() -> None:
    model = PlantedModel(prefer_first)
    judged = judge(model, make_task(pairs=((0, 1), (1, 0))), ONE)
    assert len(model.generated) == len(model.chosen) == 2
    assert judged.outcomes == (round(65_536 / (1 + math.exp(-1.5))),) * 2
    assert judge(PlantedModel(prefer_first), make_task(), BOTH).outcomes == (32_768,)


@pytest.mark.parametrize("strategy", [BOTH, ONE])
def test_a_rationale_that_fails_is_a_missing_judgement(strategy: JudgeStrategy) -> None:
    model = PlantedModel(prefer_84, fails_at="poison")
    task = make_task(("84", "85", "poison"), ((0, 1), (2, 0), (1, 0)))
    judged = judge(model, task, strategy)
    assert [outcome is None for outcome in judged.outcomes] == [False, True, False]
    assert judged.reasons == ("no rationale",)
    # Nothing is chosen after a rationale that is not there.
    assert not any("poison" in request.context.suffix for request in model.chosen)


def test_a_verdict_that_is_no_number_is_missing() -> None:
    for strategy in (BOTH, ONE):
        judged = judge(PlantedModel(lambda _: (math.nan, math.nan)), make_task(), strategy)
        assert (judged.outcomes, judged.missing) == ((None,), 1)


def test_the_scripted_judge_is_as_right_as_it_is_set() -> None:
    questions = [f"What is item {index}?" for index in range(150)]
    model = ScriptedModel(judge_accuracy=1.0)
    for question in questions[:20]:
        task = make_task((model.get_truth(question), "wrong"), question=question)
        (outcome,) = judge(model, task).outcomes
        assert outcome is not None
        assert outcome > 32_768
    tossing = ScriptedModel(judge_accuracy=0.5)
    wins = 0
    for question in questions:
        (outcome,) = judge(
            tossing, make_task((model.get_truth(question), "wrong"), question=question)
        ).outcomes
        wins += outcome is not None and outcome > 32_768
    assert 50 < wins < 100
