"""Play methods on the rounds of simulated swarms, and count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.robustness.attacks import Attack
from benchmarks.robustness.methods import ORACLE, Method, choose_oracle
from benchmarks.robustness.settings import (
    GOLD_EVERY,
    ROUNDS,
    SCORED_AFTER,
    Design,
    Regime,
    Settings,
)
from benchmarks.robustness.swarm import Bools, Floats, Swarms, show_round


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is played: `count` swarms of one kind, `rounds` each, drawn from `seed`."""

    size: int
    attackers: int
    attack_name: str
    attack: Attack
    design: Design
    regime: Regime
    count: int
    seed: int
    settings: Settings
    rounds: int = ROUNDS
    scored_after: int = SCORED_AFTER


@dataclass(frozen=True, slots=True)
class Share:
    """A share, kept by swarm so that runs can be put together.

    Attributes:
        hits: Rounds that were right (or whatever is counted), by swarm.
        counts: Rounds that counted, by swarm.
    """

    hits: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def mean(self) -> float:
        """The share over all swarms, NaN where nothing counted."""
        return sum(self.hits) / sum(self.counts) if sum(self.counts) else float("nan")

    @property
    def error(self) -> float:
        """Its standard error over swarms (of a ratio, linearised), NaN with fewer than two."""
        swarms, total, mean = len(self.hits), sum(self.counts), self.mean
        if swarms < 2 or not total:
            return float("nan")
        pairs = zip(self.hits, self.counts, strict=True)
        spread = sum((hit - mean * count) ** 2 for hit, count in pairs)
        return float((spread * swarms / (swarms - 1)) ** 0.5 / total)


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Which rounds counted and which the method got right, both (rounds, swarms)."""

    right: Bools
    counted: Bools

    def compute_share(self, first: int = 1, last: int | None = None) -> Share:
        """Return the share right among rounds `first`..`last`, counted from 1."""
        counted = self.counted[first - 1 : last]
        hits = self.right[first - 1 : last] & counted
        return Share(tuple(hits.sum(axis=0).tolist()), tuple(counted.sum(axis=0).tolist()))


@dataclass(frozen=True, slots=True)
class Played:
    """A cell and, by method, what came of it."""

    cell: Cell
    outcomes: Mapping[str, Outcomes]


def is_gold_round(number: int) -> bool:
    """Say whether a round, counted from 1, is set aside for gold; it is never scored, gold or not."""
    return number % GOLD_EVERY == 0


def play_cell(cell: Cell, methods: Sequence[Method]) -> Played:
    """Play a cell; an attack that looks at weights sees those of the first method.

    Every method sees the same rounds in the same order. The oracle is always among the results.
    """
    swarms = Swarms(
        cell.settings, size=cell.size, attackers=cell.attackers, attack=cell.attack, design=cell.design,
        count=cell.count, seed=cell.seed,
    )  # fmt: skip
    players = [[method.make() for _ in range(cell.count)] for method in methods]
    shape = (cell.rounds, cell.count)
    right = {name: np.zeros(shape, dtype=np.bool_) for name in (*(m.name for m in methods), ORACLE)}
    counted = np.zeros(shape, dtype=np.bool_)
    peers = range(cell.size)
    weights: Floats | None = None
    for number in range(1, cell.rounds + 1):
        is_gold = is_gold_round(number)
        if cell.attack.rests_below is not None:
            weights = np.array([player.get_weights(peers) for player in players[0]])
        batch = swarms.play(is_truce=is_gold and cell.regime == "camouflaged", weights=weights)
        row = number - 1
        is_scored = number > cell.scored_after and not is_gold
        if is_scored:
            counted[row] = batch.answers.has_right
            right[ORACLE][row] = choose_oracle(batch, swarms)
        for swarm in range(cell.count):
            shown = show_round(batch, swarm, b"%d/%d/%d" % (cell.seed, number, swarm))
            has_truth = is_gold and cell.regime != "none"
            for method, mine in zip(methods, players, strict=True):
                view = shown.crowd if method.counts_authors else shown.judged
                if counted[row, swarm]:
                    right[method.name][row, swarm] = mine[swarm].choose(view.round_) in view.correct
                if method.has_memory and len(view.round_.authors) > 1:
                    mine[swarm].learn(view.round_, view.correct if has_truth else None)
    return Played(cell, {name: Outcomes(values, counted) for name, values in right.items()})
