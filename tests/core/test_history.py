"""Questions that build on earlier rounds: who takes them, who catches up and how, and what is refused."""

import dataclasses
from collections.abc import Callable

import pytest

from consensus.encoding import encode
from consensus.hashing import tagged_hash
from consensus.history import compute_standing
from consensus.identity import KeyPair, PeerKey
from consensus.messages import (
    BUSY_PREFIX,
    AskMessage,
    ReceiptChunk,
    ReceiptRequest,
    RefusalMessage,
    SignedQuestion,
    StandingAskMessage,
)
from consensus.question import compute_round_id, sign_question
from consensus.standing import Standing
from sim_net.recorder import Recorder
from sim_net.world import World
from swarm.core.actions import Action, Emit, Penalise
from swarm.core.history import (
    CHUNK_BYTES,
    CHUNKS_MAX,
    FETCH_MS_MAX,
    FETCHES_MAX,
    FETCHES_PER_QUESTION_MAX,
    Ask,
    History,
)
from swarm.core.inputs import Received
from swarm.core.node import step
from swarm.core.places import ROUNDS_OPEN_MAX
from swarm.core.records import Table
from tests.consensus.receipt_kit import (
    GOLD,
    find_history,
    make_gold_models,
    make_next,
    open_round,
    play_gold,
    replace,
    run_round,
    send_next,
)
from tests.core.bench import get_events, get_penalties, get_sent

LATE = 3  # the node that misses something


def close_all(world: World, message: StandingAskMessage, *, at_ms: int = 120_000) -> dict[PeerKey, bytes]:
    """Ask, wait for every node that is up, and return the result each of them told."""
    asking = send_next(world, message)
    up = sum(node.is_up for node in world.nodes)
    world.run(until_ms=world.now_ms + at_ms, is_done=lambda: len(asking.closed) == up)
    return {key: closed.result for key, closed in asking.closed.items()}


def watch_fetches(world: World) -> Callable[[], list[tuple[int, bytes | None]]]:
    """Return what lists the receipts that were fetched from now on: which node, which round."""
    recorder = Recorder(world)

    def list_fetches() -> list[tuple[int, bytes | None]]:
        events = [(one.node, one.emit) for one in recorder.events]
        return [(node, emit.round_id) for node, emit in events if emit.event == "receipt_fetched"]

    return list_fetches


def get_key(world: World, index: int) -> PeerKey:
    return world.nodes[index].signer.key


def receive(world: World, index: int, sender: PeerKey, data: bytes) -> list[Action]:
    """Hand a message to a node by hand; nothing it wants done is done."""
    return step(world.nodes[index].state, Received(world.now_ms, sender, data))[1]


def test_all_nodes_that_took_part_take_the_next_question_at_once() -> None:
    world = play_gold(seed=1)
    message = make_next(world, open_round(world.get_receipt()))
    list_fetches = watch_fetches(world)
    results = close_all(world, message)
    assert len(results) == 7
    assert len(set(results.values())) == 1
    assert list_fetches() == []


def test_a_node_that_missed_the_round_fetches_its_receipt_and_takes_part() -> None:
    world = play_gold(seed=1, down=[LATE])
    before = open_round(world.get_receipt())
    world.restart(LATE)
    list_fetches = watch_fetches(world)
    results = close_all(world, make_next(world, before))
    assert len(results) == 7
    assert len(set(results.values())) == 1
    assert list(world.nodes[LATE].state.history.bases) == [before.facts.round_id]
    assert dict.fromkeys(list_fetches()) == {(LATE, before.facts.round_id): None}


def test_a_node_that_restarted_reads_the_round_from_its_disk() -> None:
    world = play_gold(seed=1)
    before = open_round(world.get_receipt())
    world.crash(LATE)
    world.restart(LATE)
    list_fetches = watch_fetches(world)
    results = close_all(world, make_next(world, before))
    assert len(results) == 7
    assert len(set(results.values())) == 1
    assert list(world.nodes[LATE].state.history.bases) == [before.facts.round_id]
    assert list_fetches() == []


