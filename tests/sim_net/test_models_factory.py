"""Models come from settings, with errors that say how to mend them; questions come from a seed."""

from dataclasses import replace
from pathlib import Path

import pytest

from consensus.errors import ConfigError
from consensus.gold import DRAWN_FAMILIES
from models.prompts import as_line
from models.scripted import ScriptedModel
from sim_net.manifest import ModelSettings
from sim_net.models import (
    MissingRecordingError,
    RecordedModel,
    StatisticalModel,
    check_settings,
    create_models,
    make_questions,
)
from tests.models.test_model_contract import CAPITAL, SEATS, ask, judge

TRUTHS = {CAPITAL: "Paris"}


def test_statistical_peers_are_their_own_persons() -> None:
    models = create_models(ModelSettings(), seed=b"seed", peers=5, truths=TRUTHS)
    assert all(isinstance(model, StatisticalModel) for model in models)
    assert len({model.info().digest for model in models}) == 5
    again = create_models(ModelSettings(), seed=b"seed", peers=5, truths=TRUTHS)
    assert [model.info() for model in models] == [model.info() for model in again]
    other = create_models(ModelSettings(), seed=b"other", peers=5, truths=TRUTHS)
    assert models[0].info() != other[0].info()


def test_no_peers_no_models() -> None:
    assert create_models(ModelSettings(), seed=1, peers=0, truths=TRUTHS) == []


def test_scripted_peers_take_accuracies_and_truths() -> None:
    settings = ModelSettings(kind="scripted", accuracy=1.0, judge_accuracy=1.0)
    models = create_models(settings, seed=1, peers=3, truths={"What is the  capital of France?": "Paris"})
    assert all(isinstance(model, ScriptedModel) for model in models)
    assert [model.generate([ask(CAPITAL, SEATS[0])])[0].text for model in models] == [" Paris"] * 3
    right, wrong = models[0].score([judge(CAPITAL, "Paris"), judge(CAPITAL, "Rome")])
    assert right.logprob > wrong.logprob


def test_a_model_is_recorded_and_replayed_by_settings_alone(tmp_path: Path) -> None:
    settings = ModelSettings(
        kind="recorded", cache=str(tmp_path / "calls.jsonl"), inner="scripted:accuracy=1.0", record=True
    )
    models = create_models(settings, seed=1, peers=2, truths=TRUTHS)
    assert isinstance(models[0], RecordedModel)
    answers = [model.generate([ask(CAPITAL)]) for model in models]
    replayed = create_models(replace(settings, record=False), seed=1, peers=2, truths=TRUTHS)
    assert [model.generate([ask(CAPITAL)]) for model in replayed] == answers
    with pytest.raises(MissingRecordingError):
        replayed[0].generate([ask("Who wrote Faust?")])


def test_a_cache_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    settings = ModelSettings(kind="recorded", cache=str(tmp_path / "none.jsonl"))
    with pytest.raises(ConfigError, match=r"there is no file .*none\.jsonl") as caught:
        create_models(settings, seed=1, peers=2, truths=TRUTHS)
    assert "models.record = true" in caught.value.remedy


def test_a_bad_inner_model_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    settings = ModelSettings(
        kind="recorded", cache=str(tmp_path / "calls.jsonl"), inner="scripted:acuracy=1", record=True
    )
    with pytest.raises(ConfigError, match=r"models\.inner.*'acuracy'") as caught:
        create_models(settings, seed=1, peers=2, truths=TRUTHS)
    assert "accuracy" in caught.value.remedy


@pytest.mark.slow
def test_embedded_peers_share_one_model() -> None:
    models = create_models(ModelSettings(kind="embedded"), seed=1, peers=3, truths=TRUTHS)
    assert models[0] is models[2]
    assert models[0].info().name == "embedded"


BAD: list[tuple[str, object]] = [
    ("kind", "statistic"),
    ("kind", ""),
    ("accuracy", -0.1),
    ("accuracy", 1.1),
    ("accuracy", float("nan")),
    ("accuracy_spread", -1.0),
    ("difficulty_spread", 11.0),
    ("judge_accuracy", 2.0),
    ("judge_spread", float("inf")),
    ("shared_error", -0.3),
    ("sharpness", -1.0),
    ("own_preference", 10.5),
    ("length_bias", float("-inf")),
    ("obedience", 1.5),
    ("cache", "calls.jsonl"),
    ("record", True),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_named_with_a_remedy(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"models\.{name}") as caught:
        check_settings(replace(ModelSettings(), **{name: value}))  # type: ignore[arg-type]
    assert caught.value.remedy


def test_recorded_needs_a_cache() -> None:
    with pytest.raises(ConfigError, match=r"models\.cache is missing"):
        check_settings(ModelSettings(kind="recorded"))


def test_good_values_pass() -> None:
    check_settings(ModelSettings())
    check_settings(ModelSettings(kind="recorded", cache="x", record=True))
    check_settings(ModelSettings(accuracy=0.0, judge_accuracy=1.0, own_preference=-10.0, obedience=1.0))


def test_questions_are_distinct_come_from_all_families_and_grow_at_the_end() -> None:
    questions = make_questions(seed=3, count=400)
    texts = [text for text, _ in questions]
    assert len({*texts}) == 400
    assert texts == [as_line(text) for text in texts]
    assert make_questions(seed=3, count=150) == questions[:150]
    assert make_questions(seed=4, count=150) != questions[:150]
    assert all(truth for _, truth in questions)
    assert len({truth for _, truth in questions}) > 100
    assert len(DRAWN_FAMILIES) == 6
    assert make_questions(seed=3, count=0) == []


@pytest.mark.parametrize("count", [-1, 100_001])
def test_too_many_questions_are_refused(count: int) -> None:
    with pytest.raises(ConfigError, match="questions"):
        make_questions(seed=1, count=count)
