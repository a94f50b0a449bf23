"""Seats, tolerated faults, quorums, seeds and turns."""

import msgspec
import pytest

from consensus.committee import (
    Committee,
    compute_first_seed,
    compute_next_seed,
    compute_proposers,
    draw_committee,
)
from consensus.genesis import Member, Network, create_network
from consensus.identity import PeerKey
from consensus.question import Turn
from tests.consensus.test_question import GOOD


def make_network(count: int, beacon: bytes = b"b" * 32) -> Network:
    members = tuple(Member(place.to_bytes(32, "big"), b"") for place in range(1, count + 1))
    return create_network(name=b"test", beacon=beacon, members=members)


# n: (f, q), by hand.
SIZES = {
    4: (1, 3), 5: (1, 4), 6: (1, 5), 7: (2, 5), 8: (2, 6), 9: (2, 7), 10: (3, 7), 11: (3, 8), 12: (3, 9),
    13: (4, 9), 14: (4, 10), 15: (4, 11), 16: (5, 11), 17: (5, 12), 18: (5, 13), 19: (6, 13), 20: (6, 14),
    21: (6, 15), 22: (7, 15), 23: (7, 16), 24: (7, 17), 25: (8, 17), 26: (8, 18), 27: (8, 19), 28: (9, 19),
    29: (9, 20), 30: (9, 21), 31: (10, 21),
}  # fmt: skip


@pytest.mark.parametrize("n", SIZES)
def test_sizes(n: int) -> None:
    committee = Committee(tuple(PeerKey(bytes([seat]) * 32) for seat in range(n)))
    assert (committee.n, committee.f, committee.q) == (n, *SIZES[n])
    # Two quorums share an honest seat, and the honest seats alone make one.
    assert 2 * committee.q - n > committee.f
    assert n - committee.f >= committee.q


def test_seats_are_found_by_key() -> None:
    committee = draw_committee(make_network(7), msgspec.structs.replace(GOOD, seats=5))
    assert [committee.get_seat(key) for key in committee.keys] == list(range(5))
    assert committee.get_seat(b"x" * 32) is None


def test_all_members_sit_when_there_are_as_many_seats() -> None:
    network = make_network(7)
    committee = draw_committee(network, msgspec.structs.replace(GOOD, seats=7))
    assert sorted(committee.keys) == list(network.keys)


def test_seats_depend_on_beacon_asker_and_counter_and_on_nothing_the_asker_can_grind() -> None:
    network, question = make_network(31), msgspec.structs.replace(GOOD, seats=7)
    drawn = draw_committee(network, question).keys
    for ground in ({"turns": (Turn(1, b"other"),)}, {"temperature_milli": 1}, {"tokens_max": 7}):
        assert draw_committee(network, msgspec.structs.replace(question, **ground)).keys == drawn
    assert draw_committee(network, msgspec.structs.replace(question, counter=1)).keys != drawn
    assert draw_committee(network, msgspec.structs.replace(question, asker=b"z" * 32)).keys != drawn
    assert draw_committee(make_network(31, b"c" * 32), question).keys != drawn


def test_a_smaller_committee_is_the_start_of_a_larger_one() -> None:
    network = make_network(31)
    large = draw_committee(network, msgspec.structs.replace(GOOD, seats=31)).keys
    assert draw_committee(network, msgspec.structs.replace(GOOD, seats=4)).keys == large[:4]


def test_draws_are_even() -> None:
    network = make_network(8)
    sat = dict.fromkeys(network.keys, 0)
    for counter in range(400):
        for key in draw_committee(network, msgspec.structs.replace(GOOD, counter=counter)).keys:
            sat[key] += 1
    assert all(150 < count < 250 for count in sat.values())


def test_seeds_chain() -> None:
    first = compute_first_seed(make_network(4), GOOD)
    seeds = {
        first,
        compute_next_seed(first, ()),
        compute_next_seed(first, (b"a" * 32,)),
        compute_next_seed(first, (b"a" * 32, b"b" * 32)),
        compute_next_seed(first, (b"b" * 32, b"a" * 32)),
    }
    assert len(seeds) == 5


def test_turns_to_propose_are_a_permutation_that_moves() -> None:
    committee = draw_committee(make_network(7), msgspec.structs.replace(GOOD, seats=7))
    orders = {compute_proposers(committee, round_id=b"r", step=step, prev=b"p") for step in range(4)}
    orders |= {compute_proposers(committee, round_id=b"r", step=0, prev=b"q")}
    assert len(orders) == 5
    assert all(sorted(order) == list(range(7)) for order in orders)
