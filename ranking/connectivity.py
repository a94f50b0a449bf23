"""Whether wins and losses lead from every item to every other, and if not, between whom they do not.

Only then do strengths exist without a prior. Items that were never compared, undefeated and winless ones are
found by `ranking.diagnosis`; here is the general case, a group that never lost to the rest.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ranking.comparisons import ComparisonTable, Indices

PASSES_MAX: Final = 8
"""Passes over all wins before they are sorted: many comparisons reach everything in three or four."""
NAMES_SHOWN_MAX: Final = 5

_Flags = npt.NDArray[np.bool_]
_Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Two groups of items between which all wins, if any, go one way; indices ascending, neither empty.

    Attributes:
        upper: Items that never lost, not even in part, to one of `lower`.
        lower: All other items.
        has_wins: Whether the upper group won anything against the lower; else they were never compared.
    """

    upper: tuple[int, ...]
    lower: tuple[int, ...]
    has_wins: bool


@dataclass(frozen=True, slots=True)
class _Wins:
    """Who beat whom, at least in part: winner and loser of each win, shape (wins,)."""

    winner: Indices
    loser: Indices


def find_split(table: ComparisonTable) -> Split | None:
    """Return two groups between which wins go one way at most; None where there are none such.

    None is the sound case, the comparisons' graph being strongly connected: then the data alone hold all
    strengths together. Otherwise how far the groups are apart is the prior's word. Of several splits one is
    returned, the same for the same table. Rows of weight 0 are no comparisons.

    Source:
        L. R. Ford, "Solution of a ranking problem from binary comparisons", Amer. Math. Monthly 64 (1957).
    """
    size = len(table.items)
    wins = _list_wins(table)
    is_upper = _find_unreached(size, wins)
    if is_upper is None:
        return None
    return Split(
        upper=tuple(np.flatnonzero(is_upper).tolist()),
        lower=tuple(np.flatnonzero(~is_upper).tolist()),
        has_wins=bool((is_upper[wins.winner] & ~is_upper[wins.loser]).any()),
    )


def describe_split(split: Split, items: tuple[str, ...]) -> str:
    """Return a sentence on a split, for people."""
    upper, lower = (_list_names(group, items) for group in (split.upper, split.lower))
    if not split.has_wins:
        return f"{upper} and {lower} were never compared with each other; which is better rests on the prior"
    return f"{upper} never lost to {lower}; how far they are apart rests on the prior"


def _list_names(group: tuple[int, ...], items: tuple[str, ...]) -> str:
    names = ", ".join(items[item] for item in group[:NAMES_SHOWN_MAX])
    more = len(group) - NAMES_SHOWN_MAX
    return f"{names} and {more} more" if more > 0 else names


def _list_wins(table: ComparisonTable) -> _Wins:
    """Return all wins; a row shared by both items is a win of each."""
    left, right, has_mass = table.left, table.right, table.weight > 0.0
    by_left, by_right = has_mass & (table.outcome > 0.0), has_mass & (table.outcome < 1.0)
    return _Wins(
        np.concatenate([left[by_left], right[by_right]]), np.concatenate([right[by_left], left[by_right]])
    )


def _find_unreached(size: int, wins: _Wins) -> _Flags | None:
    """Return the upper side of a split, shape (items,); None where wins lead from each item to each."""
    below = _reach(size, wins.winner, wins.loser)
    if not below.all():
        # What is reached from item 0 by wins beat nothing outside.
        return ~below
    above = _reach(size, wins.loser, wins.winner)
    return None if above.all() else above


def _reach(size: int, source: Indices, target: Indices) -> _Flags:
    """Return which items are reached from item 0 along source -> target, itself included, shape (items,)."""
    is_reached = np.zeros(size, dtype=np.bool_)
    is_reached[0] = True
    for _ in range(PASSES_MAX):
        before = np.count_nonzero(is_reached)
        is_reached[target[is_reached[source]]] = True
        if np.count_nonzero(is_reached) in (before, size):
            return is_reached
    order = np.argsort(source)
    targets = target[order]
    counts = np.bincount(source, minlength=size)
    starts = np.cumsum(counts) - counts
    frontier = np.flatnonzero(is_reached)
    while len(frontier):
        found = targets[_expand(starts[frontier], counts[frontier])]
        frontier = np.unique(found[~is_reached[found]]).astype(np.intp)
        is_reached[frontier] = True
    return is_reached


def _expand(starts: _Places, counts: _Places) -> _Places:
    """Return start, start + 1, ... start + count - 1 for each of several runs, one after the other."""
    ends = np.cumsum(counts)
    places: _Places = np.repeat(starts - ends + counts, counts) + np.arange(ends[-1])
    return places
