"""The main table: sizes, shares of attackers, seven attacks, both designs, three regimes of gold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.robustness.attacks import ATTACKS
from benchmarks.robustness.methods import Method
from benchmarks.robustness.play import Cell, Share, play_cell
from benchmarks.robustness.settings import ATTACKERS, DESIGNS, REGIMES, Design, Settings

NO_ATTACK = "none"
_GOLD_LEVELS = (2, 3)
"""Places in ATTACKERS that are played with gold too: about 30 and 45 %."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class CellResult:
    """What came of a cell: a share by method."""

    cell: Cell
    shares: Mapping[str, Share]


def list_cells(
    sizes: Sequence[int], *, counts: Mapping[int, int], seed: int, settings: Settings,
    designs: Sequence[Design] = DESIGNS,
) -> Iterator[Cell]:  # fmt: skip
    """Yield the cells of the main table.

    Args:
        sizes: Swarm sizes.
        counts: Swarms a cell, by size.
        seed: The same for all cells: attacks, designs and regimes meet the same swarms.
        settings: The generative model.
        designs: Which designs.
    """
    for size in sizes:
        for design in designs:
            for level, attackers in enumerate(ATTACKERS[size]):
                for regime in REGIMES if level in _GOLD_LEVELS else REGIMES[:1]:
                    for name, attack in ATTACKS.items():
                        yield Cell(
                            size=size, attackers=attackers, attack_name=name if attackers else NO_ATTACK,
                            attack=attack, design=design, regime=regime, count=counts[size], seed=seed,
                            settings=settings,
                        )  # fmt: skip
                        if not attackers:
                            break


def play_cells(cells: Sequence[Cell], methods: Sequence[Method], progress: Progress) -> Iterator[CellResult]:
    """Play cells one after another; baselines, which take no notice of truth, where there is no gold."""
    for number, cell in enumerate(cells, start=1):
        played = play_cell(cell, [m for m in methods if m.is_ours or cell.regime == "none"])
        shares = {name: outcomes.compute_share() for name, outcomes in played.outcomes.items()}
        yield CellResult(cell, shares)
        best = " ".join(f"{name} {share.mean:.2f}" for name, share in list(shares.items())[:2])
        progress(
            f"{number}/{len(cells)} N={cell.size} {cell.attackers} {cell.attack_name} {cell.design} "
            f"gold {cell.regime}: {best}"
        )
