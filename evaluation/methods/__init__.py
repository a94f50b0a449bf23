"""Rules by name; a group of rules is a module with its `METHODS`, and this is where it is entered."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType

from consensus.errors import ConfigError
from evaluation.methods import judged, likelihood, single, votes
from evaluation.methods.base import Method

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for group in (single.METHODS, votes.METHODS, judged.METHODS, likelihood.METHODS)
        for method in group
    }
)


def get_methods(names: Sequence[str]) -> list[Method]:
    """Return methods by name, all of them where none is named.

    Raises:
        ConfigError: There is no such method; the message suggests the nearest.
    """
    for name in names:
        if name not in METHODS:
            near = get_close_matches(name, METHODS, n=1, cutoff=0.0)
            raise ConfigError(
                f"there is no method {name!r}",
                remedy=f"did you mean {near[0]!r}? known: {', '.join(METHODS)}",
            )
    return [METHODS[name] for name in names] if names else list(METHODS.values())
