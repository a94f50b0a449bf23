"""Times one library on one set of comparisons, in a process of its own; run by `benchmarks.ranking_speed`.

Run: python worker.py LIBRARY FOLDER
FOLDER holds the common form: judge.npy, left.npy, right.npy (int32) and outcome.npy (float64, 1 where left
won). Prints one line of JSON and leaves the log-strengths in LIBRARY.npy. Times are CPU seconds of this
process over all its threads, the best of several runs. Works without the rest of the repository, but for
`peerage`: the others live in an environment of their own.
"""

import gc
import importlib
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

BUDGET_S = 2.0
RUNS_MAX = 40
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]
Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True)
class Votes:
    """The common form; names of items and judges are at hand as well, outside all timing."""

    items: list[str]
    judges: list[str]
    judge: Indices
    left: Indices
    right: Indices
    outcome: Floats

    def count_wins(self) -> Floats:
        """Return games won by row against column, shape (items, items)."""
        size = len(self.items)
        has_won = self.outcome > 0.5
        winner, loser = np.where(has_won, self.left, self.right), np.where(has_won, self.right, self.left)
        wins = np.bincount(winner.astype(np.int64) * size + loser, minlength=size * size)
        return wins.reshape(size, size).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Library(Generic[Prepared]):
    """How a library is fed and called: `prepare` makes its own input form, `solve` gives log-strengths."""

    prepare: Callable[[Votes], Prepared]
    solve: Callable[[Prepared], Floats]


def measure(run: Callable[[], object]) -> float:
    """Return the best CPU time of `run`, s."""
    best, spent, runs = math.inf, 0.0, 0
    gc.collect()
    while runs < RUNS_MAX and (runs == 0 or spent < BUDGET_S):
        start = time.process_time()
        run()
        elapsed = time.process_time() - start
        best, spent, runs = min(best, elapsed), spent + elapsed, runs + 1
    return best


def report(library: Library[Prepared], votes: Votes, target: Path) -> None:
    """Time a library and print what it took."""
    prepared = library.prepare(votes)
    np.save(target, library.solve(prepared))  # warms up as well: what is compiled once is not counted
    prepare_s = measure(lambda: library.prepare(votes))
    solve_s = measure(lambda: library.solve(prepared))
    print(json.dumps({"prepare_s": prepare_s, "solve_s": solve_s}))


# -- libraries -----------------------------------------------------------------------------------------


def report_peerage(votes: Votes, target: Path) -> None:
    """Ours: a checked table, then the fit with its default prior."""
    from ranking.comparisons import ComparisonTable, create_table
    from ranking.fit import fit_strengths

    def prepare(votes: Votes) -> ComparisonTable:
        return create_table(
            items=votes.items,
            judges=votes.judges,
            judge=votes.judge,
            left=votes.left,
            right=votes.right,
            outcome=votes.outcome,
        )

    report(Library(prepare, lambda table: fit_strengths(table).strengths), votes, target)


def report_choix(votes: Votes, target: Path) -> None:
    """Its fastest method by far: iterated Luce spectral ranking of a matrix of wins, no regularisation."""
    choix = importlib.import_module("choix")

    def solve(wins: Floats) -> Floats:
        strengths: Floats = choix.ilsr_pairwise_dense(wins, alpha=0.0)
        return strengths

    report(Library(Votes.count_wins, solve), votes, target)


def report_evalica(votes: Votes, target: Path) -> None:
    """Its Rust solver below the public function, which would turn indices into labels and back first."""
    core = importlib.import_module("evalica._brzo")
    winner = importlib.import_module("evalica").Winner

    def prepare(votes: Votes) -> tuple[list[int], list[int], list[int], list[float]]:
        winners = np.where(votes.outcome > 0.5, int(winner.X), int(winner.Y)).tolist()
        return votes.left.tolist(), votes.right.tolist(), winners, [1.0] * len(winners)

    def solve(prepared: tuple[list[int], list[int], list[int], list[float]]) -> Floats:
        left, right, winners, weights = prepared
        scores, _ = core.bradley_terry(
            xs=left, ys=right, winners=winners, weights=weights, total=len(votes.items),
            win_weight=1.0, tie_weight=0.5, tolerance=1e-6, limit=100,
        )  # fmt: skip
        strengths: Floats = np.log(np.asarray(scores))
        return strengths

    report(Library(prepare, solve), votes, target)


def report_arena_rank(votes: Votes, target: Path) -> None:
    """Its fit without intervals. A new model compiles anew in every fit, which is what its users wait for."""
    models = importlib.import_module("arena_rank.models.bradley_terry")
    data = importlib.import_module("arena_rank.utils.data_utils")
    pandas = importlib.import_module("pandas")

    def prepare(votes: Votes) -> object:
        frame = pandas.DataFrame({"model_a": votes.left, "model_b": votes.right, "winner": votes.outcome})
        return data.PairDataset.from_pandas(frame, outcome_map=float)

    def solve(dataset: object) -> Floats:
        model = models.BradleyTerry(n_competitors=len(votes.items))
        strengths: Floats = np.asarray(model.fit(dataset).params["ratings"], dtype=np.float64)
        return strengths

    report(Library(prepare, solve), votes, target)


LIBRARIES = {
    "peerage": report_peerage,
    "choix": report_choix,
    "evalica": report_evalica,
    "arena-rank": report_arena_rank,
}


def read_votes(folder: Path) -> Votes:
    """Read the common form."""
    return Votes(
        items=(folder / "items.txt").read_text().split(),
        judges=(folder / "judges.txt").read_text().split(),
        judge=np.load(folder / "judge.npy"),
        left=np.load(folder / "left.npy"),
        right=np.load(folder / "right.npy"),
        outcome=np.load(folder / "outcome.npy"),
    )


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    LIBRARIES[name](read_votes(folder), folder / f"{name}.npy")


if __name__ == "__main__":
    main()
