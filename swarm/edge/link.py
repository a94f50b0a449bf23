"""One authenticated link's queues and accounts, and the inbox in which all links of a node meet.

No task runs here: `swarm.edge.mesh` owns the tasks. What is here never waits for a socket.
"""

import math
from collections import deque
from dataclasses import dataclass

import trio

from consensus.identity import PeerKey
from swarm.edge.limits import EdgeLimits, LinkLimits, TokenBucket
from swarm.edge.pools import BytePool
from swarm.edge.transport import Carrier, pack_messages

BIN_HEADER_BYTES = 5  # most that msgpack puts before one message
ARRAY_HEADER_BYTES = 3  # most that msgpack puts before the messages of a frame
EVENTS_PER_BATCH = 256


@dataclass(frozen=True, slots=True)
class LinkPools:
    """What links of one kind share: memory for what the node has yet to take, and for what is to be sent."""

    incoming: BytePool
    outgoing: BytePool


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message of an authenticated key."""

    key: PeerKey
    message: bytes


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A link to `key` is open, or another member relays to it: messages may be sent."""

    key: PeerKey
    is_direct: bool = True


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The link to `key` has ended, and what was queued for it is lost."""

    key: PeerKey
    reason: str


@dataclass(frozen=True, slots=True)
class DialFailed:
    """A dial of member `key` failed; another follows by itself."""

    key: PeerKey
    reason: str


@dataclass(frozen=True, slots=True)
class BootstrapFailed:
    """A dial of an address without a key gave no link; another follows while there are too few."""

    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class SecondMachine:
    """This node's own key is in use elsewhere: the mesh has stopped, and nothing may be signed any more."""

    reason: str


MeshEvent = Inbound | LinkUp | LinkDown | DialFailed | BootstrapFailed | SecondMachine


class Link:
    """One authenticated carrier and its two queues' accounts; `version` is what both its ends speak."""

    def __init__(
        self,
        carrier: Carrier,
        *,
        key: PeerKey,
        opener: PeerKey,
        limits: LinkLimits,
        pools: LinkPools,
        frame: EdgeLimits,
        version: int,
    ) -> None:
        now = trio.current_time()
        self.carrier = carrier
        self.key = key
        self.opener = opener
        self.version = version
        self.scope = trio.CancelScope()
        self.reason = "the node closed the link"
        self.recv_since = math.inf  # since when a recv, and a send, has been waiting
        self.send_since = math.inf
        self.sent_at = now
        self.heard_at = now
        self.in_messages = 0
        self.in_bytes = 0
        self._limits = limits
        self._pools = pools
        self._frame = frame
        self._out: deque[bytes] = deque()
        self._out_bytes = 0
        self._is_keepalive_due = False
        self._writer = trio.lowlevel.ParkingLot()
        self._reader = trio.lowlevel.ParkingLot()
        self._messages = TokenBucket(per_s=limits.messages_per_s, burst=limits.messages_burst, now=now)
        self._bytes = TokenBucket(per_s=limits.bytes_per_s, burst=limits.bytes_burst, now=now)

    def end(self, reason: str) -> None:
        """Stop both tasks and forget what was to be sent; the first reason is the one reported."""
        if not self.scope.cancel_called:
            self.reason = reason
            self.scope.cancel()
        self._pools.outgoing.held -= self._out_bytes
        self._out_bytes = 0
        self._out.clear()

    def enqueue(self, message: bytes) -> bool:
        """Queue a message, or end the link because the other side reads too slowly."""
        if self.scope.cancel_called:
            return False
        is_full = (
            len(self._out) >= self._limits.out_queue_messages_max
            or self._out_bytes + len(message) > self._get_out_bytes_max()
        )
        if self._out and is_full:  # whoever reads always gets the next message, whatever others leave lying
            self.end("slow reader: the queue of outgoing messages is full")
            return False
        self._out_bytes += len(message)
        self._pools.outgoing.held += len(message)
        self._out.append(message)
        self._writer.unpark()
        return True

    def has_room(self, share: float) -> bool:
        """Say whether at most this share of the queue of outgoing messages is in use."""
        return (
            len(self._out) <= self._limits.out_queue_messages_max * share
            and self._out_bytes <= self._get_out_bytes_max() * share
        )

    def _get_out_bytes_max(self) -> int:
        return min(self._limits.out_queue_bytes_max, self._pools.outgoing.left)

    def is_drained(self) -> bool:
        """Say whether everything enqueued was handed to the carrier."""
        return not self._out and self.send_since == math.inf

    def request_keepalive(self) -> None:
        """Have the writer send an empty frame unless messages go first."""
        self._is_keepalive_due = True
        self._writer.unpark()

    async def next_frame(self) -> bytes:
        """Wait until there is something to send and return as much of it as one frame holds."""
        while not self._out and not self._is_keepalive_due:
            await self._writer.park()
        self._is_keepalive_due = False
        room = self._frame.coalesced_bytes_max - ARRAY_HEADER_BYTES
        out = self._out
        batch: list[bytes] = []
        while out and len(batch) < self._frame.messages_per_frame_max:
            room -= len(out[0]) + BIN_HEADER_BYTES
            if room < 0 and batch:
                break
            batch.append(out.popleft())
        taken = sum(map(len, batch))
        self._out_bytes -= taken
        self._pools.outgoing.held -= taken
        return pack_messages(batch)

    def is_backlogged(self) -> bool:
        """Say whether the node has yet to take its share of this link's messages."""
        limits = self._limits
        bytes_max = min(limits.in_queue_bytes_max, max(1, self._pools.incoming.left))
        return self.in_messages >= limits.in_queue_messages_max or self.in_bytes >= bytes_max

    async def wait_room(self) -> None:
        """Wait while the node is behind with this link."""
        while self.is_backlogged():
            await self._reader.park()

    def note_waiting(self, messages: list[bytes]) -> None:
        """Account for messages that wait for the node."""
        size = sum(map(len, messages))
        self.in_messages += len(messages)
        self.in_bytes += size
        self._pools.incoming.held += size

    def note_taken(self, message: bytes) -> None:
        """Account for one message the node took."""
        self.in_messages -= 1
        self.in_bytes -= len(message)
        self._pools.incoming.held -= len(message)
        if self._reader and not self.is_backlogged():
            self._reader.unpark()

    def compute_pause_s(self, messages: list[bytes], frame_bytes: int) -> float:
        """Charge a frame and return the seconds for which nothing more shall be read."""
        now = trio.current_time()
        by_messages = self._messages.compute_wait_s(max(1, len(messages)), now)  # keepalives cost too
        return max(by_messages, self._bytes.compute_wait_s(frame_bytes, now))


