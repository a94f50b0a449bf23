"""A judge's calls of several kinds, run kind by kind, and what becomes of each."""

from collections.abc import Callable, Sequence
from typing import TypeVar, assert_never

from models.contract import Choice, ChoiceRequest, GenerateRequest, Generation, Score, ScoreRequest
from models.errors import ModelError
from models.judges.task import Call, Reply

Request = TypeVar("Request", GenerateRequest, ScoreRequest, ChoiceRequest)
Done = TypeVar("Done", Generation, Score, Choice)


def answer_calls(
    calls: Sequence[Call],
    *,
    generate: Callable[[Sequence[GenerateRequest]], list[Generation | ModelError]],
    score: Callable[[Sequence[ScoreRequest]], list[Score | ModelError]],
    choose: Callable[[Sequence[ChoiceRequest]], list[Choice | ModelError]],
) -> tuple[Reply, ...]:
    """Answer calls of any kind, those of one kind together.

    Args:
        calls: Any number, in any mixture.
        generate: Runs the calls that generate; a call that fails gives its error in its place.
        score: Runs the calls that score, likewise.
        choose: Runs the calls that choose, likewise.

    Returns:
        One reply per call, in order.
    """
    generations = iter(generate([call for call in calls if isinstance(call, GenerateRequest)]))
    scores = iter(score([call for call in calls if isinstance(call, ScoreRequest)]))
    choices = iter(choose([call for call in calls if isinstance(call, ChoiceRequest)]))
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


def run_each(
    run: Callable[[Sequence[Request]], list[Done]], requests: Sequence[Request]
) -> list[Done | ModelError]:
    """Run requests together, by halves where that fails, so that one bad request fails alone.

    Args:
        run: Runs requests of one kind; raises ModelError where one of them fails.
        requests: Any number.

    Returns:
        One result or error per request, in order.
    """
    if not requests:
        return []
    try:
        return list(run(requests))
    except ModelError as exc:
        if len(requests) == 1:
            return [exc]
    half = len(requests) // 2
    return run_each(run, requests[:half]) + run_each(run, requests[half:])
