"""The WebSocket as a carrier, over any channel of bytes.

trio-websocket has three sharp edges, each blunted here: a send cancelled half-way desynchronises the
stream (the carrier is dead afterwards), a close waits for a stuck peer (bounded), and its reader may
raise on hostile bytes (contained, it ends that connection only).

Foreign exceptions (trio, trio-websocket, TLS, sockets) become `NetworkError` here and in
`swarm.edge.websocket`, and nowhere else.
"""

from collections.abc import Awaitable, Callable
from typing import Final, cast

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

from consensus.errors import LimitExceeded, NetworkError, PeerError
from swarm.edge.admission import Admission
from swarm.edge.limits import EdgeLimits
from swarm.edge.streams import Channel

FORBIDDEN: Final = 403
# What a hostile peer's bytes have been seen to raise inside the WebSocket libraries (tests fuzz them);
# OSError covers ssl.SSLError, ValueError undecodable header text, AssertionError their internal state checks.
FOREIGN_ERRORS: Final = (
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
        except FOREIGN_ERRORS as exc:
            self.failure = exc
        finally:
            self._upgrade.cancel()  # without effect once the upgrade is done


class WebSocketCarrier:
    """One end of a WebSocket; see `Carrier`.

    Args:
        connection: An open WebSocket.
        channel: What it runs over.
        limits: Bounds of frames and of the farewell.
        admission: Its place among the connections a listener took; None at the end that dialed.
    """

    __slots__ = ("_admission", "_connection", "_is_broken", "_limits", "_socket", "binding")

    def __init__(
        self,
        connection: WebSocketConnection,
        channel: Channel,
        limits: EdgeLimits,
        admission: Admission | None = None,
    ) -> None:
        self.binding = channel.binding
        self._connection = connection
        self._socket = channel.socket
        self._limits = limits
        self._admission = admission
        self._is_broken = False

    def note_authenticated(self) -> None:
        """Lift the limits for strangers; see `Carrier.note_authenticated`."""
        if self._admission is not None:
            self._admission.note_authenticated()

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
        except FOREIGN_ERRORS as exc:
            raise NetworkError(f"the link is closed ({describe_failure(exc)})") from exc
        self._is_broken = False

    async def recv(self) -> bytes:
        """Return the next frame; see `Carrier.recv`."""
        try:
            frame = await self._connection.get_message()
        except FOREIGN_ERRORS as exc:
            raise NetworkError(f"the link is closed ({describe_failure(exc)})") from exc
        self._socket.note_frame()
        if not isinstance(frame, bytes):
            raise PeerError("got a text frame, expected a binary one")
        return frame

    async def aclose(self) -> None:
        """Close the link; see `Carrier.aclose`."""
        try:
            if not self._is_broken:
                self._socket.note_closing()
                with trio.move_on_after(self._limits.close_timeout_s):
                    await self._connection.aclose()
        except FOREIGN_ERRORS:
            self._is_broken = True  # nothing more can be said to the other side; the socket goes below
        finally:
            await trio.aclose_forcefully(self._socket)


def describe_failure(exc: BaseException | None) -> str:
    """Say in words what a foreign exception means; some carry theirs in their cause only."""
    if isinstance(exc, ConnectionClosed) and exc.reason is not None:
        return f"{exc.reason.code} {exc.reason.reason or exc.reason.name}"
    if exc is None:
        return "the other side hung up"
    return str(exc) or str(exc.__cause__ or "") or type(exc).__name__


async def upgrade_dialed(
    nursery: trio.Nursery, channel: Channel, host: str, limits: EdgeLimits
) -> WebSocketCarrier:
    """Ask the other side for a WebSocket; the caller owns the deadline.

    Args:
        nursery: Holds the connection's reader task until the carrier is closed.
        channel: Open, with nothing sent on it yet.
        host: What to call the other side, `HOST:PORT`.
        limits: Bounds of the carrier.

    Raises:
        NetworkError: The other side hung up. Foreign errors pass: the caller knows the URL to name.
    """
    with trio.CancelScope() as scope:
        reader = _ReaderHost(nursery, scope)
        connection = await wrap_client_stream(
            cast("trio.Nursery", reader),
            cast("trio.SocketStream", channel.stream),  # it uses the methods of trio.abc.Stream only
            host,
            "/",
            message_queue_size=limits.in_queue_frames_max,
            max_message_size=limits.frame_bytes_max,
            receive_buffer_size=channel.receive_bytes,
        )
        return WebSocketCarrier(connection, channel, limits)
    raise NetworkError(f"no WebSocket came up, {describe_failure(reader.failure)}") from reader.failure


async def upgrade_accepted(
    nursery: trio.Nursery,
    channel: Channel,
    limits: EdgeLimits,
    *,
    scope: trio.CancelScope,
    admission: Admission,
) -> WebSocketCarrier | None:
    """Wait for the other side to ask for a WebSocket, and grant it.

    Args:
        nursery: Holds the connection's reader task until the carrier is closed.
        channel: Open, with nothing read from it yet.
        limits: Bounds of the carrier.
        scope: Holds the caller's deadline; cancelled when the other side hangs up.
        admission: The connection's place among those the listener took.

    Returns:
        The carrier, or None for a web page's request, which was refused. Foreign errors pass.
    """
    request = await wrap_server_stream(
        cast("trio.Nursery", _ReaderHost(nursery, scope)),
        channel.stream,
        message_queue_size=limits.in_queue_frames_max,
        max_message_size=limits.frame_bytes_max,
        receive_buffer_size=channel.receive_bytes,
    )
    if any(name.lower() == b"origin" for name, _ in request.headers):
        # Browsers send Origin and let any web page reach a loopback port; peers never do.
        await request.reject(FORBIDDEN)
        return None
    return WebSocketCarrier(await request.accept(), channel, limits, admission)
