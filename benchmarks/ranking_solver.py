"""Time the canonical solver beside choix on the same comparisons, and a whole step's scores.

Run: python -m benchmarks.ranking_solver
Each figure is the best of several runs, CPU time of this process over all its threads, so that other
work on the machine does not count; on an idle machine it equals wall time. The columns of a row are
measured one after the other in the same run: compare within a row. choix gets the anchor as one more
item with a win and a loss against each, which makes its model the solver's.
"""

import gc
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import choix
import numpy as np

from ranking.ballots import gather_evidence
from ranking.canonical import OUTCOME_MAX, OUTCOME_MIN, Assignment, Comparison, compute_scores, deal_pairs
from ranking.solver import Table

SIZES = ((7, 6, 2.0), (15, 8, 6.0), (31, 10, 20.0), (100, 10, 130.0))
"""(classes = judges, calls a judge, goal in ms for one fit on ballots alone)."""
SCORES_CLASSES_MAX = 31
BUDGET_S = 1.5
RUNS_MAX = 15


@dataclass(frozen=True, slots=True)
class Sample:
    """One set of ballots: class c is authored by seat c alone."""

    authors: tuple[tuple[int, ...], ...]
    ballots: tuple[Comparison, ...]


def measure_ms(run: Callable[[], object]) -> float:
    """Return the best CPU time of `run`, ms, over at most RUNS_MAX runs or about BUDGET_S seconds."""
    best, spent, runs = math.inf, 0.0, 0
    gc.collect()
    while runs < RUNS_MAX and (spent < BUDGET_S or runs < 2):
        start = time.process_time()
        run()
        elapsed = time.process_time() - start
        best, spent, runs = min(best, elapsed), spent + elapsed, runs + 1
    return best * 1e3


def judge_pair(source: random.Random, quality: list[float], assignment: Assignment) -> Comparison:
    gap = quality[assignment.left] - quality[assignment.right]
    outcome = OUTCOME_MAX if source.random() < 1 / (1 + math.exp(-gap)) else OUTCOME_MIN
    return Comparison(assignment.judge, assignment.left, assignment.right, outcome)


def make_random_sample(classes: int, calls: int) -> Sample:
    """Random pairs: the densest case, nearly every comparison its own cell."""
    source = random.Random(classes)
    quality = [source.gauss(0, 1) for _ in range(classes)]
    ballots = []
    for judge in range(classes):
        others = [index for index in range(classes) if index != judge]
        for _ in range(calls):
            ballots.append(judge_pair(source, quality, Assignment(judge, *source.sample(others, 2))))
    return Sample(tuple((seat,) for seat in range(classes)), tuple(ballots))


def make_dealt_sample(classes: int, calls: int) -> Sample:
    """Pairs as `deal_pairs` deals them over three steps: what a round's last step scores."""
    source = random.Random(classes)
    quality = [source.gauss(0, 1) for _ in range(classes)]
    authors = tuple((seat,) for seat in range(classes))
    history: list[Assignment] = []
    ballots: list[Comparison] = []
    for step in (1, 2, 3):
        scores = compute_scores(authors=authors, comparisons=ballots, seed=b"bench") if ballots else None
        dealt = deal_pairs(
            step=step,
            authors=authors,
            seats=classes,
            calls_per_peer=calls,
            seed=bytes([step]),
            scores=scores,
            history=history,
        )
        history += dealt
        ballots += [judge_pair(source, quality, assignment) for assignment in dealt]
    return Sample(authors, tuple(ballots))


def fit_canonical(sample: Sample, *, has_author_prior: bool) -> None:
    evidence = gather_evidence(
        authors=sample.authors, comparisons=sample.ballots, has_author_prior=has_author_prior
    )
    Table(evidence.classes, evidence.compute_total()).fit()


def fit_choix_dense(sample: Sample) -> None:
    classes = len(sample.authors)
    wins = np.zeros((classes + 1, classes + 1))
    for ballot in sample.ballots:
        wins[ballot.left, ballot.right] += ballot.outcome / 65536
        wins[ballot.right, ballot.left] += 1 - ballot.outcome / 65536
    wins[:classes, classes] = wins[classes, :classes] = 1
    choix.ilsr_pairwise_dense(wins, alpha=0.0)


def fit_choix_opt(sample: Sample) -> None:
    classes = len(sample.authors)
    games = [(index, classes) for index in range(classes)] + [(classes, index) for index in range(classes)]
    for ballot in sample.ballots:
        pair = (ballot.left, ballot.right)
        games.append(pair if ballot.outcome > 32768 else pair[::-1])
    choix.opt_pairwise(classes + 1, games, alpha=1e-6)


def score(sample: Sample) -> None:
    compute_scores(authors=sample.authors, comparisons=sample.ballots, seed=b"bench")


def print_fits() -> None:
    print("One fit, ballots to strengths, CPU ms (best of several); a ratio below 1: canonical is faster")
    print(f"{'N':>4} {'ballots':>8} {'canonical':>10} {'goal':>6} {'ilsr_dense':>11} {'ratio':>7} "
          f"{'opt_pairwise':>13} {'ratio':>7} {'with author prior':>18}")  # fmt: skip
    for classes, calls, goal_ms in SIZES:
        sample = make_random_sample(classes, calls)
        canonical = measure_ms(partial(fit_canonical, sample, has_author_prior=False))
        dense = measure_ms(partial(fit_choix_dense, sample))
        opt = measure_ms(partial(fit_choix_opt, sample))
        prior = measure_ms(partial(fit_canonical, sample, has_author_prior=True))
        print(f"{classes:>4} {len(sample.ballots):>8} {canonical:>10.2f} {goal_ms:>6.0f} {dense:>11.2f} "
              f"{canonical / dense:>7.2f} {opt:>13.2f} {canonical / opt:>7.2f} {prior:>18.2f}")  # fmt: skip


def print_scores() -> None:
    print("\ncompute_scores with every leave-one-judge-out refit, CPU ms; every seat its own class")
    print(f"{'N':>4} {'random pairs':>13} {'dealt pairs':>12} {'refits':>7} {'ms a refit':>11}")
    for classes, calls, _ in SIZES:
        if classes > SCORES_CLASSES_MAX:
            continue
        times = [
            measure_ms(partial(score, sample))
            for sample in (make_random_sample(classes, calls), make_dealt_sample(classes, calls))
        ]
        print(f"{classes:>4} {times[0]:>13.2f} {times[1]:>12.2f} {classes:>7} {times[1] / classes:>11.2f}")


def main() -> None:
    print_fits()
    print_scores()


if __name__ == "__main__":
    main()
