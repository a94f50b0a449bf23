"""The meter before a model: tokens and failures by round, and nothing else touched."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import trio
import trio.testing

from models.contract import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Prompt,
    Score,
    ScoreRequest,
)
from models.errors import ModelError
from models.scripted import ScriptedModel
from swarm.edge.metering import ROUNDS_METERED_MAX, MeteredCalls

REQUEST = GenerateRequest(
    prompt=Prompt(prefix="", suffix="Question: How many?\nAnswer:"),
    noise_seed=b"a" * 32,
    seat_key=b"k" * 32,
    temperature_milli=0,
    max_tokens=4,
    stop=(),
)
OTHER = replace(REQUEST, noise_seed=b"b" * 32)


@dataclass
class Direct:
    """A scripted model, called at once; it can be made to fail."""

    is_down: bool = False

    async def generate(self, request: GenerateRequest) -> Generation:
        await trio.lowlevel.checkpoint()
        if self.is_down:
            raise ModelError("down")
        (generation,) = ScriptedModel().generate([request])
        return generation

    async def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        return ScriptedModel().score(requests)

    async def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        return ScriptedModel().choose(requests)


async def count_tokens(meter: MeteredCalls) -> None:
    generation = await meter.generate(REQUEST)
    await meter.generate(REQUEST)
    await meter.generate(OTHER)
    assert generation.prompt_tokens > 0
    assert meter.get_prompt_tokens(REQUEST.noise_seed) == 2 * generation.prompt_tokens
    assert meter.get_prompt_tokens(OTHER.noise_seed) == generation.prompt_tokens
    assert meter.get_prompt_tokens(b"c" * 32) == 0
    assert meter.get_answer_tokens_max(REQUEST.noise_seed) == 2 * generation.token_count
    assert meter.get_answer_tokens_max(OTHER.noise_seed) == generation.token_count


def test_tokens_are_counted_round_by_round() -> None:
    trio.run(count_tokens, MeteredCalls(Direct()))


def test_failures_are_counted_and_still_raised() -> None:
    async def main() -> None:
        model = Direct(is_down=True)
        meter = MeteredCalls(model)
        reasons: list[str] = []

        async def wait() -> None:
            reasons.append(await meter.wait_failures(REQUEST.noise_seed, 2))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            for request in (REQUEST, OTHER, REQUEST):
                await trio.testing.wait_all_tasks_blocked()
                assert reasons == []
                with pytest.raises(ModelError, match="down"):
                    await meter.generate(request)
        assert reasons == ["down"]
        assert meter.get_answer_tokens_max(REQUEST.noise_seed) == 0

    trio.run(main)


def test_an_answer_given_up_counts_as_long_as_it_might_have_become() -> None:
    class Endless(Direct):
        async def generate(self, request: GenerateRequest) -> Generation:
            await trio.sleep_forever()
            raise AssertionError("nothing ends it but its caller")

    async def main() -> None:
        meter = MeteredCalls(Endless())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(meter.generate, REQUEST)
            nursery.start_soon(meter.generate, replace(REQUEST, max_tokens=7))
            await trio.testing.wait_all_tasks_blocked()
            assert meter.get_answer_tokens_max(REQUEST.noise_seed) == 4 + 7
            nursery.cancel_scope.cancel()
        assert meter.get_answer_tokens_max(REQUEST.noise_seed) == 4 + 7

    trio.run(main)


def test_rounds_long_gone_are_forgotten() -> None:
    async def main() -> None:
        meter = MeteredCalls(Direct())
        await meter.generate(REQUEST)
        for place in range(ROUNDS_METERED_MAX):
            await meter.generate(replace(REQUEST, noise_seed=b"%032d" % place))
        assert meter.get_prompt_tokens(REQUEST.noise_seed) == 0

    trio.run(main)
