"""Calls a peer until a ranking's winner is right as often as 95 % of what all pairs by all judges reach.

Run: python -m benchmarks.ranking_adaptive [--swarms N] [--seed S]
Simulated swarms of the robustness benchmark: honest peers, judges right in 75 % of pairs of a right and a
wrong answer, every answer an item of its own, nobody judges its own. A batch is one call a peer; a peer that
has a part in every pair left (the leader's author, as a rule) is idle. `adaptive` is
`ranking.adaptive.choose_pairs`, whose first batch compares every item twice; `regular` deals a fresh random
cycle each batch. Accuracy counts swarms in which somebody was right; all designs see the same swarms.
Goals (goals.md): 95 % of all-pairs accuracy within 5, 7, 6 calls a peer at N = 7, 15, 31.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from benchmarks.robustness.attacks import Attack
from benchmarks.robustness.settings import Settings
from benchmarks.robustness.swarm import Answers, Indices, Swarms
from ranking.adaptive import Pair, choose_pairs, is_settled
from ranking.comparisons import ComparisonTable, create_empty_table, create_table
from ranking.fit import StrengthFit, fit_strengths
from ranking.intervals import compute_intervals

GOALS = {7: 5, 15: 7, 31: 6}
BATCHES = {7: 9, 15: 12, 31: 12}
SWARMS_A_SIZE = {7: 1200, 15: 800, 31: 400}
SHARE = 0.95
STOPS = (0.8, 0.9)
ANY_PAIR = Pair(0, 1)
"""Put to idle peers; what they say is not counted."""


@dataclass(frozen=True, slots=True)
class Question:
    """One swarm's answers, in a batch of swarms that are judged together."""

    at: int
    contents: list[int]

    def is_right(self, fit: StrengthFit) -> bool:
        """Whether the first item is a right answer."""
        return self.contents[int(fit.order[0])] == 0


class Stage:
    """Swarms of one size, each with one question; every design asks the same judges anew."""

    def __init__(self, size: int, count: int, seed: int) -> None:
        self.size = size
        self.swarms = Swarms(
            Settings(), size=size, attackers=0, attack=Attack(), design="unmerged", count=count, seed=seed
        )
        self.answers: Answers = self.swarms.answer()
        has_right = self.answers.has_right.tolist()
        contents = self.answers.items.tolist()
        self.questions = [Question(at, contents[at]) for at in range(count) if has_right[at]]
        self.source = np.random.default_rng((seed, size))

    def judge(self, left: Indices, right: Indices) -> list[list[list[bool]]]:
        """Return whether left wins, by swarm, judge and call; all of shape (swarms, peers, calls)."""
        said: list[list[list[bool]]] = self.swarms.judge(self.answers, left, right).tolist()
        return said

    def seat(self, pairs: tuple[Pair, ...]) -> list[Pair | None]:
        """Deal as many pairs as there are peers, one each, at random, to nobody a pair with its own item."""
        dealt: list[Pair | None] = [pairs[place] for place in self.source.permutation(self.size)]
        for peer, pair in enumerate(dealt):
            if pair is None or peer not in pair:
                continue
            others = (
                other
                for other, its in enumerate(dealt)
                if its is not None and peer not in its and other not in pair
            )
            other = next(others, None)
            dealt[peer] = None if other is None else dealt[other]
            if other is not None:
                dealt[other] = pair
        return dealt


@dataclass(slots=True)
class Ballots:
    """What one swarm's peers said so far, under one design."""

    judge: list[int]
    left: list[int]
    right: list[int]
    wins: list[bool]

    def add(self, judge: int, pair: Pair, *, is_won: bool) -> None:
        """Add one verdict."""
        self.judge.append(judge)
        self.left.append(pair.left)
        self.right.append(pair.right)
        self.wins.append(is_won)

    def make_table(self, size: int) -> ComparisonTable:
        """Return them as a table."""
        names = [str(index) for index in range(size)]
        if not self.judge:
            return create_empty_table(items=names, judges=names)
        return create_table(
            items=names, judges=names, judge=self.judge, left=self.left, right=self.right, outcome=self.wins
        )


Choose = Callable[[ComparisonTable, int], tuple[Pair, ...]]


def choose_adaptively(table: ComparisonTable, seed: int) -> tuple[Pair, ...]:
    return choose_pairs(table, count=len(table.items), seed=seed)


def deal_cycle(table: ComparisonTable, seed: int) -> tuple[Pair, ...]:
    order = np.random.default_rng(seed).permutation(len(table.items)).tolist()
    return tuple(Pair(one, order[at - 1]) for at, one in enumerate(order))


@dataclass(frozen=True, slots=True)
class Course:
    """How a design went.

    Attributes:
        right: Whether the winner was right, (batches, questions).
        stops: By P(best) asked for: (calls a peer, whether right) of each question.
    """

    right: list[list[bool]]
    stops: dict[float, list[tuple[int, bool]]]


