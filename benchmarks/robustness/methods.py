"""The methods that are played: ours, every baseline, and an oracle that knows who lies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from benchmarks.robustness.swarm import Batch, Bools, Floats, Swarms, compute_sigmoid
from ranking.ballots import Q16, JudgeTerms, gather_evidence
from ranking.baselines import METHODS
from ranking.canonical import compute_terms, create_reputation, update_reputation
from ranking.rounds import Ranker, Round
from ranking.solver import Table, compute_log_strengths
from ranking.standing import CanonicalRanker, Seated, create_ranker, make_past, seat_round

OURS: Final = "canonical"
OURS_FLOAT: Final = "float"
ORACLE: Final = "oracle"
STUDY_PRIOR: Final = 0.5
_MEMORYLESS: Final = ("majority", "borda", "mean-rank", "fortytwo", "plain-bt", "rank-centrality")
_AUTHORS_ONLY: Final = ("majority", "weighted-vote")
_TYPICAL_SLOPE: Final = float(np.log(3.0))
"""Slope of a judge that is right three times in four: its weight is 1 to the oracle."""


class Player(Protocol):
    """A method that names winners of one swarm's rounds."""

    def choose(self, round_: Round) -> int:
        """Return the index of the winner."""
        ...

    def learn(self, round_: Round, correct: tuple[int, ...] | None) -> None:
        """Take a round into account, with its truth where it was gold."""
        ...

    def get_weights(self, peers: Sequence[int]) -> list[float]:
        """Return the public weights of peers, 1 where the method has none."""
        ...


class RankerPlayer:
    """Any `Ranker`."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker

    def choose(self, round_: Round) -> int:
        """Return the index of the winner."""
        return self._ranker.rank(round_).order[0]

    def learn(self, round_: Round, correct: tuple[int, ...] | None) -> None:
        """Take a round into account."""
        self._ranker.learn(round_, correct)

    def get_weights(self, peers: Sequence[int]) -> list[float]:
        """Return the weights that the next round would be ranked with: those of a round without verdicts."""
        first, *others = peers
        weights = self._ranker.rank(Round(seed=b"", authors=((first,), tuple(others)), verdicts=())).weights
        return [weights[peer] for peer in peers]


class CanonicalPlayer:
    """`CanonicalRanker`, without what a winner does not need: the refits that P(best) and the flip take."""

    def __init__(self) -> None:
        self.reputation = create_reputation()
        self._last: tuple[Round, Seated, dict[int, JudgeTerms]] | None = None

    def choose(self, round_: Round) -> int:
        """Return the index of the winner."""
        seated = seat_round(round_)
        terms = compute_terms(self.reputation, seated.peers)
        self._last = (round_, seated, terms)
        evidence = gather_evidence(authors=seated.authors, comparisons=seated.comparisons, terms=terms)
        strengths = compute_log_strengths(Table(evidence.classes, evidence.compute_total()).fit())
        best = max(strengths)
        if strengths.count(best) == 1:
            return strengths.index(best)
        ranker = CanonicalRanker()
        ranker.reputation = self.reputation
        return ranker.rank(round_).order[0]

    def learn(self, round_: Round, correct: tuple[int, ...] | None) -> None:
        """Take a round into account."""
        if self._last is not None and self._last[0] is round_:
            _, seated, terms = self._last
            past = make_past(seated, correct)
            self.reputation = update_reputation(self.reputation, past, terms=terms)
        else:
            self.reputation = update_reputation(self.reputation, make_past(seat_round(round_), correct))

    def get_weights(self, peers: Sequence[int]) -> list[float]:
        """Return the weights that the next round would be ranked with."""
        terms = compute_terms(self.reputation, tuple(peers))
        return [terms[seat].weight_q16 / Q16 for seat in range(len(peers))]


@dataclass(frozen=True, slots=True)
class Method:
    """A method by name.

    Attributes:
        name: As in the tables.
        make: Makes a player that has seen no round.
        has_memory: Whether it learns; what does not is not shown rounds that are not scored.
        counts_authors: Whether it looks at authors only: it is always shown equal answers merged.
        is_ours: Whether truth matters to it; the others are played without gold only.
    """

    name: str
    make: Callable[[], Player]
    has_memory: bool
    counts_authors: bool = False
    is_ours: bool = False


def create_methods(names: Sequence[str]) -> tuple[Method, ...]:
    """Return methods by name, in the order given.

    Raises:
        ValueError: A name is unknown, or the method is not to be had; the message says which.
    """
    return tuple(_create_method(name) for name in names)


def list_methods() -> tuple[str, ...]:
    """Return the names of all methods that can be played here."""
    ours = (OURS, OURS_FLOAT) if _has_float_engine() else (OURS,)
    return (*ours, *METHODS)


def _has_float_engine() -> bool:
    try:
        create_ranker("float")
    except ValueError:
        return False
    return True


def _create_method(name: str) -> Method:
    if name == OURS:
        return Method(name, CanonicalPlayer, has_memory=True, is_ours=True)
    if name == OURS_FLOAT:
        return Method(name, lambda: RankerPlayer(create_ranker("float")), has_memory=True, is_ours=True)
    if name not in METHODS:
        raise ValueError(f"got method {name!r}, expected one of {', '.join(list_methods())}")
    create = METHODS[name]
    return Method(
        name,
        lambda: RankerPlayer(create()),
        has_memory=name not in _MEMORYLESS,
        counts_authors=name in _AUTHORS_ONLY,
    )


# -- whole batches at once: what the study calls plain BT, majority and oracle -----------------------------


def choose_majority(batch: Batch, source: np.random.Generator) -> Bools:
    """Return whether the most frequent content is right, ties at random, (S,)."""
    content = batch.answers.content
    counts = np.stack([(content == kind).sum(axis=1) for kind in range(batch.answers.quality.shape[1])], 1)
    right: Bools = (counts + 0.5 * source.random(counts.shape)).argmax(axis=1) == 0
    return right


def choose_plain(batch: Batch) -> Bools:
    """Return whether plain Bradley-Terry with the study's prior is right, (S,)."""
    return _choose_by_fit(batch, np.ones(batch.answers.content.shape), has_author_prior=False)


