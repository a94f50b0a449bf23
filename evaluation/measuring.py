"""From a plan and its tasks to records: models are opened, asked and let judge, all through the store."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec

from consensus.errors import ConfigError
from evaluation.answering import Answered, Grade, answer_all
from evaluation.asking import ask_tasks, create_keys
from evaluation.calls import CachedModel, Listener
from evaluation.judging import create_judge, resolve_judge
from evaluation.plan import Plan, SwarmPlan
from evaluation.record import Judgements, QuestionRecord, SwarmRecords
from evaluation.store import CallStore
from evaluation.task import Task
from models.catalog import open_model
from models.contract import Model, ModelInfo
from models.errors import ModelError
from models.judges.strategy import JudgeStrategy, format_strategy
from models.prompts import as_line
from models.scripted import SCRIPTED_NAME, parse_scripted

OpenModel = Callable[[str], Model]
MODEL_FACT: Final = "model:"


@dataclass(slots=True)
class Models:
    """The models of a run by specification; read back from the store where none is opened.

    Args:
        store: Where their calls and descriptions are kept.
        open_one: Opens one; None where all calls are known and nothing is to be computed.
        listener: Told after every batch.
    """

    store: CallStore
    open_one: OpenModel | None
    listener: Listener | None = None
    _cached: dict[str, CachedModel] = field(default_factory=dict)
    _unused: dict[str, Model] = field(default_factory=dict)

    def get_all(self, swarm: SwarmPlan) -> dict[str, CachedModel]:
        """Return the models of a swarm by specification; those of other swarms make room.

        Raises:
            ModelError: One cannot be opened.
            ConfigError: Nothing is opened, and the store does not know one.
            StoreError: The store cannot be read or written.
        """
        specs = dict.fromkeys(swarm.get_models())
        for spec in [spec for spec in self._unused if spec not in specs]:
            del self._unused[spec]
        return {spec: self.get(spec) for spec in specs}

    def get(self, spec: str) -> CachedModel:
        """Return a model by its specification.

        Raises:
            ModelError: It cannot be opened.
            ConfigError: Nothing is opened, and the store does not know it.
            StoreError: The store cannot be read or written.
        """
        if spec not in self._cached:
            open_one = self.open_one
            if open_one is None:
                info = self._read_info(spec)
            else:
                if spec not in self._unused:
                    self._unused[spec] = open_one(spec)
                info = self._unused[spec].info()
                self.store.set_fact(MODEL_FACT + spec, msgspec.json.encode(info).decode())
            self._cached[spec] = CachedModel(
                info=info,
                store=self.store,
                open_fresh=None if open_one is None else partial(self._open_fresh, open_one, spec),
                listener=self.listener,
            )
        return self._cached[spec]

    @contextmanager
    def open_trial(self, swarm: SwarmPlan, store: CallStore) -> Iterator[dict[str, CachedModel]]:
        """Open a swarm's models for a trial: calls in another store, and each opened once, fresh or not.

        Raises:
            ModelError: One cannot be opened.
            StoreError: The store cannot be read or written.
        """
        self.get_all(swarm)
        open_one, opened = self.open_one, dict[str, Model]()
        assert open_one is not None, "a trial computes"

        def open_once(spec: str) -> Model:
            if spec not in opened:
                opened[spec] = self._open_fresh(open_one, spec)
            return opened[spec]

        trial = Models(store=store, open_one=open_once)
        try:
            yield trial.get_all(swarm)
        finally:  # they are large, and must not wait for a collector of cycles
            opened.clear()
            trial._unused.clear()

    def _open_fresh(self, open_one: OpenModel, spec: str) -> Model:
        """Return a model that has run nothing: the one opened last, if so, else another one."""
        model = self._unused.pop(spec, None)
        return open_one(spec) if model is None else model

    def _read_info(self, spec: str) -> ModelInfo:
        text = self.store.get_fact(MODEL_FACT + spec)
        if text is None:
            raise ConfigError(
                f"this run has not opened the model {spec!r} yet", remedy="resume it: peerage eval resume DIR"
            )
        return msgspec.json.decode(text, type=ModelInfo)


def open_for_tasks(tasks: Sequence[Task], *, note: Callable[[str], None]) -> OpenModel:
    """Return what opens models for these tasks: scripted ones know the tasks' truths, as real ones may.

    Args:
        tasks: What will be asked.
        note: Called with one line for people at each stage.
    """
    answers = {as_line(task.text): task.truth for task in tasks}
    seen: list[str] = []

    def note_once(text: str) -> None:
        if text not in seen:  # a model is opened again for every lot of calls
            seen.append(text)
            note(text)

    def open_one(spec: str) -> Model:
        if spec.partition(":")[0] == SCRIPTED_NAME:
            return parse_scripted(spec, answers=answers)
        return open_model(spec, progress=note_once)

    return open_one


def measure(plan: Plan, tasks: Sequence[Task], models: Models, *, grade: Grade) -> list[SwarmRecords]:
    """Measure every swarm of a plan on every task; what is known already is not asked again.

    Args:
        plan: What to measure.
        tasks: The plan's, drawn.
        models: Opened as they are needed.
        grade: Whether an answer to a task is right.

    Returns:
        One entry a swarm, in the plan's order.

    Raises:
        ModelError: A model cannot be opened, or keeps failing.
        ConfigError: A task has no grader, or nothing is to be computed and something is not known.
        StoreError: The store cannot be read or written.
    """
    return [_measure_swarm(swarm, tasks, models, grade=grade) for swarm in plan.swarms]


def _measure_swarm(swarm: SwarmPlan, tasks: Sequence[Task], models: Models, *, grade: Grade) -> SwarmRecords:
    specs = swarm.get_models()
    opened = models.get_all(swarm)
    infos = {spec: model.info() for spec, model in opened.items()}
    strategy, problem = _resolve(swarm, infos)
    keys = create_keys(swarm)
    answered = answer_all(swarm, keys, ask_tasks(swarm, keys, tasks), models=opened, grade=grade)
    judged: Sequence[Judgements | None] = [None] * len(answered)
    if strategy is not None:
        judged = create_judge(strategy, opened)(swarm, keys, answered)
    return SwarmRecords(
        swarm=swarm,
        judge="" if strategy is None else format_strategy(strategy),
        models=tuple(infos[spec].name for spec in specs),
        digests=tuple(infos[spec].digest.hex() for spec in specs),
        records=tuple(
            _make_record(one, judgements) for one, judgements in zip(answered, judged, strict=True)
        ),
        problem=problem,
    )


def _resolve(swarm: SwarmPlan, infos: dict[str, ModelInfo]) -> tuple[JudgeStrategy | None, str]:
    """Return how a swarm judges, or why nobody does: its answers are worth measuring all the same."""
    try:
        return resolve_judge(swarm, infos), ""
    except ModelError as exc:
        return None, exc.message


def _make_record(one: Answered, judgements: Judgements | None) -> QuestionRecord:
    task = one.asked.task
    return QuestionRecord(
        key=task.key,
        family=task.family,
        text=task.text,
        truth=task.truth,
        answers=one.answers,
        greedy=one.greedy,
        classes=one.classes,
        judgements=judgements,
    )
