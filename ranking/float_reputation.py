"""What rounds teach about peers: `ranking.reputation` in floats, as arrays that grow with the peers.

The model and its constants are those of the canonical engine, which explains them; results agree but for
rounding, and are never signed.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ranking.agreement import FAST_SHIFT, SLOW_SHIFT
from ranking.ballots import Q16
from ranking.float_round import Booleans, Floats, Games, Integers
from ranking.float_trust import Gold, compute_trust, get_lower_median
from ranking.reputation import (
    GOLD_COUNT_MIN_Q16,
    GOLD_SHIFT,
    GOLD_SLACK_Q8,
    LEAN_SHIFT,
    LEAN_STEP,
    OWN_INERTIA_Q16,
    OWN_MAX_Q16,
    SIDE_INERTIA_Q16,
    SIDE_LEAN_MAX,
)

_KEPT: Final = np.array(
    [1.0 - 2.0**-SLOW_SHIFT, 1.0 - 2.0**-SLOW_SHIFT, 1.0 - 2.0**-FAST_SHIFT, 1.0 - 2.0**-FAST_SHIFT]
)[:, None, None]
_SLOW_SUMS, _SLOW_COUNTS, _FAST_SUMS, _FAST_COUNTS = range(4)
_GOLD, _GOLD_COUNT, _LEFT, _LEFT_COUNT, _OWN, _OWN_COUNT = range(6)
_GOLD_KEPT: Final = 1.0 - 2.0**-GOLD_SHIFT
_LEAN_KEPT: Final = 1.0 - 2.0**-LEAN_SHIFT
_LEAN_STEP_NATS: Final = LEAN_STEP / 16
_SIDE_LEAN_MAX_NATS: Final = SIDE_LEAN_MAX / 16
_SIDE_NATS_A_SHARE: Final = 4.0
_SIDE_INERTIA: Final = SIDE_INERTIA_Q16 / Q16
_OWN_INERTIA: Final = OWN_INERTIA_Q16 / Q16
_OWN_MAX: Final = OWN_MAX_Q16 / Q16
_GOLD_COUNT_MIN: Final = GOLD_COUNT_MIN_Q16 / Q16
_GOLD_SLACK: Final = GOLD_SLACK_Q8 / 256
_GOLD_MEDIAN_MIN: Final = 1 / 32
_WEIGHT_MAX: Final = 2.0
_ROOM_FIRST: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What a round assumes of its judges, by seat, each of shape (seats,).

    Attributes:
        weights: 0..2; also the weight of the peer's vote as an author.
        own: Lean to the class that the judge authored, nats, in halves.
        side: Lean to the left side, nats, in halves.
    """

    weights: Floats
    own: Floats
    side: Floats


class FloatReputation:
    """What is kept of every peer that judged; peers not met yet are new.

    Sums and counts are kept for each two peers in two memories, and for each peer alone, in arrays with room
    for more peers than there are.
    """

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}
        self._bonds: Floats = np.zeros((4, _ROOM_FIRST, _ROOM_FIRST))
        self._records: Floats = np.zeros((6, _ROOM_FIRST))

    def compute_terms(self, peers: tuple[int, ...]) -> Terms:
        """Return the terms of a round's judges.

        Args:
            peers: Peer at each seat, at least one, none twice.
        """
        rows = self._get_rows(peers)
        bonds = self._bonds[:, rows[:, None], rows]
        records = self._records[:, rows]
        gold = Gold(records[_GOLD], records[_GOLD_COUNT])
        trust = compute_trust(bonds[_SLOW_SUMS::2], bonds[_SLOW_COUNTS::2], gold)
        weights = trust.weights
        if gold.counts.max() >= _GOLD_COUNT_MIN:
            weights = np.minimum(weights, _compute_gold_caps(gold, trust.reference))
        return Terms(
            weights=weights,
            own=np.floor(records[_OWN] / _LEAN_STEP_NATS) * _LEAN_STEP_NATS,
            side=_compute_side_leans(records[_LEFT], records[_LEFT_COUNT]),
        )

    def learn(self, games: Games, correct: tuple[int, ...] | None, without: Floats) -> None:
        """Take a ranked round into account.

        Args:
            games: The round.
            correct: Indices of the right classes (perhaps none) where the round was gold, else None.
            without: Log-strengths without each seat, nats, shape (seats, classes).
        """
        shape = (len(games.peers), games.classes)
        slots = np.concatenate([games.judge * shape[1] + games.left, games.judge * shape[1] + games.right])
        gained = 2.0 * games.outcome - 1.0
        played = np.bincount(slots, minlength=shape[0] * shape[1]).reshape(shape)
        sums = np.bincount(slots, np.concatenate([gained, -gained]), shape[0] * shape[1]).reshape(shape)
        votes = sums / np.maximum(played, 1)
        seen = (played > 0).astype(np.float64)
        seats = np.flatnonzero(seen.any(axis=1))
        votes, seen = votes[seats], seen[seats]
        rows = self._claim_rows([games.peers[seat] for seat in seats])
        bonds = self._bonds[:, rows[:, None], rows] * _KEPT
        bonds[_SLOW_SUMS::2] += votes @ votes.T
        bonds[_SLOW_COUNTS::2] += seen @ seen.T
        self._bonds[:, rows[:, None], rows] = bonds
        records = self._records[:, rows]
        own = np.zeros((2, shape[0]))
        own[:, seats] = records[_OWN : _OWN_COUNT + 1]
        records[_OWN : _OWN_COUNT + 1] = _learn_own(games, own[0], own[1], without)[:, seats]
        calls = np.bincount(games.judge, minlength=shape[0])[seats]
        chose = np.bincount(games.judge, games.outcome - 0.5, shape[0])[seats]
        records[_LEFT : _LEFT_COUNT + 1] *= _LEAN_KEPT
        records[_LEFT] += chose
        records[_LEFT_COUNT] += calls
        if correct is not None:
            truth = np.where(np.isin(np.arange(shape[1]), correct), 1.0, -1.0)
            if truth.min() < truth.max():
                records[_GOLD : _GOLD_COUNT + 1] *= _GOLD_KEPT
                records[_GOLD] += votes @ truth
                records[_GOLD_COUNT] += seen.sum(axis=1)
        self._records[:, rows] = records

    def _get_rows(self, peers: tuple[int, ...]) -> Integers:
        """Return the row of each peer; new peers share one that holds nothing."""
        # The last row is never given away.
        return np.array([self._rows.get(peer, -1) for peer in peers], dtype=np.int64)

    def _claim_rows(self, peers: list[int]) -> Integers:
        """Return the row of each peer, new peers' rows made, with room for one more that holds nothing."""
        rows = self._rows
        claimed = [rows.setdefault(peer, len(rows)) for peer in peers]
        room = self._records.shape[1]
        if len(rows) >= room:
            more = 2 * len(rows) - room
            self._bonds = np.pad(self._bonds, ((0, 0), (0, more), (0, more)))
            self._records = np.pad(self._records, ((0, 0), (0, more)))
        return np.array(claimed, dtype=np.int64)


