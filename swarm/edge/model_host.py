"""One model for all peers of a process: calls wait briefly and run together in one worker thread.

The policy lives in `models.batching`; here are the clock, the thread and the callers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, assert_never

import trio

from models.batching import (
    Batch,
    BatchLimits,
    BatchQueue,
    ChooseBatch,
    Entry,
    GenerateBatch,
    ScoreBatch,
)
from models.contract import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Interruptible,
    Model,
    ModelInfo,
    Score,
    ScoreRequest,
)
from models.errors import ModelError

# A batch is closed when nothing has arrived for the quiet time, or the whole window is over.
GATHER_QUIET_S = 0.004
GATHER_WINDOW_S = 0.040
INTERRUPT_EVERY_S = 0.050

Result = Generation | Score | Choice | ModelError
Request = TypeVar("Request", GenerateRequest, ScoreRequest, ChoiceRequest)
Done = TypeVar("Done", Generation, Score, Choice)


@dataclass(slots=True)
class _Call:
    """One caller: the tickets it waits for, and what has come back."""

    waiting: set[int]
    results: dict[int, Result] = field(default_factory=dict)
    is_done: trio.Event = field(default_factory=trio.Event)

    def settle(self, ticket: int, result: Result) -> None:
        self.results[ticket] = result
        self.waiting.discard(ticket)
        if not self.waiting or isinstance(result, ModelError):
            self.is_done.set()


@dataclass(frozen=True, slots=True)
class _Running:
    """The batch that the model has now."""

    tickets: frozenset[int]
    is_unwanted: trio.Event = field(default_factory=trio.Event)
    is_over: trio.Event = field(default_factory=trio.Event)


class ModelHost:
    """A micro-batching queue in front of one model.

    `run` must be running for calls to return; when it ends, waiting callers get ModelError.

    Args:
        model: Called from one worker thread, one call at a time.
        limits: Bounds of batches and of the queue.
    """

    def __init__(self, model: Model, limits: BatchLimits | None = None) -> None:
        self._model = model
        self._queue = BatchQueue(limits or BatchLimits())
        self._calls: dict[int, _Call] = {}
        self._ticket = 0
        self._arrived = trio.Event()
        self._running: _Running | None = None
        self._idle = trio.lowlevel.ParkingLot()
        self._is_closed = False
        self._limiter = trio.CapacityLimiter(1)

    def info(self) -> ModelInfo:
        """Return what the model is."""
        return self._model.info()

    async def wait_idle(self) -> None:
        """Wait until the model runs nothing and nothing waits for it."""
        while self._running is not None or len(self._queue):
            await self._idle.park()

    async def generate(self, request: GenerateRequest) -> Generation:
        """Generate one continuation, together with whatever else waits.

        Args:
            request: What to generate.

        Returns:
            The generation.

        Raises:
            ModelError: The model refused or failed, the queue is full, or the host has ended.
        """
        call = self._open_call(1)
        (ticket,) = call.waiting
        self._queue.add_generate(Entry(ticket=ticket, request=request))
        await self._wait(call)
        result = call.results[ticket]
        assert isinstance(result, Generation)
        return result

    async def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Score continuations, together with whatever else waits.

        Args:
            requests: Any number; they may be spread over several batches.

        Returns:
            One score per request, in order.

        Raises:
            ModelError: The model refused or failed, the queue is full, or the host has ended.
        """
        results = await self._call_all(requests, self._queue.add_score)
        return [result for result in results if isinstance(result, Score)]

    async def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Choose between options, together with whatever else waits.

        Args:
            requests: Any number; they may be spread over several batches.

        Returns:
            One choice per request, in order.

        Raises:
            ModelError: The model refused or failed, the queue is full, or the host has ended.
        """
        results = await self._call_all(requests, self._queue.add_choice)
        return [result for result in results if isinstance(result, Choice)]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve calls until cancelled; start it in a nursery that outlives the callers.

        On cancellation a running call is given up at once if its model can be interrupted; if not, it is
        waited for, because a thread cannot be stopped.

        Args:
            task_status: Told when calls are served.
        """
        try:
            task_status.started()
            while True:
                await self._gather()
                batch = self._queue.take_batch()
                if batch is not None:
                    await self._run_batch(batch)
        finally:
            self._is_closed = True
            for ticket in tuple(self._calls):
                self._settle(ticket, ModelError("the model host has ended"))

    async def _call_all(
        self, requests: Sequence[Request], add: Callable[[Entry[Request]], None]
    ) -> list[Result]:
        """Queue requests of one kind and wait for all; they may be spread over several batches."""
        if not requests:
            await trio.lowlevel.checkpoint()
            return []
        call = self._open_call(len(requests))
        tickets = sorted(call.waiting)
        for ticket, request in zip(tickets, requests, strict=True):
            add(Entry(ticket=ticket, request=request))
        await self._wait(call)
        return [call.results[ticket] for ticket in tickets]

    def _open_call(self, rows: int) -> _Call:
        if self._is_closed:
            raise ModelError("the model host has ended")
        self._queue.check_room(rows)
        tickets = range(self._ticket, self._ticket + rows)
        self._ticket += rows
        call = _Call(waiting=set(tickets))
        self._calls |= dict.fromkeys(tickets, call)
        self._arrived.set()
        return call

    async def _wait(self, call: _Call) -> None:
        try:
            await call.is_done.wait()
        finally:
            # Cancelled, or failed in part: what still waits is of no use to anybody.
            self._abandon(frozenset(call.waiting))
        for result in call.results.values():
            if isinstance(result, ModelError):
                raise ModelError(result.message, remedy=result.remedy) from result

    def _abandon(self, tickets: frozenset[int]) -> None:
        if not tickets:
            return
        self._queue.discard(tickets)
        self._idle.unpark_all()
        for ticket in tickets:
            self._calls.pop(ticket, None)
        if self._running and not any(ticket in self._calls for ticket in self._running.tickets):
            self._running.is_unwanted.set()

    async def _interrupt_when_unwanted(self, running: _Running) -> None:
        """Give a batch up once nobody waits for it, or this host is cancelled.

        Again and again until it is over: the thread may not have begun yet, and a call that begins forgets
        the interrupts before it.
        """
        try:
            await running.is_unwanted.wait()
        finally:
            with trio.CancelScope(shield=True):
                while isinstance(self._model, Interruptible) and not running.is_over.is_set():
                    self._model.interrupt()
                    with trio.move_on_after(INTERRUPT_EVERY_S):
                        await running.is_over.wait()

    async def _gather(self) -> None:
        """Wait for a first request, then a little for company."""
        while not len(self._queue):
            self._arrived = trio.Event()
            await self._arrived.wait()
        with trio.move_on_after(GATHER_WINDOW_S):
            is_quiet = False
            while not (is_quiet or self._queue.is_batch_full):
                self._arrived = trio.Event()
                with trio.move_on_after(GATHER_QUIET_S) as quiet:
                    await self._arrived.wait()
                is_quiet = quiet.cancelled_caught

    async def _run_batch(self, batch: Batch) -> None:
        tickets = [entry.ticket for entry in batch.entries]
        self._running = running = _Running(frozenset(tickets))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._interrupt_when_unwanted, running)
            try:
                results = await self._run_model(batch)
            finally:
                self._running = None
                self._idle.unpark_all()
                running.is_over.set()
                nursery.cancel_scope.cancel()
        for ticket, result in zip(tickets, results, strict=True):
            self._settle(ticket, result)

    async def _run_model(self, batch: Batch) -> list[Result]:
        """Run a batch, by halves where it fails, so that one bad request does not fail its neighbours."""
        try:
            match batch:
                case GenerateBatch(entries=entries):
                    prompts = [entry.request for entry in entries]
                    return list(await self._in_thread(self._model.generate, prompts))
                case ScoreBatch(entries=entries):
                    contexts = [entry.request for entry in entries]
                    return list(await self._in_thread(self._model.score, contexts))
                case ChooseBatch(entries=entries):
                    choices = [entry.request for entry in entries]
                    return list(await self._in_thread(self._model.choose, choices))
                case _:
                    assert_never(batch)
        except ModelError as exc:
            rows = len(batch.entries)
            is_awaited = any(entry.ticket in self._calls for entry in batch.entries)
            if rows == 1 or not is_awaited:
                return [exc] * rows
        half = len(batch.entries) // 2
        return await self._run_model(batch.cut(0, half)) + await self._run_model(batch.cut(half, rows))

    async def _in_thread(
        self, run: Callable[[list[Request]], list[Done]], requests: list[Request]
    ) -> list[Done]:
        return await trio.to_thread.run_sync(run, requests, limiter=self._limiter)

    def _settle(self, ticket: int, result: Result) -> None:
        call = self._calls.pop(ticket, None)
        if call is not None:
            call.settle(ticket, result)
