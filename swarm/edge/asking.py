"""Asking a local swarm from start to receipt: model, peers, question, answer, files.

One `SwarmAsker` is one swarm; it may be asked several questions, one after another or side by side.
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
from consensus.gold import GoldOpening, GoldQuestion, draw_gold, open_gold
from consensus.hashing import tagged_hash
from models.catalog import ensure_model, open_model
from models.contract import Model
from swarm.edge.ask_options import AskOptions, check_options, compute_seed
from swarm.edge.calibrations import resolve_calibrated
from swarm.edge.client import Answered, AskerClient, Progress, Unanswered
from swarm.edge.clock import get_wall_ms
from swarm.edge.deadlines import Pace, compute_deadline_s, measure_pace, try_model
from swarm.edge.event_log import EventLog
from swarm.edge.local import (
    SwarmAccess,
    create_local_keys,
    create_timing,
    open_client_mesh,
    open_local_swarm,
    wait_linked,
)
from swarm.edge.metering import MeteredCalls
from swarm.edge.model_host import ModelHost
from swarm.edge.network_file import write_network
from swarm.edge.past import Past
from swarm.edge.paths import DATA_DIR_VARIABLE, Paths, ensure_directory, write_private_file
from swarm.edge.process_swarm import open_process_swarm
from swarm.edge.report import RoundReport, create_report
from swarm.edge.store import open_asyncio_loop
from swarm.edge.tuning import tune_collector
from swarm.edge.wishes import Prepared, Wish, apply_wish, make_wish, prepare_wish


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's end: a report with its receipt's path; where either is None, `reason` says why.

    `judge` is the strategy by which the peers judged; `prompt_tokens` is what the answering peers read, None
    where nobody counted; `is_unanswerable` says that every peer's model failed; `certified` is the receipt.
    """

    report: RoundReport | None
    receipt_path: Path | None
    reason: str
    elapsed_s: dict[str, float]
    judge: str
    prompt_tokens: int | None = None
    is_unanswerable: bool = False
    certified: Answered | None = None


@dataclass(frozen=True, slots=True)
class AskedGold:
    """A gold question and what became of it."""

    gold: GoldQuestion
    asked: Asked


