"""The float engine beside the canonical one, and its fit against the posterior written out plainly."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import pytest

from ranking.float_fit import fit_round
from ranking.float_ranker import FloatRanker
from ranking.float_reputation import FloatReputation, Terms
from ranking.float_round import Games, read_round
from ranking.reputation import compute_terms, create_reputation, update_reputation
from ranking.rounds import Round, RoundRanking, Verdict
from ranking.standing import CanonicalRanker, make_past, seat_round
from tests.ranking.random_rounds import Played, Swarm, play

SMALL = (
    Swarm(),
    Swarm(liars=(1, 4, 6)),
    Swarm(inverters=(0, 5), calls=4, is_merged=False),
    Swarm(peers=5, pool=40, calls=4, liars=(2, 9, 13, 30)),
    Swarm(own=1.5, left=1.5),
    Swarm(inverters=(0, 1, 5), gold_every=2),
)
LARGE = (
    Swarm(peers=15, calls=8),
    Swarm(peers=15, calls=8, liars=(0, 3, 5, 7, 9, 11), gold_every=16),
    Swarm(peers=15, calls=8, is_merged=False, liars=(1, 2, 3, 4, 5)),
    Swarm(peers=15, calls=8, own=1.2, left=1.2),
    Swarm(peers=15, calls=8, liars=(0, 1, 2, 3, 4, 5, 6), gold_every=4),
)
NEAR_TIE_NATS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What the engines said of the same round."""

    canonical: RoundRanking
    floats: RoundRanking

    @property
    def gap(self) -> float:
        """How far behind the float engine's winner is in the canonical one, nats."""
        strengths = self.canonical.strengths
        return strengths[self.canonical.order[0]] - strengths[self.floats.order[0]]

    @property
    def is_far(self) -> bool:
        """Whether a strength differs by more than .1 nats or a P(best) by more than .05.

        A lean is used in halves of a nat: where it is half a nat but for rounding, this happens.
        """
        first, second = self.canonical, self.floats
        assert first.p_best is not None
        assert second.p_best is not None
        return second.strengths != pytest.approx(first.strengths, abs=0.1) or second.p_best != pytest.approx(
            first.p_best, abs=0.05
        )


def run_both(played: Sequence[Played]) -> list[Pair]:
    canonical, floats = CanonicalRanker(), FloatRanker()
    pairs = []
    for one in played:
        pairs.append(Pair(canonical=canonical.rank(one.round_), floats=floats.rank(one.round_)))
        canonical.learn(one.round_, one.correct)
        floats.learn(one.round_, one.correct)
    return pairs


def check_same(runs: Sequence[Sequence[Pair]]) -> None:
    pairs = [pair for run in runs for pair in run]
    differing = [pair.gap for pair in pairs if pair.gap > 0.0]
    assert len(differing) <= 0.02 * len(pairs), differing
    assert max(differing, default=0.0) < NEAR_TIE_NATS, differing
    assert sum(pair.is_far for pair in pairs) <= 0.02 * len(pairs)
    for run in runs:
        assert run[-1].floats.weights == pytest.approx(run[-1].canonical.weights, abs=0.05)


def test_both_engines_agree_in_small_swarms() -> None:
    check_same([run_both(play(swarm, rounds=30, seed=seed)) for seed, swarm in enumerate(SMALL)])


def test_both_engines_find_peers_that_turn_by_the_short_memory() -> None:
    pairs = run_both(
        play(Swarm(), rounds=40, seed=8) + play(Swarm(liars=(2, 3)), rounds=10, seed=9),
    )
    check_same([pairs[:40], pairs[40:]])
    assert max(pairs[-1].floats.weights[peer] for peer in (2, 3)) < 0.2
    assert min(pairs[40].floats.weights[peer] for peer in (2, 3)) > 0.5


def test_both_engines_cap_by_gold_whom_its_peers_believe() -> None:
    usual = play(Swarm(), rounds=60, seed=11)
    gold = play(Swarm(inverters=(3,), gold_every=1), rounds=30, seed=12)
    pairs = run_both([one for index in range(30) for one in (*usual[2 * index : 2 * index + 2], gold[index])])
    check_same([pairs])
    told, untold = pairs[-1].floats.weights[3], run_both(usual)[-1].floats.weights[3]
    assert told < 0.1 < 0.5 < untold


def test_leans_are_learnt_alike() -> None:
    played = play(Swarm(own=1.5, left=1.5), rounds=40, seed=13)
    canonical, floats = create_reputation(), FloatReputation()
    peers = tuple(range(7))
    differing = 0
    for one in played:
        games = read_round(one.round_)
        terms = floats.compute_terms(games.peers)
        floats.learn(games, one.correct, fit_round(games, terms).without)
        canonical = update_reputation(canonical, make_past(seat_round(one.round_), one.correct))
        expected = compute_terms(canonical, peers)
        found = floats.compute_terms(peers)
        differing += sum(
            (found.own[peer], found.side[peer]) != (term.own_or_ally / 16, term.position / 16)
            for peer, term in expected.items()
        )
    assert differing <= 0.02 * 40 * 7
    assert sum(found.own > 0.0) > 4
    assert sum(found.side > 0.0) > 2


@pytest.mark.slow
def test_both_engines_agree_in_swarms_of_fifteen() -> None:
    check_same([run_both(play(swarm, rounds=60, seed=20 + seed)) for seed, swarm in enumerate(LARGE)])


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


def test_two_hundred_peers_are_ranked() -> None:
    swarm = Swarm(peers=200, calls=4, liars=tuple(range(60)))
    ranker = FloatRanker()
    for one in play(swarm, rounds=8, seed=1):
        ranking = ranker.rank(one.round_)
        ranker.learn(one.round_, one.correct)
    assert len(ranking.weights) == 200
    weights = [ranking.weights[peer] for peer in range(200)]
    assert sum(weights[:60]) / 60 < 0.2 < sum(weights[60:]) / 140
