"""Frames through a third: what a relay passes on, what a receiver takes, and whose fault the rest is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.encoding import encode
from consensus.errors import PeerError
from consensus.identity import KeyPair, NetworkId, PeerKey, Verifier
from consensus.messages import CancelMessage
from swarm.edge.control import (
    CONTROL_BYTE,
    ControlMessage,
    DialBackAnswer,
    DialBackRequest,
    PresenceMessage,
    RecordsMessage,
    RelayedMessage,
    decode_control,
    encode_control,
    is_control,
)
from swarm.edge.overlay_limits import OverlayLimits, RelayRate
from swarm.edge.presence import Routes, decode_presence, encode_presence, list_places
from swarm.edge.relay import (
    KIND_RELAYED,
    OVERHEAD_BYTES,
    Parcel,
    Relay,
    RelayedFrame,
    RelaySink,
    RelaySource,
    open_parcel,
    verify_source,
)

NETWORK = NetworkId(b"\x01" * 32)
SRC, DST, ONE, TWO = (KeyPair(bytes([index]) * 32) for index in range(1, 5))
NOW_MS = 1_700_000_000_000
LIMITS = OverlayLimits()
BYTES_MAX = 100_000
SKEW_MS = int(LIMITS.fresh_s * 1_000)


def make_source(network: NetworkId = NETWORK) -> RelaySource:
    return RelaySource(signer=SRC, network_id=network, rate=LIMITS.member_rate)


def seal(payload: bytes = b"hello", *, now_ms: int = NOW_MS, source: RelaySource | None = None) -> Parcel:
    message = (source or make_source()).seal(DST.key, payload, now_ms=now_ms)
    return open_parcel(message, bytes_max=BYTES_MAX)


def sign_raw(seq: int, *, payload: bytes = b"x", issued_ms: int = NOW_MS, kind: int = KIND_RELAYED) -> Parcel:
    frame = encode(RelayedFrame(DST.key, SRC.key, seq, issued_ms, payload))
    return open_parcel(RelayedMessage(frame, SRC.sign(kind, NETWORK, frame)), bytes_max=BYTES_MAX)


class Sink(RelaySink):
    """A receiver whose steady clock stands still."""

    def take(self, parcel: Parcel, relay: PeerKey, *, now_ms: int) -> bool:
        return self.check(parcel, relay, now_ms=now_ms, now=0.0)

    def count_remembered(self, src: PeerKey) -> int:
        heard = self._find(src)
        return 0 if heard is None else len(heard.by_seq)


def make_sink(limits: OverlayLimits = LIMITS, *, members: tuple[KeyPair, ...] = (SRC, DST)) -> Sink:
    return Sink(network_id=NETWORK, members={pair.key for pair in members}, limits=limits)


def make_relay(limits: OverlayLimits = LIMITS) -> Relay:
    return Relay(network_id=NETWORK, limits=limits)


def deliver(message: RelayedMessage, sink: Sink) -> None:
    """Have a receiver check a frame at the moment that it says it is from."""
    parcel = open_parcel(message, bytes_max=BYTES_MAX)
    assert sink.take(parcel, ONE.key, now_ms=parcel.issued_ms)


@given(st.binary(min_size=1, max_size=3_000), st.integers(0, 2**41))
def test_a_frame_arrives_as_its_source_meant_it(payload: bytes, now_ms: int) -> None:
    parcel = seal(payload, now_ms=now_ms)
    assert (parcel.src, parcel.dst, parcel.payload) == (SRC.key, DST.key, payload)
    assert make_relay().check(parcel, is_asker=False, now_ms=now_ms, now=0.0)
    assert make_sink().take(parcel, ONE.key, now_ms=now_ms)
    assert len(encode_control(parcel.message)) <= len(payload) + OVERHEAD_BYTES


def test_every_flipped_byte_is_the_relays_fault_and_leaves_the_frame_to_be_taken_from_another() -> None:
    good = seal()
    sink = make_sink()
    for index in range(len(good.message.frame)):
        broken = bytearray(good.message.frame)
        broken[index] ^= 1
        with pytest.raises(PeerError):
            deliver(RelayedMessage(bytes(broken), good.message.signature), sink)
    for index in range(len(good.message.signature)):
        broken = bytearray(good.message.signature)
        broken[index] ^= 1
        parcel = open_parcel(RelayedMessage(good.message.frame, bytes(broken)), bytes_max=BYTES_MAX)
        with pytest.raises(PeerError, match="signature"):
            sink.take(parcel, ONE.key, now_ms=NOW_MS)
        with pytest.raises(PeerError, match="signature"):
            make_relay().check(parcel, is_asker=False, now_ms=NOW_MS, now=0.0)
    assert sink.take(good, TWO.key, now_ms=NOW_MS)


@given(st.binary(max_size=300))
def test_noise_is_no_frame(data: bytes) -> None:
    with pytest.raises(PeerError):
        open_parcel(RelayedMessage(data, bytes(64)), bytes_max=BYTES_MAX)


@pytest.mark.parametrize(
    "frame",
    [
        RelayedFrame(DST.key, DST.key, 1, 1, b"x"),
        RelayedFrame(DST.key[:31], SRC.key, 1, 1, b"x"),
        RelayedFrame(DST.key, SRC.key + b"x", 1, 1, b"x"),
        RelayedFrame(DST.key, SRC.key, -1, 1, b"x"),
        RelayedFrame(DST.key, SRC.key, 1, -1, b"x"),
        RelayedFrame(DST.key, SRC.key, 1, 1, bytes(BYTES_MAX)),
    ],
)
def test_frames_of_a_wrong_shape_are_refused(frame: RelayedFrame) -> None:
    with pytest.raises(PeerError):
        open_parcel(RelayedMessage(encode(frame), bytes(64)), bytes_max=BYTES_MAX)


def test_a_frame_of_another_network_or_kind_does_not_hold() -> None:
    for parcel in (seal(source=make_source(NetworkId(b"\x02" * 32))), sign_raw(1, kind=8)):
        with pytest.raises(PeerError, match="signature"):
            verify_source(parcel, network_id=NETWORK, verifier=Verifier())
        with pytest.raises(PeerError, match="signature"):
            make_sink().take(parcel, ONE.key, now_ms=NOW_MS)


def test_a_replay_is_the_fault_of_the_relay_that_brought_the_frame_before() -> None:
    sink, parcel = make_sink(), seal()
    assert sink.take(parcel, ONE.key, now_ms=NOW_MS)
    assert not sink.take(parcel, TWO.key, now_ms=NOW_MS)  # its source may have sent it both ways
    with pytest.raises(PeerError, match="twice"):
        sink.take(parcel, ONE.key, now_ms=NOW_MS)


def test_a_relay_does_not_pass_a_frame_on_twice() -> None:
    relay, source = make_relay(), make_source()
    first, second = seal(source=source), seal(source=source)
    assert relay.check(first, is_asker=False, now_ms=NOW_MS, now=0.0)
    assert not relay.check(first, is_asker=False, now_ms=NOW_MS, now=0.0)
    assert relay.check(second, is_asker=False, now_ms=NOW_MS, now=0.0)
    assert not relay.check(first, is_asker=False, now_ms=NOW_MS, now=0.0)


@pytest.mark.parametrize("offset_ms", [-SKEW_MS - 1, SKEW_MS + 1])
def test_frames_of_another_time_are_dropped_and_nobody_is_at_fault(offset_ms: int) -> None:
    parcel = seal(now_ms=NOW_MS + offset_ms)
    assert not make_sink().take(parcel, ONE.key, now_ms=NOW_MS)
    assert not make_relay().check(parcel, is_asker=False, now_ms=NOW_MS, now=0.0)
    within = seal(now_ms=NOW_MS + offset_ms + (1 if offset_ms < 0 else -1))
    assert make_sink().take(within, ONE.key, now_ms=NOW_MS)
    assert make_relay().check(within, is_asker=False, now_ms=NOW_MS, now=0.0)


@given(st.permutations(range(1, 30)), st.lists(st.integers(1, 29), max_size=30))
def test_no_frame_is_ever_taken_twice_and_memory_is_bounded(order: list[int], again: list[int]) -> None:
    sink = make_sink(replace(LIMITS, seen_max=8))
    taken: list[int] = []
    for seq in [*order, *again]:
        try:
            if sink.take(sign_raw(seq), ONE.key if seq % 2 else TWO.key, now_ms=NOW_MS):
                taken.append(seq)
        except PeerError:
            assert seq in taken
    assert len(taken) == len(set(taken))
    assert 29 in taken
    assert sink.count_remembered(SRC.key) <= 8


def test_numbers_start_above_those_of_an_earlier_run_and_rise() -> None:
    earlier, later = make_source(), make_source()
    last = max(seal(source=earlier).seq for _ in range(4_000))
    assert seal(source=later, now_ms=NOW_MS + 1).seq > last
    assert seal(source=later, now_ms=NOW_MS - 10_000).seq > seal(source=later).seq - 2


def test_a_source_whose_clock_was_set_back_is_relayed_again_once_all_it_said_is_stale() -> None:
    relay, sink = make_relay(), make_sink()
    ahead = seal(now_ms=NOW_MS + 500_000)
    assert relay.check(ahead, is_asker=False, now_ms=NOW_MS, now=0.0)
    assert sink.take(ahead, ONE.key, now_ms=NOW_MS)
    later_ms = NOW_MS + 2 * SKEW_MS + 1
    back = sign_raw(1, issued_ms=later_ms)
    assert not relay.check(sign_raw(1), is_asker=False, now_ms=NOW_MS, now=0.0)
    assert relay.check(back, is_asker=False, now_ms=later_ms, now=1_200.0)
    assert sink.take(back, ONE.key, now_ms=later_ms)


def test_a_source_that_sends_more_than_its_share_is_at_fault_and_one_that_keeps_to_it_never() -> None:
    limits = replace(LIMITS, relay_frames_burst=10, relay_frames_per_s=2.0)
    source = RelaySource(signer=SRC, network_id=NETWORK, rate=limits.member_rate)
    relay, sink = make_relay(limits), make_sink(limits)
    sent = 0
    for tick in range(600):
        now = tick / 10
        if not source.may_send(ONE.key, 100, now):
            continue
        sent += 1
        now_ms = NOW_MS + tick * 100
        parcel = seal(source=source, now_ms=now_ms)
        assert relay.check(parcel, is_asker=False, now_ms=now_ms, now=now)
        assert sink.check(parcel, ONE.key, now_ms=now_ms, now=now)
        assert sink.has_allowance(parcel, now)
    assert sent == pytest.approx(5 + 60, abs=2)
    greedy = make_relay(limits)
    for _ in range(10):
        assert greedy.check(seal(source=source), is_asker=False, now_ms=NOW_MS, now=0.0) in (True, False)
    with pytest.raises(PeerError, match="more than a relay passes on"):
        greedy.check(seal(source=source), is_asker=False, now_ms=NOW_MS, now=0.0)


def test_bytes_count_as_well_and_a_relay_with_enough_to_do_drops_without_blame() -> None:
    limits = replace(LIMITS, relay_bytes_burst=10_000)
    relay = make_relay(limits)
    assert relay.check(seal(bytes(9_000)), is_asker=False, now_ms=NOW_MS, now=0.0)
    with pytest.raises(PeerError, match="more than"):
        relay.check(seal(bytes(9_000)), is_asker=False, now_ms=NOW_MS, now=0.0)
    busy = make_relay(replace(LIMITS, relay_total_bytes_burst=10_000))
    source = make_source()
    assert busy.check(seal(bytes(9_000), source=source), is_asker=False, now_ms=NOW_MS, now=0.0)
    assert not busy.check(seal(bytes(9_000), source=source), is_asker=False, now_ms=NOW_MS, now=0.0)
    assert busy.check(seal(bytes(9_000), source=source), is_asker=False, now_ms=NOW_MS, now=1.0)
    assert not make_source().may_send(ONE.key, LIMITS.relay_bytes_burst, 0.0)  # half of what a relay allows


# Askers.

ASKER = KeyPair(b"\x33" * 32)


def test_an_asker_has_a_smaller_share_than_a_member_and_all_of_them_have_one_together() -> None:
    few = RelayRate(bytes_per_s=1e6, bytes_burst=1_000_000, frames_per_s=1.0, frames_burst=4)
    limits = replace(LIMITS, asker_rate=few, askers_rate=replace(few, frames_burst=6))
    relay = make_relay(limits)

    def pass_on(signer: KeyPair, frames: int) -> int:
        source = RelaySource(signer=signer, network_id=NETWORK, rate=LIMITS.member_rate)
        sealed = [
            open_parcel(source.seal(DST.key, b"x", now_ms=NOW_MS), bytes_max=BYTES_MAX) for _ in range(frames)
        ]
        return sum(relay.check(parcel, is_asker=True, now_ms=NOW_MS, now=0.0) for parcel in sealed)

    assert pass_on(ASKER, 4) == 4
    with pytest.raises(PeerError, match="more than a relay passes on"):
        pass_on(ASKER, 1)
    assert pass_on(KeyPair(b"\x34" * 32), 4) == 2  # beyond what all askers have together: nobody's fault
    relay.forget(ASKER.key)  # its link has ended: it comes back as whoever it is
    assert pass_on(ASKER, 1) == 0
    assert relay.check(seal(), is_asker=False, now_ms=NOW_MS, now=0.0)


def test_the_way_back_is_the_one_an_asker_came_by_and_old_askers_are_forgotten() -> None:
    sink = make_sink(replace(LIMITS, askers_max=3, asker_seen_max=2))

    def hear(number: int, relay: PeerKey, *, now_ms: int = NOW_MS) -> bool:
        source = RelaySource(signer=KeyPair(bytes([number]) * 32), network_id=NETWORK, rate=LIMITS.asker_rate)
        parcel = open_parcel(source.seal(DST.key, b"x", now_ms=now_ms), bytes_max=BYTES_MAX)
        return sink.take(parcel, relay, now_ms=now_ms)

    def get_way(number: int) -> PeerKey | None:
        return sink.get_way(KeyPair(bytes([number]) * 32).key)

    assert hear(10, ONE.key)
    assert get_way(10) == ONE.key
    assert hear(10, TWO.key, now_ms=NOW_MS + 1)
    assert get_way(10) == TWO.key
    for number in (11, 12):
        assert hear(number, ONE.key)
    assert hear(10, ONE.key, now_ms=NOW_MS + 2)
    assert hear(13, ONE.key)
    assert [get_way(number) is not None for number in (10, 11, 12, 13)] == [True, False, True, True]
    for step in range(3, 9):
        assert hear(10, ONE.key, now_ms=NOW_MS + step)
    assert sink.count_remembered(KeyPair(bytes([10]) * 32).key) == 2
    assert sink.get_way(SRC.key) is None  # members are found by what neighbours say


# Control messages.


@pytest.mark.parametrize(
    "message",
    [
        RecordsMessage(()),
        PresenceMessage(b"\x05"),
        RelayedMessage(b"frame", bytes(64)),
        DialBackRequest(b"wss://a.example:4242"),
        DialBackAnswer(b"wss://a.example:4242", 1),
    ],
)
def test_control_messages_come_back_and_no_protocol_message_is_one(
    message: ControlMessage,
) -> None:
    data = encode_control(message)
    assert is_control(data)
    assert decode_control(data) == message
    with pytest.raises(PeerError):
        decode_control(data + b"\x00")
    assert not is_control(encode(CancelMessage(bytes(32))))


@given(st.binary(max_size=200))
def test_noise_after_the_first_byte_is_a_peers_fault(data: bytes) -> None:
    try:
        message = decode_control(bytes([CONTROL_BYTE]) + data)
    except PeerError:
        return
    assert encode_control(message)[1:] == data


@given(st.integers(1, 100).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_presence_is_one_bit_a_member(what: tuple[int, set[int]]) -> None:
    count, places = what
    data = encode_presence(places, count)
    assert len(data) == (count + 7) // 8
    assert list(list_places(decode_presence(data, count))) == sorted(places)
    with pytest.raises(PeerError):
        decode_presence(data + b"\x00", count)
    if count % 8:
        with pytest.raises(PeerError):
            decode_presence(data[:-1] + b"\x80", count)


def test_presence_as_written_in_the_docs() -> None:
    assert encode_presence([0, 2, 9], 10) == b"\x05\x02"


def test_several_relays_take_turns_and_a_member_relays_for_itself_never() -> None:
    members = tuple(sorted(pair.key for pair in (SRC, DST, ONE, TWO)))
    routes = Routes(own=SRC.key, members=members, rotate_s=3.0)
    bit = 1 << members.index(DST.key)
    assert routes.choose(DST.key, 0.0) is None
    assert routes.set_neighbour(ONE.key, bit) == bit
    assert routes.set_neighbour(ONE.key, bit) == 0
    assert routes.choose(DST.key, 0.0) == ONE.key
    routes.set_neighbour(TWO.key, bit)
    routes.set_neighbour(DST.key, bit)
    chosen = [routes.choose(DST.key, float(second)) for second in range(300)]
    assert all(len(set(chosen[start : start + 3])) == 1 for start in range(0, 300, 3))
    assert 60 < chosen.count(ONE.key) < 240
    assert DST.key not in chosen
    assert routes.drop_neighbour(ONE.key) == bit
    assert {routes.choose(DST.key, float(second)) for second in range(30)} == {TWO.key}
    assert routes.find_holders(DST.key) == (TWO.key,)
