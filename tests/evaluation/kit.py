"""Small tasks, plans and records that the tests of evaluations share."""

from collections.abc import Sequence

from evaluation.answering import merge_classes
from evaluation.plan import Plan, SwarmPlan, TaskSource
from evaluation.record import Answer, ClassScores, Judgements, QuestionRecord
from evaluation.task import Task

SEED = bytes(range(32))


def make_task(index: int, *, family: str = "sums") -> Task:
    return Task(
        key=f"test/{family}/{index}",
        family=family,
        text=f"What is {index} plus {index + 1}?",
        truth=str(2 * index + 1),
        grader="exact",
    )


def make_tasks(count: int, *, families: Sequence[str] = ("sums",)) -> list[Task]:
    return [make_task(index, family=families[index % len(families)]) for index in range(count)]


def is_equal(task: Task, answer: str) -> bool:
    return answer == task.truth


def make_swarm(
    *, name: str = "five", model: str = "scripted", peers: int = 5, judge: str = "auto", steps: int = 3
) -> SwarmPlan:
    return SwarmPlan(
        name=name, model=model, peers=peers, key_seed="a", judge=judge, calls_per_peer=6, steps=steps
    )


def make_plan(*swarms: SwarmPlan, methods: tuple[str, ...] = (), bootstrap: int = 50) -> Plan:
    return Plan(
        name="test",
        seed=1,
        tasks=(TaskSource(spec="gold:units:1", count=4),),
        swarms=swarms or (make_swarm(),),
        methods=methods,
        bootstrap=bootstrap,
    )


def make_answer(text: str, *, is_right: bool = False, logprob: float | None = -1.0) -> Answer:
    return Answer(
        text=text,
        is_right=is_right,
        logprob=logprob if text else None,
        tokens=2 if text else 0,
        prompt_tokens=10,
        is_ended=True,
        problem="" if text else "the model said nothing",
    )


def make_record(
    texts: Sequence[str],
    *,
    right: Sequence[str] = (),
    logprobs: Sequence[float | None] | None = None,
    greedy: Sequence[str] | None = None,
    judgements: Judgements | None = None,
    key: str = "test/1",
    family: str = "sums",
) -> QuestionRecord:
    known = [-1.0] * len(texts) if logprobs is None else logprobs
    answers = tuple(
        make_answer(text, is_right=text in right, logprob=logprob)
        for text, logprob in zip(texts, known, strict=True)
    )
    return QuestionRecord(
        key=key,
        family=family,
        text="What?",
        truth=right[0] if right else "none",
        answers=answers,
        greedy=tuple(make_answer(text, is_right=text in right) for text in greedy or texts),
        classes=merge_classes(answers, seed=SEED),
        judgements=judgements,
    )


def make_scores(*rows: Sequence[float | None]) -> ClassScores:
    """Make the scores of judges with one prompt each, a row a judge."""
    return ClassScores(values=tuple((tuple(row),) for row in rows), tokens=(1,) * len(rows[0]))
