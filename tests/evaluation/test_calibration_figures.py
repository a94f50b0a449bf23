"""Intervals, the choice, the weight, the hostile texts and the pairs, each by itself."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ConfigError
from evaluation.answering import answer_all
from evaluation.asking import ask_tasks, create_keys
from evaluation.calibration.cases import Purpose, make_cases
from evaluation.calibration.choosing import choose_strategy, compute_weight
from evaluation.calibration.figures import compute_log_odds, compute_mean, compute_share
from evaluation.calibration.hostile import load_hostile_texts
from evaluation.calibration.plan import read_tasks_option
from evaluation.calls import CachedModel
from evaluation.grading import grade
from evaluation.store import CallStore
from models.judges.comparison import make_comparison
from models.judges.task import JudgeTask, Pair
from models.prompts import Message, Role, get_labelled_texts
from swarm.edge.calibrations import StrategyFigures
from tests.evaluation.calibration_kit import Faults, PlantedModel, draw, make_plan

scores = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=60)


@given(scores)
def test_intervals_hold_their_figure_and_mirror(values: list[float]) -> None:
    share, log_odds = compute_share(values), compute_log_odds(values)
    assert share is not None
    assert log_odds is not None
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert log_odds.low < log_odds.value < log_odds.high
    turned = compute_share([1 - value for value in values])
    assert turned is not None
    assert turned.low == pytest.approx(1 - share.high, abs=1e-9)
    mean = compute_mean(values, seed=1)
    assert mean is not None
    assert mean.value == pytest.approx(share.value)


def test_known_intervals_and_none_without_trials() -> None:
    share = compute_share([1.0] * 8 + [0.0] * 2)
    assert share is not None
    assert (share.value, share.count) == (0.8, 10)
    assert (share.low, share.high) == pytest.approx((0.490, 0.943), abs=1e-3)
    assert compute_share([]) is None
    assert compute_log_odds([]) is None
    assert compute_mean([], seed=1) is None


def make_figures(strategy: str, right: int, wrong: int, tokens: float = 1.0) -> StrategyFigures:
    return StrategyFigures(
        strategy=strategy,
        pair_accuracy=compute_share([1.0] * right + [0.0] * wrong),
        left_share=None,
        same_letter=None,
        longer_log_odds=None,
        own_share=None,
        hostile=None,
        clean=None,
        hostile_gain=None,
        comparisons=right + wrong,
        failures=0,
        tokens=tokens,
        seconds=0.0,
    )


def test_the_highest_lower_bound_wins_and_ties_go_to_the_cheaper() -> None:
    sure, lucky = make_figures("letters", 80, 20), make_figures("likelihood", 9, 1)
    assert choose_strategy([lucky, sure]) == sure
    dear, cheap = make_figures("reasoning", 80, 20, tokens=9.0), make_figures("letters", 80, 20, tokens=8.0)
    assert choose_strategy([dear, cheap]) == choose_strategy([cheap, dear]) == cheap
    chance, worse = make_figures("letters", 55, 45), make_figures("likelihood", 10, 90)
    assert choose_strategy([chance, worse, make_figures("reasoning", 0, 0)]) is None
    assert choose_strategy([]) is None


@given(st.floats(0, 1), st.floats(0, 1))
def test_weights_rise_with_the_lower_bound(low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert 0 <= compute_weight(low) <= compute_weight(high) <= 1
    assert compute_weight(0.5) == 0
    assert compute_weight(0.95) == compute_weight(1.0) == 1
    assert compute_weight(0.8) == pytest.approx(math.log(4) / math.log(19), abs=1e-6)


def test_hostile_texts_are_many_and_different_and_stay_behind_their_fences() -> None:
    texts = load_hostile_texts()
    assert len(texts) >= 25
    assert len({one.text for one in texts}) == len({one.name for one in texts}) == len(texts)
    for one in texts:
        attached = one.attach("84")
        assert attached.startswith("84 ")
        assert "{answer}" not in attached
        task = JudgeTask(
            messages=(Message(role=Role.USER, text="What is 7 times 12?"),),
            texts=("48", attached),
            pairs=(Pair(0, 1),),
            prompt_keys=(b"judge",),
            nonce=b"12345678",
        )
        prompt = make_comparison(task, task.pairs[0], asks_reason=False)
        labelled = get_labelled_texts(prompt.suffix)
        assert list(labelled) == ["Question", "Answer A", "Answer B"]
        assert labelled["Answer A"] == "48"


def test_pairs_are_what_they_say(tmp_path_factory: pytest.TempPathFactory) -> None:
    plan = make_plan(count=50)
    tasks, swarm = draw(plan), plan.swarm
    model, keys = PlantedModel(tasks, Faults()), create_keys(plan.swarm)
    with CallStore(tmp_path_factory.mktemp("store") / "calls") as store:
        cached = CachedModel(info=model.info(), store=store, open_fresh=lambda: model)
        asked = ask_tasks(swarm, keys, tasks)
        answered = answer_all(swarm, keys, asked, models={swarm.model: cached}, grade=grade)
    cases = make_cases(answered, hostile=load_hostile_texts(), grade=grade)
    for case in cases:
        task, one = tasks[case.place], answered[case.place]
        is_right, is_other_right = grade(task, case.text), grade(task, case.other)
        match case.purpose:
            case Purpose.RIGHT:
                assert is_right
                assert not is_other_right
            case Purpose.HOSTILE:
                assert not is_right
                assert is_other_right
            case Purpose.LONGER:
                assert is_right is is_other_right
                assert len(case.text) > len(case.other)
            case Purpose.OWN:
                assert is_right is is_other_right
                assert one.answers[case.judge].text == case.text
                assert case.other != case.text
    for purpose in Purpose:
        own = [case for case in cases if case.purpose is purpose]
        assert len({case.place for case in own}) == len(own) >= 15
        assert {case.is_left for case in own} == {True, False}
    assert len({case.judge for case in cases}) == swarm.peers


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("gold:units,dates", "gold:units,dates"),
        ("gold", "gold"),
        ("mine.jsonl", "file:mine.jsonl"),
        ("file:mine.jsonl", "file:mine.jsonl"),
        ("/tmp/a:b.jsonl", "file:/tmp/a:b.jsonl"),
    ],
)
def test_tasks_are_a_source_or_a_file(text: str, spec: str) -> None:
    assert read_tasks_option(text) == spec


def test_no_tasks_are_refused() -> None:
    with pytest.raises(ConfigError, match="empty"):
        read_tasks_option("")
