"""Keeps authenticated links to the members of a network, and takes links from members and clients.

One link a pair. A member dials the members whose key is higher than its own (a client, and a member
nobody can dial, dial all: `swarm.edge.dialing`); where two links of a pair meet, both ends keep the one
opened by the lower key, and of two opened by one end the newer. Of two clients under one key the first is
kept for as long as it is heard: would the newer be, the older would dial again, and so on for ever.

With an address book, whom to dial follows the book, neighbours tell each other where members are, and members
without a direct link speak through others (`swarm.edge.overlay`). Without one nothing of that is on the wire.

Tasks of a link: one writer, the only one that sends, and one reader, which never runs handlers: it
puts messages into the inbox and stops reading while the node is behind with this link. One watch task
a mesh sends keepalives and ends links that fell silent or do not take what is sent
(`swarm.edge.link_tasks`). A link's failure ends that link only, with a reason in its `LinkDown`.

Not checked here: what messages say. The node tells through `penalise` what it thinks of them.
"""

import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import trio

from consensus.errors import LimitExceeded, NetworkError, PeerError
from consensus.identity import NetworkId, PeerKey, Signer
from swarm.edge.address_book import AddressBook
from swarm.edge.control import CONTROL_VERSION, is_control
from swarm.edge.dialing import BookPlan, Dialer, DialPlan, StaticPlan
from swarm.edge.handshake import VERSION_MAX, Authenticated
from swarm.edge.limits import EdgeLimits, PenaltyBox
from swarm.edge.link import Inbox, Link, LinkDown, LinkMaker, LinkUp, SecondMachine
from swarm.edge.link_tasks import watch_links, write_frames
from swarm.edge.opening import LinkOpener
from swarm.edge.overlay import Overlay
from swarm.edge.overlay_limits import OverlayLimits
from swarm.edge.transport import Carrier, Connector, Listener, unpack_messages

CUT_REASON: Final = "cut off by the testnet"
HEARD_KEEPALIVES: Final = 2  # a client that was not heard for so many gives way to another under its key


