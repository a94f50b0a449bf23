"""A run that is interrupted, killed or resumed ends like one that is not, to the last bit."""

import hashlib
import math
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

import evaluation.calls
from consensus.errors import ConfigError
from evaluation.batches import Bounds, cut_batches
from evaluation.directory import RunDirectory, create_directory
from evaluation.export import COLUMNS
from evaluation.running import Listeners, Progress, Results, execute, report
from models.contract import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Model,
    ModelInfo,
    Prompt,
    Score,
    ScoreRequest,
)
from models.errors import ModelError
from models.scripted import ScriptedModel
from swarm.cli.main import main
from tests.evaluation.crash import Countdown

ROOT = Path(__file__).parents[2]
PLAN = """
schema = 1
name = "small"
seed = 3
methods = ["ours", "confidence-vote", "likelihood-2"]
bootstrap = 50
[[tasks]]
spec = "gold:units:1"
count = 9
[[tasks]]
spec = "gold:arithmetic:1"
count = 5
[[swarms]]
name = "five"
model = "scripted:accuracy=0.4"
peers = 5
judge = "likelihood:prompts=2"
[[swarms]]
name = "mixed"
model = "scripted"
peers = 4
judge = "letters"
[[swarms.members]]
peer = 2
model = "scripted:accuracy=0.9"
temperature = 0
[budget]
calls = [4, 8]
sizes = [3]
"""


@pytest.fixture(autouse=True)
def _batches_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation.calls, "cut_batches", partial(cut_batches, bounds=Bounds(rows_max=9)))


class Touchy(ScriptedModel):
    """A model whose last bits depend on its batches and on how its prefixes were first run, as real ones' do.

    Args:
        countdown: Calls until an interruption, shared by all models of a run.
    """

    def __init__(self, countdown: Countdown) -> None:
        super().__init__(accuracy=0.5)
        self.countdown = countdown
        self.prefixes: dict[str, str] = {}

    def compute_noise(self, prompts: Sequence[Prompt], *, rest: str) -> list[float]:
        if self.countdown.is_over():
            raise KeyboardInterrupt
        absent = sorted({prompt.prefix for prompt in prompts if prompt.prefix not in self.prefixes})
        self.prefixes |= dict.fromkeys(absent, hashlib.sha256(repr(absent).encode()).hexdigest())
        batch = repr([prompt.text for prompt in prompts]) + rest
        return [
            int(hashlib.sha256(f"{batch}{self.prefixes[one.prefix]}{place}".encode()).hexdigest()[:8], 16)
            / 2**40
            for place, one in enumerate(prompts)
        ]

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        noise = self.compute_noise([one.prompt for one in requests], rest="generate")
        return [
            replace(one, logprob=one.logprob + by)
            for one, by in zip(super().generate(requests), noise, strict=True)
        ]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        noise = self.compute_noise([one.context for one in requests], rest="score")
        return [
            replace(one, logprob=one.logprob + by)
            for one, by in zip(super().score(requests), noise, strict=True)
        ]

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        noise = self.compute_noise([one.context for one in requests], rest="choose")
        return [
            replace(one, logprobs=(one.logprobs[0] + by, *one.logprobs[1:]))
            for one, by in zip(super().choose(requests), noise, strict=True)
        ]


def make_listeners(told: list[Progress] | None = None) -> Listeners:
    return Listeners(
        note=lambda _: None,
        on_forecast=lambda _: None,
        on_progress=(lambda _: None) if told is None else told.append,
    )


def make_directory(root: Path, text: str = PLAN) -> RunDirectory:
    return create_directory(root, text.encode(), origin="p", seed=None, is_quick=False, version="0")


def open_touchy(calls_max: int = 10**9) -> Callable[[str], Model]:
    countdown = Countdown(calls_max + 1)
    return lambda _: Touchy(countdown)


def read_results(root: Path) -> Mapping[str, bytes]:
    names = ["summary.json", *(f"tables/{name}.parquet" for name in COLUMNS)]
    return {name: (root / name).read_bytes() for name in names}


def run_whole(root: Path) -> Mapping[str, bytes]:
    execute(make_directory(root), listeners=make_listeners(), open_one=open_touchy())
    return read_results(root)


def test_a_run_that_is_interrupted_again_and_again_ends_alike(tmp_path: Path) -> None:
    whole = run_whole(tmp_path / "whole")
    directory = make_directory(tmp_path / "parts")
    interruptions = 0
    for calls_max in range(4, 200, 9):
        try:
            execute(directory, listeners=make_listeners(), open_one=open_touchy(calls_max))
            break
        except KeyboardInterrupt:
            interruptions += 1
    assert interruptions >= 3
    assert read_results(directory.root) == whole


def test_a_finished_run_is_not_asked_again_and_needs_no_model(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "run")
    first = execute(directory, listeners=make_listeners(), open_one=open_touchy())
    before = read_results(directory.root)
    told: list[Progress] = []
    again = execute(directory, listeners=make_listeners(told), open_one=open_touchy(0))
    assert again.summary == first.summary == report(directory).summary
    assert read_results(directory.root) == before
    assert told[-1].left_s == 0.0


