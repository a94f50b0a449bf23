"""Events on their way to one client, by a clock that jumps."""

from collections.abc import Callable

import pytest
import trio
from starlette.types import Message
from trio.testing import MockClock

from swarm.gateway.replies import ProgressEvent
from swarm.gateway.streaming import HEARTBEAT, EventWriter, encode_comment

HEARTBEAT_S = 5.0
EVERY_S, EVENTS = 3.0, 20


@pytest.mark.parametrize(
    ("encode", "beats"), [(lambda _: b"", EVENTS * EVERY_S // HEARTBEAT_S), (encode_comment, 0)]
)
def test_no_silence_is_longer_than_a_heartbeat_whatever_happens_unseen(
    encode: Callable[[ProgressEvent], bytes], beats: int
) -> None:
    sent_at: list[float] = []
    sent: list[bytes] = []

    async def send(message: Message) -> None:
        sent_at.append(trio.current_time())
        sent.append(message["body"])

    async def main() -> None:
        events_in, events_out = trio.open_memory_channel[ProgressEvent](0)
        writer = EventWriter(send, heartbeat_s=HEARTBEAT_S)
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.forward, events_out, encode)
            with events_in:
                for _ in range(EVENTS):
                    await trio.sleep(EVERY_S)
                    await events_in.send(ProgressEvent(event="phase.reached"))
        silences = [after - before for before, after in zip([started, *sent_at], sent_at, strict=False)]
        assert max(silences) <= HEARTBEAT_S + 0.001

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert sent.count(HEARTBEAT) in (beats, beats - 1)
