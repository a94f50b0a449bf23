"""The queue in front of the model: batching, isolation of callers, shutdown."""

import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from models.batching import BatchLimits
from models.contract import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Model,
    ModelInfo,
    Prompt,
    Score,
    ScoreRequest,
)
from models.errors import ModelError
from models.prompts import STOP_STRINGS
from models.scripted import ScriptedModel
from swarm.edge.model_host import INTERRUPT_EVERY_S, ModelHost

DEADLINE_S = 30.0
IDLE_S = 0.2  # in which a thread that has work to do must have done it, or the clock jumps
CALL_S = 5.0  # what a call takes that is not given up


def ask(text: str) -> GenerateRequest:
    return GenerateRequest(
        prompt=Prompt(prefix="", suffix=f"Question: {text}\nAnswer:"),
        noise_seed=b"round",
        seat_key=b"seat",
        temperature_milli=700,
        max_tokens=8,
        stop=STOP_STRINGS,
    )


def judge(text: str) -> ScoreRequest:
    return ScoreRequest(context=Prompt(prefix="", suffix="Question: q\nAnswer:"), continuation=f" {text}\n")


@dataclass
class WatchedModel:
    """A scripted model that records its batches, can be held, and refuses the questions that say `bad`."""

    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    batches: list[int] = field(default_factory=list)
    inside: int = 0
    overlaps: int = 0
    interrupts: int = 0
    inner: ScriptedModel = field(default_factory=ScriptedModel)

    def info(self) -> ModelInfo:
        return self.inner.info()

    def interrupt(self) -> None:
        self.interrupts += 1
        self.gate.set()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        self._run(len(requests))
        if any("bad" in request.prompt.suffix for request in requests):
            raise ModelError("a bad question", remedy="ask another")
        return self.inner.generate(requests)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        self._run(len(requests))
        return self.inner.score(requests)

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        self._run(len(requests))
        return self.inner.choose(requests)

    def _run(self, rows: int) -> None:
        before = self.interrupts
        self.batches.append(rows)
        self.inside += 1
        self.overlaps += self.inside > 1
        self.entered.set()
        self.gate.wait(DEADLINE_S)
        self.inside -= 1
        if self.interrupts > before:
            raise ModelError("given up")


@dataclass
class LateModel(ScriptedModel):
    """A model whose call begins late: it drops the first interrupt, as one sent before the call began."""

    flag: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    ends: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def interrupt(self) -> None:
        self.flag.set()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        self.entered.set()
        self.flag.wait(DEADLINE_S)
        self.flag.clear()
        is_given_up = self.flag.wait(CALL_S)
        self.ends.append(is_given_up)
        if is_given_up:
            raise ModelError("given up")
        return super().generate(requests)


def run_with(
    host: ModelHost, body: Callable[[trio.Nursery], Awaitable[None]], *, is_clock_virtual: bool = True
) -> None:
    async def main() -> None:
        with trio.fail_after(DEADLINE_S * 1_000):
            async with trio.open_nursery() as nursery:
                await nursery.start(host.run)
                await body(nursery)
                nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=IDLE_S) if is_clock_virtual else None)


def open_gate(model: WatchedModel) -> WatchedModel:
    model.gate.set()
    return model


async def gather_generate(host: ModelHost, texts: Sequence[str]) -> dict[str, Generation | ModelError]:
    found: dict[str, Generation | ModelError] = {}

    async def one(text: str) -> None:
        try:
            found[text] = await host.generate(ask(text))
        except ModelError as exc:
            found[text] = exc

    async with trio.open_nursery() as nursery:
        for text in texts:
            nursery.start_soon(one, text)
    return found


def test_callers_share_a_batch_and_get_what_they_would_alone() -> None:
    model = open_gate(WatchedModel())
    host = ModelHost(model)
    texts = [f"question {index}" for index in range(8)]

    async def body(_: trio.Nursery) -> None:
        found = await gather_generate(host, texts)
        for text in texts:
            assert found[text] == ScriptedModel().generate([ask(text)])[0]

    run_with(host, body)
    assert model.batches == [8]
    assert model.overlaps == 0


def test_scores_return_in_order_over_several_batches() -> None:
    model = open_gate(WatchedModel())
    host = ModelHost(model, BatchLimits(rows_max=3))
    requests = [judge(str(index)) for index in range(8)]

    async def body(_: trio.Nursery) -> None:
        assert await host.score(requests) == ScriptedModel().score(requests)
        assert await host.score([]) == []

    run_with(host, body)
    assert model.batches == [3, 3, 2]


def test_kinds_run_apart_and_never_at_once() -> None:
    model = open_gate(WatchedModel())
    host = ModelHost(model, BatchLimits(rows_max=4))

    async def body(_: trio.Nursery) -> None:
        async with trio.open_nursery() as nursery:
            for index in range(6):
                nursery.start_soon(host.generate, ask(str(index)))
                nursery.start_soon(host.score, [judge(str(index))])

    run_with(host, body)
    assert sum(model.batches) == 12
    assert model.overlaps == 0


def test_a_bad_request_fails_its_caller_alone() -> None:
    model = open_gate(WatchedModel())
    host = ModelHost(model)
    texts = [*(f"question {index}" for index in range(7)), "bad"]

    async def body(_: trio.Nursery) -> None:
        found = await gather_generate(host, texts)
        assert [text for text, result in found.items() if isinstance(result, ModelError)] == ["bad"]
        failed = found["bad"]
        assert isinstance(failed, ModelError)
        assert (failed.message, failed.remedy) == ("a bad question", "ask another")

    run_with(host, body)


