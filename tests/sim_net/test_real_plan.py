"""What a real testnet takes and refuses, when and whom it strikes, and who can then reach whom."""

import random
from dataclasses import replace

import pytest

from consensus.errors import ConfigError
from sim_net.catalog import list_scenarios
from sim_net.manifest import (
    AdversarySettings,
    FaultSettings,
    Manifest,
    ModelSettings,
    NetworkSettings,
    PhaseSettings,
    SwarmSettings,
)
from sim_net.real.plan import (
    VIRTUAL_REMEDY,
    check_manifest,
    create_models,
    create_questions,
    draw_groups,
    list_notes,
    plan_strikes,
)
from sim_net.real.reach import ASKER, PeerState, Reach, compute_reach, find_away
from sim_net.real.strikes import ActiveFault, compute_states
from sim_net.seeds import Seeds

PLAIN = Manifest(name="plain", swarm=SwarmSettings(peers=4))


def with_fault(fault: FaultSettings) -> Manifest:
    return replace(PLAIN, faults=(fault,))


@pytest.mark.parametrize(
    "manifest",
    [
        PLAIN,
        replace(PLAIN, models=ModelSettings(kind="embedded")),
        replace(PLAIN, phases=PhaseSettings(faults_ms=1_000)),
        with_fault(FaultSettings(kind="kill", peers=(3,))),
        with_fault(FaultSettings(kind="restart")),
        with_fault(FaultSettings(kind="pause", lasts_ms=1)),
        with_fault(FaultSettings(kind="isolate")),
        with_fault(FaultSettings(kind="partition", groups=((0, 1), (2, 3)))),
        with_fault(FaultSettings(kind="partition", options={"share": 0.5, "one_way": False})),
    ],
)
def test_what_honest_processes_can_do_is_taken(manifest: Manifest) -> None:
    check_manifest(manifest)


@pytest.mark.parametrize(
    ("manifest", "named"),
    [
        (replace(PLAIN, adversaries=(AdversarySettings(kind="equivocator", peers=1),)), "'equivocator'"),
        (replace(PLAIN, adversaries=(AdversarySettings(kind="inverter", peers=1),)), "'inverter'"),
        (with_fault(FaultSettings(kind="disk-full")), "'disk-full'"),
        (with_fault(FaultSettings(kind="clock-jump")), "'clock-jump'"),
        (with_fault(FaultSettings(kind="forget")), "'forget'"),
        (with_fault(FaultSettings(kind="slow")), "'slow'"),
        (with_fault(FaultSettings(kind="partition", options={"one_way": True})), "one_way"),
        (replace(PLAIN, network=NetworkSettings(loss=0.1)), "network.loss"),
        (replace(PLAIN, network=NetworkSettings(corruption=0.1)), "network.corruption"),
        (replace(PLAIN, models=ModelSettings(kind="recorded", cache="x")), "recorded"),
        (replace(PLAIN, swarm=SwarmSettings(peers=32)), "32 peers"),
        (replace(PLAIN, swarm=SwarmSettings(peers=4, overlap=2)), "2 rounds open at once"),
    ],
)
def test_what_they_cannot_do_is_refused_by_name(manifest: Manifest, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_manifest(manifest)
    assert named in caught.value.message
    assert caught.value.remedy == VIRTUAL_REMEDY


def test_a_fault_of_a_peer_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="names peer 4"):
        check_manifest(with_fault(FaultSettings(kind="kill", peers=(4,))))


def test_some_shipped_scenarios_can_be_run_for_real_and_some_cannot() -> None:
    def is_taken(manifest: Manifest) -> bool:
        try:
            check_manifest(manifest)
        except ConfigError:
            return False
        return True

    taken = {manifest.name: is_taken(manifest) for manifest in list_scenarios()}
    assert taken["quiet"]
    assert not taken["equivocation"]


def test_a_seed_fixes_models_and_questions() -> None:
    one, two = Seeds(1), Seeds(2)
    assert create_models(PLAIN, one) == create_models(PLAIN, one)
    assert create_models(PLAIN, one) != create_models(PLAIN, two)
    assert create_questions(PLAIN, one) == create_questions(PLAIN, one)
    assert create_questions(PLAIN, one) != create_questions(PLAIN, two)
    assert len({model.spec for model in create_models(PLAIN, one)}) == 4


def test_gold_that_scripted_models_cannot_answer_is_noted() -> None:
    golden = replace(PLAIN, rounds=3, swarm=replace(PLAIN.swarm, gold_every=1))
    asked = create_questions(golden, Seeds(1))
    assert [one.opening is not None for one in asked] == [False, True, False, True, False]
    assert any("gold teaches nothing here" in note for note in list_notes(golden))
    embedded = replace(golden, models=ModelSettings(kind="embedded"))
    assert not any("gold" in note for note in list_notes(embedded))
    assert not any("gold" in note for note in list_notes(PLAIN))


