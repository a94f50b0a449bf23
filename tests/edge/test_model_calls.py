"""A judge's conversation held through the queue in front of a model."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
import trio
import trio.testing

from models.contract import Choice, ChoiceRequest, GenerateRequest, Generation
from models.errors import ModelError
from models.judges.judging import run_judging, start_judging
from models.judges.strategy import parse_strategy
from models.judges.task import JudgedPairs
from models.scripted import ScriptedModel
from swarm.edge.model_calls import judge_pairs
from swarm.edge.model_host import ModelHost
from tests.models.judges.kit import PlantedModel, make_task

DEADLINE_S = 30.0
IDLE_S = 0.2  # in which a thread that has work to do must have done it, or the clock jumps
TASK = make_task(("84", "85", "86"), ((0, 1), (1, 2), (2, 0)))


class Batches(ScriptedModel):
    """A scripted model that keeps the size of its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.generated: list[int] = []
        self.chosen: list[int] = []

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        self.generated.append(len(requests))
        return super().generate(requests)

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        self.chosen.append(len(requests))
        return super().choose(requests)


def run_with(host: ModelHost, body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(DEADLINE_S * 1_000):
            async with trio.open_nursery() as nursery:
                await nursery.start(host.run)
                await body()
                nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=IDLE_S))


@pytest.mark.parametrize("judge", ["likelihood:prompts=2", "letters", "reasoning", "reasoning:orders=1"])
def test_through_the_queue_it_judges_as_without(judge: str) -> None:
    strategy = parse_strategy(judge)

    async def body() -> None:
        through = await judge_pairs(host, start_judging(strategy, TASK))
        assert through == run_judging(ScriptedModel(), start_judging(strategy, TASK))
        assert through.missing == 0

    host = ModelHost(ScriptedModel())
    run_with(host, body)


def test_calls_of_several_seats_share_batches() -> None:
    model = Batches()
    host = ModelHost(model)

    async def body() -> None:
        async with trio.open_nursery() as nursery:
            for index in range(4):
                task = make_task(
                    ("84", "85"), ((0, 1),), keys=(bytes([index]) * 32,), nonce=bytes([index]) * 8
                )
                nursery.start_soon(judge_pairs, host, start_judging(parse_strategy("reasoning"), task))

    run_with(host, body)
    # Four seats, one pair each, both ways round: one batch of rationales, one of verdicts.
    assert (model.generated, model.chosen) == ([8], [8])


def test_a_failed_call_spoils_its_own_pairs_alone() -> None:
    host = ModelHost(PlantedModel(lambda _: (-0.1, -2.4), fails_at="poison"))
    task = make_task(("84", "poison", "85"), ((0, 1), (0, 2)))
    judged: list[JudgedPairs] = []

    async def body() -> None:
        judged.append(await judge_pairs(host, start_judging(parse_strategy("letters"), task)))

    run_with(host, body)
    assert judged == [JudgedPairs(outcomes=(None, 32_768), reasons=("no verdict",))]


def test_a_task_that_is_refused_fails_as_a_whole() -> None:
    host = ModelHost(ScriptedModel())

    async def body() -> None:
        with pytest.raises(ModelError, match="question"):
            await judge_pairs(host, start_judging(parse_strategy("letters"), make_task(question=" ")))

    run_with(host, body)


def test_choices_of_no_requests_and_of_a_host_that_has_ended() -> None:
    host = ModelHost(ScriptedModel())

    async def body() -> None:
        assert await host.choose([]) == []

    run_with(host, body)

    async def late() -> None:
        judged = await judge_pairs(host, start_judging(parse_strategy("letters"), TASK))
        assert judged.missing == len(TASK.pairs)
        assert judged.reasons == ("the model host has ended",)

    trio.run(late)