def _compute_gold_caps(gold: Gold, reference: Booleans) -> Floats:
    """Return the largest weight that gold allows each seat: 2 where gold says nothing."""
    is_known = gold.counts >= _GOLD_COUNT_MIN
    counts = np.where(is_known, gold.counts, 1.0)
    means = gold.sums / counts
    known = means[is_known & reference]
    median = get_lower_median(known) if len(known) else 0.0
    if median < _GOLD_MEDIAN_MIN:
        return np.full(len(means), _WEIGHT_MAX)
    caps = np.minimum(np.maximum((means + _GOLD_SLACK / np.sqrt(counts)) / median, 0.0), _WEIGHT_MAX)
    return np.where(is_known, caps, _WEIGHT_MAX)


def _compute_side_leans(left: Floats, left_count: Floats) -> Floats:
    """Return the lean to the left side, nats, in whole steps: 4 nats for each share beyond one half."""
    # A sixteenth of a nat downwards first, as where leans are integers.
    leans = np.floor(16.0 * _SIDE_NATS_A_SHARE * left / (left_count + _SIDE_INERTIA)) / 16.0
    steps = np.floor(np.abs(leans) / _LEAN_STEP_NATS) * _LEAN_STEP_NATS
    return np.copysign(np.minimum(steps, _SIDE_LEAN_MAX_NATS), leans)


def _learn_own(games: Games, own: Floats, own_count: Floats, without: Floats) -> Floats:
    """Return every seat's lean to its own class and its information, one round later, shape (2, seats).

    The lean of who compared its own class with another moves by the residual over the information: outcomes
    against what the other judges say, with the lean so far.
    """
    concerned = np.flatnonzero(games.own_sign)
    if not len(concerned):
        return np.array([own, own_count])
    seats, seat = len(games.peers), games.judge[concerned]
    signs = games.own_sign[concerned]
    gaps = signs * (without[seat, games.left[concerned]] - without[seat, games.right[concerned]])
    expected = 1.0 / (1.0 + np.exp(-gaps - np.floor(16.0 * own[seat]) / 16.0))
    # The outcome seen from the own class, less what was expected.
    residual = 0.5 + signs * (games.outcome[concerned] - 0.5) - expected
    pull = np.bincount(seat, residual, seats)
    learnt = np.bincount(seat, expected * (1.0 - expected), seats)
    # Expectations lie within 0 and 1, so that who is concerned has learnt something.
    is_concerned = learnt > 0.0
    information = np.where(is_concerned, own_count * _LEAN_KEPT + learnt, own_count)
    moved = np.minimum(np.maximum(own + pull / (information + _OWN_INERTIA), 0.0), _OWN_MAX)
    return np.array([np.where(is_concerned, moved, own), information])
