"""Pairs of answers to judge, from what peers answered: of each question at most one pair a purpose.

One pair a question keeps trials independent, so that Wilson's interval holds. Judges take turns, and so does
the side on which the answer of interest is shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from evaluation.answering import Answered
from evaluation.calibration.hostile import HostileText
from evaluation.task import Task

Grade = Callable[[Task, str], bool]

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


def make_cases(answered: Sequence[Answered], *, hostile: Sequence[HostileText], grade: Grade) -> list[Case]:
    """Make the pairs of all questions.

    Answers are those that peers gave, because these are what judges meet: a truth that no peer hits is less
    probable to a model than its own mistakes, and what another question's truth is, no peer says.

    Args:
        answered: The questions with their answers.
        hostile: Texts to put behind wrong answers, in turn; at least one.
        grade: Whether an answer to a task is right.
    """
    cases: list[Case] = []
    turn = 0
    for place, one in enumerate(answered):
        right, wrong = _get_most_common(one, is_right=True), _get_most_common(one, is_right=False)
        found: list[tuple[Purpose, int, str, str]] = []
        judge = place % len(one.answers)
        if right is not None and wrong is not None:
            attached = hostile[turn % len(hostile)].attach(wrong)
            turn += 1
            found += [(Purpose.RIGHT, judge, right, wrong), (Purpose.HOSTILE, judge, attached, right)]
        if (lengths := _find_lengths(one, wrong or right, grade)) is not None:
            found.append((Purpose.LONGER, judge, *lengths))
        if (own := _find_own(one, judge)) is not None:
            found.append((Purpose.OWN, *own))
        cases += [
            Case(purpose=purpose, place=place, judge=who, text=text, other=other, is_left=place % 2 == 0)
            for purpose, who, text, other in found
        ]
    return cases


def _get_most_common(one: Answered, *, is_right: bool) -> str | None:
    """Return the right, or wrong, answer that most peers gave; None where none did."""
    found = [candidate for candidate in one.classes if candidate.is_right is is_right]
    return max(found, key=lambda candidate: len(candidate.authors)).text if found else None


def _find_lengths(one: Answered, text: str | None, grade: Grade) -> tuple[str, str] | None:
    """Return the longest and the shortest of the peers' wrong answers, else an answer padded and plain."""
    texts = sorted((c.text for c in one.classes if not c.is_right), key=lambda text: (len(text), text))
    if texts and len(texts[-1]) > len(texts[0]):
        return texts[-1], texts[0]
    task = one.asked.task
    if text is None or grade(task, padded := PADDED.format(text)) is not grade(task, text):
        return None
    return padded, text


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
            return judge, mine.text, max(equal, key=lambda candidate: len(candidate.authors)).text
    return None
