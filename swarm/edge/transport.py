"""Carriers of frames: what a link is made of, and how messages lie in a frame.

A carrier moves whole frames and knows nothing of keys or messages. A frame is a msgpack array of
binary messages, so that everything queued for a peer travels in one WebSocket message. Carriers are in
`swarm.edge.websocket` (plain and TLS) and `swarm.edge.memory_transport`; another network stack becomes
one by meeting these protocols (docs/adr/0027-tls-and-carriers.md).
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Annotated, Protocol, cast

import msgspec
import trio

from consensus.errors import PeerError
from swarm.edge.limits import EdgeLimits


class Carrier(Protocol):
    """Moves whole frames between two ends, in order, with back-pressure."""

    @property
    def binding(self) -> bytes:
        """What the handshake signs so that it holds on this channel only; empty where there is no TLS."""

    async def send(self, frame: bytes) -> None:
        """Hand over one frame; waits while the other side reads slowly.

        One task sends. If it is cancelled inside a send, the carrier is dead: half a frame may be out.

        Raises:
            LimitExceeded: The frame is longer than `EdgeLimits.frame_bytes_max`; nothing was sent.
            NetworkError: The link is closed, by either side.
        """

    async def recv(self) -> bytes:
        """Return the next frame; may be cancelled and called again without losing one.

        Raises:
            NetworkError: The link is closed, by either side, or the frame was too long.
            PeerError: The frame was not binary; the link is still usable.
        """

    def note_authenticated(self) -> None:
        """Learn that the other end has proven its key: limits for strangers no longer apply to it."""

    async def aclose(self) -> None:
        """Close the link, within `EdgeLimits.close_timeout_s`; at once if cancelled. May be repeated."""


Handler = Callable[[Carrier], Awaitable[None]]


class Connector(Protocol):
    """Opens carriers to URLs. Their background tasks live in the nursery given."""

    async def __call__(self, nursery: trio.Nursery, url: str, /) -> Carrier:
        """Open a carrier, or raise NetworkError; the caller closes it."""


class Listener(Protocol):
    """Accepts carriers and runs a handler on each until cancelled; reports its own URL when ready."""

    async def __call__(
        self, handler: Handler, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve. A carrier is closed when its handler returns; handlers raise nothing but Cancelled."""


_ENCODER = msgspec.msgpack.Encoder()


@lru_cache(maxsize=8)
def _frame_decoder(messages_max: int) -> "msgspec.msgpack.Decoder[list[bytes]]":
    message = Annotated[bytes, msgspec.Meta(min_length=1)]
    kind = Annotated[list[message], msgspec.Meta(max_length=messages_max)]
    return cast("msgspec.msgpack.Decoder[list[bytes]]", msgspec.msgpack.Decoder(kind))


def pack_messages(messages: list[bytes]) -> bytes:
    """Return one frame holding `messages` in order; an empty list makes the keepalive frame."""
    return _ENCODER.encode(messages)


def unpack_messages(frame: bytes, limits: EdgeLimits) -> list[bytes]:
    """Split a hostile frame into its messages.

    Args:
        frame: Exact bytes as received.
        limits: `frame_bytes_max` and `messages_per_frame_max` are used.

    Returns:
        The messages, none of them empty; an empty list for a keepalive.

    Raises:
        PeerError: Too long, too many messages, or not the one encoding of an array of binaries.
    """
    if len(frame) > limits.frame_bytes_max:
        raise PeerError(f"frame: got {len(frame)} bytes, expected at most {limits.frame_bytes_max}")
    try:
        messages = _frame_decoder(limits.messages_per_frame_max).decode(frame)
    except (msgspec.DecodeError, RecursionError, ValueError) as exc:
        raise PeerError(f"frame: got bytes that are no array of messages ({exc})") from exc
    if _ENCODER.encode(messages) != frame:
        raise PeerError("frame: got bytes that are not the canonical encoding of their messages")
    return messages
