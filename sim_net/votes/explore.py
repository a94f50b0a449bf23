"""Every way in which four seats can vote, view by view.

What a seat may sign in a view depends on its own votes of this and earlier views and on the quorums of
prevotes of this and earlier views, and more votes never forbid anything. So whatever order an adversary
lets things happen in, the same votes come out when all prevotes of view 0 are cast first, then all
precommits of view 0, then view 1. Searching in that order loses nothing; `sim_net.votes.interleave`, which
searches in every order, is the check of that. It does not hold for a seat that votes in earlier views
again, which is why that rule is left out there only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product

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

Ballots = tuple[Offer, ...] | None  # one seat's prevotes of a view: none is nil, None is no vote at all
BOTH = 0b11


@dataclass(frozen=True, slots=True)
class SeatPast:
    """What matters later of one seat: its precommits."""

    pledges: tuple[Pledge, ...] = ()

    @property
    def known(self) -> int:
        """The view of the highest proof it must hold, that of its lock: others are lost in a restart."""
        return self.pledges[-1].view if self.pledges else NO_PROOF


@dataclass(frozen=True, slots=True)
class Node:
    """All seats that are not free, after a view; `proven` has a bit for each value with q prevotes there."""

    seats: tuple[SeatPast, ...]
    proven: tuple[int, ...] = ()
    before: "Node | None" = None
    moves: tuple[Move, ...] = ()  # of the last view


@dataclass(frozen=True, slots=True)
class Turn:
    """A view's proposal where a seat must stand by it, and what each seat may prevote."""

    proposal: Offer | None
    options: tuple[tuple[Ballots, ...], ...]


