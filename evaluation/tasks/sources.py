"""Tasks by specification: `SOURCE`, `SOURCE:ARGUMENT`, `SOURCE@PATH` or `SOURCE:ARGUMENT@PATH`."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from consensus.errors import ConfigError
from evaluation.task import Task
from evaluation.tasks.drawing import Drawn, Request
from evaluation.tasks.facts import draw_fact_tasks
from evaluation.tasks.files import draw_file_tasks
from evaluation.tasks.gold import draw_gold_tasks
from evaluation.tasks.published import SETS, draw_published_tasks
from evaluation.tasks.reasoning import draw_reasoning_tasks
from models.shots import SHOTS_BY_KIND

__all__ = ["Drawn", "draw_tasks", "list_sources", "load_tasks"]

COUNT_MAX = 100_000
_SPEC = re.compile(r"([^:@]*)(?::([^@]*))?(?:@(.*))?", re.DOTALL)

Source = Callable[[Request], Drawn]
SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "gold": draw_gold_tasks,
        "facts": draw_fact_tasks,
        "file": draw_file_tasks,
        "reasoning-gym": draw_reasoning_tasks,
    }
    | {name: partial(draw_published_tasks, name) for name in SETS}
)


# What peers are shown with its answer is no question to them.
SHOWN = frozenset(shot.question for shots in SHOTS_BY_KIND.values() for shot in shots)


def list_sources() -> list[str]:
    """Return the names of the sources, the offline ones first."""
    return list(SOURCES)


def read_spec(spec: str) -> tuple[str, str, str]:
    """Split a specification into source, argument and path; the path of `file` is its argument.

    Raises:
        ConfigError: There is no such source, or it takes no path.
    """
    match = _SPEC.fullmatch(spec)
    assert match is not None, "every text has this form"
    name, argument, path = match[1], match[2] or "", match[3] or ""
    if name == "file":
        return name, spec.removeprefix("file").removeprefix(":"), ""
    if name not in SOURCES:
        raise ConfigError(
            f"there is no task source {name!r}", remedy=f"choose one of {', '.join(list_sources())}"
        )
    if path and name not in SETS:
        raise ConfigError(f"the source {name!r} reads no file, got {path!r}", remedy="use file:PATH")
    return name, argument, path


def draw_tasks(spec: str, *, count: int, seed: int, exclude: frozenset[str] = frozenset()) -> Drawn:
    """Draw tasks and say what was left out or is missing.

    Args:
        spec: Where they come from.
        count: How many, 1 to COUNT_MAX.
        seed: Decides which, in which order, and in which order options stand. Any integer.
        exclude: Question texts that must not come, such as those of an earlier run. The examples that peers
            are shown with their answers (`models.shots`) never come.

    Returns:
        At most `count` tasks with different texts and keys, a function of the arguments and of the source's
        content; a source with fewer gives what it has, and a note says so.

    Raises:
        ConfigError: The specification, the count or the source's content cannot be used.
    """
    if not 1 <= count <= COUNT_MAX:
        raise ConfigError(f"got {count} tasks, expected 1 to {COUNT_MAX}", remedy="ask for fewer")
    name, argument, path = read_spec(spec)
    request = Request(argument=argument, path=path, count=count, seed=seed, exclude=exclude | SHOWN)
    drawn = SOURCES[name](request)
    if len(drawn.tasks) == count:
        return drawn
    return Drawn(drawn.tasks, (*drawn.notes, f"{spec} has {len(drawn.tasks)} of the {count} tasks asked for"))


def load_tasks(spec: str, *, count: int, seed: int, exclude: frozenset[str] = frozenset()) -> list[Task]:
    """Draw exactly `count` tasks.

    Args:
        spec: As in `draw_tasks`.
        count: As in `draw_tasks`.
        seed: As in `draw_tasks`.
        exclude: As in `draw_tasks`.

    Returns:
        The tasks.

    Raises:
        ConfigError: As `draw_tasks`; or the source has fewer.
    """
    drawn = draw_tasks(spec, count=count, seed=seed, exclude=exclude)
    if len(drawn.tasks) < count:
        raise ConfigError("; ".join(drawn.notes), remedy=f"ask for at most {len(drawn.tasks)}")
    return list(drawn.tasks)
