"""Server-sent events, and what ends with a client: an answer whose reader is gone is not worked on."""

from collections.abc import Awaitable, Callable

import msgspec
import trio
from starlette.types import Receive, Send

from swarm.gateway.errors import ApiError
from swarm.gateway.replies import ChatCompletionChunk, ProgressEvent

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-store",
    "x-accel-buffering": "no",  # proxies that would hold events back
}
HEARTBEAT = b": still at work\n\n"
DONE = b"data: [DONE]\n\n"


def encode_comment(event: ProgressEvent) -> bytes:
    """Return progress as a comment, which clients skip."""
    return b": " + msgspec.json.encode(event) + b"\n\n"


def encode_chunk(chunk: ChatCompletionChunk) -> bytes:
    """Return one event of a stream."""
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def encode_error(error: ApiError) -> bytes:
    """Return the last event of a stream that has no answer; no `[DONE]` follows it."""
    return b"data: " + error.encode() + b"\n\n"


async def watch_gone(receive: Receive, scope: trio.CancelScope) -> None:
    """Cancel `scope` once the client has gone away; anything else it sends is ignored."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


class EventWriter:
    """Sends events to one client; beats while there is nothing to say.

    Args:
        send: The client.
        heartbeat_s: Longest silence, seconds.
    """

    def __init__(self, send: Send, *, heartbeat_s: float) -> None:
        self._send = send
        self._heartbeat_s = heartbeat_s

    async def write(self, data: bytes) -> None:
        """Send a piece; returns once it is on its way."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def forward(
        self,
        events: trio.MemoryReceiveChannel[ProgressEvent],
        encode: Callable[[ProgressEvent], bytes],
    ) -> None:
        """Send progress until the channel ends, and a heartbeat whenever nothing was sent for long."""
        wrote_at = trio.current_time()
        while True:
            event = None
            with trio.move_on_at(wrote_at + self._heartbeat_s) as quiet:
                try:
                    event = await events.receive()
                except trio.EndOfChannel:
                    return
            data = HEARTBEAT if quiet.cancelled_caught or event is None else encode(event)
            if data:
                await self.write(data)
                wrote_at = trio.current_time()

    async def end(self) -> None:
        """Say that nothing follows."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def run_until_gone(receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
    """Do some work, and give it up when the client goes away."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_gone, receive, nursery.cancel_scope)
        await work()
        nursery.cancel_scope.cancel()
