"""Our own ranker over rounds: reputation carried from round to round, in integers or in floats.

The canonical engine is what nodes certify. The float engine keeps the same reputation and ranks by
Newton's method, for speed; its results are never signed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, assert_never

from ranking.ballots import OUTCOME_MAX, OUTCOME_MIN, Q16, Comparison, JudgeTerms
from ranking.reputation import PastRound, Reputation, compute_terms, create_reputation, update_reputation
from ranking.rounds import Ranker, Round, RoundRanking
from ranking.scores import compute_p_bests, compute_scores

Engine = Literal["canonical", "float"]
_NATS_A_UNIT: Final = 1.0 / Q16


@dataclass(frozen=True, slots=True)
class Seated:
    """A round by seat: peers in rising order, and everything else in their seats."""

    peers: tuple[int, ...]
    authors: tuple[tuple[int, ...], ...]
    comparisons: tuple[Comparison, ...]


def seat_round(round_: Round) -> Seated:
    """Give each peer of a round a seat.

    Outcomes are taken as Q16 and held within .05 and .95, as ballots are: nobody may send certainties.
    """
    named = {peer for seats in round_.authors for peer in seats}
    named |= {verdict.judge for verdict in round_.verdicts}
    peers = tuple(sorted(named))
    seats = {peer: seat for seat, peer in enumerate(peers)}
    return Seated(
        peers=peers,
        authors=tuple(tuple(sorted(seats[peer] for peer in authors)) for authors in round_.authors),
        comparisons=tuple(
            Comparison(seats[one.judge], one.left, one.right, quantise_outcome(one.outcome))
            for one in round_.verdicts
        ),
    )


def quantise_outcome(outcome: float) -> int:
    """Return an outcome as a ballot would carry it.

    Raises:
        ValueError: It is not within 0..1.
    """
    if not 0.0 <= outcome <= 1.0:
        raise ValueError(f"an outcome is 0..1, got {outcome}")
    return max(OUTCOME_MIN, min(OUTCOME_MAX, round(outcome * Q16)))


class CanonicalRanker:
    """Ranks as nodes do: integers only, the same on every machine; implements `Ranker`."""

    def __init__(self) -> None:
        self.reputation: Reputation = create_reputation()
        self._terms: tuple[tuple[int, ...], dict[int, JudgeTerms]] = ((), {})

    def rank(self, round_: Round) -> RoundRanking:
        """Rank a round; see `Ranker.rank`."""
        seated = seat_round(round_)
        terms = self._get_terms(seated.peers)
        scores = compute_scores(
            authors=seated.authors, comparisons=seated.comparisons, terms=terms, seed=round_.seed
        )
        return RoundRanking(
            order=scores.order,
            strengths=tuple(value * _NATS_A_UNIT for value in scores.log_strengths),
            p_best=tuple(value * _NATS_A_UNIT for value in compute_p_bests(scores)),
            flip_certificate=scores.flip_estimate or None,
            weights=get_weights(seated.peers, terms),
        )

    def learn(self, round_: Round, correct: tuple[int, ...] | None) -> None:
        """Take a round into account; see `Ranker.learn`."""
        past = make_past(seat_round(round_), correct)
        self.reputation = update_reputation(self.reputation, past, terms=self._get_terms(past.peers))
        self._terms = ((), {})

    def _get_terms(self, peers: tuple[int, ...]) -> dict[int, JudgeTerms]:
        """Return the terms of these peers; a round that is ranked, then learnt, needs them twice."""
        if self._terms[0] != peers:
            self._terms = (peers, compute_terms(self.reputation, peers))
        return self._terms[1]


def make_past(seated: Seated, correct: tuple[int, ...] | None) -> PastRound:
    """Return a seated round as reputation takes it."""
    return PastRound(
        peers=seated.peers, authors=seated.authors, comparisons=seated.comparisons, correct=correct
    )


def get_weights(peers: Sequence[int], terms: dict[int, JudgeTerms]) -> dict[int, float]:
    """Return weights by peer, 1 = a typical judge of the reference camp."""
    return {peer: terms[seat].weight_q16 * _NATS_A_UNIT for seat, peer in enumerate(peers)}


def create_ranker(engine: Engine) -> Ranker:
    """Return a ranker that has seen no round yet.

    Args:
        engine: "canonical" ranks as nodes do; "float" is the same model on floats, several times as fast.
    """
    match engine:
        case "canonical":
            return CanonicalRanker()
        case "float":
            # numpy is loaded by those only who want it.
            from ranking.float_ranker import FloatRanker

            return FloatRanker()
        case unknown:
            assert_never(unknown)
