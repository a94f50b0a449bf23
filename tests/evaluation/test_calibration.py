"""Calibration finds what was planted: a preferred side, a preferred length, the better judge, a probe."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from evaluation.calibration.plan import STRATEGIES, list_taught
from evaluation.calibration.running import open_subject
from evaluation.task import Task
from evaluation.tasks import load_tasks
from models.catalog import open_model
from models.contract import Model, Score, ScoreRequest
from models.errors import ModelError
from models.judges.judging import run_judging, start_judging
from models.judges.likelihood import judge_request
from models.judges.strategy import LIKELIHOOD, parse_strategy
from models.judges.task import JudgeTask, Pair
from models.probe import Probe, encode_probe, read_probe
from models.probe_training import LabelledQuestion, train
from models.prompts import Message, Role
from models.scripted import STATE_WIDTH
from models.shipped_probes import locate_probe
from swarm.edge.calibrations import (
    StrategyFigures,
    get_calibration_paths,
    read_calibration,
    resolve_calibrated,
)
from tests.evaluation.calibration_kit import Faults, PlantedModel, draw, get, make_plan, run

PLAN = make_plan("likelihood", "letters")


@pytest.fixture(autouse=True)
def _data_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_DATA_DIR", str(tmp_path / "data"))


def make_model(faults: Faults | None = None, **accuracies: float) -> PlantedModel:
    return PlantedModel(draw(PLAN), faults or Faults(), **accuracies)


def test_without_a_fault_none_is_found_and_all_is_kept(tmp_path: Path) -> None:
    model = make_model()
    found = run(PLAN, model, tmp_path)
    for strategy in ("likelihood", "letters"):
        figures = get(found, strategy)
        for share in (figures.own_share, figures.left_share):
            assert share is None or share.low < 0.5 < share.high
        assert figures.longer_log_odds is not None
        assert figures.longer_log_odds.low < 0 < figures.longer_log_odds.high
        assert figures.failures == 0
    assert get(found, "likelihood").left_share is None
    assert found.single.low < 0.6 < found.single.high
    assert read_calibration(model.info().digest) == found
    assert get_calibration_paths(model.info().digest).record.stat().st_mode & 0o777 == 0o600


def test_a_preferred_side_is_found(tmp_path: Path) -> None:
    figures = get(run(PLAN, make_model(Faults(first=3.0)), tmp_path), "letters")
    assert figures.left_share is not None
    assert figures.same_letter is not None
    assert figures.left_share.low > 0.7
    assert figures.same_letter.value > 0.6


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_preferred_length_is_found_and_hostile_texts_profit_from_it(tmp_path: Path, sign: float) -> None:
    found = run(PLAN, make_model(Faults(letter=sign)), tmp_path)
    for strategy in ("likelihood", "letters"):
        figures = get(found, strategy)
        assert figures.longer_log_odds is not None
        assert figures.hostile_gain is not None
        if sign > 0:
            assert figures.longer_log_odds.low > 1
            assert figures.hostile_gain.low > 0.3
        else:
            assert figures.longer_log_odds.high < -1
            assert figures.hostile_gain.high <= 0


def test_a_preference_for_its_own_is_found(tmp_path: Path) -> None:
    plain, vain = (
        get(run(PLAN, make_model(Faults(own=own)), tmp_path / str(own)), "likelihood").own_share
        for own in (0.0, 20.0)
    )
    assert plain is not None
    assert vain is not None
    assert plain.high < 0.8 < vain.low


@pytest.mark.parametrize(
    ("scoring", "choosing", "better"), [(0.6, 0.95, "letters"), (0.95, 0.6, "likelihood")]
)
def test_the_better_judge_is_chosen_and_used(
    tmp_path: Path, scoring: float, choosing: float, better: str
) -> None:
    model = make_model(scoring=scoring, choosing=choosing)
    found = run(PLAN, model, tmp_path)
    assert found.strategy == better
    assert 0.2 < found.weight <= 1.0
    assert resolve_calibrated("auto", model.info()) == parse_strategy(better)
    assert resolve_calibrated("letters", model.info()) == parse_strategy("letters")


def test_no_judge_is_chosen_where_none_knows(tmp_path: Path) -> None:
    model = make_model(scoring=0.5, choosing=0.5)
    found = run(PLAN, model, tmp_path)
    assert (found.strategy, found.weight) == (None, 0.0)
    assert resolve_calibrated("auto", model.info()) == LIKELIHOOD


def test_failed_verdicts_are_counted_and_count_neither_way(tmp_path: Path) -> None:
    figures = get(run(make_plan("likelihood"), make_model(Faults(fails_at="9")), tmp_path), "likelihood")
    assert 0 < figures.failures < figures.comparisons
    assert figures.pair_accuracy is not None
    assert figures.pair_accuracy.count < 60
    assert figures.pair_accuracy.low > 0.5


class Interrupted(PlantedModel):
    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        raise KeyboardInterrupt


def test_an_interrupted_calibration_goes_on_to_the_same_end(tmp_path: Path) -> None:
    whole = run(PLAN, make_model(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(PLAN, Interrupted(draw(PLAN), Faults()), tmp_path / "parted")
    resumed = run(PLAN, make_model(), tmp_path / "parted")
    for one, other in zip(whole.strategies, resumed.strategies, strict=True):
        assert forget_seconds(one) == forget_seconds(other)
    assert whole.single == resumed.single


def forget_seconds(figures: StrategyFigures) -> StrategyFigures:
    return msgspec.structs.replace(figures, seconds=0.0)


def test_a_probe_that_knows_more_is_enabled_and_used(tmp_path: Path) -> None:
    plan = make_plan("likelihood", count=150, tasks="gold:units,arithmetic,roman", trains_probe=True)
    model = PlantedModel(draw(plan), Faults(knows=2.0), scoring=0.75)
    found = run(plan, model, tmp_path)
    assert found.probe is not None
    assert found.probe.is_enabled
    assert found.probe.gain.low > 0
    assert found.probe.accuracy.count == found.natural
    assert found.strategy == f"probe:{found.probe.path}"
    strategy = resolve_calibrated("auto", model.info())
    assert strategy.probe == read_probe(Path(found.probe.path))
    assert Path(found.probe.path).stat().st_mode & 0o777 == 0o600


def test_a_probe_that_knows_nothing_is_not_enabled(tmp_path: Path) -> None:
    plan = make_plan("likelihood", count=120, tasks="gold:units,arithmetic,roman", trains_probe=True)
    model = PlantedModel(draw(plan), Faults(states=0.0), scoring=0.9)
    found = run(plan, model, tmp_path)
    assert found.probe is not None
    assert not found.probe.is_enabled
    assert found.strategy == "likelihood"
    assert found.probe.accuracy.value == pytest.approx(found.probe.against_accuracy.value, abs=0.02)


def test_too_few_questions_make_no_probe_and_say_so(tmp_path: Path) -> None:
    plan = make_plan("likelihood", count=8, tasks="gold:units", trains_probe=True)
    found = run(plan, PlantedModel(draw(plan), Faults()), tmp_path)
    assert found.probe is None
    assert "expected at least" in found.probe_note


def test_probes_are_not_measured_on_what_they_learnt_from(tmp_path: Path) -> None:
    plan = make_plan("likelihood", count=120, tasks="gold:units", trains_probe=True)
    model = PlantedModel(draw(plan), Faults())
    found = run(plan, model, tmp_path)
    assert found.probe is not None
    with pytest.raises(ModelError, match="where it is learnt"):
        run(make_plan(f"probe:{found.probe.path}"), model, tmp_path / "again")


def ship(monkeypatch: pytest.MonkeyPatch, model: Model, weight: float) -> Probe:
    """Let a probe that reads the first value of a state come with the package for a model."""
    probe = Probe(
        path=locate_probe("embedded"),
        digest=model.info().digest,
        layer=1,
        direction=(weight, *(0.0,) * (STATE_WIDTH - 1)),
        logprob_weight=0.0,
        tasks="sums",
    )
    for module in ("evaluation.calibration.plan", "models.judges.strategy"):
        monkeypatch.setattr(f"{module}.find_shipped", {probe.digest: probe}.get)
    monkeypatch.setattr("models.judges.strategy.read_probe", lambda _: probe)
    return probe


def test_a_shipped_probe_is_measured_beside_the_others_and_chosen_where_it_is_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(Faults(knows=4.0), scoring=0.7, choosing=0.7)
    ship(monkeypatch, model, 1.0)
    found = run(make_plan(), model, tmp_path)
    assert {one.strategy for one in found.strategies} == {"probe:embedded", *STRATEGIES}
    assert get(found, "probe:embedded").failures == 0
    assert found.strategy == "probe:embedded"


def test_a_shipped_probe_that_misleads_is_not_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(Faults(knows=4.0))
    ship(monkeypatch, model, -1.0)
    found = run(make_plan("probe:embedded", "likelihood"), model, tmp_path)
    assert found.strategy == "likelihood"


@pytest.mark.parametrize(("weight", "is_enabled"), [(1.0, False), (-1.0, True)])
def test_a_probe_of_the_users_has_to_beat_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weight: float, is_enabled: bool
) -> None:
    plan = make_plan("letters", count=150, tasks="gold:units,arithmetic,roman", trains_probe=True)
    model = PlantedModel(draw(plan), Faults(knows=4.0), choosing=0.5)
    ship(monkeypatch, model, weight)
    found = run(plan, model, tmp_path)
    assert found.probe is not None
    assert found.probe.against == "probe:embedded"
    assert found.probe.is_enabled is is_enabled
    assert found.strategy == (f"probe:{found.probe.path}" if is_enabled else None)


def test_what_a_shipped_probe_was_taught_is_not_asked_again() -> None:
    taught = list_taught(read_probe(locate_probe("embedded")).digest)
    assert len(taught) == 900
    assert taught & {task.text for task in load_tasks("gold:capitals,animals", count=60, seed=1)}
    drawn = load_tasks("gold:capitals,animals", count=60, seed=1, exclude=taught)
    assert not taught & {task.text for task in drawn}
    assert list_taught(bytes(32)) == frozenset()


def test_a_scripted_model_is_told_the_truths_and_keeps_its_name() -> None:
    subject = open_subject("scripted", note=lambda _: None)
    taught = subject.teach(draw(PLAN))
    assert taught.digest == subject.digest == subject.model.info().digest
    assert taught.model.info().digest != subject.digest


def ask_about(task: Task) -> tuple[Message, ...]:
    return (Message(role=Role.USER, text=task.text),)


def label_by_truth(model: Model, tasks: Sequence[Task], layer: int) -> list[LabelledQuestion]:
    """Hold each question's truth against the next question's."""
    pairs = list(zip(tasks, [*tasks[1:], tasks[0]], strict=True))
    scores = model.score(
        [
            judge_request(ask_about(task), b"judge", text, state_layers=(layer,))
            for task, other in pairs
            for text in (task.truth, other.truth)
        ]
    )
    return [
        LabelledQuestion(
            states=np.array([[one.states[0] for one in scores[place : place + 2]]]),
            logprobs=np.array([one.logprob for one in scores[place : place + 2]]),
            is_right=np.array([True, False]),
        )
        for place in range(0, len(scores), 2)
    ]


@pytest.mark.slow
def test_the_embedded_model_is_measured_and_a_probe_of_it_judges(tmp_path: Path) -> None:
    model = open_model("embedded", progress=lambda _: None, threads=1)
    plan = make_plan("likelihood", count=4, tasks="gold:capitals", trains_probe=True)
    found = run(plan, model, tmp_path)
    figures = get(found, "likelihood")
    assert figures.comparisons > 0
    assert figures.failures == 0
    assert figures.seconds > 0
    assert found.single.value > 0
    assert found.probe is None
    assert "expected at least" in found.probe_note

    tasks = load_tasks("gold:capitals", count=12, seed=1)
    learnt = train(label_by_truth(model, tasks, 20), seed=1).learnt
    assert len(learnt.direction) == 576
    probe = Probe(
        path=tmp_path / "probe.json",
        digest=model.info().digest,
        layer=20,
        direction=tuple(learnt.direction.astype(np.float32).tolist()),
        logprob_weight=learnt.logprob_weight,
        tasks="gold:capitals",
    )
    probe.path.write_bytes(encode_probe(probe))
    strategy = resolve_calibrated(f"probe:{probe.path}", model.info())
    task = JudgeTask(
        messages=ask_about(tasks[0]),
        texts=(tasks[0].truth, tasks[1].truth),
        pairs=(Pair(0, 1), Pair(1, 0)),
        prompt_keys=(b"judge",),
        nonce=b"12345678",
    )
    first, turned = run_judging(model, start_judging(strategy, task)).outcomes
    assert first is not None
    assert turned is not None
    assert first > 32_768 > turned
    assert first + turned == 65_536
