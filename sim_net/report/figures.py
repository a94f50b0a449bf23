"""Numbers of a run, computed from its rows: shares with intervals, series over rounds, times.

What is not known is left out of a share and counted apart; it is never taken for 0.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sim_net.records import Recording, RoundRow

Z_95 = 1.959963984540054
SERIES_POINTS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`hits` of `count`, with the ends of its 95 % interval (Wilson). Source: Wilson 1927."""

    hits: int
    count: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself; `count` is above 0."""
        return self.hits / self.count


def compute_share(hits: int, count: int) -> Share | None:
    """Return the share and its Wilson interval; None where it rests on nothing."""
    if count == 0:
        return None
    share = hits / count
    scale = 1 + Z_95**2 / count
    middle = (share + Z_95**2 / (2 * count)) / scale
    half = Z_95 * math.sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2)) / scale
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == count else min(1.0, middle + half)
    return Share(hits=hits, count=count, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference of two shares over the same rounds, with its 95 % interval.

    Source: Agresti and Min 2005 (half a round added to each cell of the table of pairs).
    """

    value: float
    low: float
    high: float
    better: int
    worse: int
    count: int


def compute_difference(pairs: Sequence[tuple[bool, bool]]) -> Difference | None:
    """Compare the first with the second of each pair; None where there are no pairs."""
    if not pairs:
        return None
    better = sum(first and not second for first, second in pairs)
    worse = sum(second and not first for first, second in pairs)
    count = len(pairs)
    up, down, total = better + 0.5, worse + 0.5, count + 2
    middle = (up - down) / total
    half = Z_95 * math.sqrt(max(0.0, up + down - (up - down) ** 2 / total)) / total
    return Difference(
        value=(better - worse) / count,
        low=max(-1.0, middle - half),
        high=min(1.0, middle + half),
        better=better,
        worse=worse,
        count=count,
    )


def compute_quantile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that `share` of `values` do not exceed; None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def get_latencies(rounds: Sequence[RoundRow]) -> list[int]:
    """Return the time from question to receipt of each round that has one, in the order of rounds."""
    return [row.closed_ms - row.asked_ms for row in rounds if row.closed_ms is not None]


Question = Callable[[RoundRow], bool | None]


def is_judged(row: RoundRow) -> bool:
    """Say whether it counts: it is known what was right and what was answered, and it was not gold."""
    return row.has_right_answer is not None and not row.is_gold


def _is_winner_right(row: RoundRow) -> bool | None:
    return row.is_right is True if is_judged(row) else None


def _is_majority_right(row: RoundRow) -> bool | None:
    return row.is_majority_right is True if is_judged(row) else None


def _has_right_answer(row: RoundRow) -> bool | None:
    return row.has_right_answer if is_judged(row) else None


def _among_solvable(question: Question) -> Question:
    return lambda row: question(row) if row.has_right_answer else None


SHARES: Mapping[str, Question] = {
    "finished": lambda row: row.status != "unfinished",
    "full": lambda row: row.status == "full",
    "partial": lambda row: row.status == "partial",
    "failed": lambda row: row.status == "failed",
    "accuracy": _among_solvable(_is_winner_right),
    "accuracy_all": _is_winner_right,
    "majority": _among_solvable(_is_majority_right),
    "majority_all": _is_majority_right,
    "oracle": _has_right_answer,
    "adversarial_wins": lambda row: row.is_winner_adversarial,
}


def get_share(rounds: Sequence[RoundRow], name: str) -> Share | None:
    """Return the share of that name in `SHARES`; rounds for which it is not known are left out."""
    asked = [answer for answer in map(SHARES[name], rounds) if answer is not None]
    return compute_share(sum(asked), len(asked))


def get_metric_share(recording: Recording, name: str) -> Share | None:
    """Return the interval of a metric that the recording carries; None unless rounds give the same value.

    The metric may rest on other rounds than those counted here: then no interval is better than a wrong one.
    """
    if name not in SHARES or name not in recording.metrics:
        return None
    value = recording.metrics[name]
    known = [answer for answer in map(SHARES[name], recording.rounds) if answer is not None]
    finished = sum(row.status != "unfinished" for row in recording.rounds)
    for count in (len(known), finished, len(recording.rounds)):
        share = compute_share(sum(known), count)
        if share is not None and abs(share.value - value) < 1e-6:
            return share
    return None


def compare_with_majority(rounds: Sequence[RoundRow]) -> Difference | None:
    """Return how much oftener the winner is right than a plain majority, where it is known."""
    known = [row for row in rounds if is_judged(row)]
    return compute_difference([(row.is_right is True, row.is_majority_right is True) for row in known])


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPoint:
    """What was known after the rounds that can be judged, the last of them `round`."""

    round: int
    swarm: Share
    majority: float
    oracle: float


def compute_series(rounds: Sequence[RoundRow]) -> list[SeriesPoint]:
    """Return cumulative shares of right answers over the rounds that can be judged, thinned to be drawn."""
    known = [row for row in rounds if is_judged(row)]
    step = max(1, math.ceil(len(known) / SERIES_POINTS_MAX))
    points: list[SeriesPoint] = []
    swarm = majority = oracle = 0
    for count, row in enumerate(known, start=1):
        swarm += row.is_right is True
        majority += row.is_majority_right is True
        oracle += row.has_right_answer is True
        share = compute_share(swarm, count)
        if share is not None and (count % step == 0 or count in {1, len(known)}):
            points.append(
                SeriesPoint(round=row.round, swarm=share, majority=majority / count, oracle=oracle / count)
            )
    return points


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeWeight:
    """Mean weight of one peer as a judge, over all certified rounds it sat in and by bins of rounds.

    A bin is None where it sat in none. `comparisons` counts the verdicts that it gave.
    """

    peer: int
    bins: tuple[float | None, ...]
    mean: float
    comparisons: int


def compute_weights(recording: Recording, bins: int) -> dict[int, JudgeWeight]:
    """Return the mean weights of every peer that had a seat, over `bins` equal spans of rounds."""
    if not recording.rounds:
        return {}
    first = min(row.round for row in recording.rounds)
    span = max(row.round for row in recording.rounds) - first + 1
    bins = min(bins, span)
    seen: dict[int, list[list[float]]] = {}
    for row in recording.weights:
        place = min(bins - 1, max(0, (row.round - first) * bins // span))
        seen.setdefault(row.peer, [[] for _ in range(bins)])[place].append(row.weight)
    verdicts = Counter(row.judge for row in recording.comparisons)
    return {
        peer: JudgeWeight(
            peer=peer,
            bins=tuple(fmean(values) if values else None for values in seen[peer]),
            mean=fmean([value for values in seen[peer] for value in values]),
            comparisons=verdicts[peer],
        )
        for peer in sorted(seen)
    }
