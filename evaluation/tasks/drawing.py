"""What all sources share: a request, what comes of it, and the seeded order of a finite list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from consensus.hashing import tagged_hash
from evaluation.task import Task

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a source.

    Args:
        argument: What stands after the source's name and a colon in the specification; empty without one.
        path: What stands after `@`: a local file instead of a download; empty without one.
        count: Tasks wanted, at least 1.
        seed: Decides which; other seeds give other tasks as far as the source has them.
        exclude: Question texts that must not come.
    """

    argument: str
    path: str
    count: int
    seed: int
    exclude: frozenset[str]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a source gave: at most the tasks wanted, and in words whatever was left out or is missing."""

    tasks: tuple[Task, ...]
    notes: tuple[str, ...]


def compute_order(items: Sequence[ItemT], *, seed: int, purpose: str) -> list[ItemT]:
    """Return `items` in an order that `seed` and `purpose` decide, the same on every machine."""
    name = purpose.encode("utf-8")
    places = sorted(range(len(items)), key=lambda place: tagged_hash("eval-order", seed, name, place))
    return [items[place] for place in places]


def take(tasks: Sequence[Task], request: Request) -> Drawn:
    """Take the first tasks wanted: none with an excluded text, none with a text that came before."""
    kept: dict[str, Task] = {}
    repeated = excluded = 0
    for task in tasks:
        if len(kept) == request.count:
            break
        if task.text in request.exclude:
            excluded += 1
        elif task.text in kept:
            repeated += 1
        else:
            kept[task.text] = task
    return Drawn(tuple(kept.values()), describe_dropped(repeated, excluded))


def describe_dropped(repeated: int, excluded: int) -> tuple[str, ...]:
    """Say in words what was dropped."""
    notes = []
    if repeated:
        notes.append(f"dropped {repeated} questions whose text was drawn before")
    if excluded:
        notes.append(
            f"dropped {excluded} questions whose text is excluded or is an example that peers are shown"
        )
    return tuple(notes)
