"""Builds of different age over TLS: the newest version both speak, or a refusal that a reader can act on."""

from dataclasses import replace
from itertools import product

import pytest

from consensus.encoding import decode, encode
from consensus.errors import NetworkError, PeerError
from swarm.edge.handshake import HELLO_BYTES_MAX, VERSION_MAX, VERSION_MIN, Authenticated, Hello
from tests.edge.carriers import TLS
from tests.edge.meeting import ANNA, BERT, Middle, make_handshaker, meet

N = VERSION_MAX + 1  # a build between an older one and a newer one, whatever this one is
RANGES = [(N - 1, N - 1), (N - 1, N), (N, N), (N, N + 1), (N + 1, N + 1)]


def describe(versions: tuple[int, int]) -> str:
    return f"{versions[0]}..{versions[1]}"


@pytest.mark.parametrize(("anna", "bert"), list(product(RANGES, RANGES)), ids=describe)
def test_ranges_that_meet_take_the_newest_and_others_are_refused(
    anna: tuple[int, int], bert: tuple[int, int]
) -> None:
    outcomes = meet(
        anna=make_handshaker(ANNA, version_min=anna[0], version_max=anna[1]),
        bert=make_handshaker(BERT, version_min=bert[0], version_max=bert[1]),
    )
    common = [version for version in range(anna[0], anna[1] + 1) if bert[0] <= version <= bert[1]]
    if common:
        assert outcomes.dialed == Authenticated(BERT.key, common[-1])
        assert outcomes.answered == Authenticated(ANNA.key, common[-1])
        return
    for outcome, own, other in ((outcomes.dialed, anna, bert), (outcomes.answered, bert, anna)):
        assert isinstance(outcome, NetworkError)
        assert f"the other side speaks versions {describe(other)} " in outcome.message
        assert f"this node {describe(own)}: none in common" in outcome.message
        older = "this node" if own < other else "the other side"
        assert outcome.remedy == f"upgrade {older}, which is the older of the two"


def test_this_build_is_refused_by_one_that_has_left_its_versions_behind() -> None:
    """The real range of this build, so that a change of it does not pass unseen."""
    future = make_handshaker(BERT, version_min=VERSION_MAX + 1, version_max=VERSION_MAX + 3)
    present = replace(make_handshaker(ANNA), version_min=VERSION_MIN, version_max=VERSION_MAX)
    outcome = meet(anna=present, bert=future).dialed
    assert isinstance(outcome, NetworkError)
    assert f"{VERSION_MAX + 1}..{VERSION_MAX + 3}" in outcome.message
    assert describe((VERSION_MIN, VERSION_MAX)) in outcome.message
    assert "this node" in outcome.remedy


def turn_range(frame: bytes) -> bytes:
    try:
        hello = decode(Hello, frame, bytes_max=HELLO_BYTES_MAX)
    except PeerError:
        return frame
    return encode(Hello(hello.magic, 3, 1, hello.network, hello.key, hello.nonce))


def test_an_empty_range_of_the_other_side_is_refused() -> None:
    """What a Hello claims is not checked to be a range; it must meet this node's all the same."""
    outcomes = meet(Middle(TLS, turn_range))
    for outcome in (outcomes.dialed, outcomes.answered):
        assert isinstance(outcome, NetworkError)
        assert "3..1" in outcome.message
