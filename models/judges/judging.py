"""Any strategy by its specification, and the plain way to run one: against a model in this thread."""

from collections.abc import Callable, Sequence
from typing import TypeVar, assert_never

from models.contract import ChoiceRequest, GenerateRequest, Model, ScoreRequest
from models.errors import ModelError
from models.judges.letters import judge_by_letters
from models.judges.likelihood import judge_by_likelihood
from models.judges.probe import judge_by_probe
from models.judges.reasoning import judge_by_reasoning
from models.judges.strategy import JudgeKind, JudgeStrategy
from models.judges.task import Call, JudgedPairs, JudgeTask, Judging, Reply

Request = TypeVar("Request", GenerateRequest, ScoreRequest, ChoiceRequest)
Done = TypeVar("Done")


def start_judging(strategy: JudgeStrategy, task: JudgeTask) -> Judging:
    """Return the conversation with a model by which a strategy judges a task; nothing runs yet."""
    match strategy.kind:
        case JudgeKind.LIKELIHOOD:
            return judge_by_likelihood(task)
        case JudgeKind.LETTERS:
            return judge_by_letters(task)
        case JudgeKind.REASONING:
            return judge_by_reasoning(task, tokens=strategy.tokens, orders=strategy.orders)
        case JudgeKind.PROBE:
            assert strategy.probe is not None, "a probe judge has its probe"
            return judge_by_probe(task, strategy.probe)
        case _:
            assert_never(strategy.kind)


def run_judging(model: Model, judging: Judging) -> JudgedPairs:
    """Judge with a model that is called from this very thread.

    Args:
        model: What answers the judging's calls.
        judging: Begun by `start_judging`; it is used up.

    Raises:
        ModelError: The task itself is refused; a call that fails spoils its own pairs only.
    """
    try:
        calls = next(judging)
        while True:
            calls = judging.send(_answer(model, calls))
    except StopIteration as ended:
        result = ended.value
        assert isinstance(result, JudgedPairs), "a judging returns its outcomes"
        return result


def _answer(model: Model, calls: Sequence[Call]) -> tuple[Reply, ...]:
    generated = _run_each(model.generate, [call for call in calls if isinstance(call, GenerateRequest)])
    scored = _run_each(model.score, [call for call in calls if isinstance(call, ScoreRequest)])
    chosen = _run_each(model.choose, [call for call in calls if isinstance(call, ChoiceRequest)])
    generations, scores, choices = iter(generated), iter(scored), iter(chosen)
    replies: list[Reply] = []
    for call in calls:
        match call:
            case GenerateRequest():
                replies.append(next(generations))
            case ScoreRequest():
                replies.append(next(scores))
            case ChoiceRequest():
                replies.append(next(choices))
            case _:
                assert_never(call)
    return tuple(replies)


def _run_each(
    run: Callable[[Sequence[Request]], list[Done]], requests: Sequence[Request]
) -> list[Done | ModelError]:
    """Run requests together, by halves where that fails, so that one bad request fails alone."""
    if not requests:
        return []
    try:
        return list(run(requests))
    except ModelError as exc:
        if len(requests) == 1:
            return [exc]
    half = len(requests) // 2
    return _run_each(run, requests[:half]) + _run_each(run, requests[half:])
