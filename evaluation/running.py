"""One run from plan to results, and the results again without a model."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from consensus.errors import ConfigError
from evaluation.calls import BatchDone
from evaluation.directory import REPORT_NAME, SUMMARY_NAME, TIMING_NAME, RunDirectory
from evaluation.export import verify_tables_supported, write_tables
from evaluation.forecast import CallKind, Forecast, list_lots, measure_rates
from evaluation.grading import grade
from evaluation.measuring import Models, OpenModel, measure, open_for_tasks
from evaluation.methods import get_methods
from evaluation.page.page import render_page
from evaluation.plan import Plan, Seen, SeenList
from evaluation.record import SwarmRecords
from evaluation.robustness.assembling import Extras, assemble
from evaluation.robustness.export import write_extra_tables
from evaluation.robustness.extraneous import DirtyTask
from evaluation.robustness.measuring import Withstood, make_plan_dirty, measure_withstood
from evaluation.store import CallStore, Spent
from evaluation.summary import Summary, Timing, encode_json, make_summary, make_timing
from evaluation.tables import Choices, SwarmSummary, summarise
from evaluation.task import Task
from evaluation.tasks import draw_tasks, load_tasks
from evaluation.tasks.seen import read_seen

DONE_FACT: Final = "is-done"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        kind: What is being called: generate, score or choose.
        done: Calls done of the lot under way.
        total: Calls of that lot.
        left_s: Seconds until the whole run is done, about; None where nothing was timed yet.
    """

    kind: str
    done: int
    total: int
    left_s: float | None


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what.

    Attributes:
        note: One line for people.
        on_forecast: Seconds that the run will take, about; before it starts.
        on_progress: After every batch.
    """

    note: Callable[[str], None]
    on_forecast: Callable[[float], None]
    on_progress: Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Results:
    """What a run came to.

    Attributes:
        summary: Its figures.
        timing: What its calls took.
    """

    summary: Summary
    timing: Timing


def check_plan(plan: Plan) -> None:
    """Refuse what would fail after hours, before anything is loaded.

    Raises:
        ConfigError: A method does not exist, or tables cannot be written here.
    """
    get_methods((*plan.methods, plan.against))
    verify_tables_supported()


def draw_plan_tasks(plan: Plan) -> list[Task]:
    """Return the tasks of a plan, in its order, none twice and none with a text that the plan excludes.

    Raises:
        ConfigError: A source cannot be read or has too few questions left, or two give the same task.
    """
    exclude = frozenset(text for seen in plan.seen for text in _list_texts(seen))
    tasks = [
        task
        for source in plan.tasks
        for task in load_tasks(source.spec, count=source.count, seed=plan.seed, exclude=exclude)
    ]
    keys = [task.key for task in tasks]
    twice = next((key for key in keys if keys.count(key) > 1), None) if len(keys) != len(set(keys)) else None
    if twice is not None:
        raise ConfigError(
            f"the plan draws the task {twice} twice", remedy="name each source once, with its whole count"
        )
    return tasks


def _list_texts(seen: Seen | SeenList) -> Iterable[str]:
    if isinstance(seen, SeenList):
        return read_seen(seen.name)
    return [task.text for task in draw_tasks(seen.spec, count=seen.count, seed=seen.seed).tasks]


def execute(directory: RunDirectory, *, listeners: Listeners, open_one: OpenModel | None = None) -> Results:
    """Run a plan to its end: what is known is not asked again, and the results are written.

    Args:
        directory: The run's.
        listeners: Told what goes on.
        open_one: Opens models; the catalog, with scripted models that know the tasks, when None.

    Returns:
        The results, as written.

    Raises:
        ConfigError: Something in the plan cannot be had here.
        ModelError: A model cannot be opened, or keeps failing; what is known is kept.
        StoreError: The disk failed.
    """
    check_plan(directory.plan)
    tasks = draw_plan_tasks(directory.plan)
    dirty = make_plan_dirty(directory.plan, tasks, grade=grade)
    opening = open_one or open_for_tasks([*tasks, *(one.task for one in dirty)], note=listeners.note)
    with CallStore(directory.store) as store:
        forecast: list[Forecast] = []

        def on_batch(batch: BatchDone) -> None:
            forecast[0].on_batch(batch)
            listeners.on_progress(Progress(batch.kind, batch.done, batch.total, forecast[0].compute_left_s()))

        models = Models(store=store, open_one=opening, listener=on_batch)
        known = dict(store.get_spent())
        lots, rates = list_lots(directory.plan, len(tasks), models), _get_rates(known)
        lots += lots if dirty else []  # the same once more
        if any(lot.kind not in rates for lot in lots):
            rates = measure_rates(directory.plan, tasks, models) | rates
        forecast.append(Forecast(lots, known=known, rates=rates))
        listeners.on_forecast(forecast[0].compute_left_s() or 0.0)
        measured = _measure(directory.plan, tasks, dirty, models)
        store.set_fact(DONE_FACT, directory.facts.plan_digest)
        listeners.note("computing the figures")
        return _write(directory, measured, store)


def report(directory: RunDirectory) -> Results:
    """Write the results of a finished run anew, from what its models said; no model is opened.

    Raises:
        ConfigError: The run is not finished.
        StoreError: The disk failed.
    """
    check_plan(directory.plan)
    with CallStore(directory.store) as store:
        if store.get_fact(DONE_FACT) != directory.facts.plan_digest:
            raise ConfigError(
                f"the run in {directory.root} is not finished",
                remedy=f"peerage eval resume {directory.root}",
            )
        tasks = draw_plan_tasks(directory.plan)
        dirty = make_plan_dirty(directory.plan, tasks, grade=grade)
        measured = _measure(directory.plan, tasks, dirty, Models(store=store, open_one=None))
        return _write(directory, measured, store)


def _get_rates(known: dict[CallKind, Spent]) -> dict[CallKind, float]:
    return {kind: spent.seconds / spent.calls for kind, spent in known.items() if spent.calls}


@dataclass(frozen=True, slots=True)
class _Measured:
    """What was measured of every swarm: its records, and what it withstood of what."""

    swarms: Sequence[SwarmRecords]
    dirty: Sequence[DirtyTask]
    withstood: Sequence[Withstood]


def _measure(plan: Plan, tasks: Sequence[Task], dirty: Sequence[DirtyTask], models: Models) -> _Measured:
    swarms = measure(plan, tasks, models, grade=grade)
    withstood = measure_withstood(plan, swarms, tasks, dirty, models, grade=grade)
    return _Measured(swarms, dirty, withstood)


def _write(directory: RunDirectory, measured: _Measured, store: CallStore) -> Results:
    plan = directory.plan
    summaries: list[SwarmSummary] = []
    played: list[tuple[SwarmRecords, Choices]] = []
    extras: list[Extras] = []
    for one, withstood in zip(measured.swarms, measured.withstood, strict=True):
        summary, chosen = summarise(plan, one)
        extra = assemble(plan, one, chosen, measured.dirty, withstood)
        summaries.append(replace(summary, robustness=extra.robustness, standing=extra.standing))
        played += [(one, chosen), *extra.list_played()]
        extras.append(extra)
    results = Results(make_summary(directory, summaries), make_timing(store.get_spent()))
    write_tables(directory, [one for one, _ in played], [chosen for _, chosen in played])
    write_extra_tables(directory, [(one, extra) for one, extra in zip(measured.swarms, extras, strict=True)])
    directory.write(TIMING_NAME, encode_json(results.timing))
    directory.write(SUMMARY_NAME, encode_json(results.summary))
    directory.write(REPORT_NAME, render_page(results.summary, results.timing, directory).encode())
    return results
