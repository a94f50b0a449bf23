"""A world in virtual time: an event heap drives the very nodes the network runs.

One seed, split by name, decides every delay, loss and model answer; no thread, no wall clock, no Trio.
Nodes differ from production ones in their edges only: links, disk and models live here.
"""

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from consensus.decision import DecisionEngine
from consensus.desk import Timing
from consensus.encoding import encode
from consensus.genesis import Member, create_network
from consensus.hashing import tagged_hash
from consensus.identity import KeyPair, PeerKey, Verifier
from consensus.messages import AskMessage, ReceiptChunk, ReceiptRequest, RoundClosed, decode_message
from consensus.question import QUESTION_VERSION, Question, Role, Turn, sign_question
from models.contract import Model
from models.errors import ModelError
from ranking.canonical import default_calls_per_peer
from swarm.core.actions import (
    Action,
    CancelCall,
    Emit,
    Generate,
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
    Input,
    Persisted,
    ReceiptLoaded,
    Received,
    Started,
    TimerFired,
)
from swarm.core.node import ASKER_PREFIX, NodeConfig, NodeState, create_node, step
from swarm.core.records import QUESTION_KEY, Record, Table

EVENTS_MAX = 2_000_000  # a world that has not come to rest by then never will


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFaults:
    """How the network treats each message. Probabilities lie in 0..1, delays are in milliseconds."""

    delay_ms_min: int = 1
    delay_ms_max: int = 20
    loss: float = 0.0
    duplication: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTimes:
    """How long a model call takes, drawn uniformly; in milliseconds."""

    call_ms_min: int = 50
    call_ms_max: int = 400


@dataclass(slots=True)
class Disk:
    """What survives a crash: records in the order they were first written."""

    rows: dict[tuple[Table, bytes, bytes], Record] = field(default_factory=dict)

    def write(self, records: Sequence[Record]) -> None:
        """Write records; a second, different statement for one slot is a bug of ours and stops the world."""
        for record in records:
            key = (record.table, record.round_id, record.key)
            known = self.rows.get(key)
            if record.table is not Table.FACT and known is not None:
                assert known.value == record.value, f"signed twice: {record.key.hex()}"
            self.rows[key] = record

    def load_open(self, network_id: bytes) -> tuple[Record, ...]:
        """Return what a node that comes up is given."""
        done = {record.round_id for record in self.rows.values() if record.table is Table.RECEIPT}
        opened = {record.round_id for record in self.rows.values() if record.key == QUESTION_KEY}
        return tuple(
            record
            for record in self.rows.values()
            if (record.round_id in opened and record.round_id not in done)
            or (record.round_id == network_id and record.key.startswith(ASKER_PREFIX))
        )

    def get_receipt(self, round_id: bytes) -> bytes | None:
        """Return a round's receipt."""
        row = self.rows.get((Table.RECEIPT, round_id, b""))
        return row.value if row is not None else None


@dataclass(slots=True)
class SimNode:
    """A node with its disk; `life` counts its lives, so that what an earlier one awaited is dropped."""

    signer: KeyPair
    model: Model
    disk: Disk
    state: NodeState
    life: int = 0
    is_up: bool = True


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """What a node appended to its event log."""

    at_ms: int
    node: int
    emit: Emit


