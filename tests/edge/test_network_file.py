"""A network's file: read back as written, and refused where it is damaged or contradicts itself."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ConfigError
from consensus.genesis import Member, create_network
from consensus.identity import KeyPair, PeerKey
from swarm.edge.network_file import (
    FILE_BYTES_MAX,
    NetworkFile,
    decode_network_file,
    encode_network_file,
    read_network_file,
)

KEYS = tuple(KeyPair(bytes([index + 1]) * 32).key for index in range(5))
NETWORK = create_network(
    name=b"home", beacon=b"b" * 32, members=tuple(Member(key, f"p{i}".encode()) for i, key in enumerate(KEYS))
)
FILE = NetworkFile(network=NETWORK, addresses={KEYS[0]: "wss://a.example:1"}, seats=4)
DATA = encode_network_file(FILE)


def change(**fields: object) -> bytes:
    return json.dumps({**json.loads(DATA), **fields}).encode()


def test_what_is_written_is_read_back() -> None:
    found = decode_network_file(DATA, origin="here")
    assert found == FILE
    assert (found.name, found.get_label(KEYS[2]), found.get_label(PeerKey(bytes(32)))) == ("home", "p2", "")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "no network file"),
        (b"[]", "no network file"),
        (change(extra=1), "unknown field"),
        (change(schema="peerage.network/2"), "schema"),
        (change(network_id="00" * 32), "says network '0000"),
        (change(name="work"), "says the name 'work'"),
        (change(genesis="!"), "no network file"),
        (change(genesis="AAAA"), "no genesis"),
        (change(addresses={"00" * 32: "wss://a:1"}), "no member"),
        (change(addresses={"xyz": "wss://a:1"}), "no network file"),
        (change(addresses={KEYS[0].hex(): "http://a:1"}), "wss://HOST:PORT"),
        (change(seats=3), "committees of 3 seats, expected 4 to 5"),
        (change(seats=6), "committees of 6 seats, expected 4 to 5"),
        (change(deadline_s=0.0), "deadline"),
        (DATA + b" " * FILE_BYTES_MAX, "has more than"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode_network_file(data, origin="here")
    assert word in caught.value.message


@given(st.integers(0, len(DATA) - 1), st.integers(0, 255))
def test_a_byte_changed_is_refused_or_changes_no_member(place: int, value: int) -> None:
    data = bytearray(DATA)
    data[place] = value
    try:
        found = decode_network_file(bytes(data), origin="here")
    except ConfigError as exc:
        assert exc.message  # noqa: PT017 - either outcome is right
    else:
        assert found.network.network_id == NETWORK.network_id


def test_a_file_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the network file") as caught:
        read_network_file(tmp_path / "none.json")
    assert "net create" in caught.value.remedy
