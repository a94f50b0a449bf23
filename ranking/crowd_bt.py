"""Crowd-BT: Bradley-Terry strengths and the quality of each judge, learnt together."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ranking.comparisons import Floats
from ranking.games import Games, compute_sigmoid, compute_wins, fit_bradley_terry, sum_by

STEPS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class CrowdFit:
    """What one set of comparisons says under the model.

    Attributes:
        theta: Log-strengths, nats, shape (items,).
        quality: eta of each judge, 0..1, shape (judges,).
        right: Mass of each judge's comparisons that likely told the truth, shape (judges,).
        wrong: The rest of it.
    """

    theta: Floats
    quality: Floats
    right: Floats
    wrong: Floats


def fit_crowd_bt(games: Games, prior_right: Floats, prior_wrong: Floats) -> CrowdFit:
    """Fit strengths and judge qualities by STEPS steps of expectation-maximisation.

    P(k says i beats j) = eta_k p + (1 - eta_k)(1 - p) with p = sigmoid(theta_i - theta_j). E: the chance that
    k told the truth in each comparison. M: Bradley-Terry on the outcomes so corrected (one Newton step, the
    anchor prior in place of the paper's virtual item), eta_k from the counts.

    Args:
        games: Comparisons.
        prior_right: Comparisons that each judge got right before, shape (judges,).
        prior_wrong: Comparisons that each judge got wrong before, shape (judges,); both positive.

    Source:
        Chen, Bennett, Collins-Thompson and Horvitz, "Pairwise ranking aggregation in a crowdsourced
        setting", WSDM 2013; there learnt online for active choice, here in batches.
    """
    count = sum_by(games.judge, games.weight, games.judges)
    prior = prior_right + prior_wrong
    quality, theta = prior_right / prior, np.zeros(games.items)
    right = np.zeros(games.judges)
    for _ in range(STEPS):
        eta = quality[games.judge]
        chance = compute_sigmoid(theta[games.left] - theta[games.right])
        said_left = eta * chance + (1.0 - eta) * (1.0 - chance)
        agreed = eta * chance / said_left
        denied = eta * (1.0 - chance) / (1.0 - said_left)
        truthful = games.outcome * agreed + (1.0 - games.outcome) * denied
        corrected = games.outcome * agreed + (1.0 - games.outcome) * (1.0 - denied)
        right = sum_by(games.judge, games.weight * truthful, games.judges)
        quality = (prior_right + right) / (prior + count)
        theta = fit_bradley_terry(compute_wins(games, corrected, games.weight), theta, steps=1)
    return CrowdFit(theta, quality, right, count - right)
