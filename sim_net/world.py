"""A world in virtual time: an event heap drives the very nodes the network runs.

One seed, split by name, decides every delay, loss and model answer; no thread, no wall clock, no Trio.
Nodes differ from production ones in their edges only: links, disk, clock and models live here.
"""

import hashlib
import heapq
import traceback
from collections.abc import Callable, Sequence

from consensus.decision import DecisionEngine
from consensus.desk import Timing
from consensus.genesis import Member, create_network
from consensus.identity import KeyPair, PeerKey, Verifier
from consensus.messages import RoundClosed
from consensus.question import QUESTION_VERSION, Question, Role, Turn
from models.contract import Model
from models.errors import ModelError
from models.judges.judging import run_judging, start_judging
from models.judges.strategy import LIKELIHOOD, JudgeStrategy
from ranking.canonical import default_calls_per_peer
from sim_net.asker import SimAsker
from sim_net.disk import DiskFullError, SignedTwiceError
from sim_net.distributions import parse_distribution
from sim_net.manifest import ModelSettings, NetworkSettings
from sim_net.network import Network
from sim_net.node import MakeInput, SimNode
from sim_net.seeds import Seeds
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
    Input,
    PeerLinked,
    Persisted,
    PersistFailed,
    ReceiptLoaded,
    Received,
    Started,
    TimerFired,
)
from swarm.core.node import NodeConfig, NodeState, create_node, step
from swarm.core.records import Record

EVENTS_MAX = 50_000_000  # a world that has not come to rest by then never will
ASKER = -1  # the asker's place among nodes, for links
WRITE_MS = 1


class Observer:
    """Looks at a world and changes nothing; checkers and recorders are observers."""

    def on_send(self, node: int, send: Send) -> None:
        """A node sends, before anybody bends it."""

    def on_write(self, node: int, records: Sequence[Record]) -> None:
        """A node's records are on its disk."""

    def on_emit(self, node: int, emit: Emit) -> None:
        """A node appends to its event log."""

    def on_receive(self, node: int, sender: PeerKey, data: bytes) -> None:
        """A message is about to be handled by a node."""

    def on_failure(self, node: int, reason: str) -> None:
        """A node raised what it should have handled, and is down."""

    def on_signed_twice(self, node: int, reason: str) -> None:
        """A node wrote a second statement for a slot; its disk refused, and it is down."""

    def on_penalty(self, node: int, penalty: Penalise, *, is_excused: bool) -> None:
        """A node holds something against a link; excused where the network changed the bytes."""


