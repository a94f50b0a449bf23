"""Figures of standing and of hostile judges, on swarms whose judges are as good as planted."""

from dataclasses import replace

import pytest

from evaluation.plan import Member, Plan, Robustness, Standing, SwarmPlan
from evaluation.record import SwarmRecords
from evaluation.robustness.results import AttackRow
from evaluation.robustness.weighing import (
    TRACE_POINTS_MAX,
    compute_rank_correlation,
    hold_plan_rounds,
    measure_attacks,
    summarise_standing,
)
from tests.evaluation.kit import make_plan, make_swarm
from tests.evaluation.robust_kit import make_records


def make_one(swarm: SwarmPlan, skills: tuple[float, ...], count: int) -> SwarmRecords:
    return SwarmRecords(
        swarm=swarm,
        judge="likelihood",
        models=("m",) * len(skills),
        digests=("00",) * len(skills),
        records=tuple(make_records(count, skills=skills)),
    )


def make_robust(judges: tuple[int, ...] = ()) -> Plan:
    return replace(make_plan(), robustness=Robustness(hostile_judges=judges), standing=Standing())


def test_weight_is_told_by_peer_and_by_model() -> None:
    weak = tuple(Member(peer=peer, model="scripted:accuracy=0.1") for peer in (4, 5, 6))
    swarm = replace(make_swarm(peers=7), members=weak)
    one = make_one(swarm, (0.9, 0.9, 0.8, 0.8, 0.15, 0.15, 0.15), 100)
    plan = make_robust()
    held = hold_plan_rounds(plan, one, one.records)
    found = summarise_standing(plan, one, held)
    strong, poor = found.groups
    assert (strong.model, strong.peers, poor.model, poor.peers) == ("scripted", 4, weak[0].model, 3)
    assert strong.weight_last > 3 * poor.weight_last
    assert strong.pairs is not None
    assert poor.pairs is not None
    assert strong.pairs > 0.75
    assert poor.pairs < 0.3
    assert found.correlation is not None
    assert found.correlation > 0.7
    assert (found.rounds, found.gold) == (100, 0)
    assert {peer.weight_first for peer in found.peers} == {1.0}
    assert found.trace[0].round == 1
    assert found.trace[-1].round == 100
    assert len(found.trace) <= TRACE_POINTS_MAX + 1
    assert found.weighted.value > found.unweighted.value
    assert found == summarise_standing(plan, one, hold_plan_rounds(plan, one, one.records))


def find(rows: tuple[AttackRow, ...], attack: str, hostile: int, rule: str, rounds: str) -> AttackRow:
    (row,) = (
        row
        for row in rows
        if (row.attack, row.hostile, row.rule, row.rounds) == (attack, hostile, rule, rounds)
    )
    return row


def test_hostile_judges_lose_their_weight_and_cost_less_with_weights() -> None:
    one = make_one(make_swarm(peers=7), (0.85,) * 7, 70)
    rows = measure_attacks(make_robust((3,)), one)
    assert len(rows) == 6 * (1 + 3)
    calm = find(rows, "none", 0, "unweighted", "all")
    bad = find(rows, "invert", 3, "unweighted", "second half")
    held = find(rows, "invert", 3, "weighted", "second half")
    assert (calm.questions, bad.questions) == (70, 35)
    assert calm.accuracy.value > bad.accuracy.value + 0.15
    assert held.accuracy.value > bad.accuracy.value + 0.1
    assert held.weight_share is not None
    assert held.weight_share < 0.15
    assert bad.weight_share is None
    single = find(rows, "invert", 3, "single", "all")
    assert single.accuracy == find(rows, "none", 0, "single", "all").accuracy
    assert single.difference.value == single.difference.high == 0.0
    assert measure_attacks(make_robust(), one) == ()


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(1.0, 5.0), (2.0, 6.0), (3.0, 9.0)], 1.0),
        ([(1.0, 9.0), (2.0, 6.0), (3.0, 5.0)], -1.0),
        ([(1.0, 1.0), (1.0, 2.0), (2.0, 3.0), (2.0, 3.0)], 0.942809041582),
        ([(1.0, 1.0), (1.0, 2.0)], None),
        ([(1.0, 1.0)], None),
        ([], None),
    ],
)
def test_rank_correlation(pairs: list[tuple[float, float]], expected: float | None) -> None:
    found = compute_rank_correlation(pairs)
    assert found == (expected if expected is None else pytest.approx(expected))
