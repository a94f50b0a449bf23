"""Rounds in virtual time: quiet ones, seats that die, networks that break and heal, and the world itself."""

import pytest

from consensus.decision import Status
from consensus.verify import VerifiedRound, verify_receipt
from models.scripted import ScriptedModel
from sim_net.checkers.final import check_world
from sim_net.checkers.watch import Watch
from sim_net.disk import Disk, SignedTwiceError
from sim_net.manifest import NetworkSettings
from sim_net.recorder import Recorder
from sim_net.world import World
from swarm.core.records import Record, Table
from tests.consensus.receipt_kit import MuteModel
from tests.sim_net.kit import END_MS, MODEL

TEXT = "What is 7 times 12?"


def make_world(seed: int, n: int = 4, network: NetworkSettings | None = None) -> tuple[World, Watch]:
    world = World(seed=seed, models=[MODEL] * n, network=network)
    return world, Watch(world)


def read(world: World, index: int = 0) -> VerifiedRound:
    rows = world.nodes[index].disk.rows
    data = next(row.value for (table, _, _), row in rows.items() if table is Table.RECEIPT)
    verdict = verify_receipt(data, trusted_network=world.network.genesis_bytes)
    assert verdict.is_trusted
    assert verdict.round is not None
    return verdict.round


def get_status(verified: VerifiedRound) -> Status:
    return Status(verified.closed[-1].outcome.value.status)


def has_receipts(world: World, indices: list[int]) -> bool:
    return all(
        any(table is Table.RECEIPT for table, _, _ in world.nodes[index].disk.rows) for index in indices
    )


# -- quiet rounds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 5, 7, 10])
def test_a_quiet_round_is_full_and_every_node_holds_the_same_result(n: int) -> None:
    world, watch = make_world(1, n)
    recorder = Recorder(world)
    world.ask(TEXT)
    world.run(until_ms=END_MS, is_done=lambda: len(world.closed) == n)
    check_world(watch)
    assert get_status(read(world)) is Status.FULL
    assert len({closed.result for closed in world.closed.values()}) == 1
    assert recorder.penalties == []


@pytest.mark.slow
def test_a_round_of_thirty_one() -> None:
    world, watch = make_world(1, 31)
    world.ask(TEXT, steps_max=1)
    world.run(until_ms=END_MS, is_done=lambda: len(world.closed) == 31)
    check_world(watch)
    assert get_status(read(world)) is Status.FULL


def test_a_committee_smaller_than_the_network() -> None:
    world, watch = make_world(2, 7)
    world.ask(TEXT, seats=4)
    world.run(until_ms=END_MS, is_done=lambda: len(world.closed) == 4)
    check_world(watch)
    assert sum(bool(node.state.seats) for node in world.nodes) == 4


def test_the_asker_may_tell_one_node_only() -> None:
    world, watch = make_world(3)
    for index in (1, 2, 3):
        world.nodes[index].is_up = False
    world.ask(TEXT, steps_max=1)
    for index in (1, 2, 3):
        world.nodes[index].is_up = True
    world.run(until_ms=END_MS, is_done=lambda: len(world.closed) == 4)
    check_world(watch)


# -- seats that die ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "dead"), [(4, [2]), (7, [0, 5]), (10, [1, 4, 9])])
@pytest.mark.parametrize("when_ms", [0, 60, 420, 700])
def test_f_dead_seats_leave_a_certified_result_that_says_so(n: int, dead: list[int], when_ms: int) -> None:
    world, watch = make_world(4, n)
    alive = [index for index in range(n) if index not in dead]
    for index in dead:
        world.at(when_ms, lambda index=index: world.crash(index))  # type: ignore[misc]
    world.ask(TEXT, steps_max=2)
    world.run(until_ms=END_MS, is_done=lambda: world.now_ms > when_ms and has_receipts(world, alive))
    check_world(watch)
    verified = read(world, alive[0])
    missing = {seat for closed in verified.closed for seat in closed.outcome.value.missing}
    keys = [world.nodes[index].signer.key for index in dead]
    gone = {seat for seat, key in enumerate(verified.facts.committee.keys) if key in keys}
    assert missing <= gone
    assert get_status(verified) is (Status.PARTIAL if missing else Status.FULL)
    if when_ms == 0:
        assert missing == gone


