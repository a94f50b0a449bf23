"""Results as text, at most 110 columns wide."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from benchmarks.robustness.beyond import TrialResult
from benchmarks.robustness.confidence import GOAL_ACCUSED, GOAL_ECE, Confidence
from benchmarks.robustness.dealt import Dealt
from benchmarks.robustness.goals import (
    ROTATING,
    Grid,
    Row,
    Shares,
    compute_mean,
    get_worst,
    judge_goal,
    list_rows,
    list_shortfalls,
)
from benchmarks.robustness.methods import ORACLE, OURS, OURS_FLOAT
from benchmarks.robustness.reproduce import COLUMNS, TOLERANCE, Reproduced
from benchmarks.robustness.settings import ATTACKERS, GOALS, GOALS_ROTATING, REGIMES, Settings

WIDTH: Final = 110
_REGIME_NAMES: Final = {"none": "no gold", "gold": "gold 1 in 16", "camouflaged": "camouflaged"}
_SHORT_NAMES: Final = {
    "canonical": "ours", "float": "float", "majority": "major", "weighted-vote": "wvote",
    "mean-rank": "mrank", "fortytwo": "42", "plain-bt": "plain", "crowd-bt": "crowd",
    "rank-centrality": "rankc",
}  # fmt: skip


def format_share(value: float) -> str:
    """Write .84 for .84, 1.00 for 1, "-" for NaN."""
    if math.isnan(value):
        return "-"
    text = f"{value:.2f}"
    return text[1:] if text.startswith("0") else text


def format_error(value: float) -> str:
    """Write ±.01, nothing for NaN."""
    return "" if math.isnan(value) else "±" + format_share(value)


def _print_wrapped(text: str) -> None:
    print("\n".join(textwrap.wrap(text, WIDTH, subsequent_indent="  ")))


def print_settings(settings: Settings) -> None:
    """Print the generative model."""
    _print_wrapped("Simulator: " + ", ".join(f"{name} {value}" for name, value in asdict(settings).items()))


def print_reproduced(rows: Sequence[Reproduced]) -> None:
    """Print the study's columns beside ours, and the cells that stay apart."""
    print("\nThe study's columns, unmerged, worst of 7 attacks: ours ± standard error, theirs, difference")
    print(f"{'N':>3}{'mal':>5}" + "".join(f"{name:>28}" for name in COLUMNS))
    apart = []
    for row in rows:
        line = f"{row.row.size:>3}{row.row.attackers:>5}"
        for column in COLUMNS:
            worst, gap = row.get_worst(column), row.get_gap(column)
            line += f"{worst.mean:>12.3f} ±{worst.error:.3f} {worst.mean - gap:5.2f}{gap:+6.3f}"
            if abs(gap) > TOLERANCE:
                apart.append(f"{row.row.size}/{row.row.attackers} {column} {gap:+.3f}")
        print(line)
    _print_wrapped(f"More than {TOLERANCE:.2f} apart: " + ("; ".join(apart) if apart else "none"))


def print_main(grid: Grid, sizes: Sequence[int], design: str) -> None:
    """Print ours by regime of gold, with goals, beside plain Bradley-Terry and the oracle."""
    print(f"\nP(winner is right), {design}, rounds 101-200; worst ± standard error (mean of the attacks)")
    print("Goal: + met, ~ missed by at most 2 standard errors, - missed. FULL is the study's own rule.")
    for method in (OURS, OURS_FLOAT):
        if not any(method in shares for cells in grid.values() for shares in cells.values()):
            continue
        regimes = "".join(f"{_REGIME_NAMES[regime]:>17}" for regime in REGIMES)
        print(f"{method + ':':<25}{'goal':>5}{'FULL':>5}{regimes}{'plain-bt':>11}{'oracle':>11}")
        for row in list_rows(sizes):
            if not row.select(grid.get((row.size, row.attackers, design, "none"), {}), method):
                continue
            line = f"{row.size:>3} {row.attackers:>3} {row.label:<18}{format_share(row.goal):>5}"
            line += f"{format_share(row.full):>5}"
            for regime in REGIMES:
                cells = grid.get((row.size, row.attackers, design, regime), {})
                line += _format_ours(row, row.select(cells, method))
            cells = grid.get((row.size, row.attackers, design, "none"), {})
            for other in ("plain-bt", ORACLE):
                shares = row.select(cells, other)
                text = (
                    f"{format_share(get_worst(shares).mean)} ({format_share(compute_mean(shares))})"
                    if shares
                    else ""
                )
                line += f"{text:>11}"
            print(line)


def _format_ours(row: Row, shares: Shares) -> str:
    if not shares:
        return f"{'':>17}"
    worst = get_worst(shares)
    text = f"{format_share(worst.mean)}{format_error(worst.error)} ({format_share(compute_mean(shares))})"
    return f"{text:>15} {judge_goal(worst, row.goal)}"


def print_baselines(grid: Grid, sizes: Sequence[int], design: str, methods: Sequence[str]) -> None:
    """Print every method side by side without gold: worst, then mean."""
    for title, is_mean in (("worst", False), ("mean", True)):
        print(f"\nEvery method, {design}, no gold: {title} of the attacks")
        names = [*methods, ORACLE]
        print(f"{'':<22}" + "".join(f"{_SHORT_NAMES.get(name, name):>7}" for name in names))
        for row in list_rows(sizes):
            cells = grid.get((row.size, row.attackers, design, "none"), {})
            line = f"{row.size:>3} {row.attackers:>3} {row.label:<15}"
            for name in names:
                shares = row.select(cells, name)
                value = (
                    float("nan")
                    if not shares
                    else compute_mean(shares)
                    if is_mean
                    else get_worst(shares).mean
                )
                line += f"{format_share(value):>7}"
            print(line)


