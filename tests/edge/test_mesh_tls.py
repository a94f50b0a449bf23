"""A committee over TLS: links come up, a member restarts, and a man in the middle gets no link."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
import trio.testing

from consensus.errors import NetworkError
from consensus.identity import KeyPair, PeerKey
from swarm.edge.handshake import Handshaker
from swarm.edge.limits import EdgeLimits
from swarm.edge.link import DialFailed, Inbound, LinkDown, LinkUp
from swarm.edge.network_urls import parse_url
from swarm.edge.tls import TlsIdentity
from swarm.edge.transport import Carrier
from swarm.edge.websocket import open_listener
from tests.edge.carriers import LOOPBACK
from tests.edge.meeting import Middle
from tests.edge.test_mesh import CLIENT, LIMITS, NETWORK, PAIRS, Node, Swarm, run_trio

SEATS = 7


class TlsSwarm(Swarm):
    """Nodes each with a certificate of its own."""

    def __init__(self, nursery: trio.Nursery, limits: EdgeLimits) -> None:
        super().__init__(nursery, limits, None)
        self.identities: dict[PeerKey, TlsIdentity] = {}

    async def register(self, pair: KeyPair) -> None:
        await self.listen(pair, port=0)

    async def listen(self, pair: KeyPair, *, port: int) -> None:
        self.identities[pair.key] = TlsIdentity.create()
        listener = await open_listener(LOOPBACK, port, limits=self.limits, tls=self.identities[pair.key])
        self.members[pair.key], self.listeners[pair.key] = listener.url, listener.serve

    async def restart(self, pair: KeyPair) -> Node:
        """Start a node anew where it was, as a restarted process does: same port, another certificate."""
        url = self.members[pair.key]
        assert url is not None
        await self.listen(pair, port=parse_url(url).port)
        assert self.members[pair.key] == url
        return await self.start(pair)

    async def dial_raw(self, pair: KeyPair, target: PeerKey) -> Carrier:
        url = self.members[target]
        assert url is not None
        carrier = await self.connect(self.nursery, url)
        handshaker = Handshaker(signer=pair, network_id=NETWORK, timeout_s=2.0)
        await handshaker.dial(carrier, expected_key=target, binding=carrier.binding)
        return carrier


@asynccontextmanager
async def open_tls_swarm(limits: EdgeLimits = LIMITS) -> AsyncIterator[TlsSwarm]:
    async with trio.open_nursery() as nursery:
        yield TlsSwarm(nursery, limits)
        nursery.cancel_scope.cancel()


async def assert_flowing(nodes: list[Node], message: bytes) -> None:
    """Have everybody tell everybody, and everybody hear it."""
    for node in nodes:
        assert node.mesh.broadcast(message) == len(nodes) - 1
    for node in nodes:
        heard: list[PeerKey] = []
        while len(heard) < len(nodes) - 1:
            inbound = await node.next_message()
            if inbound.message == message:
                heard.append(inbound.key)
        assert sorted(heard) == sorted(other.key for other in nodes if other is not node)


def test_a_committee_links_up_and_talks() -> None:
    async def body() -> None:
        async with open_tls_swarm() as swarm:
            nodes = await swarm.start_all(SEATS)
            assert all(url is not None and url.startswith("wss://") for url in swarm.members.values())
            for node in nodes:
                assert [type(event) for event in node.events] == [LinkUp] * (SEATS - 1)
            await assert_flowing(nodes, bytes(50_000))

    run_trio(body)


@pytest.mark.parametrize("place", [0, SEATS - 1], ids=["dials all", "is dialed by all"])
def test_a_restarted_member_is_linked_again_under_another_certificate(place: int) -> None:
    async def body() -> None:
        async with open_tls_swarm() as swarm:
            nodes = await swarm.start_all(SEATS)
            victim = nodes[place]
            others = [node for node in nodes if node is not victim]
            victim.scope.cancel()
            for node in others:
                await node.wait(LinkDown, victim.key)
            again = await swarm.restart(PAIRS[place])
            await again.wait_linked(SEATS - 1)
            for node in others:
                await node.wait(LinkUp, again.key)
            await assert_flowing([*others, again], b"on we go")

    run_trio(body)


@pytest.mark.parametrize("is_other", [True, False], ids=["other certificate", "member's own"])
def test_a_man_in_the_middle_gets_no_link_unless_he_has_the_members_certificate(is_other: bool) -> None:
    async def body() -> None:
        async with open_tls_swarm() as swarm:
            for pair in PAIRS[:3]:
                await swarm.register(pair)
            target = PAIRS[2].key
            url = swarm.members[target]
            assert url is not None
            middle = Middle(TlsIdentity.create() if is_other else swarm.identities[target])
            swarm.members[target] = await swarm.nursery.start(middle.run, url)
            low, mid, high = [await swarm.start(pair) for pair in PAIRS[:3]]
            for node in (low, mid):
                await node.wait(DialFailed if is_other else LinkUp, target)
            if is_other:
                assert high.mesh.linked() == ()
            await low.wait_linked(1 if is_other else 2)
            assert mid.key in low.mesh.linked()  # the others are let be

    run_trio(body)


def test_a_committee_behind_one_address_comes_up_though_few_may_knock_at_a_time() -> None:
    """Whoever is turned away at the door dials again; once proven it takes no stranger's place."""

    async def body() -> None:
        limits = replace(LIMITS, is_loopback_exempt=False, prefix_unauthenticated_max=2)
        async with open_tls_swarm(limits) as swarm:
            for pair in PAIRS[:SEATS]:
                await swarm.register(pair)
            nodes = [await swarm.start(pair) for pair in PAIRS[:SEATS]]
            for node in nodes:
                await node.wait_linked(SEATS - 1)
            await assert_flowing(nodes, b"all in")

    run_trio(body)


def test_a_client_that_never_reads_loses_its_own_link_only() -> None:
    async def body() -> None:
        async with open_tls_swarm(replace(LIMITS, send_timeout_s=0.4, keepalive_s=0.4)) as swarm:
            left, right = await swarm.start_all(2)
            stuck = await swarm.dial_raw(CLIENT, left.key)
            await left.wait(LinkUp, CLIENT.key)
            sent = 0
            while left.mesh.send(CLIENT.key, bytes(200_000)):
                sent += 1
                await trio.testing.wait_all_tasks_blocked(0.01)
            down = await left.wait(LinkDown, CLIENT.key)
            assert isinstance(down, LinkDown)
            assert "took no frame" in down.reason or "slow reader" in down.reason
            assert sent < 200
            assert right.mesh.send(left.key, b"vote")
            assert await left.next_message() == Inbound(right.key, b"vote")
            await stuck.aclose()

    run_trio(body)


def test_a_link_without_tls_is_not_accepted_where_there_is_tls() -> None:
    async def body() -> None:
        async with open_tls_swarm() as swarm:
            left, right = await swarm.start_all(2)
            url = swarm.members[left.key]
            assert url is not None
            with pytest.raises(NetworkError, match="could not connect"):
                await swarm.connect(swarm.nursery, url.replace("wss://", "ws://"))
            assert left.mesh.linked() == (right.key,)

    run_trio(body)
