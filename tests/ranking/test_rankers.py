"""The contract of a ranker, on both engines: what a round may hold, and what no order or name can change."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import pytest

from ranking.rounds import Ranker, Round, RoundRanking, Verdict
from ranking.standing import Engine, create_ranker
from tests.ranking.random_rounds import Played, Swarm, play

SWARM = Swarm(liars=(1, 4))
TWO = ((0,), (1, 2))
EQUAL_NATS = {"canonical": 2e-3, "float": 1e-9}
"""How far strengths may move where classes are renumbered: the integers sweep in the order of classes."""


@pytest.fixture(params=get_args(Engine))
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    return chosen


def run(ranker: Ranker, played: Sequence[Played]) -> list[RoundRanking]:
    rankings = []
    for one in played:
        rankings.append(ranker.rank(one.round_))
        ranker.learn(one.round_, one.correct)
    return rankings


def make(authors: tuple[tuple[int, ...], ...], *verdicts: Verdict, seed: bytes = b"seed") -> Round:
    return Round(seed=seed, authors=authors, verdicts=verdicts)


def test_before_any_round_all_peers_weigh_one(engine: Engine) -> None:
    ranking = create_ranker(engine).rank(make(((7,), (3, 9)), Verdict(5, 0, 1, 0.9)))
    assert ranking.weights == {3: 1.0, 5: 1.0, 7: 1.0, 9: 1.0}


def test_what_judges_prefer_leads_and_chances_sum_to_one(engine: Engine) -> None:
    verdicts = [Verdict(judge, 2, other, 0.95) for judge in range(3) for other in (0, 1)]
    ranking = create_ranker(engine).rank(make(((0,), (1,), (2,)), *verdicts))
    assert ranking.order[0] == 2
    assert ranking.p_best is not None
    assert ranking.p_best[2] == max(ranking.p_best) > 0.5
    assert sum(ranking.p_best) == pytest.approx(1.0, abs=1e-4)
    assert [ranking.strengths[index] for index in ranking.order] == sorted(ranking.strengths, reverse=True)


def test_liars_in_lockstep_lose_their_weight(engine: Engine) -> None:
    weights = run(create_ranker(engine), play(SWARM, rounds=40, seed=1))[-1].weights
    assert max(weights[1], weights[4]) < 0.1, weights
    assert sum(weights[peer] for peer in (0, 2, 3, 5, 6)) > 3.0, weights


def test_gold_overrides_a_lying_majority_in_later_rounds_only(engine: Engine) -> None:
    swarm = Swarm(liars=(0, 1, 2, 3), gold_every=4)
    told = play(swarm, rounds=60, seed=7)
    with_gold = run(create_ranker(engine), told)
    without = run(create_ranker(engine), [replace(one, correct=None) for one in told])
    assert with_gold[:4] == without[:4]
    last, untold = with_gold[-1].weights, without[-1].weights
    assert max(last[peer] for peer in range(4)) < 0.1 < 0.5 < min(last[peer] for peer in range(4, 7)), last
    assert max(untold[peer] for peer in range(4, 7)) < min(untold[peer] for peer in range(4)), untold


def test_one_candidate_is_certain(engine: Engine) -> None:
    ranker = create_ranker(engine)
    alone = make(((0, 1),))
    ranking = ranker.rank(alone)
    assert (ranking.order, ranking.p_best, ranking.flip_certificate) == ((0,), (1.0,), None)
    assert ranking.strengths == pytest.approx([0.0], abs=1e-9)
    ranker.learn(alone, (0,))


def test_without_verdicts_more_authors_lead_and_nothing_flips_it(engine: Engine) -> None:
    ranking = create_ranker(engine).rank(make(TWO))
    assert ranking.order == (1, 0)
    assert ranking.flip_certificate is None


def test_the_flip_estimate_counts_the_judges_that_carry_the_leader(engine: Engine) -> None:
    ranker = create_ranker(engine)
    by_one = make(((0,), (1,)), Verdict(2, 0, 1, 0.95), Verdict(3, 1, 0, 0.7))
    assert ranker.rank(by_one).order == (0, 1)
    assert ranker.rank(by_one).flip_certificate == 1
    for_first = [Verdict(judge, 0, 1, 0.9) for judge in range(2, 8)]
    by_many = make(((0,), (1,)), *for_first, *[Verdict(judge, 1, 0, 0.9) for judge in range(8, 11)])
    assert ranker.rank(by_many).flip_certificate == 4
    assert ranker.rank(make(((0,), (1,)), *for_first)).flip_certificate is None


def test_ties_go_by_the_seed(engine: Engine) -> None:
    orders = [
        create_ranker(engine).rank(make(((0,), (1,), (2,)), seed=bytes([seed]))).order for seed in range(9)
    ]
    assert len(set(orders)) > 2
    assert orders == [
        create_ranker("canonical").rank(make(((0,), (1,), (2,)), seed=bytes([seed]))).order
        for seed in range(9)
    ]


def test_the_order_of_verdicts_and_authors_changes_nothing_at_all(engine: Engine) -> None:
    played = play(replace(SWARM, gold_every=5), rounds=15, seed=3)
    source = random.Random(3)
    shuffled = [
        replace(
            one,
            round_=replace(
                one.round_,
                authors=tuple(tuple(source.sample(peers, len(peers))) for peers in one.round_.authors),
                verdicts=tuple(source.sample(one.round_.verdicts, len(one.round_.verdicts))),
            ),
        )
        for one in played
    ]
    assert run(create_ranker(engine), shuffled) == run(create_ranker(engine), played)


@pytest.mark.parametrize("is_merged", [True, False])
def test_the_numbering_of_candidates_changes_nothing_but_rounding(engine: Engine, is_merged: bool) -> None:
    played = play(replace(SWARM, is_merged=is_merged, gold_every=5), rounds=15, seed=4)
    source = random.Random(4)
    ranker, renumbering = create_ranker(engine), create_ranker(engine)
    for one in played:
        places = source.sample(range(len(one.round_.authors)), len(one.round_.authors))
        renumbered = renumber(one, places)
        first, second = ranker.rank(one.round_), renumbering.rank(renumbered.round_)
        strengths = [second.strengths[place] for place in places]
        assert strengths == pytest.approx(first.strengths, abs=EQUAL_NATS[engine])
        assert second.weights == pytest.approx(first.weights, abs=EQUAL_NATS[engine])
        ranker.learn(one.round_, one.correct)
        renumbering.learn(renumbered.round_, renumbered.correct)


def renumber(one: Played, places: Sequence[int]) -> Played:
    """Move candidate i to places[i]."""
    old = one.round_
    moved = replace(
        old,
        authors=tuple(old.authors[places.index(place)] for place in range(len(places))),
        verdicts=tuple(
            replace(said, left=places[said.left], right=places[said.right]) for said in old.verdicts
        ),
    )
    return Played(moved, None if one.correct is None else tuple(places[index] for index in one.correct))


def test_ranking_changes_nothing(engine: Engine) -> None:
    played = play(SWARM, rounds=12, seed=5)
    others = play(replace(SWARM, liars=(0, 2, 3)), rounds=12, seed=6)
    quiet, asked = create_ranker(engine), create_ranker(engine)
    for one, other in zip(played, others, strict=True):
        expected = quiet.rank(one.round_)
        asked.rank(other.round_)
        assert asked.rank(one.round_) == expected
        asked.rank(other.round_)
        quiet.learn(one.round_, one.correct)
        asked.learn(one.round_, one.correct)


def test_a_round_may_be_learnt_from_without_being_ranked(engine: Engine) -> None:
    *before, last = play(SWARM, rounds=10, seed=8)
    ranker = create_ranker(engine)
    for one in before:
        ranker.learn(one.round_, one.correct)
    ranked = create_ranker(engine)
    run(ranked, before)
    assert ranker.rank(last.round_) == ranked.rank(last.round_)


def test_peers_may_come_late_and_have_any_number(engine: Engine) -> None:
    ranker = create_ranker(engine)
    run(ranker, play(SWARM, rounds=20, seed=9))
    late = ranker.rank(make(((3,), (10**12,)), Verdict(10**12, 0, 1, 0.9), Verdict(3, 0, 1, 0.9)))
    assert late.weights.keys() == {3, 10**12}
    assert late.order == (0, 1)


BAD = {
    "no candidate": (make((), Verdict(0, 0, 1, 0.5)), "at least one class, got none"),
    "a candidate without author": (make(((0,), ())), "class 1 has no author"),
    "a peer with two candidates": (make(((0,), (1, 0))), "authored classes 0 and 1"),
    "a peer twice in one": (make(((0,), (1, 1))), "authored classes 1 and 1"),
    "unknown on the right": (make(TWO, Verdict(0, 0, 2, 0.5)), "two of 2 classes, got 0 and 2"),
    "unknown on the left": (make(TWO, Verdict(0, -1, 0, 0.5)), "two of 2 classes, got -1 and 0"),
    "a candidate against itself": (make(TWO, Verdict(0, 1, 1, 0.5)), "two of 2 classes, got 1 and 1"),
    "an outcome too high": (make(TWO, Verdict(0, 0, 1, 1.25)), "an outcome is 0..1, got 1.25"),
    "an outcome too low": (make(TWO, Verdict(0, 0, 1, -0.25)), "an outcome is 0..1, got -0.25"),
    "no number": (make(TWO, Verdict(0, 0, 1, float("nan"))), "an outcome is 0..1, got nan"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_round_that_breaks_a_bound_is_refused_and_forgotten(engine: Engine, name: str) -> None:
    bad, message = BAD[name]
    *before, last = play(SWARM, rounds=5, seed=10)
    ranker = create_ranker(engine)
    run(ranker, before)
    expected = ranker.rank(last.round_)
    with pytest.raises(ValueError, match=message):
        ranker.rank(bad)
    with pytest.raises(ValueError, match=message):
        ranker.learn(bad, None)
    assert ranker.rank(last.round_) == expected


def test_a_truth_that_names_no_candidate_is_refused_and_teaches_nothing(engine: Engine) -> None:
    *before, last = play(SWARM, rounds=5, seed=10)
    ranker = create_ranker(engine)
    run(ranker, before)
    expected = ranker.rank(last.round_)
    with pytest.raises(ValueError, match="right classes are among 0"):
        ranker.learn(last.round_, (0, 99))
    assert ranker.rank(last.round_) == expected


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_a_certainty_counts_as_what_a_ballot_may_say(engine: Engine, outcome: float) -> None:
    certain = make(TWO, Verdict(0, 0, 1, outcome))
    held = make(TWO, Verdict(0, 0, 1, min(max(outcome, 0.05), 0.95)))
    assert create_ranker(engine).rank(certain) == create_ranker(engine).rank(held)
