"""One calibration from its plan to the record that is kept; interrupted, it goes on from there."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from evaluation.answering import Answered, answer_all
from evaluation.asking import ask_tasks, create_keys
from evaluation.calibration.cases import make_cases
from evaluation.calibration.choosing import choose_strategy, compute_weight, get_low, is_probe_chosen
from evaluation.calibration.figures import compute_mean, compute_strategy_figures
from evaluation.calibration.holding import Heard, hold
from evaluation.calibration.hostile import load_hostile_texts
from evaluation.calibration.plan import CalibrationPlan, list_strategies
from evaluation.calibration.probing import Learning, Learnt, collect, is_natural, learn_probe
from evaluation.calls import BatchDone, CachedModel
from evaluation.grading import grade
from evaluation.store import CallStore, Spent
from evaluation.task import Task
from models.catalog import open_model
from models.contract import Model, ModelInfo
from models.errors import ModelError
from models.judges.strategy import LIKELIHOOD, JudgeKind, JudgeStrategy, choose_default, format_strategy
from models.prompts import as_line
from models.scripted import SCRIPTED_NAME, parse_scripted
from swarm.edge.calibrations import (
    CALIBRATION_SCHEMA,
    Calibration,
    StrategyFigures,
    get_calibration_paths,
    write_calibration,
)
from swarm.edge.local import LocalKeys
from swarm.edge.paths import write_private_file

PILOT_TASKS: Final = 10
"""Measured first, which says how long the rest will take; nothing of it is measured again."""
SEED_BITS: Final = 48
SEED_FACT: Final = "seed"
PILOT_FACT: Final = "pilot-calls"
NO_STATES: Final = "this model gives no hidden states"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a calibration is: what is done, and how many calls of that are over."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what.

    Attributes:
        on_forecast: Seconds that are left, about; once, before most of the work.
        on_progress: After every batch.
    """

    on_forecast: Callable[[float], None]
    on_progress: Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The model that is calibrated, as `ask` will open it.

    Args:
        model: Open.
        digest: Under which its calibration is kept.
        spec: What it was opened by.
    """

    model: Model
    digest: bytes
    spec: str

    def teach(self, tasks: Sequence[Task]) -> "Subject":
        """Return the subject for these tasks: a scripted model knows their truths, as a real one may."""
        if self.spec.partition(":")[0] != SCRIPTED_NAME:
            return self
        answers = {as_line(task.text): task.truth for task in tasks}
        return replace(self, model=parse_scripted(self.spec, answers=answers))


def open_subject(spec: str, *, note: Callable[[str], None]) -> Subject:
    """Open the model to calibrate.

    Args:
        spec: What `models.catalog.open_model` reads.
        note: Called with one line for people at each stage.

    Raises:
        ModelError: It cannot be opened.
    """
    model = open_model(spec, progress=note)
    return Subject(model=model, digest=model.info().digest, spec=spec)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What was said: answers by question, verdicts by judge, states of candidates where they are wanted."""

    answered: list[Answered]
    heard: dict[JudgeStrategy, list[Heard]]


def get_work_path(plan: CalibrationPlan, digest: bytes) -> Path:
    """Return where the calls of a calibration under way are kept."""
    record = get_calibration_paths(digest).record
    return record.with_name(f"{record.stem}-{plan.compute_name()}.calls.sqlite3")


def choose_seed(store: CallStore, seed: int | None) -> int:
    """Return the seed of a calibration: that of the work under way, unless another one is asked for.

    Args:
        store: The work's.
        seed: As asked for; a fresh one when None.
    """
    known = store.get_fact(SEED_FACT)
    if seed is None:
        seed = secrets.randbits(SEED_BITS) if known is None else int(known)
    store.set_fact(SEED_FACT, str(seed))
    return seed


