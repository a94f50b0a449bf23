"""Whole runs with robustness and standing: planted weaknesses are found, and interruptions leave no trace."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet as parquet
import pytest

from evaluation.directory import RunDirectory, create_directory, open_directory
from evaluation.export import COLUMNS
from evaluation.grading import grade
from evaluation.plan_file import load_plan
from evaluation.robustness.export import EXTRA_COLUMNS
from evaluation.robustness.measuring import make_plan_dirty
from evaluation.robustness.results import PairedRow, RobustnessSummary
from evaluation.running import Listeners, Results, draw_plan_tasks, execute, report
from models.contract import GenerateRequest, Generation, Model, ModelInfo, Score, ScoreRequest
from models.prompts import as_line
from models.scripted import ScriptedModel, get_question
from swarm.cli.main import main

ROOT = Path(__file__).parents[3]
PLAN = """
schema = 1
name = "robust"
seed = 3
methods = ["ours", "single", "majority"]
bootstrap = 100
[[tasks]]
spec = "gold:units:1"
count = 15
[[tasks]]
spec = "gold:arithmetic:1"
count = 15
[[swarms]]
name = "five"
model = "scripted"
peers = 5
[robustness]
extraneous = ["facts", "numbers", "orders", "answers"]
hostile_answers = 1
hostile_judges = [1, 2]
[standing]
gold_every = 10
"""
LISTENERS = Listeners(note=lambda _: None, on_forecast=lambda _: None, on_progress=lambda _: None)


class Planted(ScriptedModel):
    """A model that knows the truth of clean questions, and loses its head as it is told.

    Args:
        directory: Of the run, for its questions.
        lost: Kinds of text in a question at which every answer is wrong.
        bribed: By how much texts that name the judge score better, nats.
        calls: Calls until an interruption.
    """

    def __init__(
        self, directory: RunDirectory, *, lost: Sequence[str] = (), bribed: float = 0.0, calls: int = 10**9
    ) -> None:
        tasks = draw_plan_tasks(directory.plan)
        dirty = make_plan_dirty(directory.plan, tasks, grade=grade)
        answers = {as_line(task.text): task.truth for task in tasks}
        answers |= {as_line(one.task.text): one.clean.truth for one in dirty}
        super().__init__(accuracy=0.7, judge_accuracy=0.9, answers=answers)
        self.lost = {as_line(one.task.text) for one in dirty if one.kind in lost}
        self.bribed = bribed
        self.calls = calls

    def count(self) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise KeyboardInterrupt

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        self.count()
        return [
            Generation(
                text=" none", tokens=(1,), finish=one.finish, prompt_tokens=one.prompt_tokens, logprob=-1.0
            )
            if get_question(request.prompt) in self.lost
            else one
            for request, one in zip(requests, super().generate(requests), strict=True)
        ]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        self.count()
        return [
            Score(
                logprob=one.logprob + (self.bribed if len(request.continuation.split()) > 2 else 0.0),
                tokens=one.tokens,
            )
            for request, one in zip(requests, super().score(requests), strict=True)
        ]


def make_directory(root: Path, text: str = PLAN) -> RunDirectory:
    return create_directory(root, text.encode(), origin="p", seed=None, is_quick=False, version="0")


def run(root: Path, make: Callable[[RunDirectory], Model]) -> Results:
    directory = make_directory(root)
    return execute(directory, listeners=LISTENERS, open_one=lambda _: make(directory))


def open_planted(directory: RunDirectory, calls: int, _: str) -> Model:
    return Planted(directory, calls=calls)


def get_robustness(results: Results) -> RobustnessSummary:
    found = results.summary.swarms[0].robustness
    assert found is not None
    return found


def find(found: RobustnessSummary, method: str, kind: str = "all") -> PairedRow:
    return next(row for row in found.paired if (row.method, row.kind) == (method, kind))


def read_tables(root: Path) -> Mapping[str, bytes]:
    names = [*(f"tables/{name}.parquet" for name in (*COLUMNS, *EXTRA_COLUMNS)), "summary.json"]
    return {name: (root / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """A run on a model without weaknesses."""
    root = tmp_path_factory.mktemp("whole") / "run"
    return root, run(root, Planted)


def test_a_model_that_obeys_orders_in_questions_is_found_out(tmp_path: Path) -> None:
    found = get_robustness(run(tmp_path / "run", lambda one: Planted(one, lost=("orders",))))
    lost, kept = find(found, "ours", "orders"), find(found, "ours", "facts")
    assert lost.dirty == 0.0
    assert lost.difference.high < -0.5
    assert abs(kept.difference.value) < 0.3
    whole = find(found, "ours")
    assert (whole.questions, whole.difference.high < 0.0) == (30, True)
    assert whole.loss_ratio is not None
    assert whole.loss_ratio.low < whole.loss_ratio.value < whole.loss_ratio.high
    assert {row.kind for row in found.paired} == {"all", "facts", "numbers", "orders", "answers"}


def test_a_judge_that_listens_to_answers_is_found_out(tmp_path: Path, whole: tuple[Path, Results]) -> None:
    fair = get_robustness(whole[1])
    bribed = get_robustness(run(tmp_path / "bribed", lambda one: Planted(one, bribed=9.0)))
    assert fair.verdicts[0].text == bribed.verdicts[0].text == "all"
    first, second = fair.verdicts[0].difference, bribed.verdicts[0].difference
    assert first is not None
    assert second is not None
    assert first.low < 0.1
    assert second.low > 0.5
    ours = {row.method: row for row in bribed.hostile}["ours"]
    assert ours.difference.low > 0.2
    assert ours.accuracy_change.high < 0.0
    assert "oracle" not in {row.method for row in bribed.hostile}


def test_a_run_without_robustness_says_nothing_of_it(tmp_path: Path) -> None:
    text = PLAN[: PLAN.index("[robustness]")]
    results = execute(make_directory(tmp_path / "run", text), listeners=LISTENERS)
    (one,) = results.summary.swarms
    assert (one.robustness, one.standing) == (None, None)
    assert not [name for name in EXTRA_COLUMNS if (tmp_path / f"run/tables/{name}.parquet").exists()]
    assert "hostile" not in (tmp_path / "run" / "report.html").read_text()


def test_interruptions_leave_no_trace_and_a_report_needs_no_model(
    tmp_path: Path, whole: tuple[Path, Results]
) -> None:
    directory = make_directory(tmp_path / "parts")
    interruptions = 0
    for calls in range(3, 60, 6):
        try:
            execute(directory, listeners=LISTENERS, open_one=partial(open_planted, directory, calls))
            break
        except KeyboardInterrupt:
            interruptions += 1
    assert interruptions >= 1
    expected = read_tables(whole[0])
    assert read_tables(directory.root) == expected
    again = report(directory)
    assert again.summary == whole[1].summary
    assert read_tables(directory.root) == expected


def test_tables_hold_what_was_asked_and_weighed(whole: tuple[Path, Results]) -> None:
    tables = {
        name: parquet.read_table(whole[0] / "tables" / f"{name}.parquet").to_pylist()
        for name in (*COLUMNS, *EXTRA_COLUMNS)
    }
    swarms = {row["swarm"] for row in tables["choices"]}
    assert swarms == {"five", "five (extraneous text)", "five (hostile answers)"}
    asked = {row["key"] for row in tables["answers"] if row["swarm"] == "five (extraneous text)"}
    assert {row["dirty_key"] for row in tables["extraneous"]} == asked
    assert len(tables["extraneous"]) == 30
    played = {
        (row["key"], row["peer"], row["text"])
        for row in tables["answers"]
        if row["swarm"] == "five (hostile answers)" and not row["is_greedy"]
    }
    assert tables["hostile"]
    for row in tables["hostile"]:
        assert (row["key"], row["peer"], row["text"]) in played
        assert row["text"].startswith(row["clean_text"])
    assert len(tables["standing"]) == 30 * 5
    assert sum(row["is_gold"] for row in tables["standing"]) == 3 * 5
    assert {row["weight"] for row in tables["standing"] if row["round"] == 1} == {1.0}
    assert len(tables["attacks"]) == 6 * (1 + 3 * 2)


def test_a_swarm_that_cannot_judge_says_so(tmp_path: Path) -> None:
    text = PLAN.replace('model = "scripted"', 'model = "scripted"\njudge = "letters"')

    class Mute(ScriptedModel):
        def info(self) -> ModelInfo:
            return replace(super().info(), has_choices=False)

    directory = make_directory(tmp_path / "run", text)
    results = execute(directory, listeners=LISTENERS, open_one=lambda _: Mute())
    found = get_robustness(results)
    assert "needs choices" in found.problem
    assert (found.hostile, found.verdicts, found.attacks) == ((), (), ())
    assert found.paired
    assert results.summary.swarms[0].standing is None
    assert "Nobody judges here" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize("name", ["robust", "mixed"])
def test_the_shipped_plans_run_quickly_on_models_without_weights(name: str, tmp_path: Path) -> None:
    _, data = load_plan(name)
    text = data.decode().replace('"probe:embedded"', '"likelihood"')
    text = text.replace('"embedded"', '"scripted:accuracy=0.5,judge_accuracy=0.9"')
    text = re.sub(r'"embedded:[^"]*seed=(\d)"', r'"scripted:accuracy=0.3,judge_accuracy=0.5\1"', text)
    assert "embedded" not in re.sub("#.*", "", text)
    (tmp_path / "plan.toml").write_text(text)
    root = tmp_path / "run"
    assert main(["eval", "run", str(tmp_path / "plan.toml"), "--quick", "--out", str(root)]) == 0
    (one,) = execute(open_directory(root), listeners=LISTENERS).summary.swarms
    assert (one.robustness is None, one.standing is None) == ((name == "mixed"), (name == "robust"))
    page = (root / "report.html").read_text()
    pictures = [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", page, re.S)]
    titles = {found[0].text for found in pictures}
    expected = {"Weight by round"} if name == "mixed" else {"Points by extraneous text"}
    assert expected <= titles
    sections = page.split("<h3>")[1:]
    assert all("<table" in section for section in sections if "<svg" in section)
