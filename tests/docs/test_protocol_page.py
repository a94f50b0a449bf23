"""docs/protocol.md names the fields, tags, kinds, limits and digests that the program uses."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from consensus import bodies, evidence, genesis, gold, messages, question, receipt, standing
from consensus.desk import Timing
from consensus.hashing import tagged_hash
from consensus.messages import Kind, Message
from ranking._hash import hash_numbers
from ranking.tables import ODDS
from tests.docs.stranger import LOG, hash_ranking, hash_tagged

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text("utf-8")
SOURCES = ("consensus", "models", "ranking", "sim_net", "swarm")


def read_table(heading: str) -> list[list[str]]:
    """Return the rows of the first table whose head begins with `heading`."""
    found = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.M)
    assert found is not None, heading
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in found.group(1).splitlines()]


@pytest.mark.parametrize(("name", "fields"), read_table("struct"))
def test_structs_have_the_fields_of_the_page(name: str, fields: str) -> None:
    modules = (bodies, evidence, genesis, gold, messages, question, receipt, standing)
    kinds = [vars(module)[name] for module in modules if name in vars(module)]
    assert issubclass(kinds[0], msgspec.Struct)
    assert fields.partition(";")[0].split(", ") == list(kinds[0].__struct_fields__)


def test_messages_have_the_tags_of_the_page() -> None:
    rows = read_table("tag | message")
    tags = {kind.__struct_config__.tag: len(kind.__struct_fields__) for kind in get_args(Message)}
    named = {int(tag): fields.count(",") + 1 for tag, _, fields in rows}
    assert named == tags


def test_every_signing_kind_is_on_the_page() -> None:
    for kind in Kind:
        assert f"{int(kind)} {kind.name.lower().replace('_', ' ')}" in PAGE.replace("\n", " "), kind


def test_every_hash_tag_of_the_sources_is_on_the_page() -> None:
    paths = [path for name in SOURCES for path in sorted((ROOT / name).rglob("*.py"))]
    calls = re.compile(r"(?:tagged_hash|derive_salt|hash_numbers)\(\s*\"([a-z-]+)\"")
    used = {tag for path in paths for tag in calls.findall(path.read_text("utf-8"))}
    assert len(used) > 20
    assert [tag for tag in sorted(used) if f"`{tag}`" not in PAGE] == []


def test_digests_on_the_page_are_those_of_program_and_stranger() -> None:
    zero = bytes(32)
    for digest in (
        tagged_hash("body", b""),
        tagged_hash("seed", zero, zero, 0),
        hash_numbers("tie", zero, 0),
    ):
        assert f"`{digest.hex()}`" in PAGE
    assert hash_tagged("seed", zero, zero, 0) == tagged_hash("seed", zero, zero, 0)
    assert hash_ranking("tie", zero, 0) == hash_numbers("tie", zero, 0)


def test_odds_and_logarithms_of_the_page_are_the_tables() -> None:
    from ranking.tables import LOG as literals

    found = re.search(r"ODDS = ([0-9 ]+), then 0", PAGE)
    assert found is not None
    listed = [int(value) for value in found.group(1).split()]
    assert tuple(listed + [0] * (len(ODDS) - len(listed))) == ODDS
    assert tuple(LOG) == literals


def test_timers_on_the_page_are_the_defaults() -> None:
    text = " ".join(" ".join(row) for row in read_table("what | ms"))
    timing = Timing()
    numbers: tuple[int, ...] = (
        timing.grace_ms_min,
        timing.forward_ms,
        timing.proposer_wait_ms,
        timing.prevote_ms,
    )
    numbers += (timing.view_ms, timing.view_growth_ms, timing.certify_ms, timing.certificate_again_ms)
    numbers += (timing.bodies_ms, timing.resend_ms, timing.resend_ms_max, timing.give_up_ms)
    for number in numbers:
        assert re.search(rf"\b{number:,}\b", text), number