class Search:
    """One cast, all views."""

    def __init__(self, cast: Cast, removed: frozenset[VotingRule]) -> None:
        self.cast = cast
        self.removed = removed
        self.states = 0
        self.fork: Schedule | None = None
        self.slashable: Schedule | None = None
        self.nodes: list[Node] = []  # of the last view searched, one of each kind
        self._acting = tuple(place for place, role in enumerate(cast.roles) if role is not Role.FREE)
        self._free = len(cast.get_places(Role.FREE))

    def run(self, views: int) -> None:
        """Visit every state of `views` views; a forked one is not followed further.

        Ends early after the view by which it has found a fork and a slashable honest seat.
        """
        layer = [Node(tuple(SeatPast() for _ in self._acting))]
        self.states += 1
        for view in range(views):
            found: dict[tuple[object, ...], Node] = {}
            for node in layer:
                for child in self._list_children(node, view):
                    key = self._get_key(child)
                    if key not in found:
                        found[key] = child
            self.states += len(found)
            layer = [node for node in found.values() if not self._is_forked(node)]
            if self.fork is not None and self.slashable is not None:
                break
        self.nodes = layer

    # -- one view ----------------------------------------------------------------------------------

    def _list_children(self, node: Node, view: int) -> Iterator[Node]:
        for turn in self._list_turns(node, view):
            self._look_for_slashable(node, view, turn)
            for ballots, proven in compute_ballots(turn.options, self._free, self.removed):
                choices = [
                    self._list_pledges(place, view, cast, proven)
                    for place, cast in zip(self._acting, ballots, strict=True)
                ]
                for pledges in product(*choices):
                    yield self._make_child(node, view, turn.proposal, ballots, proven, pledges)

    def _list_turns(self, node: Node, view: int) -> Iterator[Turn]:
        offers = list_offers(view, node.proven, self.removed)
        proposer = self.cast.get_proposer(view)
        if proposer is None:
            yield Turn(None, self._list_options(node, view, offers))
            return
        if self._is_honest(proposer):
            offers = self._list_own(node, view, node.seats[self._acting.index(proposer)])
        yield Turn(None, self._list_options(node, view, [], proposer))
        for offer in offers:
            yield Turn(offer, self._list_options(node, view, [offer], proposer))

    def _list_own(self, node: Node, view: int, past: SeatPast) -> list[Offer]:
        """Return what an honest seat may propose: its highest proof, which the adversary may raise."""
        proofs = [offer for offer in list_offers(view, node.proven, ()) if offer.pol_view != NO_PROOF]
        if past.known == NO_PROOF:
            return [*(Offer(value) for value in VALUES), *proofs]
        return [offer for offer in proofs if offer.pol_view >= past.known]

    def _list_options(
        self, node: Node, view: int, offers: list[Offer], proposer: int | None = None
    ) -> tuple[tuple[Ballots, ...], ...]:
        options: list[tuple[Ballots, ...]] = []
        for place, past in zip(self._acting, node.seats, strict=True):
            if not self._is_honest(place):
                claims = [Offer(value, pol) for value in VALUES for pol in range(NO_PROOF, view)]
                kept = [offer for offer in claims if are_compatible(past.pledges, view, offer)]
                options.append(((), *((offer,) for offer in kept)))
            elif place == proposer and past.known != NO_PROOF:
                # It proposes its proof, and prevotes it, the moment it enters the view.
                options.append(((offers[0],),) if offers else (None,))
            else:
                kept = [offer for offer in offers if may_prevote(past.pledges, offer, self.removed)]
                single: list[Ballots] = [(), *((offer,) for offer in kept)]
                if VotingRule.ONE_VOTE in self.removed:
                    single += [(first, second) for first in kept for second in kept if first < second]
                options.append(tuple(single))
        return tuple(options)

    def _list_pledges(self, place: int, view: int, ballots: Ballots, proven: int) -> list[tuple[Pledge, ...]]:
        if not self._is_honest(place):
            return [(), *((Pledge(view, value),) for value in VALUES)]
        if ballots is None:
            return [()]
        open_ = [Pledge(view, value) for value in VALUES if proven >> value & 1]
        pledges: list[tuple[Pledge, ...]] = [(), *((pledge,) for pledge in open_)]
        if VotingRule.ONE_VOTE in self.removed:
            pledges += [tuple(pair) for pair in permutations(open_, 2)]
        return pledges

    def _make_child(
        self,
        node: Node,
        view: int,
        proposal: Offer | None,
        ballots: tuple[Ballots, ...],
        proven: int,
        pledges: tuple[tuple[Pledge, ...], ...],
    ) -> Node:
        seats = [SeatPast(past.pledges + made) for past, made in zip(node.seats, pledges, strict=True)]
        moves = self._list_moves(view, proposal, ballots, pledges)
        return Node(tuple(seats), (*node.proven, proven), node, moves)

    def _list_moves(
        self,
        view: int,
        proposal: Offer | None,
        ballots: tuple[Ballots, ...],
        pledges: tuple[tuple[Pledge, ...], ...],
    ) -> tuple[Move, ...]:
        moves: list[Move] = []
        for place, cast, made in zip(self._acting, ballots, pledges, strict=True):
            if cast == () and made and self._is_honest(place):  # else it may as well say nothing
                moves.append(Move(place, view, Act.PREVOTE, None))
        proposer = self.cast.get_proposer(view)
        if proposer is not None and proposal is not None:
            moves.append(Move(proposer, view, Act.PROPOSE, proposal))
        for place, cast in zip(self._acting, ballots, strict=True):
            moves += [Move(place, view, Act.PREVOTE, offer) for offer in cast or ()]
        for place, made in zip(self._acting, pledges, strict=True):
            moves += [Move(place, view, Act.PRECOMMIT, Offer(pledge.value)) for pledge in made]
        return tuple(moves)

    # -- what is looked for ------------------------------------------------------------------------

    def _look_for_slashable(self, node: Node, view: int, turn: Turn) -> None:
        if self.slashable is not None:
            return
        for index, place in enumerate(self._acting):
            for cast in turn.options[index]:
                if not self._is_honest(place) or not cast:
                    continue
                pledges = node.seats[index].pledges
                if len(cast) > 1 or not are_compatible(pledges, view, cast[0]):
                    ballots: list[Ballots] = [None] * len(self._acting)
                    ballots[index] = cast
                    moves = self._list_moves(view, turn.proposal, tuple(ballots), ((),) * len(ballots))
                    self.slashable = self._write(node, moves)
                    return

    def _is_forked(self, node: Node) -> bool:
        counts: dict[Pledge, int] = {}
        for past in node.seats:
            for pledge in past.pledges:
                counts[pledge] = counts.get(pledge, 0) + 1
        certified = {pledge.value for pledge, count in counts.items() if count + self._free >= QUORUM}
        if len(certified) < len(VALUES):
            return False
        if self.fork is None:
            self.fork = self._write(node, ())
        return True

    def _write(self, node: Node, moves: tuple[Move, ...]) -> Schedule:
        pages = [moves]
        at: Node | None = node
        while at is not None:
            pages.append(at.moves)
            at = at.before
        return Schedule(self.cast, tuple(move for page in reversed(pages) for move in page))

    def list_schedules(self) -> list[tuple[Node, Schedule]]:
        """Return the states after the last view searched, each with one way there."""
        return [(node, self._write(node, ())) for node in self.nodes]

    def get_outcomes(self) -> set[tuple[object, ...]]:
        """Return the precommits and quorums that came out; for casts of like seats."""
        return {compute_outcome([past.pledges for past in node.seats], node.proven) for node in self.nodes}

    def _is_honest(self, place: int) -> bool:
        return self.cast.roles[place] is Role.HONEST

    def _get_key(self, node: Node) -> tuple[object, ...]:
        """Return what is the same for states that differ in the names of values and of like seats only."""
        keys = []
        for swap in (0, 1):
            rows = [
                tuple(2 * pledge.view + (pledge.value ^ swap) for pledge in past.pledges)
                for past in node.seats
            ]
            proven = tuple((mask >> 1 | mask << 1) & BOTH if swap else mask for mask in node.proven)
            if self.cast.is_hostile:  # nobody has a turn of its own, so honest seats are interchangeable
                honest = [
                    row for row, place in zip(rows, self._acting, strict=True) if self._is_honest(place)
                ]
                others = [
                    row for row, place in zip(rows, self._acting, strict=True) if not self._is_honest(place)
                ]
                rows = [*sorted(honest), *others]
            keys.append((proven, tuple(rows)))
        return min(keys)


@lru_cache(maxsize=65_536)
def compute_ballots(
    options: tuple[tuple[Ballots, ...], ...], free: int, removed: frozenset[VotingRule]
) -> tuple[tuple[tuple[Ballots, ...], int], ...]:
    """Return the ways to prevote that differ in what follows: one for each set of values that reach q.

    Args:
        options: By seat: what it may prevote.
        free: Seats that sign whatever is missing.
        removed: The rules left out.

    Returns:
        Ballots by seat, those with the fewest votes, and a bit for each value that has q.
    """
    best: dict[tuple[object, ...], tuple[int, tuple[Ballots, ...], int]] = {}
    for ballots in product(*options):
        votes: dict[Offer, int] = {}
        for cast in ballots:
            for offer in cast or ():
                votes[offer] = votes.get(offer, 0) + 1
        proven = sum(1 << value for value in find_quorums(votes, free, removed))
        key = (proven, tuple(cast is None for cast in ballots))
        size = sum(len(cast or ()) for cast in ballots)
        if key not in best or size < best[key][0]:
            best[key] = (size, ballots, proven)
    return tuple((ballots, proven) for _, ballots, proven in best.values())
