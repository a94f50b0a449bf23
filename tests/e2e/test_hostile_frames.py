"""Frames that no honest node sends, over real sockets, in the middle of an honest round."""

from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from consensus.decision import Status
from consensus.encoding import encode
from consensus.errors import NetworkError
from consensus.identity import KeyPair
from consensus.messages import (
    AskMessage,
    BodyRequest,
    CancelMessage,
    Commit,
    CommitsMessage,
    Kind,
    Precommit,
    ProgressMessage,
    QuestionAnnouncement,
    QuestionRequest,
    ReceiptRequest,
    RoundClosed,
    Signed,
    SignedQuestion,
    StatementMessage,
)
from consensus.phases import Phase
from consensus.question import compute_round_id
from consensus.verify import verify_receipt
from swarm.edge.client import Answered, Progress, ProgressKind, Unanswered
from swarm.edge.handshake import Handshaker
from swarm.edge.limits import EdgeLimits
from swarm.edge.link import LinkDown
from swarm.edge.report import RoundReport, create_report
from swarm.edge.transport import pack_messages
from swarm.edge.websocket import dial
from tests.e2e.processes import make_question, run_within
from tests.e2e.sockets import STRANGER, SocketRun, open_sockets, send_all, wait_asked

DEADLINE_S = 30.0
OTHER = KeyPair(b"o" * 32)


@dataclass(frozen=True)
class Attack:
    """Where the attacker stands, and what it can know."""

    run: SocketRun
    signer: KeyPair
    question: SignedQuestion

    @property
    def round_id(self) -> bytes:
        return compute_round_id(self.question.payload)

    def state(
        self, payload: bytes, *, seat: int, kind: Kind = Kind.COMMIT, signer: KeyPair | None = None
    ) -> bytes:
        """Return a statement for `seat`, signed by the attacker or whoever is named."""
        signature = (signer or self.signer).sign(kind, self.run.keys.network.network_id, payload)
        return encode(StatementMessage(self.round_id, Signed(int(kind), seat, payload, signature)))


def forge_question(attack: Attack) -> bytes:
    return encode(
        AskMessage(
            SignedQuestion(
                attack.question.payload,
                attack.signer.sign(
                    Kind.QUESTION, attack.run.keys.network.network_id, attack.question.payload
                ),
            )
        )
    )


def commit_for(attack: Attack, *, seat: int, step: int = 0, round_id: bytes | None = None) -> bytes:
    payload = encode(Commit(round_id or attack.round_id, step, bytes(32)))
    return attack.state(payload, seat=seat)


MALFORMED: dict[str, Callable[[Attack], bytes]] = {
    "noise": lambda attack: b"\xff" * 100,
    "empty-array": lambda attack: b"\x90",
    "unknown-tag": lambda attack: b"\x92\x63\xc0",
    "deep-nesting": lambda attack: b"\x91" * 1_000,
    "cut-short": lambda attack: encode(AskMessage(attack.question))[:-1],
    "trailing-byte": lambda attack: encode(AskMessage(attack.question)) + b"\x00",
}
FRAMES: dict[str, Callable[[Attack], bytes]] = {
    "noise": lambda attack: b"\xff" * 100,
    "oversized": lambda attack: bytes(200_000),
    "forged-question": forge_question,
    "changed-question": lambda attack: encode(
        AskMessage(SignedQuestion(attack.question.payload[:-1] + b"\x01", attack.question.signature))
    ),
    "forged-commit": lambda attack: commit_for(attack, seat=0),
    "no-such-seat": lambda attack: commit_for(attack, seat=99),
    "negative-seat": lambda attack: commit_for(attack, seat=-1),
    "forged-vote": lambda attack: attack.state(
        encode(Precommit(attack.round_id, 0, 0, bytes(32))), seat=1, kind=Kind.PRECOMMIT
    ),
    "unknown-kind": lambda attack: encode(
        StatementMessage(attack.round_id, Signed(99, 0, b"\x90", bytes(64)))
    ),
    "forged-relay": lambda attack: encode(
        CommitsMessage(attack.round_id, (Signed(int(Kind.COMMIT), 0, b"\x90", bytes(64)),))
    ),
    "cancel-of-another": lambda attack: encode(CancelMessage(attack.round_id)),
    "announcement": lambda attack: encode(QuestionAnnouncement(bytes(32))),
    "for-askers-only": lambda attack: encode(RoundClosed(attack.round_id, bytes(32), 0)),
    "progress": lambda attack: encode(ProgressMessage(attack.round_id, 0, 0, 0)),
}
MEMBER_FRAMES = (
    "noise",
    "oversized",
    "forged-commit",
    "forged-vote",
    "no-such-seat",
    "another-round",
    "another-step",
)
FOR_SEATS_ONLY: dict[str, Callable[[Attack], bytes]] = {
    "bodies": lambda attack: encode(BodyRequest(attack.round_id, 0, ())),
    "question": lambda attack: encode(QuestionRequest(attack.round_id)),
}
HARMLESS: dict[str, Callable[[Attack], bytes]] = {
    "replayed-question": lambda attack: encode(AskMessage(attack.question)),
    "unknown-round": lambda attack: encode(BodyRequest(bytes(32), 0, ())),
    "unknown-question": lambda attack: encode(QuestionRequest(bytes(32))),
    "unknown-cancel": lambda attack: encode(CancelMessage(bytes(32))),
    "unknown-receipt": lambda attack: encode(ReceiptRequest(bytes(32), 0)),
    "early-receipt": lambda attack: encode(ReceiptRequest(attack.round_id, 0)),
}


