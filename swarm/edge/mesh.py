"""Keeps authenticated links to the members of a network, and takes links from members and clients.

One link a pair. A member dials the members whose key is higher than its own (a client, and a member
nobody can dial, dial all); where two links of a pair meet, both ends keep the one opened by the lower
key, and of two opened by one end the newer.

Tasks of a link: one writer, the only one that sends, and one reader, which never runs handlers: it
puts messages into the inbox and stops reading while the node is behind with this link. One watch task
a mesh sends keepalives and ends links that fell silent or do not take what is sent. A link's failure
ends that link only, with a reason in its `LinkDown`.

Not checked here: what messages say. The node tells through `penalise` what it thinks of them.
"""

import math
import random
from collections.abc import Callable, Mapping

import trio

from consensus.errors import ConfigError, LimitExceeded, NetworkError, PeerError
from consensus.identity import NetworkId, PeerKey, Signer
from swarm.edge.handshake import Handshaker
from swarm.edge.limits import EdgeLimits, PenaltyBox
from swarm.edge.link import DialFailed, Inbox, Link, LinkDown, LinkUp
from swarm.edge.transport import Carrier, Connector, Listener, unpack_messages

WATCHES_PER_KEEPALIVE = 4
CUT_REASON = "cut off by the testnet"


class Mesh:
    """The authenticated links of one node.

    Args:
        signer: The node's identity. A node whose key is not among `members` is a client.
        network_id: The only network spoken for, 32 bytes.
        members: Every member's key, with the URL to dial it at or None.
        limits: Bounds of everything.
        connect: Opens carriers to the members' URLs.
        listen: Accepts carriers (`WebSocketListener.serve`), or None to accept none.
        jitter: Returns numbers in [0, 1): spreads reconnections.

    Raises:
        ConfigError: A member's key is not a key, or the network id is not one.
    """

    def __init__(
        self,
        *,
        signer: Signer,
        network_id: NetworkId,
        members: Mapping[PeerKey, str | None],
        limits: EdgeLimits,
        connect: Connector,
        listen: Listener | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.inbox = Inbox(limits.events_max)
        self.sent_messages = 0  # handed to links since the mesh was made; empty keepalives are none
        self.sent_bytes = 0
        self._key = signer.key
        self._handshaker = Handshaker(
            signer=signer, network_id=network_id, timeout_s=limits.handshake_timeout_s
        )
        self._members = frozenset(members)
        self._dialed = compute_dialed(signer.key, members)
        self._limits = limits
        self._connect = connect
        self._listen = listen
        self._jitter = jitter
        self._links: dict[PeerKey, Link] = {}
        self._penalties = PenaltyBox(limits)
        self._cut: frozenset[PeerKey] = frozenset()
        self._dials = trio.Semaphore(limits.dials_concurrent_max)
        self._unauthenticated = 0
        # Dial tasks whose peer is linked the other way, or cut off.
        self._unlinked = trio.lowlevel.ParkingLot()
        self._drained = trio.lowlevel.ParkingLot()
        self._scope = trio.CancelScope()
        self._is_stopping = False
        self._running = 0  # links whose carrier is not closed yet
        self._ended = trio.lowlevel.ParkingLot()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the mesh up until `stop` or cancelled; started as soon as inbound links are accepted."""
        try:
            with self._scope:
                await self._run_tasks(task_status)
        finally:
            self.inbox.close()

    async def _run_tasks(self, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            if self._listen is not None:
                await nursery.start(self._listen, self._on_inbound)
            for key, url in self._dialed.items():
                nursery.start_soon(self._keep_dialed, nursery, key, url)
            nursery.start_soon(self._watch)
            task_status.started()

    async def stop(self) -> None:
        """Send what is queued, take leave on every link, and end `run`; the caller owns the deadline.

        Cancelling `run` instead closes the sockets at once, and what the peers have not read may be lost.
        """
        await self.flush()
        self._is_stopping = True
        for link in tuple(self._links.values()):
            self._retire(link, "the node stopped")
        while self._running:
            await self._ended.park()
        self._scope.cancel()

    def is_member(self, key: PeerKey) -> bool:
        """Say whether `key` is a member of the network."""
        return key in self._members

    def linked(self) -> tuple[PeerKey, ...]:
        """Return the keys with an open link, in ascending order."""
        return tuple(sorted(self._links))

    def send(self, key: PeerKey, message: bytes) -> bool:
        """Queue `message` for `key` without waiting.

        Returns:
            False if there is no link, or its queue was full: then the link is dropped (slow reader).

        Raises:
            LimitExceeded: The message is empty or does not fit a frame.
        """
        self._verify_message(message)
        link = self._links.get(key)
        return link is not None and self._enqueue(link, message)

    def broadcast(self, message: bytes) -> int:
        """Queue `message` for every linked member; returns for how many. Raises as `send` does."""
        self._verify_message(message)
        members = [link for key, link in self._links.items() if key in self._members]
        return sum(self._enqueue(link, message) for link in members)

    async def flush(self) -> None:
        """Wait until everything queued was handed to the sockets; the caller owns the deadline."""
        while not all(link.is_drained() for link in self._links.values()):
            await self._drained.park()
        await trio.lowlevel.checkpoint()

    def penalise(self, key: PeerKey, reason: str) -> bool:
        """Count a bad message of `key`; say whether that banned it, which ends its link too."""
        if not self._penalties.note_bad(key, trio.current_time()):
            return False
        link = self._links.get(key)
        if link is not None:
            self._retire(link, f"banned for {self._limits.ban_s:g} s, last for: {reason}")
        return True

    def is_banned(self, key: PeerKey) -> bool:
        """Say whether links with `key` are refused at present."""
        return self._penalties.is_banned(key, trio.current_time())

    def close_link(self, key: PeerKey) -> None:
        """End the link to `key`, if there is one; a dialed member is dialed again."""
        link = self._links.get(key)
        if link is not None:
            self._retire(link, "the node closed the link")

    def set_cut(self, keys: frozenset[PeerKey]) -> None:
        """Drop the links with `keys` and refuse new ones, until called again: how a testnet parts a network.

        Both ends of a pair have to be told; an end that was not sees its link close and its dials fail.
        """
        self._cut = keys
        for link in tuple(self._links.values()):
            if link.key in keys:
                self._retire(link, CUT_REASON)
        self._unlinked.unpark_all()

    def _verify_message(self, message: bytes) -> None:
        if not 0 < len(message) <= self._limits.message_bytes_max:
            raise LimitExceeded(
                f"message of {len(message)} bytes, expected 1 to {self._limits.message_bytes_max}"
            )

    def _enqueue(self, link: Link, message: bytes) -> bool:
        if link.enqueue(message):
            self.sent_messages += 1
            self.sent_bytes += len(message)
            return True
        self._retire(link, link.reason)
        return False

    # Coming up and going down.

    async def _on_inbound(self, carrier: Carrier) -> None:
        """Authenticate a carrier somebody opened and run its link; strangers leave no trace."""
        if self._unauthenticated >= self._limits.unauthenticated_max:
            return
        self._unauthenticated += 1
        try:
            peer = await self._handshaker.answer(carrier, binding=carrier.binding)
        except (NetworkError, PeerError):
            return
        finally:
            self._unauthenticated -= 1
        if self._has_room(peer.key):
            await self._run_link(carrier, key=peer.key, opener=peer.key)

    def _has_room(self, key: PeerKey) -> bool:
        inbound = [link.key for link in self._links.values() if link.opener != self._key]
        clients = sum(other not in self._members for other in inbound)
        is_full = len(inbound) >= self._limits.links_inbound_max
        if key not in self._members:
            is_full = is_full or clients >= self._limits.links_client_max
        return key in self._links or not is_full

    async def _keep_dialed(self, nursery: trio.Nursery, key: PeerKey, url: str) -> None:
        """Dial one member for ever, waiting longer after each short-lived attempt."""
        attempt = 0
        while True:
            while key in self._links or key in self._cut:
                await self._unlinked.park()
            started = trio.current_time()
            if not self._penalties.is_banned(key, started):
                await self._dial_once(nursery, key, url)
            pause_s = compute_backoff_s(self._limits, attempt, self._jitter())
            attempt = 0 if trio.current_time() - started > self._limits.backoff_s_max else attempt + 1
            await trio.sleep(pause_s)

    async def _dial_once(self, nursery: trio.Nursery, key: PeerKey, url: str) -> None:
        carrier: Carrier | None = None
        try:
            async with self._dials:
                carrier = await self._connect(nursery, url)
                await self._handshaker.dial(carrier, expected_key=key, binding=carrier.binding)
            await self._run_link(carrier, key=key, opener=self._key)
        except (NetworkError, PeerError, ConfigError) as exc:  # one bad URL is not the whole node's end
            await self.inbox.wait_event_room()
            self.inbox.put_event(DialFailed(key, exc.message))
        finally:
            if carrier is not None:
                await carrier.aclose()

    async def _run_link(self, carrier: Carrier, *, key: PeerKey, opener: PeerKey) -> None:
        await self.inbox.wait_event_room()
        limits = self._limits.member if key in self._members else self._limits.client
        link = Link(carrier, key=key, opener=opener, limits=limits, frame=self._limits)
        if self.is_banned(key) or key in self._cut or not self._install(link):
            return
        self._running += 1
        try:
            with link.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, link)
                    nursery.start_soon(self._read, link)
            self._retire(link, link.reason)
            await carrier.aclose()
        finally:
            self._retire(link, link.reason)
            self._running -= 1
            self._ended.unpark_all()

    def _install(self, link: Link) -> bool:
        """Make `link` the one of its pair, unless the one there is preferred."""
        current = self._links.get(link.key)
        if self._is_stopping:
            return False
        if current is not None:
            if current.opener < link.opener:
                return False
            self._retire(current, "replaced by a newer link")
        self._links[link.key] = link
        self.inbox.put_event(LinkUp(link.key))
        return True

    def _retire(self, link: Link, reason: str) -> None:
        """Take `link` out of use at once; its tasks end by themselves. May be repeated."""
        link.end(reason)
        if self._links.get(link.key) is link:
            del self._links[link.key]
            self.inbox.put_event(LinkDown(link.key, link.reason))
            self._unlinked.unpark_all()
            self._drained.unpark_all()

    # The tasks of links.

    async def _write(self, link: Link) -> None:
        try:
            while True:
                frame = await link.next_frame()
                link.send_since = trio.current_time()
                await link.carrier.send(frame)
                link.send_since = math.inf
                link.sent_at = trio.current_time()
                if self._drained and link.is_drained():
                    self._drained.unpark_all()
        except NetworkError as exc:
            link.end(exc.message)

    async def _read(self, link: Link) -> None:
        try:
            while True:
                await link.wait_room()
                await self._read_frame(link)
        except NetworkError as exc:
            link.end(exc.message)

    async def _read_frame(self, link: Link) -> None:
        link.recv_since = trio.current_time()
        try:
            frame = await link.carrier.recv()
            messages = unpack_messages(frame, self._limits)
        except PeerError as exc:
            self.penalise(link.key, exc.message)
            return
        finally:
            link.recv_since = math.inf
        if messages:
            self.inbox.put_messages(link, messages)
        pause_s = link.compute_pause_s(messages, len(frame))
        if pause_s > 0.0:
            await trio.sleep(pause_s)

    async def _watch(self) -> None:
        limits = self._limits
        while True:
            await trio.sleep(limits.keepalive_s / WATCHES_PER_KEEPALIVE)
            now = trio.current_time()
            for link in tuple(self._links.values()):
                if now - link.recv_since > limits.idle_timeout_s:
                    self._retire(link, f"silent for more than {limits.idle_timeout_s:g} s")
                elif now - link.send_since > limits.send_timeout_s:
                    self._retire(link, f"took no frame for more than {limits.send_timeout_s:g} s")
                elif now - link.sent_at >= limits.keepalive_s:
                    link.request_keepalive()


def compute_dialed(own: PeerKey, members: Mapping[PeerKey, str | None]) -> dict[PeerKey, str]:
    """Return whom a node dials, and where: so that a pair has one link, and every pair that can has one.

    Args:
        own: The node's key; a client's is not among the members.
        members: Every member's key, with its URL or None.

    Returns:
        Keys in ascending order, each with its URL.
    """
    for key in members:
        if len(key) != len(own):
            raise ConfigError(f"got a member key of {len(key)} bytes, expected {len(own)}")
    dials_all = members.get(own) is None  # a client, or a member that others have no address of
    return {
        key: url
        for key, url in sorted(members.items())
        if url is not None and key != own and (dials_all or key > own)
    }


def compute_backoff_s(limits: EdgeLimits, attempt: int, jitter: float) -> float:
    """Return the wait before dial number `attempt` + 1, seconds: doubling, capped, half of it jittered."""
    doubled = limits.backoff_s_min * 2.0 ** min(attempt, 32)
    return min(limits.backoff_s_max, doubled) * (0.5 + 0.5 * jitter)
