"""Measure what judging pays, honest work beside imitations of it.

Run: python -m benchmarks.ranking_incentives [--swarms N] [--rounds N]
A swarm has 15 peers: 8 honest judges (right about a right and a wrong answer 3 times in 4) and one of each
of six imitators; or 9 honest ones and a coalition of 6 (40 %) that follows a cheap signal which all of it
sees. Reputation is learnt as the rounds go by (`ranking.reputation`), one round in 16 is gold. Printed: the
mean score a verdict over the last two thirds of the rounds, in nats, with the standard error over swarms;
how often an honest judge has earned more than the imitator after 30 rounds (AUC); and the mean weight.
Answers are merged, as in the protocol; right answers are the largest class about two times in three.
"""

import argparse
import math
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from ranking.ballots import OUTCOME_MAX, OUTCOME_MIN, Comparison
from ranking.canonical import (
    PastRound,
    Reputation,
    compute_terms,
    create_reputation,
    deal_pairs,
    update_reputation,
)
from ranking.incentives import compute_incentives

PEERS = 15
CALLS = 8
HONEST_ACCURACY = 0.75
LAZY_ACCURACY = 0.60
WRONG_SHARES = (0.60, 0.25, 0.15)
GOLD_EVERY = 16
EARLY_ROUNDS = 30


@dataclass(slots=True)
class Pair:
    """What a strategy may look at: whether left is right, right is right, author counts, cheap signal."""

    left_right: bool
    right_right: bool
    left_count: int
    right_count: int
    left_signal: float
    right_signal: float


def judge_with(accuracy: float) -> Callable[[Pair, random.Random], bool]:
    """Return an honest judge: right at `accuracy` where one answer is right, else a coin."""

    def judge(pair: Pair, source: random.Random) -> bool:
        if pair.left_right == pair.right_right:
            return source.random() < 0.5
        return (source.random() < accuracy) == pair.left_right

    return judge


def judge_inverted(pair: Pair, source: random.Random) -> bool:
    """Say the opposite of an honest judge."""
    return not judge_with(HONEST_ACCURACY)(pair, source)


def judge_by_crowd(pair: Pair, source: random.Random) -> bool:
    """Prefer what more peers answered; a coin where as many did."""
    if pair.left_count == pair.right_count:
        return source.random() < 0.5
    return pair.left_count > pair.right_count


STRATEGIES: dict[str, Callable[[Pair, random.Random], bool]] = {
    "honest": judge_with(HONEST_ACCURACY),
    "lazy": judge_with(LAZY_ACCURACY),
    "random": lambda _, source: source.random() < 0.5,
    "always left": lambda *_: True,
    "inverted": judge_inverted,
    "crowd": judge_by_crowd,
    "signal": lambda pair, _: pair.left_signal > pair.right_signal,
}
MIXED = ("honest",) * 9 + ("lazy", "random", "always left", "inverted", "crowd", "signal")
COALITION = ("honest",) * 9 + ("signal",) * 6


@dataclass(slots=True)
class Books:
    """What one swarm's peers earned: sums and counts, early and late, and final weights."""

    early: list[float] = field(default_factory=lambda: [0.0] * PEERS)
    late: list[float] = field(default_factory=lambda: [0.0] * PEERS)
    late_count: list[int] = field(default_factory=lambda: [0] * PEERS)
    weights: list[float] = field(default_factory=lambda: [0.0] * PEERS)


def draw_classes(source: random.Random) -> tuple[list[list[int]], list[bool]]:
    """Return authors by class, by lowest author, and whether each class is right."""
    hardness = source.gauss(0.0, 1.2)  # peers are right .485 of the time
    answers = []
    for _ in range(PEERS):
        is_right = source.random() < 1 / (1 + math.exp(hardness + 0.07))
        answers.append(0 if is_right else source.choices((1, 2, 3), WRONG_SHARES)[0])
    kinds = list(dict.fromkeys(answers))
    return [[p for p in range(PEERS) if answers[p] == kind] for kind in kinds], [kind == 0 for kind in kinds]


