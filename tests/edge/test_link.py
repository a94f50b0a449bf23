"""What links hold together is bounded, whoever reads and whoever does not."""

from dataclasses import replace

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from consensus.identity import KeyPair
from swarm.edge.limits import EdgeLimits, LinkLimits
from swarm.edge.link import Inbox, Link, LinkMaker
from swarm.edge.memory_transport import open_memory_pair
from swarm.edge.transport import unpack_messages

KEYS = tuple(KeyPair(bytes([number]) * 32).key for number in range(1, 9))
POOL = 10_000
SMALL = LinkLimits(
    messages_per_s=1e6,
    messages_burst=1_000_000,
    bytes_per_s=1e9,
    bytes_burst=1_000_000_000,
    in_queue_messages_max=1_000,
    in_queue_bytes_max=4_000,
    out_queue_messages_max=1_000,
    out_queue_bytes_max=4_000,
    in_pool_bytes_max=POOL,
    out_pool_bytes_max=POOL,
)
LIMITS = EdgeLimits(client=SMALL, member=replace(SMALL, out_queue_bytes_max=8_000), coalesced_bytes_max=1_024)


def make_links(count: int, *, is_member: bool = False) -> list[Link]:
    maker = LinkMaker(LIMITS)
    return [
        maker.make(open_memory_pair(LIMITS, LIMITS).left, key=key, opener=key, version=1, is_member=is_member)
        for key in KEYS[:count]
    ]


def fill(link: Link, size: int = 100) -> int:
    """Queue messages that nobody takes until the link ends; returns how many bytes it took."""
    taken = 0
    while link.enqueue(bytes(size)):
        taken += size
    return taken


def test_one_greedy_link_has_its_own_limit() -> None:
    async def body() -> None:
        (link,) = make_links(1)
        assert fill(link) == 4_000
        assert "slow reader" in link.reason

    trio.run(body)


def test_one_greedy_link_never_has_more_than_half_of_the_pool() -> None:
    async def body() -> None:
        (link,) = make_links(1, is_member=True)
        assert fill(link) == POOL / 2

    trio.run(body)


def test_many_deaf_links_leave_room_for_one_that_reads() -> None:
    async def body() -> None:
        *deaf, reader = make_links(8)
        for _ in range(1_000):
            for link in deaf:
                if not link.scope.cancel_called and link.has_room(0.9):
                    link.enqueue(bytes(50))
        assert reader.enqueue(bytes(1_000))
        assert await reader.next_frame()
        assert reader.enqueue(bytes(1_000))

    trio.run(body)


def test_what_a_link_held_is_given_back_when_it_ends() -> None:
    async def body() -> None:
        first, second = make_links(2, is_member=True)
        assert fill(first) == POOL / 2
        assert fill(second) == POOL / 2

    trio.run(body)


def test_a_link_with_nothing_queued_takes_a_message_of_any_length() -> None:
    async def body() -> None:
        (link,) = make_links(1)
        assert link.enqueue(bytes(100_000))
        assert len(unpack_messages(await link.next_frame(), LIMITS)[0]) == 100_000

    trio.run(body)


def test_several_messages_make_no_longer_a_frame_than_is_coalesced() -> None:
    async def body() -> None:
        (link,) = make_links(1)
        for _ in range(30):
            assert link.enqueue(bytes(100))
        frames = []
        while not link.is_drained():
            frames.append(await link.next_frame())
        assert max(map(len, frames)) <= LIMITS.coalesced_bytes_max
        assert sum(len(unpack_messages(frame, LIMITS)) for frame in frames) == 30

    trio.run(body)


def test_an_ended_link_takes_nothing() -> None:
    async def body() -> None:
        (link,) = make_links(1)
        link.end("over")
        assert not link.enqueue(b"x")
        assert link.is_drained()

    trio.run(body)


def test_links_stop_reading_for_what_others_left_and_go_on_once_it_is_taken() -> None:
    async def body() -> None:
        links = make_links(8)
        inbox = Inbox(events_max=8)
        for link in links:
            while not link.is_backlogged():
                inbox.put_messages(link, [bytes(500)])
        assert len(inbox) * 500 <= POOL + 500 * len(links)
        assert all(link.in_messages for link in links)
        async with trio.open_nursery() as nursery:
            for link in links:
                nursery.start_soon(link.wait_room)
            await trio.testing.wait_all_tasks_blocked()
            while len(inbox):
                inbox.receive_nowait()

    trio.run(body)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["put", "take", "end"]), st.integers(1, 3_000)),
        max_size=120,
    )
)
def test_what_queues_hold_together_stays_within_the_pool(
    done: list[tuple[int, str, int]],
) -> None:
    async def body() -> None:
        links = make_links(4)
        queued = [0, 0, 0, 0]
        longest = 0
        for place, what, size in done:
            link = links[place]
            if what == "put":
                longest = max(longest, size)
                queued[place] = queued[place] + size if link.enqueue(bytes(size)) else 0
            elif what == "take" and queued[place]:
                queued[place] -= sum(map(len, unpack_messages(await link.next_frame(), LIMITS)))
            elif what == "end":
                link.end("over")
                queued[place] = 0
            # Beyond the pool goes the one message that an empty queue always takes.
            assert sum(queued) <= POOL + longest * len(links)
            assert [link.is_drained() for link in links] == [not size for size in queued]

    trio.run(body)
