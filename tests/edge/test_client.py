"""The asker's side: lying, silent and slow peers, late words, long receipts."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import trio

from consensus.decision import Status
from consensus.encoding import Wire, encode
from consensus.identity import PeerKey
from consensus.messages import (
    BUSY_PREFIX,
    AskMessage,
    ProgressMessage,
    ReceiptChunk,
    ReceiptRequest,
    RefusalMessage,
    RoundClosed,
    SignedQuestion,
    StandingAskMessage,
)
from consensus.question import compute_round_id
from consensus.verify import verify_receipt
from models.contract import Choice, ChoiceRequest, Finish, GenerateRequest, Generation, Score, ScoreRequest
from models.errors import ModelError
from swarm.core.node import CHUNK_BYTES
from swarm.edge.client import AGAIN_S, Answered, ProgressKind, Unanswered
from swarm.edge.limits import EdgeLimits
from swarm.edge.link import LinkDown
from swarm.edge.mesh import Mesh
from swarm.edge.past import Past
from swarm.edge.report import create_report
from tests.consensus.receipt_kit import get_kit
from tests.e2e.processes import run_within
from tests.e2e.sockets import STRANGER, SlowScripted, SocketRun, open_sockets, receive

DEADLINE_S = 30.0
QUICK = SlowScripted(seconds=0.0)

Script = Callable[[Mesh, PeerKey, SignedQuestion, bytes], Awaitable[None]]


def reply(mesh: Mesh, asker: PeerKey, *messages: Wire) -> None:
    for message in messages:
        mesh.send(asker, encode(message))


async def serve(mesh: Mesh, asker: PeerKey, round_id: bytes, data: bytes) -> None:
    """Serve some bytes as the receipt of a round."""
    reply(mesh, asker, RoundClosed(round_id, bytes(32), 0))
    count = max(1, -(-len(data) // CHUNK_BYTES))
    for _ in range(count):
        _, request = await receive(mesh, ReceiptRequest)
        assert isinstance(request, ReceiptRequest)
        part = data[request.index * CHUNK_BYTES : (request.index + 1) * CHUNK_BYTES]
        reply(mesh, asker, ReceiptChunk(round_id, request.index, count, part))


async def get_other_receipt(tmp_path: Path) -> bytes:
    """Return a good receipt of another question, by the same peers."""
    directory = tmp_path / "other"
    directory.mkdir()
    async with open_sockets(directory, model=QUICK) as run:
        asker = await run.open_asker()
        answered = await asker.ask(run.sign(counter=5, text=b"Something else?"), deadline_s=DEADLINE_S)
    assert isinstance(answered, Answered)
    return answered.receipt


async def ask_beside(run: SocketRun, script: Script) -> tuple[Answered | Unanswered, Mesh]:
    """Ask while the one fake member follows its script towards the asker."""
    (mesh,) = run.fakes.values()
    asker = await run.open_asker()

    async def play() -> None:
        _, message = await receive(mesh, AskMessage)
        assert isinstance(message, AskMessage)
        await script(mesh, run.keys.asker.key, message.question, compute_round_id(message.question.payload))

    run.nursery.start_soon(play)
    return await asker.ask(run.sign(), deadline_s=DEADLINE_S / 2), mesh


@pytest.mark.parametrize("what", ["noise", "nothing", "cut", "altered", "another"])
def test_a_peer_that_serves_a_bad_receipt_is_named_and_another_one_is_asked(
    tmp_path: Path, what: str
) -> None:
    async def main() -> None:
        good = await get_other_receipt(tmp_path)
        data = {
            "noise": b"\xff" * 1_000,
            "nothing": b"",
            "cut": good[:-1],
            "altered": good[:-1] + bytes([good[-1] ^ 1]),
            "another": good,
        }[what]

        async def script(mesh: Mesh, asker: PeerKey, question: SignedQuestion, round_id: bytes) -> None:
            await serve(mesh, asker, round_id, data)

        async with open_sockets(tmp_path, fakes=(3,), model=QUICK) as run:
            answered, _ = await ask_beside(run, script)
            assert isinstance(answered, Answered)
            lies = [item for item in run.seen if item.kind is ProgressKind.LIED]
            assert [item.peer for item in lies] == [run.keys.peers[3].key]
            assert "does not verify" in lies[0].reason
        assert answered.verdict.is_trusted
        assert answered.verdict.round is not None
        assert create_report(answered.verdict.round).status is Status.PARTIAL

    run_within(DEADLINE_S, main)


def say(*messages: Callable[[bytes], Wire]) -> Script:
    """Return a script that says all this at once."""

    async def script(mesh: Mesh, asker: PeerKey, question: SignedQuestion, round_id: bytes) -> None:
        reply(mesh, asker, *(make(round_id) for make in messages))
        await trio.lowlevel.checkpoint()

    return script


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(lambda round_id: ReceiptChunk(round_id, 0, 1, b""), id="unasked-chunk"),
        pytest.param(lambda round_id: ReceiptChunk(round_id, 2**40, 1, b""), id="huge-index"),
        pytest.param(lambda round_id: ProgressMessage(round_id, 0, 9, 0), id="no-such-phase"),
        pytest.param(lambda round_id: ProgressMessage(bytes(32), 0, 0, 0), id="another-round"),
        pytest.param(lambda round_id: RoundClosed(bytes(32), bytes(32), 0), id="another-round-closed"),
        pytest.param(lambda round_id: ReceiptRequest(round_id, 0), id="asks-the-asker"),
    ],
)
def test_words_out_of_place_end_with_a_ban_and_the_answer_comes_all_the_same(
    tmp_path: Path, message: Callable[[bytes], Wire]
) -> None:
    async def main() -> None:
        limits = EdgeLimits(bad_messages_max=2)
        async with open_sockets(tmp_path, fakes=(3,), model=QUICK, limits=limits) as run:
            answered, mesh = await ask_beside(run, say(*[message] * 3))
            assert isinstance(answered, Answered)
            with trio.fail_after(5.0):
                while True:
                    event = await mesh.inbox.receive()
                    if isinstance(event, LinkDown) and event.key == run.keys.asker.key:
                        break

    run_within(DEADLINE_S, main)


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(0, id="none"),
        pytest.param(-1, id="negative"),
        pytest.param(65, id="too-many"),
        pytest.param(2**60, id="huge"),
    ],
)
def test_a_receipt_of_a_senseless_number_of_chunks(tmp_path: Path, count: int) -> None:
    async def script(mesh: Mesh, asker: PeerKey, question: SignedQuestion, round_id: bytes) -> None:
        reply(mesh, asker, RoundClosed(round_id, bytes(32), 0))
        await receive(mesh, ReceiptRequest)
        reply(mesh, asker, ReceiptChunk(round_id, 0, count, b"x"))

    async def main() -> None:
        async with open_sockets(tmp_path, fakes=(3,), model=QUICK) as run:
            answered, _ = await ask_beside(run, script)
            assert isinstance(answered, Answered)

    run_within(DEADLINE_S, main)


def test_a_peer_that_never_sends_its_receipt_keeps_nobody_waiting(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path, fakes=(3,), model=QUICK) as run:
            answered, _ = await ask_beside(run, say(lambda round_id: RoundClosed(round_id, bytes(32), 0)))
            assert isinstance(answered, Answered)
            assert answered.elapsed_s < 5.0

    run_within(DEADLINE_S, main)


def test_one_refusal_is_shown_and_does_not_end_the_wait(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path, fakes=(3,), model=QUICK) as run:
            script = say(lambda round_id: RefusalMessage(round_id, b"no\xff" + b"x" * 1_000))
            answered, _ = await ask_beside(run, script)
            assert isinstance(answered, Answered)
            (refusal,) = [item for item in run.seen if item.kind is ProgressKind.REFUSED]
            assert refusal.reason.startswith("no\ufffdx")
            assert len(refusal.reason) <= 512

    run_within(DEADLINE_S, main)


class Talkative:
    """Answers at length, each seat something else, and judges without hesitation."""

    async def generate(self, request: GenerateRequest) -> Generation:
        await trio.lowlevel.checkpoint()
        text = (request.seat_key.hex() + "\N{MUSICAL SYMBOL G CLEF}" * 1_024)[:1_024]
        tokens = tuple(range(64))
        return Generation(text=text, tokens=tokens, finish=Finish.STOP, prompt_tokens=9, logprob=-1.0)

    async def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        await trio.lowlevel.checkpoint()
        return [Score(logprob=-float(len(item.continuation)), tokens=1) for item in requests]

    async def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        raise ModelError("only scores")


@pytest.mark.slow
def test_a_receipt_longer_than_a_message_comes_in_chunks(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path, peers=31, model=Talkative()) as run:
            asker = await run.open_asker()
            answered = await asker.ask(run.sign(), deadline_s=DEADLINE_S)
            assert isinstance(answered, Answered), answered
            assert len(answered.receipt) > CHUNK_BYTES
            assert verify_receipt(answered.receipt).is_consistent
            # And again from the start, for somebody who asks for the chunks himself: under a key of
            # his own, since two clients with one key would take each other's links for ever.
            mesh = await run.open_client(STRANGER)
            round_id = compute_round_id(run.sign().payload)
            key = run.keys.peers[0].key
            parts: list[bytes] = []
            count = 1
            while len(parts) < count:
                mesh.send(key, encode(ReceiptRequest(round_id, len(parts))))
                _, chunk = await receive(mesh, ReceiptChunk)
                assert isinstance(chunk, ReceiptChunk)
                count = chunk.count
                assert len(chunk.data) <= CHUNK_BYTES
                parts.append(chunk.data)
            assert count == -(-sum(map(len, parts)) // CHUNK_BYTES)
            assert verify_receipt(b"".join(parts)).is_consistent

    run_within(90.0, main)


def test_many_questions_on_one_swarm_hold_nothing_against_anybody(tmp_path: Path) -> None:
    """Peers slower than the one whose receipt was taken go on talking of the question before."""

    async def main() -> None:
        limits = EdgeLimits(bad_messages_max=1)
        async with open_sockets(tmp_path, model=QUICK, limits=limits) as run:
            asker = await run.open_asker()
            for counter in range(6):
                answered = await asker.ask(run.sign(counter=counter), deadline_s=DEADLINE_S)
                assert isinstance(answered, Answered)
            assert [item.reason for item in run.seen if item.kind is ProgressKind.UNLINKED] == []

    run_within(DEADLINE_S, main)


def test_nobody_there_is_no_answer_and_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path, fakes=(0, 1, 2, 3)) as run:
            asker = await run.open_asker()
            run.seen.clear()
            answered = await asker.ask(run.sign(), deadline_s=0.2)
            assert isinstance(answered, Unanswered)
            assert answered.reason == "no certified result within 0.2 s; 4 of 4 peers are connected"
            assert len(answered.linked) == 4
            assert answered.refusals == ()

    run_within(DEADLINE_S, main)


def test_more_refusals_than_liars_end_the_wait_with_their_reasons(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path, fakes=(0, 1, 2, 3)) as run:
            asker = await run.open_asker()

            async def refuse(mesh: Mesh, reason: bytes) -> None:
                _, message = await receive(mesh, AskMessage)
                assert isinstance(message, AskMessage)
                reply(
                    mesh,
                    run.keys.asker.key,
                    RefusalMessage(compute_round_id(message.question.payload), reason),
                )

            for place, reason in ((0, b"full"), (1, b"closed")):
                run.nursery.start_soon(refuse, run.fakes[place], reason)
            answered = await asker.ask(run.sign(), deadline_s=DEADLINE_S)
            assert isinstance(answered, Unanswered)
            assert answered.reason == "the members refuse the question: closed; full"
            assert answered.refusals == ("closed", "full")
            assert answered.elapsed_s < 5.0

    run_within(DEADLINE_S, main)


def test_busy_seats_are_asked_again_until_the_deadline(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path, fakes=(0, 1, 2, 3)) as run:
            asker, asked = await run.open_asker(), [0, 0, 0, 0]

            async def be_busy(place: int) -> None:
                mesh = run.fakes[place]
                while True:
                    _, message = await receive(mesh, AskMessage)
                    assert isinstance(message, AskMessage)
                    asked[place] += 1
                    round_id = compute_round_id(message.question.payload)
                    said = BUSY_PREFIX + ("full" if place else f"full {asked[place]}")
                    reply(mesh, run.keys.asker.key, RefusalMessage(round_id, said.encode()))

            for place in range(4):
                run.nursery.start_soon(be_busy, place)
            run.seen.clear()
            answered = await asker.ask(run.sign(), deadline_s=4.2 * AGAIN_S)
            assert isinstance(answered, Unanswered)
            assert 3 <= max(asked) <= 6
            assert f"4 of 4 peers are connected, 4 were busy: full; full {asked[0]}" in answered.reason
            assert answered.refusals == ()
            told = [item.peer for item in run.seen if item.kind is ProgressKind.REFUSED]
            assert len(told) == len(set(told)) == 4  # each once, however often it was asked

    run_within(DEADLINE_S, main)


def test_a_seat_that_was_busy_at_first_takes_the_question_when_it_is_asked_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path, fakes=(0, 1, 2, 3)) as run:
            asker = await run.open_asker()

            async def play(place: int) -> None:
                mesh, data = run.fakes[place], b"no receipt"
                _, first = await receive(mesh, AskMessage)
                assert isinstance(first, AskMessage)
                round_id = compute_round_id(first.question.payload)
                reply(mesh, run.keys.asker.key, RefusalMessage(round_id, f"{BUSY_PREFIX}full".encode()))
                _, again = await receive(mesh, AskMessage)
                assert again == first
                reply(mesh, run.keys.asker.key, ProgressMessage(round_id, 0, 0, 1))
                await serve(mesh, run.keys.asker.key, round_id, data)

            run.nursery.start_soon(play, 2)
            answered = await asker.ask(run.sign(), deadline_s=4.0 * AGAIN_S)
            assert isinstance(answered, Unanswered)
            assert "busy" not in answered.reason  # it had a place by then; its receipt was none

    run_within(DEADLINE_S, main)


def test_progress_is_never_believed(tmp_path: Path) -> None:
    """A peer may claim any phase; times come from the first claim, answers from the receipt only."""

    async def main() -> None:
        async with open_sockets(tmp_path, fakes=(3,), model=QUICK) as run:
            claims = [lambda round_id, step=step: ProgressMessage(round_id, step, 3, 99) for step in range(4)]
            answered, _ = await ask_beside(run, say(*claims))
            assert isinstance(answered, Answered)
            assert answered.verdict.round is not None
            assert create_report(answered.verdict.round).seats == 4

    run_within(DEADLINE_S, main)


def test_a_peer_that_missed_a_round_gets_its_receipt_from_the_asker(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path, fakes=(3,), model=QUICK) as run:
            asker = await run.open_asker()
            first = await asker.ask(run.sign(), deadline_s=DEADLINE_S)
            assert isinstance(first, Answered)
            assert first.verdict.round is not None
            past = Past()
            past.add(first.verdict.round, first.receipt, None)
            backing = past.backing
            assert backing is not None
            (mesh,) = run.fakes.values()
            base, served = first.verdict.round.facts.round_id, list[ReceiptChunk]()

            async def miss() -> None:
                _, asked = await receive(mesh, StandingAskMessage)
                assert isinstance(asked, StandingAskMessage)
                assert asked.standing == backing.standing.data
                reply(mesh, run.keys.asker.key, ReceiptRequest(base, 0))
                _, chunk = await receive(mesh, ReceiptChunk)
                assert isinstance(chunk, ReceiptChunk)
                served.append(chunk)

            run.nursery.start_soon(miss)
            signed = run.sign(counter=1, header=backing.standing.digest)
            second = await asker.ask(signed, deadline_s=DEADLINE_S, backing=backing)
            assert isinstance(second, Answered)
            assert second.verdict.round is not None
            assert second.verdict.round.facts.standing == backing.standing
            assert [chunk.data for chunk in served] == [first.receipt]

    run_within(DEADLINE_S, main)


def test_a_round_without_a_winner_leaves_the_past_as_it_is() -> None:
    aborted, kit = get_kit("aborted"), get_kit("four")
    fresh, past = Past(), Past()
    fresh.add(aborted.round, aborted.data, None)
    assert fresh.backing is None
    past.add(kit.round, kit.data, None)
    before = past.backing
    past.add(aborted.round, aborted.data, None)
    assert past.backing is before is not None
