"""Nodes that finished a round and restarted still help a seat that is late (docs/adr/0014)."""

import pytest

from consensus.desk import Timing
from consensus.encoding import encode
from consensus.messages import (
    BodyRequest,
    CertificateMessage,
    Commit,
    Entry,
    Kind,
    RevealMessage,
    Signed,
    StatementMessage,
    decode_message,
)
from models.scripted import ScriptedModel
from sim_net.checkers.final import check_world
from sim_net.checkers.watch import Watch
from sim_net.recorder import Recorder
from sim_net.world import World
from swarm.core.archive import ARCHIVES_MAX, open_archive
from swarm.core.inputs import ReceiptLoaded, Received, Started
from swarm.core.node import step

TEXT = "What is 7 times 12?"
ANSWER_AGAIN_MS = Timing().certificate_again_ms


def make_late_world(*, late_ms: int, steps_max: int = 1, seed: int = 1) -> tuple[World, Watch, bytes]:
    """Three nodes finish without the fourth, and all three restart."""
    world = World(seed=seed, models=[ScriptedModel()] * 4)
    watch = Watch(world)
    world.at(late_ms, lambda: world.crash(3))
    round_id = world.ask(TEXT, steps_max=steps_max)
    world.run(
        until_ms=60_000,
        is_done=lambda: all(world.nodes[node].disk.get_receipt(round_id) is not None for node in range(3)),
    )
    for node in range(3):
        world.restart(node)
        assert round_id not in world.nodes[node].state.seats
    return world, watch, round_id


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("late_ms", [60, 200, 420, 500, 600])
def test_a_late_seat_ends_its_round_though_all_others_restarted(late_ms: int, seed: int) -> None:
    world, watch, round_id = make_late_world(late_ms=late_ms, steps_max=2, seed=seed)
    recorder = Recorder(world)
    world.restart(3)
    world.run(until_ms=world.now_ms + 60_000)
    check_world(watch)
    if world.nodes[3].state.seats:  # it had heard of the round before it fell
        assert world.nodes[3].disk.get_receipt(round_id) is not None
    assert recorder.penalties == []


def make_statement(world: World, round_id: bytes, node: int) -> bytes:
    signer = world.nodes[node].signer
    payload = encode(Commit(round_id, 0, b"c" * 32))
    signed = Signed(int(Kind.COMMIT), 0, payload, signer.sign(Kind.COMMIT, world.network.network_id, payload))
    return encode(StatementMessage(round_id, signed))


def send(world: World, sender: int, data: bytes, *, at_ms: int) -> list[object]:
    """Give node 0 a message of another node's; return what it answers once its disk was read."""
    node = world.nodes[0]
    answers: list[object] = []
    _, actions = step(node.state, Received(at_ms, world.nodes[sender].signer.key, data))
    for action in actions:
        if type(action).__name__ == "LoadReceipt":
            receipt = node.disk.get_receipt(action.round_id)  # type: ignore[union-attr, arg-type]
            _, more = step(node.state, ReceiptLoaded(at_ms, action.request_id, receipt))  # type: ignore[union-attr]
            answers += more
        else:
            answers.append(action)
    return answers


def test_the_answer_is_the_certificate_of_the_step_and_comes_at_a_bounded_rate() -> None:
    world, _, round_id = make_late_world(late_ms=200)
    data = make_statement(world, round_id, 3)
    (answer,) = send(world, 3, data, at_ms=0)
    certificate = decode_message(answer.data)  # type: ignore[attr-defined]
    assert isinstance(certificate, CertificateMessage)
    assert send(world, 3, data, at_ms=ANSWER_AGAIN_MS - 1) == []
    assert len(send(world, 3, data, at_ms=ANSWER_AGAIN_MS)) == 1


def test_bodies_are_served_to_seats_and_only_those_asked_for() -> None:
    world, watch, round_id = make_late_world(late_ms=200)
    opening = watch.rounds[round_id].openings[0]
    seat, commit = next(iter(opening.items()))
    ask = encode(BodyRequest(round_id, 0, (Entry(seat, commit), Entry(0, b"x" * 32))))
    (answer,) = send(world, 3, ask, at_ms=0)
    reveal = decode_message(answer.data)  # type: ignore[attr-defined]
    assert isinstance(reveal, RevealMessage)
    assert reveal.signed.seat == seat
    beyond = encode(BodyRequest(round_id, 7, (Entry(seat, commit),)))
    assert send(world, 3, beyond, at_ms=0) == []


def test_strangers_and_rounds_never_played_get_no_answer() -> None:
    world, _, round_id = make_late_world(late_ms=200)
    node = world.nodes[0]
    data = make_statement(world, round_id, 3)
    _, actions = step(node.state, Received(0, world.asker.key, data))
    (load,) = actions
    _, answers = step(node.state, ReceiptLoaded(0, load.request_id, node.disk.get_receipt(round_id)))  # type: ignore[union-attr]
    assert answers == []
    assert send(world, 3, make_statement(world, b"u" * 32, 3), at_ms=0) == []


def test_a_damaged_receipt_is_reported_and_nothing_is_sent() -> None:
    world, _, round_id = make_late_world(late_ms=200)
    node = world.nodes[0]
    _, (load,) = step(node.state, Received(0, world.nodes[3].signer.key, make_statement(world, round_id, 3)))
    _, (emit,) = step(node.state, ReceiptLoaded(0, load.request_id, b"junk"))  # type: ignore[union-attr]
    assert emit.event == "receipt_damaged"  # type: ignore[union-attr]


def test_junk_under_a_finished_round_is_the_senders_fault() -> None:
    world, _, round_id = make_late_world(late_ms=200)
    junk = encode(StatementMessage(round_id, Signed(99, 0, b"x", b"y")))
    (penalty,) = send(world, 3, junk, at_ms=0)
    assert type(penalty).__name__ == "Penalise"


def test_only_so_many_finished_rounds_are_held_open() -> None:
    world = World(seed=2, models=[ScriptedModel()] * 4)
    rounds = []
    for counter in range(ARCHIVES_MAX + 3):
        rounds.append(world.ask(TEXT, counter=counter, steps_max=1))
        world.run(until_ms=world.now_ms + 20_000, is_done=lambda: len(world.closed) == 4)
    world.run(until_ms=world.now_ms + 5_000)
    node = world.nodes[0]
    world.restart(0)
    for round_id in rounds:
        assert len(send(world, 3, make_statement(world, round_id, 3), at_ms=0)) == 1
    assert list(node.state.archives) == rounds[-ARCHIVES_MAX:]


def test_an_archive_opens_from_the_exact_receipt() -> None:
    world, watch, round_id = make_late_world(late_ms=200)
    receipt = world.nodes[0].disk.get_receipt(round_id)
    assert receipt is not None
    archive = open_archive(receipt, world.network, answer_again_ms=ANSWER_AGAIN_MS)
    assert archive.round_id == round_id
    assert archive.keys == watch.rounds[round_id].committee.keys
    started = Started(0, world.nodes[0].disk.load_open(world.network.network_id))
    assert all(record.round_id != round_id for record in started.records)
