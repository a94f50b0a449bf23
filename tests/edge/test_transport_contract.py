"""One suite for every carrier: in memory, plain sockets, and sockets under TLS."""

from dataclasses import replace

import pytest
import trio
import trio.testing

from consensus.errors import LimitExceeded, NetworkError
from swarm.edge.transport import Carrier
from tests.edge.carriers import LIMITS, PAIRS, Pair, recv_whole_for_ever, run_trio, send_for_ever


@pytest.fixture(params=list(PAIRS.values()), ids=list(PAIRS))
def open_pair(request: pytest.FixtureRequest) -> Pair:
    pair: Pair = request.param
    return pair


def test_frames_arrive_whole_and_in_order_both_ways(open_pair: Pair) -> None:
    frames = [bytes([index]) * (index * 37 + 1) for index in range(100)]

    async def push(carrier: Carrier) -> None:
        for frame in frames:
            await carrier.send(frame)

    async def body() -> None:
        async with open_pair() as (left, right), trio.open_nursery() as nursery:
            nursery.start_soon(push, left)
            nursery.start_soon(push, right)
            assert [await right.recv() for _ in frames] == frames
            assert [await left.recv() for _ in frames] == frames

    run_trio(body)


def test_echo_of_the_longest_frame(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right):
            frame = b"\xff" * LIMITS.frame_bytes_max
            await left.send(frame)
            await right.send(await right.recv())
            assert await left.recv() == frame

    run_trio(body)


def test_sender_refuses_a_frame_beyond_its_limit_and_lives_on(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right):
            with pytest.raises(LimitExceeded, match="4097"):
                await left.send(b"x" * 4097)
            await left.send(b"still here")
            assert await right.recv() == b"still here"

    run_trio(body)


def test_receiver_ends_the_link_on_a_frame_beyond_its_limit(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair(left=replace(LIMITS, frame_bytes_max=1 << 20)) as (left, right):
            await left.send(b"x" * 100_000)
            with pytest.raises(NetworkError):
                await right.recv()
            with pytest.raises(NetworkError):
                await left.recv()

    run_trio(body)


def test_frames_sent_before_a_close_still_arrive_then_the_close_is_seen(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right), trio.open_nursery() as nursery:
            await left.send(b"one")
            await left.send(b"two")
            nursery.start_soon(left.aclose)
            assert await right.recv() == b"one"
            assert await right.recv() == b"two"
            with pytest.raises(NetworkError):
                await right.recv()
            with pytest.raises(NetworkError):
                await send_for_ever(right)  # a socket may take a frame or two before it learns

    run_trio(body)


def test_closed_end_neither_sends_nor_receives_and_closes_again(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, _):
            await left.aclose()
            await left.aclose()
            with pytest.raises(NetworkError):
                await left.send(b"late")
            with pytest.raises(NetworkError):
                await left.recv()

    run_trio(body)


def test_waiting_receiver_learns_of_the_close(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right):
            seen: list[str] = []

            async def wait(carrier: Carrier) -> None:
                with pytest.raises(NetworkError):
                    await carrier.recv()
                seen.append("closed")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait, right)
                nursery.start_soon(wait, left)
                await trio.testing.wait_all_tasks_blocked(0.01)
                await left.aclose()
            assert seen == ["closed", "closed"]

    run_trio(body)


def test_sender_waits_for_a_slow_reader(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right):
            sent = 0
            with trio.move_on_after(0.3) as scope:
                while sent < 100_000:
                    await left.send(bytes(4096))
                    sent += 1
            assert scope.cancelled_caught
            assert sent < 100_000
            assert await right.recv() == bytes(4096)

    run_trio(body)


def test_cancelled_recv_loses_no_frame(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right):
            for index in range(200):
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await right.recv()
                with trio.move_on_after(0.0005):
                    await right.recv()
                await left.send(b"%d" % index)
                assert await right.recv() == b"%d" % index

    run_trio(body)


def test_send_cancelled_halfway_kills_the_link(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, right):
            with trio.move_on_after(0.2) as scope:
                await send_for_ever(left)
            assert scope.cancelled_caught
            with trio.fail_after(LIMITS.close_timeout_s + 1.0):
                await left.aclose()
            with pytest.raises(NetworkError):
                await recv_whole_for_ever(right)

    run_trio(body)


def test_both_directions_at_once_under_load(open_pair: Pair) -> None:
    async def echo(carrier: Carrier) -> None:
        try:
            while True:
                await carrier.send(await carrier.recv())
        except NetworkError:
            return

    async def push(carrier: Carrier) -> None:
        for index in range(300):
            await carrier.send(b"%d" % index)

    async def body() -> None:
        async with open_pair() as (left, right), trio.open_nursery() as nursery:
            nursery.start_soon(echo, right)
            nursery.start_soon(push, left)
            assert [await left.recv() for _ in range(300)] == [b"%d" % index for index in range(300)]
            await left.aclose()

    run_trio(body)


def test_close_beside_a_peer_that_never_reads_is_bounded(open_pair: Pair) -> None:
    async def body() -> None:
        async with open_pair() as (left, _):
            with trio.move_on_after(0.2):
                await send_for_ever(left)
            started = trio.current_time()
            await left.aclose()
            assert trio.current_time() - started < LIMITS.close_timeout_s + 0.5

    run_trio(body)
