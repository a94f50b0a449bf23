"""Beyond the study: attackers that know the rule, sleepers, cheap signals, majorities, difficult judges."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.robustness.attacks import ATTACKS, COLLUDE, KNOWING, ROTATING, SIGNAL, TACTICAL, Attack
from benchmarks.robustness.methods import Method
from benchmarks.robustness.play import Cell, Share, play_cell
from benchmarks.robustness.settings import DESIGNS, Design, Regime, Settings
from benchmarks.robustness.standard import Progress

SIZE: Final = 15
WAKE: Final = 120
"""Round after which sleepers attack."""
WINDOWS: Final = (("before", 61, 120), ("+1..5", 121, 125), ("+6..15", 126, 135), ("+16..40", 136, 160),
                  ("+41..100", 161, 220))  # fmt: skip
"""Windows of a sleeper's rounds, first and last."""
SLEEPER_ROUNDS: Final = 220
GOAL_SIGNAL: Final = 0.78
GOAL_SLEEPERS: Final = 0.75
"""Sought in the window +16..40, of 27 % sleepers."""
PARTLY_SHARE: Final = 0.3
LAZY_SHARE: Final = 1.0 / 3.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One row: a cell, the table it stands in, and the goal if there is one."""

    table: str
    label: str
    cell: Cell
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class TrialResult:
    """A trial and shares by method; for sleepers by window too, else under the window "all"."""

    trial: Trial
    by_window: Mapping[str, Mapping[str, Share]]


def list_trials(
    *, count: int, seed: int, settings: Settings, designs: Sequence[Design] = DESIGNS
) -> Iterator[Trial]:
    """Yield every trial, table by table."""
    for design in designs:
        base = Cell(
            size=SIZE, attackers=0, attack_name="none", attack=Attack(), design=design, regime="none",
            count=count, seed=seed, settings=settings,
        )  # fmt: skip
        yield from _list_knowing(base)
        yield from _list_signals(base)
        yield from _list_majorities(base)
        yield from _list_judges(base)
        yield from _list_sleepers(base)


def _make(base: Cell, attackers: int, name: str, attack: Attack, regime: Regime = "none") -> Cell:
    return replace(base, attackers=attackers, attack_name=name, attack=attack, regime=regime)


def _list_knowing(base: Cell) -> Iterator[Trial]:
    for attackers in (4, 7):
        for name, attack in KNOWING.items():
            yield Trial("attackers that know the rule", name, _make(base, attackers, name, attack))


def _list_signals(base: Cell) -> Iterator[Trial]:
    for regime in ("none", "gold"):
        cell = _make(base, 6, "signal", SIGNAL, "gold" if regime == "gold" else "none")
        yield Trial("40 % vote by a cheap signal", "signal", cell, GOAL_SIGNAL)


def _list_majorities(base: Cell) -> Iterator[Trial]:
    for name in ("collude", "tactical", "shill", "rotating"):
        yield Trial("60 % attackers", name, _make(base, 9, name, ATTACKS[name], "gold"))


def _list_judges(base: Cell) -> Iterator[Trial]:
    plain = base.settings
    kinds = {
        "own preference 1.5": replace(plain, own_preference=1.5),
        "own preference 3": replace(plain, own_preference=3.0),
        "partly right answers": replace(plain, partly_right_share=PARTLY_SHARE),
        "a third tosses coins": replace(plain, lazy_share=LAZY_SHARE),
    }
    for label, settings in kinds.items():
        for attackers in (0, 4, 7):
            name = "tactical" if attackers else "none"
            cell = _make(replace(base, settings=settings), attackers, name, TACTICAL)
            yield Trial("difficult honest judges", label, cell)


def _list_sleepers(base: Cell) -> Iterator[Trial]:
    for attackers in (4, 6):
        for name, attack in (("collude", COLLUDE), ("tactical", TACTICAL), ("rotating", ROTATING)):
            for regime in ("none", "gold"):
                cell = _make(base, attackers, name, replace(attack, wakes_after=WAKE),
                             "gold" if regime == "gold" else "none")  # fmt: skip
                cell = replace(cell, rounds=SLEEPER_ROUNDS, scored_after=60)
                yield Trial("sleepers", name, cell, GOAL_SLEEPERS if attackers == 4 else None)


def play_trials(
    trials: Sequence[Trial], methods: Sequence[Method], progress: Progress
) -> Iterator[TrialResult]:
    """Play trials one after another; attackers that look at weights see those of the first method."""
    for number, trial in enumerate(trials, start=1):
        played = play_cell(trial.cell, methods)
        windows = WINDOWS if trial.table == "sleepers" else (("all", 1, trial.cell.rounds),)
        by_window = {
            window: {name: outcomes.compute_share(first, last) for name, outcomes in played.outcomes.items()}
            for window, first, last in windows
        }
        yield TrialResult(trial, by_window)
        last_window = next(reversed(by_window.values()))
        best = " ".join(f"{name} {share.mean:.2f}" for name, share in last_window.items())
        progress(
            f"{number}/{len(trials)} {trial.table}: {trial.label}, {trial.cell.attackers} of "
            f"{trial.cell.size}, {trial.cell.design}, gold {trial.cell.regime}: {best}"
        )
