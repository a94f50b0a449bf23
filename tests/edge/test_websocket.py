"""What is particular to WebSockets: addresses, strangers' bytes, silence; each plain and under TLS."""

import socket
from dataclasses import replace
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.errors import ConfigError, NetworkError, PeerError
from swarm.edge.memory_transport import MemoryNetwork
from swarm.edge.tls import TlsIdentity
from swarm.edge.transport import Carrier
from swarm.edge.websocket import dial, open_listener, serve
from tests.edge.carriers import (
    LIMITS,
    LOOPBACK,
    TLS,
    UPGRADE,
    assert_serving,
    connect_raw,
    connect_socket,
    echo_forever,
    recv_until_closed,
    run_trio,
    send_raw_for_ever,
    upgrade_raw,
)


@pytest.fixture(params=[None, TLS], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> TlsIdentity | None:
    identity: TlsIdentity | None = request.param
    return identity


def test_port_in_use_is_a_config_error_with_a_remedy() -> None:
    async def body() -> None:
        first = await open_listener(LOOPBACK, 0, limits=LIMITS)
        port = int(first.url.rsplit(":", 1)[1])
        assert port > 0
        with pytest.raises(ConfigError, match="in use") as caught:
            await open_listener(LOOPBACK, port, limits=LIMITS)
        assert "another port" in caught.value.remedy
        await first.aclose()

    run_trio(body)


def test_addresses_other_machines_reach_are_refused_unless_called_unsafe() -> None:
    async def body() -> None:
        with pytest.raises(ConfigError, match=r"0\.0\.0\.0"):
            await open_listener("0.0.0.0", 0, limits=LIMITS)
        listener = await open_listener("0.0.0.0", 0, limits=LIMITS, unsafe_plaintext=True)
        await listener.aclose()
        secure = await open_listener("0.0.0.0", 0, limits=LIMITS, tls=TLS)
        assert secure.url.startswith("wss://0.0.0.0:")
        await secure.aclose()
        async with trio.open_nursery() as nursery:
            with pytest.raises(ConfigError, match=r"example\.org"):
                await dial(nursery, "ws://example.org:80", limits=LIMITS)

    run_trio(body)


@pytest.mark.parametrize(
    "url", ["", "ws://", "ws://127.0.0.1", "http://127.0.0.1:1", "wss://127.0.0.1:1/path", "ws://[::1"]
)
def test_unusable_url_is_a_config_error(url: str) -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            with pytest.raises(ConfigError, match=r"wss://HOST:PORT|no URL"):
                await dial(nursery, url, limits=LIMITS)

    run_trio(body)


def test_nobody_listening_is_a_network_error() -> None:
    async def body() -> None:
        listener = await open_listener(LOOPBACK, 0, limits=LIMITS)
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


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno!",
        b"SSH-2.0-OpenSSH_9.7\r\n",
        bytes(range(256)) * 300,
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x16\x03\x03\xff\xff" + bytes(70_000),
    ],
    ids=range(7),
)
def test_dialing_something_else_fails_at_once(reply: bytes, scheme: str) -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
            nursery.start_soon(trio.serve_listeners, partial(answer_with, reply), listeners)
            port = listeners[0].socket.getsockname()[1]
            with trio.fail_after(1.0), pytest.raises(NetworkError, match="could not connect") as caught:
                await dial(nursery, f"{scheme}://{LOOPBACK}:{port}", limits=LIMITS)
            assert "wss://" in caught.value.remedy
            nursery.cancel_scope.cancel()

    run_trio(body)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_silent_server_is_given_up_after_the_deadline(scheme: str) -> None:
    async def body() -> None:
        limits = replace(LIMITS, handshake_timeout_s=0.2)
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
            port = listeners[0].socket.getsockname()[1]
            with pytest.raises(NetworkError, match=r"within 0\.2 s"):
                await dial(nursery, f"{scheme}://{LOOPBACK}:{port}", limits=limits)
            await listeners[0].aclose()

    run_trio(body)


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


