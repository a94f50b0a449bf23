"""A swarm in this process over real sockets, some of whose members the test plays itself."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from consensus.committee import draw_committee
from consensus.decision import DecisionEngine
from consensus.desk import Timing
from consensus.encoding import Wire, encode
from consensus.identity import KeyPair, PeerKey, Verifier
from consensus.messages import AskMessage, Message, SignedQuestion, decode_message
from consensus.question import sign_question
from models.contract import Choice, ChoiceRequest, GenerateRequest, Generation, Score, ScoreRequest
from models.scripted import ScriptedModel
from swarm.core.node import NodeConfig
from swarm.edge.client import AskerClient, Progress
from swarm.edge.event_log import EventLog
from swarm.edge.events import Event, read_events
from swarm.edge.limits import EdgeLimits
from swarm.edge.link import Inbound
from swarm.edge.local import LOOPBACK, LocalKeys, create_local_keys, create_mesh, wait_linked
from swarm.edge.memory_store import MemoryStore
from swarm.edge.mesh import Mesh
from swarm.edge.model_calls import ModelCalls
from swarm.edge.runtime import Runtime
from swarm.edge.websocket import open_listener
from tests.e2e.processes import make_question

SEED = b"5" * 32
STRANGER = KeyPair(b"s" * 32)
THINKING_S = 0.05
PATIENT = Timing(grace_ms_min=1_000)  # nobody is missing: what counts is that nobody is left out
HASTY = Timing(grace_ms_min=40, forward_ms=10, proposer_wait_ms=60)  # somebody is, and needs no waiting for


class SlowScripted:
    """The scripted model, taking its time on the Trio clock, so that there is a round to disturb."""

    def __init__(self, *, accuracy: float = 0.3, seconds: float = THINKING_S) -> None:
        self._model = ScriptedModel(accuracy=accuracy)
        self._seconds = seconds

    async def generate(self, request: GenerateRequest) -> Generation:
        await trio.sleep(self._seconds)
        (result,) = self._model.generate([request])
        return result

    async def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        await trio.sleep(self._seconds)
        return self._model.score(requests)

    async def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        await trio.sleep(self._seconds)
        return self._model.choose(requests)


@dataclass
class SocketRun:
    """Whose keys there are, where everybody listens, and what was seen."""

    keys: LocalKeys
    urls: dict[PeerKey, str]
    log_path: Path
    nursery: trio.Nursery
    limits: EdgeLimits
    fakes: dict[int, Mesh] = field(default_factory=dict)
    seen: list[Progress] = field(default_factory=list)

    def sign(
        self, *, counter: int = 0, text: bytes = b"What is 7 times 12?", header: bytes | None = None
    ) -> SignedQuestion:
        question = make_question(self.keys, counter=counter, text=text, header=header)
        return sign_question(question, self.keys.asker, self.keys.network)

    def get_seat(self, place: int) -> int:
        """Return the seat of the peer with that place among the keys."""
        committee = draw_committee(self.keys.network, make_question(self.keys))
        seat = committee.get_seat(self.keys.peers[place].key)
        assert seat is not None
        return seat

    async def open_client(self, signer: KeyPair) -> Mesh:
        """Link a client with this key to every peer."""
        mesh = create_mesh(signer, self.keys.network, self.urls, limits=self.limits)
        await self.nursery.start(mesh.run)
        await wait_linked(mesh, len(self.urls))
        return mesh

    async def open_asker(self) -> AskerClient:
        mesh = await self.open_client(self.keys.asker)
        return AskerClient(network=self.keys.network, mesh=mesh, on_progress=self.seen.append)

    def get_events(self, name: str) -> list[Event]:
        return [event for event in read_events(self.log_path) if event.event == name]

    def get_penalised(self) -> list[PeerKey]:
        """Return who was penalised, by whoever it was, once."""
        found = [PeerKey(event.peer) for event in self.get_events("peer_penalised") if event.peer is not None]
        return list(dict.fromkeys(found))


@asynccontextmanager
async def open_sockets(
    directory: Path,
    *,
    peers: int = 4,
    fakes: Sequence[int] = (),
    model: ModelCalls | None = None,
    limits: EdgeLimits | None = None,
) -> AsyncIterator[SocketRun]:
    """Run all peers but those in `fakes`, whose meshes the test gets instead."""
    keys, bounds = create_local_keys(peers=peers, seed=SEED), limits or EdgeLimits()
    verifier, engine = Verifier(), DecisionEngine()  # shared as in a local swarm
    path = directory / "events.jsonl"
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        log = stack.enter_context(EventLog(path, get_time_ms=lambda: 0))
        listeners = [await open_listener(LOOPBACK, 0, limits=bounds) for _ in keys.peers]
        urls = {pair.key: listener.url for pair, listener in zip(keys.peers, listeners, strict=True)}
        run = SocketRun(keys, urls, path, nursery, bounds)
        for place, (pair, listener) in enumerate(zip(keys.peers, listeners, strict=True)):
            mesh = create_mesh(pair, keys.network, urls, limits=bounds, listener=listener)
            if place in fakes:
                run.fakes[place] = mesh
                await nursery.start(mesh.run)
                continue
            config = NodeConfig(
                network=keys.network,
                signer=pair,
                verifier=verifier,
                engine=engine,
                timing=HASTY if fakes else PATIENT,
                info=ScriptedModel().info(),
            )
            runtime = Runtime(
                config=config, store=MemoryStore(), mesh=mesh, model=model or SlowScripted(), log=log
            )
            await nursery.start(runtime.run)
        yield run
        nursery.cancel_scope.cancel()


async def receive(mesh: Mesh, kind: type[Message]) -> tuple[PeerKey, Message]:
    """Wait for a message of one kind, whoever sends it."""
    while True:
        event = await mesh.inbox.receive()
        if isinstance(event, Inbound):
            message = decode_message(event.message)
            if isinstance(message, kind):
                return event.key, message


def send_all(mesh: Mesh, message: Wire | bytes) -> None:
    """Send a message to every linked peer."""
    data = message if isinstance(message, bytes) else encode(message)
    for key in mesh.linked():
        mesh.send(key, data)


async def wait_asked(mesh: Mesh) -> SignedQuestion:
    """Wait until a peer passes a question on."""
    _, message = await receive(mesh, AskMessage)
    assert isinstance(message, AskMessage)
    return message.question