class LinkMaker:
    """Makes the links of one mesh, which share two pools: one of members, one of everybody else.

    Args:
        limits: Bounds of the links.
    """

    def __init__(self, limits: EdgeLimits) -> None:
        self._limits = limits
        self._member_pools = _create_pools(limits.member)
        self._client_pools = _create_pools(limits.client)

    def make(self, carrier: Carrier, *, key: PeerKey, opener: PeerKey, version: int, is_member: bool) -> Link:
        """Return a link over an authenticated carrier, with empty queues."""
        return Link(
            carrier,
            key=key,
            opener=opener,
            limits=self._limits.member if is_member else self._limits.client,
            pools=self._member_pools if is_member else self._client_pools,
            frame=self._limits,
            version=version,
        )


def _create_pools(limits: LinkLimits) -> LinkPools:
    return LinkPools(BytePool(limits.in_pool_bytes_max), BytePool(limits.out_pool_bytes_max))


class Inbox:
    """What the mesh hands to the node, in order of arrival.

    Bounded without loss: every link has a share of messages and bytes (`LinkLimits.in_queue_*`, plus at
    most one frame) and stops reading beyond it; no link comes up while `events_max` events wait. One
    node task takes from it.
    """

    def __init__(self, events_max: int) -> None:
        self._items: deque[tuple[MeshEvent, Link | None]] = deque()
        self._events_max = events_max
        self._events = 0
        self._takers = trio.lowlevel.ParkingLot()
        self._announcers = trio.lowlevel.ParkingLot()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._items)

    async def receive(self) -> MeshEvent:
        """Return the next event; raises trio.EndOfChannel once the mesh has ended and all is taken."""
        await self._wait_item()
        return self._take()

    def receive_nowait(self) -> MeshEvent:
        """Return the next event, or raise trio.WouldBlock (trio.EndOfChannel as `receive` does)."""
        if not self._items:
            raise trio.EndOfChannel if self._is_closed else trio.WouldBlock
        return self._take()

    async def receive_batch(self, events_max: int = EVENTS_PER_BATCH) -> list[MeshEvent]:
        """Wait for an event and return it with those behind it, at most `events_max` (1 or more)."""
        await self._wait_item()
        return [self._take() for _ in range(min(events_max, len(self._items)))]

    async def _wait_item(self) -> None:
        if self._items:
            await trio.lowlevel.checkpoint()  # a busy node must not starve its own links
        while not self._items:
            if self._is_closed:
                raise trio.EndOfChannel
            await self._takers.park()

    def _take(self) -> MeshEvent:
        event, link = self._items.popleft()
        if link is not None:
            assert isinstance(event, Inbound)
            link.note_taken(event.message)
        else:
            self._events -= 1
            self._announcers.unpark()
        return event

    async def wait_event_room(self) -> None:
        """Wait until the node has taken enough events for another link to come up."""
        while self._events >= self._events_max:
            await self._announcers.park()

    def put_event(self, event: LinkUp | LinkDown | DialFailed | BootstrapFailed) -> None:
        """Add a link event; whoever announces something new first awaits `wait_event_room`."""
        self._events += 1
        self._items.append((event, None))
        self._takers.unpark()

    def put_first(self, event: SecondMachine) -> None:
        """Put an event before all that waits."""
        self._events += 1
        self._items.appendleft((event, None))
        self._takers.unpark()

    def put_relayed(self, link: Link, key: PeerKey, message: bytes) -> None:
        """Add a message of `key` that came over somebody else's link, to the share of that link."""
        link.note_waiting([message])
        self._items.append((Inbound(key, message), link))
        self._takers.unpark()

    def put_messages(self, link: Link, messages: list[bytes]) -> None:
        """Add a frame's messages to the link's share."""
        key = link.key
        link.note_waiting(messages)
        self._items.extend([(Inbound(key, message), link) for message in messages])
        self._takers.unpark()

    def close(self) -> None:
        """Say that nothing more comes."""
        self._is_closed = True
        self._takers.unpark_all()
