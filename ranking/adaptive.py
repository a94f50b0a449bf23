"""Which pairs to have compared next, offline, where every comparison costs a call and one winner is wanted.

Every item is first compared twice. From then on the leader meets challengers, each chosen by the chance that
it is in truth better times what one more comparison would tell of the margin. Choices of a batch reckon with
those before them, as if they were already answered. In a running round pairs are dealt by `ranking.pairs`
from seeds that nobody could steer; nothing here is fit for that.
"""

import heapq
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ranking.comparisons import ComparisonTable, Floats
from ranking.fit import StrengthFit, fit_strengths
from ranking.intervals import Intervals
from ranking.spread import compute_spread

FIRST_COMPARISONS: Final = 2
"""Comparisons that every item gets before the leader is favoured."""
CONTENDERS_MAX: Final = 256
"""Most items, the strongest, that are weighed against the leader."""
COUNT_MAX: Final = 100_000
P_BEST_MIN: Final = 0.85
"""P(best) from which a ranking is taken as settled; .95 costs about twice the calls for a point or two."""

TIE_SHARE: Final = 1e-9
"""Gains that differ by less than this share are tied: below is the noise of arithmetic."""
VARIANCE_MIN: Final = 1e-12
MARGIN_MAX: Final = 300.0
"""Margin in nats beyond which a comparison tells nothing that float64 can hold."""

_Counts = npt.NDArray[np.int64]


class Pair(NamedTuple):
    """Two items to compare, by index, as they are to be shown."""

    left: int
    right: int


def choose_pairs(
    table: ComparisonTable,
    *,
    count: int,
    seed: int,
    fit: StrengthFit | None = None,
    repeats_max: int | None = None,
) -> tuple[Pair, ...]:
    """Choose the pairs that are worth comparing next.

    Args:
        table: What was compared so far, perhaps nothing (`create_empty_table`).
        count: Pairs wanted, 1..COUNT_MAX. Small batches choose better: what a batch will say is not known
            when its last pair is chosen.
        seed: Decides sides and ties, at least 0; give each batch its own.
        fit: The fit of `table`, where it is at hand already.
        repeats_max: Most comparisons of any pair, those of `table` included; None is no limit. A judge that
            always says the same of a pair should be given 1, or 2 with the sides exchanged.

    Returns:
        The pairs, sides drawn by the seed; fewer than `count` only where `repeats_max` leaves no more.

    Raises:
        ValueError: There are fewer than two items, a bound is broken, or the fit is of other items.

    Source:
        Leader against challengers as in LUCB, Kalyanakrishnan et al., ICML 2012.
    """
    size = len(table.items)
    if size < 2:
        raise ValueError(f"a pair needs two items, got {size}")
    if not 1 <= count <= COUNT_MAX:
        raise ValueError(f"a batch has 1..{COUNT_MAX} pairs, got {count}")
    if seed < 0:
        raise ValueError(f"a seed is at least 0, got {seed}")
    if repeats_max is not None and repeats_max < 1:
        raise ValueError(f"a pair may be compared at least once, got repeats_max {repeats_max}")
    if fit is not None and fit.items != table.items:
        raise ValueError(f"expected the fit of these {size} items, got one of {len(fit.items)} others")
    source = np.random.default_rng(seed)
    design = _Design(table, source.permutation(size), repeats_max)
    chosen = design.choose_first(count)
    if len(chosen) < count:
        field = _Field(table, fit_strengths(table) if fit is None else fit, chosen)
        chosen += field.choose(design, count - len(chosen))
    is_turned = source.random(len(chosen)) < 0.5
    return tuple(
        pair if not turned else Pair(pair.right, pair.left)
        for pair, turned in zip(chosen, is_turned.tolist(), strict=True)
    )


class _Design:
    """How often items and pairs were compared, chosen ones included."""

    def __init__(self, table: ComparisonTable, ranks: _Counts, repeats_max: int | None) -> None:
        size = len(table.items)
        has_mass = table.weight > 0.0
        left, right = table.left[has_mass].astype(np.int64), table.right[has_mass].astype(np.int64)
        self.size, self.repeats_max, self.ranks = size, repeats_max, ranks
        self.items: _Counts = np.bincount(left, minlength=size) + np.bincount(right, minlength=size)
        keys, repeats = np.unique(
            np.minimum(left, right) * size + np.maximum(left, right), return_counts=True
        )
        self.pairs: dict[int, int] = dict(zip(keys.tolist(), repeats.tolist(), strict=True))

    def _get_repeats(self, one: int, other: int) -> int:
        return self.pairs.get(min(one, other) * self.size + max(one, other), 0)

    def is_open(self, one: int, other: int) -> bool:
        """Whether the pair may be compared once more."""
        return self.repeats_max is None or self._get_repeats(one, other) < self.repeats_max

    def add(self, one: int, other: int) -> None:
        """Count a pair as compared."""
        self.items[one] += 1
        self.items[other] += 1
        key = min(one, other) * self.size + max(one, other)
        self.pairs[key] = self.pairs.get(key, 0) + 1

    def choose_first(self, count: int) -> list[Pair]:
        """Choose pairs until every item has FIRST_COMPARISONS: the least compared two, ties by rank."""
        entries = zip(self.items.tolist(), self.ranks.tolist(), range(self.size), strict=True)
        waiting = [_Waiting(*entry) for entry in entries]
        heapq.heapify(waiting)
        chosen: list[Pair] = []
        while len(chosen) < count and waiting and waiting[0].compared < FIRST_COMPARISONS:
            one = heapq.heappop(waiting)
            other = self._take_partner(one.item, waiting)
            if other is None:
                continue
            chosen.append(Pair(one.item, other.item))
            self.add(one.item, other.item)
            for entry in (one, other):
                heapq.heappush(waiting, entry._replace(compared=entry.compared + 1))
        return chosen

    def _take_partner(self, item: int, waiting: "list[_Waiting]") -> "_Waiting | None":
        """Take the first that may be compared with an item out of a heap: a new pair if there is one."""
        passed: list[_Waiting] = []
        partner: _Waiting | None = None
        while waiting:
            entry = heapq.heappop(waiting)
            passed.append(entry)
            if not self._get_repeats(item, entry.item):
                partner = entry
                break
            if partner is None and self.is_open(item, entry.item):
                partner = entry
        for entry in passed:
            if entry is not partner:
                heapq.heappush(waiting, entry)
        return partner


