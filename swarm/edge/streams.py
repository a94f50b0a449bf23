"""Byte streams below a WebSocket: a metered socket, and what a carrier has to know of its channel."""

import os
from dataclasses import dataclass
from typing import Final

import trio

from swarm.edge.limits import EdgeLimits

RECEIVE_BYTES: Final = 32_768  # bytes read from a socket at one time
FAREWELL_BYTES: Final = 8_388_608  # as much as waits for one member (`MEMBER_LIMITS.out_queue_bytes_max`)


class MeteredStream(trio.abc.Stream):
    """A socket that ends once too many bytes came in without a single whole frame.

    trio-websocket bounds the bytes of a message, not its number of (empty) fragments, nor pings; TLS
    bounds a record, not the number of empty ones. Under TLS this is the stream of records.

    It reads when there is something to read, and writes at once what the kernel takes: a committee in
    one process moves thousands of small frames a step, and Trio's own way (try, yield, try again) costs
    an eighth of the step.

    Args:
        socket: What it reads and writes.
        bytes_max: Bytes that may arrive between two calls of `note_frame`.
    """

    def __init__(self, socket: trio.SocketStream, bytes_max: int) -> None:
        self._socket = socket
        self._bytes_max = bytes_max
        self._bytes_since_frame = 0

    def note_frame(self) -> None:
        """Start counting anew: a whole frame was taken."""
        self._bytes_since_frame = 0

    def note_closing(self) -> None:
        """Let more come: the other end may have a whole queue under way, and nobody takes frames any more."""
        self._bytes_max += FAREWELL_BYTES

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the next bytes; see `trio.abc.ReceiveStream`."""
        await trio.lowlevel.wait_readable(self._get_descriptor())
        try:
            data = os.read(self._get_descriptor(), max_bytes or RECEIVE_BYTES)
        except BlockingIOError:  # a wake-up without data: Trio's way
            data = bytes(await self._socket.receive_some(max_bytes))
        except OSError as exc:
            raise trio.BrokenResourceError(f"the socket failed ({exc})") from exc
        self._bytes_since_frame += len(data)
        if self._bytes_since_frame > self._bytes_max:
            raise trio.BrokenResourceError(f"more than {self._bytes_max} bytes without a frame")
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of `data`; see `trio.abc.SendStream`."""
        try:
            sent = os.write(self._get_descriptor(), data)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            raise trio.BrokenResourceError(f"the socket failed ({exc})") from exc
        if sent < len(data):
            await self._socket.send_all(memoryview(data)[sent:])

    def _get_descriptor(self) -> int:
        """Return the socket's descriptor; waiting on a closed one would block its number for everybody."""
        descriptor = self._socket.socket.fileno()
        if descriptor < 0:
            raise trio.ClosedResourceError("the socket is closed")
        return descriptor

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for room; see `trio.abc.SendStream`."""
        await self._socket.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the socket."""
        await self._socket.aclose()


@dataclass(frozen=True, slots=True)
class Channel:
    """A byte stream that is ready for a WebSocket.

    Args:
        stream: What the WebSocket reads and writes: the socket itself, or TLS over it.
        socket: The socket below, which counts bytes and can be closed at once.
        binding: Digest of the TLS certificate as this end saw it, 32 bytes; empty without TLS.
        receive_bytes: Bytes worth asking `stream` for at one time.
    """

    stream: trio.abc.Stream
    socket: MeteredStream
    binding: bytes
    receive_bytes: int


def meter(socket: trio.SocketStream, limits: EdgeLimits) -> MeteredStream:
    """Return `socket` bounded to what a full queue of longest frames may take."""
    # Bytes of frames that wait in the queue are counted already when an earlier frame is taken.
    return MeteredStream(socket, (limits.in_queue_frames_max + 2) * (limits.frame_bytes_max + RECEIVE_BYTES))


def open_plain(socket: MeteredStream) -> Channel:
    """Return the channel that is the socket itself, bound to nothing."""
    return Channel(socket, socket, b"", RECEIVE_BYTES)
