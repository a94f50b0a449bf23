"""The runtime around the core: write before word, timers, calls, failing disks, crashes and restarts.

Links are in memory and time is virtual, but for the one test that restarts from a real database.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
import trio.testing

from consensus.committee import draw_committee
from consensus.decision import DecisionEngine, Status
from consensus.desk import Timing
from consensus.errors import StoreError
from consensus.evidence import decode_payload, get_slot
from consensus.identity import KeyPair, PeerKey, Verifier
from consensus.messages import (
    AskMessage,
    Kind,
    ProposalMessage,
    RevealMessage,
    Signed,
    SignedQuestion,
    StatementMessage,
    decode_message,
)
from consensus.question import sign_question
from consensus.verify import verify_receipt
from models.contract import Choice, ChoiceRequest, GenerateRequest, Generation, Score, ScoreRequest
from models.errors import ModelError
from models.scripted import ScriptedModel
from swarm.core.node import NodeConfig
from swarm.core.records import Record
from swarm.edge.client import Answered, AskerClient, Unanswered
from swarm.edge.event_log import EventLog
from swarm.edge.events import Event, read_events
from swarm.edge.limits import EdgeLimits
from swarm.edge.local import LocalKeys, create_local_keys
from swarm.edge.memory_store import MemoryStore
from swarm.edge.memory_transport import MemoryNetwork
from swarm.edge.mesh import Mesh
from swarm.edge.model_calls import ModelCalls
from swarm.edge.report import RoundReport, create_report
from swarm.edge.runtime import Runtime
from swarm.edge.store import Store, open_asyncio_loop, open_store
from swarm.edge.store_recovery import Rollback
from tests.e2e.processes import make_question

LIMITS = EdgeLimits()
DEADLINE_S = 60.0  # virtual, but in the test with a database
THINKING_S = 0.2
WRITES_MAX = 40  # more than a seat makes in a round of these tests
SEED = b"r" * 32


class CrashError(Exception):
    """The node's process dies here."""


class Thinking:
    """The scripted model, on the Trio clock."""

    def __init__(self, seconds: float = THINKING_S) -> None:
        self.seconds = seconds
        self.cancelled = 0
        self._model = ScriptedModel(accuracy=0.3)

    async def generate(self, request: GenerateRequest) -> Generation:
        await self._think()
        (result,) = self._model.generate([request])
        return result

    async def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        await self._think()
        return self._model.score(requests)

    async def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        await self._think()
        return self._model.choose(requests)

    async def _think(self) -> None:
        try:
            await trio.sleep(self.seconds)
        except trio.Cancelled:
            self.cancelled += 1
            raise


class Broken(Thinking):
    """A model that fails at everything."""

    async def generate(self, request: GenerateRequest) -> Generation:
        await trio.lowlevel.checkpoint()
        raise ModelError("out of memory")

    async def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        await trio.lowlevel.checkpoint()
        raise ModelError("out of memory")

    async def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        await trio.lowlevel.checkpoint()
        raise ModelError("out of memory")


class TamperedStore(MemoryStore):
    """A store that fails, crashes its node, or makes it wait, at the write of that number."""

    def __init__(
        self, *, fails_at: int | None = None, crashes_at: int | None = None, is_kept: bool = False
    ) -> None:
        super().__init__()
        self.writes = 0
        self.fails_at = fails_at
        self.crashes_at = crashes_at
        self.is_kept = is_kept  # whether what the crash interrupts was on disk already
        self.gate = trio.Event()
        self.gate.set()
        self.loads_fail = False
        self.largest = 0

    async def write(self, records: Sequence[Record]) -> None:
        await self.gate.wait()
        self.writes += 1
        self.largest = max(self.largest, len(records))
        if self.writes == self.fails_at:
            raise StoreError("no space left", remedy="free space")
        if self.writes == self.crashes_at:
            if self.is_kept:
                await super().write(records)
            raise CrashError
        await super().write(records)

    async def load_round(self, round_id: bytes) -> tuple[Record, ...]:
        if self.loads_fail:
            raise StoreError("cannot read")
        return await super().load_round(round_id)


class OverheardMesh(Mesh):
    """A mesh whose every message is remembered."""

    sent: list[bytes]

    def send(self, key: PeerKey, message: bytes) -> bool:
        self.sent.append(message)
        return super().send(key, message)


