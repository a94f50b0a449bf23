"""Addresses, presence and relaying among real meshes on loopback sockets."""

from pathlib import Path

import pytest
import trio

from swarm.edge.anchors import read_anchors
from swarm.edge.link import Inbound, LinkDown, LinkUp
from tests.edge.overlay_kit import Place, open_world, wait_until
from tests.edge.test_mesh import CLIENT, PAIRS, run_trio


def is_full(places: list[Place]) -> bool:
    return all(len(place.mesh.linked()) == len(places) - 1 for place in places)


def test_bootstrap_with_one_address_finds_seven_members() -> None:
    async def body() -> None:
        async with open_world(8) as world:
            first = await world.start(PAIRS[3])
            others = [pair for pair in world.pairs if pair is not PAIRS[3]]
            places = [first] + [await world.start(pair, bootstrap=[first.url]) for pair in others]
            await wait_until(lambda: is_full(places))
            await wait_until(lambda: all(place.mesh.count_members() == 7 for place in places))
            for place in places:
                assert len(place.book.list_records()) == 8
                assert all(place.mesh.get_relay(other.key) is None for other in places)

    run_trio(body)


def test_two_members_that_only_dial_out_speak_through_a_third() -> None:
    async def body() -> None:
        async with open_world(3) as world:
            public = await world.start(PAIRS[1])
            one = await world.start(PAIRS[0], bootstrap=[public.url], is_public=False)
            two = await world.start(PAIRS[2], bootstrap=[public.url], is_public=False)
            await wait_until(lambda: is_full([public, one, two]))
            assert one.mesh.get_relay(two.key) == public.key
            assert one.mesh.get_link(two.key) is None
            for index in range(50):
                assert one.mesh.send(two.key, b"there %d" % index)
                assert two.mesh.send(one.key, b"back %d" % index)
            for index in range(50):
                assert await two.next_message() == Inbound(one.key, b"there %d" % index)
                assert await one.next_message() == Inbound(two.key, b"back %d" % index)
            assert [event for event in public.drain() if isinstance(event, Inbound)] == []
            assert one.mesh.broadcast(b"to all") == 2

    run_trio(body)


def test_another_relay_takes_over_where_one_dies_and_none_is_left_in_the_end() -> None:
    async def body() -> None:
        async with open_world(4) as world:
            relays = [await world.start(PAIRS[1])]
            relays.append(await world.start(PAIRS[2], bootstrap=[relays[0].url]))
            urls = [relay.url for relay in relays]
            one = await world.start(PAIRS[0], bootstrap=urls, is_public=False)
            two = await world.start(PAIRS[3], bootstrap=urls, is_public=False)
            await wait_until(lambda: is_full([*relays, one, two]))
            await wait_until(lambda: all(p.mesh.count_members() == 2 for p in (one, two)))
            chosen = one.mesh.get_relay(two.key)
            dying = next(relay for relay in relays if relay.key == chosen)
            other = next(relay for relay in relays if relay.key != chosen)
            dying.scope.cancel()
            await wait_until(lambda: two.key in one.mesh.linked() and one.mesh.count_members() == 1)
            await wait_until(lambda: one.count(LinkUp, two.key) == 2)  # told once more: what was sent is lost
            assert one.count(LinkDown, two.key) == 1
            assert one.mesh.get_relay(two.key) == other.key
            await wait_until(lambda: one.key in two.mesh.linked())
            assert one.mesh.send(two.key, b"again")
            assert await two.next_message() == Inbound(one.key, b"again")
            other.scope.cancel()
            await wait_until(lambda: one.mesh.linked() == ())
            assert one.count(LinkDown, two.key) == 2
            assert not one.mesh.send(two.key, b"lost")

    run_trio(body)


def test_a_broken_link_between_two_public_members_is_replaced_by_a_relay_until_it_is_back() -> None:
    async def body() -> None:
        async with open_world(3) as world:
            relay = await world.start(PAIRS[2])
            one = await world.start(PAIRS[0], bootstrap=[relay.url])
            two = await world.start(PAIRS[1], bootstrap=[relay.url])
            await wait_until(lambda: all(p.mesh.count_members() == 2 for p in (one, two)))
            world.blocked |= {(one.key, two.url), (two.key, one.url)}
            one.mesh.close_link(two.key)
            await wait_until(lambda: one.mesh.get_relay(two.key) == relay.key == two.mesh.get_relay(one.key))
            assert one.mesh.send(two.key, b"around")
            assert await two.next_message() == Inbound(one.key, b"around")
            ups, downs = one.count(LinkUp, two.key), one.count(LinkDown, two.key)
            world.blocked.clear()
            await wait_until(lambda: one.mesh.get_link(two.key) is not None)
            await wait_until(lambda: two.mesh.get_link(one.key) is not None)
            assert (one.count(LinkUp, two.key), one.count(LinkDown, two.key)) == (ups, downs)
            assert one.mesh.get_relay(two.key) is None
            assert one.mesh.send(two.key, b"straight")
            assert await two.next_message() == Inbound(one.key, b"straight")

    run_trio(body)


