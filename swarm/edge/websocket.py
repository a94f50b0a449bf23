"""The WebSocket carrier: dialing, listening, and its sharp edges.

trio-websocket has three of them, each blunted here: a send cancelled half-way desynchronises the
stream (the carrier is dead afterwards), a close waits for a stuck peer (bounded), and its reader may
raise on hostile bytes (contained, it ends that connection only). Foreign exceptions (trio,
trio-websocket, sockets) become `NetworkError` here and nowhere else.
"""

import errno
import ipaddress
import os
from collections.abc import Awaitable, Callable
from typing import cast

import h11
import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
    wrap_server_stream,
)
from wsproto.utilities import ProtocolError

from consensus.errors import ConfigError, LimitExceeded, NetworkError, PeerError
from swarm.edge.limits import EdgeLimits
from swarm.edge.network_urls import Address, parse_url
from swarm.edge.transport import Handler

RECEIVE_BYTES = 65_536  # bytes read from a socket at one time
FORBIDDEN = 403
# What a hostile peer's bytes have been seen to raise inside the WebSocket libraries (tests fuzz them);
# ValueError covers undecodable header text, AssertionError their internal state checks.
_FOREIGN = (
    ConnectionClosed,
    HandshakeError,
    ProtocolError,
    h11.ProtocolError,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    ValueError,
    AssertionError,
)


class _MeteredStream(trio.abc.Stream):
    """A socket that ends once too many bytes came in without a single whole frame.

    trio-websocket bounds the bytes of a message, not its number of (empty) fragments, nor pings.

    It reads when there is something to read, and writes at once what the kernel takes: a committee in
    one process moves thousands of small frames a step, and Trio's own way (try, yield, try again) costs
    an eighth of the step.
    """

    def __init__(self, stream: trio.SocketStream, bytes_max: int) -> None:
        self._stream = stream
        self._bytes_max = bytes_max
        self._bytes_since_frame = 0

    def note_frame(self) -> None:
        """Start counting anew: a whole frame was taken."""
        self._bytes_since_frame = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.wait_readable(self._get_descriptor())
        try:
            data = os.read(self._get_descriptor(), max_bytes or RECEIVE_BYTES)
        except BlockingIOError:  # a wake-up without data: Trio's way
            data = bytes(await self._stream.receive_some(max_bytes))
        except OSError as exc:
            raise trio.BrokenResourceError(f"the socket failed ({exc})") from exc
        self._bytes_since_frame += len(data)
        if self._bytes_since_frame > self._bytes_max:
            raise trio.BrokenResourceError(f"more than {self._bytes_max} bytes without a frame")
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            sent = os.write(self._get_descriptor(), data)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            raise trio.BrokenResourceError(f"the socket failed ({exc})") from exc
        if sent < len(data):
            await self._stream.send_all(memoryview(data)[sent:])

    def _get_descriptor(self) -> int:
        """Return the socket's descriptor; waiting on a closed one would block its number for everybody."""
        descriptor = self._stream.socket.fileno()
        if descriptor < 0:
            raise trio.ClosedResourceError("the socket is closed")
        return descriptor

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


