"""One round, seen from one seat: steps in a chain, each collected, voted on and certified.

Pure: inputs are messages, timers and bodies with the time they came; outputs are effects.
Source: docs/protocol.md, "Step s", rule 7 and the round's story in docs/architecture.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from consensus.collection import Collection, open_reveal
from consensus.decision import (
    ClosedStep,
    DecisionEngine,
    Opening,
    RoundFacts,
    get_dealt,
    get_previous_digest,
    get_shown_texts,
)
from consensus.desk import Desk, Timing
from consensus.effects import (
    Effect,
    Finished,
    Halted,
    NeedAnswer,
    NeedBallot,
    PhaseReached,
    StepDecided,
    Timer,
    TimerName,
)
from consensus.encoding import decode, encode
from consensus.errors import LimitExceeded, PeerError
from consensus.evidence import Payload, decode_payload, get_slot
from consensus.identity import Signer, Verifier
from consensus.messages import (
    VALUE_BYTES_MAX,
    BodyRequest,
    CertificateMessage,
    Commit,
    CommitsMessage,
    Entry,
    Kind,
    Precommit,
    Prevote,
    Proposal,
    ProposalMessage,
    Reveal,
    RevealMessage,
    SeatMessage,
    Signed,
    StatementMessage,
    Value,
    compute_value_digest,
)
from consensus.phases import Phase
from consensus.receipt import StepProof, create_receipt
from consensus.votes import Agreement
from ranking.canonical import Next

EARLY_MESSAGES_MAX = 1_024  # of later steps, all seats together
EARLY_BYTES_MAX = 8 * 1024 * 1024
BODY_REQUEST_MAX = 31
STEP_MAX = 255
ABANDONED_KEY = b"abandoned"  # the fact that keeps a round from being resumed


@dataclass(frozen=True, slots=True)
class Adopted:
    """A certificate taken over, waiting for the bodies of its set."""

    message: CertificateMessage
    value: Value
    digest: bytes


class Round:
    """A seat's part in one round. Methods append to `effects`; the caller takes them with `take`."""

    def __init__(
        self,
        facts: RoundFacts,
        *,
        seat: int,
        signer: Signer,
        verifier: Verifier,
        engine: DecisionEngine,
        timing: Timing,
        now_ms: int,
    ) -> None:
        self.desk = Desk(
            facts=facts,
            seat=seat,
            signer=signer,
            verifier=verifier,
            engine=engine,
            timing=timing,
            now_ms=now_ms,
        )
        self.is_finished = False
        self.certificates: list[CertificateMessage] = []
        self.collection = Collection(self.desk)
        self.agreement = Agreement(self.desk, self.collection)
        self._adopted: Adopted | None = None
        self._early: list[SeatMessage] = []
        self._early_bytes = 0
        self._answered_ms: dict[tuple[int, int], int] = {}
        self._certified_step: dict[int, int] = {}  # by seat: the last step it is known to hold certified
        self._resend_ms = timing.resend_ms
        self._kept: dict[bytes, bytes] = {}

    # -- inputs ------------------------------------------------------------------------------------

    def start(self, now_ms: int) -> None:
        """Open step 0."""
        self.desk.now_ms = now_ms
        self._limit_life()
        self._open_step()

    def restore(self, signed: Sequence[Signed], facts: Mapping[bytes, bytes], now_ms: int) -> None:
        """Resume from what was on disk: own statements, openings, lock, view and certificates.

        Whatever was signed is signed: the desk gives it back for its slot, so the seat either goes on
        consistently or stays silent.
        """
        self.desk.now_ms = now_ms
        self._kept = dict(facts)
        for statement in signed:
            content = decode_payload(statement.kind, statement.payload)
            self.desk.signed[get_slot(statement.kind, content)] = statement
        self._limit_life()
        self._open_step()

    def on_message(self, message: SeatMessage, sender: int | None, now_ms: int) -> None:
        """Take a message of this round.

        Args:
            message: Decoded, not verified.
            sender: The seat on whose link it came, None for a link that holds no seat.
            now_ms: Time of arrival.

        Raises:
            PeerError: It breaks a rule; whoever sent it is at fault.
        """
        self.desk.now_ms = now_ms
        match message:
            case StatementMessage() | RevealMessage() | ProposalMessage():
                self.desk.verify(message.signed)
                content = self._decode(message.signed)
                self._take_statement(message, content, sender)
            case CommitsMessage():
                self._take_commits(message)
            case CertificateMessage():
                self._take_certificate(message, sender)
            case BodyRequest():
                self._serve_bodies(message, sender)
            case _:
                assert_never(message)
        self._settle()

    def on_body(self, step: int, body: bytes, now_ms: int) -> None:
        """The seat's model has produced its answer or ballot for `step`."""
        self.desk.now_ms = now_ms
        if self.is_open(step) and not self._is_closed():
            self.collection.on_body(body)
            self._settle()

    def on_timer(self, timer: Timer, now_ms: int) -> None:
        """A timer fired; one of a step already left is ignored."""
        self.desk.now_ms = now_ms
        if timer.name is TimerName.CERTIFY:
            self._spread_certificate(timer.step)  # also when the step, or the round, is over
            return
        if timer.name is TimerName.GIVE_UP and not self.is_finished:
            self._give_up("no certified result within twice the deadlines")
        if not self.is_open(timer.step):
            return
        match timer.name:
            case TimerName.RESEND:
                self._resend()
            case TimerName.BODIES if self._adopted is not None:
                self._ask_adopted_bodies()
            case TimerName.PROPOSER_WAIT | TimerName.PREVOTE | TimerName.VIEW | TimerName.BODIES:
                self.agreement.on_timer(timer.name, timer.view)
            case _:
                self.collection.on_timer(timer.name)
        self._settle()

    def on_cancel(self, now_ms: int) -> None:
        """The asker wants no answer any more; a round that has ended stays as it is."""
        self.leave("its asker has cancelled it", now_ms)

    def leave(self, reason: str, now_ms: int) -> None:
        """Say nothing more in the round, for good; one that has ended stays as it is."""
        self.desk.now_ms = now_ms
        if not self.is_finished:
            self._give_up(reason)

    def is_open(self, step: int) -> bool:
        """Say whether `step` is the one under way."""
        return not self.is_finished and step == self.collection.step

    def take(self) -> list[Effect]:
        """Return the effects gathered since the last call, in order."""
        effects, self.desk.effects = self.desk.effects, []
        return effects

    # -- steps -------------------------------------------------------------------------------------

    def _open_step(self) -> None:
        desk = self.desk
        self.collection = Collection(desk)
        self.agreement = Agreement(desk, self.collection)
        self._resend_ms = desk.timing.resend_ms
        step = self.collection.step
        self._restore_openings(step)
        self.collection.start()
        self._restore_votes(step)
        desk.start_timer(Timer(TimerName.RESEND, step), self._resend_ms)
        kept = self._kept.get(b"certificate/%d" % step)
        if kept is not None:
            self._take_certificate(decode(CertificateMessage, kept, bytes_max=len(kept)))
        elif not desk.has_signed(Kind.COMMIT, step) and self.collection.may_commit():
            self._ask_for_body(step)
        self._take_early()
        self._settle()

    def _limit_life(self) -> None:
        """A round that cannot be certified must not be kept alive for ever."""
        question, timing = self.desk.facts.question, self.desk.timing
        ballots = question.steps_max * (question.ballot_ms + question.reveal_ms)
        life_ms = 2 * (question.answer_ms + question.reveal_ms + ballots) + timing.give_up_ms
        self.desk.start_timer(Timer(TimerName.GIVE_UP, 0), life_ms)

    def _give_up(self, reason: str) -> None:
        self.is_finished = True
        self.desk.save({ABANDONED_KEY: b""})
        self.desk.effects.append(Halted(reason))

    def _ask_for_body(self, step: int) -> None:
        desk = self.desk
        if step == 0:
            desk.effects.append(NeedAnswer(desk.facts.first_seed))
            return
        dealt = get_dealt(desk.closed, desk.seat)
        desk.effects.append(NeedBallot(step, dealt, get_shown_texts(desk.facts, desk.closed)))

    def _settle(self) -> None:
        """Let votes follow what was collected, and close the step when it is certified."""
        if self.is_finished or self._is_closed():
            return
        if self._adopted is None:
            self.agreement.advance()
            if self.agreement.certificate is not None:
                certificate, lists = self.agreement.certificate
                self._take_certificate(CertificateMessage(self.desk.facts.round_id, certificate, lists))
        if self._adopted is not None:
            self._close_adopted()

    def _is_closed(self) -> bool:
        return len(self.desk.closed) > self.collection.step

    def _take_certificate(self, message: CertificateMessage, sender: int | None = None) -> None:
        value = decode(Value, message.certificate.value, bytes_max=VALUE_BYTES_MAX)
        if sender is not None:
            self._note_certified(sender, value.step)
        if self._adopted is not None or self.is_finished or value.step != self.collection.step:
            self._keep_if_early(message, value.step)
            return
        digest = self._check_certificate(message, value)
        self._adopted = Adopted(message, value, digest)
        self.desk.save({b"certificate/%d" % value.step: encode(message)})
        # Most seats assemble the certificate themselves: who shows it within a moment is not sent it.
        self.desk.start_timer(Timer(TimerName.CERTIFY, value.step), self.desk.timing.certify_ms)
        self._ask_adopted_bodies()

    def _check_certificate(self, message: CertificateMessage, value: Value) -> bytes:
        """Check q precommits of one view for this very value, and that its set follows from the lists."""
        facts, certificate = self.desk.facts, message.certificate
        digest = compute_value_digest(certificate.value)
        previous = get_previous_digest(facts, self.desk.closed)
        if (value.round, value.prev) != (facts.round_id, previous):
            raise PeerError("certificate: got a value of another round, or on another value before it")
        votes = self.desk.open_groups((certificate.precommits,), Kind.PRECOMMIT)
        vote = votes[0][1]
        if len(votes) != facts.committee.q:
            raise PeerError(f"certificate: got {len(votes)} precommits, expected {facts.committee.q}")
        if not isinstance(vote, Precommit) or (vote.round, vote.step, vote.value) != (
            facts.round_id,
            value.step,
            digest,
        ):
            raise PeerError("certificate: got precommits for another value")
        revealed = self.agreement.open_reveal_lists(message.reveal_lists)
        if value.revealed != tuple(Entry(seat, commit) for seat, commit in revealed):
            raise PeerError("certificate: got a set that does not follow from its reveal lists")
        return digest

    def _close_adopted(self) -> None:
        """Close the step once every body of the certified set is held."""
        assert self._adopted is not None, "the caller has looked"
        adopted, held = self._adopted, self.collection.openings
        if any((entry.seat, entry.commit) not in held for entry in adopted.value.revealed):
            return
        openings = {entry.seat: held[entry.seat, entry.commit] for entry in adopted.value.revealed}
        outcome = self.desk.engine.compute(self.desk.facts, self.desk.closed, openings)
        if outcome.digest != adopted.digest:
            # Only more than f bad seats can certify this; nothing built on it could be verified.
            self.is_finished = True
            self.desk.effects.append(Halted("a certified value does not follow from its certified set"))
            return
        closed = ClosedStep(tuple(openings[seat] for seat in sorted(openings)), outcome)
        self.desk.save(self.collection.get_unsaved({s: o.commit for s, o in openings.items()}))
        self.desk.closed.append(closed)
        self.certificates.append(adopted.message)
        self._adopted = None
        self.desk.effects.append(PhaseReached(self.collection.step, Phase.CLOSED, len(openings)))
        self.desk.effects.append(StepDecided(closed))
        if outcome.value.next == Next.CONTINUE:
            self._open_step()
        else:
            self.is_finished = True
            proofs = [StepProof(held.certificate.precommits, held.reveal_lists) for held in self.certificates]
            self.desk.effects.append(Finished(create_receipt(self.desk.facts, self.desk.closed, proofs)))

    # -- messages ----------------------------------------------------------------------------------

    def _decode(self, signed: Signed) -> Payload:
        """Decode a payload, or take what the same bytes from another seat decoded to."""
        books = (
            self.collection.commit_lists,
            self.collection.reveal_lists,
            self.agreement.prevotes,
            self.agreement.precommits,
        )
        for book in books:
            if book.kind == signed.kind and signed.payload in book.pages:
                return book.pages[signed.payload].content
        return decode_payload(signed.kind, signed.payload)

    def _take_statement(
        self,
        message: StatementMessage | RevealMessage | ProposalMessage,
        content: Payload,
        sender: int | None,
    ) -> None:
        signed = message.signed
        if content.round != self.desk.facts.round_id:
            raise PeerError("statement: got another round's statement under this round's id")
        if not 0 <= content.step <= self.desk.facts.question.steps_max:
            raise PeerError(f"statement: got step {content.step}, beyond the last")
        # A seat that speaks in a step holds the certificate of the step before.
        self._note_certified(signed.seat, content.step - 1)
        if content.step < len(self.certificates):
            self._answer_with_certificate(sender, content.step)
            return
        if self.is_finished:  # given up: what others say must not make this seat sign again
            return
        if content.step > self.collection.step:
            self._keep_if_early(message, content.step)
            return
        match message, content:
            case RevealMessage(), Reveal():
                self.collection.on_reveal(signed, content, message.commit_lists)
            case ProposalMessage(), Proposal():
                self.agreement.on_proposal(signed, content, message)
            case StatementMessage(), Prevote() | Precommit():
                self.agreement.on_vote(signed, content)
            case StatementMessage(), _ if signed.kind not in (Kind.REVEAL, Kind.PROPOSAL):
                self.collection.on_statement(signed, content)
            case _:
                raise PeerError(f"statement: got kind {signed.kind} in a message that is not its own")

    def _take_commits(self, message: CommitsMessage) -> None:
        """Take commits that a seat passes on; it vouches for their signatures, so a bad one is its fault."""
        if len(message.commits) > self.desk.facts.committee.n:
            raise PeerError(f"commits: got {len(message.commits)}, expected at most one a seat")
        if self.is_finished:
            return
        for signed in message.commits:
            if self.collection.commits.has(signed.seat, signed.payload):
                continue
            self.desk.verify(signed)
            content = decode_payload(signed.kind, signed.payload)
            if not isinstance(content, Commit) or content.round != message.round:
                raise PeerError("commits: got something else than this round's commits")
            if content.step == self.collection.step:
                self.collection.on_statement(signed, content)

    def _answer_with_certificate(self, sender: int | None, step: int) -> None:
        """Answer a message of a closed step, at a bounded rate: everybody was sent it once already."""
        if sender is None:
            return
        now, pair = self.desk.now_ms, (sender, step)
        last = self._answered_ms.get(pair)
        if last is None or now - last >= self.desk.timing.certificate_again_ms:
            self._answered_ms[pair] = now
            if last is not None:
                self.desk.send(sender, self.certificates[step])

    def _note_certified(self, seat: int, step: int) -> None:
        self._certified_step[seat] = max(step, self._certified_step.get(seat, -1))

    def _keep_if_early(self, message: SeatMessage, step: int) -> None:
        if self.is_finished or step != self.collection.step + 1 or len(self._early) >= EARLY_MESSAGES_MAX:
            return
        size = len(encode(message))
        if self._early_bytes + size <= EARLY_BYTES_MAX:
            self._early.append(message)
            self._early_bytes += size

    def _take_early(self) -> None:
        early, self._early, self._early_bytes = self._early, [], 0
        for message in early:
            try:
                self.on_message(message, None, self.desk.now_ms)
            except (PeerError, LimitExceeded):
                # Its sender is not known any more; a wrong early message is dropped, as a late one is.
                continue

    def _serve_bodies(self, request: BodyRequest, sender: int | None) -> None:
        if sender is None or not 0 <= request.step <= STEP_MAX:
            raise PeerError("body request: expected from a seat, for a step of the round")
        for entry in request.entries[:BODY_REQUEST_MAX]:
            opening = self._find_opening(request.step, entry)
            if opening is not None:
                self.desk.send(sender, RevealMessage(self.desk.facts.round_id, opening.signed, ()))

    def _find_opening(self, step: int, entry: Entry) -> Opening | None:
        if step < len(self.desk.closed):
            matching = [o for o in self.desk.closed[step].openings if o.commit == entry.commit]
            return matching[0] if matching else None
        if step == self.collection.step and self.collection.phase is not Phase.COMMITTING:
            pair = (entry.seat, entry.commit)
            # An uncertified opening is nobody's business: it could be copied.
            return self.collection.openings.get(pair) if self.collection.is_certified(*pair) else None
        return None

    def _ask_adopted_bodies(self) -> None:
        assert self._adopted is not None, "only asked while adopting"
        held = self.collection.openings
        missing = tuple(
            entry for entry in self._adopted.value.revealed if (entry.seat, entry.commit) not in held
        )
        if missing:
            step = self.collection.step
            self.desk.broadcast(BodyRequest(self.desk.facts.round_id, step, missing))
            self.desk.start_timer(Timer(TimerName.BODIES, step), self.desk.timing.bodies_ms)

    def _spread_certificate(self, step: int) -> None:
        """Send a step's certificate to every seat that has not shown that it holds it."""
        message = self._get_certificate(step)
        if message is None:
            return
        for seat in range(self.desk.facts.committee.n):
            if seat != self.desk.seat and self._certified_step.get(seat, -1) < step:
                self._certified_step[seat] = step
                self.desk.send(seat, message)

    def _get_certificate(self, step: int) -> CertificateMessage | None:
        if 0 <= step < len(self.certificates):
            return self.certificates[step]
        if self._adopted is not None and self._adopted.value.step == step:
            return self._adopted.message
        return None

    def on_linked(self, seat: int, now_ms: int) -> None:
        """A seat's link came up: it may have missed everything of this step, and the last certificate."""
        self.desk.now_ms = now_ms
        certificate = self._get_certificate(self.collection.step) or self._get_certificate(
            self.collection.step - 1
        )
        if certificate is not None:
            self.desk.send(seat, certificate)
        if not self.is_finished:
            for message in self._get_own_messages():
                self.desk.send(seat, message)

    def _get_own_messages(self) -> list[SeatMessage]:
        return [*self.collection.get_own_messages(), *self.agreement.get_own_messages()]

    def _resend(self) -> None:
        for message in self._get_own_messages():
            self.desk.broadcast(message)
        self._resend_ms = min(2 * self._resend_ms, self.desk.timing.resend_ms_max)
        self.desk.start_timer(Timer(TimerName.RESEND, self.collection.step), self._resend_ms)

    # -- recovery ----------------------------------------------------------------------------------

    def _restore_openings(self, step: int) -> None:
        prefix = b"opening/%d/" % step
        for key in sorted(self._kept):
            if key.startswith(prefix):
                signed = decode(Signed, self._kept[key], bytes_max=len(self._kept[key]))
                self.collection.admit_opening(signed, open_reveal(signed))

    def _restore_votes(self, step: int) -> None:
        if not self._kept:
            return
        lock_bytes = self._kept.get(b"lock/%d" % step)
        lock = decode(ProposalMessage, lock_bytes, bytes_max=len(lock_bytes)) if lock_bytes else None
        self.agreement.restore(int(self._kept.get(b"view/%d" % step, b"0")), lock)
