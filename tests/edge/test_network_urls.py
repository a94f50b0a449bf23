"""Addresses as people write them."""

import pytest

from consensus.errors import ConfigError
from swarm.edge.network_urls import Address, parse_listen, parse_url


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("wss://peer.example:4242", Address("peer.example", 4_242, True)),
        ("ws://127.0.0.1:1/", Address("127.0.0.1", 1, False)),
        ("wss://[2001:db8::1]:65535", Address("2001:db8::1", 65_535, True)),
    ],
)
def test_a_url_is_read_and_written(text: str, address: Address) -> None:
    assert parse_url(text) == address
    assert parse_url(address.url) == address


@pytest.mark.parametrize(
    "text",
    [
        "", "peer.example:4242", "https://a:1", "wss://", "wss://a", "wss://:1", "wss://a:0", "wss://a:65536",
        "wss://a:1/path", "wss://a:1?x", "wss://a:1#x", "wss://user@a:1", "wss://[::1", "wss://a:1\n",
        "wss://" + "a" * 300 + ":1",
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_url(text)
    assert caught.value.remedy


def test_where_to_listen_is_read() -> None:
    assert parse_listen("0.0.0.0:0") == ("0.0.0.0", 0)
    assert parse_listen("[::1]:4242") == ("::1", 4_242)


@pytest.mark.parametrize("text", ["", "4242", ":1", "a:", "a:b", "a:-1", "a:99999", "a:1\u0662", "::1:4"])
def test_where_nobody_can_listen_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        parse_listen(text)
