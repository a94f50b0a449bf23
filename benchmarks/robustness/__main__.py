"""Entry of the benchmark; see `benchmarks/ranking_robustness.py`."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.robustness import tables
from benchmarks.robustness.beyond import TrialResult, list_trials, play_trials
from benchmarks.robustness.confidence import Confidence, list_confidence_cells, measure_confidences
from benchmarks.robustness.dealt import Dealt, list_dealt_cells, play_dealt_cells
from benchmarks.robustness.goals import pool
from benchmarks.robustness.methods import OURS, OURS_FLOAT, create_methods, list_methods
from benchmarks.robustness.report import make_report
from benchmarks.robustness.reproduce import Reproduced, reproduce
from benchmarks.robustness.settings import CALLS, DESIGNS, Design, Settings
from benchmarks.robustness.standard import CellResult, list_cells, play_cells

PARTS: Final = ("reproduce", "main", "beyond", "dealt", "confidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run, and on how many swarms.

    Attributes:
        sizes: Swarm sizes.
        designs: Designs of the main table and beyond.
        parts: Of PARTS.
        main: Swarms a cell and seed, by size.
        reproduce: Swarms a row and attack.
        beyond: Swarms a trial.
        dealt: Swarms a cell.
        confidence: Swarms a cell.
        seeds: Seeds of the main table; the other parts take the first.
        is_quick: Whether gold, fewer attackers than 45 % beyond the study, and dealt pairs are left out.
        canonical_size_max: Largest swarm that the canonical engine is played on in the main table, beside the
            float engine; it takes several times as long.
    """

    sizes: tuple[int, ...]
    designs: tuple[Design, ...] = DESIGNS
    parts: tuple[str, ...] = PARTS
    main: dict[int, int]
    reproduce: int = 40
    beyond: int = 2
    dealt: int = 2
    confidence: int = 3
    seeds: tuple[int, ...] = (1,)
    is_quick: bool = False
    canonical_size_max: int = 7


FULL: Final = Plan(sizes=(7, 15, 31), main={7: 4, 15: 3, 31: 2})
QUICK: Final = Plan(
    sizes=(7,), designs=("merged",), main={7: 2, 15: 1, 31: 1}, reproduce=4, beyond=1, confidence=2,
    is_quick=True,
)  # fmt: skip


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ranking_robustness",
        description="Honest and hostile swarms, every ranking method side by side.",
    )
    parser.add_argument("--quick", action="store_true", help="few swarms of 7, merged, in under 2 minutes")
    parser.add_argument("--reproduce", action="store_true", help="only the study's columns")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--methods", type=_split, help=f"of {','.join(list_methods())} (default: all)")
    parser.add_argument("--n", type=_split_sizes, help="swarm sizes, of 7,15,31")
    parser.add_argument("--seeds", type=_split_numbers, help="seeds of the main table (default: 1)")
    parser.add_argument("--swarms", type=int, help="swarms a cell and seed, in every part")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all cells to FILE")
    return parser.parse_args(arguments)


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _split_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _split_sizes(text: str) -> tuple[int, ...]:
    sizes = _split_numbers(text)
    if not set(sizes) <= set(CALLS):
        raise argparse.ArgumentTypeError(f"sizes are of {', '.join(map(str, CALLS))}, got {text}")
    return sizes


def make_plan(options: argparse.Namespace) -> Plan:
    """Turn options into a plan."""
    plan = QUICK if options.quick else FULL
    if options.reproduce:
        plan = replace(plan, parts=("reproduce",))
    elif options.part:
        plan = replace(plan, parts=tuple(options.part))
    if options.n:
        plan = replace(plan, sizes=options.n)
    if options.seeds:
        plan = replace(plan, seeds=options.seeds)
    if options.methods:
        plan = replace(plan, canonical_size_max=max(CALLS))
    if options.swarms:
        counts = dict.fromkeys(plan.main, options.swarms)
        plan = replace(
            plan, main=counts, reproduce=options.swarms, beyond=options.swarms, dealt=options.swarms,
            confidence=options.swarms,
        )  # fmt: skip
    return plan


