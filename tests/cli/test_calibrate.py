"""`peerage models calibrate`: what it prints, keeps and changes, and what it refuses."""

import json
from pathlib import Path

import pytest

from models.scripted import ScriptedModel
from swarm.edge.calibrations import get_calibration_paths, read_calibration
from tests.cli.console import run

DIGEST = ScriptedModel().info().digest
SMALL = ("models", "calibrate", "scripted", "--count", "30", "--seed", "1")


@pytest.fixture(autouse=True)
def _data_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_DATA_DIR", str(tmp_path / "data"))


def test_it_says_how_long_measures_chooses_and_leaves_one_file() -> None:
    ran = run(*SMALL)
    assert ran.code == 0, ran.err
    assert "30 questions of gold, seed 1" in ran.err
    assert "left; interrupt it when you like" in ran.err
    for word in ("right beats wrong", "same letter both ways", "hostility", "reasoning", "no probe: "):
        assert word in ran.out
    record = get_calibration_paths(DIGEST).record
    assert list(record.parent.iterdir()) == [record]
    assert str(record) in ran.out


def test_json_is_what_is_kept_and_info_shows_it() -> None:
    said = run(*SMALL, "--judge", "letters", "--judge", "likelihood", "--json").json
    kept = read_calibration(DIGEST)
    assert kept is not None
    path = get_calibration_paths(DIGEST).record
    assert said == {**json.loads(path.read_bytes()), "path": str(path)}
    assert [one.strategy for one in kept.strategies] == ["letters", "likelihood"]
    assert "pairs by letters" in run("models", "info", "scripted").out
    assert run("models", "info", "scripted", "--json").json["calibration"] == json.loads(path.read_bytes())


def test_an_equal_seed_gives_equal_figures_and_a_fresh_one_other_questions() -> None:
    one, again = (run(*SMALL, "--judge", "letters", "--json").json for _ in range(2))
    fresh = run(*SMALL[:-2], "--judge", "letters", "--json").json
    assert one["single"] == again["single"]
    assert fresh["seed"] != 1


def test_ask_judges_as_calibrated_unless_it_is_told_otherwise() -> None:
    ask = ("ask", "What is 7 times 12?", "--model", "scripted", "--seed", "b")
    assert "judge likelihood\n" in run(*ask).err
    run(*SMALL, "--judge", "letters")
    assert "judge letters\n" in run(*ask).err
    assert "judge likelihood\n" in run(*ask, "--judge", "likelihood").err


def test_a_calibration_that_cannot_be_used_stops_ask_and_info() -> None:
    run(*SMALL, "--judge", "letters")
    path = get_calibration_paths(DIGEST).record
    path.write_text(path.read_text()[:-20])
    for command in (("ask", "What?", "--model", "scripted"), ("models", "info", "scripted")):
        ran = run(*command)
        assert (ran.code, ran.out) == (3, "")
        assert "delete it, or measure again" in ran.err
    assert run("ask", "What?", "--model", "scripted", "--judge", "letters").code == 0


def test_own_tasks_teach_a_probe_that_ask_can_use(tmp_path: Path) -> None:
    tasks = tmp_path / "mine.jsonl"
    lines = [{"question": f"What is {n} plus {n}?", "answer": 2 * n, "family": "sums"} for n in range(60)]
    tasks.write_text("\n".join(map(json.dumps, lines)))
    said = run(*SMALL[:3], "--tasks", str(tasks), "--judge", "likelihood", "--seed", "1", "--json").json
    probe = said["probe"]
    assert isinstance(probe, dict)
    assert said["tasks"] == f"file:{tasks}"
    ran = run("ask", "What is 7 plus 7?", "--model", "scripted", "--judge", f"probe:{probe['path']}")
    assert ran.code == 0, ran.err
    assert f"judge probe:{probe['path']}" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("scriptd",), 3, "no model is called"),
        (("scripted", "--count", "0"), 2, "--count"),
        (("scripted", "--tasks", ""), 3, "empty"),
        (("scripted", "--tasks", "none.jsonl"), 3, "none.jsonl"),
        (("scripted", "--tasks", "gold:nothing"), 3, "gold family"),
        (("scripted", "--tasks", "/dev/null"), 3, "has 0 of the 1 tasks"),
        (("scripted", "--tasks", "facts:planets", "--count", "5000"), 3, "ask for at most"),
        (("scripted", "--judge", "lettres"), 3, "did you mean 'letters'"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: tuple[str, ...], code: int, word: str) -> None:
    ran = run("models", "calibrate", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert word in ran.err


def test_help_says_what_a_probe_is_worth() -> None:
    assert "most on questions of their kind" in " ".join(run("models", "calibrate", "--help").out.split())
