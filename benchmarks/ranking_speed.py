"""Speed of the float engine beside choix, evalica and arena-rank, all in one run.

Run: python -m benchmarks.ranking_speed [--sizes 7x100,100x50000] [--seed S] [--no-install]
Every library runs in a process of its own with one thread, on the same comparisons, and is fed the form it
likes best: a matrix of wins (choix), lists for its Rust core (evalica), its data set of distinct rows
(arena-rank), a checked table of columns (ours). `convert` makes that form from common arrays of indices and
outcomes, `solve` starts from it; CPU time over all threads, best of several runs, after one to warm up, with
the libraries taking turns where they are quick. evalica and arena-rank come
from an environment of their own, made under the cache directory at pinned versions.

Goals (goals.md): 100 x 50k and 1000 x 1M no slower than the fastest of the three, 10,000 x 10M in 20 s. The
integer solver has `benchmarks.ranking_solver`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import choix
import numpy as np
import scipy.stats

from benchmarks.speed import worker
from benchmarks.speed.environment import EnvironmentMissingError, get_python
from ranking.comparisons import create_table
from ranking.connectivity import find_split
from ranking.fit import fit_strengths
from ranking.newton import GaussianPrior

SIZES = "7x100,30x3000,100x50000,1000x1000000,10000x10000000"
GOAL_SIZES = ("100x50000", "1000x1000000")
LARGEST_GOAL = ("10000x10000000", 20.0)
JUDGES = 100
TIME_LIMIT_S = 150
TURNS = 3
"""Turns of each library on a size, so that a busy moment of the machine hits none alone ..."""
TURN_S_MAX = 2.0
"""... as long as it takes no more than this."""
OURS = "peerage"
CHOIX_ITEMS_MAX = 3_000
"""A dense solve of cubic cost in every step: 10,000 items would take 1000 times the 1000 items' time."""
ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
EXPLANATION = """CPU time, one thread each, best of several runs. both/ours is the fair ratio: all start
from the same arrays, and what one library does while converting (choix: summing wins), another does
while solving (ours). solve/ours gives each its own form for nothing. Ours fits a prior besides, which the
others lack; tau is to our ranking: near ties that the prior turns, or an early stop, show below 1."""
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU seconds: to make a library's input form, and to solve from it; strengths for comparison."""

    convert_s: float
    solve_s: float
    strengths: worker.Floats

    @property
    def both_s(self) -> float:
        """From common arrays to strengths."""
        return self.convert_s + self.solve_s


@dataclass(frozen=True, slots=True)
class Size:
    """So many items and comparisons."""

    items: int
    rows: int

    def __str__(self) -> str:
        return f"{self.items}x{self.rows}"


def write_votes(size: Size, seed: int, folder: Path) -> None:
    """Draw comparisons of random pairs of items whose strengths are normal, and write the common form."""
    source = np.random.default_rng((seed, size.items))
    quality = source.normal(size=size.items)
    left = source.integers(0, size.items, size.rows, dtype=np.int32)
    right = (left + source.integers(1, size.items, size.rows, dtype=np.int32)) % np.int32(size.items)
    has_won = source.random(size.rows) < 1.0 / (1.0 + np.exp(quality[right] - quality[left]))
    np.save(folder / "judge.npy", source.integers(0, JUDGES, size.rows, dtype=np.int32))
    np.save(folder / "left.npy", left)
    np.save(folder / "right.npy", right.astype(np.int32))
    np.save(folder / "outcome.npy", has_won.astype(np.float64))
    (folder / "items.txt").write_text("\n".join(f"i{index}" for index in range(size.items)))
    (folder / "judges.txt").write_text("\n".join(f"j{index}" for index in range(JUDGES)))


def run_worker(python: Path, library: str, folder: Path) -> Timing | str:
    """Time a library; a string says why there is no time."""
    command = [str(python), str(ROOT / "benchmarks" / "speed" / "worker.py"), library, str(folder)]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT) if library == OURS else ""}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        return f"over {TIME_LIMIT_S} s"
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return f"failed: {lines[-1] if lines else f'exit {done.returncode}'}"[:90]
    times = json.loads(done.stdout.splitlines()[-1])
    return Timing(times["prepare_s"], times["solve_s"], np.load(folder / f"{library}.npy"))


