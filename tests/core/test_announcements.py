"""Long questions are announced between seats, and sent to those that lack them."""

import pytest

from consensus.decision import Status
from consensus.effects import Timer, TimerName
from consensus.encoding import encode
from consensus.identity import PeerKey
from consensus.messages import (
    AskMessage,
    Message,
    QuestionAnnouncement,
    QuestionRequest,
    SignedQuestion,
)
from consensus.question import compute_round_id
from consensus.receipt import get_result, open_receipt
from sim_net.manifest import NetworkSettings
from sim_net.world import World
from swarm.core.announcements import ANNOUNCED_BYTES_MIN
from swarm.core.inputs import Paused, PeerLinked, Received, TimerFired, Unpaused
from swarm.core.node import step
from tests.core.bench import (
    ASKER,
    STRANGER,
    Bench,
    get_penalties,
    get_sent,
    make_question,
)
from tests.sim_net.kit import MODEL

LONG = b"What is 7 times 12?".ljust(60_000, b"?")


def make_long(bench: Bench, size: int = len(LONG)) -> SignedQuestion:
    return make_question(bench.network, text=LONG[:size])


def get_told(messages: list[Message]) -> list[Message]:
    return [one for one in messages if isinstance(one, AskMessage | QuestionAnnouncement)]


def test_a_short_question_is_passed_on_whole_and_a_long_one_announced() -> None:
    for size, is_announced in ((100, False), (ANNOUNCED_BYTES_MIN - 300, False), (ANNOUNCED_BYTES_MIN, True)):
        bench = Bench()
        signed = make_long(bench, size)
        told = get_told(get_sent(bench.confirm(bench.ask(signed)), bench.others[0]))
        expected = (
            QuestionAnnouncement(compute_round_id(signed.payload)) if is_announced else AskMessage(signed)
        )
        assert told == [expected]


def test_who_is_linked_again_and_who_waits_is_told_in_the_same_way() -> None:
    bench = Bench()
    signed = make_long(bench)
    round_id = compute_round_id(signed.payload)
    asked = bench.ask(signed)
    bench.confirm(asked)
    announced = [QuestionAnnouncement(round_id)]
    linked = bench.put(PeerLinked(1, bench.others[0]))
    assert get_told(get_sent(linked, bench.others[0])) == announced
    waits = bench.put(TimerFired(2_000, round_id, Timer(TimerName.RESEND, step=0)))
    assert get_told(get_sent(waits, bench.others[1])) == announced


def test_who_lacks_the_question_asks_everybody_who_announces_it() -> None:
    bench = Bench()
    round_id = compute_round_id(make_long(bench).payload)
    for other in bench.others:
        actions = bench.receive(other, QuestionAnnouncement(round_id))
        assert get_sent(actions, other) == [QuestionRequest(round_id)] == get_sent(actions)
    bench.ask(make_long(bench), sender=bench.others[0])
    assert round_id in bench.state.seats
    assert bench.receive(bench.others[1], QuestionAnnouncement(round_id)) == []


def test_who_is_paused_asks_once_and_again_when_it_is_not() -> None:
    bench = Bench()
    round_id = compute_round_id(make_long(bench).payload)
    bench.put(Paused(0, "its owner plays"))
    assert get_sent(bench.receive(bench.others[0], QuestionAnnouncement(round_id)))
    bench.ask(make_long(bench), sender=bench.others[0])
    assert bench.receive(bench.others[0], QuestionAnnouncement(round_id)) == []
    bench.put(Unpaused(1))
    assert get_sent(bench.receive(bench.others[0], QuestionAnnouncement(round_id)))


def test_a_seat_is_sent_the_question_once_in_a_while() -> None:
    bench = Bench()
    signed = make_long(bench)
    request = QuestionRequest(compute_round_id(signed.payload))
    assert bench.receive(bench.others[0], request) == []  # not open here
    bench.confirm(bench.ask(signed))
    again_ms = bench.state.config.timing.certificate_again_ms
    for now_ms, expected in ((0, [AskMessage(signed)]), (again_ms - 1, []), (again_ms, [AskMessage(signed)])):
        bench.now_ms = now_ms
        assert get_sent(bench.receive(bench.others[0], request), bench.others[0]) == expected
    bench.now_ms = again_ms - 1
    assert get_sent(bench.receive(bench.others[1], request)) == [AskMessage(signed)], "each seat has its own"


