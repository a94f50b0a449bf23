"""Canonical bytes: one encoding a value, and nothing else decodes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.encoding import Wire, decode, decode_with, encode
from consensus.errors import LimitExceeded, PeerError


class Pair(Wire, frozen=True):
    number: int
    data: bytes


class Nest(Wire, frozen=True):
    pairs: tuple[Pair, ...]
    numbers: tuple[int, ...]


NUMBERS = st.integers(min_value=-(2**63), max_value=2**64 - 1)
PAIRS = st.builds(Pair, NUMBERS, st.binary(max_size=300))
NESTS = st.builds(Nest, st.lists(PAIRS, max_size=20).map(tuple), st.lists(NUMBERS, max_size=20).map(tuple))


@given(NESTS)
def test_what_is_encoded_decodes_to_itself(value: Nest) -> None:
    assert decode(Nest, encode(value), bytes_max=1_000_000) == value


@given(NESTS, NESTS)
def test_encoding_is_injective(left: Nest, right: Nest) -> None:
    assert (encode(left) == encode(right)) == (left == right)


@given(st.binary(max_size=64))
def test_bytes_that_decode_are_the_encoding_of_what_they_decode_to(data: bytes) -> None:
    try:
        value = decode(Pair, data, bytes_max=64)
    except PeerError:
        return
    assert encode(value) == data


@given(NESTS, st.binary(min_size=1, max_size=3))
def test_nothing_may_stand_behind(value: Nest, tail: bytes) -> None:
    with pytest.raises(PeerError):
        decode(Nest, encode(value) + tail, bytes_max=1_000_000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x92\xcc\x01\xc4\x00",  # 1 in two bytes
        b"\x92\xcd\x00\x01\xc4\x00",  # 1 in three bytes
        b"\x92\xd0\x01\xc4\x00",  # 1 as a signed byte
        b"\x92\xd3\x00\x00\x00\x00\x00\x00\x00\x01\xc4\x00",
        b"\x92\x01\xc5\x00\x00",  # length in two bytes
        b"\x92\x01\xa0",  # text for bytes
        b"\x92\x01\xd9\x00",
        b"\xdc\x00\x02\x01\xc4\x00",  # array header in three bytes
        b"\xdd\x00\x00\x00\x02\x01\xc4\x00",
        b"\x82\xa6number\x01\xa4data\xc4\x00",  # a map
        b"\x93\x01\xc4\x00\xc0",  # a field too many
        b"\x91\x01",  # a field too few
        b"\x92\xc3\xc4\x00",  # true
        b"\x92\xc0\xc4\x00",  # nil
        b"\x92\xca\x3f\x80\x00\x00\xc4\x00",  # 1.0
        b"\x92\xa11\xc4\x00",  # "1"
        b"\x92\x01\xd4\x00\x00",  # an extension
        b"\x92\x01\xc4\x05ab",  # cut short
        b"\xdd\xff\xff\xff\xff",  # four billion fields
        b"\xc6\xff\xff\xff\xff",  # four billion bytes
        b"\x91" * 20_000,  # twenty thousand levels
    ],
)
def test_other_encodings_are_refused(data: bytes) -> None:
    assert decode(Pair, b"\x92\x01\xc4\x00", bytes_max=10) == Pair(1, b"")
    with pytest.raises(PeerError):
        decode(Pair, data, bytes_max=100_000)
    with pytest.raises(PeerError):
        decode(Nest, data, bytes_max=100_000)


def test_the_limit_is_looked_at_before_the_bytes() -> None:
    data = encode(Pair(1, b"x" * 100))
    assert decode(Pair, data, bytes_max=len(data)) == Pair(1, b"x" * 100)
    with pytest.raises(LimitExceeded, match=f"got {len(data)} bytes, expected at most {len(data) - 1}"):
        decode(Pair, data, bytes_max=len(data) - 1)
    with pytest.raises(LimitExceeded):
        decode(Pair, b"\xc1" * 11, bytes_max=10)


def test_a_union_decodes_by_its_tag() -> None:
    class One(Wire, frozen=True, tag=1):
        number: int

    class Two(Wire, frozen=True, tag=2):
        data: bytes

    decoder: msgspec.msgpack.Decoder[One | Two] = msgspec.msgpack.Decoder(One | Two)
    assert decode_with(decoder, encode(Two(b"x")), name="union", bytes_max=10) == Two(b"x")
    for data in (b"\x92\x03\xc4\x01x", b"\x91\x02", b"\x92\xcc\x02\xc4\x01x", b"\x90"):
        with pytest.raises(PeerError, match="union"):
            decode_with(decoder, data, name="union", bytes_max=10)
