"""Splits are found exactly where networkx finds the graph of wins not strongly connected."""

import random

import networkx as nx
import pytest

from ranking import connectivity
from ranking.comparisons import create_empty_table
from ranking.connectivity import Split, describe_split, find_split
from tests.ranking.tables import Row, make_table


def test_a_cycle_of_wins_holds_together_on_either_side() -> None:
    assert find_split(make_table(3, [(0, 1, 1), (2, 1, 0), (2, 0, 1)])) is None
    assert find_split(make_table(2, [(0, 1, 0.5)])) is None
    assert find_split(make_table(2, [(1, 0, 0.99)])) is None


def test_a_group_that_never_lost_is_named() -> None:
    rows: list[Row] = [(0, 1, 0.5), (2, 3, 0.5), (2, 0, 1), (1, 3, 0)]
    split = find_split(make_table(4, rows))
    assert split == Split(upper=(2, 3), lower=(0, 1), has_wins=True)
    assert find_split(make_table(4, [*rows, (0, 3, 0.1)])) is None
    assert describe_split(split, ("a", "b", "c", "d")).startswith("c, d never lost to a, b;")


def test_groups_never_compared_are_a_split_without_wins() -> None:
    split = find_split(make_table(4, [(0, 1, 0.5), (2, 3, 0.5)]))
    assert split == Split(upper=(2, 3), lower=(0, 1), has_wins=False)
    assert "c, d and a, b were never compared" in describe_split(split, ("a", "b", "c", "d"))
    empty = find_split(create_empty_table(items=tuple("abcdefg"), judges=("j",)))
    assert empty is not None
    assert describe_split(empty, tuple("abcdefg")).startswith("b, c, d, e, f and 1 more and a were")


def test_rows_without_mass_do_not_count() -> None:
    rows: list[Row] = [(0, 1, 1), (1, 0, 1)]
    assert find_split(make_table(2, rows, [1, 1])) is None
    assert find_split(make_table(2, rows, [1, 0])) == Split(upper=(0,), lower=(1,), has_wins=True)


def test_a_long_chain_holds_together_as_long_as_no_link_is_outright() -> None:
    chain: list[Row] = [(index, index + 1, 0.5) for index in range(400)]
    assert find_split(make_table(401, chain)) is None
    chain[250] = (250, 251, 1.0)
    split = find_split(make_table(401, chain))
    assert split is not None
    assert (split.upper, split.has_wins) == (tuple(range(251)), True)


def test_one_item_holds_together() -> None:
    assert find_split(create_empty_table(items=("a",), judges=("j",))) is None


@pytest.mark.parametrize("passes", [0, 8])
@pytest.mark.parametrize("seed", range(10))
def test_splits_are_those_of_strong_components(
    seed: int, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connectivity, "PASSES_MAX", passes)
    source = random.Random(seed)
    size = source.choice([3, 12, 60])
    rows: list[Row] = []
    for _ in range(size * source.choice([2, 4, 40])):
        left, right = source.sample(range(size), 2)
        rows.append((left, right, source.choice([0.0, 1.0])))
    graph = nx.DiGraph()
    graph.add_nodes_from(range(size))
    graph.add_edges_from((left, right) if outcome else (right, left) for left, right, outcome in rows)
    split = find_split(make_table(size, rows))
    assert (split is None) is nx.is_strongly_connected(graph)
    if split is not None:
        assert sorted(split.upper + split.lower) == list(range(size))
        upper = dict.fromkeys(split.upper)
        assert not any(loser in upper and winner not in upper for winner, loser in graph.edges)
        assert split.has_wins is any(winner in upper and loser not in upper for winner, loser in graph.edges)
