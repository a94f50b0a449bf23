"""How long a run will take: what is left of each kind of call, times what such a call takes here."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from evaluation.answering import answer_all
from evaluation.asking import ask_tasks, create_keys
from evaluation.calls import BatchDone
from evaluation.judging import create_judge, resolve_judge
from evaluation.measuring import Models
from evaluation.plan import Plan, SwarmPlan
from evaluation.store import CallStore, Spent
from evaluation.task import Task
from models.errors import ModelError
from models.judges.strategy import JudgeKind, JudgeStrategy

CLASSES_GUESSED: Final = 3
"""Classes a question, until the answers are there."""
WARM_UP_PEERS: Final = 2
WARM_UP_SHARE: Final = 16
"""One task in so many is tried beforehand, WARM_UP_TASKS_MAX at most."""
WARM_UP_TASKS_MAX: Final = 32

CallKind = tuple[str, bytes]
"""What is called, and the digest of the model."""


@dataclass(frozen=True, slots=True)
class Lot:
    """Calls that a swarm will make of one model in one go."""

    kind: CallKind
    calls: int


def list_lots(plan: Plan, questions: int, models: Models) -> list[Lot]:
    """Return what a plan will call, in order; judgements are guessed from CLASSES_GUESSED.

    Args:
        plan: What will be measured.
        questions: How many tasks were drawn.
        models: Opened where they are not.

    Raises:
        ModelError: A model cannot be opened.
    """
    return [lot for swarm in plan.swarms for lot in _list_swarm_lots(swarm, questions, models)]


def _list_swarm_lots(swarm: SwarmPlan, questions: int, models: Models) -> list[Lot]:
    specs = swarm.get_models()
    opened = {spec: models.get(spec).info() for spec in dict.fromkeys(specs)}
    asked = {spec: specs.count(spec) * questions for spec in opened}
    lots = [Lot(("generate", opened[spec].digest), asked[spec]) for _ in range(2) for spec in opened]
    try:
        strategy = resolve_judge(swarm, opened)
    except ModelError:  # nobody judges, which the run itself will say
        return lots
    for spec, info in opened.items():
        lots += [Lot((kind, info.digest), asked[spec] * calls) for kind, calls in _list_judge_calls(strategy)]
    return lots


def _list_judge_calls(strategy: JudgeStrategy) -> list[tuple[str, int]]:
    """Return calls a judge and question, by kind."""
    both_ways = CLASSES_GUESSED * (CLASSES_GUESSED - 1)
    match strategy.kind:
        case JudgeKind.LIKELIHOOD:
            return [("score", CLASSES_GUESSED * strategy.prompts)]
        case JudgeKind.LETTERS:
            return [("choose", both_ways)]
        case JudgeKind.REASONING:
            return [("generate", both_ways), ("choose", both_ways)]


class Forecast:
    """What is left, in seconds; it grows surer with every batch.

    Args:
        lots: What will be called, in order.
        known: What was called before, by kind.
        rates: Seconds a call, by kind; from a warm-up or from before.
    """

    def __init__(
        self, lots: Sequence[Lot], *, known: Mapping[CallKind, Spent], rates: Mapping[CallKind, float]
    ) -> None:
        self._waiting = list(lots)
        self._left: dict[CallKind, int] = {}
        for lot in lots:
            self._left[lot.kind] = self._left.get(lot.kind, 0) + lot.calls
        for kind, spent in known.items():
            if kind in self._left:
                self._left[kind] -= spent.calls
        self._rates = dict(rates)
        self._spent: dict[CallKind, Spent] = {}

    def on_batch(self, batch: BatchDone) -> None:
        """Take a finished batch into account: what it took, and how large its lot really is."""
        kind = (batch.kind, batch.model)
        if batch.is_first:
            guessed = next((lot for lot in self._waiting if lot.kind == kind), None)
            if guessed is not None:
                self._waiting.remove(guessed)
                self._left[kind] += batch.total - guessed.calls
        if batch.computed:
            before = self._spent.get(kind, Spent(0, 0.0))
            spent = Spent(before.calls + batch.computed, before.seconds + batch.seconds)
            self._spent[kind] = spent
            self._left[kind] = self._left.get(kind, 0) - batch.computed
            self._rates[kind] = spent.seconds / spent.calls

    def compute_left_s(self) -> float | None:
        """Return the seconds that are left; None where no call of some kind was timed yet."""
        total = 0.0
        for kind, calls in self._left.items():
            rate = self._rates.get(kind, _get_mean([r for (k, _), r in self._rates.items() if k == kind[0]]))
            if calls > 0 and rate is None:
                return None
            total += max(0, calls) * (rate or 0.0)
        return total


def _get_mean(rates: Sequence[float]) -> float | None:
    return sum(rates) / len(rates) if rates else None


def measure_rates(plan: Plan, tasks: Sequence[Task], models: Models) -> dict[CallKind, float]:
    """Time a few batches of every kind: two peers of each swarm on a few tasks.

    Nothing of it is kept: which requests run together in the run itself must not depend on it.

    Args:
        plan: What will be measured.
        tasks: The plan's.
        models: Opened for computing.

    Returns:
        Seconds a call, by kind.

    Raises:
        ModelError: A model cannot be opened, or keeps failing.
    """
    count = min(max(1, len(tasks) // WARM_UP_SHARE), WARM_UP_TASKS_MAX)
    sample = tasks[:: max(1, len(tasks) // count)][:count]
    with tempfile.TemporaryDirectory() as directory, CallStore(Path(directory) / "warm-up.sqlite3") as store:
        trial = models.with_store(store)
        for swarm in plan.swarms:
            _try_swarm(swarm, sample, trial)
        return {kind: spent.seconds / spent.calls for kind, spent in store.get_spent().items()}


def _try_swarm(swarm: SwarmPlan, sample: Sequence[Task], trial: Models) -> None:
    keys = create_keys(swarm)
    small = replace(swarm, peers=WARM_UP_PEERS)
    opened = {spec: trial.get(spec) for spec in dict.fromkeys(small.get_models())}
    answered = answer_all(
        small, keys, ask_tasks(swarm, keys, sample), models=opened, grade=lambda _, text: not text
    )
    try:
        strategy = resolve_judge(small, {spec: model.info() for spec, model in opened.items()})
    except ModelError:
        return
    create_judge(strategy, opened)(small, keys, answered)
