"""Places at a listener by network: the pure table, then a listener that sees two networks of loopback."""

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from swarm.edge.admission import Admission, AdmissionTable, parse_address, prefix_of
from swarm.edge.limits import EdgeLimits
from swarm.edge.tls import TlsIdentity
from swarm.edge.websocket import serve
from tests.edge.carriers import (
    LIMITS,
    LOOPBACK,
    TLS,
    connect_socket,
    echo_forever,
    recv_until_closed,
    run_trio,
    upgrade_raw,
)

HOME = IPv4Address("198.51.100.7")
TOTALS = EdgeLimits(links_inbound_max=6, unauthenticated_max=5)
STRICT = replace(LIMITS, is_loopback_exempt=False, handshake_timeout_s=1.0)


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("198.51.100.255", "198.51.100.0/24"),
        ("198.51.101.0", "198.51.101.0/24"),
        ("::ffff:198.51.100.7", "198.51.100.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("2001:db8:1:300::1", "2001:db8:1:300::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("::1", "::/56"),
    ],
)
def test_an_address_counts_for_its_network(text: str, prefix: str) -> None:
    assert prefix_of(parse_address(text)) == ip_network(prefix)


@pytest.mark.parametrize("text", ["", "localhost", "198.51.100", "198.51.100.7:80", "::1::"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_address(text)


@given(st.integers(0, 2**32 - 1))
def test_a_prefix_holds_its_own_256_addresses_of_ipv4(number: int) -> None:
    prefix = prefix_of(IPv4Address(number))
    assert isinstance(prefix, IPv4Network)
    assert IPv4Address(number) in prefix
    assert prefix.num_addresses == 256


@given(st.integers(0, 2**128 - 1))
def test_a_prefix_holds_its_own_256_networks_of_ipv6(number: int) -> None:
    prefix = prefix_of(IPv6Address(number))
    assert isinstance(prefix, IPv6Network)
    assert IPv6Address(number) in prefix
    assert prefix.num_addresses == 2**72


def test_strangers_of_one_network_wait_for_one_another_and_others_do_not() -> None:
    table = AdmissionTable(EdgeLimits())
    places = [table.enter(IPv4Address(f"198.51.100.{index}")) for index in range(5)]
    assert [place is not None for place in places] == [True] * 4 + [False]
    assert table.enter(IPv4Address("198.51.101.1")) is not None
    assert places[0] is not None
    places[0].note_authenticated()
    assert table.enter(HOME) is not None
    assert table.enter(HOME) is None


def test_proven_connections_of_one_network_are_bounded_too() -> None:
    limits = EdgeLimits()
    table = AdmissionTable(limits)
    places = [enter_proven(table, HOME) for _ in range(limits.prefix_connections_max)]
    assert table.enter(HOME) is None
    assert table.enter(IPv4Address("203.0.113.1")) is not None
    places[0].leave()
    assert table.enter(HOME) is not None


def enter_proven(table: AdmissionTable, address: IPv4Address | IPv6Address) -> Admission:
    place = table.enter(address)
    assert place is not None
    place.note_authenticated()
    return place


def test_loopback_is_exempt_from_the_networks_limits_only() -> None:
    table = AdmissionTable(EdgeLimits())
    for text in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        places = [enter_proven(table, parse_address(text)) for _ in range(40)]
        assert len(table) == 0
        for place in places:
            place.leave()
    strict = AdmissionTable(EdgeLimits(is_loopback_exempt=False))
    assert [strict.enter(IPv4Address(LOOPBACK)) is not None for _ in range(5)] == [True] * 4 + [False]


@pytest.mark.parametrize("text", ["127.0.0.1", "2001:db8::1"])
def test_totals_hold_for_everybody(text: str) -> None:
    address = parse_address(text)
    spread = replace(TOTALS, prefix_unauthenticated_max=100, prefix_connections_max=100)
    table = AdmissionTable(spread)
    strangers = [table.enter(address) for _ in range(spread.unauthenticated_max)]
    assert all(strangers)
    assert table.enter(address) is None
    for place in strangers:
        assert place is not None
        place.note_authenticated()
    for _ in range(spread.links_inbound_max):
        enter_proven(table, address)
    assert table.enter(address) is None


def test_leaving_twice_gives_one_place_back() -> None:
    table = AdmissionTable(EdgeLimits())
    places = [table.enter(HOME) for _ in range(4)]
    assert places[0] is not None
    places[0].leave()
    places[0].leave()
    places[0].note_authenticated()
    assert table.enter(HOME) is not None
    assert table.enter(HOME) is None


class Door(RuleBasedStateMachine):
    """Whatever comes and goes, no limit is passed, no place is lost and nothing is remembered of the gone."""

    addresses = tuple(map(parse_address, ("203.0.0.1", "203.0.1.1", "203.0.2.1", "::1")))

    def __init__(self) -> None:
        super().__init__()
        limits = replace(TOTALS, prefix_unauthenticated_max=2, prefix_connections_max=3)
        self.limits = limits
        self.table = AdmissionTable(limits)
        self.inside: list[tuple[str, Admission, bool]] = []

    def count(self, key: str | None, *, strangers: bool = False) -> int:
        return sum(
            (key is None or where == key) and not (strangers and is_proven)
            for where, _, is_proven in self.inside
        )

    @rule(index=st.integers(0, 3))
    def enter(self, index: int) -> None:
        address, limits = self.addresses[index], self.limits
        key = str(prefix_of(address))
        is_free = self.count(None) < limits.links_inbound_max + limits.unauthenticated_max
        is_free = is_free and self.count(None, strangers=True) < limits.unauthenticated_max
        if not address.is_loopback:
            is_free = is_free and self.count(key) < limits.prefix_connections_max
            is_free = is_free and self.count(key, strangers=True) < limits.prefix_unauthenticated_max
        place = self.table.enter(address)
        assert (place is not None) == is_free
        if place is not None:
            self.inside.append((key, place, False))

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def prove(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.inside) - 1))
        key, place, _ = self.inside[index]
        place.note_authenticated()
        self.inside[index] = (key, place, True)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        _, place, _ = self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1)))
        place.leave()

    @invariant()
    def remembers_only_who_is_inside(self) -> None:
        keys = {key for key, _, _ in self.inside if key != str(prefix_of(parse_address("::1")))}
        assert len(self.table) == len(keys)


test_door = Door.TestCase


@pytest.mark.parametrize("tls", [None, TLS], ids=["plain", "tls"])
def test_silent_strangers_of_one_network_do_not_keep_another_out(tls: TlsIdentity | None) -> None:
    async def body() -> None:
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, LOOPBACK, 0, limits=STRICT, tls=tls))
            silent = [await connect_socket(url, f"127.0.1.{index}") for index in range(1, 5)]
            extra = await connect_socket(url, "127.0.1.200")
            for stream in [*silent, extra]:
                stack.push_async_callback(stream.aclose)
            with trio.fail_after(STRICT.handshake_timeout_s / 2):
                assert await recv_until_closed(extra) == b""  # refused at once
            stack.push_async_callback((await upgrade_raw(url, "127.0.2.1")).aclose)
            for stream in silent:
                assert await recv_until_closed(stream) == b""  # given up after the deadline
            stack.push_async_callback((await upgrade_raw(url, "127.0.1.200")).aclose)
            nursery.cancel_scope.cancel()

    run_trio(body)