class _Waiting(NamedTuple):
    """An item in line for its first comparisons."""

    compared: int
    rank: int
    item: int


class _Field:
    """The contenders: strengths, and a covariance that shrinks with every pair chosen."""

    def __init__(self, table: ComparisonTable, fit: StrengthFit, chosen: Sequence[Pair]) -> None:
        spread = compute_spread(table, fit, is_model_only=True)
        self.items: list[int] = spread.leading[:CONTENDERS_MAX].tolist()
        self.strengths: Floats = fit.strengths[self.items]
        self.covariance: Floats = spread.covariance[: len(self.items), : len(self.items)].copy()
        places = {item: place for place, item in enumerate(self.items)}
        for pair in chosen:
            if pair.left in places and pair.right in places:
                self._learn(places[pair.left], places[pair.right])

    def choose(self, design: _Design, count: int) -> list[Pair]:
        """Choose pairs of the leader and a challenger; of the next in line where the leader has none left."""
        chosen: list[Pair] = []
        leader = 0
        ranks = design.ranks[self.items]
        while len(chosen) < count and leader < len(self.items) - 1:
            gains = self._compute_gains(leader)
            for place in range(leader + 1, len(self.items) if design.repeats_max is not None else 0):
                if not design.is_open(self.items[leader], self.items[place]):
                    gains[place] = 0.0
            best = float(gains.max())
            if best <= 0.0:
                leader += 1
                continue
            tied = np.flatnonzero(gains >= best * (1.0 - TIE_SHARE))
            challenger = int(tied[ranks[tied].argmin()])
            chosen.append(Pair(self.items[leader], self.items[challenger]))
            design.add(*chosen[-1])
            self._learn(leader, challenger)
        return chosen

    def _compute_gains(self, leader: int) -> Floats:
        """Return P(overtake) times the share of the margin's variance that a comparison takes away.

        Shape (contenders,); 0 for the leader and those before it.
        """
        covariance = self.covariance
        variances = np.diag(covariance) + covariance[leader, leader] - 2.0 * covariance[leader]
        variances = np.maximum(variances, VARIANCE_MIN)
        margins = self.strengths[leader] - self.strengths
        shares = _compute_information(margins) * variances
        distances = margins / np.sqrt(2.0 * variances)
        gains: Floats = np.array([0.5 * math.erfc(distance) for distance in distances.tolist()])
        gains *= shares / (1.0 + shares)
        gains[: leader + 1] = 0.0
        return gains

    def _learn(self, one: int, other: int) -> None:
        """Take into the covariance that the two will be compared once, whatever comes of it."""
        image = self.covariance[:, one] - self.covariance[:, other]
        information = float(_compute_information(self.strengths[[one]] - self.strengths[[other]])[0])
        variance = float(image[one] - image[other])
        self.covariance -= np.outer(image, image) * (information / (1.0 + information * variance))


def _compute_information(margins: Floats) -> Floats:
    """Return p (1 - p), what a comparison between items so far apart tells, elementwise."""
    information: Floats = 0.25 / np.cosh(0.5 * np.minimum(np.abs(margins), MARGIN_MAX)) ** 2
    return information


def is_settled(
    table: ComparisonTable,
    intervals: Intervals,
    *,
    p_best_min: float = P_BEST_MIN,
    calls_max: int | None = None,
    groups: Sequence[int] | None = None,
) -> bool:
    """Say whether to stop asking: the budget is spent, or one item is the best almost for certain.

    Args:
        table: What was compared so far.
        intervals: Those of its fit.
        p_best_min: P(best) from which an item is taken as the best, above 0, at most 1; only once every item
            has FIRST_COMPARISONS.
        calls_max: Most comparisons, those without mass included; None is no budget.
        groups: A number for each item, equal for items that are known to be as good as each other, such as
            answers of the same content, shape (items,); their P(best) add up. None takes each by itself.

    Raises:
        ValueError: A bound is broken.
    """
    size = len(table.items)
    if not 0.0 < p_best_min <= 1.0:
        raise ValueError(f"p_best_min is above 0 and at most 1, got {p_best_min}")
    if calls_max is not None and calls_max < 0:
        raise ValueError(f"a budget is at least 0 calls, got {calls_max}")
    if len(intervals.p_best) != size:
        raise ValueError(f"expected intervals of {size} items, got {len(intervals.p_best)}")
    if groups is not None and (len(groups) != size or min(groups) < 0):
        raise ValueError(f"expected {size} group numbers of at least 0, got {len(groups)}")
    if calls_max is not None and table.rows >= calls_max:
        return True
    has_mass = table.weight > 0.0
    counts = np.bincount(table.left[has_mass], minlength=size)
    counts += np.bincount(table.right[has_mass], minlength=size)
    if int(counts.min()) < min(FIRST_COMPARISONS, size - 1):
        return False
    p_best = intervals.p_best if groups is None else np.bincount(groups, intervals.p_best)
    return bool(p_best.max() >= p_best_min)
