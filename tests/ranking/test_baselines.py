"""The rules the engine is measured against: hand-made rounds, other people's code, and what each learns."""

import math
import random
from collections.abc import Sequence

import choix
import numpy as np
import pytest

from ranking.baselines import (
    CROWD_PRIOR,
    EMA_START,
    METHODS,
    _compute_centrality,
    majority,
    plain_bt,
    score_table,
)
from ranking.canonical import OUTCOME_MAX, OUTCOME_MIN, Comparison
from ranking.client_rule import rank_as_client
from ranking.comparisons import ComparisonTable, create_table
from ranking.rounds import Round, Verdict

AUTHORS = ((0,), (1, 2, 3), (4, 5))
BALLOTS = [Comparison(judge, 0, other, OUTCOME_MAX) for judge in (1, 4) for other in (1, 2)]
BY_COMPARISONS = tuple(name for name in METHODS if name not in ("majority", "weighted-vote"))
ALONE = tuple((peer,) for peer in range(6))


def make_round(
    verdicts: Sequence[tuple[int, int, int, float]],
    *,
    authors: tuple[tuple[int, ...], ...] = AUTHORS,
    seed: bytes = b"s",
) -> Round:
    return Round(seed=seed, authors=authors, verdicts=tuple(Verdict(*verdict) for verdict in verdicts))


def make_random_round(seed: int, items: int = 6, calls: int = 5, flips: Sequence[int] = ()) -> Round:
    """Item 0 is best, the last worst; judges in `flips` say the opposite of what they see."""
    source = random.Random(seed)
    verdicts = []
    for judge in range(items):
        for _ in range(calls):
            left, right = source.sample([item for item in range(items) if item != judge], 2)
            chance = 1 / (1 + math.exp(1.5 * (left - right)))
            is_left = (source.random() < chance) != (judge in flips)
            verdicts.append(Verdict(judge, left, right, 0.95 if is_left else 0.05))
    authors = tuple((peer,) for peer in range(items))
    return Round(seed=bytes([seed % 256]), authors=authors, verdicts=tuple(verdicts))


def make_table(round_: Round, *, items: int = 6) -> ComparisonTable:
    names = [f"i{index}" for index in range(items)]
    judges = [f"j{index}" for index in range(items)]
    rows = round_.verdicts
    return create_table(
        items=names,
        judges=judges,
        judge=[row.judge for row in rows],
        left=[row.left for row in rows],
        right=[row.right for row in rows],
        outcome=[row.outcome for row in rows],
    )


# -- functions of one set of classes -----------------------------------------------------------------


def test_majority_counts_authors() -> None:
    assert majority(authors=AUTHORS, seed=b"s") == (1, 2, 0)


def test_plain_bt_follows_the_ballots_and_not_the_authors() -> None:
    ballots = [*BALLOTS, Comparison(0, 2, 1, OUTCOME_MAX)]
    assert plain_bt(authors=AUTHORS, comparisons=ballots, seed=b"s") == (0, 2, 1)


def test_an_uncompared_class_stands_in_the_middle() -> None:
    ballots = [Comparison(9, 0, 1, OUTCOME_MIN)]
    assert plain_bt(authors=AUTHORS, comparisons=ballots, seed=b"s") == (1, 2, 0)


def test_bad_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="class"):
        majority(authors=[], seed=b"s")
    with pytest.raises(ValueError, match="outcome"):
        plain_bt(authors=AUTHORS, comparisons=[Comparison(0, 0, 1, 0)], seed=b"s")


# -- what holds for all ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_ballots_does_not_matter(name: str) -> None:
    first, second = METHODS[name](), METHODS[name]()
    for seed in range(4):
        round_ = make_random_round(seed)
        mixed = list(round_.verdicts)
        random.Random(seed).shuffle(mixed)
        shuffled = Round(seed=round_.seed, authors=round_.authors, verdicts=tuple(mixed))
        assert first.rank(round_) == second.rank(shuffled)
        first.learn(round_, None)
        second.learn(shuffled, None)


@pytest.mark.parametrize("name", METHODS)
def test_ranking_changes_nothing_and_learning_never_touches_what_was_said(name: str) -> None:
    ranker = METHODS[name]()
    ranker.learn(make_random_round(1), (0,))
    round_ = make_random_round(2)
    said = ranker.rank(round_)
    assert ranker.rank(round_) == said
    assert (said.p_best, said.flip_certificate) == (None, None)
    assert sorted(said.order) == list(range(6))
    assert [said.strengths[index] for index in said.order] == sorted(said.strengths, reverse=True)
    assert list(said.weights) == list(range(6))


