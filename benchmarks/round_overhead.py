"""What a round costs above its model's time: embedded model, real sockets, long answers.

The model is wrapped so that it answers past the line break, up to the token limit, and its busy time is
summed. Overhead = (round - busy) / busy. Run: python -m benchmarks.round_overhead
"""

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from benchmarks.protocol_step import make_question
from consensus.question import sign_question
from models.catalog import open_model
from models.contract import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Model,
    ModelInfo,
    Score,
    ScoreRequest,
)
from swarm.edge.client import Answered, AskerClient
from swarm.edge.event_log import EventLog
from swarm.edge.local import (
    create_local_keys,
    create_timing,
    open_client_mesh,
    open_local_swarm,
    wait_linked,
)
from swarm.edge.model_host import ModelHost
from swarm.edge.store import open_asyncio_loop
from swarm.edge.tuning import tune_collector


class BusyModel:
    """The model, with its busy seconds and tokens counted."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.busy_s = 0.0
        self.tokens = 0

    def info(self) -> ModelInfo:
        """Return the wrapped model's."""
        return self._model.info()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        """Generate past line breaks, up to the token limit."""
        started = time.perf_counter()
        generations = self._model.generate([dataclasses.replace(r, stop=()) for r in requests])
        self.busy_s += time.perf_counter() - started
        self.tokens += sum(len(generation.tokens) for generation in generations)
        return generations

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Score as the wrapped model does."""
        started = time.perf_counter()
        scores = self._model.score(requests)
        self.busy_s += time.perf_counter() - started
        return scores

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Choose as the wrapped model does."""
        started = time.perf_counter()
        choices = self._model.choose(requests)
        self.busy_s += time.perf_counter() - started
        return choices


@dataclass(frozen=True, slots=True)
class Round:
    """One round's seconds, and the tokens of its answers."""

    round_s: float
    busy_s: float
    tokens: int
    steps: int


async def time_rounds(model: BusyModel, *, peers: int, rounds: int) -> list[Round]:
    """Run rounds one after another; the first, which fills caches, is not counted."""
    keys = create_local_keys(peers=peers, seed=bytes(32))
    host = ModelHost(model)
    timed: list[Round] = []
    with tempfile.TemporaryDirectory() as directory:
        async with open_asyncio_loop(), trio.open_nursery() as nursery:
            await nursery.start(host.run)
            async with (
                open_local_swarm(
                    keys,
                    directory=Path(directory),
                    model=host,
                    info=model.info(),
                    log=EventLog(None, get_time_ms=lambda: int(time.time() * 1_000)),
                    timing=create_timing(model.info()),
                ) as swarm,
                open_client_mesh(swarm) as mesh,
            ):
                await wait_linked(mesh, peers)
                client = AskerClient(network=keys.network, mesh=mesh, on_progress=lambda _: None)
                for counter in range(rounds + 1):
                    model.busy_s, model.tokens = 0.0, 0
                    question = make_question(swarm, seats=peers, counter=counter)
                    signed = sign_question(question, swarm.asker, keys.network)
                    answered = await client.ask(signed, deadline_s=600.0)
                    assert isinstance(answered, Answered), answered
                    steps = len(answered.step_seconds)
                    timed.append(Round(answered.elapsed_s, model.busy_s, model.tokens, steps))
            nursery.cancel_scope.cancel()
    return timed[1:]


def main() -> None:
    """Print one line a round and the median overhead."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    tune_collector()
    model = BusyModel(open_model("embedded", progress=print))
    timed = trio.run(partial(time_rounds, model, peers=arguments.peers, rounds=arguments.rounds))
    print("round s  model s  overhead  answer tokens  tokens/s  steps")
    for one in timed:
        overhead = (one.round_s - one.busy_s) / one.busy_s
        print(
            f"{one.round_s:7.2f}  {one.busy_s:7.2f}  {overhead:8.1%}  {one.tokens:13d}"
            f"  {one.tokens / one.busy_s:8.1f}  {one.steps:5d}"
        )
    median = statistics.median((one.round_s - one.busy_s) / one.busy_s for one in timed)
    print(f"median overhead over model time: {median:.1%}")


if __name__ == "__main__":
    main()
