"""The rules the engine is measured against."""

import pytest

from ranking.baselines import borda, majority, plain_bt
from ranking.canonical import OUTCOME_MAX, OUTCOME_MIN, Comparison

AUTHORS = [(0,), (1, 2, 3), (4, 5)]
BALLOTS = [Comparison(judge, 0, other, OUTCOME_MAX) for judge in (1, 4) for other in (1, 2)]


def test_majority_counts_authors() -> None:
    assert majority(authors=AUTHORS, seed=b"s") == (1, 2, 0)


def test_borda_and_plain_bt_follow_the_ballots_and_not_the_authors() -> None:
    ballots = [*BALLOTS, Comparison(0, 2, 1, OUTCOME_MAX)]
    assert borda(authors=AUTHORS, comparisons=ballots, seed=b"s") == (0, 2, 1)
    assert plain_bt(authors=AUTHORS, comparisons=ballots, seed=b"s") == (0, 2, 1)


def test_an_uncompared_class_stands_in_the_middle() -> None:
    ballots = [Comparison(9, 0, 1, OUTCOME_MIN)]
    assert borda(authors=AUTHORS, comparisons=ballots, seed=b"s") == (1, 2, 0)
    assert plain_bt(authors=AUTHORS, comparisons=ballots, seed=b"s") == (1, 2, 0)


def test_ties_follow_the_seed() -> None:
    tied = [(0,), (1,), (2,)]
    seeds = [bytes([seed]) for seed in range(64)]
    assert len({majority(authors=tied, seed=seed) for seed in seeds}) == 6
    for seed in seeds:
        order = majority(authors=tied, seed=seed)
        assert borda(authors=tied, comparisons=[], seed=seed) == order
        assert plain_bt(authors=tied, comparisons=[], seed=seed) == order


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="class"):
        majority(authors=[], seed=b"s")
    with pytest.raises(ValueError, match="outcome"):
        borda(authors=AUTHORS, comparisons=[Comparison(0, 0, 1, 0)], seed=b"s")