def remove_work(path: Path) -> None:
    """Forget the calls of a calibration that is done."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@dataclass(slots=True)
class _Stage:
    """What is being done, for who is told."""

    on_progress: Callable[[Progress], None]
    name: str = ""

    def on_batch(self, batch: BatchDone) -> None:
        self.on_progress(Progress(self.name, batch.done, batch.total))


@dataclass(frozen=True, slots=True)
class _Run:
    """A calibration under way."""

    plan: CalibrationPlan
    tasks: Sequence[Task]
    strategies: Sequence[JudgeStrategy]
    keys: LocalKeys
    model: CachedModel
    stage: _Stage

    def measure(self, count: int) -> _Measured:
        """Let peers answer the first tasks and judge."""
        self.stage.name = "answering"
        spec = self.plan.model
        asked = ask_tasks(self.plan.swarm, self.keys, self.tasks[:count])
        answered = answer_all(self.plan.swarm, self.keys, asked, models={spec: self.model}, grade=grade)
        cases = make_cases(answered, hostile=load_hostile_texts(), grade=grade)
        heard = {}
        for strategy in self.strategies:
            self.stage.name = f"judging by {format_strategy(strategy)}"
            heard[strategy] = hold(strategy, cases, answered=answered, keys=self.keys, model=self.model)
        return _Measured(answered=answered, heard=heard)

    def collect_states(self, against: JudgeStrategy, answered: Sequence[Answered]) -> Learning:
        """Read what a probe can be learnt from."""
        self.stage.name = "reading hidden states"
        return collect(against, answered, keys=self.keys, model=self.model)


def calibrate(
    plan: CalibrationPlan,
    tasks: Sequence[Task],
    subject: Subject,
    *,
    store: CallStore,
    listeners: Listeners,
) -> Calibration:
    """Measure a model, choose how it judges, and keep both.

    Args:
        plan: What is measured.
        tasks: The plan's, drawn.
        subject: The model, knowing the tasks' truths where it is scripted (`Subject.teach`).
        store: Keeps what it says.
        listeners: Told what goes on.

    Returns:
        The record, as written.

    Raises:
        ConfigError: A task has no grader.
        ModelError: The model cannot judge as it is asked to, or keeps failing; what is known is kept.
        StoreError: The disk failed.
    """
    info, stage = subject.model.info(), _Stage(listeners.on_progress)
    cached = CachedModel(info=info, store=store, open_fresh=lambda: subject.model, listener=stage.on_batch)
    keys = create_keys(plan.swarm)
    run = _Run(plan, tasks, list_strategies(plan, info), keys, cached, stage)
    _forecast(run, store, listeners)
    measured = run.measure(len(tasks))
    rates = {kind: one.seconds / one.calls for kind, one in _get_spent(store, info).items()}
    figures = _compute_figures(plan, measured, rates)
    chosen = choose_strategy(figures)
    learnt, why = _learn(run, measured, chosen, subject)
    calibration = _summarise(plan, tasks, subject, measured, figures, learnt=learnt, why=why)
    if learnt is not None:
        write_private_file(learnt.probe.path, learnt.data)
    write_calibration(calibration)
    return calibration


def _forecast(run: _Run, store: CallStore, listeners: Listeners) -> None:
    """Measure a few tasks, unless that was done, and say from calls and rates what the rest will take."""
    pilot = min(PILOT_TASKS, len(run.tasks))
    run.measure(pilot)
    spent = _get_spent(store, run.model.info())
    known = store.get_fact(PILOT_FACT)
    calls = (
        {kind: one.calls for kind, one in spent.items()}
        if known is None
        else msgspec.json.decode(known, type=dict[str, int])
    )
    store.set_fact(PILOT_FACT, msgspec.json.encode(calls).decode())
    left_s = 0.0
    for kind, one in spent.items():
        expected = calls.get(kind, 0) * len(run.tasks) / pilot
        left_s += max(0.0, expected - one.calls) * one.seconds / one.calls
    listeners.on_forecast(left_s)


def _get_spent(store: CallStore, info: ModelInfo) -> dict[str, Spent]:
    """Return what a model's calls have cost, by kind."""
    return {kind: spent for (kind, digest), spent in store.get_spent().items() if digest == info.digest}


def _compute_figures(
    plan: CalibrationPlan, measured: _Measured, rates: Mapping[str, float]
) -> list[StrategyFigures]:
    def get_seconds(calls: Mapping[str, int]) -> float:
        return sum(count * rates.get(kind, 0.0) for kind, count in calls.items())

    return [
        compute_strategy_figures(format_strategy(strategy), heard, seed=plan.seed, get_seconds=get_seconds)
        for strategy, heard in measured.heard.items()
    ]


def _learn(
    run: _Run, measured: _Measured, chosen: StrategyFigures | None, subject: Subject
) -> tuple[Learnt | None, str]:
    """Learn a probe where that is asked for and possible; else say why there is none."""
    if not run.plan.trains_probe:
        return None, "a probe is learnt from your own tasks only: --tasks"
    if not subject.model.info().has_states:
        return None, NO_STATES
    named = {format_strategy(strategy): strategy for strategy in run.strategies}
    best = choose_default(subject.model.info()) if chosen is None else named[chosen.strategy]
    against = best if best.kind in {JudgeKind.LIKELIHOOD, JudgeKind.PROBE} else LIKELIHOOD
    learning = run.collect_states(against, measured.answered)
    plan = run.plan
    try:
        return learn_probe(learning, against, digest=subject.digest, tasks=plan.tasks, seed=plan.seed), ""
    except ModelError as exc:
        return None, exc.message


def _summarise(
    plan: CalibrationPlan,
    tasks: Sequence[Task],
    subject: Subject,
    measured: _Measured,
    figures: Sequence[StrategyFigures],
    *,
    learnt: Learnt | None,
    why: str,
) -> Calibration:
    chosen = choose_strategy(figures)
    strategy = None if chosen is None else chosen.strategy
    low = 0.0 if chosen is None else get_low(chosen)
    if learnt is not None and is_probe_chosen(chosen, learnt.figures):
        strategy, low = f"{JudgeKind.PROBE.value}:{learnt.probe.path}", learnt.figures.accuracy.low
    rights = [sum(answer.is_right for answer in one.answers) / len(one.answers) for one in measured.answered]
    single = compute_mean(rights, seed=plan.seed)
    assert single is not None, "a plan has tasks"
    return Calibration(
        schema=CALIBRATION_SCHEMA,
        model=subject.model.info().name,
        digest=subject.digest.hex(),
        tasks=plan.tasks,
        seed=plan.seed,
        questions=len(tasks),
        peers=plan.swarm.peers,
        natural=sum(map(is_natural, measured.answered)),
        single=single,
        strategies=tuple(figures),
        probe=None if learnt is None else learnt.figures,
        probe_note=why,
        strategy=strategy,
        weight=compute_weight(low),
    )
