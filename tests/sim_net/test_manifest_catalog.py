"""The shipped scenarios, the template and the schema that goes with them."""

import json
import re
from pathlib import Path

import pytest

from consensus.errors import ConfigError
from sim_net.assumption import compute_seats, is_within_assumption
from sim_net.catalog import list_names, list_scenarios, open_manifest, read_source
from sim_net.manifest import Manifest
from sim_net.manifest_file import load_document, parse_manifest, render_manifest
from sim_net.metrics import METRICS
from sim_net.problems import ManifestError
from sim_net.schema import SCHEMA_ID, create_schema, render_schema
from sim_net.template import TEMPLATE_NAME, add_schema_comment, render_template
from tests.sim_net.manifest_kit import is_valid

ROOT = Path(__file__).resolve().parents[2]
SCHEMA_PAGE = ROOT / "docs" / "testnet.schema.json"
SCENARIOS = list_names()
# Of one round that builds on a standing, measured on a busy machine, by seats up to.
CPU_MS = {7: 260, 9: 400, 11: 520, 13: 750, 15: 1_100, 31: 4_000}
CPU_MS_MAX = 12_000


def test_there_are_at_least_fourteen() -> None:
    assert len(SCENARIOS) >= 14
    assert [one.name for one in list_scenarios()] == SCENARIOS == sorted(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_keeps_to_what_it_promises(name: str) -> None:
    manifest = open_manifest(name)
    assert manifest.name == name
    assert len(manifest.about) > 60
    assert manifest.expect
    assert is_within_assumption(manifest), "at most f Byzantine peers"
    cost = next(ms for seats, ms in CPU_MS.items() if compute_seats(manifest) <= seats)
    golds = (manifest.rounds - 1) // manifest.swarm.gold_every if manifest.swarm.gold_every else 0
    assert cost * (manifest.rounds + golds) <= CPU_MS_MAX, "short enough to try"


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_has_its_schema_at_hand(name: str) -> None:
    source = read_source(name)
    directive = source.text.splitlines()[0]
    assert directive.startswith("#:schema ")
    assert (ROOT / "sim_net" / "scenarios" / directive.removeprefix("#:schema ")).resolve() == SCHEMA_PAGE
    assert is_valid(load_document(source.text, origin=name), create_schema())


def test_scenarios_reach_every_part_of_the_field() -> None:
    every = list_scenarios()
    adversaries = {adversary.kind for one in every for adversary in one.adversaries}
    faults = {fault.kind for one in every for fault in one.faults}
    assert {"twin", "sleeper", "colluding-clique", "prompt-injector", "equivocating-asker"} <= adversaries
    assert {"kill", "partition", "isolate", "weather", "slow", "disk-full", "lost-sync", "rollback"} <= faults


def test_a_file_is_opened_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('schema = 1\nname = "mine"\n')
    assert open_manifest(str(path)) == Manifest(name="mine")
    path.write_text('schema = 1\nname = "mine"\nsed = 1')
    with pytest.raises(ManifestError) as caught:
        open_manifest(str(path))
    assert caught.value.message.startswith(f"{path}: sed: means nothing")


@pytest.mark.parametrize(
    ("name", "message", "remedy"),
    [
        ("losy", "'losy'", "did you mean lossy?"),
        ("", "''", "known: "),
        ("nosuch.toml", "cannot read nosuch.toml (No such file", "testnet list"),
        ("./lossy", "cannot read ./lossy", "check the path"),
        ("/", "cannot read /", "check the path"),
        ("../scenarios/lossy", "cannot read", "check the path"),
        ("a\0.toml", "cannot read", "check the path"),
    ],
)
def test_what_cannot_be_opened(name: str, message: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_manifest(name)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_the_template_says_the_defaults() -> None:
    text = render_template()
    assert parse_manifest(text, origin="template") == Manifest(name=TEMPLATE_NAME)
    assert text.startswith("#:schema ./")
    assert all(metric in text for metric in METRICS)


def test_the_examples_of_the_template_can_be_used() -> None:
    text = render_template()
    for name in ("adversary", "fault"):
        text = re.sub(
            rf"^# (\[\[{name}\]\]\n)((?:# .*\n)+?)(?=# Kinds)",
            lambda found: found[1] + re.sub(r"^# ", "", found[2], flags=re.M),
            text,
            flags=re.M,
        )
    manifest = parse_manifest(text, origin="template")
    assert [one.kind for one in manifest.adversaries] == ["colluding-clique"]
    assert [(one.kind, one.every_ms) for one in manifest.faults] == [("partition", 60_000)]


def test_a_copied_scenario_names_the_schema_beside_it() -> None:
    source = read_source("lossy")
    copied = add_schema_comment(source.text)
    assert copied.splitlines()[0] == "#:schema ./testnet.schema.json"
    assert copied.count("#:schema") == 1
    assert parse_manifest(copied, origin="copy") == open_manifest("lossy")


def test_the_committed_schema_is_current() -> None:
    assert SCHEMA_PAGE.read_text() == render_schema(), (
        "run: peerage testnet schema > docs/testnet.schema.json"
    )


def test_the_schema_stands_alone() -> None:
    schema = json.loads(render_schema())
    assert (schema["$schema"], schema["$id"]) == ("https://json-schema.org/draft/2020-12/schema", SCHEMA_ID)
    named = ("schema", "name", "swarm", "models", "network", "phases", "adversary", "fault")
    assert [key for key in named if key not in schema["properties"]] == []
    assert schema["properties"]["swarm"]["properties"]["peers"] == {
        "type": "integer",
        "minimum": 4,
        "maximum": 1024,
        "description": "Nodes of the network.",
        "default": 7,
    }


def test_a_canonical_manifest_hides_no_default() -> None:
    text = render_manifest(Manifest(name="one"))
    assert 'liveness = "10m"' in text
    assert "accuracy = 0.6" in text
