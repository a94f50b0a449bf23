"""reasoning-gym: its questions as tasks, its scorers fenced in."""

import importlib.util
import random
import sys
import warnings
from collections.abc import Mapping

import numpy as np
import pytest

from consensus.errors import ConfigError
from evaluation.graders.reasoning import EVALUATING, compute_is_right, fence_gym
from evaluation.grading import grade
from evaluation.tasks import draw_tasks, load_tasks

IS_INSTALLED = importlib.util.find_spec("reasoning_gym") is not None
needs_gym = pytest.mark.skipif(not IS_INSTALLED, reason="needs reasoning-gym: pip install 'peerage[eval]'")


class Scripted:
    """A data set whose scorer does what the answer says, as foreign scorers do on garbage."""

    def __getitem__(self, index: int) -> Mapping[str, object]:
        return {"question": "?", "answer": "5", "metadata": {"index": index}}

    def score_answer(self, answer: str, entry: Mapping[str, object]) -> float:
        random.seed(7)
        np.random.seed(7)
        sys.stdout.write("noise\n")
        warnings.warn("noise", UserWarning, stacklevel=1)
        if answer == "raise":
            raise ZeroDivisionError(entry)
        return float(answer)


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ("1", True),
        ("0.99", True),
        ("0.98", False),
        ("0.01", False),
        ("raise", False),
        ("x", False),
        ("nan", False),
    ],
)
def test_right_means_a_full_score_and_a_scorer_that_raises_says_no(answer: str, is_right: bool) -> None:
    assert compute_is_right(Scripted(), {}, answer) is is_right


def test_a_long_answer_is_not_scored() -> None:
    assert not compute_is_right(Scripted(), {}, "1" + " " * 20_000)


def test_a_scorer_leaves_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    before = random.getstate()
    np.random.seed(3)
    expected = float(np.random.random())
    np.random.seed(3)
    assert compute_is_right(Scripted(), {}, "1")
    assert random.getstate() == before
    assert float(np.random.random()) == expected
    assert capsys.readouterr().out == ""


def test_what_draws_inside_the_fence_draws_the_same_every_time() -> None:
    drawn = []
    for _ in range(2):
        with fence_gym():
            drawn.append((random.random(), float(np.random.random())))
    with fence_gym(5):
        assert (random.random(), float(np.random.random())) != drawn[0]
    assert drawn[0] == drawn[1] != (random.random(), float(np.random.random()))


@pytest.mark.parametrize("name", EVALUATING)
def test_a_set_whose_scorer_evaluates_answers_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="as code"):
        draw_tasks(f"reasoning-gym:{name}", count=1, seed=1)


@pytest.mark.skipif(IS_INSTALLED, reason="reasoning-gym is installed")
def test_without_the_library_the_remedy_names_the_extra() -> None:
    with pytest.raises(ConfigError, match="reasoning-gym is not installed") as caught:
        draw_tasks("reasoning-gym:leg_counting", count=1, seed=1)
    assert caught.value.remedy == "pip install 'peerage[eval]'"


@needs_gym
@pytest.mark.slow
def test_tasks_are_repeatable_graded_and_leave_no_trace() -> None:
    before = random.getstate()
    spec = "reasoning-gym:leg_counting,basic_arithmetic,pool_matrix"  # the last draws from numpy's generator
    tasks = load_tasks(spec, count=12, seed=5)
    assert tasks == load_tasks(spec, count=12, seed=5)
    assert tasks != load_tasks(spec, count=12, seed=6)
    assert [task.family for task in tasks[:2]] == [
        "reasoning-gym-leg_counting",
        "reasoning-gym-basic_arithmetic",
    ]
    for task in tasks:
        assert grade(task, task.truth)
        for answer in ("", "garbage", "1/0", "\0", "(" * 5_000, "__import__('os')"):
            assert not grade(task, answer)
    assert random.getstate() == before


@needs_gym
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [("nonsense", "no data set 'nonsense'"), ("composite", "by itself"), ("graph_color", "no one answer")],
)
def test_a_set_that_gives_no_tasks_is_named(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        draw_tasks(f"reasoning-gym:{name}", count=1, seed=1)