def read(answered: Answered | Unanswered, run: SocketRun) -> RoundReport:
    assert isinstance(answered, Answered), answered
    verdict = verify_receipt(answered.receipt, trusted_network=run.keys.network.genesis_bytes)
    assert verdict.is_trusted
    assert verdict.round is not None
    return create_report(verdict.round)


async def ask_during(run: SocketRun, attack: Callable[[], None]) -> RoundReport:
    """Ask honestly, attacking as each new phase is reached."""
    asker = await run.open_asker()
    reached: set[tuple[int, Phase]] = set()

    def on_progress(progress: Progress) -> None:
        place = (progress.step, progress.phase)
        if progress.kind is ProgressKind.PHASE and place not in reached:
            reached.add(place)
            attack()

    asker._on_progress = on_progress
    return read(await asker.ask(run.sign(), deadline_s=DEADLINE_S / 2), run)


@pytest.mark.parametrize("name", FRAMES | FOR_SEATS_ONLY)
def test_a_hostile_client_is_penalised_and_the_round_stays_full(tmp_path: Path, name: str) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path) as run:
            mesh = await run.open_client(STRANGER)
            frame = (FRAMES | FOR_SEATS_ONLY)[name](Attack(run, STRANGER, run.sign()))
            report = await ask_during(run, lambda: send_all(mesh, frame))
        assert report.status is Status.FULL
        assert run.get_penalised() == [STRANGER.key]

    run_within(DEADLINE_S, main)


def test_every_malformed_frame_counts_once_with_everybody(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path) as run:
            mesh = await run.open_client(STRANGER)
            frames = [make(Attack(run, STRANGER, run.sign())) for make in MALFORMED.values()]
            for frame in frames:
                send_all(mesh, frame)
            report = await ask_during(run, lambda: None)
        assert report.status is Status.FULL
        assert len(run.get_events("peer_penalised")) == len(frames) * len(run.keys.peers)
        assert run.get_penalised() == [STRANGER.key]

    run_within(DEADLINE_S, main)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_curious_client_is_not_penalised(tmp_path: Path, name: str) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path) as run:
            mesh = await run.open_client(STRANGER)
            frame = HARMLESS[name](Attack(run, STRANGER, run.sign()))
            report = await ask_during(run, lambda: send_all(mesh, frame))
        assert report.status is Status.FULL
        assert run.get_penalised() == []
        assert len(run.get_events("round_opened")) == len(run.keys.peers)

    run_within(DEADLINE_S, main)


@pytest.mark.parametrize("name", MEMBER_FRAMES)
def test_a_hostile_member_is_penalised_and_missing_and_nobody_else(tmp_path: Path, name: str) -> None:
    """A member speaks for itself with a valid key; what it says breaks a rule all the same."""
    frames = FRAMES | {
        "another-round": lambda attack: commit_for(attack, seat=attack.run.get_seat(3), round_id=bytes(32)),
        "another-step": lambda attack: commit_for(attack, seat=attack.run.get_seat(3), step=9),
    }

    async def main() -> None:
        async with open_sockets(tmp_path, fakes=(3,)) as run:
            signer, mesh, seat = run.keys.peers[3], run.fakes[3], run.get_seat(3)

            async def attack() -> None:
                question = await wait_asked(mesh)
                data = frames[name](Attack(run, signer, question))
                if name == "forged-commit" and seat == 0:
                    data = commit_for(Attack(run, signer, question), seat=1)
                send_all(mesh, data)

            run.nursery.start_soon(attack)
            report = await ask_during(run, lambda: None)
        assert report.status is Status.PARTIAL
        assert {gone.seat for gone in report.missing} == {seat}
        assert run.get_penalised() == [signer.key]

    run_within(DEADLINE_S, main)


