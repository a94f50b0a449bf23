"""A node's part in one round: the round's effects become actions, model results become bodies."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from consensus.decision import ClosedStep, Status, get_winner
from consensus.effects import (
    Accuse,
    Broadcast,
    Effect,
    Finished,
    Halted,
    NeedAnswer,
    NeedBallot,
    PhaseReached,
    Save,
    SendTo,
    StartTimer,
    StepDecided,
)
from consensus.encoding import Wire, encode
from consensus.evidence import Fault, decode_payload
from consensus.identity import PeerKey
from consensus.messages import Kind, Precommit, ProgressMessage, RoundClosed
from consensus.round import Round
from models.contract import Generation, ModelInfo, Score
from models.errors import ModelError
from models.judges.likelihood import average_scores
from models.judges.strategy import JudgeKind, JudgeStrategy, format_strategy
from models.judges.task import JudgedPairs
from models.prompts import FENCE_NONCE_BYTES_MIN
from swarm.core.actions import (
    Action,
    CancelCall,
    Emit,
    EventValue,
    Generate,
    JudgePairs,
    Persist,
    ScoreTexts,
    Send,
    SetTimer,
)
from swarm.core.inputs import CallResult
from swarm.core.judgement import (
    draw_prompt_keys,
    make_answer,
    make_ballot,
    make_class_requests,
    make_generate_request,
    make_judge_task,
    make_judged_ballot,
)
from swarm.core.outbox import Outbox
from swarm.core.records import Record, Table

FENCE_SALT = b"judge-fence"
STALLED_MS = 10_000  # seats tell each other of a round as it opens, and again after 2, 6 and 14 s


@dataclass(slots=True)
class Numbers:
    """Hands out the node's write and call ids."""

    last: int = 0

    def take(self) -> int:
        """Return a number never returned before."""
        self.last += 1
        return self.last


@dataclass(slots=True)
class Call:
    """A model call under way: for which step, and which classes it scores or pairs it judges, if any."""

    step: int
    classes: tuple[int, ...] = ()
    is_judging: bool = False


