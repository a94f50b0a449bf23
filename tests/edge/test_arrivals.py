"""How often a network may connect: the pure table, then a listener that sees two networks of loopback."""

from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address

import pytest
import trio

from swarm.edge.admission import parse_address
from swarm.edge.arrivals import ArrivalRates
from swarm.edge.limits import EdgeLimits
from swarm.edge.websocket import serve
from tests.edge.carriers import (
    LIMITS,
    LOOPBACK,
    connect_socket,
    echo_forever,
    recv_until_closed,
    run_trio,
    upgrade_raw,
)

HOME = IPv4Address("198.51.100.7")
SLOW = EdgeLimits(prefix_connections_per_s=2.0, prefix_connections_burst=3)


def count(rates: ArrivalRates, address: str, *, tries: int, now: float) -> int:
    return sum(rates.admits(parse_address(address), now) for _ in range(tries))


def test_a_network_is_let_in_in_a_burst_and_then_at_a_rate() -> None:
    rates = ArrivalRates(SLOW)
    assert count(rates, "198.51.100.7", tries=1_000, now=0.0) == 3
    assert count(rates, "198.51.100.8", tries=1_000, now=0.0) == 0  # the same network
    assert count(rates, "198.51.101.7", tries=1_000, now=0.0) == 3
    assert count(rates, "198.51.100.7", tries=1_000, now=1.0) == 2  # what was refused is no debt


@pytest.mark.parametrize(("is_exempt", "let_in"), [(True, 10), (False, 3)])
def test_this_machine_is_exempt_unless_it_is_said_not_to_be(is_exempt: bool, let_in: int) -> None:
    rates = ArrivalRates(replace(SLOW, is_loopback_exempt=is_exempt))
    assert count(rates, "127.0.0.1", tries=10, now=0.0) == let_in


def test_only_so_many_networks_are_remembered_and_the_latest_are() -> None:
    rates = ArrivalRates(replace(SLOW, prefixes_remembered_max=2))
    for address in ("203.0.1.1", "203.0.2.1", "203.0.3.1"):
        count(rates, address, tries=3, now=0.0)
    assert len(rates) == 2
    assert count(rates, "203.0.3.1", tries=3, now=0.0) == 0
    assert count(rates, "203.0.1.1", tries=3, now=0.0) == 3


def test_31_peers_behind_one_address_all_come_in_at_once() -> None:
    assert count(ArrivalRates(EdgeLimits()), str(HOME), tries=3 * 31, now=0.0) == 3 * 31


def test_a_listener_turns_away_a_network_that_comes_too_often_and_no_other() -> None:
    async def body() -> None:
        limits = replace(
            LIMITS, is_loopback_exempt=False, prefix_connections_burst=2, prefix_connections_per_s=0.001
        )
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, LOOPBACK, 0, limits=limits, tls=None))
            for _ in range(2):
                await (await upgrade_raw(url, "127.0.1.1")).aclose()
            async with await connect_socket(url, "127.0.1.2") as extra:
                assert await recv_until_closed(extra) == b""  # refused at once
            await (await upgrade_raw(url, "127.0.2.1")).aclose()
            nursery.cancel_scope.cancel()

    run_trio(body)