def test_two_commits_of_one_member_are_evidence_against_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path, fakes=(3,)) as run:
            signer, mesh, seat = run.keys.peers[3], run.fakes[3], run.get_seat(3)

            async def attack() -> None:
                case = Attack(run, signer, await wait_asked(mesh))
                for mark in (1, 2):
                    payload = encode(Commit(case.round_id, 0, bytes([mark]) * 32))
                    send_all(mesh, case.state(payload, seat=seat))

            run.nursery.start_soon(attack)
            report = await ask_during(run, lambda: None)
        assert {gone.seat for gone in report.missing} == {seat}
        found = run.get_events("evidence_found")
        assert found
        assert {event.fields["seat"] for event in found} == {seat}

    run_within(DEADLINE_S, main)


def test_whoever_goes_on_is_banned_and_the_round_stays_full(tmp_path: Path) -> None:
    limits = EdgeLimits(bad_messages_max=5)

    async def main() -> None:
        async with open_sockets(tmp_path, limits=limits) as run:
            mesh = await run.open_client(STRANGER)
            for _ in range(limits.bad_messages_max + 1):
                send_all(mesh, b"\xff")
            down: list[str] = []
            while len(down) < len(run.keys.peers):
                event = await mesh.inbox.receive()
                down += [event.reason] if isinstance(event, LinkDown) else []
            report = await ask_during(run, lambda: None)
            assert mesh.linked() == ()
        assert report.status is Status.FULL
        assert run.get_penalised() == [STRANGER.key]

    run_within(DEADLINE_S, main)


def test_a_frame_over_the_limit_ends_its_link_only(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path) as run:
            limits = EdgeLimits(frame_bytes_max=1_048_576)

            async def attack(url: str) -> None:
                async with aclosing(await dial(run.nursery, url, limits=limits)) as carrier:
                    hand = Handshaker(signer=OTHER, network_id=run.keys.network.network_id, timeout_s=5.0)
                    await hand.dial(carrier, expected_key=None)
                    with suppress(NetworkError):  # the other end may hang up before all of it is written
                        await carrier.send(pack_messages([bytes(500_000)]))

            for url in run.urls.values():
                await attack(url)
            report = await ask_during(run, lambda: None)
        assert report.status is Status.FULL
        assert run.get_penalised() in ([], [OTHER.key])

    run_within(DEADLINE_S, main)


def test_a_second_question_under_one_counter_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path) as run:
            asker = await run.open_asker()
            first = read(await asker.ask(run.sign(), deadline_s=DEADLINE_S / 2), run)
            refused = await asker.ask(run.sign(text=b"Another one?"), deadline_s=DEADLINE_S / 2)
            assert isinstance(refused, Unanswered)
            assert refused.reason == "the members refuse the question: two questions under one counter 0"
            # The very same question is no second one: it is answered from what is on disk.
            again = read(await asker.ask(run.sign(), deadline_s=DEADLINE_S / 2), run)
            assert again.result_digest == first.result_digest
            third = read(await asker.ask(run.sign(counter=1), deadline_s=DEADLINE_S / 2), run)
            assert third.result_digest != first.result_digest
        assert {event.fields["counter"] for event in run.get_events("asker_equivocated")} == {0}
        assert run.get_penalised() == []

    run_within(DEADLINE_S, main)


def test_questions_of_another_network_are_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_sockets(tmp_path) as run:
            mesh = await run.open_client(STRANGER)
            other = make_question(run.keys)
            payload = encode(other).replace(bytes(other.network), bytes(32))
            signature = run.keys.asker.sign(Kind.QUESTION, run.keys.network.network_id, payload)
            send_all(mesh, AskMessage(SignedQuestion(payload, signature)))
            report = await ask_during(run, lambda: None)
            assert report.status is Status.FULL
        assert run.get_penalised() == [STRANGER.key]

    run_within(DEADLINE_S, main)
