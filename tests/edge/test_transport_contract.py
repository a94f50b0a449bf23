"""One suite for every carrier, then what is particular to WebSockets, and the fuzzed frame format."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Protocol

import msgspec
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.errors import ConfigError, LimitExceeded, NetworkError, PeerError
from swarm.edge.limits import EdgeLimits
from swarm.edge.memory_transport import MemoryNetwork, open_memory_pair
from swarm.edge.transport import Carrier, pack_messages, unpack_messages
from swarm.edge.websocket import dial, open_listener, serve

LIMITS = EdgeLimits(frame_bytes_max=4096, handshake_timeout_s=2.0, close_timeout_s=0.3)
DEADLINE_S = 20.0


class Pair(Protocol):
    """Opens both ends of a link, each with its own limits."""

    def __call__(
        self, left: EdgeLimits = LIMITS, right: EdgeLimits = LIMITS
    ) -> AbstractAsyncContextManager[tuple[Carrier, Carrier]]: ...


@asynccontextmanager
async def memory_pair(
    left: EdgeLimits = LIMITS, right: EdgeLimits = LIMITS
) -> AsyncIterator[tuple[Carrier, Carrier]]:
    pair = open_memory_pair(left, right)
    yield pair.left, pair.right
    await pair.left.aclose()
    await pair.right.aclose()


@asynccontextmanager
async def websocket_pair(
    left: EdgeLimits = LIMITS, right: EdgeLimits = LIMITS
) -> AsyncIterator[tuple[Carrier, Carrier]]:
    accepted: list[Carrier] = []
    is_accepted, is_over = trio.Event(), trio.Event()

    async def hold(carrier: Carrier) -> None:
        accepted.append(carrier)
        is_accepted.set()
        await is_over.wait()

    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(serve, hold, "127.0.0.1", 0, limits=right))
        carrier = await dial(nursery, url, limits=left)
        await is_accepted.wait()
        yield carrier, accepted[0]
        await carrier.aclose()
        is_over.set()
        nursery.cancel_scope.cancel()


@pytest.fixture(params=[memory_pair, websocket_pair], ids=["memory", "websocket"])
def open_pair(request: pytest.FixtureRequest) -> Pair:
    pair: Pair = request.param
    return pair


def run_trio(body: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(DEADLINE_S):
            await body()

    trio.run(bounded)


async def send_for_ever(carrier: Carrier) -> None:
    while True:
        await carrier.send(bytes(4096))


async def recv_whole_for_ever(carrier: Carrier) -> None:
    while True:
        assert await carrier.recv() == bytes(4096)


async def send_raw_for_ever(stream: trio.SocketStream, data: bytes) -> None:
    while True:
        await stream.send_all(data)


def test_frames_arrive_whole_and_in_order_both_ways(open_pair: Pair) -> None:
    frames = [bytes([index]) * (index * 37 + 1) for index in range(100)]

    async def push(carrier: Carrier) -> None:
        for frame in frames:
            await carrier.send(frame)

    async def body() -> None:
        async with open_pair() as (left, right), trio.open_nursery() as nursery:
            nursery.start_soon(push, left)
            nursery.start_soon(push, right)
            assert [await right.recv() for _ in frames] == frames
            assert [await left.recv() for _ in frames] == frames

    run_trio(body)


def test_echo_of_the_longest_frame(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right):
            frame = b"\xff" * LIMITS.frame_bytes_max
            await left.send(frame)
            await right.send(await right.recv())
            assert await left.recv() == frame

    run_trio(body)


def test_sender_refuses_a_frame_beyond_its_limit_and_lives_on(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right):
            with pytest.raises(LimitExceeded, match="4097"):
                await left.send(b"x" * 4097)
            await left.send(b"still here")
            assert await right.recv() == b"still here"

    run_trio(body)


def test_receiver_ends_the_link_on_a_frame_beyond_its_limit(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair(left=replace(LIMITS, frame_bytes_max=1 << 20)) as (left, right):
            await left.send(b"x" * 100_000)
            with pytest.raises(NetworkError):
                await right.recv()
            with pytest.raises(NetworkError):
                await left.recv()

    run_trio(body)


def test_frames_sent_before_a_close_still_arrive_then_the_close_is_seen(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right), trio.open_nursery() as nursery:
            await left.send(b"one")
            await left.send(b"two")
            nursery.start_soon(left.aclose)
            assert await right.recv() == b"one"
            assert await right.recv() == b"two"
            with pytest.raises(NetworkError):
                await right.recv()
            with pytest.raises(NetworkError):
                await send_for_ever(right)  # a socket may take a frame or two before it learns

    run_trio(body)


def test_closed_end_neither_sends_nor_receives_and_closes_again(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, _):
            await left.aclose()
            await left.aclose()
            with pytest.raises(NetworkError):
                await left.send(b"late")
            with pytest.raises(NetworkError):
                await left.recv()

    run_trio(body)


def test_waiting_receiver_learns_of_the_close(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right):
            seen: list[str] = []

            async def wait(carrier: Carrier) -> None:
                with pytest.raises(NetworkError):
                    await carrier.recv()
                seen.append("closed")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait, right)
                nursery.start_soon(wait, left)
                await trio.testing.wait_all_tasks_blocked(0.01)
                await left.aclose()
            assert seen == ["closed", "closed"]

    run_trio(body)


def test_sender_waits_for_a_slow_reader(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right):
            sent = 0
            with trio.move_on_after(0.3) as scope:
                while sent < 100_000:
                    await left.send(bytes(4096))
                    sent += 1
            assert scope.cancelled_caught
            assert sent < 100_000
            assert await right.recv() == bytes(4096)

    run_trio(body)


def test_cancelled_recv_loses_no_frame(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right):
            for index in range(200):
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await right.recv()
                with trio.move_on_after(0.0005):
                    await right.recv()
                await left.send(b"%d" % index)
                assert await right.recv() == b"%d" % index

    run_trio(body)


def test_send_cancelled_halfway_kills_the_link(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right):
            with trio.move_on_after(0.2) as scope:
                await send_for_ever(left)
            assert scope.cancelled_caught
            with trio.fail_after(LIMITS.close_timeout_s + 1.0):
                await left.aclose()
            with pytest.raises(NetworkError):
                await recv_whole_for_ever(right)

    run_trio(body)


def test_both_directions_at_once_under_load(open_pair: Pair) -> None:
    async def echo(carrier: Carrier) -> None:
        try:
            while True:
                await carrier.send(await carrier.recv())
        except NetworkError:
            return

    async def push(carrier: Carrier) -> None:
        for index in range(300):
            await carrier.send(b"%d" % index)

    async def body() -> None:
        async with open_pair() as (left, right), trio.open_nursery() as nursery:
            nursery.start_soon(echo, right)
            nursery.start_soon(push, left)
            assert [await left.recv() for _ in range(300)] == [b"%d" % index for index in range(300)]
            await left.aclose()

    run_trio(body)


def test_close_beside_a_peer_that_never_reads_is_bounded(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, _):
            with trio.move_on_after(0.2):
                await send_for_ever(left)
            started = trio.current_time()
            await left.aclose()
            assert trio.current_time() - started < LIMITS.close_timeout_s + 0.5

    run_trio(body)


# WebSockets in particular.


def test_port_in_use_is_a_config_error_with_a_remedy() -> None:
    async def body() -> None:
        first = await open_listener("127.0.0.1", 0, limits=LIMITS)
        port = int(first.url.rsplit(":", 1)[1])
        assert port > 0
        with pytest.raises(ConfigError, match="in use") as caught:
            await open_listener("127.0.0.1", port, limits=LIMITS)
        assert "another port" in caught.value.remedy
        await first.aclose()

    run_trio(body)


def test_addresses_other_machines_reach_are_refused_unless_called_unsafe() -> None:
    async def body() -> None:
        with pytest.raises(ConfigError, match=r"0\.0\.0\.0"):
            await open_listener("0.0.0.0", 0, limits=LIMITS)
        listener = await open_listener("0.0.0.0", 0, limits=LIMITS, unsafe_plaintext=True)
        await listener.aclose()
        async with trio.open_nursery() as nursery:
            with pytest.raises(ConfigError, match=r"example\.org"):
                await dial(nursery, "ws://example.org:80", limits=LIMITS)

    run_trio(body)


@pytest.mark.parametrize(
    "url", ["", "ws://", "ws://127.0.0.1", "http://127.0.0.1:1", "wss://127.0.0.1:1", "ws://[::1"]
)
def test_unusable_url_is_a_config_error(url: str) -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            with pytest.raises(ConfigError, match=r"HOST:PORT|no URL|no TLS"):
                await dial(nursery, url, limits=LIMITS)

    run_trio(body)


def test_nobody_listening_is_a_network_error() -> None:
    async def body() -> None:
        listener = await open_listener("127.0.0.1", 0, limits=LIMITS)
        await listener.aclose()
        async with trio.open_nursery() as nursery:
            with pytest.raises(NetworkError, match="could not connect"):
                await dial(nursery, listener.url, limits=LIMITS)
            with pytest.raises(NetworkError, match="nobody"):
                await MemoryNetwork(LIMITS).connect(nursery, "memory://nowhere")

    run_trio(body)


async def answer_with(reply: bytes, stream: trio.SocketStream) -> None:
    async with stream:
        await stream.receive_some()
        await stream.send_all(reply)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno!",
        b"SSH-2.0-OpenSSH_9.7\r\n",
        bytes(range(256)) * 300,
    ],
)
def test_dialing_something_else_fails_at_once(reply: bytes) -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, partial(answer_with, reply), listeners)
            port = listeners[0].socket.getsockname()[1]
            with trio.fail_after(1.0), pytest.raises(NetworkError):
                await dial(nursery, f"ws://127.0.0.1:{port}", limits=LIMITS)
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_silent_server_is_given_up_after_the_deadline() -> None:
    async def body() -> None:
        limits = replace(LIMITS, handshake_timeout_s=0.2)
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            port = listeners[0].socket.getsockname()[1]
            with pytest.raises(NetworkError, match=r"within 0\.2 s"):
                await dial(nursery, f"ws://127.0.0.1:{port}", limits=limits)
            await listeners[0].aclose()

    run_trio(body)


async def echo_forever(carrier: Carrier) -> None:
    try:
        while True:
            await carrier.send(await carrier.recv())
    except NetworkError:
        return


async def assert_serving(nursery: trio.Nursery, url: str) -> None:
    carrier = await dial(nursery, url, limits=LIMITS)
    await carrier.send(b"hello")
    assert await carrier.recv() == b"hello"
    await carrier.aclose()


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
HOSTILE = [
    b"",
    b"\x00" * 100,
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: \xff\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"A" * 100_000,
    UPGRADE,
    UPGRADE + b"Sec-WebSocket-Extensions: permessage-deflate; \xff\r\n\r\n",
    UPGRADE + b"Sec-WebSocket-Protocol: \xff\xfe\r\n\r\n",
    UPGRADE + b"\r\n" + b"\xff" * 50,
    UPGRADE + b"\r\n" + b"\x82\xff" + b"\xff" * 20,
    UPGRADE + b"\r\n" + b"\x88\x80abcd" + b"\x89\x80abcd",
    UPGRADE + b"\r\n" + b"\x88\x81abcd\x00",
    UPGRADE + b"\r\n" + b"\x81\x82abcd\x9e\x9e",
    UPGRADE + b"\r\n" + b"\x00\x80abcd",
    UPGRADE + b"\r\n" + b"\x82\x00",
    UPGRADE + b"\r\n" + UPGRADE + b"\r\n",
]


async def connect_raw(url: str) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", int(url.rsplit(":", 1)[1]))


async def upgrade_raw(url: str) -> trio.SocketStream:
    """Return a socket whose WebSocket upgrade is done, for sending what no library would."""
    stream = await connect_raw(url)
    await stream.send_all(UPGRADE + b"\r\n")
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
    return stream


async def throw(url: str, data: bytes) -> None:
    """Send raw bytes and hang up once the server does, or after a moment."""
    head = UPGRADE + b"\r\n"
    is_upgraded = data.startswith(head)
    stream = await (upgrade_raw(url) if is_upgraded else connect_raw(url))
    async with stream:
        with trio.move_on_after(0.05):
            try:
                await stream.send_all(data[len(head) :] if is_upgraded else data)
                while await stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                return


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_server_survives_hostile_bytes(data: bytes) -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, "127.0.0.1", 0, limits=LIMITS))
            await throw(url, data)
            await assert_serving(nursery, url)
            nursery.cancel_scope.cancel()

    run_trio(body)


@settings(max_examples=30, deadline=None)
@given(st.booleans(), st.lists(st.binary(max_size=200), min_size=1, max_size=30))
def test_server_survives_random_bytes(is_upgraded: bool, datas: list[bytes]) -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, "127.0.0.1", 0, limits=LIMITS))
            async with trio.open_nursery() as throwers:
                for data in datas:
                    throwers.start_soon(throw, url, (UPGRADE + b"\r\n" if is_upgraded else b"") + data)
            await assert_serving(nursery, url)
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_endless_empty_fragments_end_the_link() -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, "127.0.0.1", 0, limits=LIMITS))
            stream = await upgrade_raw(url)
            async with stream:
                await stream.send_all(b"\x02\x80abcd")
                with pytest.raises(trio.BrokenResourceError):
                    await send_raw_for_ever(stream, b"\x00\x80abcd" * 1000)
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_web_pages_are_refused() -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, "127.0.0.1", 0, limits=LIMITS))
            stream = await connect_raw(url)
            async with stream:
                await stream.send_all(UPGRADE + b"Origin: https://evil.example\r\n\r\n")
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 403")
                assert await stream.receive_some() == b""
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_text_frame_is_the_peers_fault_and_the_link_lives_on() -> None:
    async def body() -> None:
        outcomes: list[str] = []

        async def handler(carrier: Carrier) -> None:
            try:
                await carrier.recv()
            except PeerError as exc:
                outcomes.append(exc.message)
            outcomes.append((await carrier.recv()).decode())

        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, handler, "127.0.0.1", 0, limits=LIMITS))
            stream = await upgrade_raw(url)
            async with stream:
                await stream.send_all(b"\x81\x84\0\0\0\0text" + b"\x82\x86\0\0\0\0binary")
                while await stream.receive_some():
                    pass
            assert outcomes == ["got a text frame, expected a binary one", "binary"]
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_silent_connections_are_bounded_and_time_out() -> None:
    async def body() -> None:
        limits = replace(LIMITS, unauthenticated_max=3, handshake_timeout_s=0.3)
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, "127.0.0.1", 0, limits=limits))
            port = int(url.rsplit(":", 1)[1])
            silent = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(3)]
            await trio.testing.wait_all_tasks_blocked(0.01)
            extra = await trio.open_tcp_stream("127.0.0.1", port)
            assert await extra.receive_some() == b""  # refused at once
            for stream in silent:
                assert await stream.receive_some() == b""  # given up after the deadline
            await assert_serving(nursery, url)
            for stream in [*silent, extra]:
                await stream.aclose()
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_peer_whose_socket_dies_is_seen_as_a_network_error() -> None:
    async def body() -> None:
        ended: list[str] = []

        async def handler(carrier: Carrier) -> None:
            with pytest.raises(NetworkError) as caught:
                await carrier.recv()
            ended.append(caught.value.message)

        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, handler, "127.0.0.1", 0, limits=LIMITS))
            stream = await upgrade_raw(url)
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            await stream.aclose()  # resets the connection, as a killed process does
            while not ended:
                await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()

    run_trio(body)


# The frame format.


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
