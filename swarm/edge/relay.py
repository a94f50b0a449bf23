"""Frames that go through a third: from member to member, from an asker to a member, and back to it.

They are signed by their source, so the relay, a member, is not trusted. It can drop a frame or hold it back;
it cannot change one, make one up, or have one taken twice. Each of the three has a class here: `RelaySource`,
`Relay`, `RelaySink`. They are told the time, open nothing and send nothing.

Whose fault it is. A relay checks a frame before it passes it on, so what breaks a rule that a relay
checks is the fault of whoever delivered it: bytes that are no frame, strangers, a second hop, a signature
that does not hold. What a source signed is the source's fault, whoever delivers it: an empty payload, or
one that is no message. A frame that came twice from one relay is that relay's, through two relays
nobody's: the source may have sent both, but so may an attacker that recorded one. One that is late is
nobody's fault: clocks differ.
"""

import heapq
from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from consensus.encoding import Wire, decode, encode
from consensus.errors import LimitExceeded, PeerError
from consensus.hashing import sha256
from consensus.identity import KEY_BYTES, NetworkId, PeerKey, Signer, Verifier
from swarm.edge.control import RelayedMessage
from swarm.edge.limits import Allowance
from swarm.edge.overlay_limits import OverlayLimits, RelayRate

KIND_RELAYED: Final = 253  # signing kind of a relayed frame
HEADER_BYTES_MAX: Final = 128
OVERHEAD_BYTES: Final = HEADER_BYTES_MAX + 80  # what a payload grows by on its way
SEQ_SHIFT: Final = 12  # a source's numbers start at its clock in 1/4,096 ms: above those of its earlier runs
SENDER_SHARE: Final = 0.5  # of what a relay and a receiver allow


class RelayedFrame(Wire, frozen=True):
    """What is signed: who says what to whom, as the how-manieth, when."""

    dst: bytes
    src: bytes
    seq: int
    issued_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """A relayed frame whose shape was checked, and its exact bytes."""

    dst: PeerKey
    src: PeerKey
    seq: int
    issued_ms: int
    payload: bytes
    message: RelayedMessage


def open_parcel(message: RelayedMessage, *, bytes_max: int) -> Parcel:
    """Decode a relayed frame; nothing about its source is known yet.

    Args:
        message: As it came.
        bytes_max: Longest frame taken.

    Raises:
        PeerError: It is none.
    """
    try:
        frame = decode(RelayedFrame, message.frame, bytes_max=bytes_max)
    except LimitExceeded as exc:
        raise PeerError(exc.message) from exc
    if len(frame.dst) != KEY_BYTES or len(frame.src) != KEY_BYTES or frame.dst == frame.src:
        raise PeerError("relayed frame: got no two keys")
    if frame.seq < 0 or frame.issued_ms < 0:
        raise PeerError("relayed frame: got a negative number or time")
    return Parcel(PeerKey(frame.dst), PeerKey(frame.src), frame.seq, frame.issued_ms, frame.payload, message)


def verify_source(parcel: Parcel, *, network_id: NetworkId, verifier: Verifier) -> None:
    """Check that a frame's source signed it.

    Raises:
        PeerError: It did not.
    """
    digest = sha256(parcel.message.frame)
    if not verifier.is_valid(parcel.src, KIND_RELAYED, network_id, digest, parcel.message.signature):
        raise PeerError("relayed frame: its signature does not hold")


def is_fresh(parcel: Parcel, now_ms: int, limits: OverlayLimits) -> bool:
    """Say whether a frame is of this moment, as clocks that differ a little see it."""
    return now_ms - limits.fresh_s * 1_000 <= parcel.issued_ms <= now_ms + limits.ahead_s * 1_000


class _Account:
    """What one key may still send: bytes and frames. Charged only for what is let through."""

    __slots__ = ("_bytes", "_frames")

    def __init__(self, rate: RelayRate, now: float, *, share: float = 1.0) -> None:
        self._bytes = Allowance(per_s=rate.bytes_per_s * share, burst=rate.bytes_burst * share, now=now)
        self._frames = Allowance(per_s=rate.frames_per_s * share, burst=rate.frames_burst * share, now=now)

    def has(self, size: int, now: float) -> bool:
        return self._bytes.has(size, now) and self._frames.has(1, now)

    def pay(self, size: int) -> None:
        self._bytes.pay(size)
        self._frames.pay(1)

    def take(self, size: int, now: float) -> bool:
        if not self.has(size, now):
            return False
        self.pay(size)
        return True


