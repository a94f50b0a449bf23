"""A swarm of four over real sockets, one of whose peers is the victim: in this process, or in a traced one.

The other three note every statement of the victim that reaches them, and the asker every word of a finished
round: that is the test's other end, and it remembers across the victim's death.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from consensus.committee import draw_committee
from consensus.decision import DecisionEngine
from consensus.desk import Timing
from consensus.errors import PeerError
from consensus.evidence import decode_payload, get_slot
from consensus.identity import PeerKey, Verifier
from consensus.messages import (
    CommitsMessage,
    ProposalMessage,
    RevealMessage,
    RoundClosed,
    Signed,
    SignedQuestion,
    StatementMessage,
    decode_message,
)
from consensus.question import compute_round_id, sign_question
from models.scripted import ScriptedModel
from swarm.core.node import NodeConfig
from swarm.core.records import Record
from swarm.edge.event_log import EventLog
from swarm.edge.limits import EdgeLimits
from swarm.edge.link import Inbound, MeshEvent
from swarm.edge.local import LOOPBACK, LocalKeys, create_local_keys, create_mesh, wait_linked
from swarm.edge.memory_store import MemoryStore
from swarm.edge.mesh import Mesh
from swarm.edge.model_host import ModelHost
from swarm.edge.runtime import Runtime
from swarm.edge.store import Store
from swarm.edge.websocket import open_listener
from tests.e2e.processes import make_question

SEED = b"8" * 32
PEERS = 4
VICTIM = 3  # place among the keys
HASTY = Timing(grace_ms_min=40, forward_ms=10, proposer_wait_ms=60, resend_ms=250, resend_ms_max=500)
ROUND_S = 20.0


class RecordingStore(MemoryStore):
    """Keeps what it was told to write, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[Record, ...]] = []

    async def write(self, records: Sequence[Record]) -> None:
        await super().write(records)
        self.writes.append(tuple(records))


@dataclass
class Witness:
    """What the network saw of the victim, over all its lives.

    Attributes:
        statements: By round and slot, every different payload that was signed for it.
        closed: Rounds whose end the victim told the asker of.
        heard: How many statements of its own the victim sent.
    """

    victim: PeerKey
    statements: dict[tuple[bytes, bytes], list[bytes]] = field(default_factory=dict)
    closed: list[bytes] = field(default_factory=list)
    heard: int = 0

    def note(self, event: MeshEvent, seat: int) -> None:
        """Look at what came over a link, whoever sent it: others pass statements of the victim on."""
        if not isinstance(event, Inbound):
            return
        try:
            message = decode_message(event.message)
        except PeerError:
            return
        match message:
            case StatementMessage() | RevealMessage() | ProposalMessage():
                self._keep(message.round, message.signed, seat)
                self.heard += event.key == self.victim
            case CommitsMessage():
                for signed in message.commits:
                    self._keep(message.round, signed, seat)
            case RoundClosed() if event.key == self.victim:
                self.closed.append(message.round)
            case _:
                return

    def _keep(self, round_id: bytes, signed: Signed, seat: int) -> None:
        if signed.seat == seat:
            slot = get_slot(signed.kind, decode_payload(signed.kind, signed.payload))
            said = self.statements.setdefault((round_id, slot), [])
            if signed.payload not in said:
                said.append(signed.payload)

    def get_doubles(self) -> list[tuple[bytes, bytes]]:
        """Return the slots for which the victim signed two different statements."""
        return [place for place, said in self.statements.items() if len(said) > 1]


class _WatchedRuntime(Runtime):
    """A runtime whose every arrival the witness sees first."""

    witness: Witness
    seat: int

    def _on_mesh_event(self, event: MeshEvent) -> None:
        self.witness.note(event, self.seat)
        super()._on_mesh_event(event)


@dataclass
class CrashRun:
    """A swarm whose victim may still be missing."""

    keys: LocalKeys
    urls: dict[PeerKey, str]
    asker: Mesh
    witness: Witness

    def note(self, event: MeshEvent) -> None:
        """Look at what came to the asker."""
        self.witness.note(event, get_victim_seat(self.keys))

    @property
    def question(self) -> SignedQuestion:
        return sign_question(make_question(self.keys), self.keys.asker, self.keys.network)

    @property
    def round_id(self) -> bytes:
        return compute_round_id(self.question.payload)


def get_victim_seat(keys: LocalKeys) -> int:
    seat = draw_committee(keys.network, make_question(keys)).get_seat(keys.peers[VICTIM].key)
    assert seat is not None
    return seat


@asynccontextmanager
async def open_crash_swarm(
    directory: Path, *, victim_url: str = "", store: Store | None = None
) -> AsyncIterator[CrashRun]:
    """Run three peers, and the victim too where it is given a store; else it lives at `victim_url`."""
    keys, limits, host = create_local_keys(peers=PEERS, seed=SEED), EdgeLimits(), ModelHost(ScriptedModel())
    witness, seat = Witness(keys.peers[VICTIM].key), get_victim_seat(keys)
    verifier, engine = Verifier(), DecisionEngine()
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        log = stack.enter_context(EventLog(directory / "others.jsonl", get_time_ms=lambda: 0))
        await nursery.start(host.run)
        here = keys.peers if store is not None else keys.peers[:VICTIM]
        listeners = [await open_listener(LOOPBACK, 0, limits=limits) for _ in here]
        urls = {pair.key: listener.url for pair, listener in zip(here, listeners, strict=True)}
        if store is None:
            urls[witness.victim] = victim_url
        for pair, listener in zip(here, listeners, strict=True):
            is_victim = pair.key == witness.victim
            runtime = _WatchedRuntime(
                config=NodeConfig(
                    network=keys.network,
                    signer=pair,
                    verifier=verifier,
                    engine=engine,
                    timing=HASTY,
                    info=ScriptedModel().info(),
                ),
                store=store if is_victim and store is not None else MemoryStore(),
                mesh=create_mesh(pair, keys.network, urls, limits=limits, listener=listener),
                model=host,
                log=log,
            )
            runtime.witness, runtime.seat = witness, seat
            await nursery.start(runtime.run)
        asker = create_mesh(keys.asker, keys.network, urls, limits=limits)
        await nursery.start(asker.run)
        yield CrashRun(keys, urls, asker, witness)
        nursery.cancel_scope.cancel()


async def record_round(directory: Path) -> list[tuple[Record, ...]]:
    """Run a whole round in this process; returns what one peer wrote, write by write."""
    from swarm.edge.client import Answered, AskerClient

    store = RecordingStore()
    with trio.fail_after(ROUND_S):
        async with open_crash_swarm(directory, store=store) as run:
            await wait_linked(run.asker, PEERS)
            client = AskerClient(network=run.keys.network, mesh=run.asker, on_progress=lambda _: None)
            answered = await client.ask(run.question, deadline_s=ROUND_S)
            assert isinstance(answered, Answered), answered
            while not await store.receipts():
                await trio.lowlevel.checkpoint()
    return store.writes