class World:
    """A network of nodes under faults, from one seed.

    Args:
        seed: Decides everything.
        models: One a peer.
        network: What happens to messages.
        latency: Distribution of the time a model call takes, milliseconds.
        timing: The nodes' patience.
        network_name: Another name makes another network of the same keys.
        judge: How every node judges.
    """

    def __init__(
        self,
        *,
        seed: int,
        models: Sequence[Model],
        network: NetworkSettings | None = None,
        latency: str = ModelSettings().latency,
        timing: Timing | None = None,
        network_name: bytes = b"simulated",
        judge: JudgeStrategy = LIKELIHOOD,
    ) -> None:
        self.seeds = Seeds(seed)
        self.now_ms = 0
        self.links = Network(network or NetworkSettings(), self.seeds.split("links"))
        self.timing = timing or Timing()
        self.judge = judge
        self.verifier = Verifier()
        self.engine = DecisionEngine()
        self.observers: list[Observer] = []
        self.tampers: list[Callable[[int, Send], list[Send]]] = []
        self.byzantine: dict[int, str] = {}  # by node: what it does
        self.events = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._trace = hashlib.sha256(b"peerage/1/trace")
        self._calls = self.seeds.split("calls")
        self._latency = parse_distribution(latency)
        signers = [KeyPair(self.seeds.derive(f"peer-{index}")) for index in range(len(models))]
        members = tuple(Member(signer.key, b"peer-%d" % i) for i, signer in enumerate(signers))
        self.network = create_network(name=network_name, beacon=self.seeds.derive("beacon"), members=members)
        self.nodes: list[SimNode] = []
        self._by_key: dict[PeerKey, list[int]] = {}
        # Which nodes of a key hear a sender; twins divide the others among them.
        self.routes: dict[PeerKey, Callable[[int], Sequence[int]]] = {}
        for peer, (signer, model) in enumerate(zip(signers, models, strict=True)):
            self._add_node(peer, signer, model)
        self.asker = SimAsker(self, KeyPair(self.seeds.derive("asker")), self.network)

    # -- what a scenario does ----------------------------------------------------------------------

    def ask(self, text: str, *, counter: int = 0, **limits: int) -> bytes:
        """Send a question to every node that is up; return the round id."""
        return self.asker.ask(self.make_question(text, counter=counter, **limits)).round_id

    def make_question(self, text: str, *, counter: int = 0, **limits: int) -> Question:
        """Return a question to this network; `limits` override single fields."""
        seats = limits.get("seats", len(self.network.keys))
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

    def run(self, *, until_ms: int, is_done: Callable[[], bool] = lambda: False) -> None:
        """Let time pass until nothing is left to happen, `until_ms` is reached, or `is_done` says so."""
        while self._heap and self._heap[0][0] <= until_ms and not is_done():
            self.events += 1
            if self.events > EVENTS_MAX:
                raise AssertionError(f"seed {self.seeds.seed}: not at rest after {EVENTS_MAX} events")
            self.now_ms, _, event = heapq.heappop(self._heap)
            event()
        if not is_done():
            self.now_ms = max(self.now_ms, until_ms)

    @property
    def trace_digest(self) -> str:
        """SHA-256 over every message sent so far, with its time, sender and receiver; hex."""
        return self._trace.hexdigest()

    @property
    def closed(self) -> dict[PeerKey, RoundClosed]:
        """What each node told the asker of the latest round."""
        latest = self.asker.latest
        return latest.closed if latest is not None else {}

    def get_receipt(self) -> bytes | None:
        """Return the receipt of the latest round that the asker holds and has verified."""
        latest = self.asker.latest
        return latest.receipt if latest is not None else None

    def get_nodes(self, key: PeerKey) -> list[int]:
        """Return the nodes that hold a key; more than one for twins, none for strangers."""
        return self._by_key.get(key, [])

    def add_twin(self, index: int) -> int:
        """Start another node under the key of a node, with a disk of its own; return its index."""
        node = self.nodes[index]
        return self._add_node(node.peer, node.signer, node.model)

    # -- lives -------------------------------------------------------------------------------------

    def crash(self, index: int) -> None:
        """Stop a node: what is not on its disk is lost."""
        node = self.nodes[index]
        node.is_up, node.is_paused, node.is_tearing = False, False, False
        node.life += 1
        node.backlog.clear()
        node.disk.crash()

    def restart(self, index: int) -> None:
        """Bring a node up again from its disk, and its links with it."""
        node = self.nodes[index]
        if node.is_up:
            self.crash(index)
        node.is_up, node.life = True, node.life + 1
        node.state = self._create_state(node.signer, node.model)
        records = node.disk.load_open(self.network.network_id)
        self._happen(index, lambda now: Started(now, records))
        for other in range(len(self.nodes)):
            self.link(index, other)
            self.link(other, index)

    def pause(self, index: int) -> None:
        """Freeze a node; what happens to it waits."""
        self.nodes[index].is_paused = self.nodes[index].is_up

    def resume(self, index: int) -> None:
        """Let a paused node go on with all that has waited."""
        node = self.nodes[index]
        node.is_paused = False
        waiting, node.backlog = node.backlog, []
        for happen in waiting:
            happen()

    def heal(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Join links that were cut; whoever can speak again is told."""
        for sender, target in self.links.join(pairs):
            self.link(sender, target)
            self.link(target, sender)

    def link(self, index: int, other: int) -> None:
        """Tell a node that its link to another came up."""
        node, peer = self.nodes[index], self.nodes[other]
        is_possible = node.is_up and peer.is_up and node.signer.key != peer.signer.key
        if is_possible and not self.links.is_cut(index, other):
            self._later(index, self.links.draw_delay_ms(), lambda now: PeerLinked(now, peer.signer.key))

    # -- messages ----------------------------------------------------------------------------------

    def deliver(self, index: int, sender: PeerKey, data: bytes) -> None:
        """Put a message on its way to a node, past every fault of the network."""
        self._arrive(index, sender, data, self.links.draw_delay_ms())

    def transmit(self, index: int, send: Send) -> None:
        """Carry a node's message, as the network pleases."""
        node = self.nodes[index]
        node.sent_messages += 1
        node.sent_bytes += len(send.data)
        self._trace.update(b"%d %d %d " % (self.now_ms, index, len(send.data)) + send.to + send.data)
        if send.to == self.asker.key:
            for arrival in self.links.carry(index, ASKER, send.data):
                data = arrival.data
                self.at(arrival.delay_ms, lambda data=data: self.asker.on_message(index, data))  # type: ignore[misc]
            return
        route = self.routes.get(send.to)
        for target in self.get_nodes(send.to) if route is None else route(index):
            self._carry(index, target, node.signer.key, send.data)

    def carry_from_asker(self, index: int, data: bytes) -> None:
        """Carry a message of the asker's to a node."""
        self._carry(ASKER, index, self.asker.key, data)

    def _carry(self, sender: int, target: int, key: PeerKey, data: bytes) -> None:
        for arrival in self.links.carry(sender, target, data):
            self._arrive(target, key, arrival.data, arrival.delay_ms, is_excused=arrival.is_corrupted)

    def _arrive(
        self, index: int, sender: PeerKey, data: bytes, delay_ms: int, *, is_excused: bool = False
    ) -> None:
        # Whoever is up when it arrives takes it: a message has no life of its own.
        self.at(
            delay_ms,
            lambda: self._happen(index, lambda now: Received(now, sender, data), is_excused=is_excused),
        )

    # -- how it works ------------------------------------------------------------------------------

    def _add_node(self, peer: int, signer: KeyPair, model: Model) -> int:
        self.nodes.append(SimNode(peer, signer, model, self._create_state(signer, model)))
        self._by_key.setdefault(signer.key, []).append(len(self.nodes) - 1)
        return len(self.nodes) - 1

    def _create_state(self, signer: KeyPair, model: Model) -> NodeState:
        return create_node(
            NodeConfig(
                network=self.network,
                signer=signer,
                verifier=self.verifier,
                engine=self.engine,
                timing=self.timing,
                info=model.info(),
                judge=self.judge,
            )
        )

    def _happen(self, index: int, make: MakeInput, *, is_excused: bool = False) -> None:
        node = self.nodes[index]
        if not node.is_up:
            return
        if node.is_paused:
            node.backlog.append(lambda: self._happen(index, make, is_excused=is_excused))
            return
        input_ = make(node.clock.read_ms(self.now_ms))
        if isinstance(input_, Received):
            for observer in self.observers:
                observer.on_receive(index, input_.sender, input_.data)
        life = node.life
        try:
            node.state, actions = step(node.state, input_)
        except Exception as exc:  # noqa: BLE001 - whatever a node raises is a finding, not the end of the world
            self.crash(index)
            for observer in self.observers:
                observer.on_failure(index, _describe(exc))
            return
        for action in actions:
            if node.life != life:
                return  # it died of what it just did
            self._perform(index, action, is_excused=is_excused)

    def _later(self, index: int, delay_ms: int, make: MakeInput) -> None:
        life = self.nodes[index].life

        def happen() -> None:
            if self.nodes[index].life == life:
                self._happen(index, make)

        self.at(delay_ms, happen)

    def _perform(self, index: int, action: Action, *, is_excused: bool) -> None:
        node = self.nodes[index]
        match action:
            case Persist(write_id, records):
                node.disk_free_ms = max(node.disk_free_ms, self.now_ms) + round(WRITE_MS * node.slowness)
                delay = node.disk_free_ms - self.now_ms
                life = node.life
                self.at(delay, lambda: self._write(index, life, write_id, records))
            case Send():
                for observer in self.observers:
                    observer.on_send(index, action)
                for send in self._bend(index, action):
                    self.transmit(index, send)
            case SetTimer(round_id, timer, delay_ms):
                delay = node.clock.compute_delay_ms(delay_ms)
                self._later(index, delay, lambda now: TimerFired(now, round_id, timer))
            case Generate(call_id, request):
                self._call(index, call_id, lambda: node.model.generate([request])[0])
            case ScoreTexts(call_id, requests):
                self._call(index, call_id, lambda: tuple(node.model.score(requests)))
            case JudgePairs(call_id, strategy, task):
                self._call(index, call_id, lambda: run_judging(node.model, start_judging(strategy, task)))
            case LoadReceipt(request_id, round_id):
                receipt = node.disk.get_receipt(round_id)
                self._later(index, WRITE_MS, lambda now: ReceiptLoaded(now, request_id, receipt))
            case Penalise():
                for observer in self.observers:
                    observer.on_penalty(index, action, is_excused=is_excused)
            case Emit():
                for observer in self.observers:
                    observer.on_emit(index, action)
            case CancelCall():
                pass  # a simulated call costs nothing; its late result finds nobody waiting

    def _write(self, index: int, life: int, write_id: int, records: Sequence[Record]) -> None:
        node = self.nodes[index]
        if node.life != life:
            return
        if node.is_tearing:
            # The power goes in the middle: a transaction is whole or absent, and nobody is told which.
            if self._calls.random() < 0.5 and not node.disk.is_full:
                node.disk.write(records)
            self.crash(index)
            return
        try:
            node.disk.write(records)
        except SignedTwiceError as exc:
            self.crash(index)
            for observer in self.observers:
                observer.on_signed_twice(index, str(exc))
            return
        except DiskFullError as exc:
            reason = str(exc)
            self._happen(index, lambda now: PersistFailed(now, write_id, reason))
            return
        for observer in self.observers:
            observer.on_write(index, records)
        self._happen(index, lambda now: Persisted(now, write_id))

    def _call(self, index: int, call_id: int, run: Callable[[], object]) -> None:
        delay = round(self._latency.draw_ms(self._calls) * self.nodes[index].slowness)

        def finish(now: int) -> Input:
            try:
                result = run()
            except ModelError as exc:
                return CallFailed(now, call_id, exc.message)
            return CallFinished(now, call_id, result)  # type: ignore[arg-type]

        self._later(index, delay, finish)

    def _bend(self, index: int, send: Send) -> list[Send]:
        sends = [send]
        for tamper in self.tampers:
            sends = [out for one in sends for out in tamper(index, one)]
        return sends


def _describe(exc: Exception) -> str:
    """Return what was raised and where, in one line."""
    last = traceback.extract_tb(exc.__traceback__)[-1]
    return f"{type(exc).__name__}: {exc} ({last.name}, line {last.lineno})"