def play(stage: Stage, choose: Choose, batches: int, seed: int) -> Course:
    """Ask batch after batch, in all swarms side by side."""
    size, count = stage.size, len(stage.answers.has_right)
    ballots = [Ballots([], [], [], []) for _ in range(count)]
    right: list[list[bool]] = []
    stops: dict[float, list[tuple[int, bool]]] = {level: [] for level in STOPS}
    is_open = {level: dict.fromkeys(question.at for question in stage.questions) for level in STOPS}
    for batch in range(batches):
        lefts, rights = np.zeros((count, size, 1), np.int64), np.ones((count, size, 1), np.int64)
        seated: list[list[Pair | None]] = []
        for question in stage.questions:
            table = ballots[question.at].make_table(size)
            pairs = choose(table, (seed * 100 + batch) * 10_000 + question.at)
            seated.append(stage.seat(pairs))
            for peer, pair in enumerate(seated[-1]):
                lefts[question.at, peer, 0], rights[question.at, peer, 0] = pair or ANY_PAIR
        said = stage.judge(lefts, rights)
        right.append([])
        for question, dealt in zip(stage.questions, seated, strict=True):
            mine = ballots[question.at]
            for peer, pair in enumerate(dealt):
                if pair is not None:
                    mine.add(peer, pair, is_won=said[question.at][peer][0])
            table = mine.make_table(size)
            fit = fit_strengths(table)
            right[-1].append(question.is_right(fit))
            stop_where_settled(question, table, fit, stops, is_open, batch + 1, is_last=batch + 1 == batches)
    return Course(right, stops)


def stop_where_settled(
    question: Question,
    table: ComparisonTable,
    fit: StrengthFit,
    stops: dict[float, list[tuple[int, bool]]],
    is_open: dict[float, dict[int, None]],
    calls: int,
    *,
    is_last: bool,
) -> None:
    """Note for each level of P(best) where asking would have ended; equal answers are best together."""
    waiting = [level for level in STOPS if question.at in is_open[level]]
    if not waiting:
        return
    intervals = compute_intervals(table, fit)
    for level in waiting:
        if is_last or is_settled(table, intervals, p_best_min=level, groups=question.contents):
            stops[level].append((calls, question.is_right(fit)))
            del is_open[level][question.at]


def measure_all_pairs(stage: Stage) -> list[bool]:
    """Return whether the winner is right where every judge compares every pair that is not its own."""
    size, count = stage.size, len(stage.answers.has_right)
    pairs = [[pair for pair in combinations(range(size), 2) if judge not in pair] for judge in range(size)]
    shown = np.broadcast_to(np.array(pairs), (count, *np.shape(pairs)))
    is_turned = stage.source.random(shown.shape[:3]) < 0.5
    lefts = np.where(is_turned, shown[..., 1], shown[..., 0])
    rights = np.where(is_turned, shown[..., 0], shown[..., 1])
    said = stage.judge(lefts, rights)
    judges = np.repeat(np.arange(size), len(pairs[0])).tolist()
    found = []
    for question in stage.questions:
        at = question.at
        wins = [one for judge in said[at] for one in judge]
        ballots = Ballots(judges, lefts[at].ravel().tolist(), rights[at].ravel().tolist(), wins)
        found.append(question.is_right(fit_strengths(ballots.make_table(size))))
    return found


def describe(right: list[bool]) -> str:
    mean = float(np.mean(right))
    return f"{mean:.3f} ± {math.sqrt(mean * (1 - mean) / len(right)):.3f}"


def print_size(size: int, swarms: int, seed: int) -> None:
    """Measure one swarm size and print it."""
    stage = Stage(size, swarms, seed)
    everything = measure_all_pairs(stage)
    target, calls = SHARE * float(np.mean(everything)), (size - 1) * (size - 2) // 2
    print(f"N = {size}: {len(stage.questions)} swarms, seed {seed}")
    print(
        f"  all pairs by all judges, {calls} calls a peer: {describe(everything)}; 95 % of it: {target:.3f}"
    )
    reached: dict[str, int | None] = {}
    for name, choose in (("regular", deal_cycle), ("adaptive", choose_adaptively)):
        course = play(stage, choose, BATCHES[size], seed)
        means = [float(np.mean(right)) for right in course.right]
        reached[name] = next((at for at, mean in enumerate(means, start=1) if mean >= target), None)
        print(f"  {name:<9}" + " ".join(f"{at}: {mean:.3f}" for at, mean in enumerate(means, start=1)))
        for level, ends in course.stops.items():
            share, spent = describe([is_right for _, is_right in ends]), np.mean([calls for calls, _ in ends])
            print(f"            stopped at P(best) {level:.2f}: {spent:.1f} calls a peer, right {share}")
    said = {name: f"more than {BATCHES[size]}" if at is None else str(at) for name, at in reached.items()}
    is_met = reached["adaptive"] is not None and reached["adaptive"] <= GOALS[size]
    print(
        f"  95 % reached with {said['adaptive']} calls a peer, goal {GOALS[size]}: "
        f"{'met' if is_met else 'MISSED'}; regular: {said['regular']}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--swarms", type=int, help="swarms of each size; 1200, 800, 400 by default")
    parser.add_argument("--seed", type=int, default=11)
    arguments = parser.parse_args()
    for size in GOALS:
        print_size(size, arguments.swarms or SWARMS_A_SIZE[size], arguments.seed)


if __name__ == "__main__":
    main()
