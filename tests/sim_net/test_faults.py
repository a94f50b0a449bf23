"""Every fault strikes, is undone, and leaves honest nodes honest."""

import pytest

from models.scripted import ScriptedModel
from sim_net.checkers.final import check_world
from sim_net.checkers.watch import Watch
from sim_net.fault_kinds import FAULT_KINDS
from sim_net.faults import STRIKES, FaultPlan
from sim_net.manifest import FaultSettings, NetworkSettings
from sim_net.recorder import Recorder
from sim_net.world import World

MODEL = ScriptedModel()
TEXT = "What is 7 times 12?"
END_MS = 600_000


def make_world(*faults: FaultSettings, seed: int = 1, n: int = 4) -> tuple[World, Watch, FaultPlan]:
    world = World(seed=seed, models=[MODEL] * n)
    watch, plan = Watch(world), FaultPlan(world)
    plan.schedule(faults)
    return world, watch, plan


def has_receipts(world: World, nodes: list[int]) -> bool:
    round_id = next(iter(world.asker.asked))
    return all(world.nodes[node].disk.get_receipt(round_id) is not None for node in nodes)


def is_up(world: World, node: int) -> bool:
    return world.nodes[node].is_up


def test_every_kind_of_fault_has_its_strike() -> None:
    assert list(STRIKES) == list(FAULT_KINDS)


