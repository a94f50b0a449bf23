"""`peerage eval` as a person uses it."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from models.contract import GenerateRequest, Generation
from models.scripted import ScriptedModel
from tests.cli.console import run
from tests.cli.test_help import get_loaded

ROOT = Path(__file__).parents[2]
QUICK = str(ROOT / "evaluation" / "quick.toml")
EMBEDDED_PLAN = """
schema = 1
name = "embedded small"
bootstrap = 100
[[tasks]]
spec = "gold:arithmetic:1"
count = 4
[[tasks]]
spec = "gold:capitals:1"
count = 3
[[swarms]]
name = "four"
model = "embedded"
peers = 4
max_tokens = 8
judge = "likelihood:prompts=2"
"""


def test_a_quick_run_says_how_long_it_takes_and_shows_every_rule(tmp_path: Path) -> None:
    ran = run("eval", "run", QUICK, "--quick", "--out", str(tmp_path / "run"))
    assert ran.code == 0, ran.err
    first, forecast, *_ = ran.err.splitlines()
    assert first == f"· kept in {tmp_path / 'run'}"
    assert forecast.startswith("· this will take about ")
    assert f"peerage eval resume {tmp_path / 'run'}" in forecast
    for name in ("majority", "ours", "fortytwo", "oracle", "best-peer-hindsight"):
        assert f"\n  {name}" in ran.out
    assert "left out: likelihood-1, for want of" in ran.out
    assert (tmp_path / "run" / "report.html").is_file()


def test_what_a_swarm_withstands_and_whom_it_trusts_is_shown(tmp_path: Path) -> None:
    plan = tmp_path / "withstood.toml"
    plan.write_text(
        EMBEDDED_PLAN.replace('model = "embedded"', 'model = "scripted:judge_accuracy=0.9"').replace(
            "likelihood:prompts=2", "likelihood"
        )
        + '[robustness]\nextraneous = ["orders"]\nhostile_answers = 1\nhostile_judges = [1]\n'
        + "[standing]\ngold_every = 2\n"
    )
    ran = run("eval", "run", str(plan), "--out", str(tmp_path / "run"))
    assert ran.code == 0, ran.err
    for heading in (
        "the same questions with extraneous text:",
        "wrong answers that win, as they were and with a text that speaks to the judge:",
        "some peers judge against the swarm:",
        "rounds in sequence, ",
        "weights against none: ",
    ):
        assert heading in ran.out
    assert "\n  ours" in ran.out.partition("with extraneous text:")[2]


def test_the_same_command_goes_on_and_json_is_schema_versioned(tmp_path: Path) -> None:
    arguments = ("eval", "run", QUICK, "--quick", "--seed", "9", "--json", "--out", str(tmp_path / "run"))
    first = run(*arguments)
    assert (first.code, first.json["schema"], first.json["seed"]) == (0, "peerage.evaluation/1", 9)
    assert first.json["directory"] == str(tmp_path / "run")
    assert run(*arguments).json == first.json == run("eval", "report", str(tmp_path / "run"), "--json").json
    assert run("eval", "resume", str(tmp_path / "run"), "--json").json == first.json


def test_without_out_a_run_is_kept_by_its_name_in_the_data_directory(tmp_path: Path) -> None:
    ran = run("eval", "run", QUICK, "--quick", "--json")
    directory = Path(str(ran.json["directory"]))
    assert directory.parent == tmp_path / "data" / "evaluations"
    assert directory.name.startswith("quick-")
    assert run("eval", "run", QUICK, "--quick", "--json").json["directory"] == str(directory)


def test_two_runs_are_compared(tmp_path: Path) -> None:
    plan = (ROOT / "evaluation" / "quick.toml").read_text()
    (tmp_path / "better.toml").write_text(plan.replace("accuracy=0.5", "accuracy=0.9"))
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    assert run("eval", "run", QUICK, "--quick", "--out", one).code == 0
    assert run("eval", "run", str(tmp_path / "better.toml"), "--quick", "--out", two).code == 0
    told = run("eval", "compare", one, two)
    assert told.code == 0, told.err
    assert "points are second - first" in told.out
    found = run("eval", "compare", one, two, "--json").json
    assert found["schema"] == "peerage.evaluation.comparison/1"
    rows = found["rows"]
    assert isinstance(rows, list)
    seven = [row for row in rows if isinstance(row, dict) and row["first_swarm"] == "seven"]
    (single,) = [row for row in seven if row["method"] == "single"]
    assert isinstance(single["first"], float)
    assert isinstance(single["second"], float)
    assert single["second"] > single["first"] + 0.2


def test_ctrl_c_leaves_a_run_that_can_be_resumed_and_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = ScriptedModel.generate
    calls = 0

    def interrupted(self: ScriptedModel, requests: Sequence[GenerateRequest]) -> list[Generation]:
        nonlocal calls
        calls += 1
        if calls == 3:  # the first was a warm-up, the second is kept
            raise KeyboardInterrupt
        return answer(self, requests)

    directory = tmp_path / "my run"
    with monkeypatch.context() as patch:
        patch.setattr(ScriptedModel, "generate", interrupted)
        ran = run("eval", "run", QUICK, "--quick", "--out", str(directory), "--json")
    assert (ran.code, ran.out) == (130, "")
    assert f"go on with: peerage eval resume '{directory}'" in ran.err
    assert run("eval", "report", str(directory)).code == 3
    resumed = run("eval", "resume", str(directory), "--json")
    whole = run("eval", "run", QUICK, "--quick", "--out", str(tmp_path / "whole"), "--json")
    assert {**resumed.json, "directory": ""} == {**whole.json, "directory": ""}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "none.toml"), "cannot read the plan none.toml"),
        (("resume", "nowhere"), "holds no evaluation"),
        (("report", "nowhere"), "holds no evaluation"),
        (("compare", "nowhere", "nowhere"), "holds no evaluation"),
    ],
)
def test_what_is_not_there_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("eval", *arguments)
    assert (ran.code, ran.out) == (3, "")
    assert said in ran.err
    assert "try: " in ran.err


def test_a_wrong_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    plan = (ROOT / "evaluation" / "quick.toml").read_text()
    (tmp_path / "plan.toml").write_text(plan.replace("peers", "pears"))
    ran = run("eval", "run", str(tmp_path / "plan.toml"))
    assert ran.code == 3
    assert "swarms[0].pears: there is no such key" in ran.err
    assert "did you mean 'peers'" in ran.err


@pytest.mark.parametrize("command", [(), ("run",), ("resume",), ("report",), ("compare",)])
def test_help(command: tuple[str, ...]) -> None:
    ran = run("eval", *command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Usage: peerage eval")
    assert get_loaded("eval", *command, "--help") == [0, []]


@pytest.mark.slow
def test_the_embedded_model_is_evaluated(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(EMBEDDED_PLAN)
    ran = run("eval", "run", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "run"), "--json")
    assert ran.code == 0, ran.err
    (swarm,) = json.loads(ran.out)["swarms"]
    assert swarm["counts"]["questions"] == 7
    assert swarm["counts"]["answers_missing"] == swarm["counts"]["judgements_missing"] == 0
    assert swarm["left_out"] == {}
    accuracy = {row["method"]: row["accuracy"]["value"] for row in swarm["methods"]}
    assert accuracy["oracle"] >= max(accuracy["ours"], accuracy["majority"], accuracy["single"])
    assert accuracy["oracle"] > 0.0
    again = run("eval", "report", str(tmp_path / "run"), "--json")
    assert again.json == json.loads(ran.out)
