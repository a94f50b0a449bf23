"""Performs a node's actions on Trio: links, disk, clock and model around the pure core.

Every source of inputs (links, writes, timers, model calls) is a task; the core itself runs inside
whichever task has an input, and never waits. Tasks end when the nursery of `run` is cancelled; a store
that fails halts the node, a model call that fails is reported to it.
"""

import heapq
from collections.abc import Awaitable, Callable
from typing import assert_never

import trio

from consensus.errors import PeerageError, StoreError
from models.contract import Score, ScoreRequest
from models.errors import ModelError
from models.judges.judging import start_judging
from swarm.core.actions import (
    Action,
    CancelCall,
    Emit,
    Generate,
    JudgePairs,
    LoadReceipt,
    Penalise,
    Persist,
    ScoreTexts,
    Send,
    SetTimer,
)
from swarm.core.inputs import (
    CallFailed,
    CallFinished,
    CallResult,
    Input,
    Paused,
    PeerLinked,
    Persisted,
    PersistFailed,
    ReceiptLoaded,
    Received,
    Started,
    TimerFired,
    Unpaused,
)
from swarm.core.node import NodeConfig, create_node, step
from swarm.core.records import Record, Table
from swarm.edge.event_log import EventLog
from swarm.edge.event_quota import ASKED_FOR, LEFT_OUT_S, EventQuota
from swarm.edge.link import (
    BootstrapFailed,
    DialFailed,
    Inbound,
    LinkDown,
    LinkUp,
    MeshEvent,
    SecondMachine,
)
from swarm.edge.mesh import Mesh
from swarm.edge.model_calls import ModelCalls, judge_pairs
from swarm.edge.second_machine import SecondMachineError
from swarm.edge.store import RECORDS_MAX, Store
from swarm.edge.store_recovery import ROLLBACK_REMEDY


