"""Time whole rounds, `rank` then `learn`, in the canonical and in the float engine on the same rounds.

Run: python -m benchmarks.ranking_rounds [--rounds N] [--budget SECONDS]
Each peer makes 8 comparisons. Merged: equal answers are one candidate, 2 to 4 of them with several authors
each; else every peer has its own. Hostile: 2 peers in 5 answer and prefer one wrong answer. Both engines take
the same rounds, ten in turn, so that a busy machine slows both; every round also teaches, so that later ones
have camps, weights and leans to reckon with. Rates are rounds a second: `cpu` by the CPU time of this
process, all threads together; `best` the same of the quickest tenth of the rounds, which is nearer to what an
idle core does; `wall` by the clock.
"""

import argparse
import math
import random
import time
from dataclasses import dataclass, field
from typing import get_args

from ranking.rounds import Ranker, Round, Verdict
from ranking.standing import Engine, create_ranker

SIZES = (7, 15, 31)
CALLS = 8
WRONG_SHARES = (0.60, 0.25, 0.15)
ACCURACY = 0.75
LEAN_LOGITS = 0.4
"""What everybody leans to the left side and to its own answer."""
GOALS: dict[Engine, float] = {"canonical": 50.0, "float": 300.0}
GOAL_PEERS = 15
ROUNDS = 60
BUDGET_S = 6.0
BLOCK = 10
"""Rounds that an engine takes before the other takes the same."""
SEED = 1


def make_round(source: random.Random, peers: int, liars: int, *, is_merged: bool) -> Round:
    """Draw a round; peers below `liars` answer 1 and prefer it. Redrawn until two answers differ."""
    while True:
        ease = 1 / (1 + math.exp(source.gauss(0.0, 1.1)))
        found = [
            0 if source.random() < ease else source.choices((1, 2, 3), WRONG_SHARES)[0] for _ in range(peers)
        ]
        answers = [1 if peer < liars else kind for peer, kind in enumerate(found)]
        if len(set(answers)) > 1:
            break
    kinds = list(dict.fromkeys(answers)) if is_merged else answers
    authors = tuple(
        tuple(peer for peer in range(peers) if (answers[peer] == kind if is_merged else peer == index))
        for index, kind in enumerate(kinds)
    )
    verdicts: list[Verdict] = []
    for judge in range(peers):
        allowed = [index for index in range(len(kinds)) if authors[index] != (judge,)]
        pairs = [(left, right) for left in allowed for right in allowed if left != right]
        for left, right in source.sample(pairs, min(CALLS, len(pairs))):
            gap = (kinds[left] == 0) - (kinds[right] == 0)
            own = (kinds[left] == answers[judge]) - (kinds[right] == answers[judge])
            logit = math.log(ACCURACY / (1 - ACCURACY)) * gap + LEAN_LOGITS * (1 + own)
            is_left = source.random() < 1 / (1 + math.exp(-logit))
            if judge < liars and (kinds[left] == 1) != (kinds[right] == 1):
                is_left = kinds[left] == 1
            verdicts.append(Verdict(judge, left, right, 0.95 if is_left else 0.05))
    return Round(seed=source.randbytes(8), authors=authors, verdicts=tuple(verdicts))


@dataclass(slots=True)
class Times:
    """Seconds of each round."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def add(self, ranker: Ranker, round_: Round) -> None:
        """Time one round."""
        wall, cpu = time.perf_counter(), time.process_time()
        ranker.rank(round_)
        ranker.learn(round_, None)
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - wall)

    @property
    def cpu_rate(self) -> float:
        """Rounds a second of CPU time."""
        return len(self.cpu) / sum(self.cpu)

    @property
    def wall_rate(self) -> float:
        """Rounds a second by the clock."""
        return len(self.wall) / sum(self.wall)

    @property
    def best_rate(self) -> float:
        """Rounds a second of CPU time in the quickest tenth of the rounds."""
        quick = sorted(self.cpu)[: max(len(self.cpu) // 10, 1)]
        return len(quick) / sum(quick)


@dataclass(frozen=True, slots=True)
class Case:
    """One row: a swarm, and whether equal answers are one candidate."""

    peers: int
    liars: int
    is_merged: bool

    def describe(self) -> str:
        """Return the row's first columns."""
        candidates, kind = "merged" if self.is_merged else "one each", "hostile" if self.liars else "honest"
        return f"{self.peers:>3} {candidates:>10} {kind:>8}"


CASES = tuple(
    Case(peers, liars, is_merged)
    for peers in SIZES
    for is_merged in (True, False)
    for liars in (0, peers * 2 // 5)
)


def measure(case: Case, *, rounds: int, budget_s: float) -> dict[Engine, Times]:
    """Time both engines on the same rounds until there were enough or the budget is spent."""
    source = random.Random(SEED)
    times: dict[Engine, Times] = {engine: Times() for engine in get_args(Engine)}
    rankers = {engine: create_ranker(engine) for engine in times}
    start = time.perf_counter()
    while len(times["float"].cpu) < rounds and time.perf_counter() - start < budget_s:
        block = [make_round(source, case.peers, case.liars, is_merged=case.is_merged) for _ in range(BLOCK)]
        for engine, ranker in rankers.items():
            for round_ in block:
                times[engine].add(ranker, round_)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description="Rounds a second, canonical and float engine side by side.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="most rounds a row")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds a row")
    args = parser.parse_args()
    rounds, budget_s = max(int(args.rounds), 1), float(args.budget)
    # What is done once, such as loading, is not of any row.
    measure(CASES[0], rounds=1, budget_s=budget_s)
    print("Rounds a second; N peers, 8 comparisons each")
    columns = "".join(f" | {engine:>9}: {'cpu':>5} {'best':>5} {'wall':>5}" for engine in GOALS)
    print(f"{'N':>3} {'candidates':>10} {'peers':>8} {'rounds':>7}{columns} | cpu ratio")
    lowest = dict.fromkeys(GOALS, math.inf)
    for case in CASES:
        times = measure(case, rounds=rounds, budget_s=budget_s)
        columns = "".join(
            f" | {'':>10} {one.cpu_rate:>5.0f} {one.best_rate:>5.0f} {one.wall_rate:>5.0f}"
            for one in times.values()
        )
        ratio = times["float"].cpu_rate / times["canonical"].cpu_rate
        print(f"{case.describe()} {len(times['float'].cpu):>7}{columns} | {ratio:>9.1f}", flush=True)
        if case.peers == GOAL_PEERS:
            lowest = {engine: min(rate, times[engine].cpu_rate) for engine, rate in lowest.items()}
    for engine, goal in GOALS.items():
        verdict = "met" if lowest[engine] >= goal else f"short by {1 - lowest[engine] / goal:.0%}"
        slowest = f"slowest row by cpu {lowest[engine]:.0f}, {verdict}"
        print(f"goal at N = {GOAL_PEERS}, {engine}: >= {goal:.0f}; {slowest}")


if __name__ == "__main__":
    main()