@dataclass(slots=True)
class Seat:
    """One round as this node lives it."""

    round: Round
    own_key: PeerKey
    asker: PeerKey
    info: ModelInfo
    judge: JudgeStrategy
    numbers: Numbers
    outbox: Outbox = field(default_factory=Outbox)
    calls: dict[int, Call] = field(default_factory=dict)
    scores: dict[int, Score] = field(default_factory=dict)
    pending_ballot: NeedBallot | None = None
    receipt: bytes | None = None
    opened_ms: int = 0
    is_passed_on: bool = False  # whether the question came from another seat
    heard: set[int] = field(default_factory=set)  # other seats that have opened the round
    told_ms: dict[int, int] = field(default_factory=dict)  # when which seat was sent the question on request

    @property
    def round_id(self) -> bytes:
        """The round's id."""
        return self.round.desk.facts.round_id

    def note_heard(self, key: PeerKey) -> None:
        """Note that somebody has spoken of the round; only another seat's word counts."""
        index = self.round.desk.facts.committee.get_seat(key)
        if index is not None:
            self.heard.add(index)

    def is_stalled(self, now_ms: int) -> bool:
        """Say whether too few seats have opened the round for it to come to anything, for some time now."""
        is_known_to_few = len(self.heard) + 1 < self.round.desk.facts.committee.q
        return is_known_to_few and now_ms - self.opened_ms > STALLED_MS

    def run(self) -> list[Action]:
        """Turn the round's effects into actions, until neither yields more."""
        actions: list[Action] = []
        while effects := self.round.take():
            for effect in effects:
                self._perform(effect, actions)
        actions += self.outbox.take()
        return actions

    def broadcast(self, message: Wire) -> None:
        """Send a message to every other seat, behind the writes so far."""
        data = encode(message)
        keys = self.round.desk.facts.committee.keys
        self.outbox.put(Send(key, data) for key in keys if key != self.own_key)

    def persist(self, records: Sequence[Record], actions: list[Action]) -> None:
        """Write records, and hold back every later send until they are durable."""
        write_id = self.numbers.take()
        actions.append(Persist(write_id, tuple(records)))
        self.outbox.wait_for(write_id)

    def on_call_finished(self, call_id: int, result: CallResult, now_ms: int) -> list[Action]:
        """Seal what the model returned; returns what is to be said of it."""
        call = self.calls.pop(call_id)
        if isinstance(result, Generation):
            tokens_max = self.round.desk.facts.question.tokens_max
            body = make_answer(result, self.info, tokens_max=tokens_max)
            if body is None:
                return []
            self.round.on_body(call.step, body, now_ms)
            return [self._emit("answer_written", ("tokens", result.token_count))]
        if isinstance(result, JudgedPairs):
            self._seal_judged(result, now_ms)
            return [self._report_judged(call.step, result)]
        means = average_scores(result, candidates=len(call.classes))
        self.scores |= dict(zip(call.classes, means, strict=True))
        self._seal_ballot(now_ms)
        return []

    def on_call_failed(self, call_id: int, now_ms: int) -> None:
        """Without an answer the seat stays silent; without judgements it seals what it has."""
        call = self.calls.pop(call_id)
        if call.is_judging:
            self._seal_judged(None, now_ms)
        elif call.classes:
            self._seal_ballot(now_ms)

    def close(self) -> RoundClosed | None:
        """Return what the asker is told of a finished round; None while it runs or where it was left."""
        closed = self.round.desk.closed
        if self.receipt is None:
            return None
        value = closed[-1].outcome
        return RoundClosed(self.round_id, value.digest, value.value.status)

    # -- effects -----------------------------------------------------------------------------------

    def _perform(self, effect: Effect, actions: list[Action]) -> None:
        match effect:
            case Save(signed, facts):
                records = [Record(Table.SIGNED, self.round_id, slot, value) for slot, value in signed]
                records += [Record(Table.FACT, self.round_id, key, value) for key, value in facts]
                self.persist(records, actions)
            case Broadcast(message):
                self.broadcast(message)
            case SendTo(seat, message):
                to = self.round.desk.facts.committee.keys[seat]
                self.outbox.put([Send(to, encode(message))])
            case StartTimer(timer, delay_ms):
                actions.append(SetTimer(self.round_id, timer, delay_ms))
            case NeedAnswer(noise_seed):
                self._ask_answer(noise_seed, actions)
            case NeedBallot():
                if self.judge.kind is JudgeKind.LIKELIHOOD:
                    self._ask_scores(effect, actions)
                else:
                    self._ask_judge(effect, actions)
            case PhaseReached(step, phase, seats):
                fields = (("step", step), ("phase", phase.name.lower()), ("seats", seats))
                actions.append(self._emit("phase_reached", *fields))
                # f + 1 seats are enough for word of an honest one, and the asker only shows it.
                if self.round.desk.seat <= self.round.desk.facts.committee.f:
                    progress = ProgressMessage(self.round_id, step, int(phase), seats)
                    actions.append(Send(self.asker, encode(progress)))
            case StepDecided(closed):
                actions += self._cancel_calls()
                actions.append(self._report_decision(closed))
            case Accuse(evidence):
                fault = Fault(evidence.fault).name.lower()
                key = b"evidence/%d/%d" % (evidence.first.seat, evidence.fault)
                self.persist([Record(Table.FACT, self.round_id, key, encode(evidence))], actions)
                accused = ("seat", evidence.first.seat)
                actions.append(self._emit("evidence_found", accused, ("fault", fault)))
            case Finished(receipt):
                self._finish(receipt, actions)
            case Halted(reason):
                actions += self._cancel_calls()
                actions.append(self._emit("round_halted", ("reason", reason)))
            case _:
                assert_never(effect)

    def _ask_answer(self, noise_seed: bytes, actions: list[Action]) -> None:
        question = self.round.desk.facts.question
        try:
            request = make_generate_request(question, noise_seed=noise_seed, seat_key=self.own_key)
        except ModelError as exc:
            actions.append(self._emit("call_failed", ("step", 0), ("reason", exc.message)))
            return
        call_id = self.numbers.take()
        self.calls[call_id] = Call(step=0)
        actions.append(Generate(call_id, request))

    def _ask_scores(self, need: NeedBallot, actions: list[Action]) -> None:
        self.pending_ballot = need
        wanted = sorted({index for pair in need.dealt for index in (pair.left, pair.right)})
        classes = tuple(index for index in wanted if index not in self.scores)
        try:
            facts = self.round.desk.facts
            keys = draw_prompt_keys(self.judge, facts, self.own_key)
            requests = make_class_requests(
                facts.question, prompt_keys=keys, texts=need.texts, classes=classes
            )
        except ModelError as exc:
            actions.append(self._emit("call_failed", ("step", need.step), ("reason", exc.message)))
            requests = ()
        if not requests:
            self._seal_ballot(self.round.desk.now_ms)
            return
        call_id = self.numbers.take()
        self.calls[call_id] = Call(step=need.step, classes=classes)
        actions.append(ScoreTexts(call_id, requests))

    def _ask_judge(self, need: NeedBallot, actions: list[Action]) -> None:
        self.pending_ballot = need
        if not need.dealt:
            self._seal_judged(None, self.round.desk.now_ms)
            return
        facts, signer = self.round.desk.facts, self.round.desk.signer
        task = make_judge_task(
            facts.question,
            prompt_keys=draw_prompt_keys(self.judge, facts, self.own_key),
            texts=need.texts,
            dealt=need.dealt,
            nonce=signer.derive_salt(FENCE_SALT, facts.round_id)[:FENCE_NONCE_BYTES_MIN],
        )
        call_id = self.numbers.take()
        self.calls[call_id] = Call(step=need.step, is_judging=True)
        actions.append(JudgePairs(call_id, self.judge, task))

    def _seal_ballot(self, now_ms: int) -> None:
        need, self.pending_ballot = self.pending_ballot, None
        if need is not None:
            self.round.on_body(need.step, make_ballot(self._get_prev(need), need.dealt, self.scores), now_ms)

    def _seal_judged(self, judged: JudgedPairs | None, now_ms: int) -> None:
        need, self.pending_ballot = self.pending_ballot, None
        if need is not None:
            self.round.on_body(
                need.step, make_judged_ballot(self._get_prev(need), need.dealt, judged), now_ms
            )

    def _get_prev(self, need: NeedBallot) -> bytes:
        return self.round.desk.closed[need.step - 1].outcome.digest

    def _report_judged(self, step: int, judged: JudgedPairs) -> Emit:
        return self._emit(
            "pairs_judged",
            ("step", step),
            ("judge", format_strategy(self.judge)),
            ("pairs", len(judged.outcomes)),
            ("missing", judged.missing),
            ("reasons", judged.reasons),
        )

    def _cancel_calls(self) -> list[Action]:
        cancelled: list[Action] = [CancelCall(call_id) for call_id in self.calls]
        self.calls.clear()
        self.pending_ballot = None
        return cancelled

    def _finish(self, receipt: bytes, actions: list[Action]) -> None:
        self.receipt = receipt
        self.persist([Record(Table.RECEIPT, self.round_id, b"", receipt)], actions)
        closed = self.close()
        assert closed is not None, "a finished round has a receipt"
        status = Status(closed.status).name.lower()
        winner = get_winner(self.round.desk.closed)
        # The asker hears of the result, and the log says so, only once the receipt is on disk.
        self.outbox.put(
            [
                self._emit(
                    "round_closed", ("status", status), ("winner", winner), ("result", closed.result.hex())
                ),
                Send(self.asker, encode(closed)),
            ]
        )

    def _report_decision(self, closed: ClosedStep) -> Emit:
        value = closed.outcome.value
        precommits = self.round.certificates[value.step].certificate.precommits
        vote = decode_payload(Kind.PRECOMMIT, precommits.payload)
        assert isinstance(vote, Precommit), "decoded under its kind"
        return self._emit(
            "step_decided",
            ("step", value.step),
            ("status", Status(value.status).name.lower()),
            ("next", value.next),
            ("missing", value.missing),
            ("classes", tuple(",".join(map(str, authors)) for authors in value.classes)),
            ("scores", value.scores),
            ("p_best_q16", value.p_best_q16),
            ("flip_estimate", value.flip_estimate),
            ("digest", closed.outcome.digest.hex()),
            ("view", vote.view),
        )

    def _emit(self, event: str, *fields: tuple[str, EventValue]) -> Emit:
        return Emit(self.round_id, event, fields)