def test_a_member_that_the_lower_key_cannot_reach_dials_itself() -> None:
    async def body() -> None:
        async with open_world(2) as world:
            low = await world.start(PAIRS[0])
            high = await world.make(PAIRS[1], hints={PAIRS[0].key: low.url})
            world.blocked.add((low.key, high.url))
            await world.nursery.start(high.run)
            await wait_until(lambda: low.mesh.count_members() == high.mesh.count_members() == 1)

    run_trio(body)


def test_a_record_moves_a_member_to_another_port() -> None:
    async def body() -> None:
        async with open_world(3) as world:
            low = await world.start(PAIRS[0])
            middle = await world.start(PAIRS[1], bootstrap=[low.url])
            old = await world.start(PAIRS[2], bootstrap=[low.url])
            await wait_until(lambda: is_full([low, middle, old]))
            old.scope.cancel()
            await wait_until(lambda: low.mesh.count_members() == middle.mesh.count_members() == 1)
            world.blocked.add((PAIRS[2].key, middle.url))  # so that middle has to dial, to where it hears of
            new = await world.start(PAIRS[2], bootstrap=[low.url])
            assert new.url != old.url
            await wait_until(lambda: middle.mesh.get_link(new.key) is not None)
            record = middle.book.get(new.key)
            assert record is not None
            assert record.urls == (new.url,)

    run_trio(body)


def test_a_client_with_one_address_finds_all_that_can_be_dialed_and_reaches_the_rest() -> None:
    async def body() -> None:
        async with open_world(4) as world:
            places = [await world.start(PAIRS[0])]
            for index in (1, 2):
                places.append(await world.start(PAIRS[index], bootstrap=[places[0].url]))
            hidden = await world.start(PAIRS[3], bootstrap=[places[0].url], is_public=False)
            await wait_until(lambda: is_full([*places, hidden]))
            client = await world.start(CLIENT, bootstrap=[places[0].url], is_public=False)
            await wait_until(lambda: client.mesh.count_members() == 3)
            await wait_until(lambda: len(client.mesh.find_holders(hidden.key)) == 3)
            await wait_until(lambda: hidden.key in client.mesh.linked())
            assert client.book.get(CLIENT.key) is None
            assert not hidden.mesh.send(CLIENT.key, b"unasked")  # nobody knows a way to it yet
            for index in range(20):
                assert client.mesh.send(hidden.key, b"question %d" % index)
                assert await hidden.next_message() == Inbound(CLIENT.key, b"question %d" % index)
                assert hidden.mesh.send(CLIENT.key, b"answer %d" % index)
                assert await client.next_message() == Inbound(hidden.key, b"answer %d" % index)
            assert client.mesh.send(places[1].key, b"question")
            assert await places[1].next_message() == Inbound(CLIENT.key, b"question")

    run_trio(body)


@pytest.mark.parametrize("has_book", [False, True])
def test_members_of_older_builds_are_linked_and_told_nothing(has_book: bool) -> None:
    """A link on which one end has no book carries protocol messages only; a relay counts on neither."""

    async def body() -> None:
        async with open_world(3) as world:
            public = await world.start(PAIRS[1])
            older = await world.dial_raw(PAIRS[0], public.url, version=2 if has_book else 1)
            await wait_until(lambda: public.mesh.get_link(PAIRS[0].key) is not None)
            two = await world.start(PAIRS[2], bootstrap=[public.url], is_public=False)
            await wait_until(lambda: two.mesh.count_members() == 1)
            assert public.mesh.send(PAIRS[0].key, b"mark")
            frames = []
            with trio.move_on_after(0.5):
                while True:
                    frames.append(await older.recv())
            assert any(b"\xc1" in frame for frame in frames) == has_book
            assert (PAIRS[0].key in two.mesh.linked()) == has_book
            await older.aclose()

    run_trio(body)


def test_anchors_bring_a_restarted_member_back_without_bootstrap(tmp_path: Path) -> None:
    async def body() -> None:
        path = tmp_path / "addresses"
        async with open_world(2) as world:
            low = await world.start(PAIRS[0])
            high = await world.start(PAIRS[1], bootstrap=[low.url], anchors=path)
            await wait_until(lambda: is_full([low, high]))
            await high.mesh.stop()
            anchors = read_anchors(path)
            stale = {PAIRS[0].key: "ws://127.0.0.1:1"}  # what the network's file says has been wrong for long
            again = await world.make(PAIRS[1], is_public=False, hints=stale)
            assert again.book.load_anchors(anchors.records) == 1
            await world.nursery.start(again.run)
            await wait_until(lambda: again.mesh.linked() == (low.key,))

    run_trio(body)
