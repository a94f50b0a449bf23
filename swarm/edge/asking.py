"""Asking a local swarm from start to receipt: model, peers, question, answer, files.

One `LocalAsker` is one swarm; it may be asked several questions, one after another.
"""

import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trio

from consensus.committee import compute_tolerated
from consensus.errors import LimitExceeded, StoreError
from consensus.genesis import Network
from consensus.gold import GoldOpening, GoldQuestion, draw_gold, open_gold
from consensus.hashing import tagged_hash
from consensus.messages import SignedQuestion
from consensus.question import (
    QUESTION_VERSION,
    Attestation,
    Question,
    Role,
    Turn,
    sign_question,
)
from models.catalog import ensure_model, open_model
from models.contract import Model
from models.judges.strategy import JudgeKind, parse_strategy
from ranking.canonical import STEPS_MAX, default_calls_per_peer
from swarm.edge.ask_options import AskOptions, check_options, compute_seed
from swarm.edge.calibrations import resolve_calibrated
from swarm.edge.client import Answered, AskerClient, Progress, Unanswered
from swarm.edge.deadlines import measure_deadline_s, try_model
from swarm.edge.event_log import EventLog
from swarm.edge.local import (
    LocalSwarm,
    create_local_keys,
    create_timing,
    open_client_mesh,
    open_local_swarm,
    wait_linked,
)
from swarm.edge.model_host import ModelHost
from swarm.edge.past import Backing, Past
from swarm.edge.paths import DATA_DIR_VARIABLE, Paths, ensure_directory, write_private_file
from swarm.edge.process_swarm import open_process_swarm
from swarm.edge.report import RoundReport, create_report
from swarm.edge.store import open_asyncio_loop
from swarm.edge.tuning import tune_collector

