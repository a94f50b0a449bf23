"""How long a run will take: what is left of each kind of call, times what such a call takes here."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from evaluation.answering import answer_all
from evaluation.asking import ask_tasks, create_keys
from evaluation.calls import BatchDone, CachedModel
from evaluation.judging import create_judge, resolve_judge
from evaluation.measuring import Models
from evaluation.plan import Plan, SwarmPlan
from evaluation.record import AnswerClass
from evaluation.store import CallStore, Spent
from evaluation.task import Task
from models.errors import ModelError
from models.judges.strategy import JudgeKind, JudgeStrategy
from swarm.edge.local import LocalKeys

CLASSES_GUESSED: Final = 3
"""Classes a question, until the answers are there."""
WARM_UP_TASKS_MAX: Final = 32
WARM_UP_PAIRED_MAX: Final = 8
"""Tasks tried beforehand where every pair is judged by itself."""

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
    opened = {spec: model.info() for spec, model in models.get_all(swarm).items()}
    asked = {spec: specs.count(spec) * questions for spec in opened}
    lots = [Lot(("generate", info.digest), 2 * asked[spec]) for spec, info in opened.items()]
    try:
        strategy = resolve_judge(swarm, opened)
    except ModelError:  # nobody judges, which the run itself will say
        return lots
    for spec, info in opened.items():
        # Prompts are peers' own, so several judges of one model score a text under one prompt once.
        shared = min(swarm.peers, specs.count(spec) * strategy.prompts) * questions
        judged = shared if strategy.kind is JudgeKind.LIKELIHOOD else asked[spec]
        lots += [Lot((kind, info.digest), judged * calls) for kind, calls in _list_judge_calls(strategy)]
    return lots


def _list_judge_calls(strategy: JudgeStrategy) -> list[tuple[str, int]]:
    """Return calls a judge and question, by kind."""
    both_ways = CLASSES_GUESSED * (CLASSES_GUESSED - 1)
    match strategy.kind:
        case JudgeKind.LETTERS:
            return [("choose", both_ways)]
        case JudgeKind.REASONING:
            return [("generate", both_ways), ("choose", both_ways)]
        case _:  # the others score texts
            return [("score", CLASSES_GUESSED)]


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
        self._known = {kind: spent.calls for kind, spent in known.items()}
        self._rates = dict(rates)
        self._spent: dict[CallKind, Spent] = {}
        self._current: Lot | None = None

    def on_batch(self, batch: BatchDone) -> None:
        """Take a finished batch into account: what it took, and how large its lot really is."""
        kind = (batch.kind, batch.model)
        if batch.is_first:
            guessed = next((lot for lot in self._waiting if lot.kind == kind), None)
            if guessed is not None:
                self._waiting.remove(guessed)
        self._current = Lot(kind, batch.total - batch.done)
        self._known[kind] = self._known.get(kind, 0) - (batch.calls - batch.computed)
        if batch.computed:
            before = self._spent.get(kind, Spent(0, 0.0))
            spent = Spent(before.calls + batch.computed, before.seconds + batch.seconds)
            self._spent[kind] = spent
            self._rates[kind] = spent.seconds / spent.calls

    def compute_left_s(self) -> float | None:
        """Return the seconds that are left; None where no call of some kind was timed yet."""
        left: dict[CallKind, int] = {}
        for lot in [*self._waiting, *([] if self._current is None else [self._current])]:
            left[lot.kind] = left.get(lot.kind, 0) + lot.calls
        total = 0.0
        for kind, calls in left.items():
            # What is known and was not met yet stands in the lots to come.
            absent = calls - max(0, self._known.get(kind, 0))
            rate = self._rates.get(kind, _get_mean([r for (k, _), r in self._rates.items() if k == kind[0]]))
            if absent > 0 and rate is None:
                return None
            total += max(0, absent) * (rate or 0.0)
        return total


def _get_mean(rates: Sequence[float]) -> float | None:
    return sum(rates) / len(rates) if rates else None


def measure_rates(plan: Plan, tasks: Sequence[Task], models: Models) -> dict[CallKind, float]:
    """Time a few batches of every kind: one peer of each model on some tasks.

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
    count = min(len(tasks), WARM_UP_TASKS_MAX)
    sample = tasks[:: len(tasks) // count][:count]
    with tempfile.TemporaryDirectory() as directory, CallStore(Path(directory) / "warm-up.sqlite3") as store:
        for swarm in plan.swarms:
            with models.open_trial(swarm, store) as opened:
                for spec, model in opened.items():
                    _try_peer(swarm, swarm.get_models().index(spec), model, sample)
        return {kind: spent.seconds / spent.calls for kind, spent in store.get_spent().items()}


def _try_peer(swarm: SwarmPlan, peer: int, model: CachedModel, sample: Sequence[Task]) -> None:
    """Let one peer answer, and judge what it said."""
    keys = create_keys(swarm)
    alone = replace(
        swarm,
        peers=1,
        model=swarm.get_models()[peer],
        temperature_milli=swarm.get_temperatures_milli()[peer],
        members=(),
    )
    alone_keys = LocalKeys(keys.network, (keys.peers[peer],), keys.asker)
    opened = {alone.model: model}
    asked = ask_tasks(swarm, keys, sample)
    answered = answer_all(alone, alone_keys, asked, models=opened, grade=lambda _, text: not text)
    try:
        strategy = resolve_judge(alone, {alone.model: model.info()})
    except ModelError:  # nobody judges, which the run itself will say
        return
    texts = list(dict.fromkeys(one.answers[0].text or "none" for one in answered))
    count = WARM_UP_TASKS_MAX if strategy.kind is JudgeKind.LIKELIHOOD else WARM_UP_PAIRED_MAX
    candidates = [
        replace(one, classes=_make_classes(texts, place)) for place, one in enumerate(answered[:count])
    ]
    create_judge(replace(strategy, prompts=1), opened)(alone, alone_keys, candidates)


def _make_classes(texts: Sequence[str], place: int) -> tuple[AnswerClass, ...]:
    """Return as many candidates as are guessed: answers to this question and to others."""
    chosen = dict.fromkeys(texts[(place + step) % len(texts)] for step in range(CLASSES_GUESSED))
    return tuple(AnswerClass(authors=(0,), text=text, is_right=False) for text in chosen)
