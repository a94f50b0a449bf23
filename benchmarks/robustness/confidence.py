"""Whether P(best) can be believed, and how often honest judges are accused."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from benchmarks.robustness.attacks import ATTACKS, Attack
from benchmarks.robustness.play import Cell, is_gold_round
from benchmarks.robustness.settings import Design, Settings
from benchmarks.robustness.standard import Progress
from benchmarks.robustness.swarm import Swarms, View, show_round
from ranking.favours import find_favours
from ranking.reputation import PastRound, compute_trusts
from ranking.standing import CanonicalRanker, make_past, seat_round

BINS: Final = 10
GOAL_ECE: Final = 0.03
GOAL_ACCUSED: Final = 1.0
"""Accusations in 1,000 ordered pairs of honest judges."""
WEIGHT_MIN: Final = 0.25
"""A judge that weighs less counts as accused."""
STATED_ERROR_SD: Final = 0.3
"""Error that all judges share as the study states it. P(best) takes judges to err independently: how far it
can be believed hangs on this figure more than on any other."""
CALIBRATED_AFTER: Final = 20
"""P(best) is looked at from the next round on: a young swarm has learnt little."""


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin of P(best) of the leader: how many, mean P, share right."""

    count: int
    claimed: float
    right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """What was found in one cell.

    Attributes:
        cell: What was played.
        bins: By P(best) of the leader, equal widths, where there were two classes or more and a right one;
            empty where answers are not merged, for there right ones share P(best).
        ece: Expected calibration error: mean over bins, by count, of |claimed - right|.
        ece_error: Its standard error, jackknife over swarms; NaN with one.
        honest_judge_rounds: Honest judges times rounds.
        light: Share of them of weight below WEIGHT_MIN.
        outside: Share of them outside the reference camp of the long memory, or clearly of another camp in
            the short one.
        accused_pairs: In 1,000 ordered pairs of honest judges: the first in the reference camp, the second
            outside, mean over rounds.
        accused_pairs_last: The same in the last round.
        linked_pairs: In 1,000 ordered pairs of honest judges: those that returned each other's favour, found
            after the last round; the study's false accusation.
    """

    cell: Cell
    bins: tuple[Bin, ...]
    ece: float
    ece_error: float
    honest_judge_rounds: int
    light: float
    outside: float
    accused_pairs: float
    accused_pairs_last: float
    linked_pairs: float


def list_confidence_cells(
    sizes: Sequence[int], *, count: int, seed: int, settings: Settings, designs: Sequence[Design]
) -> Iterator[Cell]:
    """Yield honest swarms of every size and design, with smaller shared errors too, then hostile ones of 15.

    Args:
        sizes: Swarm sizes.
        count: Swarms of 31 and hostile ones; of the smaller twice as many.
        seed: The same for all.
        settings: The generative model.
        designs: Which designs.
    """
    for design in designs:
        for size in sizes:
            cell = Cell(
                size=size, attackers=0, attack_name="none", attack=Attack(), design=design, regime="none",
                count=count * (1 if size > 15 else 2), seed=seed, settings=settings,
            )  # fmt: skip
            yield cell
            if design == "merged":
                yield replace(cell, settings=replace(settings, class_error_sd=STATED_ERROR_SD))
            if (design, size) == ("merged", 15):
                for attackers, name in ((4, "collude"), (7, "tactical"), (7, "rotating"), (7, "shill")):
                    yield replace(
                        cell, attackers=attackers, attack_name=name, attack=ATTACKS[name], count=count
                    )


class _Books:
    """Tallies of one cell."""

    def __init__(self, count: int, *, has_claims: bool) -> None:
        self._has_claims = has_claims
        self.claims: list[list[tuple[float, bool]]] = [[] for _ in range(count)]
        self.judge_rounds = self.light = self.outside = 0
        self.pairs: list[tuple[int, int, int]] = []
        """(round, accused ordered pairs, ordered pairs)."""
        self.linked: list[tuple[int, int]] = []
        """(linked ordered pairs, ordered pairs) of a swarm."""

    def add(self, number: int, swarm: int, shown: View, ranker: CanonicalRanker, honest: list[int]) -> None:
        """Look at a round before it is learnt."""
        if number <= CALIBRATED_AFTER:
            return
        ranking = ranker.rank(shown.round_)
        if (
            self._has_claims
            and ranking.p_best is not None
            and len(shown.round_.authors) > 1
            and shown.correct
        ):
            leader = ranking.order[0]
            self.claims[swarm].append((ranking.p_best[leader], leader in shown.correct))
        peers = tuple(sorted(ranking.weights))
        slow, fast = compute_trusts(ranker.reputation, peers)
        out = [
            not is_member or is_outside
            for is_member, is_outside in zip(slow.reference, fast.outside, strict=True)
        ]
        accused = sum(out[peers.index(peer)] for peer in honest)
        self.judge_rounds += len(honest)
        self.light += sum(ranking.weights[peer] < WEIGHT_MIN for peer in honest)
        self.outside += accused
        self.pairs.append((number, (len(honest) - accused) * accused, len(honest) * (len(honest) - 1)))

    def add_favours(self, past: Sequence[PastRound], honest: list[int]) -> None:
        """Look at all rounds of a swarm for favours that honest judges return to each other."""
        links = sum(low in honest and high in honest for low, high in find_favours(past).links)
        self.linked.append((2 * links, len(honest) * (len(honest) - 1)))