LASTING = [kind for kind, known in FAULT_KINDS.items() if known.is_lasting]
OPTIONS: dict[str, dict[str, int | float | str | bool]] = {
    "weather": {"loss": 0.9},
    "clock-skew": {"skew_ms": -90_000},
    "clock-jump": {"by_ms": 60_000},
    "clock-drift": {"factor": 1.7},
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_a_fault_in_the_middle_of_a_round_breaks_no_rule_and_the_round_ends(kind: str, seed: int) -> None:
    victims = () if kind == "weather" else (seed % 4,)
    fault = FaultSettings(
        kind=kind,
        at_ms=100 + 150 * seed,
        every_ms=700,
        until_ms=3_000,
        lasts_ms=400 if kind in LASTING else 0,
        peers=victims,
        options=OPTIONS.get(kind, {}),
    )
    world, watch, plan = make_world(fault, seed=seed)
    world.ask(TEXT, steps_max=2)
    world.run(until_ms=4_000)
    plan.heal(NetworkSettings())
    others = [node for node in range(4) if node not in world.byzantine]
    world.run(until_ms=END_MS, is_done=lambda: has_receipts(world, others))
    check_world(watch)
    assert has_receipts(world, others)
    strikes = [row for row in plan.rows if not row.is_end]
    assert len(strikes) >= 4
    assert all(row.kind == kind for row in plan.rows)
    assert bool(world.byzantine) == FAULT_KINDS[kind].is_byzantine
    if kind in LASTING:
        assert sum(row.is_end for row in plan.rows) == len(strikes)


def test_a_killed_node_is_down_until_the_fault_is_undone() -> None:
    fault = FaultSettings(kind="kill", at_ms=100, lasts_ms=5_000, peers=(2,))
    world, _, plan = make_world(fault)
    world.run(until_ms=1_000)
    assert not is_up(world, 2)
    world.run(until_ms=6_000)
    assert is_up(world, 2)
    assert [(row.at_ms, row.is_end) for row in plan.rows] == [(100, False), (5_100, True)]


def test_a_full_disk_halts_a_node_until_there_is_room() -> None:
    fault = FaultSettings(kind="disk-full", at_ms=0, lasts_ms=20_000, peers=(1,))
    world, watch, _ = make_world(fault)
    recorder = Recorder(world)
    world.run(until_ms=1)
    world.ask(TEXT, steps_max=1)
    world.run(until_ms=19_000, is_done=lambda: has_receipts(world, [0, 2, 3]))
    assert [one.node for one in recorder.events if one.emit.event == "node_halted"] == [1]
    assert has_receipts(world, [0, 2, 3])
    world.run(until_ms=END_MS, is_done=lambda: world.now_ms > 20_000 and has_receipts(world, [1]))
    check_world(watch)


def test_a_paused_node_hears_later_what_came_meanwhile() -> None:
    fault = FaultSettings(kind="pause", at_ms=200, lasts_ms=10_000, peers=(3,))
    world, watch, _ = make_world(fault)
    world.ask(TEXT, steps_max=1)
    world.run(until_ms=9_000)
    assert world.nodes[3].is_paused
    assert world.nodes[3].backlog
    world.run(until_ms=END_MS, is_done=lambda: has_receipts(world, [0, 1, 2, 3]))
    assert not world.nodes[3].backlog
    check_world(watch)


def test_a_partition_lets_nothing_through_and_its_end_links_again() -> None:
    fault = FaultSettings(kind="partition", at_ms=0, lasts_ms=30_000, groups=((0, 1), (2, 3)))
    world, watch, _ = make_world(fault)
    world.run(until_ms=1)
    world.ask(TEXT, steps_max=1)
    world.run(until_ms=29_000)
    assert not world.closed
    world.run(until_ms=END_MS, is_done=lambda: has_receipts(world, [0, 1, 2, 3]))
    assert world.now_ms > 30_000
    check_world(watch)


def test_who_is_in_no_group_is_alone() -> None:
    fault = FaultSettings(kind="partition", at_ms=0, groups=((0, 1),))
    world, _, _ = make_world(fault)
    world.run(until_ms=1)
    assert not world.links.is_cut(0, 1)
    assert world.links.is_cut(2, 3)
    assert world.links.is_cut(3, 2)
    assert world.links.is_cut(0, 2)


def test_one_way_cuts_what_leaves_the_side_only() -> None:
    fault = FaultSettings(kind="partition", at_ms=0, peers=(1,), options={"one_way": True})
    world, _, _ = make_world(fault)
    world.run(until_ms=1)
    assert world.links.is_cut(1, 0)
    assert not world.links.is_cut(0, 1)


def test_a_probability_of_nought_never_strikes_and_leaving_out_one_fault_shifts_no_other() -> None:
    never = FaultSettings(kind="kill", at_ms=10, every_ms=100, until_ms=2_000, probability=0.0)
    often = FaultSettings(kind="restart", at_ms=20, every_ms=100, until_ms=2_000, probability=0.5)
    both, alone = make_world(never, often)[0::2], make_world(often)[0::2]
    for world, _ in (both, alone):
        world.run(until_ms=3_000)
    assert 3 < len(both[1].rows) < 17
    assert both[1].rows == alone[1].rows


def test_healing_undoes_what_has_no_end() -> None:
    faults = [
        FaultSettings(kind="kill", at_ms=10, peers=(0,)),
        FaultSettings(kind="slow", at_ms=10, peers=(1,), options={"factor": 9.0}),
        FaultSettings(kind="clock-drift", at_ms=10, peers=(1,), options={"factor": 2.0}),
        FaultSettings(kind="isolate", at_ms=10, peers=(2,)),
        FaultSettings(kind="weather", at_ms=10, options={"loss": 1.0}),
    ]
    world, _, plan = make_world(*faults)
    world.run(until_ms=1_000)
    assert not is_up(world, 0)
    plan.heal(NetworkSettings(loss=0.3))
    assert is_up(world, 0)
    assert world.nodes[1].slowness == 1.0
    assert world.nodes[1].clock.rate == 1.0
    assert not world.links.is_cut(2, 0)
    assert world.links.settings.loss == 0.0
    world.run(until_ms=5_000)
    assert sum(row.is_end for row in plan.rows) == 5


def test_a_node_without_memory_is_no_longer_believed() -> None:
    """What it said before and what it says now may differ; rounds with f such nodes hold all the same."""
    for seed in range(6):
        fault = FaultSettings(kind="forget", at_ms=400, every_ms=300, until_ms=2_000, peers=(0,))
        world, watch, _ = make_world(fault, seed=seed)
        world.ask(TEXT, steps_max=1)
        world.run(until_ms=60_000, is_done=lambda world=world: has_receipts(world, [1, 2, 3]))  # type: ignore[misc]
        check_world(watch)
        assert world.byzantine == {0: "forgetful"}
        assert not watch.is_honest_key(world.nodes[0].signer.key)
