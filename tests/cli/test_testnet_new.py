"""`peerage testnet` new, list, check, schema and adversaries."""

import json
from pathlib import Path

import pytest

from sim_net.adversary_kinds import ADVERSARY_KINDS
from sim_net.catalog import list_names, open_manifest
from sim_net.fault_kinds import FAULT_KINDS
from sim_net.manifest import Manifest
from sim_net.schema import render_schema
from sim_net.template import TEMPLATE_NAME, render_template
from tests.cli.console import run, run_process
from tests.cli.test_help import get_loaded

COMMANDS = ("new", "list", "check", "schema", "adversaries")
BAD = 'schema = 1\nname = "bad"\n[swarm]\npers = 3\nanswer = 5\n'


@pytest.fixture(autouse=True)
def _directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_there_and_loads_no_simulator(command: str) -> None:
    words = ("testnet", command) if command else ("testnet",)
    ran = run(*words, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Usage: peerage testnet")
    assert get_loaded(*words, "--help") == [0, []]


def test_new_writes_the_template_and_says_what_next() -> None:
    ran = run("testnet", "new")
    assert (ran.code, ran.out) == (0, "")
    assert Path("testnet.toml").read_text() == render_template()
    assert open_manifest("testnet.toml") == Manifest(name=TEMPLATE_NAME)
    for command in ("testnet check testnet.toml", "testnet run testnet.toml", "> testnet.schema.json"):
        assert command in ran.err


def test_new_overwrites_nothing_unless_told() -> None:
    path = Path("mine.toml")
    path.write_text("precious")
    ran = run("testnet", "new", "mine.toml")
    assert (ran.code, ran.out) == (3, "")
    assert "mine.toml is there already" in ran.err
    assert "--force" in ran.err
    assert path.read_text() == "precious"
    assert run("testnet", "new", "mine.toml", "--force").code == 0
    assert path.read_text() == render_template()


def test_new_writes_to_stdout() -> None:
    ran = run("testnet", "new", "-")
    assert (ran.code, ran.out, ran.err) == (0, render_template(), "")
    assert list(Path().iterdir()) == []


def test_new_copies_a_scenario_with_its_comments() -> None:
    assert run("testnet", "new", "mine.toml", "--from", "lossy").code == 0
    assert open_manifest("mine.toml") == open_manifest("lossy")
    assert Path("mine.toml").read_text().startswith("#:schema ./testnet.schema.json\n")


def test_new_from_nothing_known() -> None:
    ran = run("testnet", "new", "mine.toml", "--from", "losy")
    assert (ran.code, ran.out) == (3, "")
    assert "did you mean lossy?" in ran.err
    assert not Path("mine.toml").exists()


@pytest.mark.parametrize("path", ["nosuch/mine.toml", ".", "a\0b"])
def test_new_where_nothing_can_be_written(path: str) -> None:
    ran = run("testnet", "new", path, "--force")
    assert (ran.code, ran.out) == (3, "")
    assert "cannot write" in ran.err
    assert "Traceback" not in ran.err


def test_list_names_every_scenario() -> None:
    ran = run("testnet", "list")
    assert (ran.code, ran.err) == (0, "")
    heading, *rows = ran.out.splitlines()
    assert heading.split() == ["name", "peers", "rounds", "about"]
    assert [row.split()[0] for row in rows] == list_names()
    assert max(len(row) for row in rows) <= 130


def test_list_json() -> None:
    said = run("testnet", "list", "--json").json
    assert said["schema"] == "peerage.testnet.list/1"
    scenarios = said["scenarios"]
    assert isinstance(scenarios, list)
    (twins,) = [one for one in scenarios if isinstance(one, dict) and one["name"] == "twins"]
    assert (twins["peers"], twins["seats"], twins["byzantine"]) == (7, 7, 2)


@pytest.mark.parametrize("name", list_names())
def test_check_a_scenario(name: str) -> None:
    ran = run("testnet", "check", name)
    assert (ran.code, ran.out, ran.err) == (0, "ok\n", "")


def test_check_tells_all_that_is_wrong() -> None:
    Path("bad.toml").write_text(BAD)
    ran = run("testnet", "check", "bad.toml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == [
        "peerage: bad.toml: 2 problems",
        "  swarm.pers: means nothing here; did you mean peers?",
        "  swarm.answer: got 5, expected a duration of 100ms to 24h, such as "
        '"250ms", "30s", "5m" or "1h"; write the unit too: "5s"',
    ]


def test_check_json() -> None:
    Path("bad.toml").write_text(BAD)
    ran = run("testnet", "check", "bad.toml", "--json")
    assert ran.code == 2
    assert (ran.json["schema"], ran.json["is_ok"]) == ("peerage.testnet.check/1", False)
    problems = ran.json["problems"]
    assert isinstance(problems, list)
    assert problems[0] == {
        "path": "swarm.pers",
        "message": "means nothing here",
        "remedy": "did you mean peers?",
    }
    good = run("testnet", "check", "lossy", "--json")
    assert (good.code, good.json["is_ok"], good.json["problems"], good.json["peers"]) == (0, True, [], 7)


def test_check_reads_stdin() -> None:
    assert run("testnet", "check", "-", stdin=render_template().encode()).out == "ok\n"
    for stdin in (
        BAD.encode(),
        b"\xff",
        b"\xef\xbb\xbf" + render_template().encode(),
        b"#" * (2 << 20),
        b"= =",
    ):
        ran = run("testnet", "check", "-", stdin=stdin)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("peerage: stdin: ")


def test_check_of_no_file_is_no_verdict() -> None:
    ran = run("testnet", "check", "nosuch.toml")
    assert (ran.code, ran.out) == (3, "")
    assert "cannot read nosuch.toml" in ran.err


def test_check_says_where_nothing_is_promised() -> None:
    Path("many.toml").write_text('schema = 1\nname = "many"\n[[adversary]]\nkind = "twin"\npeers = 3\n')
    ran = run("testnet", "check", "many.toml")
    assert (ran.code, ran.out) == (0, "ok\n")
    assert "up to 3 peers may contradict themselves, and a committee of 7 bears 2" in ran.err


def test_schema_is_the_shipped_one() -> None:
    ran = run_process("testnet", "schema")
    assert (ran.code, ran.out, ran.err) == (0, render_schema(), "")
    assert json.loads(ran.out)["type"] == "object"


def test_adversaries_names_every_kind() -> None:
    ran = run("testnet", "adversaries")
    assert (ran.code, ran.err) == (0, "")
    for name in (*ADVERSARY_KINDS, *FAULT_KINDS):
        assert f"\n  {name} " in ran.out
    said = run("testnet", "adversaries", "--json").json
    assert said["schema"] == "peerage.testnet.kinds/1"
    faults = said["faults"]
    assert isinstance(faults, list)
    assert [one["name"] for one in faults if isinstance(one, dict)] == list(FAULT_KINDS)
    (skew,) = [one for one in faults if isinstance(one, dict) and one["name"] == "clock-skew"]
    assert skew["options"] == [
        {"name": "skew", "form": "a duration", "about": "How far; negative is behind.", "default": "2s"}
    ]


@pytest.mark.parametrize("args", [(), ("frobnicate",), ("check",), ("new", "a", "b"), ("schema", "x")])
def test_unknown_words_are_usage_errors(args: tuple[str, ...]) -> None:
    assert run("testnet", *args).code == 2