def print_shortfalls(grid: Grid, sizes: Sequence[int], method: str) -> None:
    """Print what falls short, a line each."""
    found = list_shortfalls(grid, sizes, method)
    print(f"\n{method} falls short in {len(found)} comparisons" + (":" if found else ""))
    for one in found:
        where = f"{one.row.size}/{one.row.attackers} {one.row.label}, {one.design}, gold {one.regime}"
        print(f"{where}: {one.attack} is {one.below:.3f}{format_error(one.error)} below {one.bound}"
              + (" (within 2 errors)" if one.below <= 2.0 * one.error else ""))  # fmt: skip


def print_trials(results: Sequence[TrialResult], methods: Sequence[str]) -> None:
    """Print what lies beyond the study, table by table."""
    names = [*methods, ORACLE]
    for table in dict.fromkeys(result.trial.table for result in results):
        rows = [result for result in results if result.trial.table == table]
        windows = list(rows[0].by_window)
        print(f"\nN=15, {table}" + (": ours, then the oracle, by rounds since" if len(windows) > 1 else ""))
        head = f"{'':<20}{'mal':>4} {'design':<9}{'gold':<5}{'goal':>5}"
        if len(windows) > 1:
            print(head + "".join(f"{window:>13}" for window in windows))
        else:
            print(head + "".join(f"{_SHORT_NAMES.get(name, name):>11}" for name in names))
        for result in rows:
            print(_format_trial(result, names))


def _format_trial(result: TrialResult, names: Sequence[str]) -> str:
    trial, cell = result.trial, result.trial.cell
    goal = "" if trial.goal is None else format_share(trial.goal)
    regime = "no" if cell.regime == "none" else "yes"
    line = f"{trial.label:<20}{cell.attackers:>4} {cell.design:<9}{regime:<5}{goal:>5}"
    for window, shares in result.by_window.items():
        if window == "all":
            first = shares[names[0]]
            mark = "" if trial.goal is None else judge_goal(first, trial.goal)
            for place, name in enumerate(names):
                share = shares[name]
                text = format_share(share.mean) + format_error(share.error) + (mark if place == 0 else "")
                line += f"{text:>11}"
        else:
            first, oracle = shares[names[0]], shares[ORACLE]
            is_judged = trial.goal is not None and window == "+16..40"
            mark = judge_goal(first, trial.goal) if is_judged and trial.goal is not None else ""
            text = f"{format_share(first.mean)}{format_error(first.error)}{mark} {format_share(oracle.mean)}"
            line += f"{text:>13}"
    return line


def print_dealt(found: Sequence[Dealt]) -> None:
    """Print accuracy where pairs are dealt as the product deals them, beside the goals."""
    print("\nN=15, merged, no gold, pairs dealt in three steps as the product does: canonical, oracle")
    for one in found:
        cell, goals = one.cell, GOALS[one.cell.size]
        goal = goals[ATTACKERS[cell.size].index(cell.attackers)]
        if cell.attack_name == ROTATING and cell.attackers == ATTACKERS[cell.size][3]:
            goal = GOALS_ROTATING[cell.size]
        ours = format_share(one.ours.mean) + format_error(one.ours.error)
        oracle = format_share(one.oracle.mean) + format_error(one.oracle.error)
        print(f"{cell.attackers:>3} {cell.attack_name:<10} goal {format_share(goal)}  {ours:>8} "
              f"{judge_goal(one.ours, goal)}  {oracle:>8}")  # fmt: skip


def print_confidence(found: Sequence[Confidence]) -> None:
    """Print calibration and false accusations."""
    print("\nP(best) of the leader (canonical, no gold), rounds 21-200; goal in honest swarms: "
          f"ECE <= {GOAL_ECE}")  # fmt: skip
    print("False accusations: weight < .25; outside the reference camp; returned favours (the study's); goal "
          f"<= {GOAL_ACCUSED:.0f} in 1,000 ordered pairs")  # fmt: skip
    print(f"{'N':>3}{'mal':>4} {'attack':<9}{'design':<9}{'shared':>6}{'rounds':>7}{'ECE':>14}"
          f"{'judge-rounds':>13}{'light/1000':>11}{'outside/1000':>13}"
          f"{'pairs':>6}{'at 200':>7}{'favour':>7}")  # fmt: skip
    for one in found:
        cell = one.cell
        rounds = sum(one_bin.count for one_bin in one.bins)
        ece = "-" if math.isnan(one.ece) else f"{one.ece:.3f}±{one.ece_error:.3f}"
        if not (cell.attackers or math.isnan(one.ece)):
            ece += " +" if one.ece <= GOAL_ECE else " -"
        shared = cell.settings.class_error_sd
        print(f"{cell.size:>3}{cell.attackers:>4} {cell.attack_name:<9}{cell.design:<9}{shared:>6}{rounds:>7}"
              f"{ece:>14}{one.honest_judge_rounds:>13}{1e3 * one.light:>11.2f}{1e3 * one.outside:>13.2f}"
              f"{one.accused_pairs:>6.2f}{one.accused_pairs_last:>7.2f}{one.linked_pairs:>7.2f}")  # fmt: skip
    print("\nReliability, bins of P(best): share right where rounds fell (mean P over the bin, rounds)")
    for one in found:
        cell = one.cell
        bins = [b for b in one.bins if b.count]
        if not bins:
            continue
        text = "  ".join(f"{format_share(b.right)} ({format_share(b.claimed)}, {b.count})" for b in bins[-5:])
        shared = cell.settings.class_error_sd
        print(f"{cell.size:>3}/{cell.attackers:<2} {cell.attack_name:<9}{shared:<5} {text}")