def test_a_failing_model_tells_every_caller_and_lives_on() -> None:
    host = ModelHost(open_gate(WatchedModel()))
    texts = [f"bad {index}" for index in range(5)]

    async def body(_: trio.Nursery) -> None:
        found = await gather_generate(host, texts)
        assert all(isinstance(found[text], ModelError) for text in texts)
        assert isinstance(await host.generate(ask("good")), Generation)

    run_with(host, body)


def test_a_cancelled_caller_disturbs_nobody() -> None:
    model = WatchedModel()
    host = ModelHost(model)
    done: list[str] = []

    async def patient(text: str) -> None:
        await host.generate(ask(text))
        done.append(text)

    async def body(_: trio.Nursery) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(patient, "first")
            with trio.move_on_after(1.0) as scope:
                await host.generate(ask("impatient"))
            assert scope.cancelled_caught
            # While the first batch is held: one that waits is cancelled before it ever runs.
            with trio.move_on_after(1.0):
                await host.generate(ask("never run"))
            nursery.start_soon(patient, "second")
            await trio.testing.wait_all_tasks_blocked()
            model.gate.set()

    run_with(host, body)
    assert sorted(done) == ["first", "second"]
    assert model.batches == [2, 1]
    assert model.interrupts == 0


def test_a_call_nobody_waits_for_is_interrupted() -> None:
    model = WatchedModel()
    host = ModelHost(model)

    async def body(_: trio.Nursery) -> None:
        with trio.move_on_after(1.0):
            await host.generate(ask("x"))
        assert isinstance(await host.generate(ask("next")), Generation)

    run_with(host, body)
    assert model.interrupts >= 1


async def generate_until_entered(host: ModelHost, text: str, entered: threading.Event) -> None:
    """Ask, and go away as soon as the model's thread has the question."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(host.generate, ask(text))
        await trio.to_thread.run_sync(entered.wait, DEADLINE_S)
        nursery.cancel_scope.cancel()


def test_an_interrupt_that_comes_before_the_call_has_begun_is_not_lost() -> None:
    model = LateModel()
    host = ModelHost(model)

    async def body(_: trio.Nursery) -> None:
        await generate_until_entered(host, "x", model.entered)
        await host.score([judge("y")])  # served once the call before it is over

    run_with(host, body, is_clock_virtual=False)
    assert model.ends == [True]


def test_ending_before_the_call_has_begun_does_not_wait_for_it() -> None:
    model = LateModel()
    host = ModelHost(model)

    async def body(nursery: trio.Nursery) -> None:
        nursery.start_soon(host.generate, ask("x"))
        await trio.to_thread.run_sync(model.entered.wait, DEADLINE_S)

    run_with(host, body, is_clock_virtual=False)
    assert model.ends == [True]


def test_only_the_call_nobody_waits_for_is_interrupted() -> None:
    """The next call begins at once and lasts several times what passes between two interrupts."""

    class SlowModel(ScriptedModel):
        entered = threading.Event()

        def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
            self.entered.set()
            return super().generate(requests)

    model = SlowModel(latency_s=6 * INTERRUPT_EVERY_S)
    host = ModelHost(model, BatchLimits(rows_max=1))
    done: list[Generation] = []

    async def patient() -> None:
        done.append(await host.generate(ask("patient")))

    async def body(_: trio.Nursery) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(generate_until_entered, host, "impatient", model.entered)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(patient)

    run_with(host, body, is_clock_virtual=False)
    assert len(done) == 1


def test_ending_interrupts_the_model_and_tells_waiting_callers() -> None:
    model = WatchedModel()
    host = ModelHost(model)
    failures: list[ModelError] = []

    async def caller() -> None:
        try:
            await host.generate(ask("x"))
        except ModelError as exc:
            failures.append(exc)

    async def main() -> None:
        async with trio.open_nursery() as callers, trio.open_nursery() as nursery:
            await nursery.start(host.run)
            callers.start_soon(caller)
            callers.start_soon(caller)
            await trio.to_thread.run_sync(model.entered.wait, DEADLINE_S)
            nursery.cancel_scope.cancel()
        with pytest.raises(ModelError, match="has ended"):
            await host.generate(ask("late"))

    trio.run(main)
    assert model.interrupts >= 1
    assert len(failures) == 2
    assert all("has ended" in failure.message for failure in failures)


def test_a_full_queue_refuses_and_recovers() -> None:
    model = WatchedModel()
    host = ModelHost(model, BatchLimits(pending_rows_max=2))

    async def body(_: trio.Nursery) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.score, [judge("a"), judge("b")])
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(ModelError, match="limit is 2"):
                await host.score([judge("c")])
            model.gate.set()
        assert len(await host.score([judge("c"), judge("d")])) == 2

    run_with(host, body)


def test_a_mistake_inside_a_model_ends_the_host_loudly() -> None:
    class BrokenModel(ScriptedModel):
        def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
            raise ZeroDivisionError

    model: Model = BrokenModel()
    host = ModelHost(model)

    async def body(_: trio.Nursery) -> None:
        with pytest.raises(ModelError, match="has ended"):
            await host.generate(ask("x"))

    with pytest.raises(ExceptionGroup) as caught:
        run_with(host, body)
    assert caught.value.split(ZeroDivisionError)[0] is not None


def test_info_is_the_models() -> None:
    assert ModelHost(ScriptedModel()).info() == ScriptedModel().info()
