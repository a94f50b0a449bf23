"""Results of the main table put together, and held to their goals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.robustness.methods import ORACLE
from benchmarks.robustness.play import Share
from benchmarks.robustness.settings import (
    ATTACKERS,
    GOALS,
    GOALS_ROTATING,
    STUDY,
    STUDY_FULL_ROTATING,
)
from benchmarks.robustness.standard import CellResult

ROTATING: Final = "rotating"
PLAIN: Final = "plain-bt"
_NEAR_ORACLE: Final = 0.02

Shares = Mapping[str, Share]
"""Attack -> share."""
Grid = Mapping[tuple[int, int, str, str], Mapping[str, Mapping[str, Share]]]
"""(size, attackers, design, regime) -> attack -> method -> share."""


def pool(results: Sequence[CellResult]) -> Grid:
    """Put results of all seeds together, by cell and attack."""
    grid: dict[tuple[int, int, str, str], dict[str, dict[str, Share]]] = {}
    for result in results:
        cell = result.cell
        by_attack = grid.setdefault((cell.size, cell.attackers, cell.design, cell.regime), {})
        methods = by_attack.setdefault(cell.attack_name, {})
        for name, share in result.shares.items():
            before = methods.get(name, Share((), ()))
            methods[name] = Share(before.hits + share.hits, before.counts + share.counts)
    return grid


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the main table: attacks of one level, and what they are held to."""

    size: int
    attackers: int
    label: str
    goal: float
    full: float
    is_rotating: bool
    must_near_oracle: bool

    def select(self, by_attack: Mapping[str, Mapping[str, Share]], method: str) -> Shares:
        """Return a method's shares under the attacks of this row."""
        is_split = self.attackers == ATTACKERS[self.size][3]
        return {
            name: shares[method]
            for name, shares in by_attack.items()
            if method in shares and (not is_split or (name == ROTATING) == self.is_rotating)
        }


def list_rows(sizes: Sequence[int]) -> Iterator[Row]:
    """Yield the rows of the main table."""
    full = {(row.size, row.attackers): row.full for row in STUDY}
    labels = ("honest", "worst of 7", "worst of 7", "not rotating")
    for size in sizes:
        for level, attackers in enumerate(ATTACKERS[size]):
            yield Row(
                size, attackers, labels[level], GOALS[size][level], full[size, attackers],
                is_rotating=False, must_near_oracle=level < 3,
            )  # fmt: skip
        yield Row(
            size, ATTACKERS[size][3], ROTATING, GOALS_ROTATING[size], STUDY_FULL_ROTATING[size],
            is_rotating=True, must_near_oracle=False,
        )  # fmt: skip


def get_worst(shares: Shares) -> Share:
    """Return the lowest share."""
    return min(shares.values(), key=lambda share: share.mean)


def compute_mean(shares: Shares) -> float:
    """Return the mean over attacks."""
    return sum(share.mean for share in shares.values()) / len(shares)


def judge_goal(share: Share, goal: float) -> str:
    """Return "+" where the goal is met, "~" where it is missed by at most two standard errors, else "-"."""
    if share.mean >= goal:
        return "+"
    return "~" if goal - share.mean <= 2.0 * share.error else "-"


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A bound that is missed.

    Attributes:
        row: The row of the table.
        design: Design.
        regime: Regime of gold.
        attack: The attack under which it is missed most.
        bound: What is missed.
        below: By how much.
        error: Standard error of that: of the difference, swarm by swarm, where the bound was played too.
    """

    row: Row
    design: str
    regime: str
    attack: str
    bound: str
    below: float
    error: float


def list_shortfalls(grid: Grid, sizes: Sequence[int], method: str) -> list[Shortfall]:
    """Return every miss of a goal, of FULL, of the oracle less .02 up to 30 %, of plain BT under rotation.

    Goals and FULL are for the worst attack; the oracle and plain BT are compared attack by attack.
    """
    found: list[Shortfall] = []
    for (size, attackers, design, regime), cells in grid.items():
        for row in list_rows(sizes):
            shares = row.select(cells, method)
            if (row.size, row.attackers) != (size, attackers) or not shares:
                continue
            worst = min(shares, key=lambda name: shares[name].mean)
            for bound, value in (("the goal", row.goal), ("FULL", row.full)):
                below = value - shares[worst].mean
                if below > 0.0:
                    found.append(Shortfall(row, design, regime, worst, bound, below, shares[worst].error))
            played = []
            if row.must_near_oracle:
                played.append(("the oracle less .02", row.select(cells, ORACLE), _NEAR_ORACLE))
            if row.is_rotating:
                same = grid.get((size, attackers, design, "none"), {})
                played.append(("plain BT", row.select(same, PLAIN), 0.0))
            for bound, others, slack in played:
                gaps = {name: subtract(others[name], shares[name]) for name in shares if name in others}
                if gaps:
                    most = max(gaps, key=lambda name: gaps[name].mean)
                    if gaps[most].mean > slack:
                        below = gaps[most].mean - slack
                        found.append(Shortfall(row, design, regime, most, bound, below, gaps[most].error))
    return found


def subtract(first: Share, second: Share) -> Share:
    """Return first - second of two methods on the same rounds.

    Raises:
        ValueError: They were not scored on the same numbers of rounds.
    """
    if first.counts != second.counts:
        raise ValueError(f"expected shares of the same rounds, got {first.counts} and {second.counts} rounds")
    return Share(tuple(a - b for a, b in zip(first.hits, second.hits, strict=True)), first.counts)