@pytest.mark.parametrize(("n", "dead"), [(4, [1, 2]), (7, [0, 3, 5])])
@pytest.mark.parametrize("when_ms", [0, 60, 300])
def test_f_plus_one_dead_seats_leave_no_certificate_and_nothing_false(
    n: int, dead: list[int], when_ms: int
) -> None:
    world, watch = make_world(5, n)
    for index in dead:
        world.at(when_ms, lambda index=index: world.crash(index))  # type: ignore[misc]
    world.ask(TEXT, steps_max=2)
    world.run(until_ms=120_000)
    check_world(watch, is_healed=False)
    assert not any(has_receipts(world, [index]) for index in range(n))
    assert world.closed == {}


def test_f_plus_one_that_come_back_end_the_round() -> None:
    world, watch = make_world(6)
    for index in (1, 2):
        world.at(200, lambda index=index: world.crash(index))  # type: ignore[misc]
        world.at(40_000, lambda index=index: world.restart(index))  # type: ignore[misc]
    world.ask(TEXT, steps_max=1)
    world.run(until_ms=END_MS, is_done=lambda: has_receipts(world, [0, 1, 2, 3]))
    check_world(watch)


@pytest.mark.parametrize("when_ms", range(5, 900, 60))
def test_everybody_crashes_at_once_and_goes_on(when_ms: int) -> None:
    """Nothing but the disks is left, at any moment of the round; nobody signs a slot twice."""
    world, watch = make_world(7)

    def reboot() -> None:
        for index in range(4):
            world.crash(index)
        for index in range(4):
            world.restart(index)

    def ask_again() -> None:
        world.ask(TEXT, steps_max=2)

    world.at(when_ms, reboot)
    ask_again()
    world.at(1_000, ask_again)  # as a client does that was not heard
    world.run(until_ms=END_MS, is_done=lambda: has_receipts(world, [0, 1, 2, 3]))
    check_world(watch)
    assert has_receipts(world, [0, 1, 2, 3])


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("when_ms", range(10, 700, 70))
def test_one_seat_crashes_and_comes_back_at_once(index: int, when_ms: int) -> None:
    world, watch = make_world(8)
    world.at(when_ms, lambda: world.crash(index))
    world.at(when_ms, lambda: world.restart(index))
    world.ask(TEXT, steps_max=1)
    others = [other for other in range(4) if other != index]
    world.run(until_ms=END_MS, is_done=lambda: world.now_ms > when_ms and has_receipts(world, others))
    check_world(watch, is_healed=False)
    assert has_receipts(world, others)


def test_a_seat_that_crashes_in_every_second_comes_to_the_end() -> None:
    world, watch = make_world(9)
    for beat in range(20):
        world.at(97 + 450 * beat, lambda: world.crash(2))
        world.at(130 + 450 * beat, lambda: world.restart(2))
    world.ask(TEXT, steps_max=3)
    world.run(until_ms=END_MS, is_done=lambda: world.now_ms > 9_500 and has_receipts(world, [0, 1, 2, 3]))
    check_world(watch)


# -- models ------------------------------------------------------------------------------------------


def test_a_mute_model_makes_its_seat_missing() -> None:
    world = World(seed=10, models=[MODEL, MODEL, MODEL, MuteModel(MODEL)])
    watch, recorder = Watch(world), Recorder(world)
    world.ask(TEXT, steps_max=1)
    world.run(until_ms=END_MS, is_done=lambda: len(world.closed) == 4)
    check_world(watch)
    verified = read(world)
    assert get_status(verified) is Status.PARTIAL
    (mute,) = verified.closed[0].outcome.value.missing
    assert verified.facts.committee.keys[mute] == world.nodes[3].signer.key
    assert "call_failed" in [logged.emit.event for logged in recorder.events]