def measure_size(size: Size, seed: int, others: Path | str) -> dict[str, Timing | str]:
    """Time every library on one size."""
    print(f"{size}", file=sys.stderr)
    pythons: dict[str, Path | str] = dict.fromkeys((OURS, "choix"), Path(sys.executable))
    pythons |= dict.fromkeys(("evalica", "arena-rank"), others)
    if size.items > CHOIX_ITEMS_MAX:
        pythons["choix"] = "not run: cubic in items"
    found: dict[str, Timing | str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_votes(size, seed, folder)
        for turn in range(TURNS):
            for library, python in pythons.items():
                before = found.get(library)
                if isinstance(python, str):
                    found[library] = python
                elif before is None or (isinstance(before, Timing) and before.both_s <= TURN_S_MAX):
                    print(f"  {library}, turn {turn + 1}", file=sys.stderr)
                    found[library] = keep_better(before, run_worker(python, library, folder))
    return found


def keep_better(before: Timing | str | None, now: Timing | str) -> Timing | str:
    """Return the better of two turns, part by part."""
    if not isinstance(before, Timing) or not isinstance(now, Timing):
        return now
    return Timing(min(before.convert_s, now.convert_s), min(before.solve_s, now.solve_s), now.strengths)


def print_size(size: Size, found: dict[str, Timing | str]) -> None:
    """Print a size's table; ratios above 1: ours is faster by that factor."""
    ours = found[OURS]
    print(f"\n{size.items:,} items, {size.rows:,} comparisons")
    if isinstance(ours, str):
        print(f"  ours: {ours}")
        return
    print(
        f"  {'':<11}{'convert ms':>12}{'solve ms':>12}{'both ms':>12}"
        f"{'solve/ours':>12}{'both/ours':>11}{'tau':>9}"
    )
    for library, timing in found.items():
        if isinstance(timing, str):
            print(f"  {library:<11}  {timing}")
            continue
        tau = float(scipy.stats.kendalltau(ours.strengths, timing.strengths).statistic)
        print(
            f"  {library:<11}{timing.convert_s * 1e3:>12.3f}{timing.solve_s * 1e3:>12.3f}"
            f"{timing.both_s * 1e3:>12.3f}{timing.solve_s / ours.solve_s:>12.2f}"
            f"{timing.both_s / ours.both_s:>11.2f}{tau:>9.4f}"
        )
    print_verdict(size, ours, [one for name, one in found.items() if name != OURS])


def print_verdict(size: Size, ours: Timing, others: list[Timing | str]) -> None:
    """Say whether a goal is met, where the size has one."""
    timed = [one for one in others if not isinstance(one, str)]
    if str(size) == LARGEST_GOAL[0]:
        print(f"  goal {LARGEST_GOAL[1]:.0f} s: {'met' if ours.both_s <= LARGEST_GOAL[1] else 'MISSED'}")
    if str(size) not in GOAL_SIZES or not timed:
        return
    solve, both = min(one.solve_s for one in timed), min(one.both_s for one in timed)
    is_met = ours.solve_s <= solve and ours.both_s <= both
    missing = (
        f"; {len(others) - len(timed)} of {len(others)} were not timed" if len(timed) < len(others) else ""
    )
    print(
        f"  goal, no slower than the fastest: {'met' if is_met else 'MISSED'} "
        f"(x{both / ours.both_s:.2f} from arrays, x{solve / ours.solve_s:.2f} from each one's own form)"
        f"{missing}"
    )


def print_agreement(seed: int) -> None:
    """Compare with choix where the models are one: its alpha is half of a Gaussian prior's precision."""
    print("\nSame model as choix.opt_pairwise (alpha .25, our Gaussian prior of precision .5)")
    for size in (Size(7, 100), Size(30, 3_000)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_votes(size, seed, folder)
            votes = worker.read_votes(folder)
        table = create_table(
            items=votes.items, judges=votes.judges, judge=votes.judge,
            left=votes.left, right=votes.right, outcome=votes.outcome,
        )  # fmt: skip
        has_won = (votes.outcome > 0.5).tolist()
        pairs = zip(votes.left.tolist(), votes.right.tolist(), has_won, strict=True)
        games = [(left, right) if is_won else (right, left) for left, right, is_won in pairs]
        theirs = choix.opt_pairwise(size.items, games, alpha=0.25, tol=1e-12)
        ours = fit_strengths(table, prior=GaussianPrior(0.5)).strengths
        tau = float(scipy.stats.kendalltau(ours, theirs).statistic)
        held = "held together by wins" if find_split(table) is None else "not held together by wins"
        print(f"  {size}: tau {tau:.4f}, largest difference {np.abs(ours - theirs).max():.1e} nats ({held})")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default=SIZES, help="ITEMSxROWS, comma-separated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-install", action="store_true", help="do not make the others' environment")
    arguments = parser.parse_args()
    others: Path | str
    try:
        others = get_python(may_install=not arguments.no_install)
    except EnvironmentMissingError as exc:
        others = f"not there: {exc}"
    print(EXPLANATION)
    for text in arguments.sizes.split(","):
        items, rows = text.split("x")
        size = Size(int(items), int(rows))
        print_size(size, measure_size(size, arguments.seed, others))
    print_agreement(arguments.seed)


if __name__ == "__main__":
    main()