def strike_times(fault: FaultSettings, end_ms: int | None = None) -> list[tuple[int, int | None]]:
    strikes = plan_strikes(fault, end_ms=end_ms, dice=random.Random(1))
    return [(strike.at_ms, strike.until_ms) for strike, _ in zip(strikes, range(5), strict=False)]


def test_strikes_come_when_the_manifest_says() -> None:
    assert strike_times(FaultSettings(kind="kill", at_ms=5)) == [(5, None)]
    assert strike_times(FaultSettings(kind="kill", at_ms=5, lasts_ms=3)) == [(5, 8)]
    again = FaultSettings(kind="kill", at_ms=5, every_ms=10, lasts_ms=1)
    assert strike_times(again) == [(5, 6), (15, 16), (25, 26), (35, 36), (45, 46)]
    assert strike_times(replace(again, until_ms=25)) == [(5, 6), (15, 16)]
    assert strike_times(again, end_ms=16) == [(5, 6), (15, 16)]
    assert strike_times(replace(again, probability=0.0, until_ms=1_000)) == []
    halved = strike_times(replace(again, probability=0.5, until_ms=1_000_000))
    assert halved != strike_times(again)


def test_whom_a_strike_concerns() -> None:
    dice = random.Random(1)
    assert draw_groups(FaultSettings(kind="kill", peers=(2, 3)), peers=4, dice=dice) == ((2, 3),)
    drawn = {draw_groups(FaultSettings(kind="kill", count=2), peers=4, dice=dice) for _ in range(50)}
    assert len(drawn) == 6  # every pair of four
    assert draw_groups(FaultSettings(kind="partition", peers=(1, 2)), peers=4, dice=dice) == ((1, 2), (0, 3))
    named = FaultSettings(kind="partition", groups=((0, 2),))
    assert draw_groups(named, peers=4, dice=dice) == ((0, 2), (1,), (3,))
    shared = FaultSettings(kind="partition", options={"share": 0.5})
    assert [len(side) for side in draw_groups(shared, peers=4, dice=dice)] == [2, 2]


def test_faults_add_up() -> None:
    states = compute_states(
        [
            ActiveFault("kill", ((0,),)),
            ActiveFault("pause", ((1,),)),
            ActiveFault("partition", ((0, 1), (2, 3))),
            ActiveFault("isolate", ((3,),)),
        ],
        4,
    )
    assert [state.is_up for state in states] == [False, True, True, True]
    assert [state.is_paused for state in states] == [False, True, False, False]
    assert [sorted(state.cut) for state in states] == [[2, 3], [2, 3], [0, 1, 3], [ASKER, 0, 1, 2]]


UP, DOWN, PAUSED = PeerState(), PeerState(is_up=False), PeerState(is_paused=True)


def test_who_can_reach_whom() -> None:
    def parts(*states: PeerState) -> tuple[int | None, ...]:
        return compute_reach(0, states, states).parts

    assert parts(UP, UP, UP, UP) == (0, 0, 0, 0)
    assert parts(UP, DOWN, PAUSED, UP) == (0, None, None, 0)
    one_end = PeerState(cut=frozenset({2, 3}))
    assert parts(one_end, one_end, UP, UP) == (0, 0, 2, 2)  # one end of a link is enough to cut it
    half = PeerState(cut=frozenset({3}))
    assert parts(half, UP, UP, UP) == (0, 0, 0, 0)  # others pass on what it says


def test_on_the_way_from_one_state_to_another_both_count() -> None:
    before = [UP, UP, DOWN, UP]
    after = [UP, PAUSED, UP, UP]
    assert compute_reach(7, before, after) == Reach(7, (0, 0, 0, 0))
    assert compute_reach(7, after, after).parts == (0, None, 0, 0)


def test_away_is_who_was_in_no_quorum_all_the_time() -> None:
    whole, without_3, split = Reach(0, (0, 0, 0, 0)), Reach(100, (0, 0, 0, None)), Reach(200, (0, 0, 2, 2))

    def away(*timeline: Reach, from_ms: int, until_ms: int) -> tuple[int, ...]:
        return find_away(timeline, seats=range(4), quorum=3, from_ms=from_ms, until_ms=until_ms)

    assert away(whole, without_3, from_ms=100, until_ms=150) == (3,)
    assert away(whole, without_3, from_ms=99, until_ms=150) == ()
    assert away(whole, without_3, split, from_ms=150, until_ms=250) == (3,)
    assert away(whole, without_3, split, from_ms=200, until_ms=250) == (0, 1, 2, 3)
    assert away(whole, without_3, Reach(200, (0, 0, 0, 0)), from_ms=150, until_ms=200) == ()
    assert find_away([Reach(0, (0, 0, None, 0))], seats=[0, 1, 2], quorum=2, from_ms=1, until_ms=2) == (2,)