class World:
    """A network of nodes under faults, from one seed."""

    def __init__(
        self,
        *,
        seed: int,
        models: Sequence[Model],
        faults: LinkFaults | None = None,
        times: ModelTimes | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.seed = seed
        self.now_ms = 0
        self.faults = faults or LinkFaults()
        self.times = times or ModelTimes()
        self.timing = timing or Timing()
        self.verifier = Verifier()
        self.engine = DecisionEngine()
        self.log: list[LoggedEvent] = []
        self.penalties: list[tuple[int, Penalise]] = []
        self.closed: dict[PeerKey, RoundClosed] = {}
        self.chunks: dict[PeerKey, dict[int, ReceiptChunk]] = {}
        self.trace = tagged_hash("trace", seed)
        self.tampers: list[Callable[[int, Send], list[Send]]] = []
        self.cut: set[tuple[int, int]] = set()
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._links = self.split("links")
        self._calls = self.split("calls")
        signers = [KeyPair(self.derive(f"peer-{index}")) for index in range(len(models))]
        self.asker = KeyPair(self.derive("asker"))
        self.network = create_network(
            name=b"simulated",
            beacon=self.derive("beacon"),
            members=tuple(Member(signer.key, b"peer-%d" % i) for i, signer in enumerate(signers)),
        )
        self.nodes = [
            SimNode(signer, model, Disk(), create_node(self._configure(signer, model)))
            for signer, model in zip(signers, models, strict=True)
        ]
        self._index = {node.signer.key: i for i, node in enumerate(self.nodes)}

    # -- the seed, split by name -------------------------------------------------------------------

    def derive(self, name: str) -> bytes:
        """Return 32 bytes that depend on the seed and a name only."""
        return tagged_hash("world", self.seed, name.encode())

    def split(self, name: str) -> random.Random:
        """Return a generator of its own for one purpose."""
        return random.Random(self.derive(name))  # noqa: S311 - a simulation must be repeatable

    # -- what a scenario does ----------------------------------------------------------------------

    def ask(self, text: str, *, counter: int = 0, **limits: int) -> bytes:
        """Send a question to every node that is up; return the round id."""
        question = self.make_question(text, counter=counter, **limits)
        signed = sign_question(question, self.asker, self.network)
        data = encode(AskMessage(signed))
        for index, node in enumerate(self.nodes):
            if node.is_up:
                self.deliver(index, self.asker.key, data)
        return tagged_hash("question", signed.payload)

    def make_question(self, text: str, *, counter: int = 0, **limits: int) -> Question:
        """Return a question to this network; `limits` override single fields."""
        seats = len(self.nodes)
        fields = {
            "temperature_milli": 700,
            "tokens_max": 64,
            "seats": seats,
            "calls_per_peer": default_calls_per_peer(seats),
            "steps_max": 3,
            "answer_ms": 20_000,
            "ballot_ms": 10_000,
            "reveal_ms": 3_000,
            "attestation": 0,
        } | limits
        return Question(
            version=QUESTION_VERSION,
            network=self.network.network_id,
            asker=self.asker.key,
            counter=counter,
            header=self.network.network_id,
            turns=(Turn(int(Role.USER), text.encode()),),
            **fields,
        )

    def at(self, delay_ms: int, event: Callable[[], None]) -> None:
        """Let `event` happen after a delay."""
        self._sequence += 1
        heapq.heappush(self._heap, (self.now_ms + delay_ms, self._sequence, event))

    def crash(self, index: int) -> None:
        """Stop a node: what is not on its disk is lost."""
        self.nodes[index].is_up = False
        self.nodes[index].life += 1

    def restart(self, index: int) -> None:
        """Bring a node up again from its disk."""
        node = self.nodes[index]
        node.is_up, node.life = True, node.life + 1
        node.state = create_node(self._configure(node.signer, node.model))
        records = node.disk.load_open(self.network.network_id)
        self._step(index, Started(self.now_ms, records))

    def run(self, *, until_ms: int, is_done: Callable[[], bool] = lambda: False) -> None:
        """Let time pass until nothing is left to happen, `until_ms` is reached, or `is_done` says so."""
        for _ in range(EVENTS_MAX):
            if not self._heap or self._heap[0][0] > until_ms or is_done():
                return
            self.now_ms, _, event = heapq.heappop(self._heap)
            event()
        raise AssertionError(f"seed {self.seed}: not at rest after {EVENTS_MAX} events")

    def deliver(self, index: int, sender: PeerKey, data: bytes) -> None:
        """Put a message on its way to a node."""
        self.at(self._draw_delay(), lambda: self._step(index, Received(self.now_ms, sender, data)))

    def get_receipt(self) -> bytes | None:
        """Return the receipt that the asker was sent, None while incomplete."""
        for chunks in self.chunks.values():
            count = next(iter(chunks.values())).count
            if len(chunks) == count:
                return b"".join(chunks[i].data for i in range(count))
        return None

    # -- how it works ------------------------------------------------------------------------------

    def _configure(self, signer: KeyPair, model: Model) -> NodeConfig:
        return NodeConfig(
            network=self.network,
            signer=signer,
            verifier=self.verifier,
            engine=self.engine,
            timing=self.timing,
            info=model.info(),
        )

    def _draw_delay(self) -> int:
        return self._links.randint(self.faults.delay_ms_min, self.faults.delay_ms_max)

    def _step(self, index: int, input_: Input) -> None:
        node = self.nodes[index]
        if not node.is_up:
            return
        node.state, actions = step(node.state, input_)
        for action in actions:
            self._perform(index, node.life, action)

    def _later(self, index: int, life: int, delay_ms: int, make: Callable[[], Input]) -> None:
        def happen() -> None:
            if self.nodes[index].life == life:
                self._step(index, make())

        self.at(delay_ms, happen)

    def _perform(self, index: int, life: int, action: Action) -> None:
        node = self.nodes[index]
        match action:
            case Persist(write_id, records):
                self._later(index, life, 1, lambda: self._write(index, write_id, records))
            case Send():
                for send in self._tampered(index, action):
                    self._transmit(index, send)
            case SetTimer(round_id, timer, delay_ms):
                self._later(index, life, delay_ms, lambda: TimerFired(self.now_ms, round_id, timer))
            case Generate(call_id, request):
                self._call(index, life, call_id, lambda: node.model.generate([request])[0])
            case ScoreTexts(call_id, requests):
                self._call(index, life, call_id, lambda: tuple(node.model.score(requests)))
            case LoadReceipt(request_id, round_id):
                receipt = node.disk.get_receipt(round_id)
                self._later(index, life, 1, lambda: ReceiptLoaded(self.now_ms, request_id, receipt))
            case Penalise():
                self.penalties.append((index, action))
            case Emit():
                self.log.append(LoggedEvent(self.now_ms, index, action))
            case CancelCall():
                pass  # a simulated call costs nothing; its late result finds nobody waiting

    def _write(self, index: int, write_id: int, records: Sequence[Record]) -> Persisted:
        self.nodes[index].disk.write(records)
        return Persisted(self.now_ms, write_id)

    def _call(self, index: int, life: int, call_id: int, run: Callable[[], object]) -> None:
        delay = self._calls.randint(self.times.call_ms_min, self.times.call_ms_max)

        def finish() -> Input:
            try:
                result = run()
            except ModelError as exc:
                return CallFailed(self.now_ms, call_id, exc.message)
            return CallFinished(self.now_ms, call_id, result)  # type: ignore[arg-type]

        self._later(index, life, delay, finish)

    def _tampered(self, index: int, send: Send) -> list[Send]:
        sends = [send]
        for tamper in self.tampers:
            sends = [out for one in sends for out in tamper(index, one)]
        return sends

    def _transmit(self, index: int, send: Send) -> None:
        self.trace = tagged_hash("trace", self.trace, self.now_ms, index, send.to, send.data)
        key = self.nodes[index].signer.key
        if send.to == self.asker.key:
            self._on_asker(index, send)
            return
        target = self._index.get(send.to)
        if target is None or (index, target) in self.cut or self._links.random() < self.faults.loss:
            return
        self.deliver(target, key, send.data)
        if self._links.random() < self.faults.duplication:
            self.deliver(target, key, send.data)

    def _on_asker(self, index: int, send: Send) -> None:
        key = self.nodes[index].signer.key
        match decode_message(send.data):
            case RoundClosed() as closed:
                self.closed[key] = closed
                self.deliver(index, self.asker.key, encode(ReceiptRequest(closed.round, 0)))
            case ReceiptChunk() as chunk:
                self.chunks.setdefault(key, {})[chunk.index] = chunk
                if chunk.index + 1 < chunk.count:
                    self.deliver(index, self.asker.key, encode(ReceiptRequest(chunk.round, chunk.index + 1)))
            case _:
                pass  # progress and refusals are for people