def test_a_node_that_dies_in_the_round_goes_on_with_the_same_weights() -> None:
    world = play_gold(seed=1)
    message = make_next(world, open_round(world.get_receipt()))
    asking = send_next(world, message)
    seat_of = world.nodes[LATE].state.seats
    world.run(until_ms=world.now_ms + 10_000, is_done=lambda: asking.round_id in seat_of)
    world.run(until_ms=world.now_ms + 5)
    world.crash(LATE)
    world.restart(LATE)
    world.run(until_ms=world.now_ms + 120_000, is_done=lambda: len(asking.closed) == 7)
    assert len({closed.result for closed in asking.closed.values()}) == 1
    assert world.nodes[LATE].state.seats[asking.round_id].round.desk.facts.standing is not None


def test_a_damaged_receipt_on_disk_is_fetched_anew() -> None:
    world = play_gold(seed=1)
    before = open_round(world.get_receipt())
    world.crash(LATE)
    rows = world.nodes[LATE].disk.rows
    place = (Table.RECEIPT, before.facts.round_id, b"")
    rows[place] = dataclasses.replace(rows[place], value=rows[place].value[:-1])
    world.restart(LATE)
    list_fetches = watch_fetches(world)
    results = close_all(world, make_next(world, before))
    assert len(set(results.values())) == 1
    assert len(results) == 7
    assert (LATE, before.facts.round_id) in list_fetches()


def refuse(world: World, message: AskMessage | StandingAskMessage) -> tuple[str, list[Action]]:
    """Ask a node as the asker; return the reason it gives, and all it does."""
    actions = receive(world, 0, world.asker.key, encode(message))
    (refusal,) = get_sent(actions)
    assert isinstance(refusal, RefusalMessage)
    assert refusal.round == compute_round_id(message.question.payload)
    assert refusal.round not in world.nodes[0].state.seats
    return refusal.reason.decode(), actions


def make_forged(world: World, standing: Standing) -> StandingAskMessage:
    """Return a question on a standing of the asker's own making."""
    data = encode(standing)
    question = replace(world.make_question("Whom?", counter=1), header=tagged_hash("standing", data))
    return StandingAskMessage(sign_question(question, world.asker.signer, world.network), data)


def test_a_standing_that_does_not_follow_is_refused_with_its_reason() -> None:
    world = play_gold(seed=find_history())
    before = open_round(world.get_receipt())
    opened = compute_standing(before.facts, before.closed, GOLD).standing
    closed = compute_standing(before.facts, before.closed, None).standing
    assert opened.numbers != closed.numbers
    forgeries = (
        replace(closed, rounds=2, previous=b"p" * 32),
        replace(closed, result=b"r" * 32),
        replace(closed, numbers=opened.numbers),  # the gold's lesson without the gold
        replace(opened, numbers=closed.numbers),  # and the other way round
    )
    for standing in forgeries:
        reason, actions = refuse(world, make_forged(world, standing))
        assert reason.startswith("this peer does not know the standing")
        assert "another one follows from round" in reason
        assert get_events(actions) == ["standing_refused"]
        assert [penalty.key for penalty in get_penalties(actions)] == [world.asker.key]
        relayed = receive(world, 0, get_key(world, 1), encode(make_forged(world, standing)))
        assert [type(action) for action in relayed] == [Emit]


def test_a_truth_of_another_question_is_refused() -> None:
    world = play_gold(seed=1)
    before = open_round(world.get_receipt())
    standing = compute_standing(before.facts, before.closed, None).standing
    reason, _ = refuse(world, make_forged(world, replace(standing, truth=(replace(GOLD, level=2),))))
    assert "opening of another question" in reason


