"""From what judges said to figures with intervals."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from evaluation.calibration.cases import Purpose
from evaluation.calibration.holding import Heard
from evaluation.statistics import make_interval, resample_means, round_off
from swarm.edge.calibrations import Figure, Share, StrategyFigures

HALF_Q16: Final = 32_768
Z_95: Final = 1.959964
DRAWS: Final = 2_000
BOTH: Final = 2  # verdicts of a pair that is shown both ways round


def compute_share(scores: Sequence[float]) -> Share | None:
    """Return the mean of trials with Wilson's interval; None without trials.

    Args:
        scores: 1 or 0 a trial, a half for a tie.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if not scores:
        return None
    count = len(scores)
    share, spread = math.fsum(scores) / count, Z_95**2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = Z_95 / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return Share(
        value=round_off(share),
        low=round_off(max(centre - half, 0.0)),
        high=round_off(min(centre + half, 1.0)),
        count=count,
    )


def compute_log_odds(scores: Sequence[float]) -> Figure | None:
    """Return the log-odds of trials with a normal interval; None without trials.

    Half a success and half a failure are added, so that it stays finite.

    Args:
        scores: 1 or 0 a trial, a half for a tie.

    Source: Haldane 1956 and Anscombe 1956, for the halves; Woolf 1955, for the interval.
    """
    if not scores:
        return None
    hits = math.fsum(scores) + 0.5
    misses = len(scores) + 1.0 - hits
    value, half = math.log(hits / misses), Z_95 * math.sqrt(1 / hits + 1 / misses)
    return Figure(
        value=round_off(value), low=round_off(value - half), high=round_off(value + half), count=len(scores)
    )


def compute_mean(values: Sequence[float], *, seed: int) -> Figure | None:
    """Return the mean over questions with a bootstrap interval; None without questions.

    Questions are resampled over all families: within families of one question each nothing would vary.

    Args:
        values: One a question.
        seed: Of the resamples.
    """
    if not values:
        return None
    column = np.array(values, dtype=np.float64)[:, None]
    drawn = resample_means(column, [""] * len(values), draws=DRAWS, seed=seed)[:, 0]
    interval = make_interval(float(column.mean()), drawn)
    return Figure(value=interval.value, low=interval.low, high=interval.high, count=len(values))


def score_preference(outcome: float, *, half: float) -> float:
    """Return 1 where an outcome prefers the first, 0 where the other, a half for a tie."""
    return 0.5 if outcome == half else float(outcome > half)


def compute_strategy_figures(
    strategy: str,
    heard: Sequence[Heard],
    *,
    seed: int,
    get_seconds: Callable[[Mapping[str, int]], float],
) -> StrategyFigures:
    """Return what a judge was worth.

    Args:
        strategy: As `--judge` takes it.
        heard: All that it said.
        seed: Of resamples.
        get_seconds: What calls take, by kind and count.
    """
    wins = {purpose: _gather_wins(heard, purpose) for purpose in Purpose}
    right, hostile = wins[Purpose.RIGHT], wins[Purpose.HOSTILE]
    both = [place for place in hostile if place in right]
    gains = [hostile[place] - (1.0 - right[place]) for place in both]
    lefts = [score_preference(odds, half=0.0) for one in heard for odds in one.log_odds]
    pairs = [one.log_odds for one in heard if len(one.log_odds) == BOTH]
    count = len(heard)
    return StrategyFigures(
        strategy=strategy,
        pair_accuracy=compute_share(list(right.values())),
        left_share=compute_share(lefts),
        same_letter=compute_share([float(first * second > 0) for first, second in pairs]),
        longer_log_odds=compute_log_odds(list(wins[Purpose.LONGER].values())),
        own_share=compute_share(list(wins[Purpose.OWN].values())),
        hostile=compute_share([hostile[place] for place in both]),
        clean=compute_share([1.0 - right[place] for place in both]),
        hostile_gain=compute_mean(gains, seed=seed),
        comparisons=count,
        failures=sum(one.outcome is None for one in heard),
        tokens=round_off(sum(one.tokens for one in heard) / max(1, count)),
        seconds=round_off(sum(get_seconds(one.calls) for one in heard) / max(1, count)),
    )


def _gather_wins(heard: Sequence[Heard], purpose: Purpose) -> dict[int, float]:
    """Return by question whether the answer of interest was preferred; failures are left out."""
    return {
        one.case.place: score_preference(one.outcome, half=HALF_Q16)
        for one in heard
        if one.case.purpose is purpose and one.outcome is not None
    }
