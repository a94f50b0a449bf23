"""The server: connections within bounds, each handed to hypercorn, which speaks HTTP on it.

hypercorn's own `serve` has no bound on connections and waits for ever on a reader that stalls (it shields its
writes from cancellation), so connections are accepted here and handed over behind a stream with a deadline.
Only HTTP/1.1 is spoken: what hypercorn raises on a bad upgrade to HTTP/2 would end the server, and HTTP/2 has
ways to keep a connection open at no cost.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import cast

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consensus.errors import ConfigError
from swarm.gateway.limits import GatewayLimits

LOG = logging.getLogger(__name__)
BACKLOG = 128
ERRORS_LOGGED = "ERROR"
LAST_WORDS_S = 1.0  # for the errors that end streams when the server goes down


class PatientStream:
    """A connection whose other side may not stall: what it does not take in time ends it.

    It has what hypercorn asks of a stream.

    Args:
        stream: The connection.
        send_s_max: Longest time for one piece, seconds.
    """

    def __init__(self, stream: trio.SocketStream, *, send_s_max: float) -> None:
        self._stream = stream
        self._send_s_max = send_s_max
        self.socket = stream.socket

    async def send_all(self, data: bytes) -> None:
        """Send some bytes; raises trio.BrokenResourceError where they are not taken in time."""
        with trio.move_on_after(self._send_s_max) as patience:
            await self._stream.send_all(data)
        if patience.cancelled_caught:
            raise trio.BrokenResourceError("the other side does not take what is sent")

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return some bytes, none at the end."""
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_eof(self) -> None:
        """Say that nothing follows."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()


class Http1Protocol(H11Protocol):
    """hypercorn's HTTP/1.1, which stays that: a wish to change to another may be ignored (RFC 9110, 7.8).

    hypercorn raises on an upgrade that is half a WebSocket's, before any application sees it.
    """

    async def _check_protocol(self, event: h11.Request) -> None:
        """Change to nothing."""

    async def _create_stream(self, request: h11.Request) -> None:
        """Take a request for the plain one that it also is."""
        headers = [(name, value) for name, value in request.headers if name != b"upgrade"]
        plain = h11.Request(
            method=request.method,
            target=request.target,
            headers=headers,
            http_version=request.http_version,
        )
        await super()._create_stream(plain)


class Connection(TCPServer):
    """One connection, as hypercorn runs it, in HTTP/1.1 only."""

    async def _read_data(self) -> None:
        made = self.protocol
        made.protocol = Http1Protocol(
            made.app,
            made.config,
            made.context,
            made.task_group,
            made.state,
            made.ssl,
            made.client,
            made.server,
            made.send,
        )
        await super()._read_data()
        await self.idle_task.stop()  # who has gone is not waited for


class Drained:
    """An application whose requests are read to their end even where it answers without reading them.

    hypercorn waits until the last piece of a body is taken before it lets go of a connection, also of one
    that has had its answer.

    Args:
        app: ASGI.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        async with trio.open_nursery() as nursery:

            async def send_last(message: Message) -> None:
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    nursery.start_soon(drain, receive)
                await send(message)

            await self._app(scope, receive, send_last)
            nursery.cancel_scope.cancel()


async def drain(receive: Receive) -> None:
    """Read what a client still sends, to nobody's use, until it has gone or its request is over."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Server:
    """Serves an application on one address.

    Args:
        app: ASGI.
        limits: Bounds of connections.
    """

    def __init__(self, app: ASGIApp, limits: GatewayLimits) -> None:
        self._app = ASGIWrapper(cast(ASGIFramework, Drained(app)))
        self._limits = limits
        self._config = make_config(limits)
        self._context = WorkerContext(None)
        self.connections = 0
        self.refused = 0
        self._idle = trio.Event()
        self._idle.set()

    async def run(
        self,
        host: str,
        port: int,
        *,
        stopped: trio.Event,
        drain: Callable[[], None],
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until `stopped` is set, then let what is under way end within `shutdown_s`.

        Args:
            host: Address to listen on.
            port: Port; 0 for any free one.
            stopped: Set by whoever wants an end.
            drain: Called when that time is over; gives up what is still under way.
            task_status: Told the port.

        Raises:
            ConfigError: The address is not to be had.
        """
        try:
            listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
        except OSError as exc:
            raise ConfigError(
                f"cannot listen on {host} port {port} ({exc.strerror or exc})",
                remedy="choose another --port or --host",
            ) from exc
        async with trio.open_nursery() as connections, trio.open_nursery() as accepting:
            accepting.start_soon(
                partial(trio.serve_listeners, self._serve, listeners, handler_nursery=connections)
            )
            task_status.started(listeners[0].socket.getsockname()[1])
            await stopped.wait()
            accepting.cancel_scope.cancel()
            await self._context.terminated.set()  # idle connections close
            connections.start_soon(self._end, connections, drain)

    async def _end(self, connections: trio.Nursery, drain: Callable[[], None]) -> None:
        """Wait for open connections to end, then make them."""
        with trio.move_on_after(self._limits.shutdown_s):
            await self._idle.wait()
        drain()
        with trio.move_on_after(LAST_WORDS_S):
            await self._idle.wait()
        connections.cancel_scope.cancel()

    async def _serve(self, stream: trio.SocketStream) -> None:
        if self.connections >= self._limits.connections_max:
            self.refused += 1
            await trio.aclose_forcefully(stream)
            return
        self.connections += 1
        self._idle = trio.Event()
        # hypercorn names the class it knows, and uses what PatientStream has.
        patient = cast(
            "trio.SSLStream[trio.SocketStream]",
            PatientStream(stream, send_s_max=self._limits.send_s_max),
        )
        try:
            await Connection(self._app, self._config, self._context, ConnectionState({}), patient)
        except* Exception:  # of ours or of hypercorn's: it is this connection's end, not the server's
            LOG.exception("a connection ended in an error")
        finally:
            self.connections -= 1
            if not self.connections:
                self._idle.set()


def make_config(limits: GatewayLimits) -> Config:
    """Return hypercorn's settings: no server banner, no access log, bounded heads."""
    config = Config()
    config.keep_alive_timeout = limits.head_s_max
    config.h11_max_incomplete_size = limits.head_bytes_max
    config.include_server_header = False
    config.loglevel = ERRORS_LOGGED
    return config
