"""The same voting with no order imposed: one statement at a time, by any seat that may make it.

Far more states than `sim_net.votes.explore` visits, so two views are as far as it goes. It is there for
the one rule that forbids an order (a seat's view never falls), and to check the order of the other search.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from consensus.messages import NO_PROOF
from sim_net.votes.rules import (
    QUORUM,
    VALUES,
    Offer,
    Pledge,
    VotingRule,
    are_compatible,
    compute_outcome,
    find_quorums,
    list_offers,
    may_prevote,
)
from sim_net.votes.schedule import Act, Cast, Move, Role, Schedule

ItemT = TypeVar("ItemT")
Vote = tuple[int, Offer | None]  # a view and what was prevoted there, None for nil


@dataclass(frozen=True, slots=True)
class SeatVotes:
    """All that one honest seat has said. `pledges` stand in the order in which they were made."""

    prevotes: tuple[Vote, ...] = ()
    pledges: tuple[Pledge, ...] = ()

    def get_view(self) -> int:
        """Return the highest view voted in; to be in a later one without voting makes no difference."""
        return max([0, *(view for view, _ in self.prevotes)])

    def has_voted(self, view: int) -> bool:
        """Say whether it has prevoted in a view."""
        return any(at == view for at, _ in self.prevotes)


@dataclass(frozen=True, slots=True)
class Position:
    """All honest seats, and what those whose turn it was have proposed."""

    seats: tuple[SeatVotes, ...]
    proposals: tuple[Offer | None, ...]


class Interleaving:
    """One cast of honest and free seats; every order of their statements."""

    def __init__(self, cast: Cast, removed: frozenset[VotingRule]) -> None:
        self.cast = cast
        self.removed = removed
        self.states = 0
        self.fork: Schedule | None = None
        self.slashable: Schedule | None = None
        self.positions: set[tuple[object, ...]] = set()
        self.outcomes: set[tuple[object, ...]] = set()
        self._places = cast.get_places(Role.HONEST)
        self._free = len(cast.get_places(Role.FREE))
        self._before: dict[Position, tuple[Position, Move] | None] = {}

    def run(self, views: int) -> None:
        """Visit every position, nearest first; ends at once when a fork and a slashable seat are found."""
        first = Position((SeatVotes(),) * len(self._places), (None,) * views)
        queue = deque([first])
        self._before[first] = None
        self.positions = {self._get_key(first)}
        while queue and (self.fork is None or self.slashable is None):
            position = queue.popleft()
            self.outcomes.add(self._get_outcome(position, views))
            if self._look(position):
                continue
            for move, child in self._list_moves(position, views):
                key = self._get_key(child)
                if key not in self.positions:
                    self.positions.add(key)
                    self._before[child] = (position, move)
                    queue.append(child)
        self.states = len(self.positions)

    def find_impossible(self, moves: Sequence[Move], views: int) -> Move | None:
        """Return the first of these moves that the rules do not allow, None where they allow all."""
        position = Position((SeatVotes(),) * len(self._places), (None,) * views)
        for move in moves:
            after = dict(self._list_moves(position, views))
            if move not in after:
                return move
            position = after[move]
        return None

    # -- moves -------------------------------------------------------------------------------------

    def _list_moves(self, position: Position, views: int) -> Iterator[tuple[Move, Position]]:
        proven = tuple(self._compute_proven(position, view) for view in range(views))
        for index, place in enumerate(self._places):
            votes = position.seats[index]
            lowest = 0 if VotingRule.CURRENT_VIEW in self.removed else votes.get_view()
            for view in range(lowest, views):
                if self.cast.get_proposer(view) == place and position.proposals[view] is None:
                    for offer in self._list_own(votes, view, proven):
                        shown = replace_at(position.proposals, view, offer)
                        yield Move(place, view, Act.PROPOSE, offer), replace(position, proposals=shown)
                for move, after in self._list_votes(position, place, votes, view, proven):
                    yield move, replace(position, seats=replace_at(position.seats, index, after))

    def _list_votes(
        self, position: Position, place: int, votes: SeatVotes, view: int, proven: tuple[int, ...]
    ) -> Iterator[tuple[Move, SeatVotes]]:
        if not votes.has_voted(view):
            for offer in self._list_answers(position, place, votes, view, proven):
                cast = tuple(sorted([*votes.prevotes, (view, offer)], key=lambda vote: vote[0]))
                yield Move(place, view, Act.PREVOTE, offer), replace(votes, prevotes=cast)
        elif not any(pledge.view == view for pledge in votes.pledges):
            for value in VALUES:
                if proven[view] >> value & 1:
                    made = (*votes.pledges, Pledge(view, value))
                    yield Move(place, view, Act.PRECOMMIT, Offer(value)), replace(votes, pledges=made)

    def _list_answers(
        self, position: Position, place: int, votes: SeatVotes, view: int, proven: tuple[int, ...]
    ) -> list[Offer | None]:
        proposer = self.cast.get_proposer(view)
        shown = list_offers(view, proven, self.removed)
        if proposer is not None:
            shown = [offer for offer in shown if offer == position.proposals[view]]
        answers: list[Offer | None] = [
            offer for offer in shown if may_prevote(votes.pledges, offer, self.removed)
        ]
        return answers if proposer == place and self._get_known(votes, view) != NO_PROOF else [None, *answers]

    def _list_own(self, votes: SeatVotes, view: int, proven: tuple[int, ...]) -> list[Offer]:
        known = self._get_known(votes, view)
        proofs = [offer for offer in list_offers(view, proven, ()) if offer.pol_view > NO_PROOF]
        fresh = [Offer(value) for value in VALUES] if known == NO_PROOF else []
        return fresh + [offer for offer in proofs if offer.pol_view >= known]

    def _get_known(self, votes: SeatVotes, view: int) -> int:
        """Return the highest earlier view of which a seat must hold q prevotes: that of its lock."""
        return max([NO_PROOF, *(pledge.view for pledge in votes.pledges if pledge.view < view)])

    def _compute_proven(self, position: Position, view: int) -> int:
        counts: dict[Offer, int] = {}
        for votes in position.seats:
            for at, offer in votes.prevotes:
                if at == view and offer is not None:
                    counts[offer] = counts.get(offer, 0) + 1
        return sum(1 << value for value in find_quorums(counts, self._free, self.removed))

    # -- what is looked for ------------------------------------------------------------------------

    def _look(self, position: Position) -> bool:
        counts: dict[Pledge, int] = {}
        for votes in position.seats:
            for pledge in votes.pledges:
                counts[pledge] = counts.get(pledge, 0) + 1
        certified = {pledge.value for pledge, count in counts.items() if count + self._free >= QUORUM}
        is_forked = len(certified) == len(VALUES)
        if is_forked and self.fork is None:
            self.fork = self._write(position)
        if self.slashable is None and any(is_slashable(votes) for votes in position.seats):
            self.slashable = self._write(position)
        return is_forked

    def _write(self, position: Position) -> Schedule:
        moves: list[Move] = []
        step = self._before[position]
        while step is not None:
            moves.append(step[1])
            step = self._before[step[0]]
        return Schedule(self.cast, tuple(reversed(moves)))

    def _get_outcome(self, position: Position, views: int) -> tuple[object, ...]:
        proven = tuple(self._compute_proven(position, view) for view in range(views))
        return compute_outcome([votes.pledges for votes in position.seats], proven)

    def _get_key(self, position: Position) -> tuple[object, ...]:
        keys = []
        for swap in (0, 1):
            rows = [
                (
                    tuple(
                        (view, 9, 0) if offer is None else (view, offer.value ^ swap, offer.pol_view)
                        for view, offer in votes.prevotes
                    ),
                    tuple((pledge.view, pledge.value ^ swap) for pledge in votes.pledges),
                )
                for votes in position.seats
            ]
            shown = tuple((9, 0) if o is None else (o.value ^ swap, o.pol_view) for o in position.proposals)
            keys.append((shown, tuple(sorted(rows) if self.cast.is_hostile else rows)))
        return min(keys)


def is_slashable(votes: SeatVotes) -> bool:
    """Say whether what a seat has said proves amnesia."""
    return any(
        offer is not None and not are_compatible(votes.pledges, view, offer) for view, offer in votes.prevotes
    )


def replace_at(items: tuple[ItemT, ...], index: int, item: ItemT) -> tuple[ItemT, ...]:
    """Return the items with one of them replaced."""
    return (*items[:index], item, *items[index + 1 :])
