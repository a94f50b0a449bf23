"""Every scenario that comes with the program keeps the rules and meets its expectations."""

import pytest

from sim_net.adversaries import ASKER_REGISTRY, REGISTRY
from sim_net.catalog import list_names, open_manifest
from sim_net.judging import JUDGING_ADVERSARIES
from sim_net.outcome import create_recording
from sim_net.records import VerdictKind
from sim_net.run import Run, draw_cast, find_judging
from sim_net.seeds import Seeds

NAMES = list_names()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_meets_its_expectations(name: str) -> None:
    manifest = open_manifest(name)
    run = Run(manifest, seed=manifest.seed)
    run.execute()
    recording = create_recording(run, replay=f"peerage testnet run {name}")
    assert recording.verdict is VerdictKind.OK, [check for check in recording.checks if not check.is_ok]
    assert recording.metrics["beyond_assumption"] == 0
    assert any(check.kind is VerdictKind.EXPECTATION for check in recording.checks)


def test_there_are_scenarios_enough_and_they_cover_what_there_is() -> None:
    manifests = [open_manifest(name) for name in NAMES]
    assert len(manifests) >= 12
    kinds = {one.kind for manifest in manifests for one in manifest.adversaries}
    assert len(kinds) > 15
    assert kinds <= {*REGISTRY, *ASKER_REGISTRY, *JUDGING_ADVERSARIES}
    faults = {one.kind for manifest in manifests for one in manifest.faults}
    assert len(faults) > 8


def test_leaving_out_one_entry_shifts_the_draws_of_no_other() -> None:
    manifest = open_manifest("thieves")
    whole = draw_cast(manifest, Seeds(3))
    for place in range(len(manifest.adversaries)):
        entries = [one for index, one in enumerate(manifest.adversaries) if index != place]
        fields = {name: getattr(manifest, name) for name in manifest.__slots__}
        part = draw_cast(type(manifest)(**(fields | {"adversaries": tuple(entries)})), Seeds(3))
        for entry, peers in part.entries:
            before = next(found for known, found in whole.entries if known == entry)
            assert len(set(before) & set(peers)) >= len(peers) - 1


def test_kinds_of_judging_adversaries_are_told_from_those_of_seats() -> None:
    assert all(find_judging(kind) is not None for kind in JUDGING_ADVERSARIES)
    assert all(find_judging(kind) is None for kind in (*REGISTRY, *ASKER_REGISTRY))
    assert find_judging("sim_net.judging:Inverter") is JUDGING_ADVERSARIES["inverter"]
    assert find_judging("sim_net.adversaries:Silent") is None
