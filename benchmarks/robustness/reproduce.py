"""The study's columns again: majority, plain Bradley-Terry and oracle, unmerged, worst of seven attacks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.robustness.attacks import ATTACKS, Attack
from benchmarks.robustness.methods import choose_majority, choose_oracle, choose_plain
from benchmarks.robustness.play import Share
from benchmarks.robustness.settings import STUDY, Settings, StudyRow
from benchmarks.robustness.swarm import Bools, Swarms

COLUMNS: Final = ("majority", "plain", "oracle")
TOLERANCE: Final = 0.02
ROUNDS: Final = 100
"""Rounds a swarm; none of the three learns, so all are scored."""


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A row of the study beside ours: by attack, by column, the share right."""

    row: StudyRow
    by_attack: Mapping[str, Mapping[str, Share]]

    def get_worst(self, column: str) -> Share:
        """Return the share under the attack that hurts this column most."""
        return min((shares[column] for shares in self.by_attack.values()), key=lambda share: share.mean)

    def compute_mean(self, column: str) -> float:
        """Return the mean over attacks."""
        return sum(shares[column].mean for shares in self.by_attack.values()) / len(self.by_attack)

    def get_gap(self, column: str) -> float:
        """Return ours minus the study's."""
        theirs = {"majority": self.row.majority, "plain": self.row.plain, "oracle": self.row.oracle}
        return self.get_worst(column).mean - theirs[column]


def reproduce(
    sizes: Sequence[int], *, swarms: int, seed: int, settings: Settings, progress: Callable[[str], None]
) -> Iterator[Reproduced]:
    """Yield the study's rows of these sizes as they come out here.

    Args:
        sizes: Swarm sizes.
        swarms: Swarms a row and attack.
        seed: Of the swarms; all rows of a size meet the same.
        settings: The generative model.
        progress: Told of each row.
    """
    for row in STUDY:
        if row.size in sizes:
            attacks = dict(ATTACKS) if row.attackers else {"none": Attack()}
            by_attack = {
                name: _play(row, attack, swarms=swarms, seed=seed, settings=settings)
                for name, attack in attacks.items()
            }
            progress(f"reproduced N={row.size}, {row.attackers} attackers")
            yield Reproduced(row, by_attack)


def _play(row: StudyRow, attack: Attack, *, swarms: int, seed: int, settings: Settings) -> dict[str, Share]:
    world = Swarms(
        settings, size=row.size, attackers=row.attackers, attack=attack, design="unmerged", count=swarms,
        seed=seed,
    )  # fmt: skip
    source = np.random.default_rng((seed, row.size, 2))
    counts = np.zeros(swarms, dtype=np.int64)
    hits = {column: np.zeros(swarms, dtype=np.int64) for column in COLUMNS}
    for _ in range(ROUNDS):
        batch = world.play()
        counted = batch.answers.has_right
        counts += counted
        chosen: dict[str, Bools] = {
            "majority": choose_majority(batch, source),
            "plain": choose_plain(batch),
            "oracle": choose_oracle(batch, world),
        }
        for column, right in chosen.items():
            hits[column] += right & counted
    return {column: Share(tuple(values.tolist()), tuple(counts.tolist())) for column, values in hits.items()}