@dataclass
class World:
    """Nodes that know each other, their disks, and what was said."""

    keys: LocalKeys
    network: MemoryNetwork
    nursery: trio.Nursery
    log: EventLog
    log_path: Path
    timing: Timing
    sent: dict[int, list[bytes]] = field(default_factory=dict)
    asked: int = 0

    @property
    def urls(self) -> dict[PeerKey, str | None]:
        return {pair.key: f"memory://{place}" for place, pair in enumerate(self.keys.peers)}

    async def start(self, place: int, store: Store, model: ModelCalls | None = None) -> trio.CancelScope:
        """Bring a node up; cancel what is returned to kill it."""
        pair = self.keys.peers[place]
        mesh = OverheardMesh(
            signer=pair,
            network_id=self.keys.network.network_id,
            members=self.urls,
            limits=LIMITS,
            connect=self.network.connect,
            listen=self.network.listen(str(place)).serve,
            jitter=lambda: 0.5,
        )
        mesh.sent = self.sent.setdefault(place, [])
        config = NodeConfig(
            network=self.keys.network,
            signer=pair,
            verifier=Verifier(),
            engine=DecisionEngine(),
            timing=self.timing,
            info=ScriptedModel().info(),
        )
        runtime = Runtime(config=config, store=store, mesh=mesh, model=model or Thinking(), log=self.log)
        scope = trio.CancelScope()

        async def live(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            try:
                with scope:
                    await runtime.run(task_status=task_status)
            except* CrashError:
                pass

        await self.nursery.start(live)
        return scope

    async def start_rest(self, besides: Sequence[int] = ()) -> None:
        for place in range(len(self.keys.peers)):
            if place not in besides:
                await self.start(place, MemoryStore())

    @asynccontextmanager
    async def open_mesh(self, asker: KeyPair | None = None) -> AsyncIterator[Mesh]:
        mesh = Mesh(
            signer=asker or self.keys.asker,
            network_id=self.keys.network.network_id,
            members=self.urls,
            limits=LIMITS,
            connect=self.network.connect,
            jitter=lambda: 0.5,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(mesh.run)
            yield mesh
            nursery.cancel_scope.cancel()

    def sign(self, *, counter: int = 0) -> SignedQuestion:
        question = make_question(self.keys, counter=counter)
        return sign_question(question, self.keys.asker, self.keys.network)

    async def ask(self, *, counter: int = 0) -> Answered | Unanswered:
        async with self.open_mesh() as mesh:
            client = AskerClient(network=self.keys.network, mesh=mesh, on_progress=lambda _: None)
            return await client.ask(self.sign(counter=counter), deadline_s=DEADLINE_S)

    def get_events(self, name: str, place: int | None = None) -> list[Event]:
        key = None if place is None else self.keys.peers[place].key
        return [e for e in read_events(self.log_path) if e.event == name and key in (None, e.peer)]

    def get_statements(self, place: int) -> list[Signed]:
        """Return everything a node signed and sent, in order."""
        found: list[Signed] = []
        for data in self.sent[place]:
            message = decode_message(data)
            if isinstance(message, StatementMessage | RevealMessage | ProposalMessage):
                found.append(message.signed)
        return found

    def assert_signed_once(self, place: int) -> None:
        """Check that no slot of the node was ever filled twice, in whatever life."""
        said: dict[bytes, bytes] = {}
        for signed in self.get_statements(place):
            kind = Kind(signed.kind)
            content = decode_payload(kind, signed.payload)
            slot = content.round + get_slot(kind, content)
            assert said.setdefault(slot, signed.payload) == signed.payload


@asynccontextmanager
async def open_world(directory: Path, *, timing: Timing | None = None) -> AsyncIterator[World]:
    path = directory / "events.jsonl"
    with EventLog(path, get_time_ms=lambda: round(trio.current_time() * 1_000)) as log:
        async with trio.open_nursery() as nursery:
            keys = create_local_keys(peers=4, seed=SEED)
            yield World(keys, MemoryNetwork(LIMITS), nursery, log, path, timing or Timing())
            nursery.cancel_scope.cancel()


def run_virtual(body: Callable[[], Awaitable[None]]) -> None:
    trio.run(body, clock=trio.testing.MockClock(autojump_threshold=0))


def read(answered: Answered | Unanswered) -> RoundReport:
    assert isinstance(answered, Answered), answered
    verdict = verify_receipt(answered.receipt)
    assert verdict.round is not None
    return create_report(verdict.round)


def assert_no_faults(world: World) -> None:
    for name in ("evidence_found", "peer_penalised", "node_halted", "round_halted"):
        assert world.get_events(name) == []


# -- write before word -----------------------------------------------------------------------------


def test_nothing_signed_leaves_before_it_is_on_disk(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_world(tmp_path) as world:
            store = TamperedStore()
            await world.start_rest(besides=(2,))
            await world.start(2, store)
            store.gate = trio.Event()
            done: list[Answered | Unanswered] = []

            async def ask() -> None:
                done.append(await world.ask())

            world.nursery.start_soon(ask)
            await trio.sleep(THINKING_S * 2)
            assert world.get_events("round_opened", 2)
            assert [decode_message(data) for data in world.sent[2] if is_signed_or_relayed(data)] == []
            store.gate.set()
            await trio.testing.wait_all_tasks_blocked()
            assert world.get_statements(2) != []
            while not done:
                await trio.sleep(0.1)
            read(done[0])
            assert_no_faults(world)

    run_virtual(main)


def is_signed_or_relayed(data: bytes) -> bool:
    """Say whether a message depends on a write: all but progress notes and what others signed."""
    return isinstance(decode_message(data), AskMessage | StatementMessage | RevealMessage | ProposalMessage)


def test_writes_that_wait_become_one_transaction(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_world(tmp_path) as world:
            store = TamperedStore()
            await world.start_rest(besides=(0,))
            await world.start(0, store)
            read(await world.ask())
            assert store.largest > 1
            assert store.writes < WRITES_MAX

    run_virtual(main)


@pytest.mark.parametrize("fails_at", [1, 2, 3, 5, 8])
def test_a_disk_that_fails_halts_its_node_and_no_other(tmp_path: Path, fails_at: int) -> None:
    async def main() -> None:
        async with open_world(tmp_path) as world:
            await world.start_rest(besides=(1,))
            await world.start(1, TamperedStore(fails_at=fails_at))
            report = read(await world.ask())
            (halted,) = world.get_events("node_halted")
            assert halted.fields == {"reason": "no space left", "remedy": "free space"}
            assert report.status in (Status.PARTIAL, Status.FULL)
            assert {gone.seat for gone in report.missing} <= {get_seat(world, 1)}
            said = len(world.sent[1])
            await world.ask(counter=1)
            assert world.sent[1][said:] == []
            assert world.get_events("peer_penalised") == []

    run_virtual(main)


class OlderStore(MemoryStore):
    """A store whose database was put back from a copy."""

    @property
    def rollback(self) -> Rollback:
        return Rollback(lost=2, abandoned=1, writes=7)


def test_a_database_that_was_put_back_is_told_of(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_world(tmp_path) as world:
            await world.start_rest(besides=(1,))
            assert world.get_events("database_rolled_back") == []
            await world.start(1, OlderStore())
            (told,) = world.get_events("database_rolled_back")
            assert told.peer == world.keys.peers[1].key
            assert (told.fields["lost"], told.fields["abandoned"]) == (2, 1)
            assert "let those rounds end" in str(told.fields["remedy"])

    run_virtual(main)


def get_seat(world: World, place: int) -> int:
    seat = draw_committee(world.keys.network, make_question(world.keys)).get_seat(world.keys.peers[place].key)
    assert seat is not None
    return seat


def test_a_disk_that_cannot_be_read_at_the_start_is_an_error(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_world(tmp_path) as world:
            store = TamperedStore()
            store.loads_fail = True
            with pytest.raises(StoreError, match="cannot read"):
                await world.start(0, store)

    run_virtual(main)


# -- timers ----------------------------------------------------------------------------------------


def test_a_node_alone_goes_by_its_own_clock(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_world(tmp_path) as world:
            await world.start(0, MemoryStore())
            started = round(trio.current_time() * 1_000)
            assert isinstance(await world.ask(), Unanswered)
            reached = [
                (event.fields["phase"], event.t_ms - started) for event in world.get_events("phase_reached")
            ]
            answer_ms = make_question(world.keys).answer_ms
            assert [phase for phase, _ in reached] == ["committing", "revealing"]
            assert reached[0][1] == 0
            # Alone it never holds q lists, so the reveal deadline never starts.
            assert answer_ms <= reached[1][1] <= answer_ms + 5

    run_virtual(main)


def test_a_round_takes_its_thinking_and_no_more(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_world(tmp_path) as world:
            await world.start_rest()
            answered = await world.ask()
            report = read(answered)
            assert report.status is Status.FULL
            assert isinstance(answered, Answered)
            assert THINKING_S <= answered.elapsed_s <= 2 * THINKING_S + 0.5

    run_virtual(main)


# -- calls -----------------------------------------------------------------------------------------


def test_a_call_that_nobody_waits_for_any_more_is_cancelled(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_world(tmp_path) as world:
            model = Thinking(seconds=1_000.0)
            await world.start_rest(besides=(3,))
            await world.start(3, MemoryStore(), model)
            report = read(await world.ask())
            await trio.testing.wait_all_tasks_blocked()
            assert {gone.seat for gone in report.missing} == {get_seat(world, 3)}
            assert model.cancelled >= 1
            assert_no_faults(world)

    run_virtual(main)


def test_a_model_that_fails_costs_its_seat_the_answer_only(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_world(tmp_path) as world:
            await world.start_rest(besides=(3,))
            await world.start(3, MemoryStore(), Broken())
            report = read(await world.ask())
            assert (get_seat(world, 3), 0) in {(gone.seat, gone.step) for gone in report.missing}
            assert {event.fields["reason"] for event in world.get_events("call_failed")} == {"out of memory"}
            assert_no_faults(world)

    run_virtual(main)


# -- restarts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_kept", [False, True], ids=["before-the-disk", "after-the-disk"])
def test_a_crash_at_any_write_costs_no_second_signature_and_no_round(tmp_path: Path, is_kept: bool) -> None:
    """The node dies at its k-th write, for every k of a round, and comes back a moment later."""
    crashed = 0
    for crashes_at in range(1, WRITES_MAX):
        directory = tmp_path / str(crashes_at)
        directory.mkdir()
        store = run_crashing(directory, crashes_at=crashes_at, is_kept=is_kept)
        if store.writes < crashes_at:
            break
        crashed += 1
    else:
        pytest.fail("a round makes more writes than were tried")
    assert crashed >= 8


def run_crashing(directory: Path, *, crashes_at: int, is_kept: bool) -> TamperedStore:
    kept: list[TamperedStore] = []

    async def main() -> None:
        async with open_world(directory) as world:
            store = TamperedStore(crashes_at=crashes_at, is_kept=is_kept)
            kept.append(store)
            await world.start_rest(besides=(2,))
            await world.start(2, store)

            async def come_back() -> None:
                while store.writes < crashes_at:
                    await trio.sleep(0.01)
                await world.start(2, store)

            world.nursery.start_soon(come_back)
            report = read(await world.ask())
            assert {gone.seat for gone in report.missing} <= {get_seat(world, 2)}
            world.assert_signed_once(2)
            assert_no_faults(world)

    run_virtual(main)
    return kept[0]


def test_a_receipt_is_served_after_every_node_came_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_world(tmp_path) as world:
            stores = [TamperedStore() for _ in world.keys.peers]
            scopes = [await world.start(place, store) for place, store in enumerate(stores)]
            first = read(await world.ask())
            await trio.sleep(5.0)  # the slowest has its receipt too
            for scope in scopes:
                scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            for place, store in enumerate(stores):
                await world.start(place, store)
            again = read(await world.ask())
            assert again.result_digest == first.result_digest
            assert_no_faults(world)
            # One whose disk cannot be read any more says so, and is there for the next question.
            stores[0].loads_fail = True
            read(await world.ask())
            assert world.get_events("receipt_unreadable")
            report = read(await world.ask(counter=1))
            assert report.status is Status.FULL

    run_virtual(main)


@pytest.mark.parametrize("phase", ["committing", "revealing", "voting"])
def test_a_node_killed_in_mid_round_resumes_from_its_database(tmp_path: Path, phase: str) -> None:
    async def main() -> None:
        async with open_asyncio_loop(), AsyncExitStack() as stack, open_world(tmp_path) as world:
            await world.start_rest(besides=(2,))
            store = await open_store(tmp_path / "peer.sqlite3")
            stack.push_async_callback(store.aclose)
            scope = await world.start(2, store)
            subscription = world.log.subscribe()

            async def kill_and_return() -> None:
                async for event in subscription:
                    mine = event.peer == world.keys.peers[2].key
                    if mine and event.event == "phase_reached" and event.fields["phase"] == phase:
                        break
                scope.cancel()
                await store.aclose()
                reopened = await open_store(tmp_path / "peer.sqlite3")
                stack.push_async_callback(reopened.aclose)
                await world.start(2, reopened)

            world.nursery.start_soon(kill_and_return)
            with trio.fail_after(DEADLINE_S):
                report = read(await world.ask())
            assert {gone.seat for gone in report.missing} <= {get_seat(world, 2)}
            assert world.get_events("node_started", 2)
            world.assert_signed_once(2)
            assert_no_faults(world)

    trio.run(main)