async def throw(url: str, data: bytes) -> None:
    """Send raw bytes and hang up once the server does, or after a moment."""
    head = UPGRADE + b"\r\n"
    is_upgraded = data.startswith(head)
    stream = await (upgrade_raw(url) if is_upgraded else connect_raw(url))
    async with stream:
        with trio.move_on_after(0.05):
            try:
                await stream.send_all(data[len(head) :] if is_upgraded else data)
            except trio.BrokenResourceError:
                return
            await recv_until_closed(stream)


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_server_survives_hostile_bytes(data: bytes, tls: TlsIdentity | None) -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, LOOPBACK, 0, limits=LIMITS, tls=tls))
            await throw(url, data)
            await assert_serving(nursery, url)
            nursery.cancel_scope.cancel()

    run_trio(body)


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.booleans(), st.lists(st.binary(max_size=200), min_size=1, max_size=30))
def test_server_survives_random_bytes(is_upgraded: bool, is_secure: bool, datas: list[bytes]) -> None:
    tls = TLS if is_secure else None

    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, LOOPBACK, 0, limits=LIMITS, tls=tls))
            async with trio.open_nursery() as throwers:
                for data in datas:
                    throwers.start_soon(throw, url, (UPGRADE + b"\r\n" if is_upgraded else b"") + data)
            await assert_serving(nursery, url)
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_endless_empty_fragments_end_the_link(tls: TlsIdentity | None) -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, LOOPBACK, 0, limits=LIMITS, tls=tls))
            stream = await upgrade_raw(url)
            async with stream:
                await stream.send_all(b"\x02\x80abcd")
                with pytest.raises(trio.BrokenResourceError):
                    await send_raw_for_ever(stream, b"\x00\x80abcd" * 1000)
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_web_pages_are_refused(tls: TlsIdentity | None) -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, LOOPBACK, 0, limits=LIMITS, tls=tls))
            stream = await connect_raw(url)
            async with stream:
                await stream.send_all(UPGRADE + b"Origin: https://evil.example\r\n\r\n")
                assert (await recv_until_closed(stream)).startswith(b"HTTP/1.1 403")
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_text_frame_is_the_peers_fault_and_the_link_lives_on(tls: TlsIdentity | None) -> None:
    async def body() -> None:
        outcomes: list[str] = []

        async def handler(carrier: Carrier) -> None:
            try:
                await carrier.recv()
            except PeerError as exc:
                outcomes.append(exc.message)
            outcomes.append((await carrier.recv()).decode())

        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, handler, LOOPBACK, 0, limits=LIMITS, tls=tls))
            stream = await upgrade_raw(url)
            async with stream:
                await stream.send_all(b"\x81\x84\0\0\0\0text" + b"\x82\x86\0\0\0\0binary")
                await recv_until_closed(stream)
            assert outcomes == ["got a text frame, expected a binary one", "binary"]
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_silent_connections_are_bounded_and_time_out(tls: TlsIdentity | None) -> None:
    async def body() -> None:
        limits = replace(LIMITS, unauthenticated_max=3, handshake_timeout_s=0.3)
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, LOOPBACK, 0, limits=limits, tls=tls))
            silent = [await connect_socket(url) for _ in range(3)]
            await trio.testing.wait_all_tasks_blocked(0.01)
            extra = await connect_socket(url)
            assert await extra.receive_some() == b""  # refused at once
            for stream in silent:
                assert await stream.receive_some() == b""  # given up after the deadline
            await assert_serving(nursery, url)
            for stream in [*silent, extra]:
                await stream.aclose()
            nursery.cancel_scope.cancel()

    run_trio(body)


def reset(stream: trio.abc.Stream) -> None:
    """Reset the connection, as a killed process does."""
    inner = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    assert isinstance(inner, trio.SocketStream)
    inner.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    inner.socket.close()


def test_peer_whose_socket_dies_is_seen_as_a_network_error(tls: TlsIdentity | None) -> None:
    async def body() -> None:
        ended: list[str] = []

        async def handler(carrier: Carrier) -> None:
            with pytest.raises(NetworkError) as caught:
                await carrier.recv()
            ended.append(caught.value.message)

        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, handler, LOOPBACK, 0, limits=LIMITS, tls=tls))
            reset(await upgrade_raw(url))
            while not ended:
                await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()

    run_trio(body)
