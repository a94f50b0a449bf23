"""Neighbours that lie, flood and relay badly, over real loopback sockets: who is banned, and who is not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
import trio

from consensus.encoding import decode, encode
from consensus.errors import NetworkError
from consensus.identity import KeyPair, NetworkId
from swarm.edge.addresses import SignedRecord, sign_record
from swarm.edge.control import (
    CONTROL_BYTE,
    DialBackRequest,
    PresenceMessage,
    RecordsMessage,
    RelayedMessage,
    decode_control,
    encode_control,
    is_control,
)
from swarm.edge.handshake import Handshaker
from swarm.edge.link import Inbound
from swarm.edge.presence import encode_presence
from swarm.edge.relay import KIND_RELAYED, RelayedFrame
from swarm.edge.transport import Carrier, pack_messages, unpack_messages
from tests.edge.overlay_kit import LIMITS, QUICK, Place, World, get_time_ms, open_world, wait_until
from tests.edge.test_mesh import CLIENT, NETWORK, PAIRS, run_trio

FEW = replace(LIMITS, bad_messages_max=3)
LIAR, VICTIM, SOURCE, BYSTANDER = PAIRS[0], PAIRS[1], PAIRS[2], PAIRS[3]
STRANGER = KeyPair(b"\xee" * 32)


async def say(carrier: Carrier, *messages: bytes) -> None:
    """Send messages one frame each, until the other end has had enough."""
    try:
        for message in messages:
            await carrier.send(pack_messages([message]))
    except NetworkError:
        return


def make_record(
    pair: KeyPair, url: str = "ws://127.0.0.1:1", *, network: bytes = NETWORK, at: int = 0
) -> RecordsMessage:
    record = sign_record(pair, NetworkId(network), [url], issued_ms=get_time_ms() + at)
    return RecordsMessage((record.signed,))


def make_frame(
    dst: KeyPair, src: KeyPair, *, signer: KeyPair | None = None, payload: bytes = b"x", seq: int = 1
) -> RelayedMessage:
    frame = encode(RelayedFrame(dst.key, src.key, seq, get_time_ms(), payload))
    return RelayedMessage(frame, (signer or src).sign(KIND_RELAYED, NETWORK, frame))


Make = Callable[[], Sequence[RecordsMessage | PresenceMessage | RelayedMessage | DialBackRequest | bytes]]
FAULTS: dict[str, Make] = {
    "no message": lambda: [bytes([CONTROL_BYTE])] * 4,
    "noise": lambda: [bytes([CONTROL_BYTE]) + b"\xff" * 40] * 4,
    "a stranger's record": lambda: [make_record(STRANGER)] * 4,
    "another network's record": lambda: [make_record(LIAR, network=b"\x02" * 32)] * 4,
    "two records of one member": lambda: (
        [RecordsMessage((*make_record(LIAR).records, *make_record(LIAR, at=1).records))] * 4
    ),
    "too many records at once": lambda: [RecordsMessage(make_record(LIAR).records * 65)] * 4,
    "a forged record": lambda: [
        RecordsMessage((SignedRecord(record.payload, bytes(64)),))
        for record in make_record(VICTIM).records * 4
    ],
    "presence of another size": lambda: [PresenceMessage(b"\x00\x00")] * 4,
    "presence of nobody": lambda: [PresenceMessage(b"\x80")] * 4,
    "a flood of presence": lambda: [
        PresenceMessage(encode_presence([index % 4], 4)) for index in range(QUICK.presence_burst + 8)
    ],
    "a flood of records": lambda: [make_record(LIAR, at=index) for index in range(100)],
    "a forged frame": lambda: [make_frame(VICTIM, SOURCE, signer=LIAR, seq=seq) for seq in range(4)],
    "a frame brought twice": lambda: [make_frame(VICTIM, SOURCE)] * 5,
    "a frame of a stranger brought twice": lambda: [make_frame(VICTIM, STRANGER)] * 5,
    "a frame from a stranger to another": lambda: [make_frame(CLIENT, STRANGER)] * 4,
    "a forged frame of a stranger": lambda: [
        make_frame(VICTIM, STRANGER, signer=LIAR, seq=seq) for seq in range(4)
    ],
    "a frame for itself": lambda: [make_frame(LIAR, SOURCE)] * 4,
    "a frame for a third on a second hop": lambda: [make_frame(BYSTANDER, SOURCE)] * 4,
    "a frame of its own that needs no relay": lambda: [make_frame(VICTIM, LIAR)] * 4,
    "a badly signed frame to relay": lambda: [make_frame(BYSTANDER, LIAR, signer=SOURCE)] * 4,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_neighbour_that_breaks_a_rule_is_banned_and_nobody_else(fault: str) -> None:
    async def body() -> None:
        async with open_world(4, limits=FEW) as world:
            victim = await world.start(VICTIM, overlay=replace(QUICK, records_burst=50, records_per_s=1.0))
            bystander = await world.start(BYSTANDER, bootstrap=[victim.url], is_public=False)
            source = await world.start(SOURCE, bootstrap=[victim.url], is_public=False)
            await wait_until(lambda: victim.mesh.count_members() == 2)
            carrier = await world.dial_raw(LIAR, victim.url)
            await wait_until(lambda: victim.mesh.get_link(LIAR.key) is not None)
            messages = [item if isinstance(item, bytes) else encode_control(item) for item in FAULTS[fault]()]
            world.nursery.start_soon(say, carrier, *messages)
            await wait_until(lambda: victim.mesh.is_banned(LIAR.key))
            await wait_until(lambda: victim.mesh.get_link(LIAR.key) is None)
            for place in (victim, bystander, source):
                for other in (VICTIM, BYSTANDER, SOURCE):
                    assert not place.mesh.is_banned(other.key)
            taken = [event for event in victim.drain() if isinstance(event, Inbound)]
            assert len(taken) == fault.endswith("brought twice")
            await carrier.aclose()

    run_trio(body)


CLIENTS_FAULTS: dict[str, Make] = {
    "a wish to be dialed": lambda: [DialBackRequest(b"ws://127.0.0.1:1")] * 4,
    "presence": lambda: [PresenceMessage(b"\x01")] * 4,
    "a record": lambda: [make_record(LIAR)] * 4,
    "a frame of a member": lambda: [make_frame(BYSTANDER, SOURCE)] * 4,
    "a frame of a member for whom it came to": lambda: [make_frame(VICTIM, SOURCE)] * 4,
    "a frame for a stranger": lambda: [make_frame(STRANGER, CLIENT, seq=seq) for seq in range(4)],
    "a frame that needs no relay": lambda: [make_frame(VICTIM, CLIENT, seq=seq) for seq in range(4)],
    "a badly signed frame": lambda: [
        make_frame(BYSTANDER, CLIENT, signer=SOURCE, seq=seq) for seq in range(4)
    ],
    "a flood": lambda: [
        make_frame(BYSTANDER, CLIENT, seq=seq) for seq in range(QUICK.asker_rate.frames_burst + 50)
    ],
}


@pytest.mark.parametrize("fault", CLIENTS_FAULTS)
def test_a_client_that_breaks_a_rule_is_banned_and_nobody_else(fault: str) -> None:
    async def body() -> None:
        async with open_world(4, limits=replace(FEW, client=FEW.member)) as world:
            victim = await world.start(VICTIM)
            bystander = await world.start(BYSTANDER, bootstrap=[victim.url], is_public=False)
            await wait_until(lambda: victim.mesh.count_members() == 1)
            carrier = await world.dial_raw(CLIENT, victim.url)
            await wait_until(lambda: victim.mesh.get_link(CLIENT.key) is not None)
            messages = [
                item if isinstance(item, bytes) else encode_control(item) for item in CLIENTS_FAULTS[fault]()
            ]
            world.nursery.start_soon(say, carrier, *messages)
            await wait_until(lambda: victim.mesh.is_banned(CLIENT.key))
            assert not victim.mesh.is_banned(BYSTANDER.key)
            assert not bystander.mesh.is_banned(VICTIM.key)
            assert [event for event in victim.drain() if isinstance(event, Inbound)] == []
            await carrier.aclose()

    run_trio(body)


@pytest.mark.parametrize("payload", [b"", b"\xc1nested"])
def test_what_an_asker_says_through_a_relay_is_its_own_fault(payload: bytes) -> None:
    async def body() -> None:
        async with open_world(4, limits=FEW) as world:
            relay = await world.start(VICTIM)
            member = await world.start(BYSTANDER, bootstrap=[relay.url], is_public=False)
            await wait_until(lambda: relay.mesh.count_members() == 1)
            carrier = await world.dial_raw(CLIENT, relay.url)
            frames = [make_frame(BYSTANDER, CLIENT, payload=payload, seq=seq) for seq in range(1, 5)]
            await say(carrier, *map(encode_control, frames))
            await wait_until(lambda: member.mesh.is_banned(CLIENT.key))
            assert not member.mesh.is_banned(VICTIM.key)
            assert not relay.mesh.is_banned(CLIENT.key)
            await carrier.aclose()

    run_trio(body)


def test_a_client_takes_nothing_of_another_client_nor_relays() -> None:
    async def body() -> None:
        async with open_world(4, limits=FEW) as world:
            member = await world.start(VICTIM)
            client = await world.start(CLIENT, bootstrap=[member.url], is_public=False)
            await wait_until(lambda: member.mesh.get_link(CLIENT.key) is not None)
            link = member.mesh.get_link(CLIENT.key)
            assert link is not None
            for seq in range(1, 5):  # what a member passes on that should not have been
                member.mesh.hand_over(link, encode_control(make_frame(CLIENT, STRANGER, seq=seq)))
            await wait_until(lambda: client.mesh.is_banned(VICTIM.key))
            assert [event for event in client.drain() if isinstance(event, Inbound)] == []

    run_trio(body)


@pytest.mark.parametrize("version", [1, 2])
def test_a_client_and_an_older_link_have_no_control_messages_to_send(version: int) -> None:
    async def body() -> None:
        async with open_world(2, limits=FEW) as world:
            victim = await world.start(VICTIM)
            sender = CLIENT if version == 2 else LIAR
            carrier = await world.dial_raw(sender, victim.url, version=version)
            await wait_until(lambda: victim.mesh.get_link(sender.key) is not None)
            world.nursery.start_soon(say, carrier, *[encode_control(PresenceMessage(b"\x01"))] * 4)
            if version == 2:
                await wait_until(lambda: victim.mesh.is_banned(CLIENT.key))
            else:  # it reaches the node as what it is there: no message, whose sender the node penalises
                assert is_control((await victim.next_message()).message)
            await carrier.aclose()

    run_trio(body)


@pytest.mark.parametrize("payload", [b"", b"\xc1nested"])
def test_a_bad_payload_that_is_well_signed_is_its_sources_fault(payload: bytes) -> None:
    async def body() -> None:
        async with open_world(4, limits=FEW) as world:
            relay = await world.start(BYSTANDER)
            victim = await world.start(VICTIM, bootstrap=[relay.url], is_public=False)
            await wait_until(lambda: victim.mesh.count_members() == 1)
            carrier = await world.dial_raw(SOURCE, relay.url)
            await wait_until(lambda: SOURCE.key in victim.mesh.linked())
            frames = [encode_control(make_frame(VICTIM, SOURCE, payload=payload, seq=n)) for n in range(1, 5)]
            await say(carrier, *frames)
            await wait_until(lambda: victim.mesh.is_banned(SOURCE.key))
            await wait_until(lambda: SOURCE.key not in victim.mesh.linked())
            assert not victim.mesh.is_banned(BYSTANDER.key)
            assert not relay.mesh.is_banned(SOURCE.key)
            await say(carrier, encode_control(make_frame(VICTIM, SOURCE, seq=9)))  # no longer heard
            assert relay.mesh.send(VICTIM.key, b"mark")
            assert await victim.next_message() == Inbound(BYSTANDER.key, b"mark")
            await carrier.aclose()

    run_trio(body)


def test_what_the_node_holds_against_a_relayed_member_ends_its_being_linked() -> None:
    async def body() -> None:
        async with open_world(3, limits=FEW) as world:
            relay = await world.start(PAIRS[1])
            one = await world.start(PAIRS[0], bootstrap=[relay.url], is_public=False)
            two = await world.start(PAIRS[2], bootstrap=[relay.url], is_public=False)
            await wait_until(lambda: two.key in one.mesh.linked())
            for _ in range(4):
                one.mesh.penalise(two.key, "no message at all")
            await wait_until(lambda: one.mesh.linked() == (relay.key,))
            assert two.mesh.send(one.key, b"still there?")
            assert relay.mesh.send(one.key, b"mark")
            assert await one.next_message() == Inbound(relay.key, b"mark")

    run_trio(body)


Treat = Callable[[RelayedMessage], Sequence[RelayedMessage]]


class HostileRelay:
    """A member that says to hold links with everybody, and does to frames what the test says."""

    def __init__(self, pair: KeyPair, treat: Treat) -> None:
        self._pair = pair
        self._treat = treat
        self._carriers: dict[bytes, Carrier] = {}

    async def serve(self, carrier: Carrier) -> None:
        shaker = Handshaker(signer=self._pair, network_id=NETWORK, timeout_s=2.0, version_max=2)
        peer = await shaker.answer(carrier)
        self._carriers[peer.key] = carrier
        await carrier.send(pack_messages([encode_control(PresenceMessage(b"\x0f"))]))
        try:
            while True:
                for message in unpack_messages(await carrier.recv(), LIMITS):
                    await self._on_message(message)
        except NetworkError:
            del self._carriers[peer.key]

    async def _on_message(self, data: bytes) -> None:
        message = decode_control(data) if is_control(data) else None
        if not isinstance(message, RelayedMessage):
            return
        for treated in self._treat(message):
            dst = decode(RelayedFrame, message.frame, bytes_max=100_000).dst
            if dst in self._carriers:
                await say(self._carriers[dst], encode_control(treated))


@dataclass(slots=True)
class Pair:
    """Two members that only dial out, with a hostile relay between them, and an honest one or none."""

    one: Place
    two: Place


async def open_pair(world: World, treat: Treat, *, has_honest: bool) -> Pair:
    listener, url = await world.open()
    await world.nursery.start(listener, HostileRelay(LIAR, treat).serve)
    urls = [url]
    if has_honest:
        urls.append((await world.start(BYSTANDER)).url)
    overlay = replace(QUICK, rotate_s=0.2)
    one = await world.start(VICTIM, bootstrap=urls, is_public=False, overlay=overlay)
    two = await world.start(SOURCE, bootstrap=urls, is_public=False, overlay=overlay)
    for left, right in ((one, two), (two, one)):
        await wait_until(
            lambda left=left, right=right: (  # type: ignore[misc]
                left.mesh.count_members() == len(urls) and right.key in left.mesh.linked()
            )
        )
    return Pair(one, two)


def alter(message: RelayedMessage) -> list[RelayedMessage]:
    return [RelayedMessage(message.frame[:-1] + b"!", message.signature)]


def drop(message: RelayedMessage) -> list[RelayedMessage]:
    return []


def duplicate(message: RelayedMessage) -> list[RelayedMessage]:
    return [message] * 3


class Delay:
    """Holds ten frames back, and lets them go last one first."""

    def __init__(self) -> None:
        self.held: list[RelayedMessage] = []

    def __call__(self, message: RelayedMessage) -> list[RelayedMessage]:
        self.held.append(message)
        return self.held[::-1] if len(self.held) == 10 else []


def test_a_relay_that_alters_is_banned_and_nothing_altered_arrives() -> None:
    async def body() -> None:
        async with open_world(4, limits=FEW) as world:
            pair = await open_pair(world, alter, has_honest=False)
            for index in range(8):
                pair.one.mesh.send(pair.two.key, b"%d" % index)
            await wait_until(lambda: pair.two.mesh.is_banned(LIAR.key))
            await wait_until(lambda: pair.two.mesh.linked() == ())
            assert not pair.two.mesh.is_banned(pair.one.key)
            assert not any(isinstance(event, Inbound) for event in pair.two.drain())

    run_trio(body)


def test_a_relay_that_duplicates_is_banned_and_each_frame_is_taken_once() -> None:
    async def body() -> None:
        async with open_world(4, limits=FEW) as world:
            pair = await open_pair(world, duplicate, has_honest=False)
            assert pair.one.mesh.send(pair.two.key, b"0")
            assert pair.one.mesh.send(pair.two.key, b"1")
            await wait_until(lambda: pair.two.mesh.is_banned(LIAR.key))
            taken = [event for event in pair.two.drain() if isinstance(event, Inbound)]
            assert taken == [Inbound(pair.one.key, b"0"), Inbound(pair.one.key, b"1")]

    run_trio(body)


def test_a_relay_that_delays_and_reorders_harms_nothing_else() -> None:
    async def body() -> None:
        async with open_world(4, limits=FEW) as world:
            pair = await open_pair(world, Delay(), has_honest=False)
            for index in range(10):
                assert pair.one.mesh.send(pair.two.key, b"%d" % index)
            taken = [(await pair.two.next_message()).message for _ in range(10)]
            assert taken == [b"%d" % index for index in reversed(range(10))]
            assert not pair.two.mesh.is_banned(LIAR.key)

    run_trio(body)


def test_a_relay_that_drops_silences_nobody_where_there_is_another() -> None:
    async def body() -> None:
        async with open_world(4, limits=FEW) as world:
            pair = await open_pair(world, drop, has_honest=True)

            async def insist() -> None:
                while True:  # as the core does, which repeats what it said
                    pair.one.mesh.send(pair.two.key, b"hear me")
                    await trio.sleep(0.1)

            world.nursery.start_soon(insist)
            assert await pair.two.next_message() == Inbound(pair.one.key, b"hear me")
            assert not pair.two.mesh.is_banned(LIAR.key)

    run_trio(body)


def test_a_relay_that_drops_all_alone_is_as_good_as_none() -> None:
    """The control: with the hostile relay only, nothing arrives, however long one insists."""

    async def body() -> None:
        async with open_world(4, limits=FEW) as world:
            pair = await open_pair(world, drop, has_honest=False)
            for _ in range(6):
                assert pair.one.mesh.send(pair.two.key, b"hear me")
                await trio.sleep(0.05)
            assert not any(isinstance(event, Inbound) for event in pair.two.drain())

    run_trio(body)