def test_a_seat_whose_link_came_back_is_sent_the_question_again() -> None:
    bench = Bench()
    signed = make_long(bench)
    request = QuestionRequest(compute_round_id(signed.payload))
    bench.confirm(bench.ask(signed))
    for _ in range(2):
        assert get_sent(bench.receive(bench.others[0], request)) == [AskMessage(signed)]
        assert bench.receive(bench.others[0], request) == []
        bench.put(PeerLinked(0, bench.others[0]))


def test_the_question_leaves_only_when_it_is_on_disk() -> None:
    bench = Bench()
    signed = make_long(bench)
    asked = bench.ask(signed)
    assert get_sent(bench.receive(bench.others[0], QuestionRequest(compute_round_id(signed.payload)))) == []
    assert AskMessage(signed) in get_sent(bench.confirm(asked), bench.others[0])


def test_a_round_has_an_id() -> None:
    bench = Bench()
    actions = bench.receive(bench.others[0], QuestionAnnouncement(bytes(100_000)))
    assert [penalty.key for penalty in get_penalties(actions)] == [bench.others[0]]
    assert get_sent(actions) == []


@pytest.mark.parametrize("sender", [ASKER.key, STRANGER.key])
def test_who_has_no_seat_is_at_fault(sender: PeerKey) -> None:
    bench = Bench()
    signed = make_long(bench)
    round_id = compute_round_id(signed.payload)
    bench.confirm(bench.ask(signed))
    for message in (QuestionAnnouncement(round_id), QuestionRequest(round_id)):
        actions = bench.receive(sender, message)
        assert [penalty.key for penalty in get_penalties(actions)] == [sender]
        assert get_sent(actions) == []


def play(text: str = LONG.decode(), *, told: int = 7, loss: float = 0.0) -> World:
    """Ask the first `told` seats of seven, which have to tell the others."""
    world = World(seed=3, models=[MODEL] * 7, network=NetworkSettings(latency="constant(5)", loss=loss))
    world.asker.sort = lambda signed, _: dict.fromkeys(range(told), signed)
    asking = world.asker.ask(world.make_question(text, steps_max=1))
    world.run(until_ms=120_000, is_done=lambda: asking.receipt is not None)
    assert asking.receipt is not None
    return world


def test_one_seat_that_was_asked_is_enough() -> None:
    receipt = play(told=1).get_receipt()
    assert receipt is not None
    assert get_result(open_receipt(receipt)).status == Status.FULL


def test_who_is_late_is_sent_the_question_of_a_round_that_is_over() -> None:
    world = play()
    round_id = next(iter(world.asker.asked))
    finished = next(node for node in world.nodes if node.state.seats[round_id].receipt is not None)
    late = next(node.signer.key for node in world.nodes if node is not finished)
    finished.state.seats[round_id].told_ms.clear()
    actions = step(finished.state, Received(world.now_ms, late, encode(QuestionRequest(round_id))))[1]
    assert [type(message) for message in get_sent(actions, late)] == [AskMessage]


def test_where_messages_are_lost_every_seat_has_the_question_in_the_end() -> None:
    world = play(told=1, loss=0.3)
    assert world.asker.latest is not None
    assert all(world.asker.latest.round_id in node.state.known for node in world.nodes)


def test_a_long_question_costs_seats_next_to_nothing_where_all_were_asked() -> None:
    short, long = (
        sum(node.sent_bytes for node in play(text).nodes) for text in ("What is 7 times 12?", LONG.decode())
    )
    # The asker is sent a few receipts, each with the question; seats that pass it on whole send 42.
    assert long - short < 7 * len(LONG)
