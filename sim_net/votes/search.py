"""The question the model answers: can four seats fork, or be made to look guilty, under these rules?"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations

from consensus.errors import ConfigError
from sim_net.votes.explore import Search
from sim_net.votes.interleave import Interleaving
from sim_net.votes.rules import FAULTY_MAX, SEATS, VotingRule
from sim_net.votes.schedule import Cast, Role, Schedule

VIEWS_MAX = 5
VIEWS_MAX_INTERLEAVED = 2
BAD_MAX = 2


@dataclass(frozen=True, slots=True)
class Exploration:
    """What was searched, and the first schedule of each kind that was found.

    Attributes:
        states: Distinct states visited, all seatings together.
        fork: Certificates for two values come out.
        slashable: The bytes that an honest seat signs prove a fault of it.
        unaccounted: A fork of f + 1 bad seats whose bytes prove a fault of at most f of them.
    """

    bad: int
    views: int
    removed: tuple[VotingRule, ...]
    states: int
    fork: Schedule | None
    slashable: Schedule | None
    unaccounted: Schedule | None


def explore_votes(
    *, bad: int, views: int, removed: Collection[VotingRule] = (), is_hostile: bool = False
) -> Exploration:
    """Search every seating of the bad seats and every schedule of the bounded model.

    Bounded: four seats, two values, one step, this many views. What a seat writes down before it speaks is
    taken to be there after a restart. Value bytes, bodies and signatures are not modelled: every proposal is
    of a value that honest seats compute themselves.

    Args:
        bad: Seats that the adversary holds, 0 to 2; f is 1.
        views: Views searched, from 0 on.
        removed: Rules left out.
        is_hostile: Every proposal is the adversary's, honest seats never propose: more than it can do. What
            is not found so cannot be done; what is found may need turns that it does not have.

    Raises:
        ConfigError: A bound is exceeded.
    """
    rules = frozenset(removed)
    views_max = VIEWS_MAX_INTERLEAVED if VotingRule.CURRENT_VIEW in rules else VIEWS_MAX
    if not 1 <= views <= views_max:
        raise ConfigError(
            f"votes: got {views} views, expected 1 to {views_max} with these rules",
            remedy=f"search {views_max} views",
        )
    if not 0 <= bad <= BAD_MAX:
        raise ConfigError(
            f"votes: got {bad} bad seats of {SEATS}, expected 0 to {BAD_MAX}", remedy="take 0, 1 or 2"
        )
    states = 0
    fork: Schedule | None = None
    slashable: Schedule | None = None
    for cast in list_casts(bad, is_hostile=is_hostile):
        search = Interleaving(cast, rules) if VotingRule.CURRENT_VIEW in rules else Search(cast, rules)
        search.run(views)
        states += search.states
        fork, slashable = fork or search.fork, slashable or search.slashable
        if fork is not None and slashable is not None:
            break
    unaccounted: Schedule | None = None
    if bad > FAULTY_MAX and VotingRule.CURRENT_VIEW not in rules:
        for cast in list_casts(bad, is_hostile=is_hostile, covert=1):
            covert = Search(cast, rules)
            covert.run(views)
            states += covert.states
            if covert.fork is not None:
                unaccounted = covert.fork
                break
    ordered = tuple(rule for rule in VotingRule if rule in rules)
    return Exploration(bad, views, ordered, states, fork, slashable, unaccounted)


def list_casts(bad: int, *, is_hostile: bool, covert: int = 0) -> Iterator[Cast]:
    """Give every seating: which places are bad, and which `covert` of them leave no evidence."""
    seatings = combinations(range(SEATS), bad)
    for places in [tuple(range(SEATS - bad, SEATS))] if is_hostile else seatings:
        for hidden in list(combinations(places, covert))[: 1 if is_hostile else None]:
            roles = [Role.HONEST] * SEATS
            for place in places:
                roles[place] = Role.COVERT if place in hidden else Role.FREE
            yield Cast(tuple(roles), is_hostile)