@dataclass(slots=True)
class SwarmAsker:
    """A swarm that is up, and what it takes to ask it.

    `gold_secret` fixes the gold questions it asks of its own accord; whoever knows it knows their answers.
    `host` is the model that peers share, `meter` what stands before it; None where each has a process.
    `log` is the event log of the peers who share this process.
    """

    options: AskOptions
    swarm: SwarmAccess
    paths: Paths
    pace: Pace
    client: AskerClient
    opened_s: dict[str, float]
    gold_secret: bytes
    counter: int = field(default=0)
    golds: int = field(default=0)
    past: Past = field(default_factory=Past)
    host: ModelHost | None = None
    meter: MeteredCalls | None = None
    log: EventLog | None = None

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
        return await self.ask_prepared(self.prepare(make_wish(text)), receipt_path=receipt_path, truth=truth)

    def prepare(self, wish: Wish) -> Prepared:
        """Sign a question, which can then be asked once; whoever asks it knows its round's id before.

        Raises:
            ConfigError: The question breaks a limit.
        """
        prepared = prepare_wish(
            wish,
            self.options,
            network=self.swarm.network,
            asker=self.swarm.asker,
            judge=self.swarm.get_strategy(),
            counter=self.counter,
            backing=self.past.backing,
            deadline_s=self._compute_deadline_s(wish),
        )
        self.counter += 1
        return prepared

    async def ask_prepared(
        self, prepared: Prepared, *, receipt_path: Path | None = None, truth: GoldOpening | None = None
    ) -> Asked:
        """Ask a question that was prepared here; see `ask`. Several may be under way.

        Rounds that run side by side build on the same past. The longest one is gone on with, so what a round
        beside it has taught is lost.
        """
        result = await self._wait_answer(prepared)
        if isinstance(result, str):
            return Asked(None, None, result, dict(self.opened_s), self.swarm.judge, is_unanswerable=True)
        elapsed = self.opened_s | _name_steps(result)
        prompt_tokens = None if self.meter is None else self.meter.get_prompt_tokens(prepared.first_seed)
        if isinstance(result, Unanswered):
            return Asked(None, None, result.reason, elapsed, self.swarm.judge, prompt_tokens)
        assert result.verdict.round is not None, "only verified receipts are answers"
        report = create_report(result.verdict.round)
        path = receipt_path or self.paths.receipts / f"{report.round_id.hex()[:16]}.receipt"
        try:
            with trio.CancelScope(shield=True):  # what is certified is kept, whoever still waits for it
                await trio.to_thread.run_sync(write_private_file, path, result.receipt)
        except StoreError as exc:
            return Asked(
                report, None, exc.message, elapsed, self.swarm.judge, prompt_tokens, certified=result
            )
        if self.options.keeps_standing:  # nothing builds on a round whose receipt nobody has
            with suppress(LimitExceeded):  # a standing that fits no message: the one before stays
                self.past.add(result.verdict.round, result.receipt, truth)
        return Asked(report, path, "", elapsed, self.swarm.judge, prompt_tokens, certified=result)

    async def _wait_answer(self, prepared: Prepared) -> Answered | Unanswered | str:
        """Ask, until there is an answer or every peer's model has failed; then return why it did."""
        ends: list[Answered | Unanswered | str] = []

        async def give_up_early(meter: MeteredCalls) -> None:
            reason = await meter.wait_failures(prepared.first_seed, prepared.seats)
            ends.append(f"no peer's model could answer: {reason}")
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            if self.meter is not None:
                nursery.start_soon(give_up_early, self.meter)
            ends.append(
                await self.client.ask(
                    prepared.signed, deadline_s=prepared.deadline_s, backing=prepared.backing
                )
            )
            nursery.cancel_scope.cancel()
        return ends[0]

    def _compute_deadline_s(self, wish: Wish) -> float:
        """Return how long a wish may take: what the swarm was opened with, or what fits its own length."""
        if self.pace.tokens_per_s is None:
            return self.pace.deadline_s
        asked, judge = apply_wish(self.options, wish), self.swarm.get_strategy()
        return compute_deadline_s(asked, judge, tokens_per_s=self.pace.tokens_per_s)


@asynccontextmanager
async def open_local_asker(
    options: AskOptions,
    *,
    paths: Paths,
    note: Callable[[str], None],
    on_progress: Callable[[Progress], None],
) -> AsyncIterator[SwarmAsker]:
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
        model, meter = await _prepare_model(stack, options, log, note), None
        if model is None:
            pace = Pace(options.deadline_s or await try_model(options, note))
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
            judge, meter = resolve_calibrated(options.judge, model.info()), MeteredCalls(model)
            pace = await measure_pace(options, judge, model)
            elapsed["model"] = time.monotonic() - started
            swarm = await stack.enter_async_context(
                open_local_swarm(
                    keys,
                    directory=directory,
                    model=meter,
                    info=model.info(),
                    log=log,
                    timing=create_timing(model.info()),
                    judge=judge,
                )
            )
        mesh = await stack.enter_async_context(open_client_mesh(swarm))
        await wait_linked(mesh, options.peers)
        elapsed["start"] = time.monotonic() - started - elapsed.get("model", 0.0)
        note(f"judge {swarm.judge}")
        note(f"{len(mesh.linked())} of {options.peers} peers up, deadline {pace.deadline_s:.0f} s")
        client = AskerClient(network=keys.network, mesh=mesh, on_progress=on_progress)
        gold = tagged_hash("local-gold", seed)
        yield SwarmAsker(options, swarm, paths, pace, client, elapsed, gold, host=model, meter=meter, log=log)


async def _prepare_model(
    stack: AsyncExitStack, options: AskOptions, log: EventLog, note: Callable[[str], None]
) -> ModelHost | None:
    """Open the model that peers share; None where each opens its own, for which it is here then."""
    if options.in_processes:
        await trio.to_thread.run_sync(ensure_model, options.model, note)
        return None
    model = await trio.to_thread.run_sync(lambda: open_model(options.model, progress=note))
    return await _open_host(stack, model, log, tolerated=compute_tolerated(options.peers))


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