class RelaySource:
    """Makes the frames that this node sends through others.

    Args:
        signer: This node.
        network_id: The network, 32 bytes.
        rate: What a relay allows it, of which half is kept to.
    """

    def __init__(self, *, signer: Signer, network_id: NetworkId, rate: RelayRate) -> None:
        self._signer = signer
        self._network_id = network_id
        self._rate = rate
        self._seq = 0
        self._accounts: dict[PeerKey, _Account] = {}

    def seal(self, dst: PeerKey, payload: bytes, *, now_ms: int) -> RelayedMessage:
        """Return a signed frame.

        Args:
            dst: Whom it is for.
            payload: What it says.
            now_ms: Wall clock, milliseconds since 1970.
        """
        self._seq = max(self._seq + 1, now_ms << SEQ_SHIFT)
        frame = encode(RelayedFrame(dst, self._signer.key, self._seq, now_ms, payload))
        return RelayedMessage(frame, self._signer.sign(KIND_RELAYED, self._network_id, frame))

    def may_send(self, relay: PeerKey, size: int, now: float) -> bool:
        """Take a frame's bytes from what one relay may be given; False where it would be too much."""
        account = self._accounts.get(relay)
        if account is None:
            account = self._accounts[relay] = _Account(self._rate, now, share=SENDER_SHARE)
        return account.take(size, now)


class Relay:
    """Decides which frames of others are passed on.

    Args:
        network_id: The network, 32 bytes.
        limits: What one source, and all of them, may use.
    """

    def __init__(self, *, network_id: NetworkId, limits: OverlayLimits) -> None:
        self._network_id = network_id
        self._limits = limits
        self._verifier = Verifier(good_max=1)  # no frame is passed on twice
        self._last: dict[PeerKey, tuple[int, int]] = {}
        self._accounts: dict[PeerKey, _Account] = {}
        self._total = Allowance(
            per_s=limits.relay_total_bytes_per_s, burst=limits.relay_total_bytes_burst, now=0.0
        )
        self._askers = _Account(limits.askers_rate, 0.0)

    def forget(self, key: PeerKey) -> None:
        """Drop what is remembered of a source whose link has ended: of askers, new ones come for ever."""
        self._accounts.pop(key, None)
        self._last.pop(key, None)

    def check(self, parcel: Parcel, *, is_asker: bool, now_ms: int, now: float) -> bool:
        """Say whether a frame that came from its source is passed on, provided that its receiver is linked.

        Args:
            parcel: From the link of its source.
            is_asker: Whether that is no member.
            now_ms: Wall clock, milliseconds since 1970.
            now: Steady clock, seconds.

        Returns:
            False where it is dropped and nobody is at fault: late, sent before, or the relay has enough
            to do.

        Raises:
            PeerError: Its signature does not hold, or its source sends more than it may.
        """
        size = len(parcel.message.frame)
        account = self._accounts.get(parcel.src)
        if account is None:
            rate = self._limits.asker_rate if is_asker else self._limits.member_rate
            account = self._accounts[parcel.src] = _Account(rate, now)
        if not account.take(size, now):
            raise PeerError("relayed frame: its source sends more than a relay passes on")
        has_room = self._total.has(size, now) and (not is_asker or self._askers.has(size, now))
        if not is_fresh(parcel, now_ms, self._limits) or not has_room:
            return False
        # A link keeps order, so a source's numbers rise; they start anew only after its frames went stale.
        last_seq, last_ms = self._last.get(parcel.src, (-1, 0))
        if (
            parcel.seq <= last_seq
            and now_ms - last_ms <= (self._limits.fresh_s + self._limits.ahead_s) * 1_000
        ):
            return False
        verify_source(parcel, network_id=self._network_id, verifier=self._verifier)
        self._last[parcel.src] = (parcel.seq, now_ms)
        self._total.pay(size)
        if is_asker:
            self._askers.pay(size)
        return True