def test_mute_models_everywhere_end_in_a_certified_abort() -> None:
    world = World(seed=11, models=[MuteModel(MODEL)] * 4)
    watch = Watch(world)
    world.ask(TEXT, steps_max=1, answer_ms=2_000, reveal_ms=500)
    world.run(until_ms=END_MS, is_done=lambda: len(world.closed) == 4)
    check_world(watch)
    verified = read(world)
    assert get_status(verified) is Status.FAILED
    assert verified.winner is None
    assert verified.closed[0].outcome.value.missing == (0, 1, 2, 3)


def test_a_model_slower_than_the_deadline_is_left_behind() -> None:
    world = World(seed=12, models=[MODEL] * 4, latency="uniform(30000, 40000)")
    watch = Watch(world)
    world.ask(TEXT, steps_max=1, answer_ms=1_000, reveal_ms=500)
    world.run(until_ms=END_MS, is_done=lambda: len(world.closed) == 4)
    check_world(watch)
    assert get_status(read(world)) is Status.FAILED


# -- networks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [[0], [0, 1], [1, 2, 3]])
def test_a_partition_heals(side: list[int]) -> None:
    world, watch = make_world(13)
    cut = [(a, b) for a in range(4) for b in range(4) if (a in side) != (b in side)]
    world.at(30, lambda: world.links.cut(cut))
    world.at(20_000, lambda: world.heal(cut))
    world.ask(TEXT, steps_max=1)
    world.run(until_ms=END_MS, is_done=lambda: has_receipts(world, [0, 1, 2, 3]))
    check_world(watch)
    if len(side) == 2:
        assert world.now_ms > 20_000


def test_half_of_all_messages_may_be_lost() -> None:
    world, watch = make_world(15, network=NetworkSettings(loss=0.5))
    world.ask(TEXT, steps_max=1)
    world.run(until_ms=END_MS, is_done=lambda: has_receipts(world, [0, 1, 2, 3]))
    check_world(watch)


def test_every_message_twice_changes_no_result() -> None:
    world, watch = make_world(15, network=NetworkSettings(duplication=1.0))
    world.ask(TEXT, steps_max=2)
    world.run(until_ms=END_MS, is_done=lambda: len(world.closed) == 4)
    check_world(watch)
    assert get_status(read(world)) is Status.FULL


# -- the world itself --------------------------------------------------------------------------------


def test_the_same_question_gets_the_same_result_whatever_the_network_does() -> None:
    """Result digests depend on who answered what, not on when: full rounds agree across weathers."""
    results = set()
    for network in (
        NetworkSettings(),
        NetworkSettings(latency="uniform(3, 6)"),
        NetworkSettings(duplication=0.5),
    ):
        world, watch = make_world(16, network=network)
        world.ask(TEXT, steps_max=2)
        world.run(until_ms=END_MS, is_done=lambda world=world: len(world.closed) == 4)  # type: ignore[misc]
        check_world(watch)
        results.add(next(iter(world.closed.values())).result)
    assert len(results) == 1


def test_a_disk_refuses_a_second_statement_for_a_slot() -> None:
    disk = Disk()
    record = Record(Table.SIGNED, b"r", b"slot", b"one")
    disk.write([record, record])
    disk.write([Record(Table.FACT, b"r", b"slot", b"one"), Record(Table.FACT, b"r", b"slot", b"two")])
    with pytest.raises(SignedTwiceError, match="signed twice"):
        disk.write([Record(Table.SIGNED, b"r", b"slot", b"two")])
    with pytest.raises(SignedTwiceError, match="signed twice"):
        disk.write([Record(Table.RECEIPT, b"r", b"", b"1"), Record(Table.RECEIPT, b"r", b"", b"2")])


def test_a_world_that_never_rests_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim_net.world.EVENTS_MAX", 100)
    world = World(seed=1, models=[ScriptedModel()] * 4)
    world.ask(TEXT)
    with pytest.raises(AssertionError, match="seed 1: not at rest"):
        world.run(until_ms=END_MS)