def test_a_header_whose_standing_is_not_shown_is_refused_and_held_against_the_asker() -> None:
    world = play_gold(seed=1)
    message = make_next(world, open_round(world.get_receipt()))
    for bare in (AskMessage(message.question), StandingAskMessage(message.question, b"\x90")):
        reason, actions = refuse(world, bare)
        assert reason.lower().startswith("standing: ")
        assert [penalty.key for penalty in get_penalties(actions)] == [world.asker.key]
    relayed = receive(world, 0, get_key(world, 1), encode(AskMessage(message.question)))
    assert [type(action) for action in relayed] == [Penalise]


# -- fetching: whatever comes is hostile -------------------------------------------------------------


def ask_late_node(down: int = LATE) -> tuple[World, StandingAskMessage, bytes]:
    """Return a world whose late node has just asked the asker for the receipt, and that receipt."""
    world = play_gold(seed=1, down=[down])
    receipt = world.get_receipt()
    assert receipt is not None
    world.restart(down)
    message = make_next(world, open_round(receipt))
    (request,) = get_sent(receive(world, down, world.asker.key, encode(message)))
    assert request == ReceiptRequest(open_round(receipt).facts.round_id, 0)
    return world, message, receipt


def cut(round_id: bytes, data: bytes, size: int) -> list[ReceiptChunk]:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return [ReceiptChunk(round_id, index, len(parts), part) for index, part in enumerate(parts)]


def test_a_receipt_may_come_in_pieces_and_a_piece_twice() -> None:
    world, message, receipt = ask_late_node()
    base, asker = open_round(receipt).facts.round_id, world.asker.key
    chunks = cut(base, receipt, 2_000)
    assert len(chunks) > 2
    for chunk in chunks[:-1]:
        assert get_sent(receive(world, LATE, asker, encode(chunk))) == [ReceiptRequest(base, chunk.index + 1)]
        assert receive(world, LATE, asker, encode(chunk)) == []
    actions = receive(world, LATE, asker, encode(chunks[-1]))
    assert get_events(actions)[:2] == ["receipt_fetched", "round_opened"]
    assert compute_round_id(message.question.payload) in world.nodes[LATE].state.seats
    assert receive(world, LATE, asker, encode(chunks[-1])) == []  # late, and no fault


def test_a_question_whose_receipt_cannot_be_fetched_now_may_be_asked_again() -> None:
    world, message, _ = ask_late_node()
    again = make_next(world, open_round(world.get_receipt()), counter=2)
    (refusal,) = get_sent(receive(world, LATE, world.asker.key, encode(again)))  # it owes a receipt already
    assert isinstance(refusal, RefusalMessage)
    assert refusal.reason.decode().startswith(BUSY_PREFIX)
    assert receive(world, LATE, world.asker.key, encode(message)) == []  # this one is being fetched for


def test_a_question_keeps_its_place_while_a_receipt_is_fetched() -> None:
    world, _, receipt = ask_late_node()
    base, asker = open_round(receipt).facts.round_id, world.asker.key
    askers = [KeyPair(b"%032d" % number) for number in range(ROUNDS_OPEN_MAX)]
    for pair in askers:  # they take every place that is left to strangers
        asked = replace(world.make_question("Who else?"), asker=pair.key)
        receive(world, LATE, pair.key, encode(AskMessage(sign_question(asked, pair, world.network))))
    opened = len(world.nodes[LATE].state.seats)
    assert opened < len(askers)
    actions = receive(world, LATE, asker, encode(ReceiptChunk(base, 0, 1, receipt)))
    assert get_events(actions)[:2] == ["receipt_fetched", "round_opened"]
    assert len(world.nodes[LATE].state.seats) == opened + 1


