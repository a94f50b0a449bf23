"""What neighbours tell each other beneath the protocol: addresses, presence, and frames for others.

One object a mesh that has an address book. It hears of links from the mesh, reads their control messages
inside the links' readers (each is bounded, and never waited for), and speaks through the mesh. A
neighbour is whoever has a direct link on which both ends speak control messages; members say all of it
there, clients listen, and send frames to members who only dial out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, assert_never

import trio

from consensus.errors import LimitExceeded, PeerError
from consensus.identity import NetworkId, PeerKey, Signer
from swarm.edge.address_book import AddressBook, ForeignRecordError
from swarm.edge.control import (
    CONTROL_VERSION,
    DialBackAnswer,
    DialBackRequest,
    PresenceMessage,
    RecordsMessage,
    RelayedMessage,
    decode_control,
    encode_control,
    is_control,
)
from swarm.edge.dial_back import DialBack
from swarm.edge.gossip import Gossip
from swarm.edge.limits import EdgeLimits, TokenBucket
from swarm.edge.link import Inbox, Link, LinkDown, LinkUp
from swarm.edge.overlay_limits import OverlayLimits
from swarm.edge.presence import Routes, decode_presence, encode_presence, list_places
from swarm.edge.relay import OVERHEAD_BYTES, Parcel, Relay, RelaySink, RelaySource, open_parcel
from swarm.edge.transport import Connector

RECONSIDER_S: Final = 30.0  # bans end unannounced
REFUSED: Final = "it is banned or cut off"
NO_RELAY: Final = "no neighbour has a link to it any more"
RELAY_LOST: Final = "the neighbour that relayed to it has no link to it any more; another one relays"


class OverlayHost(Protocol):
    """What the overlay needs of its mesh."""

    inbox: Inbox

    def get_link(self, key: PeerKey) -> Link | None:
        """Return the direct link to a key, if it is up."""

    def hand_over(self, link: Link, message: bytes) -> bool:
        """Queue a message on a direct link."""

    def is_refused(self, key: PeerKey) -> bool:
        """Say whether nothing is had to do with a key at present: it is banned, or cut off."""

    def penalise(self, key: PeerKey, reason: str) -> bool:
        """Count a fault of a key."""

    def note_second_machine(self, reason: str) -> None:
        """Stop: this node's key is in use elsewhere."""


@dataclass(slots=True)
class _Neighbour:
    link: Link
    is_member: bool
    presence: TokenBucket
    told: bytes = b""


