"""What stands in the fields of an event, read with care; and dictionaries that keep their newest entries."""

from collections.abc import Sequence
from typing import Final, TypeVar

from swarm.edge.events import Event

TEXT_CHARS_MAX: Final = 300

_K = TypeVar("_K")
_V = TypeVar("_V")


def get_integer(event: Event, name: str) -> int | None:
    """Return a field that is an integer; None where it is none, or not there."""
    value = event.fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def get_text(event: Event, name: str) -> str:
    """Return a field that is a text, cut to TEXT_CHARS_MAX; empty where it is none, or not there."""
    value = event.fields.get(name)
    return value[:TEXT_CHARS_MAX] if isinstance(value, str) else ""


def find_class(seat: int, classes: Sequence[object]) -> int | None:
    """Return the index of the class that a seat's answer is in; None where it is in none."""
    for index, members in enumerate(classes):
        if isinstance(members, str) and str(seat) in members.split(","):
            return index
    return None


def bound(kept: dict[_K, _V], most: int) -> list[_K]:
    """Take the oldest out of what is kept until it has `most`; returns their keys."""
    gone = list(kept)[:-most] if len(kept) > most else []
    for key in gone:
        del kept[key]
    return gone
