"""How likely a committee has a quorum, counted over every committee there is."""

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.committee import compute_tolerated
from swarm.gateway.readiness import Presence


@given(st.data())
def test_the_chance_is_the_share_of_committees_that_have_a_quorum(data: st.DataObject) -> None:
    members = data.draw(st.integers(4, 9))
    seats = data.draw(st.integers(4, members))
    present = data.draw(st.integers(0, members))
    committees = list(combinations(range(members), seats))
    enough = [
        drawn
        for drawn in committees
        if sum(member >= present for member in drawn) <= compute_tolerated(seats)
    ]
    chance = Presence(members=members, present=present, seats=seats).compute_chance()
    assert chance == Fraction(len(enough), len(committees))


@pytest.mark.parametrize(
    ("members", "present", "seats", "words"),
    [
        (4, 4, 4, None),
        (4, 3, 4, None),
        (4, 2, 4, "2 of 4 peers are up, too few for a quorum of 4 seats"),
        (4, 0, 4, "0 of 4 peers are up, too few for a quorum of 4 seats"),
        (9, 6, 4, None),  # 3 of 4 seats are needed, and 6 of 9 members are there
        (9, 5, 4, "5 of 9 peers are up; 4 seats drawn of them all have a quorum with 36% chance"),
    ],
)
def test_a_gateway_is_ready_where_a_question_would_rather_be_answered(
    members: int, present: int, seats: int, words: str | None
) -> None:
    assert Presence(members=members, present=present, seats=seats).find_shortage() == words
