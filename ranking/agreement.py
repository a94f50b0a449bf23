"""How much judges agree, round by round: what reputation is learnt from. Integers only.

A judge's **net vote** on a class is the mean of what it said for and against it, -1..1: +1 if the class
won every comparison that this judge made of it. Two judges of a round **agree** on a class by the product
of their net votes. Summed over rounds this needs no truth and no consensus: a consensus can be captured,
the agreement of two peers cannot be changed by a third.

A class that two judges compared with different rivals counts too. With few calls a peer, judges hardly
ever share a pair, and nearly always a class.

Source: agreement in place of truth is Dalvi et al., "Aggregating crowdsourced binary ratings", WWW 2013.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Final, NamedTuple

from ranking.ballots import Q16, Comparison

_NET_BITS: Final = 12
NET_ONE: Final = 1 << _NET_BITS
"""A net vote of 1, Q12."""
SLOW_SHIFT: Final = 6
"""The long memory loses a 64th a round: half of it is 44 rounds old."""
FAST_SHIFT: Final = 3
"""The short memory loses an eighth a round: half of it is 5 rounds old."""


class Bond(NamedTuple):
    """What two judges' rounds together say; Q16 sums over classes, decayed in two memories.

    Attributes:
        slow: Sum of products of net votes, long memory.
        slow_count: Number of products.
        fast: The same, short memory.
        fast_count: Number of products.
    """

    slow: int
    slow_count: int
    fast: int
    fast_count: int


NO_BOND: Final = Bond(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class NetVotes:
    """Net votes of a round: by judge ascending, one entry a class.

    Attributes:
        by_judge: Judge -> net vote on each class, Q12, 0 where it did not judge the class.
        seen: Judge -> bit mask of the classes it judged.
    """

    by_judge: Mapping[int, tuple[int, ...]]
    seen: Mapping[int, int]


def compute_net_votes(comparisons: Sequence[Comparison], *, classes: int) -> NetVotes:
    """Return every judge's net vote on every class.

    Args:
        comparisons: Checked (`ranking.ballots`), in any order.
        classes: Number of classes.
    """
    sums: dict[int, list[int]] = {}
    games: dict[int, list[int]] = {}
    for judge, left, right, outcome in (
        (one.judge, one.left, one.right, 2 * one.outcome - Q16) for one in comparisons
    ):
        row = sums.get(judge)
        if row is None:
            row = sums[judge] = [0] * classes
            games[judge] = [0] * classes
        row[left] += outcome
        row[right] -= outcome
        games[judge][left] += 1
        games[judge][right] += 1
    shift = 16 - _NET_BITS
    by_judge, seen = {}, {}
    for judge in sorted(sums):
        counts = games[judge]
        by_judge[judge] = tuple(
            total // (count << shift) if count else 0
            for total, count in zip(sums[judge], counts, strict=True)
        )
        seen[judge] = sum(1 << index for index, count in enumerate(counts) if count)
    return NetVotes(by_judge, seen)


def compute_agreement(votes: NetVotes, first: int, second: int) -> tuple[int, int]:
    """Return (sum of products, number of products) of two judges' net votes, both Q16.

    With `first == second` it is how decided that judge's net votes are.
    """
    count = (votes.seen[first] & votes.seen[second]).bit_count()
    products = sum(map(mul, votes.by_judge[first], votes.by_judge[second]))
    return products >> (2 * _NET_BITS - 16), count << 16


def add_agreement(bond: Bond, agreed: tuple[int, int]) -> Bond:
    """Return a bond one round later, older rounds decayed."""
    products, count = agreed
    return Bond(
        bond.slow - (bond.slow >> SLOW_SHIFT) + products,
        bond.slow_count - (bond.slow_count >> SLOW_SHIFT) + count,
        bond.fast - (bond.fast >> FAST_SHIFT) + products,
        bond.fast_count - (bond.fast_count >> FAST_SHIFT) + count,
    )


def compute_truth_votes(correct: Sequence[int], *, classes: int) -> tuple[int, ...]:
    """Return the net votes of one who knows the truth, Q12; all 0 where it tells no class from another."""
    right = [index in correct for index in range(classes)]
    if all(right) or not any(right):
        return (0,) * classes
    return tuple(NET_ONE if is_right else -NET_ONE for is_right in right)
