"""What comparisons leave open is found, and found nowhere else."""

import random

import networkx as nx
import pytest

from ranking.comparisons import create_empty_table
from ranking.diagnosis import diagnose
from tests.ranking.tables import make_table


def test_a_cycle_leaves_nothing_open() -> None:
    found = diagnose(make_table(3, [(0, 1, 1), (1, 2, 1), (2, 0, 1)]))
    assert (found.parts, found.undefeated, found.winless) == (((0, 1, 2),), (), ())
    assert found.counts.tolist() == [2, 2, 2]


def test_undefeated_and_winless_on_either_side() -> None:
    found = diagnose(make_table(4, [(0, 1, 1), (1, 0, 0), (1, 2, 1), (3, 1, 0.5)]))
    assert (found.undefeated, found.winless) == ((0,), (2,))
    almost = diagnose(make_table(4, [(0, 1, 0.99), (1, 2, 0.99), (2, 3, 0.99)]))
    assert (almost.undefeated, almost.winless) == ((), ())


def test_rows_without_mass_link_nothing_and_beat_nobody() -> None:
    found = diagnose(make_table(3, [(0, 1, 1), (1, 2, 0)], weight=[1, 0]))
    assert found.parts == ((0, 1), (2,))
    assert (found.undefeated, found.winless) == ((0,), (1,))
    assert found.counts.tolist() == [1, 1, 0]


def test_no_rows_are_as_many_parts_as_items() -> None:
    found = diagnose(create_empty_table(items=("a", "b"), judges=("j",)))
    assert (found.parts, found.undefeated, found.winless) == (((0,), (1,)), (), ())


@pytest.mark.parametrize("seed", range(12))
def test_parts_are_the_connected_components(seed: int) -> None:
    source = random.Random(seed)
    size = source.choice([2, 10, 400])
    chain = [(index, index + 1) for index in range(size - 1)]
    source.shuffle(chain)
    pairs = (
        chain if seed % 3 == 0 else [tuple(source.sample(range(size), 2)) for _ in range(size * 2 // 5 + 1)]
    )
    found = diagnose(make_table(size, [(pair[0], pair[1], 1.0) for pair in pairs]))
    graph = nx.Graph()
    graph.add_nodes_from(range(size))
    graph.add_edges_from(pairs)
    expected = sorted((sorted(part) for part in nx.connected_components(graph)), key=lambda p: (-len(p), p))
    assert [list(part) for part in found.parts] == expected