class Mesh:
    """The authenticated links of one node.

    Args:
        signer: The node's identity. A node whose key is not among `members` is a client.
        network_id: The only network spoken for, 32 bytes.
        members: Every member's key, with the URL to dial it at or None; with a book, one to try at first.
        limits: Bounds of everything.
        connect: Opens carriers to the members' URLs.
        listen: Accepts carriers (`WebSocketListener.serve`), or None to accept none.
        jitter: Returns numbers in [0, 1): spreads reconnections.
        book: What is known of members' addresses, of the same members; None where they are all known already.
        overlay_limits: Bounds of what neighbours tell each other where there is a book.
        anchors: Where the book's records are saved; None where they are not.

    Raises:
        ConfigError: A member's key is not a key, the network id is not one, or the book is of other members.
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
        book: AddressBook | None = None,
        overlay_limits: OverlayLimits | None = None,
        anchors: Path | None = None,
    ) -> None:
        self.inbox = Inbox(limits.events_max)
        self.sent_messages = 0  # handed to links since the mesh was made; empty keepalives are none
        self.sent_bytes = 0
        self.second_machine = ""  # why this node's key is known to be in use elsewhere
        self._key = signer.key
        self._members = frozenset(members)
        self._limits = limits
        self._listen = listen
        self._opener = LinkOpener(
            signer=signer,
            network_id=network_id,
            version_max=VERSION_MAX if book is None else CONTROL_VERSION,
            limits=limits,
            connect=connect,
            host=self,
        )
        bounds = overlay_limits or OverlayLimits()
        self._overlay: Overlay | None = None
        plan: DialPlan = StaticPlan(signer.key, members) if book is None else BookPlan(book, bounds)
        if book is not None:
            book.adopt(members)
            self._overlay = Overlay(
                signer=signer,
                network_id=network_id,
                book=book,
                host=self,
                edge=limits,
                limits=bounds,
                anchors=anchors,
                connect=connect,
            )
        others = len(self._members - {signer.key})
        self._dialer = Dialer(
            plan=plan,
            host=self,
            opener=self._opener,
            limits=limits,
            enough=min(bounds.bootstrap_links, others),
            jitter=jitter,
        )
        self._links: dict[PeerKey, Link] = {}
        self._penalties = PenaltyBox(limits)
        self._maker = LinkMaker(limits)
        self._cut: frozenset[PeerKey] = frozenset()
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
            if self._overlay is not None:
                self._overlay.issue()
            if self._listen is not None:
                await nursery.start(self._listen, self._opener.on_inbound)
            nursery.start_soon(self._dialer.run)
            nursery.start_soon(watch_links, self._links.values, self._limits, self._retire)
            if self._overlay is not None:
                nursery.start_soon(self._overlay.run)
            task_status.started()

    async def stop(self) -> None:
        """Send what is queued, take leave on every link, and end `run`; the caller owns the deadline.

        Cancelling `run` instead closes the sockets at once, and what the peers have not read may be lost.
        """
        await self.flush()
        self._retire_all("the node stopped")
        while self._running:
            await self._ended.park()
        if self._overlay is not None:
            await self._overlay.save()
        self._scope.cancel()

    def is_member(self, key: PeerKey) -> bool:
        """Say whether `key` is a member of the network."""
        return key in self._members

    def linked(self) -> tuple[PeerKey, ...]:
        """Return the keys that can be sent to, directly or through others, in ascending order."""
        reached = () if self._overlay is None else self._overlay.list_reached()
        return tuple(sorted({*self._links, *reached}))

    def get_relay(self, key: PeerKey) -> PeerKey | None:
        """Return through whom a linked member is reached just now; None where it is reached directly."""
        return None if self._overlay is None else self._overlay.get_relay(key)

    def count_heard(self) -> int:
        """Return how many neighbours have said whom they have links with; nobody does without a book."""
        return 0 if self._overlay is None else self._overlay.count_heard()

    async def ask_dial_back(self, url: str) -> Mapping[PeerKey, bool]:
        """Have some members dial this node at one of its addresses; see `DialBack.ask`."""
        return {} if self._overlay is None else await self._overlay.ask_dial_back(url)

    @property
    def anchors_problem(self) -> str:
        """Why addresses could not be saved last time; empty where they could, or need not be."""
        return "" if self._overlay is None else self._overlay.problem

    def find_holders(self, key: PeerKey) -> tuple[PeerKey, ...]:
        """Return which neighbours say to have a direct link with a member; nobody does without a book."""
        return () if self._overlay is None else self._overlay.find_holders(key)

    def send(self, key: PeerKey, message: bytes) -> bool:
        """Queue `message` for `key` without waiting.

        Returns:
            False if there is no link, or its queue was full: then the link is dropped (slow reader).

        Raises:
            LimitExceeded: The message is empty or does not fit a frame.
        """
        self._verify_message(message)
        link = self._links.get(key)
        if link is not None:
            return self.hand_over(link, message)
        return self._overlay is not None and self._overlay.send(key, message)

    def broadcast(self, message: bytes) -> int:
        """Queue `message` for every linked member; returns for how many. Raises as `send` does."""
        self._verify_message(message)
        return sum(self.send(key, message) for key in self.linked() if key in self._members)

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
        elif self._overlay is not None:
            self._overlay.reconsider(key)
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
        if self._overlay is not None:
            for key in self._members:
                self._overlay.reconsider(key)
        self._dialer.wake()

    def _verify_message(self, message: bytes) -> None:
        if not 0 < len(message) <= self._limits.message_bytes_max:
            raise LimitExceeded(
                f"message of {len(message)} bytes, expected 1 to {self._limits.message_bytes_max}"
            )

    # What the overlay and the dialer need.

    def get_link(self, key: PeerKey) -> Link | None:
        """Return the direct link to a key, if it is up."""
        return self._links.get(key)

    def is_refused(self, key: PeerKey) -> bool:
        """Say whether a key is banned or cut off."""
        return self.is_banned(key) or key in self._cut

    def is_settled(self, key: PeerKey) -> bool:
        """Say whether there is nothing to dial a key for."""
        return key in self._links or key in self._cut or key == self._key

    def count_members(self) -> int:
        """Return how many members there are direct links to."""
        return sum(key in self._members for key in self._links)

    def note_second_machine(self, reason: str) -> None:
        """Stop at once and say nothing more: this node's key is in use elsewhere."""
        if not self.second_machine:
            self.second_machine = reason
            self._retire_all("the key of this node is in use on another machine")
            self.inbox.put_first(SecondMachine(reason))
            self._scope.cancel()

    def hand_over(self, link: Link, message: bytes) -> bool:
        """Queue a message on a direct link; False if its queue was full, which ends it."""
        if link.enqueue(message):
            self.sent_messages += 1
            self.sent_bytes += len(message)
            return True
        self._retire(link, link.reason)
        return False

    # Coming up and going down.

    def has_room(self, key: PeerKey) -> bool:
        """Say whether a key that dialed may have a link: clients leave room for members."""
        inbound = [link.key for link in self._links.values() if link.opener != self._key]
        clients = sum(other not in self._members for other in inbound)
        is_full = len(inbound) >= self._limits.links_inbound_max
        if key not in self._members:
            is_full = is_full or clients >= self._limits.links_client_max
        return key in self._links or not is_full

    async def run_link(self, carrier: Carrier, peer: Authenticated, *, opener: PeerKey) -> None:
        """Keep an authenticated link until it ends, unless another one of its pair is preferred."""
        await self.inbox.wait_event_room()
        key = peer.key
        is_member = key in self._members
        link = self._maker.make(carrier, key=key, opener=opener, version=peer.version, is_member=is_member)
        if self.is_refused(key) or not self._install(link):
            return
        self._running += 1
        try:
            with link.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(write_frames, link, self._drained)
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
            if current.opener < link.opener or self._is_first_client(current):
                return False
            self._retire(current, "replaced by a newer link")
        is_reached = self._overlay is not None and self._overlay.is_reached(link.key)
        self._links[link.key] = link
        if not is_reached:  # else the node takes it for linked already
            self.inbox.put_event(LinkUp(link.key))
        if self._overlay is not None:
            self._overlay.on_link_up(link)
        return True

    def _is_first_client(self, link: Link) -> bool:
        """Say whether a link is a client's that is still there: another one under its key has to wait."""
        silent_s = trio.current_time() - link.heard_at
        is_client = link.key not in self._members and self._key in self._members
        return is_client and silent_s < HEARD_KEEPALIVES * self._limits.keepalive_s

    def _retire_all(self, reason: str) -> None:
        """Take all links out of use, for good."""
        self._is_stopping = True
        for link in tuple(self._links.values()):
            self._retire(link, reason)
        if self._overlay is not None:
            self._overlay.forget_routes()

    def _retire(self, link: Link, reason: str) -> None:
        """Take `link` out of use at once; its tasks end by themselves. May be repeated."""
        link.end(reason)
        if self._links.get(link.key) is link:
            del self._links[link.key]
            self.inbox.put_event(LinkDown(link.key, link.reason))
            if self._overlay is not None:
                self._overlay.on_link_down(link)
            self._dialer.wake()
            self._drained.unpark_all()

    async def _read(self, link: Link) -> None:
        try:
            while True:
                await link.wait_room()
                pause_s = await self._read_frame(link)
                if pause_s > 0.0:
                    await trio.sleep(pause_s)  # with nothing in hand: many links may pause at one time
        except NetworkError as exc:
            link.end(exc.message)

    async def _read_frame(self, link: Link) -> float:
        """Take one frame; returns the seconds for which nothing more shall be read."""
        link.recv_since = trio.current_time()
        try:
            frame = await link.carrier.recv()
            messages = unpack_messages(frame, self._limits)
        except PeerError as exc:
            self.penalise(link.key, exc.message)
            return 0.0
        finally:
            link.recv_since = math.inf
        link.heard_at = trio.current_time()
        protocol = messages if self._overlay is None else self._take_control(link, messages)
        if protocol:
            self.inbox.put_messages(link, protocol)
        return link.compute_pause_s(messages, len(frame))

    def _take_control(self, link: Link, messages: list[bytes]) -> list[bytes]:
        """Give the overlay what is its own and return the rest; on an older link all is the node's."""
        assert self._overlay is not None
        if link.version < CONTROL_VERSION:
            return messages
        for message in messages:
            if is_control(message) and not link.scope.cancel_called:
                try:
                    self._overlay.on_control(link, message)
                except PeerError as exc:
                    self.penalise(link.key, exc.message)
        return [message for message in messages if not is_control(message)]
