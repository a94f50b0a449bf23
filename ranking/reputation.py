"""What rounds teach about peers, and what the next round assumes of them. Integers only, fit to be signed.

Kept for each two peers: how much they agree (`ranking.agreement`), in a long and a short memory. Kept for
each peer: agreement with the truth where gold showed it, how often it chose the left side, and how far its
verdicts lean to its own answer beyond what the other judges say.

From this follow the terms of a round's judges (`JudgeTerms`):

- **weight**: reliability by agreement with the reference camp (`ranking.camps`) in the long memory; lower if
  the short one finds the peer clearly in another camp; never above what gold allows. It also weighs the
  peer's vote as an author.
- **own_or_ally**: the learnt lean, in whole half nats; under half a nat it is left alone, for there it costs
  more than it mends.
- **position**: the learnt lean to the left side, likewise.

Judges are compared with each other, never with the outcome: a consensus that was captured teaches nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Final, NamedTuple

from ranking.agreement import (
    NO_BOND,
    Bond,
    add_agreement,
    compute_agreement,
    compute_net_votes,
    compute_truth_votes,
)
from ranking.ballots import (
    Q16,
    Comparison,
    JudgeTerms,
    check_comparison,
    compute_owners,
    gather_evidence,
    group_by_judge,
)
from ranking.camps import SPLIT_FAST_Q8, SPLIT_SLOW_Q8, Agreement, Trust, compute_trust
from ranking.solver import Table
from ranking.tables import EXP, OFFSET_MAX

PEERS_MAX: Final = 64
"""Most peers of a state that is written down as numbers; pairs grow with the square."""
_COUNT_MAX: Final = 1 << 48
"""Bound of every count in a state that was written down; real ones stay far below."""
_ROUNDING: Final = 1 << 10
GOLD_SHIFT: Final = 7
LEAN_SHIFT: Final = 6
LEAN_STEP: Final = 8
"""Leans are used in whole steps of 8 sixteenths of a nat."""
OWN_MAX_Q16: Final = 6 * Q16
OWN_INERTIA_Q16: Final = 4 * Q16
SIDE_INERTIA_Q16: Final = 32 * Q16
SIDE_LEAN_MAX: Final = 32
GOLD_COUNT_MIN_Q16: Final = 16 * Q16
"""Products with the truth before gold may lower a weight."""
GOLD_SLACK_Q8: Final = 384
"""Standard errors, Q8, that gold gives a judge the benefit of (1.5)."""


class Record(NamedTuple):
    """What is kept of one peer alone; Q16.

    Attributes:
        gold: Sum of products of its net votes with the truth, decayed.
        gold_count: Number of products.
        left: Sum of its outcomes beyond one half, by the side shown, decayed.
        left_count: Number of comparisons.
        own: Lean to its own class, nats, 0..6.
        own_count: Information that the lean rests on: sum of p (1 - p), decayed.
    """

    gold: int
    gold_count: int
    left: int
    left_count: int
    own: int
    own_count: int


_NO_RECORD: Final = Record(0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRound:
    """A ranked round, by seat.

    Attributes:
        peers: Peer at each seat; peers are numbered from 0.
        authors: Seats of each class, by class index.
        comparisons: All verdicts, by seat; self-judgements as sole author must not be among them.
        correct: Right classes (perhaps none) where the round was gold, else None.
    """

    peers: tuple[int, ...]
    authors: tuple[tuple[int, ...], ...]
    comparisons: tuple[Comparison, ...]
    correct: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Reputation:
    """The state; peers not named in it are new. Treat the mappings as read-only.

    Attributes:
        records: Peer -> what is kept of it alone.
        bonds: (lower peer, higher peer), equal for a peer with itself -> agreement.
    """

    records: Mapping[int, Record]
    bonds: Mapping[tuple[int, int], Bond]


def create_reputation() -> Reputation:
    """Return the state before any round: all peers are new and equal."""
    return Reputation({}, {})


def compute_terms(reputation: Reputation, peers: Sequence[int]) -> dict[int, JudgeTerms]:
    """Return the terms of a round's judges, by seat.

    Args:
        reputation: What earlier rounds taught.
        peers: Peer at each seat, no peer twice.
    """
    if not peers:
        return {}
    slow, fast = compute_trusts(reputation, peers)
    weights = [
        min(long, short) if is_outside else long
        for long, short, is_outside in zip(slow.weights, fast.weights, fast.outside, strict=True)
    ]
    caps = _compute_gold_caps(reputation, peers, slow)
    terms = {}
    for seat, peer in enumerate(peers):
        record = reputation.records.get(peer, _NO_RECORD)
        terms[seat] = JudgeTerms(
            weight_q16=min(weights[seat], caps[seat]),
            position=_compute_side_lean(record),
            own_or_ally=(record.own >> 12) // LEAN_STEP * LEAN_STEP,
        )
    return terms


def compute_trusts(reputation: Reputation, peers: Sequence[int]) -> tuple[Trust, Trust]:
    """Return what the long and the short memory say of these peers.

    In the short one, which is noisy, a peer counts for as much as the long one says it weighs.
    """
    slow = compute_trust(
        _collect(reputation, peers, is_fast=False), heads=(Q16,) * len(peers), split_min_q8=SPLIT_SLOW_Q8
    )
    fast = compute_trust(
        _collect(reputation, peers, is_fast=True), heads=slow.weights, split_min_q8=SPLIT_FAST_Q8
    )
    return slow, fast


def _collect(reputation: Reputation, peers: Sequence[int], *, is_fast: bool) -> Agreement:
    """Lay the bonds of these peers out as a table, in the order given."""
    sums: list[list[int]] = [[0] * len(peers) for _ in peers]
    counts: list[list[int]] = [[0] * len(peers) for _ in peers]
    bonds = reputation.bonds
    for row, first in enumerate(peers):
        for column in range(row + 1):
            second = peers[column]
            bond = bonds.get((first, second) if first < second else (second, first))
            if bond is not None:
                value, count = (bond.fast, bond.fast_count) if is_fast else (bond.slow, bond.slow_count)
                sums[row][column] = sums[column][row] = value
                counts[row][column] = counts[column][row] = count
    records = [reputation.records.get(peer, _NO_RECORD) for peer in peers]
    return Agreement(
        sums=sums,
        counts=counts,
        gold=[record.gold for record in records],
        gold_counts=[record.gold_count for record in records],
    )


def _compute_gold_caps(reputation: Reputation, peers: Sequence[int], trust: Trust) -> list[int]:
    """Return the largest weight that gold allows each seat, Q16: 2 where gold says nothing.

    A judge's agreement with the truth, plus 1.5 standard errors, over the median of the reference camp.
    """
    records = [reputation.records.get(peer, _NO_RECORD) for peer in peers]
    means = [(one.gold << 16) // max(one.gold_count, 1) for one in records]
    known = sorted(
        mean
        for mean, record, is_member in zip(means, records, trust.reference, strict=True)
        if is_member and record.gold_count >= GOLD_COUNT_MIN_Q16
    )
    median = known[(len(known) - 1) // 2] if known else 0
    if median < Q16 // 32:
        return [2 * Q16] * len(peers)
    return [_compute_gold_cap(record, mean, median) for record, mean in zip(records, means, strict=True)]


def _compute_gold_cap(record: Record, mean: int, median: int) -> int:
    if record.gold_count < GOLD_COUNT_MIN_Q16:
        return 2 * Q16
    # A net vote is at most 1: its variance at most 1. The root of a count in Q16 has 8 bits of fraction.
    slack = (GOLD_SLACK_Q8 << 16) // max(isqrt(record.gold_count), 1)
    return max(0, min(2 * Q16, ((mean + slack) << 16) // median))


def _compute_side_lean(record: Record) -> int:
    """Return the lean to the left side, 1/16 nat, in whole steps: 4 nats for each share beyond one half."""
    lean = 64 * record.left // (record.left_count + SIDE_INERTIA_Q16)
    steps = abs(lean) // LEAN_STEP * LEAN_STEP
    return min(steps, SIDE_LEAN_MAX) * (1 if lean > 0 else -1)


def check_correct(correct: Sequence[int] | None, classes: int) -> None:
    """Check the truth of a round against its number of classes.

    Raises:
        ValueError: It names a class that there is not.
    """
    if any(not 0 <= index < classes for index in correct or ()):
        raise ValueError(f"right classes are among 0..{classes - 1}, got {list(correct or ())}")


def update_reputation(
    reputation: Reputation, past: PastRound, *, terms: Mapping[int, JudgeTerms] | None = None
) -> Reputation:
    """Return the state one round later.

    Args:
        reputation: The state that the round was ranked with.
        past: The round, ranked, and its truth where it was gold.
        terms: What `compute_terms` says of `reputation` and the round's peers, if it is at hand.

    Raises:
        ValueError: A seat, class or outcome is out of bounds, or a peer sits twice.
    """
    if len({*past.peers}) != len(past.peers):
        raise ValueError(f"a peer sits once in a round, got peers {list(past.peers)}")
    classes = len(past.authors)
    owners = compute_owners(past.authors)
    for one in past.comparisons:
        check_comparison(one, classes)
    check_correct(past.correct, classes)
    votes = compute_net_votes(past.comparisons, classes=classes)
    seats = tuple(votes.by_judge)
    bonds = dict(reputation.bonds)
    for place, first in enumerate(seats):
        for second in seats[: place + 1]:
            low, high = sorted((past.peers[first], past.peers[second]))
            agreed = compute_agreement(votes, first, second)
            bonds[low, high] = add_agreement(bonds.get((low, high), NO_BOND), agreed)
    records = dict(reputation.records)
    truth = compute_truth_votes(past.correct or (), classes=classes)
    leans = _learn_own(reputation, past, owners, terms)
    by_judge = group_by_judge(past.comparisons)
    for seat in seats:
        peer = past.peers[seat]
        record = records.get(peer, _NO_RECORD)
        record = _learn_side(record, by_judge[seat])
        if seat in leans:
            own, own_count = leans[seat]
            record = record._replace(own=own, own_count=own_count)
        if any(truth):
            products = sum(a * b for a, b in zip(votes.by_judge[seat], truth, strict=True)) >> 8
            count = votes.seen[seat].bit_count() << 16
            record = record._replace(
                gold=record.gold - (record.gold >> GOLD_SHIFT) + products,
                gold_count=record.gold_count - (record.gold_count >> GOLD_SHIFT) + count,
            )
        records[peer] = record
    return Reputation(records, bonds)


def _learn_side(record: Record, own_verdicts: Sequence[Comparison]) -> Record:
    gained = sum(one.outcome - Q16 // 2 for one in own_verdicts)
    return record._replace(
        left=record.left - (record.left >> LEAN_SHIFT) + gained,
        left_count=record.left_count - (record.left_count >> LEAN_SHIFT) + (len(own_verdicts) << 16),
    )


def _learn_own(
    reputation: Reputation,
    past: PastRound,
    owners: Mapping[int, int],
    terms: Mapping[int, JudgeTerms] | None,
) -> dict[int, tuple[int, int]]:
    """Return seat -> (lean, information) of every judge that compared its own class with another.

    The lean moves by the residual over the information: outcomes against what the other judges say,
    leaving this one out, with the lean so far.
    """
    concerned = group_by_judge(
        [one for one in past.comparisons if owners.get(one.judge) in (one.left, one.right)]
    )
    if not concerned:
        return {}
    terms = compute_terms(reputation, past.peers) if terms is None else terms
    evidence = gather_evidence(authors=past.authors, comparisons=past.comparisons, terms=terms)
    table = Table(evidence.classes, evidence.compute_total())
    fit = table.fit()
    leans = {}
    for seat in sorted(concerned):
        strengths = table.refit(fit, evidence.by_judge.get(seat, {})).get_strengths()
        record = reputation.records.get(past.peers[seat], _NO_RECORD)
        leans[seat] = _move_own(record, concerned[seat], owners[seat], strengths)
    return leans


def _move_own(
    record: Record, verdicts: Sequence[Comparison], owned: int, strengths: Sequence[int]
) -> tuple[int, int]:
    pull, information = 0, record.own_count - (record.own_count >> LEAN_SHIFT)
    factor = EXP[OFFSET_MAX + (record.own >> 12)]
    for one in verdicts:
        other = one.right if one.left == owned else one.left
        outcome = one.outcome if one.left == owned else Q16 - one.outcome
        favoured = strengths[owned] * factor >> 32
        expected = (favoured << 16) // (favoured + strengths[other])
        pull += outcome - expected
        information += expected * (Q16 - expected) >> 16
    own = record.own + (pull << 16) // (information + OWN_INERTIA_Q16)
    return max(0, min(OWN_MAX_Q16, own)), information


def to_numbers(reputation: Reputation) -> tuple[tuple[int, ...], ...]:
    """Return the state as integers, ready to be signed: records by peer, then bonds by pair.

    Rows of records are (peer, fields of `Record`), rows of bonds (low, high, fields of `Bond`).
    """
    records = tuple((peer, *record) for peer, record in sorted(reputation.records.items()))
    bonds = tuple((*pair, *bond) for pair, bond in sorted(reputation.bonds.items()))
    return records + bonds


def from_numbers(numbers: Sequence[Sequence[int]], *, peers: int) -> Reputation:
    """Return the state that `to_numbers` wrote.

    Args:
        numbers: Rows, in the order of `to_numbers`.
        peers: Peers that there are; rows may name no other.

    Raises:
        ValueError: They are no rows that `to_numbers` writes; whether rounds led to them is not checked.
    """
    records: dict[int, Record] = {}
    bonds: dict[tuple[int, int], Bond] = {}
    for row in numbers:
        if len(row) == 1 + len(Record._fields) and not bonds:
            records[row[0]] = Record(*row[1:])
        elif len(row) == 2 + len(Bond._fields):
            bonds[row[0], row[1]] = Bond(*row[2:])
        else:
            raise ValueError(f"reputation: got a row of {len(row)} numbers, expected records, then bonds")
    result = Reputation(records, bonds)
    if to_numbers(result) != tuple(tuple(row) for row in numbers):
        raise ValueError("reputation: got rows out of order or twice, expected strictly rising ones")
    for peer, record in records.items():
        if not (0 <= peer < peers and _is_record(record)):
            raise ValueError(f"reputation: got an impossible record of peer {peer} of {peers}")
    for (low, high), bond in bonds.items():
        if not (0 <= low <= high < peers and _is_bond(bond)):
            raise ValueError(f"reputation: got an impossible bond of peers {low} and {high} of {peers}")
    return result


def _is_record(record: Record) -> bool:
    """Say whether every mean of a record is one: at most 1 in size, over a count that rounds can reach."""
    return (
        _is_mean(record.gold, record.gold_count)
        and _is_mean(record.left, record.left_count)
        and 0 <= record.own <= OWN_MAX_Q16
        and 0 <= record.own_count < _COUNT_MAX
    )


def _is_bond(bond: Bond) -> bool:
    return _is_mean(bond.slow, bond.slow_count) and _is_mean(bond.fast, bond.fast_count)


def _is_mean(total: int, count: int) -> bool:
    # Decay rounds down: a sum may exceed its count by a few units.
    return 0 <= count < _COUNT_MAX and abs(total) <= count + _ROUNDING
