"""What holds of every manifest: it survives its text, and schema and parser agree."""

import contextlib
import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.errors import ConfigError
from sim_net.fuzz import draw_manifest
from sim_net.manifest import Manifest
from sim_net.manifest_file import parse_manifest, read_document, render_manifest, to_document
from sim_net.problems import ManifestError
from sim_net.schema import create_schema
from tests.sim_net.manifest_kit import Table, draw_document, is_valid

SCHEMA = create_schema()
EXAMPLES = 200
ODD: tuple[object, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2.5,
    10**30,
    float("inf"),
    "",
    "x",
    "5s",
    "-5s",
    "5 s",
    "constant(3)",
    "finished == 1",
    [],
    [0],
    [0, 0],
    [[0], [1]],
    ["finished == 1"],
    {},
    {"kind": "twin", "peers": 1},
    [{"kind": "kill"}],
)


def is_accepted(document: Table) -> bool:
    try:
        read_document(document, origin="x")
    except ManifestError:
        return False
    return True


@settings(max_examples=EXAMPLES, deadline=None)
@given(draw_document())
def test_every_manifest_survives_its_text(document: Table) -> None:
    manifest = read_document(document, origin="x")
    text = render_manifest(manifest)
    again = parse_manifest(text, origin="x")
    assert again == manifest
    assert render_manifest(again) == text


@settings(max_examples=EXAMPLES, deadline=None)
@given(draw_document())
def test_what_the_parser_accepts_the_schema_accepts(document: Table) -> None:
    assert is_valid(document, SCHEMA)
    assert is_valid(to_document(read_document(document, origin="x")), SCHEMA)


@settings(max_examples=EXAMPLES * 3, deadline=None)
@given(draw_document(), st.integers(0, 2**32), st.sampled_from(ODD))
def test_what_the_schema_refuses_the_parser_refuses(document: Table, seed: int, odd: object) -> None:
    spoil(document, random.Random(seed), odd)
    if is_accepted(document):
        assert is_valid(document, SCHEMA), json.dumps(document)


def spoil(document: Table, dice: random.Random, odd: object) -> None:
    """Put an odd value, or an unknown key, somewhere."""
    tables = [document, *(one for one in document.values() if isinstance(one, dict))]
    for name in ("adversary", "fault"):
        items = document[name]
        assert isinstance(items, list)
        tables += items
    table = dice.choice(tables)
    names = [*table, "peers", "share", "count", "groups", "lasts", "loss", "wakes", "nonsense"]
    name = dice.choice(names)
    if odd is None:
        table.pop(name, None)
    else:
        table[name] = odd


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_any_text_is_a_manifest_or_one_typed_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(parse_manifest(text, origin="x"), Manifest)


def test_manifests_drawn_by_the_fuzzer_survive_their_text() -> None:
    for seed in range(100):
        manifest = draw_manifest(seed)
        text = render_manifest(manifest)
        again = parse_manifest(text, origin="x")
        assert render_manifest(again) == text
        assert (again.adversaries, again.network, again.swarm) == (
            manifest.adversaries,
            manifest.network,
            manifest.swarm,
        )


def test_the_validator_of_these_tests_refuses() -> None:
    good: Table = {"schema": 1, "name": "one"}
    assert is_valid(good, SCHEMA)
    for bad in (
        {"schema": 2},
        {"name": 3},
        {"sed": 1},
        {"swarm": {"peers": 3}},
        {"swarm": {"seats": 3}},
        {"models": {"kind": "recorded"}},
        {"models": {"cache": "x"}},
        {"network": {"latency": "uniform(1)"}},
        {"expect": ["acuracy > 1"]},
        {"adversary": [{"kind": "twin"}]},
        {"adversary": [{"kind": "twin", "peers": 1, "share": 0.5}]},
        {"adversary": [{"kind": "twni", "peers": 1}]},
        {"fault": [{"kind": "kill", "evry": "3s"}]},
        {"fault": [{"kind": "kill", "at": 3}]},
        {"fault": [{"kind": "restart", "lasts": "3s"}]},
        {"fault": [{"kind": "kill", "peers": [0], "count": 1}]},
        {"fault": [{"kind": "weather"}]},
    ):
        assert not is_valid(good | bad, SCHEMA), bad
        assert not is_accepted(good | bad), bad
