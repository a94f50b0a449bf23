"""Rules 5 and 6 of a step as guards over plain integers, each of which can be left out.

The guards see one seat's own votes and what has been voted for; they know nothing of bytes, signatures or
timers. `sim_net.votes.stage` holds them against the code that seats run.
Source: docs/protocol.md, "Step s", rules 5 and 6.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from consensus.evidence import is_amnesia
from consensus.messages import NIL, NO_PROOF, Precommit, Prevote

SEATS = 4
FAULTY_MAX = 1  # f of four seats
QUORUM = 3  # q of four seats
VALUES = (0, 1)  # X and Y: two revealed sets that honest seats can both compute
VALUE_NAMES = ("X", "Y")


class VotingRule(Enum):
    """A rule of voting that the model can leave out."""

    LOCK = "lock"
    PROOF = "proof"
    FRESH_PROOF = "fresh-proof"
    EQUAL_VOTES = "equal-votes"
    NEVER_ANOTHER = "never-another"
    ONE_VOTE = "one-vote"
    CURRENT_VIEW = "current-view"

    @property
    def description(self) -> str:
        """What the rule says, in one line."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    VotingRule.LOCK: "a seat that has precommitted is locked: it does not prevote whatever it is offered",
    VotingRule.PROOF: "a proposal that names a pol_view shows q prevotes of that view for its value",
    VotingRule.FRESH_PROOF: "only a proof of the locked view or of a later one unlocks",
    VotingRule.EQUAL_VOTES: "only prevotes with equal value and equal pol_view make q",
    VotingRule.NEVER_ANOTHER: "without such a proof a seat prevotes its locked value only if it has "
    "precommitted no other in this step",
    VotingRule.ONE_VOTE: "a seat signs at most one prevote and one precommit a view",
    VotingRule.CURRENT_VIEW: "a seat votes only in its current view, which never falls",
}

Rules = Collection[VotingRule]


@dataclass(frozen=True, slots=True, order=True)
class Offer:
    """A proposal's value and the view it leans on, NO_PROOF where it leans on none; also what is prevoted."""

    value: int
    pol_view: int = NO_PROOF

    def __str__(self) -> str:
        lean = "" if self.pol_view == NO_PROOF else f" leaning on view {self.pol_view}"
        return VALUE_NAMES[self.value] + lean


@dataclass(frozen=True, slots=True, order=True)
class Pledge:
    """A precommit for a value; the last one a seat made is its lock."""

    view: int
    value: int


def may_prevote(pledges: tuple[Pledge, ...], offer: Offer, removed: Rules) -> bool:
    """Say whether a seat that made these precommits, in this order, may prevote a well-formed offer."""
    if not pledges or VotingRule.LOCK in removed:
        return True
    lock = pledges[-1]
    if offer.pol_view >= lock.view:
        return True
    if VotingRule.FRESH_PROOF in removed and offer.pol_view != NO_PROOF:
        return True
    others = any(pledge.value != offer.value for pledge in pledges)
    return lock.value == offer.value and (not others or VotingRule.NEVER_ANOTHER in removed)


def find_quorums(votes: dict[Offer, int], free: int, removed: Rules) -> list[int]:
    """Return the values that a view's prevotes, with those of `free` seats that sign anything, give q."""
    if VotingRule.EQUAL_VOTES not in removed:
        return sorted({offer.value for offer, count in votes.items() if count + free >= QUORUM})
    totals = dict.fromkeys(VALUES, 0)
    for offer, count in votes.items():
        totals[offer.value] += count
    return [value for value, count in totals.items() if count and count + free >= QUORUM]


def list_offers(view: int, proven: tuple[int, ...], removed: Rules) -> list[Offer]:
    """Return every proposal of a view that seats do not refuse to read.

    Args:
        view: Where it is made.
        proven: By earlier view: a bit for each value with q prevotes there.
        removed: The rules left out.
    """
    offers = []
    for value in VALUES:
        offers.append(Offer(value))
        for pol_view in range(view):
            if VotingRule.PROOF in removed or proven[pol_view] >> value & 1:
                offers.append(Offer(value, pol_view))
    return offers


@lru_cache(maxsize=4_096)
def is_forgotten(pledge: Pledge, view: int, offer: Offer) -> bool:
    """Say whether a prevote of `view` for `offer` is amnesia after a precommit, by the seats' own rule."""
    names = (b"x", b"y")
    assert NIL not in names, "values of the model are not nil"
    return is_amnesia(
        Precommit(b"", 0, pledge.view, names[pledge.value]),
        Prevote(b"", 0, view, names[offer.value], offer.pol_view),
    )


def are_compatible(pledges: tuple[Pledge, ...], view: int, offer: Offer) -> bool:
    """Say whether a prevote leaves a seat free of amnesia."""
    return not any(is_forgotten(pledge, view, offer) for pledge in pledges)


def compute_outcome(seats: Sequence[tuple[Pledge, ...]], proven: tuple[int, ...]) -> tuple[object, ...]:
    """Return precommits and quorums up to the names of values and of seats."""
    named = []
    for swap in (0, 1):
        rows = sorted(tuple((pledge.view, pledge.value ^ swap) for pledge in made) for made in seats)
        masks = tuple((mask >> 1 | mask << 1) & 0b11 if swap else mask for mask in proven)
        named.append((tuple(rows), masks))
    return min(named)
