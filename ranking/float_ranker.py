"""Our ranker over rounds in floats: for researchers' many rounds, never for what is signed.

The same model as `ranking.standing.CanonicalRanker`, step by step; where that one's integers round, results
differ in the last digits, and a decision that hangs on a hair can fall otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ranking._hash import hash_numbers
from ranking.ballots import Q16
from ranking.float_fit import Fit, fit_round
from ranking.float_reputation import FloatReputation, Terms
from ranking.float_round import Floats, Games, read_round
from ranking.reputation import check_correct
from ranking.rounds import Round, RoundRanking
from ranking.scores import CLASS_DOUBT_Q16, SHARED_ERROR_Q16
from ranking.tables import ODDS

_TIE_NATS: Final = 1e-9
"""Strengths that differ by less are equal; real ones differ by far more, rounding by far less."""
_KNOTS: Final = np.arange(len(ODDS)) / 4.0
_ODDS: Final = np.array(ODDS) / Q16
_LEAST_ODDS: Final = 1.0 / Q16
_SHARED_VARIANCE: Final = (SHARED_ERROR_Q16 / Q16) ** 2
_CLASS_DOUBT: Final = CLASS_DOUBT_Q16 / Q16


@dataclass(frozen=True, slots=True, eq=False)
class _Analysis:
    """A round, what was assumed of its judges and what they say; `round_` is kept to know it again."""

    round_: Round
    games: Games
    terms: Terms
    fit: Fit


class FloatRanker:
    """Ranks by Newton's method on floats; implements `Ranker`."""

    def __init__(self) -> None:
        self._reputation = FloatReputation()
        self._latest: _Analysis | None = None

    def rank(self, round_: Round) -> RoundRanking:
        """Rank a round; see `Ranker.rank`."""
        analysis = self._analyse(round_)
        return _score(analysis.games, analysis.terms, analysis.fit, round_.seed)

    def learn(self, round_: Round, correct: tuple[int, ...] | None) -> None:
        """Take a round into account; see `Ranker.learn`."""
        check_correct(correct, len(round_.authors))
        analysis = self._analyse(round_)
        self._latest = None
        self._reputation.learn(analysis.games, correct, analysis.fit.without)

    def _analyse(self, round_: Round) -> _Analysis:
        """Return what the present state makes of a round; the one just ranked is not fitted again."""
        latest = self._latest
        if latest is None or latest.round_ is not round_:
            games = read_round(round_)
            terms = self._reputation.compute_terms(games.peers)
            latest = self._latest = _Analysis(round_, games, terms, fit_round(games, terms))
        return latest


def _score(games: Games, terms: Terms, fit: Fit, seed: bytes) -> RoundRanking:
    """Return order, P(best) and flip estimate by the formulas of `ranking.scores`."""
    strengths = fit.strengths.tolist()
    order = _order(strengths, seed)
    leader, *challengers = order
    margins = fit.strengths[leader] - fit.strengths
    without = fit.without[fit.is_judge]
    shifts = without[:, leader, None] - without - margins
    z = _compute_z(margins, shifts)
    return RoundRanking(
        order=order,
        strengths=tuple(strengths),
        p_best=_compute_p_bests(z, leader, len(shifts)),
        flip_certificate=_estimate_flips(order, margins, without, shifts, seed) if challengers else None,
        weights=dict(zip(games.peers, terms.weights.tolist(), strict=True)),
    )


def _order(strengths: Sequence[float], seed: bytes) -> tuple[int, ...]:
    """Return class indices, best first; those a tie apart in the order of H(seed, class index)."""
    order = sorted(range(len(strengths)), key=strengths.__getitem__, reverse=True)
    groups: list[list[int]] = []
    for index in order:
        if groups and strengths[groups[-1][-1]] - strengths[index] < _TIE_NATS:
            groups[-1].append(index)
        else:
            groups.append([index])
    if len(groups) == len(order):
        return tuple(order)
    return tuple(
        index
        for group in groups
        for index in (sorted(group, key=lambda tied: hash_numbers("tie", seed, tied)))
    )


def _compute_z(margins: Floats, shifts: Floats) -> Floats:
    """Return each class's distance from the leader over its error; see `ranking.scores`."""
    judges = len(shifts)
    if judges < 2:
        return np.zeros(len(margins))
    variance = (shifts * shifts).sum(axis=0) * (judges - 1) / judges + _SHARED_VARIANCE
    scaled: Floats = margins / np.sqrt(variance)
    return scaled


def _compute_p_bests(z: Floats, leader: int, judges: int) -> tuple[float, ...]:
    """Return P(best) by class; what the leader leaves is shared by the challengers' odds."""
    odds = np.interp(z, _KNOTS, _ODDS)
    odds[leader] = 0.0
    doubt = (len(z) - 1) * _CLASS_DOUBT / max(judges, 1) ** 2
    best = 1.0 / (1.0 + float(odds.sum()) + doubt)
    odds += _LEAST_ODDS
    odds[leader] = 0.0
    if len(z) > 1:
        odds *= (1.0 - best) / odds.sum()
    odds[leader] = best
    return tuple(odds.tolist())


def _estimate_flips(
    order: tuple[int, ...], margins: Floats, without: Floats, shifts: Floats, seed: bytes
) -> int | None:
    """Return how many judges, largest help first, carry the leader; None if removing them flips nothing."""
    leader, second = order[:2]
    is_close = without > without[:, leader, None] - _TIE_NATS
    for row in np.flatnonzero(is_close.sum(axis=1) > 1):
        if _order(without[row].tolist(), seed)[0] != leader:
            return 1
    # Who harms the leader takes nothing away when it goes.
    helps = np.minimum(np.sort(shifts[:, second]), 0.0)
    enough = np.flatnonzero(margins[second] + np.cumsum(helps) < 0.0)
    return int(enough[0]) + 1 if len(enough) else None
