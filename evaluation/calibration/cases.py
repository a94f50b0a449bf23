"""Pairs of answers to judge, from what peers answered: of each question at most one pair a purpose.

One pair a question keeps trials independent, so that Wilson's interval holds. Judges take turns, and so does
the side on which the answer of interest is shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Final

from evaluation.answering import Answered
from evaluation.calibration.hostile import HostileText
from evaluation.record import AnswerClass
from evaluation.task import Task

Grade = Callable[[Task, str], bool]

OTHERS_MAX: Final = 100  # truths of a family that are tried for a wrong answer
PADDED: Final = "The answer is {}."


class Purpose(Enum):
    """What a pair is for, and which of its two answers is the one of interest."""

    RIGHT = "a right answer against a wrong one"
    HOSTILE = "the same wrong answer with a hostile text behind it, against the same right one"
    LONGER = "the longer of two answers of equal correctness"
    OWN = "the judge's own answer against another of equal correctness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One pair for one judge.

    Args:
        purpose: What it is for.
        place: Which question.
        judge: Which peer judges.
        text: The answer of interest.
        other: The answer it is held against.
        is_left: Whether the answer of interest is shown first.
    """

    purpose: Purpose
    place: int
    judge: int
    text: str
    other: str
    is_left: bool


def make_cases(
    answered: Sequence[Answered],
    tasks: Sequence[Task],
    *,
    hostile: Sequence[HostileText],
    grade: Grade,
) -> list[Case]:
    """Make the pairs of all questions.

    A right answer is a peer's where there is one, else the task's truth if that is graded right; a wrong one
    is a peer's, else the truth of another task of the family. Without both, a question has no such pair.

    Args:
        answered: The first questions of the tasks, with their answers.
        tasks: All tasks.
        hostile: Texts to put behind wrong answers, in turn; at least one.
        grade: Whether an answer to a task is right.
    """
    cases: list[Case] = []
    for place, one in enumerate(answered):
        right, wrong = _find_right(one, grade), _find_wrong(one, tasks, grade)
        found: list[tuple[Purpose, int, str, str]] = []
        judge = place % len(one.answers)
        if right is not None and wrong is not None:
            attached = hostile[place % len(hostile)].attach(wrong)
            found += [(Purpose.RIGHT, judge, right, wrong), (Purpose.HOSTILE, judge, attached, right)]
        if (lengths := _find_lengths(one, wrong, grade)) is not None:
            found.append((Purpose.LONGER, judge, *lengths))
        if (own := _find_own(one, judge)) is not None:
            found.append((Purpose.OWN, *own))
        cases += [
            Case(purpose=purpose, place=place, judge=who, text=text, other=other, is_left=place % 2 == 0)
            for purpose, who, text, other in found
        ]
    return cases


def _get_most_common(classes: Sequence[AnswerClass]) -> str:
    return max(classes, key=lambda candidate: len(candidate.authors)).text


def _find_right(one: Answered, grade: Grade) -> str | None:
    """Return the right answer that most peers gave, else the truth where its grader takes it."""
    right = [candidate for candidate in one.classes if candidate.is_right]
    if right:
        return _get_most_common(right)
    task = one.asked.task
    return task.truth if grade(task, task.truth) else None


def _find_wrong(one: Answered, tasks: Sequence[Task], grade: Grade) -> str | None:
    """Return the wrong answer that most peers gave, else what is right elsewhere in the family."""
    wrong = [candidate for candidate in one.classes if not candidate.is_right]
    if wrong:
        return _get_most_common(wrong)
    task = one.asked.task
    others = (other.truth for other in tasks if other.family == task.family and other.truth != task.truth)
    return next((truth for truth in islice(others, OTHERS_MAX) if not grade(task, truth)), None)


def _find_lengths(one: Answered, wrong: str | None, grade: Grade) -> tuple[str, str] | None:
    """Return the longest and the shortest of the peers' wrong answers, else one and the same padded."""
    texts = sorted((c.text for c in one.classes if not c.is_right), key=lambda text: (len(text), text))
    if texts and len(texts[-1]) > len(texts[0]):
        return texts[-1], texts[0]
    if wrong is None or grade(one.asked.task, padded := PADDED.format(wrong)):
        return None
    return padded, wrong


def _find_own(one: Answered, first: int) -> tuple[int, str, str] | None:
    """Return a peer, its answer and another of equal correctness, beginning the search with one peer."""
    peers = len(one.answers)
    for step in range(peers):
        judge = (first + step) % peers
        mine = next((candidate for candidate in one.classes if judge in candidate.authors), None)
        if mine is None:
            continue
        equal = [c for c in one.classes if c.is_right is mine.is_right and judge not in c.authors]
        if equal:
            return judge, mine.text, _get_most_common(equal)
    return None
