"""How one judge of the deployed Fortytwo client ranks what it was shown: Zermelo's iteration without a prior.

    w_ij += 1 where i was preferred, 1/2 each way where neither was
    s_i <- sum_j w_ij / sum_j [(w_ij + w_ji) / (s_i + s_j)]   in place, in the order of the list
    s <- s * n / sum s after each sweep; stop when max |change| < 1e-6, after 1000 sweeps at the latest
    an item without comparisons: s_i = 1, the average
    rank by s, equal ones in the order of the list

Its consequences are kept: winless items are exactly 0 and tie by the list, undefeated ones run off until the
sweep limit, what was never compared stands at the average, above all that was judged worse.

Source: fortytwo-app-client 0.1.6, from a description; Zermelo 1929.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

SWEEPS_MAX: Final = 1_000
CHANGE_MIN: Final = 1e-6
_BLOCK: Final = 8
"""Sweeps between two looks at whether it has converged."""
_SNAPSHOTS: Final = (32, 64, 128, 256, 512)
_ALIKE: Final = 0.15
"""How far two ratios may differ to count as one power law."""
_DOUBT: Final = 1.0
"""How far the two ways to carry on may differ, beside the gap they leave."""

_Games = Mapping[int, float]


class _Row(NamedTuple):
    """One moving item: its wins, its mass against winless items, and (item, mass) of the others."""

    item: int
    wins: float
    beaten: float
    others: tuple[tuple[int, float], ...]


def rank_as_client(
    items: int, won: Mapping[tuple[int, int], float], *, is_cut_short: bool = True
) -> list[int]:
    """Rank a list of items as the client does.

    The iteration has no scale but for the items without comparisons, so it is normalised when it is looked
    at. What never moves after the first sweep is passed over: winless items, which are 0, and those that
    met winless ones only. The rest drifts, without a prior, as a power of the number of sweeps at worst, so
    most of the 1000 sweeps change no place: they are left out where that can be foreseen. Of 400 random
    votes each, 1 to 3 of 7 to 31 items with 6 to 10 comparisons came out otherwise, by two near neighbours;
    on the client's own dense graph 8 at 7 items, 17 at 15.

    Args:
        items: Length of the list.
        won: (winner, loser) -> mass, by place in the list; a mass of 0 is no comparison.
        is_cut_short: Whether sweeps are left out; without, all of them run.

    Returns:
        Places in the list, best first.
    """
    wins = [0.0] * items
    games: list[dict[int, float]] = [{} for _ in range(items)]
    for (winner, loser), mass in won.items():
        if mass > 0.0:
            wins[winner] += mass
            games[winner][loser] = games[winner].get(loser, 0.0) + mass
            games[loser][winner] = games[loser].get(winner, 0.0) + mass
    strengths = [1.0] * items
    for item, met in enumerate(games):
        if met:
            own = strengths[item]
            strengths[item] = wins[item] / sum(mass / (own + strengths[other]) for other, mass in met.items())
    compared = [item for item in range(items) if games[item]]
    if compared:
        strengths = _iterate(strengths, compared, _make_rows(wins, games), is_cut_short=is_cut_short)
    return sorted(range(items), key=lambda item: (-strengths[item], item))


def _make_rows(wins: Sequence[float], games: Sequence[_Games]) -> list[_Row]:
    rows: list[_Row] = []
    for item, met in enumerate(games):
        others = tuple((other, mass) for other, mass in met.items() if wins[other])
        if wins[item] and others:
            beaten = sum(mass for other, mass in met.items() if not wins[other])
            rows.append(_Row(item, wins[item], beaten, others))
    return rows


def _sweep(strengths: list[float], rows: Sequence[_Row]) -> None:
    for item, wins, beaten, others in rows:
        own = strengths[item]
        share = beaten / own
        for other, mass in others:
            share += mass / (own + strengths[other])
        strengths[item] = wins / share


def _normalise(strengths: Sequence[float], compared: Sequence[int]) -> list[float]:
    """Return strengths with mean 1 over the compared items, hence over all."""
    scale = len(compared) / math.fsum(strengths[item] for item in compared)
    scaled = [1.0] * len(strengths)
    for item in compared:
        scaled[item] = strengths[item] * scale
    return scaled


def _iterate(
    strengths: list[float], compared: Sequence[int], rows: Sequence[_Row], *, is_cut_short: bool
) -> list[float]:
    """Return what the sweeps after the first make of `strengths`, normalised."""
    past: list[list[float]] = []
    sweep = 1
    while rows and sweep < SWEEPS_MAX:
        last = min(SWEEPS_MAX, sweep // _BLOCK * _BLOCK + _BLOCK)
        for _ in range(last - sweep - 1):
            _sweep(strengths, rows)
        before = _normalise(strengths, compared)
        _sweep(strengths, rows)
        after = _normalise(strengths, compared)
        if max(map(abs, map(float.__sub__, after, before))) < CHANGE_MIN:
            break
        sweep = last
        if is_cut_short and sweep in _SNAPSHOTS:
            past.append([math.log(strength) if strength else -math.inf for strength in after])
            if len(past) >= 3:
                foreseen = _foresee(past[-3:], math.log2(SWEEPS_MAX / sweep))
                if foreseen is not None:
                    return foreseen
    return _normalise(strengths, compared)


def _foresee(past: Sequence[Sequence[float]], doublings: float) -> list[float] | None:
    """Return strengths whose order will be that of the last sweep, or None where it is not yet clear.

    Log-strengths at three sweep counts, each twice the one before, are carried on through `doublings` more,
    once straight and once with their curvature. The order is clear where both agree on every gap, or where a
    gap shrinks as a power of the sweeps, which never closes it.
    """
    bent = doublings * (doublings + 1.0) / 2.0
    ends: list[tuple[float, float, int]] = []
    for item, (first, second, third) in enumerate(zip(*past, strict=True)):
        if third == -math.inf:
            ends.append((third, third, item))
            continue
        straight = third + doublings * (third - second)
        ends.append((straight + bent * (third - 2.0 * second + first), straight, item))
    ends.sort(reverse=True)
    for (curved, straight, item), (other_curved, other_straight, other) in pairwise(ends):
        if other_curved == -math.inf or (curved, straight) == (other_curved, other_straight):
            continue
        bent_gap, straight_gap = curved - other_curved, straight - other_straight
        if min(bent_gap, straight_gap) > _DOUBT * abs(bent_gap - straight_gap):
            continue
        gaps = [values[item] - values[other] for values in past]
        if not (min(gaps) > 0.0 and abs(gaps[2] * gaps[0] - gaps[1] ** 2) < _ALIKE * gaps[1] ** 2):
            return None
    return [math.exp(curved) for curved in (end[0] for end in sorted(ends, key=lambda end: end[2]))]
