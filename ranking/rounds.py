"""What a ranker is shown of a round, and what it says of it: the seam between rounds and methods.

A **ranker** sees rounds one after another. It ranks a round without knowing its truth, then learns from
it; the truth, where a round turned out to be gold, can only influence later rounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Verdict:
    """One comparison of a round: `outcome` is P(left is better), 0..1.

    Attributes:
        judge: Peer that judged; peers are numbered from 0 over all rounds of a ranker's life.
        left: Candidate shown on the left, an index into the round's candidates.
        right: Candidate shown on the right.
        outcome: 0..1; a missing judgement is missing, never 1/2.
    """

    judge: int
    left: int
    right: int
    outcome: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One question's candidates and comparisons.

    Attributes:
        seed: For ties, any length.
        authors: Peers that gave each candidate, by candidate; each candidate has at least one, no peer two.
        verdicts: In any order. That a judge was dealt its pairs is not checked.
    """

    seed: bytes
    authors: tuple[tuple[int, ...], ...]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRanking:
    """What a ranker says of a round; sequences are by candidate index.

    Attributes:
        order: Candidate indices, best first.
        strengths: Log-strength in nats where the method has one, else the method's own score; higher is
            better.
        p_best: P(candidate is best), summing to 1; None where the method has no notion of it.
        flip_certificate: Fewest judges whose removal changes the winner; None where none does, or where
            the method does not say.
        weights: Peer -> weight of its judgements in this round, for every peer that judged or authored.
    """

    order: tuple[int, ...]
    strengths: tuple[float, ...]
    p_best: tuple[float, ...] | None
    flip_certificate: int | None
    weights: Mapping[int, float]


class Ranker(Protocol):
    """A method over rounds."""

    def rank(self, round_: Round) -> RoundRanking:
        """Rank a round's candidates from what was learnt before; changes nothing.

        Raises:
            ValueError: The round breaks a bound; the message says which.
        """
        ...

    def learn(self, round_: Round, correct: tuple[int, ...] | None) -> None:
        """Take a ranked round into account for later ones.

        Args:
            round_: As it was ranked.
            correct: Indices of the right candidates (perhaps none) where the round was gold, else None.
        """
        ...
