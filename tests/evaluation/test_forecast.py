from dataclasses import replace
from pathlib import Path
from weakref import WeakSet

import pytest

from evaluation.calls import BatchDone
from evaluation.forecast import CLASSES_GUESSED, CallKind, Forecast, Lot, list_lots, measure_rates
from evaluation.measuring import Models, measure, open_for_tasks
from evaluation.plan import Member, SwarmPlan
from evaluation.store import CallStore, Spent
from models.scripted import ScriptedModel, parse_scripted
from tests.evaluation.kit import is_equal, make_plan, make_swarm, make_tasks

GENERATE: CallKind = ("generate", b"m")
SCORE: CallKind = ("score", b"m")


def make_batch(
    kind: CallKind, calls: int, *, computed: int, done: int, total: int, seconds: float
) -> BatchDone:
    return BatchDone(
        kind=kind[0],
        model=kind[1],
        calls=calls,
        computed=computed,
        seconds=seconds,
        done=done,
        total=total,
        is_first=done == calls,
    )


def test_what_is_left_is_calls_times_what_one_takes() -> None:
    forecast = Forecast([Lot(GENERATE, 100), Lot(SCORE, 300)], known={}, rates={GENERATE: 0.5, SCORE: 0.1})
    assert forecast.compute_left_s() == pytest.approx(80.0)


def test_without_a_rate_nothing_is_foretold_and_another_models_rate_stands_in() -> None:
    other: CallKind = ("generate", b"other")
    assert Forecast([Lot(GENERATE, 10)], known={}, rates={}).compute_left_s() is None
    assert Forecast([Lot(GENERATE, 10)], known={}, rates={SCORE: 1.0}).compute_left_s() is None
    assert Forecast([Lot(GENERATE, 10)], known={}, rates={other: 2.0}).compute_left_s() == 20.0


def test_batches_make_it_surer() -> None:
    forecast = Forecast([Lot(GENERATE, 100), Lot(SCORE, 300)], known={}, rates={GENERATE: 9.0, SCORE: 0.1})
    forecast.on_batch(make_batch(GENERATE, 40, computed=40, done=40, total=100, seconds=20.0))
    assert forecast.compute_left_s() == pytest.approx(60 * 0.5 + 30.0)
    forecast.on_batch(make_batch(GENERATE, 60, computed=60, done=100, total=100, seconds=30.0))
    assert forecast.compute_left_s() == pytest.approx(30.0)
    # There are fewer to judge than was guessed.
    forecast.on_batch(make_batch(SCORE, 50, computed=50, done=50, total=150, seconds=5.0))
    assert forecast.compute_left_s() == pytest.approx(10.0)


def test_what_is_known_takes_no_time_and_is_counted_once() -> None:
    forecast = Forecast([Lot(GENERATE, 100)], known={GENERATE: Spent(60, 30.0)}, rates={GENERATE: 0.5})
    assert forecast.compute_left_s() == pytest.approx(20.0)
    forecast.on_batch(make_batch(GENERATE, 50, computed=0, done=50, total=100, seconds=0.0))
    assert forecast.compute_left_s() == pytest.approx(20.0)
    forecast.on_batch(make_batch(GENERATE, 50, computed=40, done=100, total=100, seconds=20.0))
    assert forecast.compute_left_s() == 0.0


def make_models(tmp_path: Path) -> Models:
    tasks = make_tasks(6)
    return Models(
        store=CallStore(tmp_path / "calls.sqlite3"), open_one=open_for_tasks(tasks, note=lambda _: None)
    )


def test_lots_are_those_that_a_run_makes(tmp_path: Path) -> None:
    models = make_models(tmp_path)
    with models.store:
        digest = models.get("scripted").info().digest
        lots = list_lots(make_plan(make_swarm(judge="likelihood:prompts=3")), 6, models)
        assert lots == [Lot(("generate", digest), 2 * 5 * 6), Lot(("score", digest), 5 * 6 * CLASSES_GUESSED)]
        pairs = CLASSES_GUESSED * (CLASSES_GUESSED - 1)
        lots = list_lots(make_plan(make_swarm(judge="reasoning")), 6, models)
        assert [lot.calls for lot in lots] == [60, 30 * pairs, 30 * pairs]


@pytest.mark.parametrize(
    ("judge", "kinds"),
    [
        ("likelihood", ["generate", "score"]),
        ("letters", ["choose", "generate"]),
        ("reasoning", ["choose", "generate"]),
    ],
)
def test_a_warm_up_times_every_kind_and_keeps_nothing(tmp_path: Path, judge: str, kinds: list[str]) -> None:
    models = make_models(tmp_path)
    with models.store:
        rates = measure_rates(make_plan(make_swarm(judge=judge)), make_tasks(6), models)
        assert sorted(kind for kind, _ in rates) == kinds
        assert all(seconds > 0.0 for seconds in rates.values())
        assert models.store.get_spent() == {}


def test_a_warm_up_times_every_model(tmp_path: Path) -> None:
    swarm = replace(make_swarm(), members=(Member(peer=3, model="scripted:accuracy=1"),))
    assert isinstance(swarm, SwarmPlan)
    models = make_models(tmp_path)
    with models.store:
        rates = measure_rates(make_plan(swarm), make_tasks(6), models)
        assert len(rates) == 4


def test_no_more_models_are_held_than_one_swarm_has(tmp_path: Path) -> None:
    alive: WeakSet[ScriptedModel] = WeakSet()
    most: list[int] = []

    def open_one(spec: str) -> ScriptedModel:
        model = parse_scripted(spec)
        alive.add(model)
        most.append(len(alive))
        return model

    plan = make_plan(*(make_swarm(name=f"{i}", model=f"scripted:accuracy=0.{i}") for i in range(1, 5)))
    with CallStore(tmp_path / "calls.sqlite3") as store:
        models = Models(store=store, open_one=open_one)
        list_lots(plan, 6, models)
        measure_rates(plan, make_tasks(6), models)
        measure(plan, make_tasks(6), models, grade=is_equal)
    assert len(most) >= 8
    assert max(most) <= 2  # the next one, and the last one until it has gone