class _ReaderHost:
    """Stands where trio-websocket expects a nursery: starts its reader task, contained.

    Without it hostile bytes that raise in the reader would end every link of the nursery, and a peer
    that hangs up before the upgrade would be waited for until the deadline.
    """

    def __init__(self, nursery: trio.Nursery, upgrade: trio.CancelScope) -> None:
        self._nursery = nursery
        self._upgrade = upgrade
        self.failure: BaseException | None = None

    def start_soon(self, task: Callable[[], Awaitable[None]]) -> None:
        self._nursery.start_soon(self._contain, task)

    async def _contain(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except _FOREIGN as exc:
            self.failure = exc
        finally:
            self._upgrade.cancel()  # without effect once the upgrade is done


class WebSocketCarrier:
    """One end of a WebSocket; see `Carrier`."""

    __slots__ = ("_connection", "_is_broken", "_limits", "_stream", "binding")

    def __init__(
        self,
        connection: WebSocketConnection,
        stream: _MeteredStream,
        limits: EdgeLimits,
        *,
        binding: bytes = b"",
    ) -> None:
        self.binding = binding
        self._connection = connection
        self._stream = stream
        self._limits = limits
        self._is_broken = False

    async def send(self, frame: bytes) -> None:
        """Hand over one frame; see `Carrier.send`."""
        if len(frame) > self._limits.frame_bytes_max:
            raise LimitExceeded(
                f"frame of {len(frame)} bytes, expected at most {self._limits.frame_bytes_max}"
            )
        if self._is_broken:
            raise NetworkError("the link is closed")
        self._is_broken = True  # until the frame is out whole
        try:
            await self._connection.send_message(frame)
        except _FOREIGN as exc:
            raise NetworkError(f"the link is closed ({_describe_close(exc)})") from exc
        self._is_broken = False

    async def recv(self) -> bytes:
        """Return the next frame; see `Carrier.recv`."""
        try:
            frame = await self._connection.get_message()
        except _FOREIGN as exc:
            raise NetworkError(f"the link is closed ({_describe_close(exc)})") from exc
        self._stream.note_frame()
        if not isinstance(frame, bytes):
            raise PeerError("got a text frame, expected a binary one")
        return frame

    async def aclose(self) -> None:
        """Close the link; see `Carrier.aclose`."""
        try:
            if not self._is_broken:
                with trio.move_on_after(self._limits.close_timeout_s):
                    await self._connection.aclose()
        except _FOREIGN:
            self._is_broken = True  # nothing more can be said to the other side; the socket goes below
        finally:
            await trio.aclose_forcefully(self._stream)


def _describe_close(exc: BaseException) -> str:
    if isinstance(exc, ConnectionClosed) and exc.reason is not None:
        return f"{exc.reason.code} {exc.reason.reason or exc.reason.name}"
    return str(exc) or type(exc).__name__


def _verify_loopback(host: str, unsafe_plaintext: bool) -> None:
    if unsafe_plaintext or host == "localhost":
        return
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ConfigError(
            f"{host} is not this machine, and plain WebSockets are neither private nor bound to a channel",
            remedy="use 127.0.0.1, or allow unsafe plaintext on a network you trust",
        )


async def dial(
    nursery: trio.Nursery, url: str, /, *, limits: EdgeLimits, unsafe_plaintext: bool = False
) -> WebSocketCarrier:
    """Open a WebSocket to `url`.

    Args:
        nursery: Holds the connection's reader task until the carrier is closed.
        url: `ws://HOST:PORT`.
        limits: Bounds of the carrier; `handshake_timeout_s` bounds connect and upgrade together.
        unsafe_plaintext: Allow hosts other than this machine.

    Returns:
        An open, unauthenticated carrier. The caller closes it.

    Raises:
        ConfigError: The URL cannot be used.
        NetworkError: Nobody answered, or not with a WebSocket, or not in time.
    """
    address = parse_url(url)
    if address.is_secure:
        raise ConfigError(f"got {url}, and there is no TLS yet", remedy="write ws://HOST:PORT")
    _verify_loopback(address.host, unsafe_plaintext)
    try:
        with trio.fail_after(limits.handshake_timeout_s):
            socket = await trio.open_tcp_stream(address.host, address.port)
            try:
                return await _upgrade_client(nursery, socket, address, limits)
            except BaseException:
                await trio.aclose_forcefully(socket)
                raise
    except trio.TooSlowError as exc:
        raise NetworkError(f"{url} did not answer within {limits.handshake_timeout_s:g} s") from exc
    except _FOREIGN as exc:
        raise NetworkError(f"could not connect to {url} ({exc})") from exc


async def _upgrade_client(
    nursery: trio.Nursery, socket: trio.SocketStream, address: Address, limits: EdgeLimits
) -> WebSocketCarrier:
    stream = _meter(socket, limits)
    with trio.CancelScope() as scope:
        host = _ReaderHost(nursery, scope)
        connection = await wrap_client_stream(
            cast("trio.Nursery", host),
            cast("trio.SocketStream", stream),  # it uses the methods of trio.abc.Stream only
            f"{address.host}:{address.port}",
            "/",
            message_queue_size=limits.in_queue_frames_max,
            max_message_size=limits.frame_bytes_max,
            receive_buffer_size=RECEIVE_BYTES,
        )
        return WebSocketCarrier(connection, stream, limits)
    raise NetworkError(f"{address.url} hung up during the WebSocket upgrade") from host.failure


def _meter(socket: trio.SocketStream, limits: EdgeLimits) -> _MeteredStream:
    # Bytes of frames that wait in the queue are counted already when an earlier frame is taken.
    return _MeteredStream(socket, (limits.in_queue_frames_max + 2) * (limits.frame_bytes_max + RECEIVE_BYTES))


class WebSocketListener:
    """A bound, listening socket; `serve` is a `Listener`.

    Args:
        listener: A listening socket.
        limits: Bounds of it and of every carrier it accepts.
    """

    __slots__ = ("_limits", "_links", "_listener", "_upgrading", "url")

    def __init__(self, listener: trio.SocketListener, limits: EdgeLimits) -> None:
        host, port = listener.socket.getsockname()[:2]
        self.url = Address(host, port, is_secure=False).url
        self._listener = listener
        self._limits = limits
        self._links = 0
        self._upgrading = 0

    async def serve(
        self, handler: Handler, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Accept WebSockets and run `handler` on each, in its own task, until cancelled.

        Args:
            handler: Given an open, unauthenticated carrier, which is closed when it returns.
            task_status: Told the bound URL as soon as connections are accepted.
        """
        async with trio.open_nursery() as nursery:

            async def on_stream(socket: trio.SocketStream) -> None:
                await self._on_stream(nursery, socket, handler)

            await nursery.start(trio.serve_listeners, on_stream, [self._listener])
            task_status.started(self.url)

    async def aclose(self) -> None:
        """Stop listening. Carriers already accepted live on."""
        await self._listener.aclose()

    async def _on_stream(self, nursery: trio.Nursery, socket: trio.SocketStream, handler: Handler) -> None:
        links_max = self._limits.links_inbound_max + self._limits.unauthenticated_max
        if self._upgrading >= self._limits.unauthenticated_max or self._links >= links_max:
            await trio.aclose_forcefully(socket)
            return
        self._links += 1
        try:
            carrier = await self._accept(nursery, socket)
            if carrier is not None:
                try:
                    await handler(carrier)
                finally:
                    await carrier.aclose()
        finally:
            self._links -= 1
            await trio.aclose_forcefully(socket)

    async def _accept(self, nursery: trio.Nursery, socket: trio.SocketStream) -> WebSocketCarrier | None:
        """Return the upgraded carrier, or None when the other side is no WebSocket peer."""
        self._upgrading += 1
        try:
            with trio.move_on_after(self._limits.handshake_timeout_s) as scope:
                return await self._upgrade(nursery, socket, scope)
        except _FOREIGN:
            return None  # one stranger's failure is no news to the node; it can be anything at all
        finally:
            self._upgrading -= 1
        return None

    async def _upgrade(
        self, nursery: trio.Nursery, socket: trio.SocketStream, scope: trio.CancelScope
    ) -> WebSocketCarrier | None:
        stream = _meter(socket, self._limits)
        request = await wrap_server_stream(
            cast("trio.Nursery", _ReaderHost(nursery, scope)),
            stream,
            message_queue_size=self._limits.in_queue_frames_max,
            max_message_size=self._limits.frame_bytes_max,
            receive_buffer_size=RECEIVE_BYTES,
        )
        if any(name.lower() == b"origin" for name, _ in request.headers):
            # Browsers send Origin and let any web page reach a loopback port; peers never do.
            await request.reject(FORBIDDEN)
            return None
        return WebSocketCarrier(await request.accept(), stream, self._limits)


async def open_listener(
    host: str, port: int, *, limits: EdgeLimits, unsafe_plaintext: bool = False
) -> WebSocketListener:
    """Bind a listening socket, so that its URL is known before anything is served.

    Args:
        host: Address of this machine to bind.
        port: TCP port, 0 for any free one.
        limits: Bounds of the listener and its carriers.
        unsafe_plaintext: Allow addresses that other machines can reach.

    Raises:
        ConfigError: The address cannot be bound, or is not a loopback one.
    """
    _verify_loopback(host, unsafe_plaintext)
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} of {host} is in use",
                remedy="stop the program that holds it, or choose another port (0 takes any free one)",
            ) from exc
        raise ConfigError(
            f"cannot listen on {host}:{port} ({exc})", remedy="choose an address of this machine"
        ) from exc
    for extra in listeners[1:]:  # a name such as localhost may mean two addresses; one is enough
        await extra.aclose()
    return WebSocketListener(listeners[0], limits)


async def serve(
    handler: Handler,
    host: str,
    port: int,
    *,
    limits: EdgeLimits,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Bind a loopback address and serve it until cancelled; see `open_listener` and its `serve`."""
    listener = await open_listener(host, port, limits=limits)
    await listener.serve(handler, task_status=task_status)
