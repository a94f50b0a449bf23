"""How long a round may take: measured on the machine it runs on, before the question is asked."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import trio

from models.catalog import open_model
from models.contract import GenerateRequest, Model, Prompt
from models.judges.strategy import ORDERS_BOTH, JudgeKind, JudgeStrategy
from ranking.canonical import default_calls_per_peer
from swarm.edge.ask_options import AskOptions
from swarm.edge.calibrations import resolve_calibrated
from swarm.edge.model_host import ModelHost
from swarm.edge.peer_process import MODEL_THREADS

DEADLINE_S_MIN = 60.0
DEADLINE_S_MAX = 900.0
DEADLINE_MARGIN = 4.0  # times the measured need: machines are shared, and models say more than expected
MEASURED_TOKENS = 8
PASSES_PER_CALL = 12  # tokens that judging one pair costs, about: two short texts behind a cached prompt
PASSES_PER_COMPARISON = 30  # the same for one prompt that shows a pair: some 200 tokens, run side by side


async def try_model(options: AskOptions, note: Callable[[str], None]) -> float:
    """Open the model as a peer's process will, for as long as it takes to measure a deadline.

    Raises:
        ModelError: The model cannot be loaded.
    """
    model = await trio.to_thread.run_sync(
        lambda: open_model(options.model, progress=note, threads=MODEL_THREADS)
    )
    return await measure_process_deadline_s(options, model, cores=get_cores())


async def measure_process_deadline_s(
    options: AskOptions, model: Model, *, cores: int, get_time_s: Callable[[], float] = time.monotonic
) -> float:
    """Return a deadline that fits peers in processes of their own, each with a model of its own.

    One process is measured while the machine is idle. That several at once get less memory bandwidth each
    is not measured; the margin is there for it.

    Args:
        options: How much will be generated and judged.
        model: One peer's, opened with as many threads as a peer's process has.
        cores: How many processes can run at once.
        get_time_s: A clock that never goes back.
    """
    if model.info().is_simulated:
        return DEADLINE_S_MIN
    async with trio.open_nursery() as nursery:
        host = ModelHost(model)
        await nursery.start(host.run)
        tokens_per_s = await measure_tokens_per_s(host, rows=1, get_time_s=get_time_s)
        nursery.cancel_scope.cancel()
    at_once = compute_at_once(peers=options.peers, cores=cores, device=model.info().device)
    judge = resolve_calibrated(options.judge, model.info())
    return compute_deadline_s(options, judge, tokens_per_s=at_once * tokens_per_s)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a question may take as the swarm was opened, and what that rests on.

    `tokens_per_s` is what all peers together generate; None where a deadline was given, or nothing measured.
    """

    deadline_s: float
    tokens_per_s: float | None = None


async def measure_pace(options: AskOptions, judge: JudgeStrategy, host: ModelHost) -> Pace:
    """Return the pace of peers who share one model in this process.

    Args:
        options: How much will be generated and judged, or the deadline itself.
        judge: How it will be judged.
        host: Generates a few tokens, as a batch of all peers would; a scripted model needs no measuring.
    """
    if options.deadline_s is not None:
        return Pace(options.deadline_s)
    if host.info().is_simulated:
        return Pace(DEADLINE_S_MIN)
    tokens_per_s = await measure_tokens_per_s(host, rows=options.peers, get_time_s=time.monotonic)
    return Pace(compute_deadline_s(options, judge, tokens_per_s=tokens_per_s), tokens_per_s)


async def measure_tokens_per_s(host: ModelHost, *, rows: int, get_time_s: Callable[[], float]) -> float:
    """Return how many tokens a second a model generates, all rows together."""
    await _generate_all(host, peers=rows, tokens=1)  # the first pass of a process is slow
    started = get_time_s()
    await _generate_all(host, peers=rows, tokens=MEASURED_TOKENS)
    return rows * MEASURED_TOKENS / max(get_time_s() - started, 1e-3)


def compute_passes(judge: JudgeStrategy) -> int:
    """Return how many tokens' time judging one pair takes, about."""
    match judge.kind:
        case JudgeKind.LIKELIHOOD | JudgeKind.PROBE:
            return PASSES_PER_CALL * judge.prompts
        case JudgeKind.LETTERS:
            return PASSES_PER_COMPARISON * ORDERS_BOTH
        case JudgeKind.REASONING:
            return (2 * PASSES_PER_COMPARISON + judge.tokens) * judge.orders
        case _:
            assert_never(judge.kind)


def compute_deadline_s(options: AskOptions, judge: JudgeStrategy, *, tokens_per_s: float) -> float:
    """Return a multiple of what a round needs, at least a minute.

    Args:
        options: How much will be generated and judged.
        judge: How it will be judged.
        tokens_per_s: What all peers together generate on this machine.
    """
    calls = options.calls or default_calls_per_peer(options.peers)
    tokens = options.rounds_at_once * options.peers * (options.tokens_max + calls * compute_passes(judge))
    tokens += options.answers_beside * options.tokens_max
    needed = tokens / tokens_per_s
    return min(max(DEADLINE_S_MIN, DEADLINE_MARGIN * needed), DEADLINE_S_MAX)


def compute_at_once(*, peers: int, cores: int, device: str) -> int:
    """Return how many peers' processes compute at full speed at once: one a core, one on a shared device."""
    return min(peers, cores // MODEL_THREADS) if device == "cpu" else 1


def get_cores() -> int:
    """Return how many cores this process may use; where the system does not say, how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def _generate_all(host: ModelHost, *, peers: int, tokens: int) -> None:
    async with trio.open_nursery() as nursery:
        for index in range(peers):
            request = GenerateRequest(
                prompt=Prompt(prefix="", suffix="Question: How many?\nAnswer:"),
                noise_seed=bytes(32),
                seat_key=bytes([index]),
                temperature_milli=1_000,
                max_tokens=tokens,
                stop=(),
            )
            nursery.start_soon(host.generate, request)
