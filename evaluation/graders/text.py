"""Graders that compare the whole answer: generated gold questions, and texts up to harmless form."""

from consensus.errors import ConfigError
from consensus.gold import LEVELS, GoldQuestion, is_correct
from evaluation.graders.payload import read_payload, read_text, read_texts
from evaluation.task import Task
from ranking.merge import canonical_key


def compute_key(text: str) -> bytes:
    """Return the key under which answers merge; what is no text (a lone surrogate) becomes a mark."""
    return canonical_key(text.encode("utf-8", "replace"))


def grade_gold(task: Task, answer: str) -> bool:
    """Say whether `answer` passes the gold checker.

    The payload holds the gold family (`family`) and its level (`level`).
    """
    content = read_payload(task)
    level = content.get("level")
    if level not in LEVELS or not isinstance(level, int):
        raise ConfigError(f"task {task.key}: the payload's level is {level!r}, expected one of {LEVELS}")
    family = read_text(task, content, "family")
    return is_correct(GoldQuestion(family=family, text=task.text, truth=task.truth, level=level), answer)


def grade_exact(task: Task, answer: str) -> bool:
    """Say whether `answer` is the truth or one of the payload's `aliases`, as `ranking.merge` sees them.

    Case, outer marks, openings such as "the answer is" and ways to write a number do not matter. An answer
    inside a longer text does not count.
    """
    accepted = [task.truth, *read_texts(task, read_payload(task), "aliases")]
    given = compute_key(answer)
    return bool(given) and given in [compute_key(text) for text in accepted]
