"""The tables of kinds and keys say what the classes, faults and dataclasses are."""

from dataclasses import fields

import pytest

from sim_net.adversaries import ASKER_REGISTRY, REGISTRY
from sim_net.adversary_kinds import (
    ADVERSARY_KINDS,
    compute_adversary_count,
    is_byzantine,
    is_plugin,
)
from sim_net.assumption import compute_byzantine_max, is_within_assumption
from sim_net.fault_kinds import FAULT_KINDS
from sim_net.faults import STRIKES
from sim_net.judging import JUDGING_ADVERSARIES
from sim_net.keys import ADVERSARY_KEYS, FAULT_KEYS, SECTIONS, TOP_KEYS
from sim_net.manifest import AdversarySettings, FaultSettings, Manifest, SwarmSettings


def test_every_field_of_a_manifest_has_a_key() -> None:
    plain = Manifest(name="plain")
    top = [key.field for key in TOP_KEYS]
    assert [*top, *SECTIONS, "adversaries", "faults"] == [
        *top,
        *(one.name for one in fields(Manifest) if one.name not in top),
    ]
    for name, keys in SECTIONS.items():
        assert [key.field for key in keys] == [one.name for one in fields(getattr(plain, name))]
    assert ["kind", *(key.field for key in ADVERSARY_KEYS), "options"] == [
        one.name for one in fields(AdversarySettings)
    ]
    assert ["kind", *(key.field for key in FAULT_KEYS), "groups", "options"] == [
        one.name for one in fields(FaultSettings)
    ]


def test_every_fault_strikes() -> None:
    assert sorted(FAULT_KINDS) == sorted(STRIKES)


@pytest.mark.parametrize("name", [*REGISTRY, *ASKER_REGISTRY])
def test_every_byzantine_class_has_its_kind_with_its_options(name: str) -> None:
    kind = ADVERSARY_KINDS[name]
    found = REGISTRY[name] if name in REGISTRY else ASKER_REGISTRY[name]
    assert {key.field: key.default for key in kind.options} == dict(found.OPTIONS)
    assert kind.is_peer == (name in REGISTRY)


@pytest.mark.parametrize("name", JUDGING_ADVERSARIES)
def test_every_lying_judge_or_author_has_its_kind_with_its_options(name: str) -> None:
    kind = ADVERSARY_KINDS[name]
    known = {key.field: "" if key.default is None else key.default for key in kind.options}
    assert known == dict(JUDGING_ADVERSARIES[name].get_defaults())
    assert kind.is_peer
    assert not kind.is_byzantine


def test_every_kind_has_its_class() -> None:
    assert sorted(ADVERSARY_KINDS) == sorted([*REGISTRY, *ASKER_REGISTRY, *JUDGING_ADVERSARIES])


def test_plugins() -> None:
    assert is_plugin("a.b_c:Class")
    assert not is_plugin("twin")
    assert not is_plugin(":Class")
    assert not is_plugin("a:B.c")
    assert is_byzantine("a:B")
    assert is_byzantine("twin")
    assert not is_byzantine("inverter")


def test_shares_are_rounded() -> None:
    counts = [
        compute_adversary_count(AdversarySettings(kind="x", share=share), 15) for share in (0, 0.3, 0.45)
    ]
    assert counts == [0, 4, 7]  # 4.5 to the even number
    assert compute_adversary_count(AdversarySettings(kind="x", peers=2), 15) == 2


BYZANTINE = (
    ((AdversarySettings(kind="twin", peers=2),), (), 2),
    ((AdversarySettings(kind="inverter", peers=3), AdversarySettings(kind="equivocating-asker")), (), 0),
    ((AdversarySettings(kind="a:B", share=0.3),), (), 2),
    ((), (FaultSettings(kind="forget", peers=(0, 1)), FaultSettings(kind="rollback", peers=(1,))), 2),
    ((), (FaultSettings(kind="forget", count=1),), 1),
    ((), (FaultSettings(kind="forget", count=1, every_ms=1_000),), 7),
    ((), (FaultSettings(kind="kill", count=7),), 0),
    ((AdversarySettings(kind="twin", peers=2),), (FaultSettings(kind="lost-sync", peers=(0,)),), 3),
)


@pytest.mark.parametrize(("adversaries", "faults", "count"), BYZANTINE)
def test_byzantine_peers_are_counted(
    adversaries: tuple[AdversarySettings, ...], faults: tuple[FaultSettings, ...], count: int
) -> None:
    manifest = Manifest(name="one", swarm=SwarmSettings(peers=7), adversaries=adversaries, faults=faults)
    assert compute_byzantine_max(manifest) == count
    assert is_within_assumption(manifest) == (count <= 2)