def play_round(
    strategies: tuple[str, ...], reputation: Reputation, number: int, source: random.Random, books: Books
) -> Reputation:
    """Deal, judge, score and learn one round; returns what was learnt."""
    authors, rights = draw_classes(source)
    if len(authors) < 2:
        return reputation
    signals = [source.random() for _ in authors]
    seed = source.randbytes(32)
    classes = tuple(map(tuple, authors))
    dealt = deal_pairs(
        step=1, authors=classes, seats=PEERS, calls_per_peer=CALLS, seed=seed, scores=None, history=()
    )
    dealt += deal_pairs(
        step=1,
        authors=classes,
        seats=PEERS,
        calls_per_peer=CALLS,
        seed=seed[::-1],
        scores=None,
        history=dealt,
    )
    comparisons = []
    for one in dealt:
        pair = Pair(
            rights[one.left], rights[one.right], len(authors[one.left]), len(authors[one.right]),
            signals[one.left], signals[one.right],
        )  # fmt: skip
        is_left = STRATEGIES[strategies[one.judge]](pair, source)
        outcome = OUTCOME_MAX if is_left else OUTCOME_MIN
        comparisons.append(Comparison(one.judge, one.left, one.right, outcome))
    is_gold = number % GOLD_EVERY == GOLD_EVERY - 1
    correct = tuple(index for index, is_right in enumerate(rights) if is_right) if is_gold else None
    past = PastRound(
        peers=tuple(range(PEERS)), authors=classes, comparisons=tuple(comparisons), correct=correct
    )
    terms = compute_terms(reputation, past.peers)
    for seat, earned in compute_incentives(past, terms).items():
        if number < EARLY_ROUNDS:
            books.early[seat] += earned.total / 65536
        else:
            books.late[seat] += earned.total / 65536
            books.late_count[seat] += earned.count
    books.weights = [terms[seat].weight_q16 / 65536 for seat in range(PEERS)]
    return update_reputation(reputation, past, terms=terms)


def measure(strategies: tuple[str, ...], swarms: int, rounds: int) -> None:
    """Print one table."""
    names = list(dict.fromkeys(strategies))
    late: dict[str, list[float]] = {name: [] for name in names}
    weights: dict[str, list[float]] = {name: [] for name in names}
    ahead: dict[str, list[float]] = {name: [] for name in names}
    for number in range(swarms):
        source = random.Random(1000 + number)
        books, reputation = Books(), create_reputation()
        for played in range(rounds):
            reputation = play_round(strategies, reputation, played, source, books)
        for name in names:
            seats = [seat for seat in range(PEERS) if strategies[seat] == name]
            total = sum(books.late[seat] for seat in seats)
            late[name].append(total / max(sum(books.late_count[seat] for seat in seats), 1))
            weights[name].append(statistics.fmean(books.weights[seat] for seat in seats))
            honest = [books.early[seat] for seat in range(PEERS) if strategies[seat] == "honest"]
            ahead[name] += [
                (mine > books.early[seat]) + (mine == books.early[seat]) / 2
                for mine in honest
                for seat in seats
            ]
    print(f"{'strategy':14}{'score a verdict':>18}{'honest ahead':>15}{'weight':>9}")
    for name in names:
        error = statistics.stdev(late[name]) / len(late[name]) ** 0.5
        print(
            f"{name:14}{statistics.fmean(late[name]):+11.4f} ± {error:.4f}"
            f"{statistics.fmean(ahead[name]):>14.2f}{statistics.fmean(weights[name]):>10.2f}"
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--swarms", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=90)
    options = parser.parse_args()
    print(f"{options.swarms} swarms of {PEERS}, {options.rounds} rounds, gold 1 in {GOLD_EVERY}")
    for title, strategies in (("imitators one by one", MIXED), ("coalition on a cheap signal", COALITION)):
        print(f"\n{title}")
        measure(strategies, options.swarms, options.rounds)


if __name__ == "__main__":
    main()
