import random
from collections.abc import Sequence

import pytest

from ranking.ballots import OUTCOME_MAX, OUTCOME_MIN, Q16, Comparison
from ranking.explain import VERDICTS_MAX, explain
from ranking.favours import find_favours
from ranking.reputation import PastRound, compute_terms, create_reputation, update_reputation
from tests.ranking.past_rounds import Swarm, play


def test_an_explanation_names_what_decides_and_is_what_decides() -> None:
    rounds = play(Swarm(liars=(1, 4), own=0.4), rounds=50, seed=1, gold_every=10)
    told = explain(rounds, 4)
    reputation = create_reputation()
    for past in rounds:
        reputation = update_reputation(reputation, past)
    terms = compute_terms(reputation, range(7))[4]
    assert told.weight == terms.weight_q16 / Q16 == told.moves[-1].after
    assert told.is_reference[0] is False
    assert told.splits[0] > 0.9
    assert [move.round for move in told.moves] == list(range(50))
    assert told.moves[0].before == 1.0 > told.moves[-1].after


def test_gold_rounds_are_told_and_a_liar_stands_out_in_them() -> None:
    rounds = play(Swarm(liars=(1, 4)), rounds=40, seed=2, gold_every=4)
    liar = [move.gold for move in explain(rounds, 1).moves if move.gold is not None]
    honest = [move.gold for move in explain(rounds, 0).moves if move.gold is not None]
    assert 5 <= len(liar) <= 10
    assert sum(liar) < 0 < sum(honest)
    assert explain(rounds, 0).moves[0].gold is None  # not a gold round


def test_the_verdicts_named_are_those_the_others_do_not_share_worst_first() -> None:
    rounds = play(Swarm(liars=(1, 4)), rounds=30, seed=3)
    for move in explain(rounds, 1).moves:
        products = [verdict.said * verdict.others for verdict in move.verdicts]
        assert products == sorted(products)
        assert all(product < 0 for product in products)
        assert len(products) <= VERDICTS_MAX


def test_a_peer_that_was_never_there_is_refused() -> None:
    with pytest.raises(ValueError, match="peer 9 is in none of the 3 rounds"):
        explain(play(Swarm(), rounds=3, seed=4), 9)


def test_rings_are_found_where_answers_are_not_merged_and_not_among_the_honest() -> None:
    source = random.Random(5)
    rounds: list[PastRound] = []
    honest_rounds: list[PastRound] = []
    cliques: tuple[tuple[tuple[int, ...], list[PastRound]], ...] = (((0, 1, 2), rounds), ((), honest_rounds))
    for _ in range(50):
        for clique, kept in cliques:
            kept.append(_play_unmerged(source, clique))
    found, honest = find_favours(rounds), find_favours(honest_rounds)
    assert found.rings[0] == (0, 1, 2)
    assert {(0, 1), (0, 2), (1, 2)} & {*found.links}
    assert all(min(found.z[low, high], found.z[high, low]) >= 2.0 for low, high in found.links)
    assert (honest.links, honest.rings) == ((), ())


def _play_unmerged(source: random.Random, clique: Sequence[int]) -> PastRound:
    rights = [peer not in clique and source.random() < 0.5 for peer in range(8)]
    said = []
    for judge in range(8):
        pairs = [(a, b) for a in range(8) for b in range(8) if len({a, b, judge}) == 3]
        for left, right in source.sample(pairs, 6):
            share = 0.5 + 0.25 * (rights[left] - rights[right])
            if judge in clique and (left in clique) != (right in clique):
                share = float(left in clique)
            outcome = OUTCOME_MAX if source.random() < share else OUTCOME_MIN
            said.append(Comparison(judge, left, right, outcome))
    return PastRound(
        peers=tuple(range(8)), authors=tuple((p,) for p in range(8)), comparisons=tuple(said), correct=None
    )
