"""The frame format, fuzzed: what is no frame is the peer's fault, and nothing else ever happens."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.errors import PeerError
from swarm.edge.limits import EdgeLimits
from swarm.edge.transport import pack_messages, unpack_messages


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=50))
def test_frames_round_trip(messages: list[bytes]) -> None:
    assert unpack_messages(pack_messages(messages), EdgeLimits()) == messages


@settings(max_examples=3000)
@given(st.binary(max_size=100))
def test_garbage_frame_is_the_peers_fault_or_canonical(data: bytes) -> None:
    try:
        messages = unpack_messages(data, EdgeLimits())
    except PeerError:
        return
    assert pack_messages(messages) == data


@settings(max_examples=1000)
@given(st.lists(st.binary(min_size=1, max_size=9), max_size=9), st.data())
def test_altered_frame_is_the_peers_fault_or_canonical(messages: list[bytes], data: st.DataObject) -> None:
    frame = bytearray(pack_messages(messages))
    frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = unpack_messages(bytes(frame), EdgeLimits())
    except PeerError:
        return
    assert pack_messages(found) == bytes(frame)


NESTED = b"\x91" * 200_000
BAD_FRAMES = {
    "nothing": b"",
    "not an array": msgspec.msgpack.encode(b"x"),
    "text": msgspec.msgpack.encode(["x"]),
    "integer": msgspec.msgpack.encode([1]),
    "nil": msgspec.msgpack.encode([None]),
    "empty message": msgspec.msgpack.encode([b""]),
    "trailing byte": pack_messages([b"x"]) + b"\x00",
    "cut short": pack_messages([b"xyz"])[:-1],
    "long array header": b"\xdc\x00\x01\xc4\x01x",
    "long bin header": b"\x91\xc5\x00\x01x",
    "claims 4 G messages": b"\xdd\xff\xff\xff\xff",
    "claims 4 GB": b"\x91\xc6\xff\xff\xff\xff",
    "nested": NESTED,
    "too many messages": pack_messages([b"x"] * 1025),
    "too long": pack_messages([bytes(262_144)]),
}


@pytest.mark.parametrize("frame", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
def test_bad_frame_is_the_peers_fault(frame: bytes) -> None:
    with pytest.raises(PeerError, match="frame: "):
        unpack_messages(frame, EdgeLimits())


def test_empty_frame_is_a_keepalive() -> None:
    assert pack_messages([]) == b"\x90"
    assert unpack_messages(b"\x90", EdgeLimits()) == []
