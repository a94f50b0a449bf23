"""Why a peer weighs what it weighs: the rounds, verdicts and gold that moved it.

Everything here is recomputed from past rounds with the functions that decide, so an explanation cannot
drift away from what was done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ranking.agreement import NET_ONE, NetVotes, compute_net_votes, compute_truth_votes
from ranking.ballots import Q16, Comparison, JudgeTerms
from ranking.camps import Trust
from ranking.reputation import (
    PastRound,
    Reputation,
    compute_terms,
    compute_trusts,
    create_reputation,
    update_reputation,
)

VERDICTS_MAX: Final = 3
"""Verdicts named for one round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A verdict beside what the other judges of the round say, weighted; both -1 (right) to 1 (left)."""

    left: int
    right: int
    said: float
    others: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What one round did to a peer's weight.

    Attributes:
        round: Number of the round, from 0, among those given.
        before: Its weight in the round; 1 is a typical judge of the reference camp.
        after: Its weight in a round right after, with the same peers.
        agreement: Mean product of its net votes with those of the others, weighted; -1..1.
        gold: The same with the truth; None where the round was not gold or the truth told nothing apart.
        verdicts: Its verdicts that fit the others least, worst first.
    """

    round: int
    before: float
    after: float
    agreement: float
    gold: float | None
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A peer's weight and what it rests on.

    Attributes:
        peer: The peer.
        weight: What it weighs now among `peers`.
        peers: Whom it was weighed with: those of its last round.
        is_reference: Whether it is of the reference camp in the long and in the short memory.
        splits: How clearly judges fall into two camps, in both memories; two camps from .9 and 1.5 on.
        own_lean: Lean to its own answer, nats, as it enters rounds.
        side_lean: Lean to the left side, nats, as it enters rounds.
        moves: Every round that it judged in, oldest first.
    """

    peer: int
    weight: float
    peers: tuple[int, ...]
    is_reference: tuple[bool, bool]
    splits: tuple[float, float]
    own_lean: float
    side_lean: float
    moves: tuple[Move, ...]


def explain(rounds: Sequence[PastRound], peer: int) -> Explanation:
    """Say which rounds, verdicts and gold moved a peer's weight.

    Args:
        rounds: All rounds since nothing was known, oldest first.
        peer: One that judged or answered in some of them.

    Raises:
        ValueError: It did neither, or a round breaks a bound.
    """
    reputation = create_reputation()
    moves: list[Move] = []
    last: tuple[int, ...] = ()
    for number, past in enumerate(rounds):
        terms = compute_terms(reputation, past.peers)
        reputation = update_reputation(reputation, past, terms=terms)
        if peer in past.peers:
            last = past.peers
            move = _explain_round(number, past, past.peers.index(peer), terms, reputation)
            if move is not None:
                moves.append(move)
    if not last:
        raise ValueError(f"peer {peer} is in none of the {len(rounds)} rounds")
    place = last.index(peer)
    slow, fast = compute_trusts(reputation, last)
    terms_now = compute_terms(reputation, last)[place]
    return Explanation(
        peer=peer,
        weight=terms_now.weight_q16 / Q16,
        peers=last,
        is_reference=(slow.reference[place], fast.reference[place]),
        splits=(_get_split(slow), _get_split(fast)),
        own_lean=terms_now.own_or_ally / 16,
        side_lean=terms_now.position / 16,
        moves=tuple(moves),
    )


def _get_split(trust: Trust) -> float:
    return trust.split_q8 / 256


def _explain_round(
    number: int,
    past: PastRound,
    seat: int,
    terms: Mapping[int, JudgeTerms],
    after: Reputation,
) -> Move | None:
    """Return what a round did to the judge at a seat, None where it judged nothing."""
    classes = len(past.authors)
    votes = compute_net_votes(past.comparisons, classes=classes)
    if seat not in votes.by_judge:
        return None
    others = _weigh_others(votes, seat, terms, classes)
    own = votes.by_judge[seat]
    seen = [index for index in range(classes) if votes.seen[seat] >> index & 1]
    truth = compute_truth_votes(past.correct or (), classes=classes)
    verdicts = sorted(
        (_place_verdict(one, others) for one in past.comparisons if one.judge == seat),
        key=lambda verdict: verdict.said * verdict.others,
    )
    return Move(
        round=number,
        before=terms[seat].weight_q16 / Q16,
        after=compute_terms(after, past.peers)[seat].weight_q16 / Q16,
        agreement=sum(own[index] / NET_ONE * others[index] for index in seen) / len(seen),
        gold=sum(own[index] * truth[index] for index in seen) / (len(seen) * NET_ONE**2)
        if any(truth)
        else None,
        verdicts=tuple(verdict for verdict in verdicts if verdict.said * verdict.others < 0)[:VERDICTS_MAX],
    )


def _weigh_others(
    votes: NetVotes, seat: int, terms: Mapping[int, JudgeTerms], classes: int
) -> tuple[float, ...]:
    """Return the weighted mean net vote of all other judges on each class, 0 where none judged it."""
    means = []
    for index in range(classes):
        judges = [judge for judge in votes.by_judge if judge != seat and votes.seen[judge] >> index & 1]
        total = sum(terms[judge].weight_q16 for judge in judges)
        agreed = sum(terms[judge].weight_q16 * votes.by_judge[judge][index] for judge in judges)
        means.append(agreed / (total * NET_ONE) if total else 0.0)
    return tuple(means)


def _place_verdict(one: Comparison, others: Sequence[float]) -> Verdict:
    return Verdict(
        left=one.left,
        right=one.right,
        said=2 * one.outcome / Q16 - 1,
        others=(others[one.left] - others[one.right]) / 2,
    )
