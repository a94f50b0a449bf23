"""Time to check a receipt offline: three ballot steps, every seat with an answer of its own.

That is the dearest case: n candidates, and three rankings with all leave-one-out refits to recompute.
Receipts are made in a simulated world, so the network costs nothing here.
Run: python -m benchmarks.receipt_check
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from consensus.verify import Verdict, verify_receipt
from models.contract import Choice, ChoiceRequest, GenerateRequest, Generation, ModelInfo, Score, ScoreRequest
from models.scripted import ScriptedModel
from sim_net.world import World


class OwnAnswer:
    """A scripted model with an answer that nobody else gives, and a judge that cannot tell them apart."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._model = ScriptedModel(judge_accuracy=0.5)

    def info(self) -> ModelInfo:
        """Return the scripted model's."""
        return self._model.info()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        """Answer with the own name."""
        return [
            Generation(
                text=f" {self._name}",
                tokens=answer.tokens,
                finish=answer.finish,
                prompt_tokens=answer.prompt_tokens,
                logprob=answer.logprob,
            )
            for answer in self._model.generate(requests)
        ]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Score as the scripted model does."""
        return self._model.score(requests)

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Choose as the scripted model does."""
        return self._model.choose(requests)


@dataclass(frozen=True, slots=True)
class Checked:
    """One receipt's check."""

    receipt_bytes: int
    steps: int
    candidates: int
    median_ms: float


def has_receipt(world: World) -> bool:
    """Say whether the asker has its receipt."""
    return world.get_receipt() is not None


def make_receipt(seats: int) -> bytes:
    """Run rounds until one takes all three ballot steps."""
    for seed in range(100):
        world = World(seed=seed, models=[OwnAnswer(f"answer {index}") for index in range(seats)])
        world.ask("Which?")
        world.run(until_ms=120_000, is_done=partial(has_receipt, world))
        receipt = world.get_receipt()
        if receipt is not None and len(check(receipt).round_steps) == 4:
            return receipt
    raise AssertionError("no round took three ballot steps")


@dataclass(frozen=True, slots=True)
class _Opened:
    verdict: Verdict
    round_steps: tuple[int, ...]
    candidates: int


def check(receipt: bytes) -> _Opened:
    """Verify a receipt and say how long its round was."""
    verdict = verify_receipt(receipt)
    assert verdict.round is not None, verdict.checks
    steps = tuple(step.outcome.value.step for step in verdict.round.closed)
    return _Opened(verdict, steps, len(verdict.round.closed[0].outcome.value.classes))


def time_check(seats: int, *, runs: int) -> Checked:
    """Check one receipt several times."""
    receipt = make_receipt(seats)
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        check(receipt)
        times.append((time.perf_counter() - started) * 1_000)
    opened = check(receipt)
    return Checked(len(receipt), len(opened.round_steps), opened.candidates, statistics.median(times))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[4, 7, 15, 31])
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    print("seats  candidates  steps  receipt bytes  check ms (median)")
    for seats in arguments.sizes:
        checked = time_check(seats, runs=arguments.runs)
        print(
            f"{seats:5d}  {checked.candidates:10d}  {checked.steps:5d}"
            f"  {checked.receipt_bytes:13d}  {checked.median_ms:17.1f}"
        )


if __name__ == "__main__":
    main()