class _Heard:
    """Which frames of one source came, through which relay, and what it may still send.

    Frames below `floor` are not remembered, and `frames_max` are.
    """

    __slots__ = ("account", "by_seq", "floor", "frames_max", "heard_ms", "rising")

    def __init__(self, account: _Account, frames_max: int) -> None:
        self.account = account
        self.frames_max = frames_max
        self.by_seq: dict[int, PeerKey] = {}
        self.rising: list[int] = []  # a heap of the same numbers
        self.floor = -1
        self.heard_ms = 0


class RelaySink:
    """Decides which frames for this node are taken as said by their source.

    Args:
        network_id: The network, 32 bytes.
        members: Whose frames are remembered in any case; askers make room for one another.
        limits: How old a frame may be, and how many are remembered.
    """

    def __init__(self, *, network_id: NetworkId, members: Container[PeerKey], limits: OverlayLimits) -> None:
        self._network_id = network_id
        self._members = members
        self._limits = limits
        self._verifier = Verifier(good_max=1)
        self._heard: dict[PeerKey, _Heard] = {}
        self._askers: OrderedDict[PeerKey, _Heard] = OrderedDict()
        self._ways: dict[PeerKey, PeerKey] = {}

    def check(self, parcel: Parcel, relay: PeerKey, *, now_ms: int, now: float) -> bool:
        """Say whether a frame is taken. Its source is not banned.

        Args:
            parcel: A frame for this node.
            relay: Whose link it came on.
            now_ms: Wall clock, milliseconds since 1970.
            now: Steady clock, seconds.

        Returns:
            False where it is dropped and nobody is at fault.

        Raises:
            PeerError: The relay is at fault: the signature does not hold, or it brought the frame before.
        """
        if not is_fresh(parcel, now_ms, self._limits):
            return False
        known = self._find(parcel.src)
        if known is not None and now_ms - known.heard_ms > self._stale_ms:
            known = None  # all that is remembered of it would be stale
        if known is not None and parcel.seq in known.by_seq:
            if known.by_seq[parcel.seq] == relay:
                raise PeerError("relayed frame: a relay brought it twice")
            return False
        if known is not None and parcel.seq <= known.floor:
            return False
        verify_source(parcel, network_id=self._network_id, verifier=self._verifier)
        self._remember(known or self._add(parcel.src, now), parcel, relay, now_ms)
        return True

    def has_allowance(self, parcel: Parcel, now: float) -> bool:
        """Take a frame that was checked from what its source may send; False where it would be too much."""
        heard = self._find(parcel.src)
        assert heard is not None, "it has just been checked"
        return heard.account.take(len(parcel.message.frame), now)

    def get_way(self, asker: PeerKey) -> PeerKey | None:
        """Return the relay through which an asker was heard last; None where it was not, or long ago."""
        return self._ways.get(asker)

    @property
    def _stale_ms(self) -> float:
        return (self._limits.fresh_s + self._limits.ahead_s) * 1_000

    def _find(self, src: PeerKey) -> _Heard | None:
        return self._heard.get(src) if src in self._members else self._askers.get(src)

    def _add(self, src: PeerKey, now: float) -> _Heard:
        """Begin to remember a source; the allowance of one that is known goes on."""
        limits, known = self._limits, self._find(src)
        if src in self._members:
            account = _Account(limits.member_rate, now) if known is None else known.account
            heard = self._heard[src] = _Heard(account, limits.seen_max)
            return heard
        account = _Account(limits.asker_rate, now) if known is None else known.account
        heard = self._askers[src] = _Heard(account, limits.asker_seen_max)
        if len(self._askers) > limits.askers_max:
            oldest, _ = self._askers.popitem(last=False)
            self._ways.pop(oldest, None)
        return heard

    def _remember(self, heard: _Heard, parcel: Parcel, relay: PeerKey, now_ms: int) -> None:
        if parcel.src not in self._members:
            self._askers.move_to_end(parcel.src)
            self._ways[parcel.src] = relay
        heard.heard_ms = max(heard.heard_ms, now_ms)
        heard.by_seq[parcel.seq] = relay
        heapq.heappush(heard.rising, parcel.seq)
        if len(heard.by_seq) > heard.frames_max:
            heard.floor = heapq.heappop(heard.rising)
            del heard.by_seq[heard.floor]
