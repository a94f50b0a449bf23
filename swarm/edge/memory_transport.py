"""In-memory carriers: same contract as sockets, no bytes on any wire, works under a mock clock."""

from dataclasses import dataclass

import trio

from consensus.errors import ConfigError, LimitExceeded, NetworkError
from swarm.edge.limits import EdgeLimits
from swarm.edge.transport import Handler

SCHEME = "memory://"
SOCKET_FRAMES = 4  # what the kernels at both ends of a real link hold besides, and the frame read last


class MemoryCarrier:
    """One end of a bounded in-memory link; see `Carrier`."""

    __slots__ = ("_frame_bytes_max", "_inbound", "_outbound", "binding")

    def __init__(
        self,
        outbound: trio.MemorySendChannel[bytes],
        inbound: trio.MemoryReceiveChannel[bytes],
        frame_bytes_max: int,
    ) -> None:
        self.binding = b""
        self._outbound = outbound
        self._inbound = inbound
        self._frame_bytes_max = frame_bytes_max

    async def send(self, frame: bytes) -> None:
        """Hand over one frame; see `Carrier.send`."""
        if len(frame) > self._frame_bytes_max:
            raise LimitExceeded(f"frame of {len(frame)} bytes, expected at most {self._frame_bytes_max}")
        try:
            await self._outbound.send(frame)
        except trio.ClosedResourceError as exc:
            raise NetworkError("the link is closed") from exc
        except trio.BrokenResourceError as exc:
            raise NetworkError("the other side closed the link") from exc

    async def recv(self) -> bytes:
        """Return the next frame; see `Carrier.recv`."""
        try:
            frame = await self._inbound.receive()
        except trio.ClosedResourceError as exc:
            raise NetworkError("the link is closed") from exc
        except trio.EndOfChannel as exc:
            raise NetworkError("the other side closed the link") from exc
        if len(frame) > self._frame_bytes_max:
            self.cut()
            raise NetworkError(f"got a frame of {len(frame)} bytes, expected at most {self._frame_bytes_max}")
        return frame

    def note_authenticated(self) -> None:
        """See `Carrier.note_authenticated`; a memory link comes from this process, which is no stranger."""

    async def aclose(self) -> None:
        """Close this end; see `Carrier.aclose`."""
        self.cut()
        await trio.lowlevel.checkpoint()

    def cut(self) -> None:
        """Close this end at once, as a crash would."""
        self._outbound.close()
        self._inbound.close()


@dataclass(frozen=True, slots=True)
class MemoryPair:
    """Two ends of one link."""

    left: MemoryCarrier
    right: MemoryCarrier


def open_memory_pair(left: EdgeLimits, right: EdgeLimits) -> MemoryPair:
    """Return both ends of a new link, each bounded by its own side's limits."""
    to_right, from_left = trio.open_memory_channel[bytes](right.in_queue_frames_max + SOCKET_FRAMES)
    to_left, from_right = trio.open_memory_channel[bytes](left.in_queue_frames_max + SOCKET_FRAMES)
    return MemoryPair(
        MemoryCarrier(to_right, from_right, left.frame_bytes_max),
        MemoryCarrier(to_left, from_left, right.frame_bytes_max),
    )


class MemoryListener:
    """Accepts in-memory links under a name; same use as `WebSocketListener`."""

    __slots__ = ("_accepted", "_incoming", "_limits", "url")

    def __init__(self, name: str, limits: EdgeLimits) -> None:
        self.url = SCHEME + name
        self._limits = limits
        self._incoming, self._accepted = trio.open_memory_channel[MemoryCarrier](limits.unauthenticated_max)

    async def connect(self, limits: EdgeLimits) -> MemoryCarrier:
        """Open a link to this listener and return the caller's end, bounded by the caller's limits."""
        pair = open_memory_pair(limits, self._limits)
        try:
            await self._incoming.send(pair.right)
        except (trio.ClosedResourceError, trio.BrokenResourceError) as exc:
            raise NetworkError(f"nobody listens at {self.url}") from exc
        return pair.left

    async def serve(
        self, handler: Handler, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run `handler` on every accepted link, each in its own task, until cancelled."""
        async with trio.open_nursery() as nursery, self._accepted:
            task_status.started(self.url)
            async for carrier in self._accepted:
                nursery.start_soon(_handle, handler, carrier)


async def _handle(handler: Handler, carrier: MemoryCarrier) -> None:
    try:
        await handler(carrier)
    finally:
        carrier.cut()


class MemoryNetwork:
    """Finds in-memory listeners by URL. `connect` is a `Connector`."""

    __slots__ = ("_limits", "_listeners")

    def __init__(self, limits: EdgeLimits) -> None:
        self._limits = limits
        self._listeners: dict[str, MemoryListener] = {}

    def listen(self, name: str) -> MemoryListener:
        """Return a listener at `memory://name`, replacing an earlier one of that name."""
        listener = MemoryListener(name, self._limits)
        self._listeners[listener.url] = listener
        return listener

    async def connect(self, _nursery: trio.Nursery, url: str, /) -> MemoryCarrier:
        """Open a link to the listener at `url`; a memory link needs no task of its own."""
        if not url.startswith(SCHEME):
            raise ConfigError(f"got {url!r}, expected a {SCHEME} URL")
        listener = self._listeners.get(url)
        if listener is None:
            await trio.lowlevel.checkpoint()
            raise NetworkError(f"nobody listens at {url}")
        return await listener.connect(self._limits)