def measure_confidence(cell: Cell) -> Confidence:
    """Play one cell with the canonical engine, P(best) and all."""
    swarms = Swarms(
        cell.settings, size=cell.size, attackers=cell.attackers, attack=cell.attack, design=cell.design,
        count=cell.count, seed=cell.seed,
    )  # fmt: skip
    rankers = [CanonicalRanker() for _ in range(cell.count)]
    books = _Books(cell.count, has_claims=swarms.is_merged)
    honest = [np.flatnonzero(~row).tolist() for row in swarms.is_attacker]
    past: list[list[PastRound]] = [[] for _ in range(cell.count)]
    for number in range(1, cell.rounds + 1):
        is_gold = is_gold_round(number) and cell.regime != "none"
        batch = swarms.play(is_truce=is_gold and cell.regime == "camouflaged")
        for swarm, ranker in enumerate(rankers):
            shown = show_round(batch, swarm, b"%d/%d/%d" % (cell.seed, number, swarm)).judged
            if len(shown.round_.authors) > 1:
                books.add(number, swarm, shown, ranker, honest[swarm])
                correct = shown.correct if is_gold else None
                ranker.learn(shown.round_, correct)
                past[swarm].append(make_past(seat_round(shown.round_), correct))
    for mine, judges in zip(past, honest, strict=True):
        books.add_favours(mine, judges)
    return _summarise(cell, books)


def _summarise(cell: Cell, books: _Books) -> Confidence:
    claims = [claim for one in books.claims for claim in one]
    ece = compute_ece(claims)
    swarms = len(books.claims)
    without = [
        compute_ece([claim for swarm, one in enumerate(books.claims) if swarm != left for claim in one])
        for left in range(swarms)
    ]
    mean = sum(without) / swarms
    spread = sum((value - mean) ** 2 for value in without) * (swarms - 1) / swarms
    last = [(hit, total) for number, hit, total in books.pairs if number == cell.rounds]
    return Confidence(
        cell=cell,
        bins=bin_claims(claims),
        ece=ece,
        ece_error=spread**0.5 if swarms > 1 else float("nan"),
        honest_judge_rounds=books.judge_rounds,
        light=books.light / max(books.judge_rounds, 1),
        outside=books.outside / max(books.judge_rounds, 1),
        accused_pairs=_per_thousand([(hit, total) for _, hit, total in books.pairs]),
        accused_pairs_last=_per_thousand(last),
        linked_pairs=_per_thousand(books.linked),
    )


def _per_thousand(pairs: Sequence[tuple[int, int]]) -> float:
    return 1e3 * sum(hit for hit, _ in pairs) / max(sum(total for _, total in pairs), 1)


def bin_claims(claims: Sequence[tuple[float, bool]]) -> tuple[Bin, ...]:
    """Sort claims (P, whether right) into BINS bins of equal width."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for claim in claims:
        bins[min(int(claim[0] * BINS), BINS - 1)].append(claim)
    return tuple(
        Bin(
            len(one),
            sum(claimed for claimed, _ in one) / max(len(one), 1),
            sum(right for _, right in one) / max(len(one), 1),
        )
        for one in bins
    )


def compute_ece(claims: Sequence[tuple[float, bool]]) -> float:
    """Return the expected calibration error, NaN without claims."""
    if not claims:
        return float("nan")
    gaps = (one.count * abs(one.claimed - one.right) for one in bin_claims(claims))
    return sum(gaps) / len(claims)


def measure_confidences(cells: Sequence[Cell], progress: Progress) -> Iterator[Confidence]:
    """Measure cells one after another."""
    for number, cell in enumerate(cells, start=1):
        found = measure_confidence(cell)
        yield found
        progress(
            f"{number}/{len(cells)} confidence N={cell.size} {cell.attackers} {cell.attack_name} "
            f"{cell.design}: ECE {found.ece:.3f}"
        )
