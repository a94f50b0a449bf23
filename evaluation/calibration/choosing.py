"""The measurement chooses: which judge a model uses, and what such a judge may weigh at the start."""

import math
from collections.abc import Sequence
from typing import Final

from swarm.edge.calibrations import ProbeFigures, StrategyFigures

CHANCE: Final = 0.5
CERTAIN: Final = 0.95
"""The most that an outcome may claim (protocol.md, "Reveal")."""


def choose_strategy(measured: Sequence[StrategyFigures]) -> StrategyFigures | None:
    """Return the judge whose pair accuracy has the highest lower bound; of equal ones the cheaper in tokens.

    Args:
        measured: What the judges were worth.

    Returns:
        The best; None where every interval reaches down to chance.
    """
    usable = [one for one in measured if one.pair_accuracy is not None and one.pair_accuracy.low > CHANCE]
    return max(usable, key=lambda one: (get_low(one), -one.tokens), default=None)


def get_low(one: StrategyFigures) -> float:
    """Return the lower bound of a judge's pair accuracy; 0 where it was not measured."""
    return 0.0 if one.pair_accuracy is None else one.pair_accuracy.low


def compute_weight(low: float) -> float:
    """Return a judge's starting weight: ln(p / (1 - p)) / ln(.95 / .05), between 0 and 1.

    Independent judges' votes are best weighed by their log-odds of being right; p is the lower bound, so that
    what is not known weighs nothing.

    Args:
        low: Lower bound of its pair accuracy, 0..1.

    Source: Nitzan and Paroush 1982, "Optimal decision rules in uncertain dichotomous choice situations".
    """
    if low <= CHANCE:
        return 0.0
    bounded = min(low, CERTAIN)
    return round(math.log(bounded / (1 - bounded)) / math.log(CERTAIN / (1 - CERTAIN)), 6)


def is_probe_chosen(chosen: StrategyFigures | None, probe: ProbeFigures | None) -> bool:
    """Say whether a probe takes the place of the chosen judge.

    It does where it beats the judge it was compared with, and that judge would be used: the one
    chosen, or the one by default where none was. It must tell right from wrong by itself, too.
    """
    if probe is None or not probe.is_enabled or probe.accuracy.low <= CHANCE:
        return False
    return chosen is None or chosen.strategy == probe.against
