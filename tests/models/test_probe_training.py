"""Learning a probe: a planted direction is found, noise is not, and held-out questions are held out."""

import numpy as np
import pytest

from models.errors import ModelError
from models.probe_training import QUESTIONS_MIN, LabelledQuestion, Trained, train

WIDTH = 12


def make_questions(
    count: int, *, gap: float, layers: int = 1, planted: int = 0, seed: int = 0
) -> list[LabelledQuestion]:
    """Draw states whose first value is larger by `gap` where the answer is right, in one layer."""
    rng = np.random.default_rng(seed)
    questions = []
    for _ in range(count):
        is_right = np.array([True, False, False])
        states = rng.normal(size=(layers, 3, WIDTH)) + 50 * rng.normal(size=(layers, 1, WIDTH))
        states[planted, is_right, 0] += gap
        questions.append(
            LabelledQuestion(states=states, logprobs=rng.normal(size=3) + 0.5 * is_right, is_right=is_right)
        )
    return questions


def get_accuracy(trained: Trained, questions: list[LabelledQuestion]) -> float:
    return float(np.mean([merits[0] > merits[1] for merits in trained.held_out[: len(questions)]]))


def test_a_planted_direction_is_found_whatever_the_question_adds() -> None:
    questions = make_questions(150, gap=3.0)
    trained = train(questions, seed=1)
    assert get_accuracy(trained, questions) > 0.9
    assert int(np.argmax(np.abs(trained.learnt.direction))) == 0
    assert trained.learnt.logprob_weight > 0


def test_the_layer_that_knows_is_chosen() -> None:
    questions = make_questions(120, gap=3.0, layers=3, planted=1)
    assert train(questions, seed=1).learnt.layer == 1


def test_noise_is_not_taken_for_knowledge() -> None:
    questions = make_questions(120, gap=0.0)
    trained = train(questions, seed=1)
    plain = float(np.mean([one.logprobs[0] > one.logprobs[1] for one in questions]))
    assert get_accuracy(trained, questions) < plain + 0.1
    assert trained.learnt.ridge >= 100.0


def test_nothing_of_a_held_out_question_enters_its_merits() -> None:
    questions = make_questions(40, gap=2.0)
    before = train(questions, seed=1)
    odd = questions[7]
    questions[7] = LabelledQuestion(states=odd.states, logprobs=odd.logprobs, is_right=~odd.is_right)
    after = train(questions, seed=1)
    assert np.array_equal(before.held_out[7], after.held_out[7])
    assert not np.array_equal(before.learnt.direction, after.learnt.direction)


def test_states_without_any_difference_leave_the_log_probability() -> None:
    questions = [
        LabelledQuestion(states=one.states * 0.0, logprobs=one.logprobs, is_right=one.is_right)
        for one in make_questions(30, gap=0.0)
    ]
    learnt = train(questions, seed=1).learnt
    assert not learnt.direction.any()
    assert learnt.logprob_weight > 0


def test_too_few_questions_and_broken_states_are_refused() -> None:
    with pytest.raises(ModelError, match=str(QUESTIONS_MIN)) as caught:
        train(make_questions(QUESTIONS_MIN - 1, gap=1.0), seed=1)
    assert caught.value.remedy
    questions = make_questions(QUESTIONS_MIN, gap=1.0)
    questions[0].states[0, 0, 0] = np.nan
    with pytest.raises(ModelError, match="finite"):
        train(questions, seed=1)
