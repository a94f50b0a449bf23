"""A question that its asker takes back: who may, what ends, and what stays as it was."""

import pytest

from consensus.identity import PeerKey
from consensus.messages import AskMessage, CancelMessage, RefusalMessage, StatementMessage
from consensus.question import compute_round_id
from consensus.round import ABANDONED_KEY
from swarm.core.actions import CancelCall
from swarm.core.cancels import CANCELLED_MAX, SENDERS_MAX
from swarm.core.inputs import CallFinished, Started
from swarm.core.records import Table
from tests.core.bench import (
    ASKER,
    GENERATION,
    SIGNERS,
    STRANGER,
    Bench,
    get_call,
    get_events,
    get_penalties,
    get_records,
    get_sent,
    make_question,
)


def get_round_id(bench: Bench) -> bytes:
    return compute_round_id(make_question(bench.network).payload)


def test_a_cancelled_round_gives_its_model_call_up_and_is_silent() -> None:
    bench = Bench()
    asked = bench.ask()
    bench.confirm(asked)
    call = get_call(asked)
    cancelled = bench.receive(ASKER.key, CancelMessage(get_round_id(bench)))
    assert [action.call_id for action in cancelled if isinstance(action, CancelCall)] == [call.call_id]
    assert get_events(cancelled) == ["round_halted"]
    assert not get_penalties(cancelled)
    assert get_sent(bench.confirm(cancelled)) == []
    assert bench.put(CallFinished(2, call.call_id, GENERATION)) == []


def test_a_cancelled_round_is_not_resumed_after_a_crash() -> None:
    bench = Bench()
    records = get_records(bench.ask())
    records += get_records(bench.receive(ASKER.key, CancelMessage(get_round_id(bench))))
    assert (Table.FACT, ABANDONED_KEY) in [(record.table, record.key) for record in records]
    restarted = Bench()
    assert get_events(restarted.put(Started(0, tuple(records)))) == ["node_started"]
    assert not restarted.state.seats


@pytest.mark.parametrize("sender", [STRANGER.key, SIGNERS[1].key])
def test_nobody_else_can_cancel(sender: PeerKey) -> None:
    bench = Bench()
    asked = bench.ask()
    refused = bench.receive(sender, CancelMessage(get_round_id(bench)))
    assert [penalty.key for penalty in get_penalties(refused)] == [sender]
    sealed = bench.put(CallFinished(1, get_call(asked).call_id, GENERATION))
    assert [m for m in get_sent(bench.confirm([*asked, *sealed])) if isinstance(m, StatementMessage)]


def test_a_cancelled_question_is_refused_when_it_is_asked_again() -> None:
    bench = Bench()
    bench.ask()
    bench.receive(ASKER.key, CancelMessage(get_round_id(bench)))
    (refusal,) = get_sent(bench.ask())
    assert isinstance(refusal, RefusalMessage)
    assert b"given up" in refusal.reason
    assert get_sent(bench.ask(sender=bench.others[0])) == []


def test_a_question_cancelled_before_it_arrived_opens_no_round() -> None:
    bench = Bench()
    assert bench.receive(ASKER.key, CancelMessage(get_round_id(bench))) == []
    assert bench.ask(sender=bench.others[0]) == []  # another peer passes it on
    assert not bench.state.seats


def test_a_stranger_who_cancels_first_changes_nothing() -> None:
    bench = Bench()
    for place in range(2 * CANCELLED_MAX):
        assert bench.receive(STRANGER.key, CancelMessage(b"%032d" % place)) == []
    bench.receive(STRANGER.key, CancelMessage(get_round_id(bench)))
    assert [len(of_sender) for of_sender in bench.state.cancelled.by_sender.values()] == [CANCELLED_MAX]
    asked = bench.ask()
    assert [m for m in get_sent(bench.confirm(asked)) if isinstance(m, AskMessage)]


def test_a_stranger_s_early_cancels_do_not_make_the_asker_s_forgotten() -> None:
    bench = Bench()
    bench.receive(ASKER.key, CancelMessage(get_round_id(bench)))
    for place in range(2 * CANCELLED_MAX):
        bench.receive(STRANGER.key, CancelMessage(b"%032d" % place))
    assert bench.ask() == []
    assert not bench.state.seats


def test_senders_are_remembered_within_a_bound() -> None:
    bench = Bench()
    bench.receive(STRANGER.key, CancelMessage(b"f" * 32))
    for place in range(SENDERS_MAX):
        bench.receive(PeerKey(b"%032d" % place), CancelMessage(b"r" * 32))
    assert len(bench.state.cancelled.by_sender) == SENDERS_MAX
    assert STRANGER.key not in bench.state.cancelled.by_sender