class Runtime:
    """One running node.

    Args:
        config: What the node is made of.
        store: Its disk; the caller opens and closes it.
        mesh: Its links; run here.
        model: Its model, shared with other nodes of the process or not.
        log: Where events go; shared or not.
    """

    def __init__(
        self, *, config: NodeConfig, store: Store, mesh: Mesh, model: ModelCalls, log: EventLog
    ) -> None:
        self._config = config
        self._store = store
        self._mesh = mesh
        self._model = model
        self._log = log
        self._quota = EventQuota()
        self._state = create_node(config)
        self._writes: list[Persist] = []
        self._timers: list[tuple[int, int, SetTimer]] = []
        self._timer_count = 0
        self._wake_writer = trio.Event()
        self._wake_clock = trio.Event()
        self._calls: dict[int, trio.CancelScope] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the node until cancelled; started once it has resumed from disk and takes links.

        Raises:
            StoreError: The disk could not be read.
            ConfigError: The node's key is in use on another machine; the node has stopped.
        """
        records = await self._load()
        self._report_rollback()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self._mesh.run)
            nursery.start_soon(self._read_links)
            nursery.start_soon(self._write_records)
            nursery.start_soon(self._run_clock)
            nursery.start_soon(self._tell_left_out)
            self._apply(Started(get_now_ms(), records))
            task_status.started()

    def pause(self, reason: str) -> None:
        """Take no further rounds, saying why; those that are open go on."""
        self._apply(Paused(get_now_ms(), reason))

    def unpause(self) -> None:
        """Take rounds again."""
        self._apply(Unpaused(get_now_ms()))

    def count_open_rounds(self) -> int:
        """Return how many rounds the node has a seat in that have not ended."""
        return sum(not seat.round.is_finished for seat in self._state.seats.values())

    async def _load(self) -> tuple[Record, ...]:
        """Read what the core resumes from: the askers' counters, and every open round."""
        records = list(await self._store.load_round(self._config.network.network_id))
        for round_id in await self._store.unfinished_rounds():
            records += await self._store.load_round(round_id)
        return tuple(records)

    def _report_rollback(self) -> None:
        """Say that the database was an older copy; the store has seen to it that nothing is signed twice."""
        found = self._store.rollback
        if found is not None:
            self._log.append(
                "database_rolled_back",
                peer=self._config.signer.key,
                fields={"lost": found.lost, "abandoned": found.abandoned, "remedy": ROLLBACK_REMEDY},
            )

    # -- the core ----------------------------------------------------------------------------------

    def _apply(self, input_: Input) -> None:
        if self._mesh.second_machine:
            return  # nothing more is signed
        self._state, actions = step(self._state, input_)
        for action in actions:
            self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case Send(to, data):
                self._mesh.send(to, data)
            case Persist():
                self._writes.append(action)
                self._wake_writer.set()
            case SetTimer(_, _, delay_ms):
                self._timer_count += 1
                heapq.heappush(self._timers, (get_now_ms() + delay_ms, self._timer_count, action))
                self._wake_clock.set()
            case Generate(call_id, request):
                self._start_call(call_id, lambda: self._model.generate(request))
            case ScoreTexts(call_id, requests):
                self._start_call(call_id, lambda: self._score(requests))
            case JudgePairs(call_id, strategy, task):
                self._start_call(call_id, lambda: judge_pairs(self._model, start_judging(strategy, task)))
            case CancelCall(call_id):
                scope = self._calls.get(call_id)
                if scope is not None:
                    scope.cancel()
            case LoadReceipt():
                self._spawn(lambda: self._load_receipt(action))
            case Penalise(key, reason):
                self._mesh.penalise(key, reason)
                member = key if self._mesh.is_member(key) else None
                if self._quota.admits("peer_penalised", member, now=trio.current_time()):
                    self._log.append("peer_penalised", peer=key, fields={"reason": reason})
            case Emit(round_id, event, fields):
                if event in ASKED_FOR and not self._quota.admits(event, None, now=trio.current_time()):
                    return
                self._log.append(event, round_id=round_id, peer=self._config.signer.key, fields=dict(fields))
            case _:
                assert_never(action)

    # -- sources of inputs -------------------------------------------------------------------------

    async def _read_links(self) -> None:
        while True:
            try:
                batch = await self._mesh.inbox.receive_batch()
            except trio.EndOfChannel:
                return
            for event in batch:
                self._on_mesh_event(event)

    def _on_mesh_event(self, event: MeshEvent) -> None:
        match event:
            case Inbound(key, message):
                self._apply(Received(get_now_ms(), key, message))
            case LinkUp(key):
                is_member, now = self._mesh.is_member(key), trio.current_time()
                if self._quota.admits_link_up(key, is_member=is_member, now=now):
                    self._log.append("link_opened", peer=key)
                self._apply(PeerLinked(get_now_ms(), key))
            case LinkDown(key, reason):
                if self._quota.admits_link_down(key):
                    self._log.append("link_closed", peer=key, fields={"reason": reason})
            case DialFailed(key, reason):
                self._log.append("dial_failed", peer=key, fields={"reason": reason})
            case BootstrapFailed(url, reason):
                self._log.append("bootstrap_failed", fields={"url": url, "reason": reason})
            case SecondMachine(reason):
                own = self._config.signer.key
                self._log.append("second_machine", peer=own, fields={"reason": reason})
                raise SecondMachineError(own, reason)
            case _:
                assert_never(event)

    async def _tell_left_out(self) -> None:
        """Say once in a while how much of a flood the log was spared."""
        while True:
            await trio.sleep(LEFT_OUT_S)
            for name, count in self._quota.take_left_out():
                self._log.append("events_left_out", fields={"name": name, "count": count})

    async def _write_records(self) -> None:
        """Write what has gathered, in one transaction: one sync pays for all of it."""
        while True:
            await self._wake_writer.wait()
            self._wake_writer = trio.Event()
            while self._writes:
                batch = self._take_writes()
                records = [record for write in batch for record in write.records]
                try:
                    await self._store.write(records)
                except StoreError as exc:
                    for write in batch:
                        failed = PersistFailed(get_now_ms(), write.write_id, exc.message, exc.remedy)
                        self._apply(failed)
                    return
                for write in batch:
                    self._apply(Persisted(get_now_ms(), write.write_id))

    def _take_writes(self) -> list[Persist]:
        batch: list[Persist] = []
        size = 0
        while self._writes and (not batch or size + len(self._writes[0].records) <= RECORDS_MAX):
            size += len(self._writes[0].records)
            batch.append(self._writes.pop(0))
        return batch

    async def _run_clock(self) -> None:
        while True:
            now = get_now_ms()
            while self._timers and self._timers[0][0] <= now:
                _, _, due = heapq.heappop(self._timers)
                self._apply(TimerFired(now, due.round_id, due.timer))
            delay = (self._timers[0][0] - now) / 1_000 if self._timers else float("inf")
            self._wake_clock = trio.Event()
            with trio.move_on_after(max(0.0, delay)):
                await self._wake_clock.wait()

    # -- calls -------------------------------------------------------------------------------------

    def _spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        assert self._nursery is not None, "actions are performed only while running"
        self._nursery.start_soon(task)

    def _start_call(self, call_id: int, ask: Callable[[], Awaitable[CallResult]]) -> None:
        scope = self._calls[call_id] = trio.CancelScope()

        async def run() -> None:
            with scope:
                try:
                    result = await ask()
                except (ModelError, PeerageError) as exc:
                    self._apply(CallFailed(get_now_ms(), call_id, exc.message))
                else:
                    self._apply(CallFinished(get_now_ms(), call_id, result))
            self._calls.pop(call_id, None)

        self._spawn(run)

    async def _score(self, requests: tuple[ScoreRequest, ...]) -> tuple[Score, ...]:
        return tuple(await self._model.score(requests))

    async def _load_receipt(self, action: LoadReceipt) -> None:
        try:
            records = await self._store.load_round(action.round_id)
        except StoreError as exc:
            fields = {"reason": exc.message}
            self._log.append("receipt_unreadable", round_id=action.round_id, fields=fields)
            records = ()
        receipts = [record.value for record in records if record.table is Table.RECEIPT]
        receipt = receipts[0] if receipts else None
        self._apply(ReceiptLoaded(get_now_ms(), action.request_id, receipt))


def get_now_ms() -> int:
    """Return Trio's clock in whole milliseconds."""
    return int(trio.current_time() * 1_000)
