"""Questions with a text in them that does not belong there (`evaluation/data/extraneous.json`)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Final

import msgspec

from consensus.errors import ConfigError
from consensus.hashing import tagged_hash
from evaluation.answering import Grade
from evaluation.plan import EXTRANEOUS_KINDS
from evaluation.task import Task

EXTRANEOUS_SCHEMA: Final = "peerage.extraneous/1"
FILE_NAME: Final = "extraneous.json"
NUMBER_MARK: Final = "{number}"
WRONG_MARK: Final = "{wrong}"
WORD_MARK: Final = "{word}"
WORDS: Final = ("pineapple", "umbrella", "windmill", "marble", "lantern", "saddle")
NUMBER_MIN, NUMBER_COUNT = 10, 90


class ExtraneousText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text.

    Attributes:
        kind: Of EXTRANEOUS_KINDS.
        name: Unique, for people.
        text: Each `{number}` in it stands for a number that means nothing, `{word}` for a word, and `{wrong}`
            for a wrong answer.
    """

    kind: str
    name: str
    text: str


class _ExtraneousFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: str
    texts: tuple[ExtraneousText, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyTask:
    """A task with a text added to its question.

    Attributes:
        task: What is asked.
        clean: What was asked without it.
        kind: Of the text.
        name: Of the text.
        is_before: Whether it stands before the question.
    """

    task: Task
    clean: Task
    kind: str
    name: str
    is_before: bool


def load_extraneous_texts() -> tuple[ExtraneousText, ...]:
    """Return the texts that come with the package.

    Raises:
        ConfigError: The package's file is not whole.
    """
    data = files("evaluation").joinpath("data", FILE_NAME).read_bytes()
    try:
        found = msgspec.json.decode(data, type=_ExtraneousFile)
    except msgspec.MsgspecError as exc:
        raise ConfigError(f"{FILE_NAME} is damaged: {exc}", remedy="install the package again") from exc
    kinds = tuple(dict.fromkeys(one.kind for one in found.texts))
    if found.schema != EXTRANEOUS_SCHEMA or kinds != EXTRANEOUS_KINDS:
        raise ConfigError(
            f"{FILE_NAME} has the schema {found.schema!r} and the kinds {', '.join(kinds)}",
            remedy="install the package again",
        )
    return found.texts


def make_dirty_tasks(
    tasks: Sequence[Task], *, kinds: Sequence[str], seed: bytes, grade: Grade
) -> list[DirtyTask]:
    """Add one text to every question, before or after it.

    Every text comes about equally often: questions take them in turn, in an order drawn by the seed.

    Args:
        tasks: The questions as they are.
        kinds: Of the texts.
        seed: Draws texts, places and what stands in them.
        grade: Makes sure that a wrong answer is wrong.

    Returns:
        One entry a task, in order.
    """
    texts = [one for one in load_extraneous_texts() if one.kind in kinds]
    texts.sort(key=lambda one: tagged_hash("evaluation-extraneous", seed, one.name.encode()))
    drawn = [tagged_hash("evaluation-dirty", seed, task.key.encode("utf-8")) for task in tasks]
    ranks = {place: rank for rank, place in enumerate(sorted(range(len(tasks)), key=drawn.__getitem__))}
    return [
        _make_dirty(task, texts[ranks[place] % len(texts)], drawn[place], tasks, grade)
        for place, task in enumerate(tasks)
    ]


def _make_dirty(
    task: Task, text: ExtraneousText, drawn: bytes, tasks: Sequence[Task], grade: Grade
) -> DirtyTask:
    number = str(NUMBER_MIN + drawn[0] % NUMBER_COUNT)
    added = text.text.replace(NUMBER_MARK, number).replace(WORD_MARK, WORDS[drawn[1] % len(WORDS)])
    if WRONG_MARK in added:
        added = added.replace(WRONG_MARK, _draw_wrong(task, drawn, tasks, grade) or number)
    is_before = drawn[2] % 2 == 0
    side = "before" if is_before else "after"
    return DirtyTask(
        task=replace(
            task,
            key=f"{task.key}+{text.kind}/{text.name}/{side}",
            text=f"{added} {task.text}" if is_before else f"{task.text} {added}",
        ),
        clean=task,
        kind=text.kind,
        name=text.name,
        is_before=is_before,
    )


def _draw_wrong(task: Task, drawn: bytes, tasks: Sequence[Task], grade: Grade) -> str:
    """Return the right answer to another question of the family; none where all are right here too."""
    others = sorted({one.truth for one in tasks if one.family == task.family and one.truth != task.truth})
    start = int.from_bytes(drawn[3:7], "big") % max(1, len(others))
    return next((truth for truth in others[start:] + others[:start] if not grade(task, truth)), "")
