"""What models are asked beyond a plan's own questions: dirty questions, and judgements of hostile answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluation.answering import Grade
from evaluation.asking import ask_tasks, create_keys
from evaluation.judging import create_judge, resolve_judge
from evaluation.measuring import Models, measure
from evaluation.plan import DIRTY_NAME, HOSTILE_NAME, Plan
from evaluation.record import QuestionRecord, SwarmRecords
from evaluation.robustness.extraneous import DirtyTask, make_dirty_tasks
from evaluation.robustness.hostile_answers import HostileAnswer, draw_all_hostile, make_answered
from evaluation.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Withstood:
    """One swarm's records of what it had to withstand; each in the order of the plan's tasks.

    Attributes:
        dirty: Of questions with extraneous text; None where the plan asks for none.
        hostile: With hostile answers; None where the plan asks for none, or nobody judges.
        hostile_answers: By question.
    """

    dirty: SwarmRecords | None = None
    hostile: SwarmRecords | None = None
    hostile_answers: tuple[tuple[HostileAnswer, ...], ...] = ()


def make_plan_dirty(plan: Plan, tasks: Sequence[Task], *, grade: Grade) -> list[DirtyTask]:
    """Return the dirty questions of a plan, none where it asks for none."""
    if plan.robustness is None or not plan.robustness.extraneous:
        return []
    return make_dirty_tasks(tasks, kinds=plan.robustness.extraneous, seed=plan.seed_bytes, grade=grade)


def measure_withstood(
    plan: Plan,
    clean: Sequence[SwarmRecords],
    tasks: Sequence[Task],
    dirty: Sequence[DirtyTask],
    models: Models,
    *,
    grade: Grade,
) -> list[Withstood]:
    """Measure what every swarm withstands; what is known already is not asked again.

    Args:
        plan: The plan.
        clean: Every swarm's records without any of it.
        tasks: The plan's, in the order of the records.
        dirty: What `make_plan_dirty` made of them.
        models: Opened as they are needed.
        grade: Whether an answer to a task is right.

    Raises:
        ModelError: A model cannot be opened, or keeps failing.
        StoreError: The store cannot be read or written.
    """
    if plan.robustness is None:
        return [Withstood() for _ in clean]
    return [_measure_one(plan, one, tasks, dirty, models, grade=grade) for one in clean]


def _measure_one(
    plan: Plan,
    clean: SwarmRecords,
    tasks: Sequence[Task],
    dirty: Sequence[DirtyTask],
    models: Models,
    *,
    grade: Grade,
) -> Withstood:
    found = Withstood()
    if dirty:
        found = replace(found, dirty=_measure_dirty(plan, clean, dirty, models, grade=grade))
    count = 0 if plan.robustness is None else plan.robustness.hostile_answers
    if count and clean.judge:
        hostile = tuple(draw_all_hostile(clean.records, count=count, seed=plan.seed_bytes))
        records = _judge_hostile(clean, tasks, hostile, models)
        found = replace(found, hostile=records, hostile_answers=hostile)
    return found


def _measure_dirty(
    plan: Plan, clean: SwarmRecords, dirty: Sequence[DirtyTask], models: Models, *, grade: Grade
) -> SwarmRecords:
    originals = {one.task.key: one.clean for one in dirty}

    def grade_clean(task: Task, answer: str) -> bool:
        # Some graders read the question; what was added to it must not speak to them.
        return grade(originals[task.key], answer)

    alone = replace(plan, swarms=(clean.swarm,))
    (records,) = measure(alone, [one.task for one in dirty], models, grade=grade_clean)
    return _rename(records, DIRTY_NAME)


def _rename(records: SwarmRecords, name: str) -> SwarmRecords:
    return replace(records, swarm=replace(records.swarm, name=name.format(records.swarm.name)))


def _judge_hostile(
    clean: SwarmRecords,
    tasks: Sequence[Task],
    hostile: Sequence[Sequence[HostileAnswer]],
    models: Models,
) -> SwarmRecords:
    """Let the swarm judge again, with hostile answers among the others; what it judged before is known."""
    swarm, keys = clean.swarm, create_keys(clean.swarm)
    opened = models.get_all(swarm)
    answered = [
        make_answered(asked, record, own)
        for asked, record, own in zip(ask_tasks(swarm, keys, tasks), clean.records, hostile, strict=True)
    ]
    strategy = resolve_judge(swarm, {spec: model.info() for spec, model in opened.items()})
    judged = create_judge(strategy, opened)(swarm, keys, answered)
    records: tuple[QuestionRecord, ...] = tuple(
        replace(record, answers=one.answers, classes=one.classes, judgements=judgements)
        for record, one, judgements in zip(clean.records, answered, judged, strict=True)
    )
    return _rename(replace(clean, records=records), HOSTILE_NAME)
