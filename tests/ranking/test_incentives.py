import random
from dataclasses import replace

import pytest

from ranking.ballots import OUTCOME_MAX, OUTCOME_MIN, Q16, Comparison, JudgeTerms
from ranking.incentives import compute_incentives
from ranking.reputation import PastRound, compute_terms, create_reputation, update_reputation
from tests.ranking.past_rounds import Swarm, play

AUTHORS = ((0, 1), (2,), (3,))


def make_past(*comparisons: Comparison, correct: tuple[int, ...] | None = None) -> PastRound:
    return PastRound(peers=(0, 1, 2, 3), authors=AUTHORS, comparisons=comparisons, correct=correct)


def earn(swarm: Swarm, *, seed: int, gold_every: int = 0) -> list[float]:
    reputation, totals = create_reputation(), [0.0] * swarm.peers
    for past in play(swarm, rounds=80, seed=seed, gold_every=gold_every):
        terms = compute_terms(reputation, past.peers)
        for seat, earned in compute_incentives(past, terms).items():
            totals[seat] += earned.total / Q16
        reputation = update_reputation(reputation, past, terms=terms)
    return totals


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_inverters_lose_and_honest_judges_gain_together(seed: int) -> None:
    totals = earn(Swarm(peers=9, inverts=(0, 5)), seed=seed)
    assert max(totals[0], totals[5]) < 0 < sum(totals) - totals[0] - totals[5], totals


def test_liars_in_lockstep_earn_less_than_half() -> None:
    totals = earn(Swarm(peers=9, liars=(0, 5, 7)), seed=4, gold_every=8)
    honest = [totals[seat] for seat in (1, 2, 3, 4, 6, 8)]
    liars = [totals[seat] for seat in (0, 5, 7)]
    assert sum(liars) / 3 < sum(honest) / 6 / 2, totals


def test_gold_pays_for_truth_alone() -> None:
    said = (Comparison(3, 0, 1, OUTCOME_MAX), Comparison(0, 1, 2, OUTCOME_MAX))
    right = compute_incentives(make_past(*said, correct=(0,)), {})
    wrong = compute_incentives(make_past(*said, correct=(1,)), {})
    assert right[3].total > 0 > wrong[3].total
    assert right[0].count == 0  # neither of its two was right
    assert wrong[0].total > 0
    nothing = compute_incentives(make_past(*said, correct=()), {})
    assert all(earned.count == 0 for earned in nothing.values())


def test_verdicts_on_ones_own_class_are_not_scored() -> None:
    earned = compute_incentives(
        make_past(Comparison(0, 0, 1, OUTCOME_MAX), Comparison(2, 0, 2, Q16 // 2)), {}
    )
    assert earned[0].count == 0


def test_a_judge_alone_is_not_scored_by_itself() -> None:
    earned = compute_incentives(make_past(Comparison(3, 0, 1, OUTCOME_MAX)), {})
    assert earned == {3: type(earned[3])(0, 0)}


def test_a_judge_that_weighs_nothing_is_still_scored_by_the_others() -> None:
    past = make_past(Comparison(3, 0, 1, OUTCOME_MIN), Comparison(2, 0, 2, OUTCOME_MAX))
    earned = compute_incentives(past, {3: JudgeTerms(weight_q16=0)})
    assert earned[3].count == 1
    assert earned[3].total < 0


def test_order_does_not_matter() -> None:
    past = play(Swarm(), rounds=1, seed=6)[0]
    shuffled = replace(
        past, comparisons=tuple(random.Random(0).sample(past.comparisons, len(past.comparisons)))
    )
    assert compute_incentives(past, {}) == compute_incentives(shuffled, {})


def test_a_comparison_of_an_unknown_class_is_refused() -> None:
    with pytest.raises(ValueError, match="two of 3 classes"):
        compute_incentives(make_past(Comparison(0, 0, 3, OUTCOME_MAX)), {})