def test_an_unfinished_run_has_no_report(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        execute(directory, listeners=make_listeners(), open_one=open_touchy(6))
    with pytest.raises(ConfigError, match="is not finished") as caught:
        report(directory)
    assert "eval resume" in caught.value.remedy


def test_the_summary_says_what_was_run(tmp_path: Path) -> None:
    results: Results = execute(make_directory(tmp_path / "run"), listeners=make_listeners())
    five, mixed = results.summary.swarms
    assert (five.name, five.judge, five.counts.questions) == ("five", "likelihood:prompts=2", 14)
    assert (mixed.judge, len(set(mixed.digests))) == ("letters", 2)
    assert mixed.left_out == {"likelihood-2": "log-probabilities of given texts"}
    assert {row.family for row in five.families} == {"units-1", "arithmetic-1"}
    assert {kind.kind for kind in results.timing.calls} == {"generate", "score", "choose"}


def test_calls_that_fail_are_missing_and_tried_again_later(tmp_path: Path) -> None:
    class Refusing(ScriptedModel):
        def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
            if any(len(one.context.suffix) % 3 == 0 for one in requests):
                raise ModelError("refused")
            return super().score(requests)

    directory = make_directory(tmp_path / "run")
    broken = execute(directory, listeners=make_listeners(), open_one=lambda _: Refusing())
    counts = broken.summary.swarms[0].counts
    assert 0 < counts.judgements_missing < counts.judgements
    assert report(directory).summary == broken.summary
    mended = execute(directory, listeners=make_listeners(), open_one=lambda _: ScriptedModel())
    assert mended.summary.swarms[0].counts.judgements_missing == 0


class Foreign(ScriptedModel):
    """A model behind a server that counts tokens, names none and scores no text."""

    def __init__(self, *, has_choices: bool) -> None:
        super().__init__(accuracy=0.5)
        self.has_choices = has_choices

    def info(self) -> ModelInfo:
        return replace(
            super().info(),
            has_replayable_sampling=False,
            has_logprobs=False,
            has_choices=self.has_choices,
            is_digest_declared=True,
        )

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        return [
            replace(one, tokens=(), counted_tokens=len(one.tokens), logprob=math.nan)
            for one in super().generate(requests)
        ]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        raise ModelError("this server scores no text")


FOREIGN_PLAN = PLAN.replace('judge = "likelihood:prompts=2"\n', "")


def test_a_server_without_log_probabilities_judges_by_letters_and_its_gaps_are_named(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "run", FOREIGN_PLAN)
    results = execute(directory, listeners=make_listeners(), open_one=lambda _: Foreign(has_choices=True))
    five = results.summary.swarms[0]
    assert five.judge == "letters"
    assert five.counts.judgements_missing == five.counts.answers_missing == 0
    assert five.counts.answer_tokens > 0
    assert five.left_out == {
        "confidence-vote": "log-probabilities of sampled answers",
        "likelihood-2": "log-probabilities of given texts",
    }
    assert [row.method for row in five.methods] == ["ours", "majority", "oracle"]
    answers = parquet.read_table(directory.tables / "answers.parquet")
    assert answers.column("logprob").null_count == len(answers)
    assert "left out" in (directory.root / "report.html").read_text().lower()
    assert report(directory).summary == results.summary


def test_a_server_that_can_only_answer_is_measured_without_judges(tmp_path: Path) -> None:
    text = FOREIGN_PLAN.replace('judge = "letters"\n', "")
    results = execute(
        make_directory(tmp_path / "run", text),
        listeners=make_listeners(),
        open_one=lambda _: Foreign(has_choices=False),
    )
    five = results.summary.swarms[0]
    assert five.judge == ""
    assert "neither log-probabilities" in five.problem
    assert five.left_out["ours"] == "judgements"
    assert five.judges == ()


def test_the_forecast_comes_first_and_ends_at_nothing(tmp_path: Path) -> None:
    heard: list[float | None] = []
    listeners = Listeners(
        note=lambda _: None,
        on_forecast=heard.append,
        on_progress=lambda progress: heard.append(progress.left_s),
    )
    execute(make_directory(tmp_path / "run"), listeners=listeners)
    assert heard[0] is not None
    assert heard[0] > 0.0
    assert heard[-1] == 0.0


def test_a_task_that_is_drawn_twice_is_refused(tmp_path: Path) -> None:
    text = PLAN.replace("gold:arithmetic:1", "gold:units:1")
    with pytest.raises(ConfigError, match="twice"):
        execute(make_directory(tmp_path / "run", text), listeners=make_listeners())


def test_a_method_that_does_not_exist_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    text = PLAN.replace('"confidence-vote"', '"confidence-votes"')
    with pytest.raises(ConfigError, match="no method 'confidence-votes'"):
        execute(make_directory(tmp_path / "run", text), listeners=make_listeners(), open_one=open_touchy(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "count"),
    [
        ("before", 1),
        ("within", 3),
        ("after", 5),
        ("within", 9),
        ("before", 12),
        ("writing", 2),
        ("writing", 5),
    ],
)
def test_a_run_that_is_killed_ends_alike(tmp_path: Path, moment: str, count: int) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    plan, whole, killed = (str(tmp_path / name) for name in ("plan.toml", "whole", "killed"))
    assert main(["eval", "run", plan, "--out", whole]) == 0
    done = subprocess.run(
        [sys.executable, "-m", "tests.evaluation.crash", moment, str(count), plan, killed],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert main(["eval", "resume", killed]) == 0
    assert read_results(tmp_path / "killed") == read_results(tmp_path / "whole")
