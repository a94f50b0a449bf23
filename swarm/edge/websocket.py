"""WebSockets over TCP, plain or under TLS: dialing, listening, and who may connect.

Foreign exceptions end here and in `swarm.edge.websocket_carrier`; every connection has one deadline for
TCP, TLS and the upgrade together, at either end.
"""

import errno

import trio

from consensus.errors import ConfigError, NetworkError
from swarm.edge.admission import Admission, AdmissionTable, parse_address
from swarm.edge.arrivals import ArrivalRates
from swarm.edge.limits import EdgeLimits
from swarm.edge.network_urls import Address, format_host, is_loopback, parse_url
from swarm.edge.streams import meter, open_plain
from swarm.edge.tls import TlsIdentity, secure_accepted, secure_dialed
from swarm.edge.transport import Handler
from swarm.edge.tuning import ConnectionCollector
from swarm.edge.websocket_carrier import (
    FOREIGN_ERRORS,
    WebSocketCarrier,
    describe_failure,
    upgrade_accepted,
    upgrade_dialed,
)

_NO_PEER = (
    "check that a peer listens there, and that the address says wss:// if and only if it does so under TLS"
)


async def dial(
    nursery: trio.Nursery, url: str, /, *, limits: EdgeLimits, unsafe_plaintext: bool = False
) -> WebSocketCarrier:
    """Open a WebSocket to `url`.

    Args:
        nursery: Holds the connection's reader task until the carrier is closed.
        url: `wss://HOST:PORT`, or `ws://HOST:PORT` of this machine.
        limits: Bounds of the carrier; `handshake_timeout_s` bounds TCP, TLS and upgrade together.
        unsafe_plaintext: Allow `ws://` to other machines.

    Returns:
        An open, unauthenticated carrier. The caller closes it.

    Raises:
        ConfigError: The URL cannot be used.
        NetworkError: Nobody answered, or not with a WebSocket, or not in time.
    """
    address = parse_url(url)
    if not address.is_secure:
        _verify_loopback(address.host, unsafe_plaintext)
    try:
        with trio.fail_after(limits.handshake_timeout_s):
            socket = await trio.open_tcp_stream(address.host, address.port)
            try:
                return await _open_carrier(nursery, socket, address, limits)
            except BaseException:
                await trio.aclose_forcefully(socket)
                raise
    except trio.TooSlowError as exc:
        raise NetworkError(f"{url} did not answer within {limits.handshake_timeout_s:g} s") from exc
    except NetworkError as exc:
        raise NetworkError(f"could not connect to {url} ({exc.message})", remedy=_NO_PEER) from exc
    except FOREIGN_ERRORS as exc:
        raise NetworkError(f"could not connect to {url} ({describe_failure(exc)})", remedy=_NO_PEER) from exc


async def _open_carrier(
    nursery: trio.Nursery, socket: trio.SocketStream, address: Address, limits: EdgeLimits
) -> WebSocketCarrier:
    metered = meter(socket, limits)
    channel = await secure_dialed(metered) if address.is_secure else open_plain(metered)
    return await upgrade_dialed(nursery, channel, f"{format_host(address.host)}:{address.port}", limits)


def _verify_loopback(host: str, unsafe_plaintext: bool) -> None:
    if not (unsafe_plaintext or is_loopback(host)):
        raise ConfigError(
            f"{host} is not this machine, and plain WebSockets are neither private nor bound to a channel",
            remedy="use wss:// and a TLS listener, or allow unsafe plaintext on a network you trust",
        )


class WebSocketListener:
    """A bound, listening socket; `serve` is a `Listener`.

    Args:
        listener: A listening socket.
        limits: Bounds of it and of every carrier it accepts.
        tls: Its certificate, or None to speak in the clear.
    """

    __slots__ = ("_admissions", "_arrivals", "_collector", "_limits", "_listener", "_tls", "url")

    def __init__(self, listener: trio.SocketListener, limits: EdgeLimits, tls: TlsIdentity | None) -> None:
        host, port = listener.socket.getsockname()[:2]
        self.url = Address(host, port, tls is not None).url
        self._listener = listener
        self._limits = limits
        self._tls = tls
        self._admissions = AdmissionTable(limits)
        self._arrivals = ArrivalRates(limits)
        self._collector = ConnectionCollector()

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
        admission = self._admit(socket)
        try:
            if admission is not None:
                await self._run_handler(nursery, socket, handler, admission)
        finally:
            if admission is not None:
                admission.leave()
                self._collector.note_end()
            await trio.aclose_forcefully(socket)

    def _admit(self, socket: trio.SocketStream) -> Admission | None:
        """Return the connection's place, or None if there is none, or the other side is gone already."""
        try:
            address = parse_address(socket.socket.getpeername()[0])
        except OSError:
            return None
        if not self._arrivals.admits(address, trio.current_time()):
            return None
        return self._admissions.enter(address)

    async def _run_handler(
        self, nursery: trio.Nursery, socket: trio.SocketStream, handler: Handler, admission: Admission
    ) -> None:
        carrier = await self._accept(nursery, socket, admission)
        if carrier is None:
            return
        try:
            await handler(carrier)
        finally:
            await carrier.aclose()

    async def _accept(
        self, nursery: trio.Nursery, socket: trio.SocketStream, admission: Admission
    ) -> WebSocketCarrier | None:
        """Return the upgraded carrier, or None when the other side is no WebSocket peer."""
        try:
            with trio.move_on_after(self._limits.handshake_timeout_s) as scope:
                metered = meter(socket, self._limits)
                channel = await secure_accepted(metered, self._tls) if self._tls else open_plain(metered)
                return await upgrade_accepted(
                    nursery, channel, self._limits, scope=scope, admission=admission
                )
        except FOREIGN_ERRORS:
            return None  # one stranger's failure is no news to the node; it can be anything at all
        return None


async def open_listener(
    host: str,
    port: int,
    *,
    limits: EdgeLimits,
    tls: TlsIdentity | None = None,
    unsafe_plaintext: bool = False,
) -> WebSocketListener:
    """Bind a listening socket, so that its URL is known before anything is served.

    Args:
        host: Address of this machine to bind.
        port: TCP port, 0 for any free one.
        limits: Bounds of the listener and its carriers.
        tls: The certificate to serve; None speaks in the clear, on loopback addresses.
        unsafe_plaintext: Allow to speak in the clear on addresses that other machines can reach.

    Raises:
        ConfigError: The address cannot be bound, or is not a loopback one and there is no TLS.
    """
    if tls is None:
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
    return WebSocketListener(listeners[0], limits, tls)


async def serve(
    handler: Handler,
    host: str,
    port: int,
    *,
    limits: EdgeLimits,
    tls: TlsIdentity | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Bind an address and serve it until cancelled; see `open_listener` and its `serve`."""
    listener = await open_listener(host, port, limits=limits, tls=tls)
    await listener.serve(handler, task_status=task_status)
