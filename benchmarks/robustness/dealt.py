"""Pairs as the product deals them: a cycle over the classes, then leader against challengers, in three steps.

Each step is dealt from the scores of the one before, by the canonical engine with what it learnt, so the
comparisons are its own: no other method can be played on them. Answers are merged. Rounds are not stopped
early.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.robustness.attacks import ATTACKS, Attack
from benchmarks.robustness.methods import choose_oracle
from benchmarks.robustness.play import Cell, Outcomes, Share, is_gold_round
from benchmarks.robustness.settings import Settings
from benchmarks.robustness.standard import Progress
from benchmarks.robustness.swarm import Answers, Ballots, Batch, Swarms, show_round
from ranking.ballots import OUTCOME_MAX, OUTCOME_MIN, Comparison, JudgeTerms
from ranking.canonical import (
    Assignment,
    Reputation,
    Scores,
    compute_scores,
    compute_terms,
    create_reputation,
    deal_pairs,
    update_reputation,
)
from ranking.pairs import STEPS_MAX
from ranking.standing import make_past, seat_round

SIZE: Final = 15


@dataclass(frozen=True, slots=True)
class Dealt:
    """A cell and the shares of rounds that the engine and the oracle got right."""

    cell: Cell
    ours: Share
    oracle: Share


@dataclass(slots=True)
class _Game:
    """One swarm's round as it is dealt."""

    authors: tuple[tuple[int, ...], ...]
    items: tuple[int, ...]
    seed: bytes
    terms: dict[int, JudgeTerms]
    history: list[Assignment]
    comparisons: list[Comparison]
    scores: Scores | None = None

    def deal(self, step: int, calls: int) -> tuple[Assignment, ...]:
        """Deal a step, in classes."""
        dealt = deal_pairs(
            step=step, authors=self.authors, seats=SIZE, calls_per_peer=calls,
            seed=self.seed + bytes([step]), scores=self.scores, history=self.history,
        )  # fmt: skip
        self.history += dealt
        return dealt

    def score(self) -> Scores:
        """Score all comparisons so far."""
        self.scores = compute_scores(
            authors=self.authors, comparisons=self.comparisons, terms=self.terms, seed=self.seed
        )
        return self.scores


def list_dealt_cells(*, count: int, seed: int, settings: Settings) -> Iterator[Cell]:
    """Yield an honest cell and hostile ones."""
    for attackers in (0, 4, 7):
        for name in ("collude", "tactical", "shill", "rotating") if attackers else ("none",):
            yield Cell(
                size=SIZE, attackers=attackers, attack_name=name, attack=ATTACKS.get(name, Attack()),
                design="merged", regime="none", count=count, seed=seed, settings=settings,
            )  # fmt: skip


def play_dealt(cell: Cell) -> Dealt:
    """Play one cell."""
    swarms = Swarms(
        cell.settings, size=cell.size, attackers=cell.attackers, attack=cell.attack, design="merged",
        count=cell.count, seed=cell.seed,
    )  # fmt: skip
    states = [create_reputation() for _ in range(cell.count)]
    shape = (cell.rounds, cell.count)
    right, best = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
    counted = np.zeros(shape, dtype=np.bool_)
    for number in range(1, cell.rounds + 1):
        answers = swarms.answer()
        batch, leaders = _play_round(swarms, answers, states, b"%d/%d" % (cell.seed, number))
        row = number - 1
        if number > cell.scored_after and not is_gold_round(number):
            counted[row] = answers.has_right
            best[row] = choose_oracle(batch, swarms)
        for swarm, leader in enumerate(leaders):
            view = show_round(batch, swarm, b"").judged
            right[row, swarm] = leader in view.correct
            if len(view.round_.authors) > 1:
                states[swarm] = update_reputation(states[swarm], make_past(seat_round(view.round_), None))
    return Dealt(cell, Outcomes(right, counted).compute_share(), Outcomes(best, counted).compute_share())


def _play_round(
    swarms: Swarms, answers: Answers, states: Sequence[Reputation], seed: bytes
) -> tuple[Batch, list[int]]:
    """Deal, judge and score three steps; return all comparisons and each swarm's winner."""
    games = [_open(answers, swarm, state, seed) for swarm, state in enumerate(states)]
    columns: list[Ballots] = []
    for step in range(1, STEPS_MAX + 1):
        shape = (swarms.count, swarms.size, swarms.calls)
        left, right = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        valid = np.zeros(shape, dtype=np.bool_)
        dealt = [game.deal(step, swarms.calls) for game in games]
        places: list[list[tuple[int, int]]] = []
        for swarm, (game, assignments) in enumerate(zip(games, dealt, strict=True)):
            filled = [0] * swarms.size
            places.append([])
            for one in assignments:
                at = (swarm, one.judge, filled[one.judge])
                left[at], right[at], valid[at] = game.items[one.left], game.items[one.right], True
                places[-1].append((one.judge, filled[one.judge]))
                filled[one.judge] += 1
        wins = swarms.judge(answers, left, right)
        columns.append(Ballots(left=left, right=right, valid=valid, left_wins=wins))
        for swarm, game in enumerate(games):
            for one, (judge, call) in zip(dealt[swarm], places[swarm], strict=True):
                outcome = OUTCOME_MAX if wins[swarm, judge, call] else OUTCOME_MIN
                game.comparisons.append(Comparison(one.judge, one.left, one.right, outcome))
            game.score()
    ballots = Ballots(
        left=np.concatenate([one.left for one in columns], axis=2),
        right=np.concatenate([one.right for one in columns], axis=2),
        valid=np.concatenate([one.valid for one in columns], axis=2),
        left_wins=np.concatenate([one.left_wins for one in columns], axis=2),
    )
    leaders = [game.scores.order[0] for game in games if game.scores is not None]
    return Batch(answers=answers, ballots=ballots), leaders


def _open(answers: Answers, swarm: int, state: Reputation, seed: bytes) -> _Game:
    authors = [tuple(np.flatnonzero(row).tolist()) for row in answers.authors[swarm]]
    items = sorted((index for index, peers in enumerate(authors) if peers), key=lambda i: authors[i][0])
    return _Game(
        authors=tuple(authors[item] for item in items),
        items=tuple(items),
        seed=seed + b"/%d" % swarm,
        terms=compute_terms(state, range(SIZE)),
        history=[],
        comparisons=[],
    )


def play_dealt_cells(cells: Sequence[Cell], progress: Progress) -> Iterator[Dealt]:
    """Play cells one after another."""
    for number, cell in enumerate(cells, start=1):
        found = play_dealt(cell)
        yield found
        progress(f"{number}/{len(cells)} dealt {cell.attackers} {cell.attack_name}: {found.ours.mean:.2f}")
