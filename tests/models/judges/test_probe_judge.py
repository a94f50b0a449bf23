"""The probe judge: its merits decide, what it cannot have is missing, and it is bound to its model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from models.contract import Score, ScoreRequest
from models.errors import ModelError
from models.judges.judging import run_judging, start_judging
from models.judges.strategy import (
    JudgeKind,
    JudgeStrategy,
    check_supported,
    format_strategy,
    parse_strategy,
    resolve_strategy,
)
from models.judges.task import JudgedPairs
from models.probe import Probe, encode_probe
from models.scripted import STATE_WIDTH, ScriptedModel
from models.shipped_probes import list_shipped
from tests.models.judges.kit import PlantedModel, make_task

HALF = 32_768
INFO = ScriptedModel().info()


def make_strategy(path: Path = Path("/p"), **changes: object) -> JudgeStrategy:
    probe = Probe(
        path=path,
        digest=INFO.digest,
        layer=2,
        direction=(1.0, *(0.0,) * (STATE_WIDTH - 1)),
        logprob_weight=0.0,
        tasks="sums",
    )
    return JudgeStrategy(kind=JudgeKind.PROBE, probe=replace(probe, **changes))  # type: ignore[arg-type]


class StatedModel(PlantedModel):
    """States that say how long a text is."""

    def __init__(self, **planted: str) -> None:
        super().__init__(lambda _: (0.0, 0.0), **planted)
        self.layers: list[tuple[int, ...]] = []

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        self.layers += [request.state_layers for request in requests]
        return [
            replace(score, states=((float(len(request.continuation)), *(0.0,) * (STATE_WIDTH - 1)),))
            for request, score in zip(requests, super().score(requests), strict=True)
        ]


def judge(model: PlantedModel, strategy: JudgeStrategy, texts: Sequence[str]) -> JudgedPairs:
    return run_judging(model, start_judging(strategy, make_task(texts, [(0, 1), (1, 0)])))


def test_the_direction_decides_and_a_pair_turned_round_gets_the_rest_of_one() -> None:
    model = StatedModel()
    first, turned = judge(model, make_strategy(), ["longer one", "short"]).outcomes
    assert first is not None
    assert turned is not None
    assert first > HALF > turned
    assert first + turned == 65_536
    assert model.layers == [(2,), (2,)]


def test_the_log_probability_counts_as_much_as_it_was_given() -> None:
    # PlantedModel scores a text by minus its length, its state says plus: they cancel.
    outcomes = judge(StatedModel(), make_strategy(logprob_weight=1.0), ["longer one", "short"]).outcomes
    assert outcomes == (HALF, HALF)


def test_calls_that_fail_and_states_of_another_width_are_missing() -> None:
    failed = judge(StatedModel(fails_at="short"), make_strategy(), ["longer one", "short"])
    assert failed.outcomes == (None, None)
    assert failed.reasons == ("no score",)
    other = judge(StatedModel(), make_strategy(direction=(1.0,)), ["longer one", "short"])
    assert other.missing == 2
    none = judge(PlantedModel(lambda _: (0.0, 0.0)), make_strategy(), ["longer one", "short"])
    assert none.missing == 2
    assert "hidden states" in none.reasons[0]


def test_a_probe_is_named_by_its_file_and_read_from_it(tmp_path: Path) -> None:
    path = tmp_path / "my,probe:1.json"
    strategy = make_strategy(path)
    assert strategy.probe is not None
    path.write_bytes(encode_probe(strategy.probe))
    assert format_strategy(strategy) == f"probe:{path}"
    assert parse_strategy(format_strategy(strategy)) == strategy
    assert resolve_strategy(f"probe:{path}", INFO) == strategy
    for text in ("probe", "probe:", f"probe:{tmp_path / 'none'}"):
        with pytest.raises(ModelError) as caught:
            parse_strategy(text)
        assert caught.value.remedy


def test_another_model_and_a_layer_too_many_are_refused() -> None:
    check_supported(make_strategy(), INFO)
    for strategy, info, word in (
        (make_strategy(digest=bytes(32)), INFO, "belongs"),
        (make_strategy(layer=INFO.layers + 1), INFO, "layer"),
        (make_strategy(), replace(INFO, layers=0), "layer"),
    ):
        with pytest.raises(ModelError, match=word) as caught:
            check_supported(strategy, info)
        assert caught.value.remedy


def test_a_shipped_probe_is_named_the_same_on_every_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list_shipped():
        strategy = parse_strategy(f"probe:{name}")
        assert format_strategy(strategy) == f"probe:{name}"
        assert strategy.probe is not None
        assert strategy.probe.layer > 0
    assert "embedded" in list_shipped()
    # A file of one's own by that name is meant by a path.
    mine = make_strategy(tmp_path / "embedded")
    assert mine.probe is not None
    mine.probe.path.write_bytes(encode_probe(mine.probe))
    monkeypatch.chdir(tmp_path)
    assert parse_strategy("probe:embedded") != mine
    assert parse_strategy("probe:./embedded") == mine
