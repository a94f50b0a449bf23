"""A swarm of real processes, an asker, and something that strikes when a round gets somewhere."""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from consensus.committee import draw_committee
from consensus.identity import KeyPair
from consensus.messages import SignedQuestion
from consensus.phases import Phase
from consensus.question import Question, Turn, sign_question
from swarm.edge.client import Answered, AskerClient, Progress, ProgressKind, Unanswered
from swarm.edge.events import read_events
from swarm.edge.local import LocalKeys, SwarmAccess, create_local_keys, open_client_mesh, wait_linked
from swarm.edge.mesh import Mesh
from swarm.edge.paths import ensure_directory
from swarm.edge.process_swarm import open_process_swarm

SEED = b"7" * 32
LATENCY_S = 0.3
MODEL = f"scripted:accuracy=0.3,latency={LATENCY_S}"
GONE_S = 15.0


def make_question(
    keys: LocalKeys,
    *,
    text: bytes = b"What is 7 times 12?",
    counter: int = 0,
    header: bytes | None = None,
    asker: KeyPair | None = None,
) -> Question:
    """A question whose deadlines suit a test; without a header it builds on no history."""
    return Question(
        version=1,
        network=keys.network.network_id,
        asker=(asker or keys.asker).key,
        counter=counter,
        header=keys.network.network_id if header is None else header,
        turns=(Turn(1, text),),
        temperature_milli=700,
        tokens_max=64,
        seats=len(keys.peers),
        calls_per_peer=6,
        steps_max=1,
        answer_ms=6_000,
        ballot_ms=6_000,
        reveal_ms=3_000,
        attestation=0,
    )


@dataclass
class ProcessRun:
    """A swarm that is up, and what the asker has seen."""

    keys: LocalKeys
    swarm: SwarmAccess
    mesh: Mesh
    logs: Path
    on_progress: Callable[[Progress], None] = lambda _: None
    seen: list[Progress] = field(default_factory=list)
    client: AskerClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = AskerClient(network=self.keys.network, mesh=self.mesh, on_progress=self.note)

    @property
    def signed(self) -> SignedQuestion:
        return sign_question(make_question(self.keys), self.keys.asker, self.keys.network)

    def get_pid(self, seat: int) -> int:
        """Return the process that holds `seat` in the round of `make_question`."""
        key = draw_committee(self.keys.network, make_question(self.keys)).keys[seat]
        places = [pair.key for pair in self.keys.peers]
        return self.swarm.pids[places.index(key)]

    def note(self, progress: Progress) -> None:
        self.seen.append(progress)
        self.on_progress(progress)

    def strike_at(self, step: int, phase: Phase, sign: signal.Signals, seats: Sequence[int]) -> None:
        """Send a signal to the processes of `seats` as soon as a peer reports that phase."""
        left = list(seats)

        def strike(progress: Progress) -> None:
            if progress.kind is ProgressKind.PHASE and (progress.step, progress.phase) >= (step, phase):
                while left:
                    os.kill(self.get_pid(left.pop()), sign)

        self.on_progress = strike

    async def ask(self, *, deadline_s: float = 30.0) -> Answered | Unanswered:
        return await self.client.ask(self.signed, deadline_s=deadline_s)

    def get_penalties(self) -> list[str]:
        """Return what peers held against each other."""
        return [
            str(event.fields["reason"])
            for path in sorted(self.logs.iterdir())
            for event in read_events(path)
            if event.event == "peer_penalised"
        ]


@asynccontextmanager
async def open_run(directory: Path, *, peers: int, model: str = MODEL) -> AsyncIterator[ProcessRun]:
    """Bring a swarm of processes up, with an asker linked to all of them."""
    keys = create_local_keys(peers=peers, seed=SEED)
    logs = ensure_directory(directory / "logs")
    async with (
        open_process_swarm(
            keys,
            seed=SEED,
            directory=ensure_directory(directory / "peers"),
            logs=logs,
            model=model,
            note=lambda _: None,
        ) as swarm,
        open_client_mesh(swarm) as mesh,
    ):
        await wait_linked(mesh, peers)
        run = ProcessRun(keys, swarm, mesh, logs)
        try:
            yield run
        finally:
            for pid in swarm.pids:
                if is_alive(pid):
                    os.kill(pid, signal.SIGCONT)  # what was stopped shall end as the others do


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and was not collected yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def run_within(deadline_s: float, body: Callable[[], Awaitable[None]]) -> None:
    """Run `body` on Trio, or fail."""

    async def main() -> None:
        with trio.fail_after(deadline_s):
            await body()

    trio.run(main)


async def wait_gone(pids: Sequence[int]) -> None:
    """Wait until none of the processes runs any more."""
    with trio.fail_after(GONE_S):
        while any(is_alive(pid) for pid in pids):
            await trio.sleep(0.02)
