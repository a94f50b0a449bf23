"""A whole round among real nodes of which two only dial out, in a network found through one address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio

from consensus.committee import draw_committee
from consensus.decision import DecisionEngine, Status
from consensus.identity import KeyPair, PeerKey, Verifier
from consensus.question import Question, sign_question
from models.scripted import ScriptedModel
from swarm.core.node import NodeConfig
from swarm.edge.address_book import AddressBook
from swarm.edge.client import Answered, AskerClient
from swarm.edge.clock import get_wall_ms
from swarm.edge.event_log import EventLog
from swarm.edge.events import read_events
from swarm.edge.limits import EdgeLimits
from swarm.edge.local import LOOPBACK, LocalKeys, create_local_keys
from swarm.edge.memory_store import MemoryStore
from swarm.edge.mesh import Mesh
from swarm.edge.report import create_report
from swarm.edge.runtime import Runtime
from swarm.edge.transport import Listener
from swarm.edge.websocket import dial, open_listener
from tests.e2e.processes import make_question, run_within
from tests.e2e.sockets import PATIENT, SEED, SlowScripted

LIMITS = EdgeLimits()
HIDDEN = (1, 3)  # places of the peers that only dial out
SEATS = 4


@dataclass(slots=True)
class HalfHidden:
    """A network, some of whose members are hidden."""

    keys: LocalKeys
    hidden: tuple[int, ...]
    log_path: Path
    nursery: trio.Nursery
    meshes: list[Mesh] = field(default_factory=list)
    bootstrap: list[str] = field(default_factory=list)

    def make_mesh(self, signer: KeyPair, listener: Listener | None = None, url: str = "") -> Mesh:
        network = self.keys.network
        book = AddressBook(
            signer=signer,
            network_id=network.network_id,
            members=network.keys,
            get_time_ms=get_wall_ms,
            urls=[url] if url else [],
            bootstrap=self.bootstrap,
        )
        return Mesh(
            signer=signer,
            network_id=network.network_id,
            members=dict.fromkeys(network.keys),
            limits=LIMITS,
            connect=partial(dial, limits=LIMITS),
            listen=listener,
            book=book,
        )

    async def start_peer(self, place: int, log: EventLog, verifier: Verifier, engine: DecisionEngine) -> None:
        pair = self.keys.peers[place]
        if place in self.hidden:
            mesh = self.make_mesh(pair)
        else:
            listener = await open_listener(LOOPBACK, 0, limits=LIMITS)
            mesh = self.make_mesh(pair, listener.serve, listener.url)
            self.bootstrap = self.bootstrap or [listener.url]
        config = NodeConfig(
            network=self.keys.network,
            signer=pair,
            verifier=verifier,
            engine=engine,
            timing=PATIENT,
            info=ScriptedModel().info(),
        )
        self.meshes.append(mesh)
        runtime = Runtime(config=config, store=MemoryStore(), mesh=mesh, model=SlowScripted(), log=log)
        await self.nursery.start(runtime.run)


@asynccontextmanager
async def open_half_hidden(
    directory: Path, *, peers: int = SEATS, hidden: tuple[int, ...] = HIDDEN
) -> AsyncIterator[HalfHidden]:
    keys = create_local_keys(peers=peers, seed=SEED)
    path = directory / "events.jsonl"
    verifier, engine = Verifier(), DecisionEngine()
    with EventLog(path, get_time_ms=lambda: 0) as log:
        async with trio.open_nursery() as nursery:
            run = HalfHidden(keys, hidden, path, nursery)
            for place in range(peers):
                await run.start_peer(place, log, verifier, engine)
            while not all(len(mesh.linked()) == peers - 1 for mesh in run.meshes):
                await trio.sleep(0.01)
            yield run
            nursery.cancel_scope.cancel()


async def ask(run: HalfHidden, question: Question | None = None) -> Answered:
    """Ask as a client that knows one address."""
    mesh = run.make_mesh(run.keys.asker)
    await run.nursery.start(mesh.run)
    while mesh.count_members() < len(run.keys.peers) - len(run.hidden):
        await trio.sleep(0.01)
    client = AskerClient(network=run.keys.network, mesh=mesh, on_progress=lambda _: None)
    asked = question or make_question(run.keys)
    signed = sign_question(asked, run.keys.asker, run.keys.network)
    answered = await client.ask(signed, deadline_s=30.0)
    assert isinstance(answered, Answered), answered
    return answered


@pytest.mark.slow
def test_a_committee_with_two_members_that_only_dial_out_completes_a_round(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_half_hidden(tmp_path) as run:
            hidden: list[PeerKey] = [run.keys.peers[place].key for place in HIDDEN]
            one, two = (run.meshes[place] for place in HIDDEN)
            public = {run.keys.peers[place].key for place in (0, 2)}
            assert one.get_link(hidden[1]) is None
            assert one.get_relay(hidden[1]) in public
            assert two.get_relay(hidden[0]) in public
            answered = await ask(run)
        assert answered.verdict.is_trusted
        assert answered.verdict.round is not None
        report = create_report(answered.verdict.round)
        assert report.status is Status.FULL  # nobody was missing: all four were heard
        penalised = [event for event in read_events(run.log_path) if event.event == "peer_penalised"]
        assert penalised == []

    run_within(60.0, main)


@pytest.mark.slow
def test_the_round_goes_on_where_one_of_two_relays_fails(tmp_path: Path) -> None:
    """One of four may be silent, so the three that are left have to hear each other: two of them by relay."""

    async def main() -> None:
        async with open_half_hidden(tmp_path) as run:
            run.meshes[2].set_cut(frozenset(run.keys.network.keys) - {run.keys.peers[2].key})
            answered = await ask(run)
        assert answered.verdict.is_trusted

    run_within(60.0, main)


@pytest.mark.slow
def test_a_committee_of_members_that_only_dial_out_is_asked_through_those_that_do_not(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_half_hidden(tmp_path, peers=6, hidden=(1, 2, 3, 4)) as run:
            public = [run.keys.peers[place].key for place in (0, 5)]
            questions = (
                msgspec.structs.replace(make_question(run.keys, counter=counter), seats=SEATS)
                for counter in range(1_000)
            )
            committees = ((one, draw_committee(run.keys.network, one)) for one in questions)
            question = next(
                one for one, committee in committees if all(committee.get_seat(key) is None for key in public)
            )
            answered = await ask(run, question)
        assert answered.verdict.is_trusted
        assert answered.verdict.round is not None
        assert create_report(answered.verdict.round).status is Status.FULL
        penalised = [event for event in read_events(run.log_path) if event.event == "peer_penalised"]
        assert penalised == []

    run_within(60.0, main)
