"""Members dial each other back, and say whether they were answered; over real loopback sockets."""

from contextlib import aclosing
from dataclasses import replace

import pytest
import trio

from swarm.edge.addresses import sign_record
from swarm.edge.control import (
    DialBackAnswer,
    DialBackRequest,
    RecordsMessage,
    decode_control,
    encode_control,
    is_control,
)
from swarm.edge.dial_back import ANSWER_S, ASKED_MAX, DIAL_S
from swarm.edge.transport import Carrier, pack_messages, unpack_messages
from swarm.edge.websocket import open_listener
from tests.edge.overlay_kit import LIMITS, Place, World, get_time_ms, open_world, wait_until
from tests.edge.test_mesh import NETWORK, PAIRS, run_trio

NOBODY = "ws://127.0.0.1:1"
MEMBER = PAIRS[0]


async def start_all(world: World) -> list[Place]:
    first = await world.start(world.pairs[0])
    places = [first, *[await world.start(pair, bootstrap=[first.url]) for pair in world.pairs[1:]]]
    await wait_until(lambda: all(place.mesh.count_members() == len(places) - 1 for place in places))
    await wait_until(lambda: all(len(place.book.list_records()) == len(places) for place in places))
    return places


def test_a_member_that_can_be_reached_hears_so_from_some() -> None:
    async def body() -> None:
        async with open_world(5) as world:
            first, *_ = await start_all(world)
            found = await first.mesh.ask_dial_back(first.url)
            assert list(found.values()) == [True] * ASKED_MAX
            assert first.mesh.count_members() == 4  # the dials took no link's place
            await wait_until(lambda: len(first.mesh.linked()) == 4)  # and left none

    run_trio(body)


def test_a_member_hears_who_cannot_reach_it_and_no_sooner_than_who_can() -> None:
    async def body() -> None:
        async with open_world(3) as world:
            first, second, third = await start_all(world)
            world.blocked.add((second.key, first.url))
            began = trio.current_time()
            assert await first.mesh.ask_dial_back(first.url) == {second.key: False, third.key: True}
            assert trio.current_time() - began >= DIAL_S

    run_trio(body)


def test_nobody_dials_where_a_member_does_not_say_it_is() -> None:
    async def body() -> None:
        async with open_world(3) as world:
            first, second, _ = await start_all(world)
            for url in (NOBODY, second.url):
                began = trio.current_time()
                assert await first.mesh.ask_dial_back(url) == {}
                assert trio.current_time() - began >= ANSWER_S

    run_trio(body)


def test_who_has_no_links_asks_nobody_and_waits_for_nobody() -> None:
    async def body() -> None:
        async with open_world(3) as world:
            alone = await world.start(PAIRS[0])
            assert await alone.mesh.ask_dial_back(alone.url) == {}

    run_trio(body)


async def tell(carrier: Carrier, *messages: RecordsMessage | DialBackRequest | DialBackAnswer) -> None:
    for message in messages:
        await carrier.send(pack_messages([encode_control(message)]))


async def hear(carrier: Carrier, count: int) -> list[DialBackAnswer]:
    """Return the next answers."""
    answers: list[DialBackAnswer] = []
    while len(answers) < count:
        messages = unpack_messages(await carrier.recv(), LIMITS)
        heard = [decode_control(one) for one in messages if is_control(one)]
        answers += [one for one in heard if isinstance(one, DialBackAnswer)]
    return answers


def make_record(*urls: str, at: int = 0) -> RecordsMessage:
    return RecordsMessage((sign_record(MEMBER, NETWORK, urls, issued_ms=get_time_ms() + at).signed,))


async def accept(_: Carrier) -> None:
    """Open a WebSocket to whoever comes, and say nothing."""
    await trio.sleep_forever()


@pytest.mark.parametrize("who", ["nobody", "another member", "somebody mute"])
def test_a_no_comes_at_one_time_whoever_is_there(who: str) -> None:
    async def body() -> None:
        async with open_world(3, limits=replace(LIMITS, close_timeout_s=1.0)) as world:
            victim = await world.start(PAIRS[1])
            url = NOBODY
            if who == "another member":
                url = (await world.start(PAIRS[2])).url
            elif who == "somebody mute":
                listener = await open_listener("127.0.0.1", 0, limits=LIMITS)
                await world.nursery.start(listener.serve, accept)
                url = listener.url
            async with aclosing(await world.dial_raw(MEMBER, victim.url)) as carrier:
                await tell(carrier, make_record(url))
                began = trio.current_time()
                await tell(carrier, DialBackRequest(url.encode()))
                assert await hear(carrier, 1) == [DialBackAnswer(url.encode(), 0)]
                assert DIAL_S <= trio.current_time() - began < DIAL_S + 0.7

    run_trio(body)


def test_however_often_a_member_asks_and_over_however_many_links_it_is_dialed_seldom() -> None:
    async def body() -> None:
        async with open_world(2) as world:
            victim = await world.start(PAIRS[1])
            listener = await open_listener("127.0.0.1", 0, limits=LIMITS)
            dialed: list[int] = []

            async def count(carrier: Carrier) -> None:
                dialed.append(1)
                await accept(carrier)

            await world.nursery.start(listener.serve, count)
            for link in range(2):
                async with aclosing(await world.dial_raw(MEMBER, victim.url)) as carrier:
                    await tell(carrier, make_record(listener.url, at=link))
                    await tell(carrier, *[DialBackRequest(listener.url.encode())] * 40)
                    if link == 0:
                        assert await hear(carrier, 1) == [DialBackAnswer(listener.url.encode(), 0)]
                    await tell(carrier, make_record(NOBODY, at=link + 10))
                    await wait_until(lambda: victim.book.get_urls(MEMBER.key) == (NOBODY,))
            assert dialed == [1]
            assert not victim.mesh.is_banned(MEMBER.key)

    run_trio(body)


@pytest.mark.parametrize(
    ("message", "is_fault"),
    [
        (DialBackAnswer(b"", 2), True),
        (DialBackAnswer(b"", -1), True),
        (DialBackAnswer(b"\xff", 1), False),  # late, or unasked for
        (DialBackRequest(b"\xff"), False),
    ],
)
def test_answers_that_are_none_are_faults_and_late_ones_are_not(
    message: DialBackRequest | DialBackAnswer, is_fault: bool
) -> None:
    async def body() -> None:
        async with open_world(2) as world:
            victim = await world.start(PAIRS[1])
            async with aclosing(await world.dial_raw(MEMBER, victim.url)) as carrier:
                await tell(carrier, *[message] * LIMITS.bad_messages_max, make_record(NOBODY))
                await wait_until(lambda: MEMBER.key in victim.book.list_urls())
                assert not victim.mesh.is_banned(MEMBER.key)
                await tell(carrier, message, make_record(NOBODY + "1", at=1))
                if is_fault:
                    await wait_until(lambda: victim.mesh.is_banned(MEMBER.key))
                else:
                    await wait_until(lambda: victim.book.list_urls()[MEMBER.key] == (NOBODY + "1",))
                    assert not victim.mesh.is_banned(MEMBER.key)

    run_trio(body)
