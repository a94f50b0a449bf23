"""Every limit of the edge, each with a name and a unit, and the two counters that enforce rates.

A limit is a starting value with a reason, not a law: a 31-seat committee must pass in one burst, a
flood must not. Committee bursts: a seat sends each other seat about 31 forwarded commits, a reveal and
a proposal of some 25 KB (21 signed lists each), a handful of votes, and their retransmissions.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from consensus.identity import PeerKey


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """What one authenticated link may use.

    Args:
        messages_per_s: Sustained rate of incoming messages, messages a second.
        messages_burst: Messages that may arrive at once.
        bytes_per_s: Sustained rate of incoming bytes, bytes a second.
        bytes_burst: Bytes that may arrive at once.
        in_queue_messages_max: Messages of this link the node has not taken yet; then reading stops.
        in_queue_bytes_max: The same in bytes.
        out_queue_messages_max: Messages waiting to be sent; one more drops the link (slow reader).
        out_queue_bytes_max: The same in bytes.
        in_pool_bytes_max: What all links of this kind may have waiting for the node together, bytes; a link
            may have as much as is left (`swarm.edge.pools`).
        out_pool_bytes_max: The same of what waits to be sent: 31 seats in 32 rounds queue some 25 MiB for
            one another at worst, and strangers, who cost nothing, share a quarter of that.
    """

    messages_per_s: float
    messages_burst: int
    bytes_per_s: float
    bytes_burst: int
    in_queue_messages_max: int
    in_queue_bytes_max: int
    out_queue_messages_max: int
    out_queue_bytes_max: int
    in_pool_bytes_max: int
    out_pool_bytes_max: int


MEMBER_LIMITS = LinkLimits(
    messages_per_s=2_000.0,
    messages_burst=8_192,
    bytes_per_s=8_388_608.0,
    bytes_burst=16_777_216,
    in_queue_messages_max=1_024,
    in_queue_bytes_max=2_097_152,
    out_queue_messages_max=4_096,
    out_queue_bytes_max=8_388_608,
    in_pool_bytes_max=33_554_432,
    out_pool_bytes_max=67_108_864,
)
CLIENT_LIMITS = LinkLimits(
    messages_per_s=50.0,
    messages_burst=200,
    bytes_per_s=1_048_576.0,
    bytes_burst=1_048_576,
    in_queue_messages_max=64,
    in_queue_bytes_max=524_288,
    out_queue_messages_max=256,
    out_queue_bytes_max=2_097_152,
    in_pool_bytes_max=4_194_304,
    out_pool_bytes_max=16_777_216,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeLimits:
    """Every bound of one node's network edge.

    Args:
        frame_bytes_max: One frame on the wire, bytes.
        messages_per_frame_max: Messages coalesced into one frame.
        coalesced_bytes_max: A frame of several messages, bytes; a longer message has a frame for itself. What
            is being sent lies in memory three times (WebSocket, TLS, socket), for each link that reads not.
        in_queue_frames_max: Frames a carrier buffers besides the one it has read and nobody has taken, with
            which it stops reading its socket. Of any length, and of every link, so none has to do.
        handshake_timeout_s: From an open byte link to an authenticated one, seconds; the same again
            bounds the connect, TLS and the WebSocket upgrade before it, together.
        close_timeout_s: Farewell of a closing link, seconds; then the socket is closed without one.
        keepalive_s: A link that sent nothing for so long sends an empty frame, seconds.
        idle_timeout_s: A link on which nothing arrives for so long is dead, seconds.
        send_timeout_s: A frame the other side does not take within this time ends its link, seconds.
        backoff_s_min: First wait before a peer is dialed again, seconds; doubled each time.
        backoff_s_max: Longest such wait, seconds.
        links_inbound_max: Links accepted from others.
        links_client_max: Of those, links of keys that are not members.
        unauthenticated_max: Accepted connections that have not authenticated yet.
        prefix_unauthenticated_max: Of those, connections from one network (`swarm.edge.admission`): a
            handshake takes milliseconds, so honest peers behind one address rarely meet at the door,
            and whoever is turned away dials again.
        prefix_connections_max: Connections from one network, authenticated or not: a laboratory's 31
            peers behind one address all find room, and one network is a quarter of the inbound links.
        prefix_connections_per_s: How often one network may connect, for ever, a second: TLS and a refusal
            cost some 5 ms each.
        prefix_connections_burst: How often at once: 31 peers behind one address that all start again.
        prefixes_remembered_max: Networks whose rate is remembered; the one heard of longest ago goes first.
        is_loopback_exempt: Whether the `prefix_*` limits spare this machine itself, on which whole
            swarms are run; the totals never do.
        dials_concurrent_max: Dials under way at one time.
        bad_messages_max: Bad messages one key may send in `ban_s`; one more bans the key.
        ban_s: How long a banned key is refused, seconds.
        penalised_keys_max: Keys whose record of bad messages is remembered; the oldest goes first.
        events_max: Link events the node has not taken yet; then no further link comes up.
        member: Limits of a link to a member of the network.
        client: Limits of a link to any other key.
    """

    frame_bytes_max: int = 262_144
    messages_per_frame_max: int = 1_024
    coalesced_bytes_max: int = 65_536
    in_queue_frames_max: int = 0
    handshake_timeout_s: float = 5.0
    close_timeout_s: float = 1.0
    keepalive_s: float = 10.0
    idle_timeout_s: float = 30.0
    send_timeout_s: float = 15.0
    backoff_s_min: float = 0.05
    backoff_s_max: float = 10.0
    links_inbound_max: int = 128
    links_client_max: int = 64
    unauthenticated_max: int = 64
    prefix_unauthenticated_max: int = 4
    prefix_connections_max: int = 32
    prefix_connections_per_s: float = 4.0
    prefix_connections_burst: int = 128
    prefixes_remembered_max: int = 4_096
    is_loopback_exempt: bool = True
    dials_concurrent_max: int = 8
    bad_messages_max: int = 20
    ban_s: float = 600.0
    penalised_keys_max: int = 4_096
    events_max: int = 1_024
    member: LinkLimits = field(default=MEMBER_LIMITS)
    client: LinkLimits = field(default=CLIENT_LIMITS)

    @property
    def message_bytes_max(self) -> int:
        """Longest single message, bytes: a frame less its array and length headers."""
        return self.frame_bytes_max - 8


class _Level:
    """What a rate has let gather, up to a burst.

    Args:
        per_s: Refill, units a second.
        burst: Capacity, units.
        now: Current time, seconds on any steady clock.
    """

    __slots__ = ("_at", "_burst", "_level", "_per_s")

    def __init__(self, *, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._level = float(burst)
        self._at = now

    def _refill(self, now: float) -> None:
        self._level = min(self._burst, self._level + (now - self._at) * self._per_s)
        self._at = now


class TokenBucket(_Level):
    """Tells how long to wait so that a rate is kept, letting bursts through.

    It runs into debt instead of refusing: what has arrived is already paid for by memory, so the
    reader pauses afterwards and the sender feels it as back-pressure.
    """

    __slots__ = ()

    def compute_wait_s(self, amount: int, now: float) -> float:
        """Take `amount` units at time `now` and return the seconds until the debt is refilled."""
        self._refill(now)
        self._level -= amount
        return 0.0 if self._level >= 0.0 else -self._level / self._per_s


class Allowance(_Level):
    """Tells whether more is allowed at a rate; what is refused costs nothing, so no flood runs up a debt."""

    __slots__ = ()

    def has(self, amount: float, now: float) -> bool:
        """Say whether so many units are there at time `now`."""
        self._refill(now)
        return self._level >= amount

    def pay(self, amount: float) -> None:
        """Take units that were there."""
        self._level -= amount

    def take(self, now: float) -> bool:
        """Take one at time `now`, if there is one."""
        if not self.has(1.0, now):
            return False
        self.pay(1.0)
        return True


@dataclass(slots=True)
class _Record:
    bad: TokenBucket
    banned_until: float


class PenaltyBox:
    """Counts bad messages by key, across reconnections, and bans the keys that send too many.

    Args:
        limits: `bad_messages_max`, `ban_s` and `penalised_keys_max` are used.
    """

    __slots__ = ("_limits", "_records")

    def __init__(self, limits: EdgeLimits) -> None:
        self._limits = limits
        self._records: OrderedDict[PeerKey, _Record] = OrderedDict()

    def is_banned(self, key: PeerKey, now: float) -> bool:
        """Say whether `key` is refused at time `now`, seconds."""
        record = self._records.get(key)
        return record is not None and now < record.banned_until

    def note_bad(self, key: PeerKey, now: float) -> bool:
        """Count one bad message of `key` at time `now`; say whether the key is banned from now on."""
        limits = self._limits
        record = self._records.pop(key, None)
        if record is None:
            per_s = limits.bad_messages_max / limits.ban_s
            bucket = TokenBucket(per_s=per_s, burst=limits.bad_messages_max, now=now)
            record = _Record(bucket, now)
        self._records[key] = record
        if len(self._records) > limits.penalised_keys_max:
            self._records.popitem(last=False)
        if record.bad.compute_wait_s(1, now) > 0.0:
            record.banned_until = now + limits.ban_s
        return now < record.banned_until