ANSWER_SHARE, BALLOT_SHARE, REVEAL_SHARE = 0.45, 0.12, 0.03  # of the deadline; with 3 ballot steps .93 in all
PROMPTED_ANSWER_SHARE, PROMPTED_BALLOT_SHARE = 0.15, 0.22  # where judging takes longer than answering


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's end: a report with its receipt's path; where either is None, `reason` says why.

    `judge` is the strategy by which the peers judged.
    """

    report: RoundReport | None
    receipt_path: Path | None
    reason: str
    elapsed_s: dict[str, float]
    judge: str


@dataclass(frozen=True, slots=True)
class AskedGold:
    """A gold question and what became of it."""

    gold: GoldQuestion
    asked: Asked


@dataclass(slots=True)
class LocalAsker:
    """A swarm that is up, and what it takes to ask it.

    `gold_secret` fixes the gold questions it asks of its own accord; whoever knows it knows their answers.
    """

    options: AskOptions
    swarm: LocalSwarm
    paths: Paths
    deadline_s: float
    client: AskerClient
    opened_s: dict[str, float]
    gold_secret: bytes
    counter: int = field(default=0)
    golds: int = field(default=0)
    past: Past = field(default_factory=Past)

    async def ask_gold(self) -> AskedGold:
        """Ask the next gold question, and learn from it who judges well."""
        opening = draw_gold(self.gold_secret, self.golds)
        self.golds += 1
        gold = open_gold(opening)
        return AskedGold(gold, await self.ask(gold.text, truth=opening))

    async def ask(
        self, text: str, *, receipt_path: Path | None = None, truth: GoldOpening | None = None
    ) -> Asked:
        """Ask one question, and keep its receipt.

        Args:
            text: The question.
            receipt_path: Where the receipt goes; the data directory when None.
            truth: Opens the question where it is gold. The peers see it with the next question only.

        Returns:
            The report, also where the receipt cannot be written: then its path is None, and why is said.

        Raises:
            ConfigError: The question breaks a limit.
        """
        backing = self.past.backing
        signed = self._sign(text, backing)
        self.counter += 1
        result = await self.client.ask(signed, deadline_s=self.deadline_s, backing=backing)
        elapsed = self.opened_s | _name_steps(result)
        if isinstance(result, Unanswered):
            return Asked(None, None, result.reason, elapsed, self.swarm.judge)
        assert result.verdict.round is not None, "only verified receipts are answers"
        report = create_report(result.verdict.round)
        if self.options.keeps_standing:
            with suppress(LimitExceeded):  # a standing that fits no message: the one before stays
                self.past.add(result.verdict.round, result.receipt, truth)
        path = receipt_path or self.paths.receipts / f"{report.round_id.hex()[:16]}.receipt"
        try:
            await trio.to_thread.run_sync(write_private_file, path, result.receipt)
        except StoreError as exc:
            return Asked(report, None, exc.message, elapsed, self.swarm.judge)
        return Asked(report, path, "", elapsed, self.swarm.judge)

    def _sign(self, text: str, backing: Backing | None) -> SignedQuestion:
        options, network = self.options, self.swarm.network
        deadline_ms = int(self.deadline_s * 1_000)
        is_prompted = parse_strategy(self.swarm.judge).kind in (JudgeKind.LETTERS, JudgeKind.REASONING)
        answer_share = PROMPTED_ANSWER_SHARE if is_prompted else ANSWER_SHARE
        ballot_share = PROMPTED_BALLOT_SHARE if is_prompted else BALLOT_SHARE
        question = Question(
            version=QUESTION_VERSION,
            network=network.network_id,
            asker=self.swarm.asker.key,
            counter=self.counter,
            header=network.network_id if backing is None else backing.standing.digest,
            turns=(Turn(int(Role.USER), text.encode("utf-8")),),
            temperature_milli=options.temperature_milli,
            tokens_max=options.tokens_max,
            seats=options.peers,
            calls_per_peer=options.calls or default_calls_per_peer(options.peers),
            steps_max=STEPS_MAX,
            answer_ms=max(100, int(deadline_ms * answer_share)),
            ballot_ms=max(100, int(deadline_ms * ballot_share)),
            reveal_ms=max(100, int(deadline_ms * REVEAL_SHARE)),
            attestation=int(Attestation.NONE),
        )
        return sign_question(question, self.swarm.asker, network)


@asynccontextmanager
async def open_local_asker(
    options: AskOptions,
    *,
    paths: Paths,
    note: Callable[[str], None],
    on_progress: Callable[[Progress], None],
) -> AsyncIterator[LocalAsker]:
    """Load the model, bring a local swarm up and connect to it, until the block is left.

    Args:
        options: How to ask.
        paths: The user's directories.
        note: Called with one line at each stage.
        on_progress: Called with whatever the asker's links bring.

    Raises:
        ConfigError: An option cannot be used.
        ModelError: The model cannot be had or loaded.
        StoreError: A directory or database cannot be used.
    """
    check_options(options)
    seed = secrets.token_bytes(32) if options.seed is None else compute_seed(options.seed)
    keys = create_local_keys(peers=options.peers, seed=seed)
    write_network(paths, keys.network)
    name = f"{keys.network.network_id.hex()[:16]}-{secrets.token_hex(4)}"
    directory = ensure_directory(paths.peers / name)
    tune_collector()
    elapsed: dict[str, float] = {}
    started = time.monotonic()
    async with open_asyncio_loop(), AsyncExitStack() as stack:
        # A local swarm's keys die with it: its databases have nothing to resume once it went down well.
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        log = stack.enter_context(EventLog(paths.logs / f"{name}.jsonl", get_time_ms=get_wall_ms))
        if options.in_processes:
            await trio.to_thread.run_sync(ensure_model, options.model, note)
            deadline_s = options.deadline_s or await try_model(options, note)
            swarm = await stack.enter_async_context(
                open_process_swarm(
                    keys,
                    seed=seed,
                    directory=directory,
                    logs=paths.logs,
                    model=options.model,
                    note=note,
                    judge=options.judge,
                )
            )
        else:
            model = await trio.to_thread.run_sync(lambda: open_model(options.model, progress=note))
            host = await _open_host(stack, model, log, tolerated=compute_tolerated(options.peers))
            deadline_s = options.deadline_s or await measure_deadline_s(options, model, host)
            elapsed["model"] = time.monotonic() - started
            swarm = await stack.enter_async_context(
                open_local_swarm(
                    keys,
                    directory=directory,
                    model=host,
                    info=model.info(),
                    log=log,
                    timing=create_timing(model.info()),
                    judge=resolve_calibrated(options.judge, model.info()),
                )
            )
        mesh = await stack.enter_async_context(open_client_mesh(swarm))
        await wait_linked(mesh, options.peers)
        elapsed["start"] = time.monotonic() - started - elapsed.get("model", 0.0)
        note(f"judge {swarm.judge}")
        note(f"{len(mesh.linked())} of {options.peers} peers up, deadline {deadline_s:.0f} s")
        client = AskerClient(network=keys.network, mesh=mesh, on_progress=on_progress)
        yield LocalAsker(options, swarm, paths, deadline_s, client, elapsed, tagged_hash("local-gold", seed))


def get_wall_ms() -> int:
    """Return the time of day in milliseconds, as event logs carry it."""
    return int(time.time() * 1_000)


async def _open_host(stack: AsyncExitStack, model: Model, log: EventLog, *, tolerated: int) -> ModelHost:
    """Serve a model, and watch the disks of the peers who share this process, until the stack is closed."""
    host = ModelHost(model)
    nursery = await stack.enter_async_context(trio.open_nursery())
    stack.callback(nursery.cancel_scope.cancel)
    await nursery.start(host.run)
    nursery.start_soon(watch_disks, log, tolerated)
    return host


async def watch_disks(log: EventLog, tolerated: int) -> None:
    """Fail as soon as more peers than tolerated cannot write any more: no result can come then.

    Raises:
        StoreError: As the peers met it.
    """
    halted = 0
    async for event in log.subscribe():
        halted += event.event == "node_halted"
        if halted > tolerated:
            raise StoreError(
                f"{halted} peers stopped, unable to keep what they sign ({event.fields['reason']})",
                remedy=f"free space on that disk, or set {DATA_DIR_VARIABLE} to another directory",
            )


def write_network(paths: Paths, network: Network) -> Path:
    """Keep a network's genesis, so that `peerage verify --trust` can name it. Returns its path."""
    path = paths.data / "networks" / f"{network.network_id.hex()[:16]}.genesis"
    write_private_file(path, network.genesis_bytes)
    return path


def _name_steps(result: Answered | Unanswered) -> dict[str, float]:
    named: dict[str, float] = {}
    if isinstance(result, Answered):
        before = 0.0
        for step, seconds in result.step_seconds:
            named["answers" if step == 0 else f"ballots_{step}"] = max(0.0, seconds - before)
            before = seconds
        named["receipt"] = max(0.0, result.elapsed_s - before)
    named["round"] = result.elapsed_s
    return named
