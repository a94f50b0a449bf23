"""What a peer asks of the model in front of it, and a judge's conversation held with such a model."""

from collections.abc import Sequence
from typing import Protocol

import trio

from models.contract import Choice, ChoiceRequest, GenerateRequest, Generation, Score, ScoreRequest
from models.errors import ModelError
from models.judges.task import Call, JudgedPairs, Judging, Reply


class ModelCalls(Protocol):
    """What a runtime asks of the model in front of it; `ModelHost` is one."""

    async def generate(self, request: GenerateRequest) -> Generation:
        """Generate one continuation; see `ModelHost.generate`."""
        ...

    async def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Choose between options; see `ModelHost.choose`."""
        ...

    async def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Score continuations; see `ModelHost.score`."""
        ...


async def judge_pairs(model: ModelCalls, judging: Judging) -> JudgedPairs:
    """Hold a judge's conversation with a model, all calls of one turn at once.

    Args:
        model: Puts calls that come at once into one batch, together with those of other seats.
        judging: Begun by `models.judges.judging.start_judging`; it is used up.

    Returns:
        The outcomes; a call that fails spoils its own pairs only.

    Raises:
        ModelError: The task itself is refused.
    """
    try:
        calls = next(judging)
        while True:
            calls = judging.send(await _answer_all(model, calls))
    except StopIteration as ended:
        result = ended.value
        assert isinstance(result, JudgedPairs), "a judging returns its outcomes"
        return result


async def _answer_all(model: ModelCalls, calls: Sequence[Call]) -> tuple[Reply, ...]:
    replies: dict[int, Reply] = {}

    async def answer(place: int, call: Call) -> None:
        try:
            replies[place] = await _answer(model, call)
        except ModelError as exc:
            replies[place] = exc

    async with trio.open_nursery() as nursery:
        for place, call in enumerate(calls):
            nursery.start_soon(answer, place, call)
    return tuple(replies[place] for place in range(len(calls)))


async def _answer(model: ModelCalls, call: Call) -> Reply:
    match call:
        case GenerateRequest():
            return await model.generate(call)
        case ScoreRequest():
            (score,) = await model.score([call])
            return score
        case ChoiceRequest():
            (choice,) = await model.choose([call])
            return choice
