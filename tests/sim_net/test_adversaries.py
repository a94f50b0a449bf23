"""Each bad seat alone, in calm weather: the honest ones finish, agree, and blame nobody but it."""

import pytest

from consensus.decision import Status
from consensus.verify import verify_receipt
from sim_net.adversaries import (
    SEATS,
    Adversary,
    Amnesiac,
    CommitFlooder,
    EarlyRevealer,
    Equivocator,
    LateCommitter,
    ListEquivocator,
    RevealWithholder,
    Silent,
    TwoFacedProposer,
    VoteEquivocator,
)
from sim_net.checkers.discovery import Discovery
from sim_net.checkers.final import check_world
from sim_net.checkers.watch import Watch
from sim_net.manifest import NetworkSettings
from sim_net.world import World
from swarm.core.records import Table
from tests.sim_net.kit import END_MS, MODEL


def run_with(
    kind: type[Adversary], *, seed: int, n: int = 4, network: NetworkSettings | None = None, **limits: int
) -> tuple[World, Watch, list[int]]:
    f = (n - 1) // 3
    bad = [(seed + place) % n for place in range(f)]
    world = World(seed=seed, models=[MODEL] * n, network=network)
    watch = Watch(world)
    discovery = Discovery(world, watch)
    for index in bad:
        kind(world, index)
    world.ask("What is 7 times 12?", **limits)
    honest = [index for index in range(n) if index not in bad]
    world.run(until_ms=END_MS, is_done=lambda: all(has_receipt(world, index) for index in honest))
    discovery.check()
    return world, watch, honest


def has_receipt(world: World, index: int) -> bool:
    return any(table is Table.RECEIPT for table, _, _ in world.nodes[index].disk.rows)


def get_evidence_count(world: World, honest: list[int]) -> int:
    return sum(key.startswith(b"evidence/") for index in honest for _, _, key in world.nodes[index].disk.rows)


def get_status(world: World, index: int) -> Status:
    receipt = next(
        row.value for (table, _, _), row in world.nodes[index].disk.rows.items() if table is Table.RECEIPT
    )
    verdict = verify_receipt(receipt, trusted_network=world.network.genesis_bytes)
    assert verdict.round is not None
    return Status(verdict.round.closed[-1].outcome.value.status)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", SEATS)
def test_one_bad_seat_of_four(kind: type[Adversary], seed: int) -> None:
    _, watch, _ = run_with(kind, seed=seed, steps_max=1 + seed)
    check_world(watch)


@pytest.mark.parametrize("kind", SEATS)
def test_two_bad_seats_of_seven(kind: type[Adversary]) -> None:
    _, watch, _ = run_with(kind, seed=3, n=7, steps_max=1)
    check_world(watch)


@pytest.mark.parametrize(
    "kind",
    [Equivocator, CommitFlooder, ListEquivocator, VoteEquivocator],
)
def test_equivocation_becomes_evidence(kind: type[Adversary]) -> None:
    found = 0
    for seed in range(4):
        world, watch, honest = run_with(kind, seed=seed, steps_max=1)
        check_world(watch)
        found += get_evidence_count(world, honest)
    assert found > 0


@pytest.mark.parametrize("kind", [RevealWithholder, LateCommitter, Silent])
def test_who_does_not_reveal_is_missing(kind: type[Adversary]) -> None:
    for seed in range(3):
        world, watch, honest = run_with(kind, seed=seed, steps_max=1)
        check_world(watch)
        assert {get_status(world, index) for index in honest} == {Status.PARTIAL}


def test_an_early_reveal_silences_nobody() -> None:
    for seed in range(6):
        world, watch, honest = run_with(EarlyRevealer, seed=seed, steps_max=1)
        check_world(watch)
        assert {get_status(world, index) for index in honest} == {Status.FULL}


@pytest.mark.parametrize("kind", [TwoFacedProposer, Amnesiac])
def test_two_faced_seats_on_slow_links_never_split_a_step(kind: type[Adversary]) -> None:
    for seed in range(6):
        slow = NetworkSettings(latency="uniform(1, 1500)")
        _, watch, _ = run_with(kind, seed=seed, steps_max=1, network=slow)
        check_world(watch)
