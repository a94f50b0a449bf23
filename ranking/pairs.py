"""Which judge compares which two classes in a ballot step: a pure function of certified facts and a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ranking._hash import hash_numbers
from ranking.ballots import compute_owners
from ranking.scores import Scores

STEPS_MAX: Final = 3
"""Ballot steps of a round, at most."""
CALLS_PER_PEER_MIN: Final = 4
FIRST_STEP_CALLS: Final = 2


@dataclass(frozen=True, slots=True)
class Assignment:
    """One judge call: class indices as they are to be shown."""

    judge: int
    left: int
    right: int


@dataclass(frozen=True, slots=True, order=True)
class _Pair:
    low: int
    high: int


def default_calls_per_peer(seats: int) -> int:
    """Return the judge calls a peer makes in a round: two for every bit of the seat count, at least 4.

    That is 6 for 4 to 7 seats, 8 for 8 to 15, 10 for 16 to 31: the measured 6/8/10 at 7/15/31.
    """
    return max(CALLS_PER_PEER_MIN, 2 * seats.bit_length())


def compute_step_calls(*, step: int, calls_per_peer: int) -> int:
    """Return the judge calls of one ballot step: two, then half and half of the rest, larger half first.

    Args:
        step: 1..STEPS_MAX.
        calls_per_peer: Judge calls a peer in the whole round, at least CALLS_PER_PEER_MIN.

    Raises:
        ValueError: An argument is out of bounds.
    """
    if not 1 <= step <= STEPS_MAX:
        raise ValueError(f"a ballot step is 1..{STEPS_MAX}, got {step}")
    if calls_per_peer < CALLS_PER_PEER_MIN:
        raise ValueError(f"a peer makes at least {CALLS_PER_PEER_MIN} judge calls, got {calls_per_peer}")
    rest = calls_per_peer - FIRST_STEP_CALLS
    return (FIRST_STEP_CALLS, (rest + 1) // 2, rest // 2)[step - 1]


def _make_pair(first: int, second: int) -> _Pair:
    return _Pair(min(first, second), max(first, second))


def _compute_cycle(classes: int, seed: bytes) -> list[_Pair]:
    """Return the pairs of a seeded cycle over classes: one pair for two classes, else one a class."""
    ring = sorted(range(classes), key=lambda index: hash_numbers("cycle", seed, index))
    if classes == 2:
        return [_make_pair(*ring)]
    return [_make_pair(ring[place - 1], ring[place]) for place in range(classes)]


def _compute_challenges(scores: Scores, seed: bytes) -> list[_Pair]:
    """Return the pairs of the leader with every challenger, closest first."""
    leader = scores.order[0]
    challengers = sorted(
        scores.order[1:], key=lambda index: (scores.z[index], hash_numbers("challenger", seed, index))
    )
    return [_make_pair(leader, challenger) for challenger in challengers]


class _Dealer:
    """Deals one step; remembers how often each judge and each pair was served."""

    __slots__ = ("_authors", "_dealt", "_loads", "_seed", "_shown")

    def __init__(self, authors: Sequence[Sequence[int]], seed: bytes, history: Sequence[Assignment]) -> None:
        self._authors = authors
        self._seed = seed
        self._loads: dict[_Pair, int] = {}
        self._dealt: list[Assignment] = []
        # (judge, pair) -> the classes it saw on the left, in dealing order; at most two.
        self._shown: dict[tuple[int, _Pair], list[int]] = {}
        for past in history:
            pair = _make_pair(past.left, past.right)
            self._shown.setdefault((past.judge, pair), []).append(past.left)

    def get_eligible(self, judge: int, pairs: Sequence[_Pair]) -> list[_Pair]:
        """Return the pairs with an unused order for this judge, without classes it alone authored."""
        barred = [index for index, seats in enumerate(self._authors) if list(seats) == [judge]]
        return [
            pair
            for pair in pairs
            if pair.low not in barred and pair.high not in barred and self._count_shown(judge, pair) < 2
        ]

    def _count_shown(self, judge: int, pair: _Pair) -> int:
        return len(self._shown.get((judge, pair), ()))

    def deal_balanced(self, judge: int, eligible: Sequence[_Pair]) -> None:
        """Deal the pair the judge saw least often, then the one with fewest judges, then by hash."""
        open_pairs = [pair for pair in eligible if self._count_shown(judge, pair) < 2]
        if open_pairs:
            self._deal(judge, min(open_pairs, key=lambda pair: self._compute_balance(judge, pair)))

    def _compute_balance(self, judge: int, pair: _Pair) -> tuple[int, int, bytes]:
        tie = hash_numbers("balance", self._seed, judge, pair.low, pair.high)
        return self._count_shown(judge, pair), self._loads.get(pair, 0), tie

    def deal_closest(self, judge: int, eligible: Sequence[_Pair], calls: int) -> None:
        """Deal pairs in the order given: all new ones first, then swapped ones."""
        new = [pair for pair in eligible if self._count_shown(judge, pair) == 0]
        # Once every new pair is dealt, each eligible pair, old or just dealt, has one order left.
        for pair in (new + list(eligible))[:calls]:
            self._deal(judge, pair)

    def _deal(self, judge: int, pair: _Pair) -> None:
        shown = self._shown.setdefault((judge, pair), [])
        if shown:
            left = pair.high if shown[0] == pair.low else pair.low
        else:
            bit = hash_numbers("order", self._seed, judge, pair.low, pair.high)[0] & 1
            left = pair.high if bit else pair.low
        shown.append(left)
        self._loads[pair] = self._loads.get(pair, 0) + 1
        self._dealt.append(Assignment(judge, left, pair.high if left == pair.low else pair.low))

    def get_assignments(self) -> tuple[Assignment, ...]:
        """Return all that was dealt, by judge, then in dealing order."""
        return tuple(sorted(self._dealt, key=lambda assignment: assignment.judge))


def deal_pairs(
    *,
    step: int,
    authors: Sequence[Sequence[int]],
    seats: int,
    calls_per_peer: int,
    seed: bytes,
    scores: Scores | None,
    history: Sequence[Assignment],
) -> tuple[Assignment, ...]:
    """Deal the judge calls of one ballot step.

    Step 1 deals the pairs of a seeded cycle over classes: judges in seeded order, one call a pass,
    each taking the pair it has not seen that has fewest judges. Later steps deal leader against
    challenger, every judge taking its closest challengers first. In every step new pairs come before
    swapped ones, and a judge sees a pair at most twice, once in each order. A seat judges no class that
    it alone authored.

    Args:
        step: 1..STEPS_MAX.
        authors: Seats of each class, by class index, as merged in step 0.
        seats: Seats of the round; each of 0..seats-1 is a judge.
        calls_per_peer: Judge calls a peer in the whole round; what a step leaves unspent is lost.
        seed: Seed of this step.
        scores: Scores certified by the step before; None exactly in step 1.
        history: All that was dealt in earlier steps of the round, answered or not.

    Returns:
        Assignments by judge, then in dealing order; empty when no eligible unused (judge, pair, order)
        is left, which is what `has_more_pairs` of `decide_next` asks about the step to come.

    Raises:
        ValueError: An argument is out of bounds, or `scores` does not fit the step or the classes.
    """
    calls = compute_step_calls(step=step, calls_per_peer=calls_per_peer)
    owners = compute_owners(authors)
    if max(owners) >= seats:
        raise ValueError(f"authors are seats 0..{seats - 1}, got {max(owners)}")
    if (scores is None) != (step == 1):
        raise ValueError(f"step 1 has no scores and later steps have them, got step {step} otherwise")
    if scores is not None and len(scores.order) != len(authors):
        raise ValueError(f"got scores of {len(scores.order)} classes, expected {len(authors)}")
    if len(authors) == 1:
        return ()
    pairs = _compute_cycle(len(authors), seed) if scores is None else _compute_challenges(scores, seed)
    dealer = _Dealer(authors, seed, history)
    judges = sorted(range(seats), key=lambda judge: hash_numbers("judge", seed, judge))
    eligible = {judge: dealer.get_eligible(judge, pairs) for judge in judges}
    if step == 1:
        for _ in range(calls):
            for judge in judges:
                dealer.deal_balanced(judge, eligible[judge])
    else:
        for judge in judges:
            dealer.deal_closest(judge, eligible[judge], calls)
    return dealer.get_assignments()
