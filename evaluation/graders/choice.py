"""The grader of multiple choice: an answer names one option, by its letter, by its text or by both."""

import re
from string import ascii_uppercase

from consensus.errors import ConfigError
from evaluation.graders.payload import read_payload, read_texts
from evaluation.graders.text import compute_key
from evaluation.task import Task

OPTIONS_MAX = len(ascii_uppercase)
ANSWER_CHARS_MAX = 10_000
_LETTER = re.compile(
    rb"(?:(?:option|choice|letter) )?\(?([a-z])(?:\)|$)(?:[.:,]? +(.*))?|([a-z])[.:,] +(.*)", re.DOTALL
)


def render_options(options: list[str]) -> str:
    """Write options on one line each, with letters: `A) Paris`."""
    return "\n".join(f"{letter}) {option}" for letter, option in zip(ascii_uppercase, options, strict=False))


def find_option(answer: str, options: list[str]) -> int | None:
    """Return the place of the option that `answer` names, None where it names none or contradicts itself.

    An option's text counts before a letter, so an option that reads `B` is that option. A letter with a text
    after it counts only if the text is that option's.
    """
    if len(answer) > ANSWER_CHARS_MAX:
        return None
    given = compute_key(answer)
    keys = [compute_key(option) for option in options]
    if given in keys:
        return keys.index(given)
    match = _LETTER.fullmatch(given)
    if match is None:
        return None
    letter, told = match[1] or match[3], match[2] or match[4]
    place = letter[0] - ord("a")
    if place >= len(options):
        return None
    if told and compute_key(told.decode("utf-8", "replace")) != keys[place]:
        return None
    return place


def grade_choice(task: Task, answer: str) -> bool:
    """Say whether `answer` names the right option; the truth is its letter, the payload holds `options`.

    Raises:
        ConfigError: The payload has no options, or the truth is no letter of one.
    """
    options = read_texts(task, read_payload(task), "options")
    letters = ascii_uppercase[: len(options)]
    if len(task.truth) != 1 or task.truth not in letters:
        raise ConfigError(f"task {task.key}: the truth is {task.truth!r}, expected a letter of {letters!r}")
    return find_option(answer, options) == letters.index(task.truth)
