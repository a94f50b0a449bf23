"""Graders that read a number out of an answer, by one stated rule: the last number counts.

A number is an optional minus, digits with or without thousands commas, and an optional decimal part. A minus
counts only where nothing that could be subtracted from stands before it (`5-3` holds 5 and 3). Currency and
percent signs, units and words around it do not matter. `1/2` is two numbers; `1e5` and `2.5.1` are none.
"""

import re
from fractions import Fraction

from consensus.errors import ConfigError
from evaluation.task import Task

ANSWER_CHARS_MAX = 100_000  # a longer text is not searched: it is wrong
DIGITS_MAX = 100  # a longer number is no answer, and costs time to read

_NUMBER = re.compile(
    r"(?<![\w.)\]])(-?)\$?(?<![\d.])"  # a minus only where nothing to subtract from stands before it
    r"(\d{1,3}(?:,\d{3})+(?!\d)|\d+(?!\d))(\.\d+(?!\d))?"
    r"(?!\.\d|[eE][+-]?\d)",  # not a piece of 2.5.1 or 1e5
    re.ASCII,
)
_MARKED = "####"


def find_numbers(text: str) -> list[Fraction]:
    """Return the numbers in `text` in order, by the module's rule."""
    found = []
    for sign, whole, decimals in _NUMBER.findall(text[:ANSWER_CHARS_MAX]):
        if len(whole) + len(decimals) <= DIGITS_MAX:
            found.append(Fraction(f"{sign}{whole.replace(',', '')}{decimals}"))
    return found


def read_number(text: str) -> Fraction | None:
    """Return the last number in `text`, None where there is none or the text is too long."""
    numbers = find_numbers(text) if len(text) <= ANSWER_CHARS_MAX else []
    return numbers[-1] if numbers else None


def _read_truth(task: Task, text: str) -> Fraction:
    truth = read_number(text)
    if truth is None:
        raise ConfigError(f"task {task.key}: the truth {text!r} holds no number", remedy="give it as digits")
    return truth


def grade_number(task: Task, answer: str) -> bool:
    """Say whether the last number of `answer` equals that of the truth, exactly as decimals."""
    return read_number(answer) == _read_truth(task, task.truth)


def grade_integer(task: Task, answer: str) -> bool:
    """Say the same of an integer; a last number with a fraction other than zero is wrong.

    Raises:
        ConfigError: The truth is no integer.
    """
    truth = _read_truth(task, task.truth)
    if truth.denominator != 1:
        raise ConfigError(f"task {task.key}: the truth {task.truth!r} is no integer", remedy="use 'number'")
    return read_number(answer) == truth


def grade_gsm8k(task: Task, answer: str) -> bool:
    """Say whether `answer` ends in the number after the truth's `####`.

    Where the answer has such a mark itself, the first number after its last mark counts; else the last number
    of all.
    """
    _, _, told = task.truth.rpartition(_MARKED)
    head, mark, tail = answer.rpartition(_MARKED)
    if not mark:
        return read_number(answer) == _read_truth(task, told)
    numbers = find_numbers(tail) if len(head) + len(tail) <= ANSWER_CHARS_MAX else []
    return bool(numbers) and numbers[0] == _read_truth(task, told)
