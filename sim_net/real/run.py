"""Runs a manifest as real processes over real sockets, through the phases of every testnet.

Real time is not repeatable: the seed fixes keys, questions, models, and whom the faults strike, never the
order in which messages arrive. What a run must keep is the same.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from consensus.errors import StoreError
from consensus.question import (
    QUESTION_VERSION,
    Attestation,
    Question,
    Role,
    Turn,
    compute_round_id,
    sign_question,
)
from models.catalog import ensure_model
from models.judges.strategy import AUTOMATIC
from models.weights import EMBEDDED_NAME
from sim_net.assumption import compute_calls, compute_seats, keeps_standing
from sim_net.manifest import Manifest
from sim_net.questions import Scheduled
from sim_net.real.findings import AskedRound, Findings
from sim_net.real.net import NetPaths, RealNet, reserve_port
from sim_net.real.plan import (
    MS_PER_S,
    PeerModel,
    check_manifest,
    create_models,
    create_questions,
    list_notes,
)
from sim_net.real.recording import RunFacts, create_recording
from sim_net.real.remains import compute_places, read_log, read_peer
from sim_net.real.strikes import Striker
from sim_net.records import Recording
from sim_net.seeds import Seeds
from swarm.edge.client import Answered, AskerClient, Unanswered
from swarm.edge.local import LocalKeys, SwarmAccess, create_local_keys, open_client_mesh, wait_linked
from swarm.edge.past import Backing, Past
from swarm.edge.paths import ensure_directory, write_private_file
from swarm.edge.report import create_report

LOOK_S = 0.25  # how often the logs of a healed network are looked at
TEMPERATURE_MILLI = 700
TOKENS_MAX = 64

_BEGINNINGS = ("round_opened", "round_resumed")
_ENDS = ("round_closed", "round_halted")
_ROUND_EVENTS = (*_BEGINNINGS, *_ENDS)

Keeper = Callable[[RealNet], Awaitable[None]]


@dataclass(slots=True)
class RealRun:
    """One run of a manifest in real time; `perform` lives through it, `read` reads what it left.

    Args:
        manifest: What to run; refused where honest processes cannot do it.
        seed: Decides keys, questions, models and whom faults strike.
        directory: Where databases, logs and receipts go.
        note: Called with one line at each stage.
        judge: How every peer judges: a strategy, or `auto` for what fits its model.

    Raises:
        ConfigError: The manifest asks for what only virtual time can do.
    """

    manifest: Manifest
    seed: int
    directory: Path
    note: Callable[[str], None]
    judge: str = AUTOMATIC
    seeds: Seeds = field(init=False)
    secret: bytes = field(init=False)
    keys: LocalKeys = field(init=False)
    models: tuple[PeerModel, ...] = field(init=False)
    _asked: list[AskedRound] = field(init=False, default_factory=list)
    _started_at_ms: int = field(init=False, default=0)
    _findings: Findings | None = field(init=False, default=None)
    _facts: RunFacts | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        check_manifest(self.manifest)
        self.seeds = Seeds(self.seed)
        self.secret = self.seeds.derive("real-keys")
        self.keys = create_local_keys(peers=self.manifest.swarm.peers, seed=self.secret)
        self.models = create_models(self.manifest, self.seeds)

    @property
    def paths(self) -> NetPaths:
        """Where peers keep their files."""
        return NetPaths(peers=self.directory / "peers", logs=self.directory / "logs")

    def get_ms(self) -> int:
        """Return milliseconds since the start of the run, by the clock that the peers' logs use."""
        return int(time.time() * MS_PER_S) - self._started_at_ms

    async def perform(self, *, keep: Keeper | None = None) -> None:
        """Live through the run.

        Args:
            keep: Awaited before the processes are ended, for a person who wants to look around.

        Raises:
            ConfigError: A peer did not come up.
            ModelError: The model cannot be had.
            StoreError: The directory cannot be used.
        """
        for line in list_notes(self.manifest):
            self.note(line)
        if self.manifest.models.kind == EMBEDDED_NAME:
            await trio.to_thread.run_sync(ensure_model, EMBEDDED_NAME, self.note)
        for path in (self.paths.peers, self.paths.logs, self.directory / "receipts"):
            ensure_directory(path)
        self._started_at_ms = int(time.time() * MS_PER_S)
        with ExitStack() as stack:
            ports = [reserve_port(stack) for _ in self.keys.peers]
            async with trio.open_nursery() as nursery:
                net = RealNet(
                    self.keys,
                    seed=self.secret,
                    models=self.models,
                    ports=ports,
                    paths=self.paths,
                    get_ms=self.get_ms,
                    note=self.note,
                    nursery=nursery,
                    judge=self.judge,
                )
                await net.start()
                await self._live(net, keep)

    async def _live(self, net: RealNet, keep: Keeper | None) -> None:
        striker = Striker(self.manifest, seeds=self.seeds, net=net, get_ms=self.get_ms, note=self.note)
        swarm = SwarmAccess(self.keys.network, self.keys.asker, net.urls, (), net.judge)
        async with open_client_mesh(swarm) as mesh:
            await wait_linked(mesh, len(self.keys.peers))
            self.note(
                f"linked to {len(mesh.linked())} of {len(self.keys.peers)} peers; time counts from here"
            )
            self._started_at_ms = int(time.time() * MS_PER_S)
            net.begin_timeline()
            client = AskerClient(network=self.keys.network, mesh=mesh, on_progress=lambda _: None)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(striker.run)
                await self._ask_all(client)
                await striker.heal()
                nursery.cancel_scope.cancel()
            await self._wait_finished(net)
            await trio.sleep(self.manifest.phases.quiet_ms / MS_PER_S)
        ended_ms, up = self.get_ms(), net.list_up()
        if keep is not None:
            await keep(net)
        await net.stop()
        assert striker.healed_ms is not None, "healed above"
        self._facts = RunFacts(
            manifest=self.manifest,
            seed=self.seed,
            models=self.models,
            faults=tuple(striker.rows),
            healed_ms=striker.healed_ms,
            ended_ms=ended_ms,
        )
        self._findings = Findings(
            network=self.keys.network,
            keys=tuple(pair.key for pair in self.keys.peers),
            started_at_ms=self._started_at_ms,
            remains=(),
            asked=tuple(self._asked),
            timeline=tuple(net.timeline),
            failures=tuple(net.failures),
            up=up,
        )

    async def _ask_all(self, client: AskerClient) -> None:
        """Ask one question after another; one is given up after the asker's patience."""
        questions = create_questions(self.manifest, self.seeds)
        deadline_s, past = self.manifest.swarm.patience_ms / MS_PER_S, Past()
        for index, one in enumerate(questions):
            question = self._make_question(one.text, counter=index, backing=past.backing)
            signed = sign_question(question, self.keys.asker, self.keys.network)
            asked_ms = self.get_ms()
            result = await client.ask(signed, deadline_s=deadline_s, backing=past.backing)
            if isinstance(result, Answered):
                self._learn(past, result, one)
                path = self.get_receipt_path(index)
                await trio.to_thread.run_sync(write_private_file, path, result.receipt)
            is_answered = isinstance(result, Answered)
            self._asked.append(
                AskedRound(
                    index=index,
                    round_id=compute_round_id(signed.payload),
                    question=one.text,
                    truth=one.truth,
                    is_gold=one.opening is not None,
                    asked_ms=asked_ms,
                    closed_ms=self.get_ms() if is_answered else None,
                    receipt=None,
                    reason="" if isinstance(result, Answered) else result.reason,
                )
            )
            self.note(f"round {index + 1} of {len(questions)}: {self._describe(result)}")

    def _learn(self, past: Past, answered: Answered, one: Scheduled) -> None:
        if keeps_standing(self.manifest.swarm) and answered.verdict.round is not None:
            past.add(answered.verdict.round, answered.receipt, one.opening)

    def _describe(self, result: Answered | Unanswered) -> str:
        if isinstance(result, Unanswered):
            return f"no receipt, {result.reason}"
        verified = result.verdict.round
        assert verified is not None, "only verified receipts are answers"
        report = create_report(verified)
        places = compute_places(tuple(pair.key for pair in self.keys.peers))
        missing = sorted({places[verified.facts.committee.keys[gone.seat]] for gone in report.missing})
        told = f" without peers {', '.join(map(str, missing))}" if missing else ""
        return f"{report.status.name.lower()}{told}, {result.elapsed_s:.1f} s"

    def _make_question(self, text: str, *, counter: int, backing: Backing | None) -> Question:
        swarm, network = self.manifest.swarm, self.keys.network
        return Question(
            version=QUESTION_VERSION,
            network=network.network_id,
            asker=self.keys.asker.key,
            counter=counter,
            header=network.network_id if backing is None else backing.standing.digest,
            turns=(Turn(int(Role.USER), text.encode("utf-8")),),
            temperature_milli=TEMPERATURE_MILLI,
            tokens_max=TOKENS_MAX,
            seats=compute_seats(self.manifest),
            calls_per_peer=compute_calls(self.manifest),
            steps_max=swarm.steps,
            answer_ms=swarm.answer_ms,
            ballot_ms=swarm.ballot_ms,
            reveal_ms=swarm.reveal_ms,
            attestation=int(Attestation.NONE),
        )

    async def _wait_finished(self, net: RealNet) -> None:
        """Wait until every round is closed by everybody who is up and takes part, or the time is over."""
        with trio.move_on_after(self.manifest.phases.liveness_ms / MS_PER_S):
            while not await trio.to_thread.run_sync(self._is_finished, net.list_up()):
                await trio.sleep(LOOK_S)

    def _is_finished(self, up: tuple[int, ...]) -> bool:
        closed_anywhere: list[bytes] = []
        for index in range(len(self.keys.peers)):
            try:
                events = read_log(self.paths.get_log(index))
            except StoreError:
                continue  # the checks report it
            names = {name: [one.round_id for one in events if one.event == name] for name in _ROUND_EVENTS}
            over = [one for name in _ENDS for one in names[name]]
            if index in up and any(one not in over for name in _BEGINNINGS for one in names[name]):
                return False
            closed_anywhere += [one for one in names["round_closed"] if one is not None]
        return all(asked.round_id in closed_anywhere for asked in self._asked)

    # -- what is left ------------------------------------------------------------------------------

    def get_receipt_path(self, index: int) -> Path:
        """Return where the receipt of a question goes."""
        return self.directory / "receipts" / f"round-{index}.receipt"

    def read(self) -> Recording:
        """Read and check what a finished run left in its directory; may be repeated."""
        assert self._facts is not None, "perform comes first"
        return create_recording(self._facts, self.read_findings())

    def read_findings(self) -> Findings:
        """Read what a finished run left in its directory: databases, logs, and the asker's receipts."""
        assert self._findings is not None, "perform comes first"
        asked = []
        for one in self._findings.asked:
            path = self.get_receipt_path(one.index)
            asked.append(replace(one, receipt=path.read_bytes() if path.exists() else None))
        remains = tuple(read_peer(self.paths, index) for index in range(len(self.keys.peers)))
        return replace(self._findings, asked=tuple(asked), remains=remains)


def run_real(manifest: Manifest, *, seed: int, directory: Path, note: Callable[[str], None]) -> Recording:
    """Run a manifest as real processes, and check what they leave behind.

    Args:
        manifest: What to run.
        seed: Decides keys, questions, models and whom faults strike; not the order of messages.
        directory: Where databases, logs and receipts go; must hold none of an earlier run.
        note: Called with one line at each stage.

    Raises:
        ConfigError: The manifest asks for what only virtual time can do, or a peer did not come up.
        ModelError: The model cannot be had.
        StoreError: The directory cannot be used.
    """
    run = RealRun(manifest, seed, directory, note)
    trio.run(run.perform)
    return run.read()
