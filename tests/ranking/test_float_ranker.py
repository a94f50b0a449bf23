"""The float engine beside the canonical one, and its fit against the posterior written out plainly."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations

import numpy as np
import pytest

from ranking.float_fit import fit_round
from ranking.float_ranker import FloatRanker
from ranking.float_reputation import Terms
from ranking.float_round import Games, read_round
from ranking.rounds import Round, RoundRanking, Verdict
from ranking.standing import CanonicalRanker
from tests.ranking.random_rounds import Swarm, play

SMALL = (
    Swarm(),
    Swarm(liars=(1, 4, 6)),
    Swarm(inverters=(0, 5), calls=4, is_merged=False),
    Swarm(peers=5, pool=40, calls=4, liars=(2, 9, 13, 30)),
)
LARGE = (
    Swarm(peers=15, calls=8),
    Swarm(peers=15, calls=8, liars=(0, 3, 5, 7, 9, 11), gold_every=16),
    Swarm(peers=15, calls=8, is_merged=False, liars=(1, 2, 3, 4, 5)),
    Swarm(peers=15, calls=8, own=1.2, left=1.2),
    Swarm(peers=15, calls=8, liars=(0, 1, 2, 3, 4, 5, 6), gold_every=4),
)
NEAR_TIE_NATS = 0.05


@dataclass(slots=True)
class Beside:
    """Both engines over the same rounds.

    Attributes:
        gaps: How far the float engine's winner was behind in the canonical one, nats, by round.
        chances: Largest difference of a P(best), by round.
        canonical, floats: What each said of the last round.
    """

    gaps: list[float] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    canonical: RoundRanking | None = None
    floats: RoundRanking | None = None


def run_both(swarm: Swarm, *, rounds: int, seed: int) -> Beside:
    beside = Beside()
    canonical, floats = CanonicalRanker(), FloatRanker()
    for one in play(swarm, rounds=rounds, seed=seed):
        first, second = canonical.rank(one.round_), floats.rank(one.round_)
        canonical.learn(one.round_, one.correct)
        floats.learn(one.round_, one.correct)
        beside.canonical, beside.floats = first, second
        beside.gaps.append(first.strengths[first.order[0]] - first.strengths[second.order[0]])
        assert first.p_best is not None
        assert second.p_best is not None
        beside.chances.append(max(abs(a - b) for a, b in zip(first.p_best, second.p_best, strict=True)))
    return beside


def check_same(swarms: Sequence[Swarm], *, rounds: int, seed: int) -> None:
    runs = [run_both(swarm, rounds=rounds, seed=seed + index) for index, swarm in enumerate(swarms)]
    gaps = [gap for beside in runs for gap in beside.gaps]
    differing = [gap for gap in gaps if gap > 0.0]
    assert len(differing) <= 0.02 * len(gaps), differing
    assert max(differing, default=0.0) < NEAR_TIE_NATS, differing
    # A lean is used in halves of a nat; one that is half a nat but for rounding moves P(best) at once.
    far = [chance for beside in runs for chance in beside.chances if chance > 0.05]
    assert len(far) <= 0.02 * len(gaps), far
    for beside in runs:
        assert beside.canonical is not None
        assert beside.floats is not None
        assert beside.floats.weights == pytest.approx(beside.canonical.weights, abs=0.05)


def test_both_engines_agree_in_small_swarms() -> None:
    check_same(SMALL, rounds=30, seed=1)


@pytest.mark.slow
def test_both_engines_agree_in_swarms_of_fifteen() -> None:
    check_same(LARGE, rounds=60, seed=20)


def make_terms(weights: Sequence[float], own: Sequence[float], side: Sequence[float]) -> Terms:
    return Terms(np.array(weights), np.array(own), np.array(side))


def compute_log_posterior(games: Games, terms: Terms, strengths: Sequence[float]) -> float:
    """Write the posterior down game by game."""
    total = 0.0

    def add(mass: float, gap: float) -> None:
        nonlocal total
        total -= mass * math.log1p(math.exp(-gap))

    for strength in strengths:
        add(1.0, strength)
        add(1.0, -strength)
    for seat, owned in enumerate(games.owned.tolist()):
        if owned == games.classes:
            continue
        for other in range(games.classes):
            if other != owned:
                add(0.5 * terms.weights[seat] / (games.classes - 1), strengths[owned] - strengths[other])
    for seat, left, right, outcome in zip(games.judge, games.left, games.right, games.outcome, strict=True):
        lean = terms.side[seat]
        owned = games.owned[seat]
        lean += terms.own[seat] * (int(owned == left) - int(owned == right))
        gap = strengths[left] - strengths[right] + lean
        add(terms.weights[seat] * outcome, gap)
        add(terms.weights[seat] * (1.0 - outcome), -gap)
    return total


def make_case(seed: int) -> tuple[Games, Terms]:
    source = random.Random(seed)
    swarm = Swarm(is_merged=seed % 2 == 0, calls=source.choice((2, 6, 12)))
    games = read_round(play(swarm, rounds=1, seed=seed)[0].round_)
    seats = len(games.peers)
    return games, make_terms(
        [source.choice((0.0, 0.3, 1.0, 2.0)) for _ in range(seats)],
        [source.choice((0.0, 0.5, 6.0)) for _ in range(seats)],
        [source.choice((0.0, -0.5, 2.0)) for _ in range(seats)],
    )


@pytest.mark.parametrize("seed", range(8))
def test_no_other_strengths_are_more_probable(seed: int) -> None:
    games, terms = make_case(seed)
    fit = fit_round(games, terms)
    found = fit.strengths.tolist()
    best = compute_log_posterior(games, terms, found)
    for index in range(games.classes):
        for step in (-2e-4, 2e-4):
            other = [value + step * (place == index) for place, value in enumerate(found)]
            assert compute_log_posterior(games, terms, other) < best


@pytest.mark.parametrize("seed", range(8))
def test_strengths_without_a_judge_are_near_the_best_without_it(seed: int) -> None:
    games, terms = make_case(seed)
    fit = fit_round(games, terms)
    for seat in range(len(games.peers)):
        weights = np.where(np.arange(len(games.peers)) == seat, 0.0, terms.weights)
        alone = fit_round(games, replace(terms, weights=weights))
        assert fit.without[seat] == pytest.approx(alone.strengths, abs=0.02)
    silent = np.bincount(games.judge, minlength=len(games.peers)) == 0
    assert fit.is_judge.tolist() == ((terms.weights > 0.0) & ~silent).tolist()


def test_the_posterior_is_maximal_where_games_are_many_and_one_sided() -> None:
    verdicts = [Verdict(0, left, right, 0.95) for left, right in [(0, 1), (1, 2), (2, 3), (0, 3)] * 500]
    games = read_round(Round(seed=b"", authors=((0,), (1,), (2,), (3,)), verdicts=tuple(verdicts)))
    terms = make_terms([16.0, 0.0, 1.0, 1.0], [6.0, 0.0, 0.0, 0.0], [-2.0, 0.0, 0.0, 0.0])
    found = fit_round(games, terms).strengths.tolist()
    best = compute_log_posterior(games, terms, found)
    for low, high in permutations(range(4), 2):
        other = [value + 1e-3 * (i == high) - 1e-3 * (i == low) for i, value in enumerate(found)]
        assert compute_log_posterior(games, terms, other) < best


def test_seats_fitted_a_few_at_a_time_come_out_the_same() -> None:
    games, terms = make_case(3)
    whole, piecewise = fit_round(games, terms), fit_round(games, terms, masses_max=100)
    assert piecewise.strengths.tolist() == whole.strengths.tolist()
    # Those fitted together take as many steps as the slowest of them.
    assert np.abs(piecewise.without - whole.without).max() < 0.01


def test_a_round_is_laid_out_in_one_order() -> None:
    verdicts = [Verdict(9, 1, 0, 0.5), Verdict(2, 0, 1, 0.7), Verdict(2, 0, 1, 0.2), Verdict(4, 1, 0, 1.0)]
    for order in permutations(verdicts):
        games = read_round(Round(seed=b"", authors=((4,), (2, 7)), verdicts=order))
        assert games.peers == (2, 4, 7, 9)
        assert games.owned.tolist() == [1, 0, 1, 2]
        assert games.judge.tolist() == [0, 0, 1, 3]
        assert games.left.tolist() == [0, 0, 1, 1]
        assert games.right.tolist() == [1, 1, 0, 0]
        assert games.own_sign.tolist() == [-1, -1, -1, 0]
        assert games.outcome == pytest.approx([0.2, 0.7, 0.95, 0.5], abs=1e-5)


@pytest.mark.parametrize(
    "bad",
    [
        Round(seed=b"", authors=(), verdicts=()),
        Round(seed=b"", authors=((0,), (1,)), verdicts=(Verdict(0, 0, 5, 0.5),)),
        Round(seed=b"", authors=((0,), (1,)), verdicts=(Verdict(2, 1, 1, 0.5),)),
    ],
)
def test_a_bad_round_teaches_nothing(bad: Round) -> None:
    ranker = FloatRanker()
    one = play(Swarm(), rounds=1, seed=1)[0].round_
    expected = ranker.rank(one)
    with pytest.raises(ValueError, match=r"at least one class|two of 2 classes"):
        ranker.learn(bad, None)
    assert ranker.rank(one) == expected


def test_two_hundred_peers_are_ranked() -> None:
    swarm = Swarm(peers=200, calls=4, liars=tuple(range(60)))
    ranker = FloatRanker()
    for one in play(swarm, rounds=8, seed=1):
        ranking = ranker.rank(one.round_)
        ranker.learn(one.round_, one.correct)
    assert len(ranking.weights) == 200
    weights = [ranking.weights[peer] for peer in range(200)]
    assert sum(weights[:60]) / 60 < 0.2 < sum(weights[60:]) / 140
