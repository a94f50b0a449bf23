"""Cost of a protocol step over real loopback sockets, all seats in one process, scripted models.

Prints, for each committee size, the median milliseconds of a ballot step and of the answer step over
several rounds, and the time to verify the last receipt. Run: python -m benchmarks.protocol_step
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from consensus.question import QUESTION_VERSION, Question, Role, Turn, sign_question
from consensus.verify import verify_receipt
from models.contract import Choice, ChoiceRequest, GenerateRequest, Generation, Score, ScoreRequest
from models.scripted import ScriptedModel
from ranking.canonical import STEPS_MAX, default_calls_per_peer
from swarm.edge.client import Answered, AskerClient
from swarm.edge.event_log import EventLog
from swarm.edge.local import (
    SwarmAccess,
    create_local_keys,
    open_client_mesh,
    open_local_swarm,
    wait_linked,
)
from swarm.edge.store import open_asyncio_loop
from swarm.edge.tuning import tune_collector


class DirectCalls:
    """A scripted model called at once, so that only the protocol is timed."""

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model

    async def generate(self, request: GenerateRequest) -> Generation:
        """Answer."""
        return self._model.generate([request])[0]

    async def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Score."""
        return self._model.score(requests)

    async def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Choose."""
        return self._model.choose(requests)


@dataclass(frozen=True, slots=True)
class Timed:
    """One size's figures; verification in milliseconds, steps too."""

    answer_ms: list[float]
    ballot_ms: list[float]
    verify_ms: list[float]
    receipt_bytes: int
    missing: int


def make_question(swarm: SwarmAccess, *, seats: int, counter: int) -> Question:
    """Return one question to the whole swarm."""
    network_id = swarm.network.network_id
    return Question(
        version=QUESTION_VERSION,
        network=network_id,
        asker=swarm.asker.key,
        counter=counter,
        header=network_id,
        turns=(Turn(int(Role.USER), b"Question number %d: what is it?" % counter),),
        temperature_milli=700,
        tokens_max=64,
        seats=seats,
        calls_per_peer=default_calls_per_peer(seats),
        steps_max=STEPS_MAX,
        answer_ms=60_000,
        ballot_ms=60_000,
        reveal_ms=10_000,
        attestation=0,
    )


async def time_rounds(*, peers: int, rounds: int) -> Timed:
    """Run rounds and time their steps."""
    keys, model = create_local_keys(peers=peers, seed=bytes(32)), ScriptedModel(accuracy=0.3)
    timed = Timed([], [], [], 0, 0)
    missing, size = 0, 0
    with tempfile.TemporaryDirectory() as directory:
        async with (
            open_asyncio_loop(),
            open_local_swarm(
                keys,
                directory=Path(directory),
                model=DirectCalls(model),
                info=model.info(),
                log=EventLog(None, get_time_ms=lambda: int(time.time() * 1_000)),
            ) as swarm,
            open_client_mesh(swarm) as mesh,
        ):
            await wait_linked(mesh, peers)
            await trio.sleep(2.0)  # every pair of peers links up
            client = AskerClient(network=keys.network, mesh=mesh, on_progress=lambda _: None)
            for counter in range(rounds):
                question = make_question(swarm, seats=peers, counter=counter)
                answered = await client.ask(
                    sign_question(question, swarm.asker, keys.network), deadline_s=120.0
                )
                assert isinstance(answered, Answered), answered
                assert answered.verdict.round is not None
                missing += sum(len(s.outcome.value.missing) for s in answered.verdict.round.closed)
                size = len(answered.receipt)
                before = 0.0
                for step, seconds in answered.step_seconds:
                    (timed.ballot_ms if step else timed.answer_ms).append((seconds - before) * 1_000)
                    before = seconds
                started = time.perf_counter()
                verdict = verify_receipt(answered.receipt)
                timed.verify_ms.append((time.perf_counter() - started) * 1_000)
                assert verdict.is_consistent
    return Timed(timed.answer_ms, timed.ballot_ms, timed.verify_ms, size, missing)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[4, 7, 15, 31])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    tune_collector()
    print("seats  answer step ms  ballot step ms  (min..max)   verify ms  receipt bytes  seats missed")
    for peers in arguments.sizes:
        timed = trio.run(partial(time_rounds, peers=peers, rounds=arguments.rounds))
        ballot = timed.ballot_ms or [float("nan")]
        print(
            f"{peers:5d}  {statistics.median(timed.answer_ms):14.1f}  {statistics.median(ballot):14.1f}"
            f"  ({min(ballot):.1f}..{max(ballot):.1f})  {statistics.median(timed.verify_ms):9.1f}"
            f"  {timed.receipt_bytes:13d}  {timed.missing}"
        )


if __name__ == "__main__":
    main()