@pytest.mark.parametrize("name", METHODS)
def test_ties_follow_the_seed(name: str) -> None:
    tied = ((0,), (1,), (2,))
    orders = [
        METHODS[name]().rank(make_round([], authors=tied, seed=bytes([seed]))).order for seed in range(64)
    ]
    assert len(set(orders)) == 6
    assert orders == [majority(authors=tied, seed=bytes([seed])) for seed in range(64)]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("round_", "message"),
    [
        (make_round([], authors=()), "at least one class"),
        (make_round([], authors=((0,), (0,))), "seat 0 authored"),
        (make_round([], authors=((0,), ())), "no author"),
        (make_round([(-1, 0, 1, 1.0)]), "judge -1"),
        (make_round([(0, 1, 3, 1.0)]), "1 and 3, expected a peer and two of 3"),
        (make_round([(0, 1, 1, 1.0)]), "1 and 1"),
        (make_round([(0, 1, 2, 1.5)]), "0..1, got 1.5"),
        (make_round([(0, 1, 2, math.nan)]), "0..1, got nan"),
    ],
)
def test_a_round_out_of_bounds_is_refused(name: str, round_: Round, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHODS[name]().rank(round_)


@pytest.mark.parametrize("name", BY_COMPARISONS)
def test_every_method_finds_the_best_of_many_honest_comparisons(name: str) -> None:
    ranker = METHODS[name]()
    winners = []
    for seed in range(10):
        round_ = make_random_round(seed, calls=10)
        winners.append(ranker.rank(round_).order[0])
        ranker.learn(round_, None)
    assert winners.count(0) >= 8


@pytest.mark.parametrize("name", BY_COMPARISONS)
def test_one_candidate_and_a_judge_without_an_answer(name: str) -> None:
    assert METHODS[name]().rank(make_round([], authors=((3,),))).order == (0,)
    said = METHODS[name]().rank(make_round([(9, 2, 1, 0.9)]))
    assert said.order.index(2) < said.order.index(1)
    assert 9 in said.weights


# -- one by one --------------------------------------------------------------------------------------


def test_borda_is_the_mean_outcome() -> None:
    said = METHODS["borda"]().rank(make_round([(0, 1, 2, 0.75), (1, 2, 1, 0.5), (2, 1, 2, 1.0)]))
    assert said.strengths == pytest.approx((0.5, 0.75, 0.25))


def test_mean_rank_is_over_each_judges_own_ranking() -> None:
    verdicts = [(7, 0, 1, 1.0), (7, 1, 2, 1.0), (8, 2, 0, 1.0), (9, 0, 1, 0.5)]
    said = METHODS["mean-rank"]().rank(make_round(verdicts, authors=((0,), (1,), (2,), (3,))))
    # judge 7: 0, 1, 2; judge 8: 2, 0; judge 9: 0 and 1 share 1.5; nobody ranked 3: the mean of 7 places
    places = [(1 + 2 + 1.5) / 3, (2 + 1.5) / 2, (3 + 1) / 2, (1 + 2 + 1.5 + 2 + 1.5 + 3 + 1) / 7]
    assert [-value for value in said.strengths] == pytest.approx(places)


def test_plain_bt_agrees_with_the_canonical_engine() -> None:
    for seed in range(20):
        round_ = make_random_round(seed)
        ballots = [
            Comparison(v.judge, v.left, v.right, OUTCOME_MAX if v.outcome > 0.5 else OUTCOME_MIN)
            for v in round_.verdicts
        ]
        said = METHODS["plain-bt"]().rank(round_)
        gaps = np.diff([-said.strengths[index] for index in said.order])
        exact = plain_bt(authors=round_.authors, comparisons=ballots, seed=round_.seed)
        assert said.order == exact or gaps.min() < 2e-3


def test_rank_centrality_is_choixs_without_the_departures() -> None:
    source = random.Random(5)
    items, data = 5, []
    for _ in range(200):
        left, right = source.sample(range(items), 2)
        data.append((left, right) if source.random() < 0.6 else (right, left))
    wins = np.zeros((items, items))
    for winner, loser in data:
        wins[winner, loser] += 1
    assert wins[~np.eye(items, dtype=bool)].min() > 0, "every pair has met, both ways"
    scores = _compute_centrality(wins, games=0.0, restart=0.0)
    assert np.allclose(scores - scores.mean(), choix.rank_centrality(items, data), atol=1e-9)


def test_rank_centrality_stands_undefeated_and_disconnected_items() -> None:
    authors = ((0,), (1,), (2,), (3,))
    said = METHODS["rank-centrality"]().rank(make_round([(9, 0, 1, 1.0), (9, 2, 3, 1.0)], authors=authors))
    assert all(map(math.isfinite, said.strengths))
    assert said.strengths[0] == said.strengths[2] > said.strengths[1] == said.strengths[3]


def test_weighted_vote_learns_from_its_own_winners() -> None:
    ranker = METHODS["weighted-vote"]()
    first = make_round([], authors=((0,), (1, 2, 3), (4, 5)))
    assert ranker.rank(first).weights == dict.fromkeys(range(6), pytest.approx(math.log(1.5)))
    ranker.learn(first, None)
    said = ranker.rank(make_round([(8, 0, 1, 1.0)], authors=((0, 4, 5), (1, 2))))
    assert [said.weights[1], said.weights[4]] == pytest.approx([math.log(2.0), 0.01])
    assert said.weights[8] == pytest.approx(math.log(1.5)), "a peer not seen before"
    assert said.order == (1, 0), "two that were right outweigh three that were not"


def test_weighted_vote_takes_truth_over_its_winner() -> None:
    ranker = METHODS["weighted-vote"]()
    for _ in range(3):
        ranker.learn(make_round([], authors=((0,), (1, 2, 3))), (0,))
    assert ranker.rank(make_round([], authors=((0,), (1, 2, 3)))).order == (0, 1)
    ranker = METHODS["weighted-vote"]()
    for _ in range(3):
        ranker.learn(make_round([], authors=((0,), (1, 2, 3))), ())
    assert ranker.rank(make_round([], authors=((0,), (1, 2, 3)))).order == (1, 0)


def test_ema_moves_a_tenth_of_the_way_to_the_agreement() -> None:
    ranker = METHODS["ema"]()
    verdicts = [(1, 0, 2, 0.9), (1, 2, 0, 0.2), (4, 0, 2, 0.9), (5, 2, 0, 0.9), (5, 0, 2, 0.8)]
    round_ = make_round(verdicts)
    assert set(ranker.rank(round_).weights.values()) == {1.0}
    ranker.learn(round_, (2,))  # truth is not looked at
    honest, half = EMA_START + 0.1 * (1 - EMA_START), EMA_START + 0.1 * (0.5 - EMA_START)
    weights = ranker.rank(round_).weights
    mean = (2 * honest + half) / 3
    assert [weights[peer] for peer in (1, 4, 5)] == [
        pytest.approx(value / mean) for value in (honest, honest, half)
    ]
    assert weights[0] == 1.0, "who has not judged here"


def test_ema_stands_judges_without_any_reputation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranking.baselines.EMA_START", 0.0)
    said = METHODS["ema"]().rank(make_round([(1, 0, 2, 0.9)]))
    assert said.order[0] == 0


def test_crowd_bt_learns_who_inverts_and_turns_their_votes_round() -> None:
    ranker = METHODS["crowd-bt"]()
    flips = (4, 5)
    start = CROWD_PRIOR[0] / sum(CROWD_PRIOR)
    assert set(ranker.rank(make_round([])).weights.values()) == {start}
    for seed in range(30):
        ranker.learn(make_random_round(seed, flips=flips), (5,))  # truth, here a lie, is not looked at
    weights = ranker.rank(make_random_round(99, flips=flips)).weights
    assert min(weights[peer] for peer in range(4)) > 0.8
    assert max(weights[peer] for peer in flips) < 0.3
    probe = make_round([(4, 5, 0, 0.95), (5, 5, 0, 0.95), (4, 5, 1, 0.95)], authors=ALONE)
    assert ranker.rank(probe).order[-1] == 5, "what inverters praise is bad"
    assert METHODS["crowd-bt"]().rank(probe).order[0] == 5


# -- the client rule ---------------------------------------------------------------------------------


def rank_by_the_letter(items: int, won: dict[tuple[int, int], float]) -> list[int]:
    """The rule as written, step by step."""
    strengths = [1.0] * items
    for _ in range(1000):
        before = list(strengths)
        for i in range(items):
            wins, share = 0.0, 0.0
            for k in range(items):
                games = won.get((i, k), 0.0) + won.get((k, i), 0.0)
                if games:
                    wins += won.get((i, k), 0.0)
                    share += games / (strengths[i] + strengths[k])
            strengths[i] = wins / share if share else 1.0
        total = sum(strengths)
        strengths = [strength * items / total for strength in strengths]
        if max(abs(a - b) for a, b in zip(strengths, before, strict=True)) < 1e-6:
            break
    return sorted(range(items), key=lambda i: (-strengths[i], i))


def draw_votes(
    source: random.Random, items: int, pairs: list[tuple[int, int]]
) -> dict[tuple[int, int], float]:
    quality = [source.gauss(0, 1) for _ in range(items)]
    won: dict[tuple[int, int], float] = {}
    for left, right in pairs:
        is_left = source.random() < 1 / (1 + math.exp(quality[right] - quality[left]))
        pair = (left, right) if is_left else (right, left)
        won[pair] = won.get(pair, 0.0) + 1.0
    return won


@pytest.mark.parametrize(("items", "calls"), [(5, 4), (7, 6), (15, 8)])
def test_the_client_rule_is_followed_to_the_letter(items: int, calls: int) -> None:
    source = random.Random(items)
    alike = 0
    for _ in range(25):
        pairs = [(pair[0], pair[1]) for pair in (source.sample(range(items), 2) for _ in range(calls))]
        won = draw_votes(source, items, pairs)
        alike += rank_as_client(items, won, is_cut_short=False) == rank_by_the_letter(items, won)
    assert alike >= 24, "of 25; near ties may fall otherwise"


def test_sweeps_left_out_hardly_ever_move_a_place() -> None:
    source = random.Random(11)
    moved = 0
    for _ in range(40):
        graph = [(i, i + 1) for i in range(6)] + [(i, i + 3) for i in range(3)]
        won = draw_votes(source, 7, graph + [(right, left) for left, right in graph])
        moved += rank_as_client(7, won) != rank_as_client(7, won, is_cut_short=False)
    assert moved <= 3


def test_the_client_rules_quirks_are_kept() -> None:
    # 3 beats 1 and 0; 2 was not compared: winless items tie by the list, below the average.
    assert rank_as_client(4, {(3, 1): 1.0, (3, 0): 1.0}) == [3, 2, 0, 1]
    # nothing compared: the order of the list; a mass of 0 is no comparison
    assert rank_as_client(3, {(2, 0): 0.0}) == [0, 1, 2]
    # half a win each way is no win: equal, by the list
    assert rank_as_client(2, {(0, 1): 0.5, (1, 0): 0.5}) == [0, 1]


def test_fortytwo_is_the_mean_place_and_sees_letters_only() -> None:
    verdicts = [(7, 0, 1, 0.51), (7, 1, 2, 0.99), (8, 0, 1, 0.51), (8, 1, 2, 0.99), (9, 2, 0, 0.5)]
    said = METHODS["fortytwo"]().rank(make_round(verdicts))
    assert said.order == (0, 1, 2)
    assert sum(said.strengths) == pytest.approx(-6)


# -- one table ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BY_COMPARISONS)
def test_a_table_is_scored_as_a_first_round_is(name: str) -> None:
    round_ = make_random_round(3)
    scores = score_table(name, make_table(round_), seed=round_.seed)
    assert np.allclose(scores, METHODS[name]().rank(round_).strengths, atol=1e-4)  # rounds carry whole Q16


@pytest.mark.parametrize("name", ["borda", "mean-rank", "plain-bt", "crowd-bt", "rank-centrality"])
def test_weights_of_rows_are_masses(name: str) -> None:
    rows: dict[str, list[int]] = {"judge": [0, 0], "left": [0, 1], "right": [1, 0]}

    def score(weight: list[float]) -> float:
        table = create_table(items=("a", "b"), judges=("p",), outcome=[1, 1], weight=weight, **rows)
        values = score_table(name, table, seed=b"")
        return float(values[0] - values[1])

    assert score([1, 1]) == pytest.approx(0, abs=1e-9)
    assert score([3, 1]) > 0.0 > score([1, 3])
    assert score([0, 0]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("majority", "counts authors"),
        ("weighted-vote", "counts authors"),
        ("bogus", "expected one of majority"),
    ],
)
def test_what_a_table_cannot_give_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score_table(name, make_table(make_random_round(1)), seed=b"")


@pytest.mark.parametrize(
    ("name", "limit", "most"),
    [
        ("rank-centrality", "ranking.games.DENSE_ITEMS_MAX", 6),
        ("crowd-bt", "ranking.games.DENSE_ITEMS_MAX", 6),
        ("fortytwo", "ranking.baselines.CLIENT_CELLS_MAX", 36),
        ("fortytwo", "ranking.baselines.CLIENT_ROWS_MAX", 30),
    ],
)
def test_a_table_too_large_for_a_method_is_refused(
    name: str, limit: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_table(make_random_round(1))
    monkeypatch.setattr(limit, most)
    score_table(name, table, seed=b"")
    monkeypatch.setattr(limit, most - 1)
    with pytest.raises(ValueError, match=f"at most {most - 1}"):
        score_table(name, table, seed=b"")
