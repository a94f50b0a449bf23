"""What each judge strategy is worth on a model: pairs of a right and a wrong answer to generated questions.

python -m benchmarks.judges [--model embedded] [--pairs 60] [--judges likelihood letters ...]

The right answer is the question's truth, the wrong one the truth of another question of its family; which is
shown on the left alternates, and five judges take turns. A tie counts half, a missing judgement not at all;
the interval is Wilson's, 95 %. "same letter" is the share of pairs to which a prompted judge gave the same
letter both ways round. Seeds are fixed.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from consensus.gold import FAMILIES, GoldQuestion, generate, is_correct
from consensus.hashing import tagged_hash
from models.catalog import open_model
from models.contract import Choice, Model
from models.judges.judging import start_judging
from models.judges.likelihood import choose_prompt_keys
from models.judges.strategy import JudgeStrategy, check_supported, format_strategy, parse_strategy
from models.judges.task import JudgedPairs, JudgeTask, Judging, Pair, Reply
from models.prompts import FENCE_NONCE_BYTES_MIN, Message, Role
from swarm.edge.model_calls import judge_pairs
from swarm.edge.model_host import ModelHost

JUDGING_PEERS = 5
LEVEL = 1
OTHERS_MAX = 100  # questions of a family that are tried for a wrong answer; a family of two answers needs few
HALF_Q16 = 32_768
Z_95 = 1.959964
JUDGES = ("likelihood", "likelihood:prompts=4", "letters", "reasoning")


@dataclass(frozen=True, slots=True)
class Sample:
    """A question with a right and a wrong answer; which of them is shown on the left alternates."""

    gold: GoldQuestion
    right: str
    wrong: str
    is_right_left: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome for the right answer, and whether both ways round got one letter; None for neither."""

    outcome: int | None
    is_same_letter: bool | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a judge made of the samples; `same_letter` is a share, None where no pair was shown both ways."""

    right: int
    wrong: int
    tied: int
    missing: int
    same_letter: float | None
    seconds: float

    @property
    def judged(self) -> int:
        """How many pairs got an outcome."""
        return self.right + self.wrong + self.tied

    @property
    def accuracy(self) -> float:
        """The share of judged pairs decided rightly; NaN where there are none."""
        return (self.right + self.tied / 2) / self.judged if self.judged else math.nan


def make_samples(pairs: int) -> list[Sample]:
    """Draw questions, family by family in turn, each with the truth of another one as its wrong answer."""
    samples: list[Sample] = []
    families = list(FAMILIES)
    for place in range(pairs):
        family, turn = families[place % len(families)], place // len(families)
        gold = _draw(family, 2 * turn)
        others = (_draw(family, index) for index in range(2 * turn + 1, 2 * turn + 1 + OTHERS_MAX))
        wrong = next(other.truth for other in others if not is_correct(gold, other.truth))
        samples.append(Sample(gold, gold.truth, wrong, is_right_left=turn % 2 == place % 2))
    return samples


def _draw(family: str, index: int) -> GoldQuestion:
    return generate(family, tagged_hash("judge-benchmark", family.encode(), index), LEVEL)


def measure(strategy: JudgeStrategy, model: Model, samples: Sequence[Sample]) -> Measured:
    """Judge every sample, each in a task of its own, calls side by side as in a swarm, and count."""
    check_supported(strategy, model.info())
    started = time.perf_counter()
    judged = trio.run(_judge_all, strategy, model, samples)
    seconds = time.perf_counter() - started
    decided = [one.outcome for one in judged if one.outcome is not None]
    letters = [one.is_same_letter for one in judged if one.is_same_letter is not None]
    return Measured(
        right=sum(outcome > HALF_Q16 for outcome in decided),
        wrong=sum(outcome < HALF_Q16 for outcome in decided),
        tied=decided.count(HALF_Q16),
        missing=len(judged) - len(decided),
        same_letter=sum(letters) / len(letters) if letters else None,
        seconds=seconds,
    )


def compute_interval(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if count == 0:
        return 0.0, 1.0
    spread = Z_95**2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = Z_95 / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(centre - half, 0.0), min(centre + half, 1.0)


async def _judge_all(strategy: JudgeStrategy, model: Model, samples: Sequence[Sample]) -> list[Judged]:
    found: dict[int, Judged] = {}
    host = ModelHost(model)

    async def judge(place: int, sample: Sample) -> None:
        heard: list[Reply] = []
        task = _make_task(strategy, sample, place)
        (outcome,) = (await judge_pairs(host, _listen(start_judging(strategy, task), heard))).outcomes
        choices = [reply for reply in heard if isinstance(reply, Choice)]
        if outcome is not None and not sample.is_right_left:
            outcome = 2 * HALF_Q16 - outcome
        found[place] = Judged(outcome, _is_same(choices) if len(choices) == 2 else None)

    async with trio.open_nursery() as nursery:
        await nursery.start(host.run)
        async with trio.open_nursery() as judges:
            for place, sample in enumerate(samples):
                judges.start_soon(judge, place, sample)
        nursery.cancel_scope.cancel()
    return [found[place] for place in range(len(samples))]


def _make_task(strategy: JudgeStrategy, sample: Sample, place: int) -> JudgeTask:
    judges = [tagged_hash("judge-benchmark-judge", index) for index in range(JUDGING_PEERS)]
    own = judges[place % JUDGING_PEERS]
    return JudgeTask(
        messages=(Message(role=Role.USER, text=sample.gold.text),),
        texts=(sample.right, sample.wrong),
        pairs=(Pair(0, 1) if sample.is_right_left else Pair(1, 0),),
        prompt_keys=choose_prompt_keys(own, judges, prompts=strategy.prompts, seed=b"judge-benchmark"),
        nonce=tagged_hash("judge-benchmark-nonce", own)[:FENCE_NONCE_BYTES_MIN],
    )


def _listen(judging: Judging, heard: list[Reply]) -> Judging:
    """Pass a judging through, and keep what the model replied."""
    try:
        calls = next(judging)
        while True:
            replies = yield calls
            heard += replies
            calls = judging.send(replies)
    except StopIteration as ended:
        result = ended.value
        assert isinstance(result, JudgedPairs), "a judging returns its outcomes"
        return result


def _is_same(choices: Sequence[Choice]) -> bool:
    first, second = (choice.logprobs.index(max(choice.logprobs)) for choice in choices)
    return first == second


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--judges", nargs="+", default=list(JUDGES))
    arguments = parser.parse_args()
    strategies = [parse_strategy(text) for text in arguments.judges]
    model = open_model(arguments.model, progress=lambda _: None)
    samples = make_samples(arguments.pairs)
    families = len({sample.gold.family for sample in samples})
    print(f"{len(samples)} pairs of {families} families, {model.info().name}", flush=True)
    print(f"{'judge':25}  right  wrong  tied  missing  accuracy  {'95 %':14}  same letter  seconds")
    for strategy in strategies:
        found = measure(strategy, model, samples)
        low, high = compute_interval(found.accuracy, found.judged)
        same = "-" if found.same_letter is None else f"{found.same_letter:.2f}"
        print(
            f"{format_strategy(strategy):25}  {found.right:5d}  {found.wrong:5d}  {found.tied:4d}"
            f"  {found.missing:7d}  {found.accuracy:8.3f}  {low:.3f} to {high:.3f}  {same:>11}"
            f"  {found.seconds:7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