def choose_oracle(batch: Batch, swarms: Swarms) -> Bools:
    """Return whether the oracle is right, (S,): it knows who attacks and how well the others judge.

    Attackers' verdicts are left out, others weighted by the slope of their judgement. Where answers are
    merged, each honest author adds its half win, as in the engine.
    """
    weight = np.where(swarms.is_attacker, 0.0, swarms.slope / _TYPICAL_SLOPE)
    return _choose_by_fit(batch, weight, has_author_prior=swarms.is_merged)


def _choose_by_fit(batch: Batch, weight: Floats, *, has_author_prior: bool) -> Bools:
    wins = _count_wins(batch, weight)
    answers = batch.answers
    present = np.asarray(answers.authors.any(axis=2))
    if has_author_prior:
        mass = (answers.authors * weight[:, None, :]).sum(axis=2)
        rivals = np.maximum(present.sum(axis=1) - 1, 1)[:, None, None]
        wins += 0.5 * mass[:, :, None] / rivals * (present[:, :, None] & present[:, None, :])
        wins *= ~np.eye(wins.shape[1], dtype=np.bool_)
    strengths = np.where(present, _fit(wins), -np.inf)
    chosen = strengths.argmax(axis=1)
    right: Bools = answers.items[np.arange(len(chosen)), chosen] == 0
    return right


def _count_wins(batch: Batch, weight: Floats) -> Floats:
    """Return mass won by row against column, (S, C, C)."""
    ballots, (count, items) = batch.ballots, batch.answers.items.shape
    swarm = np.arange(count)[:, None, None]
    winner = np.where(ballots.left_wins, ballots.left, ballots.right)
    loser = np.where(ballots.left_wins, ballots.right, ballots.left)
    mass = weight[:, :, None] * ballots.valid
    key = (swarm * items + winner) * items + loser
    won = np.bincount(key.ravel(), weights=mass.ravel(), minlength=count * items * items)
    return won.reshape(count, items, items).astype(np.float64)


def _fit(wins: Floats) -> Floats:
    """Return log-strengths, (S, C), by Newton's method; prior: STUDY_PRIOR / 2 times the square of each."""
    games, won = wins + wins.transpose(0, 2, 1), wins.sum(axis=2)
    theta = np.zeros(won.shape)
    diagonal = np.arange(won.shape[1])
    for _ in range(20):
        expected = compute_sigmoid(theta[:, :, None] - theta[:, None, :])
        gradient = won - (games * expected).sum(axis=2) - STUDY_PRIOR * theta
        curvature = games * expected * (1.0 - expected)
        hessian = -curvature
        hessian[:, diagonal, diagonal] += curvature.sum(axis=2) + STUDY_PRIOR
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        theta = theta + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-6:
            break
    return theta