Bend = Callable[[bytes, bytes], list[ReceiptChunk]]
BAD_CHUNKS: dict[str, Bend] = {
    "noise": lambda base, receipt: cut(base, b"\xff" * 100, 1_000),
    "nothing": lambda base, receipt: [ReceiptChunk(base, 0, 1, b"")],
    "altered": lambda base, receipt: cut(base, receipt[:-1] + bytes([receipt[-1] ^ 1]), CHUNK_BYTES),
    "out of order": lambda base, receipt: cut(base, receipt, 2_000)[1:2],
    "before the first": lambda base, receipt: [ReceiptChunk(base, -1, 3, b"x")],
    "of another count": lambda base, receipt: [
        cut(base, receipt, 2_000)[0],
        ReceiptChunk(base, 1, 2, b"x"),
    ],
    "of no count": lambda base, receipt: [ReceiptChunk(base, 0, 0, b"x")],
    "too many": lambda base, receipt: [ReceiptChunk(base, 0, CHUNKS_MAX + 1, b"x")],
    "too long": lambda base, receipt: [ReceiptChunk(base, 0, 2, bytes(CHUNK_BYTES + 1))],
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_a_bad_receipt_costs_whoever_sent_it_and_another_sender_is_asked(name: str) -> None:
    world, message, receipt = ask_late_node()
    base, asker = open_round(receipt).facts.round_id, world.asker.key
    for chunk in BAD_CHUNKS[name](base, receipt):
        actions = receive(world, LATE, asker, encode(chunk))
    assert [penalty.key for penalty in get_penalties(actions)] == [asker]
    assert world.nodes[LATE].state.history.fetches == {}
    assert world.nodes[LATE].state.history.bases == {}
    relay = get_key(world, 1)
    assert get_sent(receive(world, LATE, relay, encode(message)), relay) == [ReceiptRequest(base, 0)]


@pytest.mark.parametrize("is_same_network", [True, False])
def test_the_sound_receipt_of_another_round_is_refused(*, is_same_network: bool) -> None:
    world, _, receipt = ask_late_node()
    base = open_round(receipt).facts.round_id
    elsewhere, _ = run_round(seed=1 if is_same_network else 2, models=make_gold_models(7))
    other = elsewhere.get_receipt()
    assert other is not None
    assert open_round(other).facts.round_id != base
    actions = receive(world, LATE, world.asker.key, encode(ReceiptChunk(base, 0, 1, other)))
    expected = "another round's" if is_same_network else "not the trusted one"
    assert expected in get_penalties(actions)[0].reason


def test_a_piece_that_nothing_waits_for_is_dropped_and_no_fault() -> None:
    world, _, receipt = ask_late_node()
    base = open_round(receipt).facts.round_id
    for sender, round_id in ((get_key(world, 1), base), (world.asker.key, b"r" * 32)):
        assert receive(world, LATE, sender, encode(ReceiptChunk(round_id, 0, 1, receipt))) == []
    assert world.nodes[LATE].state.history.bases == {}


def test_the_answer_to_what_was_asked_before_a_restart_is_no_fault() -> None:
    world, message, receipt = ask_late_node()
    base = open_round(receipt).facts.round_id
    world.restart(LATE)
    assert receive(world, LATE, world.asker.key, encode(ReceiptChunk(base, 0, 1, receipt))) == []
    again = receive(world, LATE, world.asker.key, encode(message))
    assert get_sent(again) == [ReceiptRequest(base, 0)]


def test_fetches_are_few_and_silent_senders_make_room() -> None:
    ask, history = Ask(SignedQuestion(b"", b"")), History()

    def start(question: int, sender: int, now_ms: int = 0) -> bool:
        key = PeerKey(bytes([sender]) * 32)
        return history.start_fetch(ask, round_id=bytes([question]), base=b"b", sender=key, now_ms=now_ms)

    assert [start(0, sender) for sender in range(4)] == [True] * FETCHES_PER_QUESTION_MAX + [False] * 2
    assert not start(1, 0)  # its sender owes something already
    assert [start(sender, sender) for sender in range(4, 8)] == [True, True, False, False]
    assert len(history.fetches) == FETCHES_MAX
    assert not start(9, 9, FETCH_MS_MAX - 1)
    assert start(9, 9, FETCH_MS_MAX)
    assert list(history.fetches) == [PeerKey(bytes([9]) * 32)]
