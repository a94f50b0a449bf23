"""The grader of reasoning-gym tasks: its own scorer, fenced in.

A scorer of that library may raise on garbage and gives 0.01 for trying; right means at least `RIGHT_MIN`.
Nine of its scorers hand the answer to `eval`, or to SymPy's parser, which evaluates too: a model's answer
would run as code in this process. Their data sets are refused. A scorer's time is not limited here.
"""

import random
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import lru_cache
from typing import Protocol

import numpy as np

from consensus.errors import ConfigError
from evaluation.graders.payload import read_payload, read_text
from evaluation.task import Task

RIGHT_MIN = 0.99
ANSWER_CHARS_MAX = 10_000
EVALUATING = (
    *("binary_matrix", "countdown", "intermediate_integration", "n_queens", "polynomial_multiplication"),
    *("puzzle24", "simple_integration", "spiral_matrix", "string_insertion"),
)
REMEDY = "pip install 'peerage[eval]'"
GLOBAL_SEEDS = 1 << 32  # numpy's global generator takes no larger one
GYMS_MAX = 16  # kept open: some read files of megabytes when made, and a run grades answer by answer


class Gym(Protocol):
    """What is used of a data set of reasoning-gym."""

    def __getitem__(self, index: int) -> Mapping[str, object]:
        """Return the entry at `index`: at least `question`, `answer` and `metadata`."""

    def score_answer(self, answer: str, entry: Mapping[str, object]) -> float:
        """Return how right `answer` is, 0 to 1; may raise."""


@contextmanager
def fence_gym(seed: int = 0) -> Iterator[None]:
    """Keep the library's side effects in: some of it draws from global generators, prints or warns.

    The global generators of Python and numpy are seeded inside and put back after, what is printed goes to
    standard error, and warnings are dropped. Not for several threads at once: all of it is the process's.

    Args:
        seed: What the global generators draw from inside, 0 to 2^32 - 1.
    """
    before, before_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)


@lru_cache(maxsize=GYMS_MAX)
def open_gym(name: str, *, size: int, seed: int) -> Gym:
    """Open a data set of reasoning-gym.

    Args:
        name: One of its data sets, not one of `EVALUATING`.
        size: Entries in it.
        seed: Decides them.

    Raises:
        ConfigError: The library is not installed, there is no such data set, or its scorer evaluates answers.
    """
    if name in EVALUATING:
        raise ConfigError(
            f"the scorer of {name!r} evaluates a model's answer as code", remedy="choose another data set"
        )
    try:
        with fence_gym():
            import reasoning_gym
    except ImportError as exc:
        raise ConfigError("reasoning-gym is not installed", remedy=REMEDY) from exc
    known = reasoning_gym.factory.DATASETS
    if name not in known:
        names = ", ".join(one for one in sorted(known) if one not in EVALUATING)
        raise ConfigError(f"reasoning-gym has no data set {name!r}", remedy=f"choose one of {names}")
    try:
        with fence_gym():
            gym: Gym = reasoning_gym.create_dataset(name, size=size, seed=seed)
    except (AssertionError, TypeError, ValueError) as exc:  # what its configurations raise
        raise ConfigError(f"reasoning-gym cannot make {name!r} by itself: {exc}") from exc
    return gym


def make_entry(gym: Gym, *, seed: int, index: int) -> Mapping[str, object]:
    """Make the entry at `index` of a data set opened with `seed`, the same every time."""
    with fence_gym((seed + index) % GLOBAL_SEEDS):
        return gym[index]


def compute_is_right(gym: Gym, entry: Mapping[str, object], answer: str) -> bool:
    """Say whether `gym` scores `answer` to `entry` as right; a scorer that raises says no."""
    if len(answer) > ANSWER_CHARS_MAX:
        return False
    with fence_gym():
        try:
            return float(gym.score_answer(answer, entry)) >= RIGHT_MIN
        except Exception:  # noqa: BLE001 - foreign code on foreign text: it was not convinced
            return False


def grade_reasoning(task: Task, answer: str) -> bool:
    """Say whether the scorer of the task's data set takes `answer` for right.

    The payload holds the data set (`dataset`), `seed`, `size` and `index`, from which the entry is made anew.

    Raises:
        ConfigError: As `open_gym`; or the entry is not the task's, because another version of the library
            made it.
    """
    content = read_payload(task)
    name = read_text(task, content, "dataset")
    seed, size, index = (content.get(key) for key in ("seed", "size", "index"))
    if not isinstance(seed, int) or not isinstance(size, int) or not isinstance(index, int):
        raise ConfigError(f"task {task.key}: the payload lacks seed, size or index as integers")
    gym = open_gym(name, size=size, seed=seed)
    entry = make_entry(gym, seed=seed, index=index)
    if entry["answer"] != task.truth:
        raise ConfigError(
            f"task {task.key}: this version of reasoning-gym makes another entry",
            remedy="make the tasks anew",
        )
    return compute_is_right(gym, entry, answer)
