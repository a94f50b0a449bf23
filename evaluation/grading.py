"""Whether an answer is right: one function, and the graders it knows by name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from consensus.errors import ConfigError
from evaluation.graders.choice import grade_choice
from evaluation.graders.code import grade_code
from evaluation.graders.mathematics import grade_mathematics
from evaluation.graders.numbers import grade_gsm8k, grade_integer, grade_number
from evaluation.graders.reasoning import grade_reasoning
from evaluation.graders.text import grade_exact, grade_gold
from evaluation.task import Task


class Grader(Protocol):
    """A rule: total over answers, it raises `ConfigError` only, and only for what is wrong with the task."""

    def __call__(self, task: Task, answer: str) -> bool:
        """Say whether `answer` is right."""


GRADERS: Mapping[str, Grader] = MappingProxyType(
    {
        "choice": grade_choice,
        "code": grade_code,
        "exact": grade_exact,
        "gold": grade_gold,
        "gsm8k": grade_gsm8k,
        "integer": grade_integer,
        "math": grade_mathematics,
        "number": grade_number,
        "reasoning-gym": grade_reasoning,
    }
)


def grade(task: Task, answer: str) -> bool:
    """Say whether `answer` is right by the task's own rule.

    Args:
        task: The question with its truth.
        answer: Any text; none makes this raise.

    Returns:
        True if it is right.

    Raises:
        ConfigError: There is no such grader, or the task lacks what its grader needs.
    """
    grader = GRADERS.get(task.grader)
    if grader is None:
        raise ConfigError(
            f"task {task.key}: there is no grader {task.grader!r}",
            remedy=f"choose one of {', '.join(GRADERS)}",
        )
    return grader(task, answer)