class Overlay:
    """A node's part in its network's addresses, presence and relaying.

    Args:
        signer: The node's identity.
        network_id: The network, 32 bytes.
        book: Addresses; names the members.
        host: The mesh.
        edge: Bounds of links.
        limits: Bounds of what is said here.
        anchors: Where records are saved; None where they are not.
        connect: Opens carriers.
    """

    def __init__(
        self,
        *,
        signer: Signer,
        network_id: NetworkId,
        book: AddressBook,
        host: OverlayHost,
        edge: EdgeLimits,
        limits: OverlayLimits,
        anchors: Path | None,
        connect: Connector,
    ) -> None:
        self.payload_bytes_max = edge.message_bytes_max - OVERHEAD_BYTES
        self._book = book
        self._host = host
        self._edge = edge
        self._limits = limits
        self._own = signer.key
        self._places = {key: place for place, key in enumerate(book.members)}
        self._neighbours: dict[PeerKey, _Neighbour] = {}
        self._routes = Routes(own=signer.key, members=book.members, rotate_s=limits.rotate_s)
        self._reached: dict[PeerKey, bool] = {}  # members the node takes for linked, with no direct link
        self._dirty = 0  # bits of members whose way may have changed
        self._shaken: dict[PeerKey, bool] = {}  # of those, members whose chosen relay is gone
        self._reroute_due = trio.Event()
        self._presence_due = trio.Event()
        self._gossip = Gossip(book=book, limits=limits, hand_over=host.hand_over, anchors=anchors)
        rate = limits.member_rate if signer.key in self._places else limits.asker_rate
        self._source = RelaySource(signer=signer, network_id=network_id, rate=rate)
        self._dial_back = DialBack(
            network_id=network_id, book=book, connect=connect, hand_over=host.hand_over
        )
        self._relay = Relay(network_id=network_id, limits=limits)
        self._sink = RelaySink(network_id=network_id, members=self._places, limits=limits)

    async def run(self) -> None:
        """Take part until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._gossip.run)
            nursery.start_soon(self._tell_presence)
            nursery.start_soon(self._keep_routes)
            nursery.start_soon(self._reconsider)
            nursery.start_soon(self._dial_back.run)

    def issue(self) -> None:
        """Sign this node's own record."""
        self._gossip.issue()

    @property
    def problem(self) -> str:
        """Why the anchors could not be saved last time; empty where they could."""
        return self._gossip.problem

    async def save(self) -> None:
        """Write the anchors, if there are any and a file for them."""
        await self._gossip.save()

    async def ask_dial_back(self, url: str) -> Mapping[PeerKey, bool]:
        """Have neighbours dial one of this node's addresses; see `DialBack.ask`."""
        members = [other.link for other in self._neighbours.values() if other.is_member]
        return await self._dial_back.ask(members, url)

    # What the mesh tells.

    def on_link_up(self, link: Link) -> None:
        """Greet a neighbour, and note that a member has a direct link."""
        if link.version >= CONTROL_VERSION:
            limits = self._limits
            presence = TokenBucket(
                per_s=limits.presence_per_s, burst=limits.presence_burst, now=trio.current_time()
            )
            neighbour = _Neighbour(link, link.key in self._places, presence)
            self._neighbours[link.key] = neighbour
            self._gossip.on_link_up(link)
            self._tell(neighbour)
        self._reached.pop(link.key, None)
        self._presence_due.set()

    def on_link_down(self, link: Link) -> None:
        """Forget a neighbour, and look for other ways to all that were reached through it."""
        neighbour = self._neighbours.get(link.key)
        if neighbour is not None and neighbour.link is link:
            del self._neighbours[link.key]
            self._gossip.on_link_down(link)
            if not neighbour.is_member:
                self._relay.forget(link.key)
            self._shake(link.key, self._routes.get_bits(link.key))
            self._mark(self._routes.drop_neighbour(link.key))
        self.reconsider(link.key)
        self._presence_due.set()

    def reconsider(self, key: PeerKey) -> None:
        """Look at the way to a member again: its link, a ban or a cut has changed."""
        if key in self._places:
            self._mark(1 << self._places[key])

    def on_control(self, link: Link, data: bytes) -> None:
        """Take a control message.

        Raises:
            PeerError: The neighbour is at fault.
        """
        neighbour = self._neighbours.get(link.key)
        if neighbour is None or neighbour.link is not link:
            return  # the link has ended meanwhile
        message = decode_control(data)
        if not (neighbour.is_member or isinstance(message, RelayedMessage)):
            raise PeerError("got a control message of a client, which has none to send but relayed frames")
        match message:
            case RecordsMessage():
                try:
                    self._gossip.on_records(link, message)
                except ForeignRecordError as exc:
                    self._host.note_second_machine(exc.message)
            case PresenceMessage():
                self._on_presence(neighbour, message)
            case RelayedMessage():
                self._on_relayed(link, open_parcel(message, bytes_max=self._edge.message_bytes_max))
            case DialBackRequest():
                self._dial_back.on_request(link, message)
            case DialBackAnswer():
                self._dial_back.on_answer(link, message)
            case _:
                assert_never(message)

    # Presence and routes.

    def list_reached(self) -> tuple[PeerKey, ...]:
        """Return the members that are reached through others only."""
        return tuple(self._reached)

    def is_reached(self, key: PeerKey) -> bool:
        """Say whether a member is reached through others only."""
        return key in self._reached

    def forget_routes(self) -> None:
        """Take nobody for reached any more: the mesh goes down."""
        self._reached.clear()

    def get_relay(self, key: PeerKey) -> PeerKey | None:
        """Return through whom a member is reached just now; None where it is not, or directly."""
        return self._routes.choose(key, trio.current_time()) if key in self._reached else None

    def find_holders(self, key: PeerKey) -> tuple[PeerKey, ...]:
        """Return the neighbours that say to have a direct link with a member."""
        return self._routes.find_holders(key)

    def count_heard(self) -> int:
        """Return how many neighbours have said whom they have links with."""
        return self._routes.count()

    def _on_presence(self, neighbour: _Neighbour, message: PresenceMessage) -> None:
        if neighbour.presence.compute_wait_s(1, trio.current_time()) > 0.0:
            raise PeerError(f"got more than {self._limits.presence_per_s:g} words on presence a second")
        bits = decode_presence(message.members, len(self._places))
        key = neighbour.link.key
        self._shake(key, self._routes.get_bits(key) & ~bits)
        self._mark(self._routes.set_neighbour(key, bits))

    def _shake(self, relay: PeerKey, lost: int) -> None:
        """Note which members are reached through a relay that has just lost them: what it had is lost."""
        for place in list_places(lost):
            dst = self._book.members[place]
            if dst in self._reached and self._routes.choose(dst, trio.current_time()) == relay:
                self._shaken[dst] = True

    def _mark(self, bits: int) -> None:
        if bits:
            self._dirty |= bits
            self._reroute_due.set()

    async def _keep_routes(self) -> None:
        """Tell the node of members that others reach for it; bounded as all events are."""
        while True:
            await self._reroute_due.wait()
            await self._host.inbox.wait_event_room()
            self._reroute_due = trio.Event()
            dirty, self._dirty = self._dirty, 0
            for place in list_places(dirty):
                self._reroute(self._book.members[place])

    def _reroute(self, key: PeerKey) -> None:
        """Compare what the node takes for linked with what is."""
        put = self._host.inbox.put_event
        was_reached, is_shaken = key in self._reached, self._shaken.pop(key, False)
        if key == self._own or self._host.get_link(key) is not None:
            self._reached.pop(key, None)  # the mesh tells of direct links
            return
        is_reached = not self._host.is_refused(key) and bool(self._routes.find_holders(key))
        if was_reached and (is_shaken or not is_reached):
            del self._reached[key]
            reason = REFUSED if self._host.is_refused(key) else RELAY_LOST if is_reached else NO_RELAY
            put(LinkDown(key, reason))
        if is_reached and key not in self._reached:
            self._reached[key] = True
            put(LinkUp(key, is_direct=False))

    async def _reconsider(self) -> None:
        while True:
            await trio.sleep(RECONSIDER_S)
            self._mark((1 << len(self._places)) - 1)

    async def _tell_presence(self) -> None:
        while True:
            await self._presence_due.wait()
            self._presence_due = trio.Event()
            for neighbour in tuple(self._neighbours.values()):
                self._tell(neighbour)
            await trio.sleep(self._limits.presence_s)

    def _tell(self, neighbour: _Neighbour) -> None:
        """Say whom this node has links with, if it is a member and has not said so before."""
        if self._own not in self._places:
            return
        held = [self._places[key] for key, other in self._neighbours.items() if other.is_member]
        data = encode_presence(held, len(self._places))
        if data != neighbour.told:
            neighbour.told = data
            self._host.hand_over(neighbour.link, encode_control(PresenceMessage(data)))

    # Relaying.

    def send(self, dst: PeerKey, payload: bytes) -> bool:
        """Send through a neighbour.

        Args:
            dst: A member without a direct link, or an asker that was heard through a neighbour.
            payload: A protocol message.

        Returns:
            False if nobody relays to it, or the relay has been given enough by now.

        Raises:
            LimitExceeded: The message does not fit a relayed frame.
        """
        if len(payload) > self.payload_bytes_max:
            raise LimitExceeded(
                f"message of {len(payload)} bytes, expected at most {self.payload_bytes_max} through a relay"
            )
        relay = self.get_relay(dst) if dst in self._places else self._sink.get_way(dst)
        link = None if relay is None else self._host.get_link(relay)
        if relay is None or link is None or not link.has_room(self._limits.relay_queue_share):
            return False
        size = len(payload) + OVERHEAD_BYTES
        if not self._source.may_send(relay, size, trio.current_time()):
            return False
        message = self._source.seal(dst, payload, now_ms=self._book.get_time_ms())
        return self._host.hand_over(link, encode_control(message))

    def _on_relayed(self, link: Link, parcel: Parcel) -> None:
        if parcel.src not in self._places and parcel.dst not in self._places:
            raise PeerError("relayed frame: got one that neither comes from a member nor goes to one")
        if parcel.dst == self._own and parcel.src != link.key and link.key in self._places:
            self._take(link, parcel)
        elif parcel.src == link.key and parcel.dst != self._own and self._own in self._places:
            self._pass_on(parcel)
        else:
            raise PeerError("relayed frame: got one that is not on the only hop it may take")

    def _pass_on(self, parcel: Parcel) -> None:
        """Relay a frame of a neighbour, if its receiver is a neighbour too and takes what it is sent."""
        is_asker, now = parcel.src not in self._places, trio.current_time()
        if not self._relay.check(parcel, is_asker=is_asker, now_ms=self._book.get_time_ms(), now=now):
            return
        neighbour = self._neighbours.get(parcel.dst)
        if neighbour is None or not neighbour.link.has_room(self._limits.relay_queue_share):
            return  # it has gone, or is behind: the source sends again, as it does when a link fails
        self._host.hand_over(neighbour.link, encode_control(parcel.message))

    def _take(self, link: Link, parcel: Parcel) -> None:
        """Hand a frame to the node as its source's; what is wrong with what it says is the source's fault."""
        if self._host.is_refused(parcel.src):
            return
        now = trio.current_time()
        if not self._sink.check(parcel, link.key, now_ms=self._book.get_time_ms(), now=now):
            return
        if not self._sink.has_allowance(parcel, now):
            self._host.penalise(parcel.src, "it sends more through relays than it may")
        elif not parcel.payload or is_control(parcel.payload):
            self._host.penalise(parcel.src, "relayed frame: got a payload that is no message")
        else:
            self._host.inbox.put_relayed(link, parcel.src, parcel.payload)