class _Clock:
    """Progress on stderr, with seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"{time.monotonic() - self._start:7.0f} s  {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the plan, print tables, write the report."""
    options = parse_arguments(arguments)
    plan, settings, clock = make_plan(options), Settings(), _Clock()
    names = options.methods or _choose_methods(plan)
    try:
        create_methods(names)
    except ValueError as error:
        print(f"ranking_robustness: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    tables.print_settings(settings)
    reproduced = _run_reproduce(plan, settings, clock)
    cells = _run_main(plan, settings, names, clock)
    trials = _run_beyond(plan, settings, names, clock)
    dealt = _run_dealt(plan, settings, clock)
    confidences = _run_confidence(plan, settings, clock)
    if options.json:
        report = make_report(
            settings=settings, seeds=plan.seeds, reproduced=reproduced, cells=cells, trials=trials,
            dealt=dealt, confidences=confidences,
        )  # fmt: skip
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _choose_methods(plan: Plan) -> tuple[str, ...]:
    """Return all methods; in a quick run one of our engines, the faster one."""
    names = list_methods()
    return names[1:] if plan.is_quick and names[1] == OURS_FLOAT else names


def _run_reproduce(plan: Plan, settings: Settings, clock: _Clock) -> list[Reproduced]:
    if "reproduce" not in plan.parts:
        return []
    sizes = CALLS if plan.is_quick else plan.sizes
    rows = list(
        reproduce(tuple(sizes), swarms=plan.reproduce, seed=plan.seeds[0], settings=settings, progress=clock)
    )
    tables.print_reproduced(rows)
    return rows


def _run_main(plan: Plan, settings: Settings, names: Sequence[str], clock: _Clock) -> list[CellResult]:
    if "main" not in plan.parts:
        return []
    cells = [
        cell
        for seed in plan.seeds
        for cell in list_cells(
            plan.sizes, counts=plan.main, seed=seed, settings=settings, designs=plan.designs
        )
        if not (plan.is_quick and cell.regime != "none")
    ]
    every = create_methods(names)
    fewer = [method for method in every if method.name != OURS or OURS_FLOAT not in names]
    results: list[CellResult] = []
    for size in plan.sizes:
        chosen = every if size <= plan.canonical_size_max else fewer
        results += play_cells([cell for cell in cells if cell.size == size], chosen, clock)
    grid = pool(results)
    for design in plan.designs:
        tables.print_main(grid, plan.sizes, design)
    for design in plan.designs:
        tables.print_baselines(grid, plan.sizes, design, names)
    for ours in (OURS, OURS_FLOAT):
        if ours in names:
            tables.print_shortfalls(grid, plan.sizes, ours)
    return results


def _run_beyond(plan: Plan, settings: Settings, names: Sequence[str], clock: _Clock) -> list[TrialResult]:
    if "beyond" not in plan.parts:
        return []
    ours = [name for name in names if name in (OURS, OURS_FLOAT)] or list(names[:1])
    shown = [*ours[-1:], *(name for name in ("majority", "plain-bt", "ema") if name in names)]
    trials = [
        trial
        for trial in list_trials(
            count=plan.beyond, seed=plan.seeds[0], settings=settings, designs=plan.designs
        )
        if not (plan.is_quick and (trial.cell.attackers == 4 or trial.cell.regime != "none"))
    ]
    results = list(play_trials(trials, create_methods(shown), clock))
    tables.print_trials(results, shown)
    return results


def _run_dealt(plan: Plan, settings: Settings, clock: _Clock) -> list[Dealt]:
    if "dealt" not in plan.parts or plan.is_quick:
        return []
    cells = list(list_dealt_cells(count=plan.dealt, seed=plan.seeds[0], settings=settings))
    found = list(play_dealt_cells(cells, clock))
    tables.print_dealt(found)
    return found


def _run_confidence(plan: Plan, settings: Settings, clock: _Clock) -> list[Confidence]:
    if "confidence" not in plan.parts:
        return []
    cells = list(
        list_confidence_cells(
            plan.sizes, count=plan.confidence, seed=plan.seeds[0], settings=settings, designs=plan.designs
        )
    )
    found = list(measure_confidences(cells, clock))
    tables.print_confidence(found)
    return found


if __name__ == "__main__":
    main()
