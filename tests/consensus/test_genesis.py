"""A network's first block: what it may hold, and that its digest names it."""

from collections.abc import Callable
from functools import partial

import msgspec
import pytest

from consensus.encoding import encode
from consensus.errors import ConfigError, LimitExceeded, PeerError
from consensus.genesis import (
    GENESIS_BYTES_MAX,
    MEMBERS_MAX,
    Genesis,
    Member,
    Network,
    create_network,
    open_network,
)

KEYS = [bytes([place]) * 32 for place in range(1, 8)]


FOUR = tuple(Member(key, b"peer") for key in KEYS[:4])


def make(*, name: bytes = b"test", beacon: bytes = b"b" * 32, members: tuple[Member, ...] = FOUR) -> Network:
    return create_network(name=name, beacon=beacon, members=members)


def make_crowd(count: int, label: bytes = b"") -> tuple[Member, ...]:
    return tuple(Member(place.to_bytes(32, "big"), label) for place in range(count))


def test_members_are_sorted_whatever_their_order() -> None:
    members = tuple(Member(key, b"peer") for key in reversed(KEYS[:4]))
    assert make(members=members).genesis_bytes == make().genesis_bytes
    assert make().keys == tuple(KEYS[:4])


def test_a_genesis_opens_to_what_it_was() -> None:
    network = make(members=tuple(Member(key, b"") for key in KEYS))
    assert open_network(network.genesis_bytes) == network


@pytest.mark.parametrize(
    "change",
    [
        partial(make, name=b"other"),
        partial(make, beacon=b"c" * 32),
        partial(make, members=tuple(Member(key, b"peer") for key in KEYS[1:5])),
        partial(make, members=tuple(Member(key, b"label") for key in KEYS[:4])),
    ],
)
def test_every_field_is_part_of_the_network_id(change: Callable[[], Network]) -> None:
    assert change().network_id != make().network_id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (partial(make, members=FOUR[:3]), "got 3 members, expected 4"),
        (partial(make, members=()), "got 0 members"),
        (partial(make, members=FOUR[:1] * 4), "distinct keys"),
        (partial(make, members=tuple(Member(key[:-1], b"") for key in KEYS[:4])), "not 32 bytes"),
        (partial(make, members=tuple(Member(key, b"x" * 65) for key in KEYS[:4])), "more than 64 bytes"),
        (partial(make, name=b"x" * 65), "more than 64 bytes"),
        (partial(make, beacon=b"b" * 31), "31 bytes, expected 32"),
        (partial(make, members=make_crowd(MEMBERS_MAX + 1)), "1025 members"),
    ],
)
def test_what_is_out_of_bounds_is_refused(change: Callable[[], Network], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        change()


def test_the_largest_network_stands() -> None:
    network = make(members=make_crowd(MEMBERS_MAX, label=b"x" * 64), name=b"x" * 64)
    assert len(network.keys) == MEMBERS_MAX
    assert len(network.genesis_bytes) <= GENESIS_BYTES_MAX


def test_bytes_from_elsewhere_are_the_peers_fault() -> None:
    genesis = make().genesis
    unsorted = msgspec.structs.replace(genesis, members=tuple(reversed(genesis.members)))
    version = msgspec.structs.replace(genesis, version=2)
    wrong = (unsorted, version, Member(b"", b""))
    for data in (*(encode(one) for one in wrong), make().genesis_bytes + b"\x00", b""):
        with pytest.raises(PeerError):
            open_network(data)
    with pytest.raises(LimitExceeded):
        open_network(bytes(GENESIS_BYTES_MAX + 1))
    assert isinstance(genesis, Genesis)
