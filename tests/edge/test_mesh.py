"""Meshes over real loopback sockets; over memory and a mock clock where time matters."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations, pairwise

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ConfigError, LimitExceeded, NetworkError
from consensus.identity import KeyPair, NetworkId, PeerKey
from swarm.edge.dialing import compute_backoff_s, compute_dialed
from swarm.edge.handshake import Handshaker
from swarm.edge.limits import EdgeLimits, LinkLimits, PenaltyBox, TokenBucket
from swarm.edge.link import DialFailed, Inbound, LinkDown, LinkUp, MeshEvent
from swarm.edge.memory_transport import MemoryNetwork
from swarm.edge.mesh import Mesh
from swarm.edge.transport import Carrier, Connector, Listener, pack_messages
from swarm.edge.websocket import dial, open_listener

NETWORK = NetworkId(b"\x01" * 32)
OTHER_NETWORK = NetworkId(b"\x02" * 32)
LIMITS = EdgeLimits(close_timeout_s=0.2, handshake_timeout_s=2.0)
DEADLINE_S = 20.0
PAIRS = sorted((KeyPair(bytes([index]) * 32) for index in range(1, 9)), key=lambda pair: pair.key)
CLIENT = KeyPair(b"\xcc" * 32)


def run_trio(body: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(DEADLINE_S):
            await body()

    trio.run(bounded)


def run_virtual(body: Callable[[], Awaitable[None]]) -> None:
    trio.run(body, clock=trio.testing.MockClock(autojump_threshold=0))


LinkEvent = LinkUp | LinkDown | DialFailed


@dataclass(slots=True)
class Node:
    """A mesh, its scope, and what has come out of it."""

    mesh: Mesh
    key: PeerKey
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    events: list[MeshEvent] = field(default_factory=list)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self.scope:
            await self.mesh.run(task_status=task_status)

    async def next_message(self) -> Inbound:
        while True:
            event = await self.mesh.inbox.receive()
            self.events.append(event)
            if isinstance(event, Inbound):
                return event

    async def wait(self, kind: type[LinkEvent], key: PeerKey) -> LinkEvent:
        while True:
            event = await self.mesh.inbox.receive()
            self.events.append(event)
            if isinstance(event, kind) and event.key == key:
                return event

    async def wait_linked(self, count: int) -> None:
        while sum(isinstance(event, LinkUp) for event in self.events) < count:
            self.events.append(await self.mesh.inbox.receive())
        assert len(self.mesh.linked()) == count


async def send_for_ever(carrier: Carrier, frame: bytes) -> None:
    while True:
        await carrier.send(frame)


class Swarm:
    """Nodes that know each other, over one kind of carrier."""

    def __init__(self, nursery: trio.Nursery, limits: EdgeLimits, memory: MemoryNetwork | None) -> None:
        self.nursery = nursery
        self.limits = limits
        self.memory = memory
        self.connect: Connector = memory.connect if memory else partial(dial, limits=limits)
        self.members: dict[PeerKey, str | None] = {}
        self.listeners: dict[PeerKey, Listener] = {}

    async def register(self, pair: KeyPair) -> None:
        if self.memory:
            memory_listener = self.memory.listen(pair.key.hex())
            self.members[pair.key], self.listeners[pair.key] = memory_listener.url, memory_listener.serve
        else:
            listener = await open_listener("127.0.0.1", 0, limits=self.limits)
            self.members[pair.key], self.listeners[pair.key] = listener.url, listener.serve

    async def start(self, pair: KeyPair, limits: EdgeLimits | None = None) -> Node:
        mesh = Mesh(
            signer=pair,
            network_id=NETWORK,
            members=self.members,
            limits=limits or self.limits,
            connect=self.connect,
            listen=self.listeners.get(pair.key),
            jitter=lambda: 0.5,
        )
        node = Node(mesh, pair.key)
        await self.nursery.start(node.run)
        return node

    async def start_all(self, count: int) -> list[Node]:
        for pair in PAIRS[:count]:
            await self.register(pair)
        nodes = [await self.start(pair) for pair in PAIRS[:count]]
        for node in nodes:
            await node.wait_linked(count - 1)
        return nodes

    async def dial_raw(self, pair: KeyPair, target: PeerKey) -> Carrier:
        """Return an authenticated carrier with no mesh behind it, for misbehaving."""
        url = self.members[target]
        assert url is not None
        carrier = await self.connect(self.nursery, url)
        handshaker = Handshaker(signer=pair, network_id=NETWORK, timeout_s=2.0)
        try:
            await handshaker.dial(carrier, expected_key=target)
        except NetworkError:
            await carrier.aclose()
            raise
        return carrier


@asynccontextmanager
async def open_swarm(limits: EdgeLimits = LIMITS, *, memory: bool = False) -> AsyncIterator[Swarm]:
    async with trio.open_nursery() as nursery:
        yield Swarm(nursery, limits, MemoryNetwork(limits) if memory else None)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("memory", [False, True], ids=["websocket", "memory"])
def test_full_mesh_delivers_every_broadcast_in_order(count: int, memory: bool) -> None:
    async def body() -> None:
        async with open_swarm(memory=memory) as swarm:
            nodes = await swarm.start_all(count)
            for node in nodes:
                for index in range(50):
                    assert node.mesh.broadcast(b"%d" % index) == count - 1
            for node in nodes:
                received: dict[PeerKey, list[bytes]] = {}
                for _ in range(50 * (count - 1)):
                    event = await node.next_message()
                    received.setdefault(event.key, []).append(event.message)
                assert received == {
                    other.key: [b"%d" % index for index in range(50)] for other in nodes if other is not node
                }

    run_trio(body)


def test_each_pair_has_one_link_and_links_come_up_once() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            nodes = await swarm.start_all(4)
            for node in nodes:
                assert node.mesh.linked() == tuple(other.key for other in nodes if other is not node)
                assert [type(event) for event in node.events] == [LinkUp] * 3

    run_trio(body)


def test_burst_larger_than_a_frame_arrives_whole() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            left, right = await swarm.start_all(2)
            longest = LIMITS.message_bytes_max
            messages = [bytes([index]) * size for index, size in enumerate([longest, 1, longest, 100_000, 9])]
            for message in messages:
                assert left.mesh.send(right.key, message)
            assert [(await right.next_message()).message for _ in messages] == messages
            with pytest.raises(LimitExceeded):
                left.mesh.send(right.key, bytes(longest + 1))
            with pytest.raises(LimitExceeded):
                left.mesh.broadcast(b"")

    run_trio(body)


def test_flush_waits_until_everything_is_out() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            left, right = await swarm.start_all(2)
            for _ in range(20):
                left.mesh.broadcast(bytes(50_000))
            await left.mesh.flush()
            left.scope.cancel()
            for _ in range(20):
                assert len((await right.next_message()).message) == 50_000
            assert isinstance(await right.wait(LinkDown, left.key), LinkDown)

    run_trio(body)


def test_stopped_node_loses_none_of_its_last_words() -> None:
    async def body() -> None:
        async with open_swarm(replace(LIMITS, close_timeout_s=10.0)) as swarm:  # on a busy machine too
            left, right = await swarm.start_all(2)
            # As much as `right` takes in while nobody reads its inbox: a socket closed at once would cost it.
            for index in range(60):
                right.mesh.broadcast(bytes(30_000))
                left.mesh.broadcast(b"%d" % index + bytes(30_000))
            await left.mesh.stop()
            assert left.mesh.linked() == ()
            received = [(await right.next_message()).message for _ in range(60)]
            assert received == [b"%d" % index + bytes(30_000) for index in range(60)]
            await right.wait(LinkDown, left.key)

    run_trio(body)


def test_stop_takes_no_longer_than_its_callers_deadline() -> None:
    async def body() -> None:
        async with open_swarm(memory=True) as swarm:
            node = (await swarm.start_all(2))[0]
            await swarm.dial_raw(CLIENT, node.key)
            await node.wait(LinkUp, CLIENT.key)
            for _ in range(8):
                assert node.mesh.send(CLIENT.key, bytes(200_000))  # nobody takes them
                await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(1.0) as scope:
                await node.mesh.stop()
            assert scope.cancelled_caught
            assert len(node.mesh.linked()) == 2

    run_virtual(body)


def test_sending_without_a_link_says_so() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            node, _ = await swarm.start_all(2)
            assert not node.mesh.send(CLIENT.key, b"x")

    run_trio(body)


def test_cut_link_is_reported_and_dialed_again() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            left, right = await swarm.start_all(2)
            for victim, other in ((left, right), (right, left), (left, right)):
                victim.mesh.close_link(other.key)
                assert not victim.mesh.send(other.key, b"lost")
                down = await victim.wait(LinkDown, other.key)
                assert isinstance(down, LinkDown)
                assert down.reason == "the node closed the link"
                await other.wait(LinkDown, victim.key)
                await victim.wait(LinkUp, other.key)
                await other.wait(LinkUp, victim.key)
                assert victim.mesh.send(other.key, b"again")
                assert await other.next_message() == Inbound(victim.key, b"again")

    run_trio(body)


def test_restarted_peer_is_linked_again() -> None:
    async def body() -> None:
        async with open_swarm(memory=True) as swarm:
            left, right = await swarm.start_all(2)
            right.scope.cancel()
            await left.wait(LinkDown, right.key)
            swarm.memory = swarm.memory or MemoryNetwork(LIMITS)
            swarm.listeners[right.key] = swarm.memory.listen(right.key.hex()).serve
            again = await swarm.start(PAIRS[1])
            await left.wait(LinkUp, again.key)

    run_virtual(body)


def test_one_nodes_end_leaves_the_others_linked() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            nodes = await swarm.start_all(4)
            nodes[1].scope.cancel()
            for node in (nodes[0], nodes[2], nodes[3]):
                await node.wait(LinkDown, nodes[1].key)
                assert len(node.mesh.linked()) == 2
            with pytest.raises(trio.EndOfChannel):
                await nodes[1].next_message()  # link events, then the end
            nodes[0].mesh.broadcast(b"on we go")
            assert (await nodes[3].next_message()).message == b"on we go"

    run_trio(body)


def test_slow_reader_is_dropped() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            left, right = await swarm.start_all(2)
            sent = 0
            while left.mesh.send(right.key, bytes(200_000)):  # nobody takes from right's inbox
                sent += 1
                await trio.lowlevel.checkpoint()
                assert sent < 1_000
            down = await left.wait(LinkDown, right.key)
            assert isinstance(down, LinkDown)
            assert "slow reader" in down.reason
            share = LIMITS.member.in_queue_bytes_max + LIMITS.frame_bytes_max
            assert len(right.mesh.inbox) * 200_000 <= share + 200_000

    run_trio(body)


def test_garbage_sender_is_penalised_banned_and_refused() -> None:
    async def body() -> None:
        limits = replace(LIMITS, bad_messages_max=3)
        async with open_swarm(limits) as swarm:
            nodes = await swarm.start_all(2)
            carrier = await swarm.dial_raw(CLIENT, nodes[0].key)
            await nodes[0].wait(LinkUp, CLIENT.key)
            for _ in range(3):
                await carrier.send(b"garbage")
            await carrier.send(pack_messages([b"fine"]))
            assert await nodes[0].next_message() == Inbound(CLIENT.key, b"fine")
            assert not nodes[0].mesh.is_banned(CLIENT.key)
            await carrier.send(b"garbage")
            down = await nodes[0].wait(LinkDown, CLIENT.key)
            assert isinstance(down, LinkDown)
            assert "banned" in down.reason
            assert nodes[0].mesh.is_banned(CLIENT.key)
            with pytest.raises(NetworkError):
                await swarm.dial_raw(CLIENT, nodes[0].key)
            assert nodes[0].mesh.linked() == (nodes[1].key,)
            await carrier.aclose()

    run_trio(body)


def test_penalties_outlive_the_link() -> None:
    async def body() -> None:
        limits = replace(LIMITS, bad_messages_max=3)
        async with open_swarm(limits) as swarm:
            node = (await swarm.start_all(2))[0]
            for _ in range(3):
                assert not node.mesh.penalise(CLIENT.key, "invalid ballot")
                carrier = await swarm.dial_raw(CLIENT, node.key)
                await node.wait(LinkUp, CLIENT.key)
                await carrier.aclose()
                await node.wait(LinkDown, CLIENT.key)
            assert node.mesh.penalise(CLIENT.key, "invalid ballot")
            assert node.mesh.is_banned(CLIENT.key)

    run_trio(body)


def test_ban_ends_and_the_member_is_dialed_again() -> None:
    async def body() -> None:
        limits = replace(LIMITS, bad_messages_max=1)
        async with open_swarm(limits, memory=True) as swarm:
            left, right = await swarm.start_all(2)
            assert not left.mesh.penalise(right.key, "bad signature")
            assert left.mesh.penalise(right.key, "bad signature")
            started = trio.current_time()
            await left.wait(LinkDown, right.key)
            await left.wait(LinkUp, right.key)
            assert limits.ban_s <= trio.current_time() - started <= limits.ban_s + limits.backoff_s_max

    run_virtual(body)


def test_oversize_frame_ends_that_link_only() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            nodes = await swarm.start_all(2)
            swarm.connect = partial(dial, limits=replace(LIMITS, frame_bytes_max=1 << 24))
            carrier = await swarm.dial_raw(CLIENT, nodes[0].key)
            await nodes[0].wait(LinkUp, CLIENT.key)
            with pytest.raises(NetworkError):
                await send_for_ever(carrier, bytes(1 << 23))
            await nodes[0].wait(LinkDown, CLIENT.key)
            assert nodes[0].mesh.linked() == (nodes[1].key,)
            await carrier.aclose()

    run_trio(body)


def test_client_links_to_every_member_and_gets_answers() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            nodes = await swarm.start_all(3)
            client = await swarm.start(CLIENT)
            await client.wait_linked(3)
            for node in nodes:
                await node.wait(LinkUp, CLIENT.key)
                assert not node.mesh.is_member(CLIENT.key)
                assert node.mesh.broadcast(b"for members") == 2
            assert client.mesh.broadcast(b"question") == 3
            for node in nodes:
                while (message := await node.next_message()).key != CLIENT.key:
                    assert message.message == b"for members"
                assert message.message == b"question"
                assert node.mesh.send(CLIENT.key, b"answer")
            answers = [await client.next_message() for _ in nodes]
            assert sorted(answer.key for answer in answers) == [node.key for node in nodes]

    run_trio(body)


def test_clients_leave_room_for_members() -> None:
    async def body() -> None:
        limits = replace(LIMITS, links_client_max=2)
        async with open_swarm(limits) as swarm:
            await swarm.register(PAIRS[0])
            await swarm.register(PAIRS[1])
            node = await swarm.start(PAIRS[1])
            clients = [KeyPair(bytes([0xD0 + index]) * 32) for index in range(3)]
            carriers = [await swarm.dial_raw(client, node.key) for client in clients]
            with pytest.raises(NetworkError):
                await carriers[2].recv()
            await swarm.start(PAIRS[0])
            await node.wait(LinkUp, PAIRS[0].key)
            assert len(node.mesh.linked()) == 3
            for carrier in carriers:
                await carrier.aclose()

    run_trio(body)


def test_newer_link_of_a_member_replaces_the_older() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            swarm.members[PAIRS[0].key] = None  # a member that dials, and whose older link may be a shadow
            await swarm.register(PAIRS[1])
            node = await swarm.start(PAIRS[1])
            old = await swarm.dial_raw(PAIRS[0], node.key)
            await node.wait(LinkUp, PAIRS[0].key)
            new = await swarm.dial_raw(PAIRS[0], node.key)
            down = await node.wait(LinkDown, PAIRS[0].key)
            assert isinstance(down, LinkDown)
            assert "newer" in down.reason
            await node.wait(LinkUp, PAIRS[0].key)
            with pytest.raises(NetworkError):
                await old.recv()
            await new.send(pack_messages([b"hello"]))
            assert await node.next_message() == Inbound(PAIRS[0].key, b"hello")
            await old.aclose()
            await new.aclose()

    run_trio(body)


def test_two_clients_under_one_key_do_not_take_each_others_links() -> None:
    async def body() -> None:
        async with open_swarm(memory=True) as swarm:
            nodes = await swarm.start_all(2)
            first = await swarm.start(CLIENT)
            await first.wait_linked(2)
            second = await swarm.start(CLIENT)
            await trio.sleep(300.0)
            ups = [event for event in first.events if isinstance(event, LinkUp)]
            while len(first.mesh.inbox):
                ups += [event for event in [first.mesh.inbox.receive_nowait()] if isinstance(event, LinkUp)]
            assert len(ups) == 2
            assert first.mesh.linked() == tuple(node.key for node in nodes)
            first.scope.cancel()
            while second.mesh.linked() != tuple(node.key for node in nodes):
                await trio.sleep(1.0)  # of the mock clock

    run_virtual(body)


def test_client_that_fell_silent_gives_way_to_another_under_its_key() -> None:
    async def body() -> None:
        async with open_swarm(memory=True) as swarm:
            node = (await swarm.start_all(2))[0]
            old = await swarm.dial_raw(CLIENT, node.key)
            await node.wait(LinkUp, CLIENT.key)
            refused = await swarm.dial_raw(CLIENT, node.key)
            with pytest.raises(NetworkError):
                await refused.recv()
            await trio.sleep(2 * LIMITS.keepalive_s)
            new = await swarm.dial_raw(CLIENT, node.key)
            await node.wait(LinkDown, CLIENT.key)
            await node.wait(LinkUp, CLIENT.key)
            await new.send(pack_messages([b"hello"]))
            assert await node.next_message() == Inbound(CLIENT.key, b"hello")
            for carrier in (old, refused, new):
                await carrier.aclose()

    run_virtual(body)


def test_of_two_links_of_a_pair_the_lower_keys_stays() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            low, high = await swarm.start_all(2)
            carrier = await swarm.dial_raw(PAIRS[1], low.key)  # the higher key dials, against the rule
            with pytest.raises(NetworkError):
                await carrier.recv()
            assert low.mesh.send(high.key, b"first link")
            assert await high.next_message() == Inbound(low.key, b"first link")
            assert [type(event) for event in low.events] == [LinkUp]
            await carrier.aclose()

    run_trio(body)


def test_failed_dials_are_reported_with_both_network_ids() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            swarm.members[PAIRS[0].key] = None
            await swarm.register(PAIRS[1])
            await swarm.start(PAIRS[1])
            stranger = Node(
                Mesh(
                    signer=PAIRS[0],
                    network_id=OTHER_NETWORK,
                    members=swarm.members,
                    limits=LIMITS,
                    connect=swarm.connect,
                ),
                PAIRS[0].key,
            )
            await swarm.nursery.start(stranger.run)
            failed = await stranger.wait(DialFailed, PAIRS[1].key)
            assert isinstance(failed, DialFailed)
            assert NETWORK.hex() in failed.reason
            assert OTHER_NETWORK.hex() in failed.reason

    run_trio(body)


def test_unusable_url_of_one_member_leaves_the_others_linked() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            await swarm.register(PAIRS[0])
            await swarm.register(PAIRS[1])
            swarm.members[PAIRS[2].key] = "http://not.ours:1"
            await swarm.start(PAIRS[1])
            node = await swarm.start(PAIRS[0])
            failed = await node.wait(DialFailed, PAIRS[2].key)
            assert isinstance(failed, DialFailed)
            assert "wss://HOST:PORT" in failed.reason
            await node.wait_linked(1)

    run_trio(body)


# Time, virtual.


def test_silent_link_is_dropped_and_a_kept_alive_one_is_not() -> None:
    async def body() -> None:
        async with open_swarm(memory=True) as swarm:
            left, right = await swarm.start_all(2)
            silent = await swarm.dial_raw(CLIENT, left.key)
            await left.wait(LinkUp, CLIENT.key)
            started = trio.current_time()
            down = await left.wait(LinkDown, CLIENT.key)
            assert isinstance(down, LinkDown)
            assert "silent" in down.reason
            assert trio.current_time() - started <= LIMITS.idle_timeout_s + LIMITS.keepalive_s
            await trio.sleep(1000)
            assert left.mesh.linked() == (right.key,)
            assert await silent.recv() == pack_messages([])
            assert [type(event) for event in right.events] == [LinkUp]

    run_virtual(body)


def test_link_that_takes_no_frame_is_dropped() -> None:
    async def body() -> None:
        async with open_swarm(memory=True) as swarm:
            node = (await swarm.start_all(2))[0]
            stuck = await swarm.dial_raw(CLIENT, node.key)
            await node.wait(LinkUp, CLIENT.key)

            async def chatter() -> None:
                while True:
                    await stuck.send(pack_messages([]))
                    await trio.sleep(1)

            swarm.nursery.start_soon(chatter)
            for _ in range(8):
                assert node.mesh.send(CLIENT.key, bytes(200_000))
                await trio.testing.wait_all_tasks_blocked()
            down = await node.wait(LinkDown, CLIENT.key)
            assert isinstance(down, LinkDown)
            assert "took no frame" in down.reason
            swarm.nursery.cancel_scope.cancel()

    run_virtual(body)


def test_flood_is_slowed_to_the_links_rate() -> None:
    async def body() -> None:
        limits = replace(LIMITS, client=replace(LIMITS.client, messages_per_s=10.0, messages_burst=20))
        async with open_swarm(limits, memory=True) as swarm:
            node = (await swarm.start_all(2))[0]
            flooder = await swarm.dial_raw(CLIENT, node.key)

            async def flood() -> None:
                with pytest.raises(NetworkError):
                    await send_for_ever(flooder, pack_messages([b"x"]))

            swarm.nursery.start_soon(flood)
            started = trio.current_time()
            for _ in range(120):
                await node.next_message()
            assert trio.current_time() - started == pytest.approx(10.0, abs=0.5)
            node.mesh.close_link(CLIENT.key)
            await node.wait(LinkDown, CLIENT.key)

    run_virtual(body)


def test_flooder_does_not_keep_the_others_out_of_the_inbox() -> None:
    async def body() -> None:
        async with open_swarm(memory=True) as swarm:
            left, right = await swarm.start_all(2)
            flooder = await swarm.dial_raw(CLIENT, left.key)

            async def flood() -> None:
                with pytest.raises(NetworkError):
                    await send_for_ever(flooder, pack_messages([b"x"] * 10))

            swarm.nursery.start_soon(flood)
            await trio.testing.wait_all_tasks_blocked()
            assert len(left.mesh.inbox) <= LIMITS.client.in_queue_messages_max + 10 + 3
            assert right.mesh.send(left.key, b"vote")
            await trio.testing.wait_all_tasks_blocked()
            while (await left.next_message()).message != b"vote":
                pass
            left.mesh.close_link(CLIENT.key)
            await left.wait(LinkDown, CLIENT.key)

    run_virtual(body)


def test_absent_peer_is_dialed_at_growing_intervals() -> None:
    async def body() -> None:
        async with open_swarm(memory=True) as swarm:
            await swarm.register(PAIRS[0])
            swarm.members[PAIRS[1].key] = "memory://nowhere"
            node = await swarm.start(PAIRS[0])
            times: list[float] = []
            for _ in range(12):
                await node.wait(DialFailed, PAIRS[1].key)
                times.append(trio.current_time())
            gaps = [after - before for before, after in pairwise(times)]
            expected = [compute_backoff_s(LIMITS, attempt, 0.5) for attempt in range(11)]
            assert gaps == pytest.approx(expected)
            assert gaps[-1] == pytest.approx(LIMITS.backoff_s_max * 0.75)

    run_virtual(body)


# Pure parts.


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_is_bounded(attempt: int, jitter: float) -> None:
    wait = compute_backoff_s(LIMITS, attempt, jitter)
    assert LIMITS.backoff_s_min / 2 <= wait <= LIMITS.backoff_s_max


@given(st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)))
def test_every_reachable_pair_is_dialed_and_once_if_both_are(members: set[int], dialable: set[int]) -> None:
    table = {PAIRS[index].key: "url" if index in dialable else None for index in sorted(members)}
    dialed = {key: compute_dialed(key, table) for key in table}
    for key, other in combinations(table, 2):
        directions = (other in dialed[key]) + (key in dialed[other])
        assert directions == bool(table[key] or table[other])
    assert sorted(compute_dialed(CLIENT.key, table)) == sorted(key for key in table if table[key])


def test_member_key_of_wrong_length_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="5 bytes"):
        compute_dialed(CLIENT.key, {PeerKey(b"short"): None})


def test_token_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    bucket = TokenBucket(per_s=10.0, burst=100, now=0.0)
    assert bucket.compute_wait_s(100, 0.0) == 0.0
    assert bucket.compute_wait_s(5, 0.0) == pytest.approx(0.5)
    assert bucket.compute_wait_s(0, 0.5) == pytest.approx(0.0)
    assert bucket.compute_wait_s(100, 1_000.0) == 0.0
    assert bucket.compute_wait_s(1, 1_000.0) == pytest.approx(0.1)


def test_penalty_box_forgives_with_time_and_remembers_a_bounded_number_of_keys() -> None:
    limits = replace(LIMITS, bad_messages_max=2, ban_s=100.0, penalised_keys_max=3)
    box = PenaltyBox(limits)
    key = CLIENT.key
    assert not box.note_bad(key, 0.0)
    assert not box.note_bad(key, 0.0)
    assert not box.note_bad(key, 50.0)  # one of two forgiven after half of ban_s
    assert box.note_bad(key, 50.0)
    assert box.is_banned(key, 149.0)
    assert not box.is_banned(key, 150.0)
    assert box.note_bad(key, 50.0)
    for pair in PAIRS[:3]:
        box.note_bad(pair.key, 60.0)
    assert not box.is_banned(key, 61.0)


def test_member_limits_let_a_committee_burst_through() -> None:
    member: LinkLimits = EdgeLimits().member
    assert member.messages_burst >= 31 * 31 * 4
    assert member.out_queue_messages_max >= 31 * 31 * 2
