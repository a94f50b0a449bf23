"""Pairs of carriers of every kind, and raw connections to a listener for saying what no library would."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Protocol

import trio

from consensus.errors import NetworkError
from swarm.edge.limits import EdgeLimits
from swarm.edge.memory_transport import open_memory_pair
from swarm.edge.network_urls import parse_url
from swarm.edge.tls import TlsIdentity
from swarm.edge.transport import Carrier
from swarm.edge.websocket import dial, serve

LIMITS = EdgeLimits(frame_bytes_max=4096, handshake_timeout_s=2.0, close_timeout_s=0.3)
LOOPBACK = "127.0.0.1"
DEADLINE_S = 20.0
TLS = TlsIdentity.create()
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


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
    left: EdgeLimits = LIMITS, right: EdgeLimits = LIMITS, *, tls: TlsIdentity | None = None
) -> AsyncIterator[tuple[Carrier, Carrier]]:
    accepted: list[Carrier] = []
    is_accepted, is_over = trio.Event(), trio.Event()

    async def hold(carrier: Carrier) -> None:
        accepted.append(carrier)
        is_accepted.set()
        await is_over.wait()

    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(serve, hold, LOOPBACK, 0, limits=right, tls=tls))
        carrier = await dial(nursery, url, limits=left)
        await is_accepted.wait()
        yield carrier, accepted[0]
        await carrier.aclose()
        is_over.set()
        nursery.cancel_scope.cancel()


def tls_pair(
    left: EdgeLimits = LIMITS, right: EdgeLimits = LIMITS
) -> AbstractAsyncContextManager[tuple[Carrier, Carrier]]:
    return websocket_pair(left, right, tls=TLS)


PAIRS: dict[str, Pair] = {"memory": memory_pair, "websocket": websocket_pair, "tls": tls_pair}


def run_trio(body: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(DEADLINE_S):
            await body()

    trio.run(bounded)


async def send_for_ever(carrier: Carrier) -> None:
    while True:
        await carrier.send(bytes(4096))


async def send_raw_for_ever(stream: trio.abc.Stream, data: bytes) -> None:
    while True:
        await stream.send_all(data)


async def recv_whole_for_ever(carrier: Carrier) -> None:
    while True:
        assert await carrier.recv() == bytes(4096)


async def echo_forever(carrier: Carrier) -> None:
    try:
        while True:
            await carrier.send(await carrier.recv())
    except NetworkError:
        return


async def assert_serving(nursery: trio.Nursery, url: str, limits: EdgeLimits = LIMITS) -> None:
    carrier = await dial(nursery, url, limits=limits)
    await carrier.send(b"hello")
    assert await carrier.recv() == b"hello"
    await carrier.aclose()


def make_client_context() -> ssl.SSLContext:
    """Return what a stranger's TLS library would bring: any version, no questions."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def connect_socket(url: str, source: str = LOOPBACK) -> trio.SocketStream:
    return await trio.open_tcp_stream(LOOPBACK, parse_url(url).port, local_address=source)


async def connect_raw(url: str, source: str = LOOPBACK) -> trio.abc.Stream:
    """Return a stream to what is at `url`, under TLS if it says so, with no WebSocket yet."""
    socket = await connect_socket(url, source)
    if not parse_url(url).is_secure:
        return socket
    stream = trio.SSLStream(socket, make_client_context(), https_compatible=True)
    await stream.do_handshake()
    return stream


async def upgrade_raw(url: str, source: str = LOOPBACK) -> trio.abc.Stream:
    """Return a stream whose WebSocket upgrade is done, for sending what no library would."""
    stream = await connect_raw(url, source)
    await stream.send_all(UPGRADE + b"\r\n")
    assert bytes(await stream.receive_some()).startswith(b"HTTP/1.1 101")
    return stream


async def recv_until_closed(stream: trio.abc.Stream) -> bytes:
    """Return what still comes; a reset is an end as good as any."""
    received = bytearray()
    try:
        while data := await stream.receive_some():
            received += data
    except trio.BrokenResourceError:
        return bytes(received)
    return bytes(received)
