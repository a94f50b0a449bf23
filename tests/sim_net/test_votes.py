"""The model of the votes: with all rules nothing is found, and each rule left out is found wanting."""

import pytest

from consensus.errors import ConfigError
from sim_net.votes import VotingRule, explore_votes
from sim_net.votes.explore import Search
from sim_net.votes.interleave import Interleaving
from sim_net.votes.rules import is_forgotten
from sim_net.votes.schedule import Act, Cast, Role, Schedule

HOSTILE = Cast((Role.HONEST, Role.HONEST, Role.HONEST, Role.FREE), is_hostile=True)


def explain(schedule: Schedule | None) -> str:
    return f"found:\n{schedule}"


@pytest.mark.parametrize(("bad", "views"), [(0, 2), (1, 2)])
def test_every_seating_is_safe_with_all_rules(bad: int, views: int) -> None:
    found = explore_votes(bad=bad, views=views)
    assert found.fork is None, explain(found.fork)
    assert found.slashable is None, explain(found.slashable)
    assert found.states > 300


@pytest.mark.slow
@pytest.mark.parametrize("bad", [0, 1])
def test_three_views_of_every_seating_are_safe_with_all_rules(bad: int) -> None:
    found = explore_votes(bad=bad, views=3)
    assert (found.fork, found.slashable) == (None, None)
    assert found.states > 4_000


@pytest.mark.slow
def test_five_views_are_safe_even_if_every_proposal_is_the_adversarys() -> None:
    found = explore_votes(bad=1, views=5, is_hostile=True)
    assert (found.fork, found.slashable) == (None, None)
    assert found.states > 30_000


def test_two_bad_seats_fork_and_both_leave_evidence() -> None:
    found = explore_votes(bad=2, views=2)
    assert found.fork is not None
    assert len({value for _, value in found.fork.get_certified()}) == 2
    assert found.slashable is None, explain(found.slashable)
    assert found.unaccounted is None, explain(found.unaccounted)


@pytest.mark.slow
def test_two_bad_seats_leave_evidence_in_three_views_of_hostile_proposals() -> None:
    found = explore_votes(bad=2, views=3, is_hostile=True)
    assert found.fork is not None
    assert (found.slashable, found.unaccounted) == (None, None)


SLOW = {VotingRule.CURRENT_VIEW: pytest.mark.slow}
FORKS = {
    VotingRule.LOCK: 2,
    VotingRule.PROOF: 2,
    VotingRule.FRESH_PROOF: 3,
    VotingRule.ONE_VOTE: 2,
    VotingRule.CURRENT_VIEW: 2,
}


LOOKS_GUILTY = {VotingRule.LOCK, VotingRule.FRESH_PROOF, VotingRule.ONE_VOTE, VotingRule.CURRENT_VIEW}


@pytest.mark.parametrize("rule", [pytest.param(rule, marks=SLOW.get(rule, ())) for rule in FORKS])
def test_one_bad_seat_forks_without_the_rule(rule: VotingRule) -> None:
    found = explore_votes(bad=1, views=FORKS[rule], removed=[rule])
    assert found.fork is not None, f"{rule.description}: not missed"
    assert len({value for _, value in found.fork.get_certified()}) == 2
    assert (found.slashable is not None) == (rule in LOOKS_GUILTY)


@pytest.mark.slow
def test_without_never_another_an_honest_seat_looks_guilty_and_nothing_forks() -> None:
    found = explore_votes(bad=1, views=3, removed=[VotingRule.NEVER_ANOTHER])
    assert found.fork is None
    assert found.slashable is not None
    last = found.slashable.moves[-1]
    assert last.act is Act.PREVOTE
    assert last.view == 2


def test_without_equal_votes_two_bad_seats_fork_and_one_leaves_no_evidence() -> None:
    found = explore_votes(bad=2, views=2, removed=[VotingRule.EQUAL_VOTES])
    assert found.unaccounted is not None


@pytest.mark.slow
def test_without_equal_votes_one_bad_seat_does_no_harm() -> None:
    # The rule is there for evidence after a fork; up to f bad seats do not fork without it either.
    found = explore_votes(bad=1, views=4, removed=[VotingRule.EQUAL_VOTES], is_hostile=True)
    assert (found.fork, found.slashable) == (None, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "removed", [None, *(r for r in VotingRule if r not in (VotingRule.CURRENT_VIEW, VotingRule.ONE_VOTE))]
)
def test_view_by_view_finds_what_every_order_finds(removed: VotingRule | None) -> None:
    rules = frozenset() if removed is None else frozenset({removed})
    ordered, free = Search(HOSTILE, rules), Interleaving(HOSTILE, rules)
    ordered.run(2)
    free.run(2)
    assert (ordered.fork is None) == (free.fork is None)
    assert (ordered.slashable is None) == (free.slashable is None)
    if free.fork is None:
        assert ordered.get_outcomes() == free.outcomes
    assert free.states > ordered.states


def test_a_search_has_bounds() -> None:
    with pytest.raises(ConfigError, match="views"):
        explore_votes(bad=1, views=3, removed=[VotingRule.CURRENT_VIEW])
    with pytest.raises(ConfigError, match="bad seats"):
        explore_votes(bad=3, views=2)


def test_a_search_comes_out_the_same_twice() -> None:
    first = explore_votes(bad=1, views=2, removed=[VotingRule.LOCK])
    assert first == explore_votes(bad=1, views=2, removed=[VotingRule.LOCK])
    assert is_forgotten.cache_info().currsize > 0, "guilt is decided by the seats' own rule"
