"""Texts that do not belong into questions: which there are, and that questions take them fairly."""

from collections import Counter

import pytest

from evaluation.plan import EXTRANEOUS_KINDS
from evaluation.robustness.extraneous import (
    NUMBER_MARK,
    WORD_MARK,
    WRONG_MARK,
    load_extraneous_texts,
    make_dirty_tasks,
)
from evaluation.task import Task
from models.prompts import as_line
from tests.evaluation.kit import SEED, is_equal, make_task, make_tasks


def test_the_texts_are_many_of_every_kind_and_each_has_a_name() -> None:
    texts = load_extraneous_texts()
    kinds = Counter(one.kind for one in texts)
    assert tuple(kinds) == EXTRANEOUS_KINDS
    assert len(texts) >= 20
    assert min(kinds.values()) >= 5
    assert len({one.name for one in texts}) == len({one.text for one in texts}) == len(texts)
    assert all(as_line(one.text) == one.text for one in texts)
    assert all(NUMBER_MARK in one.text for one in texts if one.kind == "numbers")
    assert all(WRONG_MARK in one.text for one in texts if one.kind == "answers")


def test_every_question_gets_one_text_and_every_text_comes_equally_often() -> None:
    tasks = make_tasks(112, families=("sums", "more"))
    dirty = make_dirty_tasks(tasks, kinds=EXTRANEOUS_KINDS, seed=SEED, grade=is_equal)
    assert [one.clean for one in dirty] == tasks
    assert set(Counter(one.name for one in dirty).values()) == {4}
    assert 30 < sum(one.is_before for one in dirty) < 82
    for one in dirty:
        assert (one.task.text.endswith if one.is_before else one.task.text.startswith)(one.clean.text)
        assert one.task.text != one.clean.text
        assert one.task.truth == one.clean.truth
        assert one.task.family == one.clean.family
        assert not any(mark in one.task.text for mark in (NUMBER_MARK, WORD_MARK, WRONG_MARK))
    assert len({one.task.key for one in dirty} | {task.key for task in tasks}) == 224


def test_the_seed_alone_decides() -> None:
    tasks = make_tasks(40)
    first = make_dirty_tasks(tasks, kinds=EXTRANEOUS_KINDS, seed=SEED, grade=is_equal)
    assert first == make_dirty_tasks(tasks, kinds=EXTRANEOUS_KINDS, seed=SEED, grade=is_equal)
    other = make_dirty_tasks(tasks, kinds=EXTRANEOUS_KINDS, seed=bytes(32), grade=is_equal)
    assert [one.task.text for one in first] != [one.task.text for one in other]


@pytest.mark.parametrize("kind", EXTRANEOUS_KINDS)
def test_only_the_kinds_that_are_named_come(kind: str) -> None:
    dirty = make_dirty_tasks(make_tasks(20), kinds=(kind,), seed=SEED, grade=is_equal)
    assert {one.kind for one in dirty} == {kind}


def test_a_wrong_answer_is_another_question_s_and_wrong_here() -> None:
    tasks = make_tasks(30)

    def is_odd_half(task: Task, answer: str) -> bool:
        return answer == task.truth or int(answer) % 4 == 1

    dirty = make_dirty_tasks(tasks, kinds=("answers",), seed=SEED, grade=is_odd_half)
    truths = [task.truth for task in tasks]
    for one in dirty:
        added = one.task.text.replace(one.clean.text, " ")
        (named,) = {word.strip(".,:") for word in added.split()} & set(truths)
        assert not is_odd_half(one.clean, named)


def test_without_another_truth_a_number_stands_for_the_wrong_answer() -> None:
    (dirty,) = make_dirty_tasks([make_task(3)], kinds=("answers",), seed=SEED, grade=is_equal)
    assert any(character.isdecimal() for character in dirty.task.text.replace(dirty.clean.text, ""))
