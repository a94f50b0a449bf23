"""One node: `step(state, input) -> (state, actions)`.

Pure and deterministic: the same inputs give the same actions, on every machine and in every world. The
state is owned by whoever steps it and is updated in place; it is returned so that nobody relies on that
(docs/adr/0002).
"""

from dataclasses import dataclass, field
from typing import assert_never

from consensus.decision import DecisionEngine, create_facts
from consensus.desk import Timing, load_signed
from consensus.effects import TimerName
from consensus.encoding import decode, encode
from consensus.errors import LimitExceeded, PeerError, VerificationError
from consensus.genesis import Network
from consensus.identity import PeerKey, Signer, Verifier
from consensus.messages import (
    AskMessage,
    BodyRequest,
    CertificateMessage,
    CommitsMessage,
    Message,
    ProgressMessage,
    ProposalMessage,
    ReceiptChunk,
    ReceiptRequest,
    RefusalMessage,
    RevealMessage,
    RoundClosed,
    SeatMessage,
    SignedQuestion,
    StatementMessage,
    decode_message,
)
from consensus.question import QUESTION_BYTES_MAX, Question, compute_round_id, open_question
from consensus.receipt import RECEIPT_BYTES_MAX, get_result, open_receipt
from consensus.round import ABANDONED_KEY, Round
from models.contract import ModelInfo
from swarm.core.actions import Action, Emit, LoadReceipt, Penalise, Send
from swarm.core.archive import ARCHIVES_MAX, Archive, open_archive
from swarm.core.inputs import (
    CallFailed,
    CallFinished,
    Input,
    PeerLinked,
    Persisted,
    PersistFailed,
    ReceiptLoaded,
    Received,
    Started,
    TimerFired,
)
from swarm.core.records import QUESTION_KEY, Record, Table
from swarm.core.seat import Numbers, Seat

ROUNDS_OPEN_MAX = 32
ROUNDS_KEPT_MAX = 64  # finished ones, whose certificates and receipts are at hand
CHUNK_BYTES = 131_072
ASKER_PREFIX = b"asker/"
QUESTION_RECORD_BYTES_MAX = QUESTION_BYTES_MAX + 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """What a node is made of; it never changes while the node lives."""

    network: Network
    signer: Signer
    verifier: Verifier
    engine: DecisionEngine
    timing: Timing
    info: ModelInfo


@dataclass(frozen=True, slots=True)
class ReceiptTicket:
    """Who waits for a receipt from disk; without an index they want to know how the round closed."""

    key: PeerKey
    round_id: bytes
    index: int | None


@dataclass(frozen=True, slots=True)
class ArchiveTicket:
    """A late seat's message that waits for its round to be read from disk."""

    round_id: bytes
    sender: PeerKey
    message: SeatMessage


@dataclass(slots=True)
class NodeState:
    """Everything a node knows."""

    config: NodeConfig
    numbers: Numbers = field(default_factory=Numbers)
    seats: dict[bytes, Seat] = field(default_factory=dict)
    asked: dict[bytes, bytes] = field(default_factory=dict)
    known: dict[bytes, None] = field(default_factory=dict)  # every round it ever had a seat in
    archives: dict[bytes, Archive] = field(default_factory=dict)
    tickets: dict[int, ReceiptTicket | ArchiveTicket] = field(default_factory=dict)
    is_halted: bool = False


def create_node(config: NodeConfig) -> NodeState:
    """Return a node that has seen nothing yet."""
    return NodeState(config)


def step(state: NodeState, input_: Input) -> tuple[NodeState, list[Action]]:
    """Let one thing happen to a node.

    Args:
        state: The node before; not to be used again.
        input_: What happened.

    Returns:
        The node after, and the actions to perform in order.
    """
    if state.is_halted:
        return state, []
    match input_:
        case Started():
            return state, _on_started(state, input_)
        case Received():
            return state, _on_received(state, input_)
        case PeerLinked(at_ms, peer):
            return state, _on_linked(state, peer, at_ms)
        case TimerFired(at_ms, round_id, timer):
            seat = state.seats.get(round_id)
            if seat is None:
                return state, []
            if timer.name is TimerName.RESEND and seat.round.is_open(timer.step):
                facts = seat.round.desk.facts
                seat.broadcast(AskMessage(SignedQuestion(facts.payload, facts.signature)))
            seat.round.on_timer(timer, at_ms)
            return state, seat.run()
        case Persisted(_, write_id):
            return state, [action for seat in state.seats.values() for action in _confirm(seat, write_id)]
        case PersistFailed(_, _, reason):
            # What is signed from now on might not be remembered after a crash: say nothing more.
            state.is_halted = True
            return state, [Emit(None, "node_halted", (("reason", reason),))]
        case CallFinished(at_ms, call_id, result):
            for seat in state.seats.values():
                if call_id in seat.calls:
                    seat.on_call_finished(call_id, result, at_ms)
                    return state, seat.run()
            return state, []
        case CallFailed(at_ms, call_id, reason):
            for seat in state.seats.values():
                if call_id in seat.calls:
                    failed = Emit(seat.round_id, "call_failed", (("reason", reason),))
                    seat.on_call_failed(call_id, at_ms)
                    return state, [failed, *seat.run()]
            return state, []
        case ReceiptLoaded():
            return state, _on_receipt_loaded(state, input_)
        case _:
            assert_never(input_)


def _on_linked(state: NodeState, peer: PeerKey, now_ms: int) -> list[Action]:
    """Tell a peer that is back of every round it has a seat in."""
    actions: list[Action] = []
    for seat in state.seats.values():
        facts = seat.round.desk.facts
        index = facts.committee.get_seat(peer)
        if index is not None and not seat.round.is_finished:
            ask = AskMessage(SignedQuestion(facts.payload, facts.signature))
            seat.outbox.put([Send(peer, encode(ask))])
            seat.round.on_linked(index, now_ms)
            actions += seat.run()
    return actions


def _confirm(seat: Seat, write_id: int) -> list[Action]:
    if write_id not in seat.outbox.waiting:
        return []
    seat.outbox.confirm(write_id)
    return seat.outbox.take()


# -- starting --------------------------------------------------------------------------------------


def _on_started(state: NodeState, started: Started) -> list[Action]:
    """Resume the rounds that were open when the node went down."""
    by_round: dict[bytes, list[Record]] = {}
    for record in started.records:
        if record.table is Table.SIGNED and record.key.startswith(ASKER_PREFIX):
            state.asked[record.key] = record.value
            state.known[record.value] = None
        else:
            by_round.setdefault(record.round_id, []).append(record)
    actions: list[Action] = [Emit(None, "node_started", (("rounds", len(by_round)),))]
    for records in by_round.values():
        actions += _resume(state, records, started.at_ms)
    return actions


def _resume(state: NodeState, records: list[Record], now_ms: int) -> list[Action]:
    facts = {record.key: record.value for record in records if record.table is Table.FACT}
    signed = [load_signed(record.value) for record in records if record.table is Table.SIGNED]
    data = facts.get(QUESTION_KEY)
    if data is None or ABANDONED_KEY in facts:
        return []
    question = decode(SignedQuestion, data, bytes_max=QUESTION_RECORD_BYTES_MAX)
    seat = _create_seat(state, question, now_ms)
    if seat is None:
        return []
    seat.round.restore(signed, facts, now_ms)
    resumed = Emit(seat.round_id, "round_resumed", (("statements", len(signed)),))
    return [resumed, *seat.run()]


def _create_seat(state: NodeState, signed: SignedQuestion, now_ms: int) -> Seat | None:
    """Take a seat in a question's round; None where the committee has none for this node."""
    config = state.config
    question = open_question(signed, config.network, config.verifier)
    facts = create_facts(config.network, question, signed.payload, signed.signature)
    index = facts.committee.get_seat(config.signer.key)
    if index is None:
        return None
    round_ = Round(
        facts,
        seat=index,
        signer=config.signer,
        verifier=config.verifier,
        engine=config.engine,
        timing=config.timing,
        now_ms=now_ms,
    )
    seat = Seat(
        round=round_,
        own_key=config.signer.key,
        asker=PeerKey(question.asker),
        info=config.info,
        numbers=state.numbers,
    )
    state.seats[facts.round_id] = seat
    _forget_oldest(state)
    return seat


def _forget_oldest(state: NodeState) -> None:
    finished = [round_id for round_id, seat in state.seats.items() if seat.round.is_finished]
    for round_id in finished[: max(0, len(finished) - ROUNDS_KEPT_MAX)]:
        if not state.seats[round_id].outbox.waiting:
            del state.seats[round_id]


# -- messages --------------------------------------------------------------------------------------


def _on_received(state: NodeState, received: Received) -> list[Action]:
    try:
        message = decode_message(received.data)
        return _dispatch(state, message, received)
    except (PeerError, LimitExceeded) as exc:
        return [Penalise(received.sender, exc.message)]


def _dispatch(state: NodeState, message: Message, received: Received) -> list[Action]:
    match message:
        case AskMessage(question):
            return _on_question(state, question, received)
        case ReceiptRequest(round_id, index):
            return _on_receipt_request(state, received.sender, round_id, index)
        case (
            StatementMessage()
            | CommitsMessage()
            | RevealMessage()
            | ProposalMessage()
            | CertificateMessage()
            | BodyRequest()
        ):
            return _on_seat_message(state, message, received)
        case ReceiptChunk() | RoundClosed() | ProgressMessage() | RefusalMessage():
            own = state.config.signer.key
            if any(seat.asker == own for seat in state.seats.values()):
                return []  # this node's owner asks under the same key, over a link of its own
            raise PeerError(f"message: got {type(message).__name__}, which only an asker takes")
        case _:
            assert_never(message)


def _on_seat_message(state: NodeState, message: SeatMessage, received: Received) -> list[Action]:
    seat = state.seats.get(message.round)
    if seat is None:
        # Early (its question is still on the way, and is sent again) or long over: never a fault.
        return _answer_late_seat(state, message, received)
    sender = seat.round.desk.facts.committee.get_seat(received.sender)
    try:
        seat.round.on_message(message, sender, received.at_ms)
    except (PeerError, LimitExceeded) as exc:
        return [*seat.run(), Penalise(received.sender, exc.message)]
    return seat.run()


def _answer_late_seat(state: NodeState, message: SeatMessage, received: Received) -> list[Action]:
    """Help a seat that is still in a round that this node has finished and forgotten."""
    round_id = message.round
    archive = state.archives.get(round_id)
    if archive is not None:
        answers = archive.answer(message, received.sender, received.at_ms)
        return [Send(received.sender, encode(answer)) for answer in answers]
    is_read = any(
        isinstance(ticket, ArchiveTicket) and ticket.round_id == round_id for ticket in state.tickets.values()
    )
    if round_id not in state.known or is_read:
        return []  # it repeats itself; by then the round is at hand
    return _load_receipt(state, ArchiveTicket(round_id, received.sender, message))


def _open_archive(state: NodeState, ticket: ArchiveTicket, receipt: bytes, now_ms: int) -> list[Action]:
    try:
        archive = open_archive(
            receipt, state.config.network, answer_again_ms=state.config.timing.certificate_again_ms
        )
        answers = archive.answer(ticket.message, ticket.sender, now_ms)
    except VerificationError as exc:
        return [Emit(ticket.round_id, "receipt_damaged", (("reason", exc.message),))]
    except (PeerError, LimitExceeded) as exc:
        return [Penalise(ticket.sender, exc.message)]
    state.archives[ticket.round_id] = archive
    while len(state.archives) > ARCHIVES_MAX:
        del state.archives[next(iter(state.archives))]
    return [Send(ticket.sender, encode(answer)) for answer in answers]


def _on_question(state: NodeState, signed: SignedQuestion, received: Received) -> list[Action]:
    """Open a round for a question, once per asker and counter, and pass it on."""
    config = state.config
    question = open_question(signed, config.network, config.verifier)
    round_id = compute_round_id(signed.payload)
    known = state.seats.get(round_id)
    if known is not None:
        closed = known.close()
        is_heard = closed is not None and not known.outbox.waiting and received.sender == question.asker
        return [Send(received.sender, encode(closed))] if closed is not None and is_heard else []
    slot = ASKER_PREFIX + question.asker + b"/%d" % question.counter
    earlier = state.asked.get(slot)
    if earlier == round_id:
        is_asker = received.sender == question.asker
        return _load_receipt(state, ReceiptTicket(received.sender, round_id, None)) if is_asker else []
    if earlier is not None:
        reason = f"two questions under one counter {question.counter}"
        fields = (("asker", question.asker.hex()), ("counter", question.counter))
        refusal = _refuse(question, received.sender, round_id, reason)
        return [*refusal, Emit(round_id, "asker_equivocated", fields)]
    is_open = [seat for seat in state.seats.values() if not seat.round.is_finished]
    if len(is_open) >= ROUNDS_OPEN_MAX:
        reason = f"{len(is_open)} rounds are open here, {ROUNDS_OPEN_MAX} at most; ask again later"
        return _refuse(question, received.sender, round_id, reason)
    seat = _create_seat(state, signed, received.at_ms)
    if seat is None:
        return []
    state.asked[slot] = round_id
    state.known[round_id] = None
    return _open_round(state, seat, signed, slot, received.at_ms)


def _refuse(question: Question, sender: PeerKey, round_id: bytes, reason: str) -> list[Action]:
    """Say no to the asker; a peer that relays a question in good faith takes no such word."""
    if sender != question.asker:
        return []
    return [Send(sender, encode(RefusalMessage(round_id, reason.encode())))]


def _open_round(
    state: NodeState, seat: Seat, signed: SignedQuestion, slot: bytes, now_ms: int
) -> list[Action]:
    facts = seat.round.desk.facts
    actions: list[Action] = []
    seat.persist(
        [
            Record(Table.FACT, facts.round_id, QUESTION_KEY, encode(signed)),
            Record(Table.SIGNED, state.config.network.network_id, slot, facts.round_id),
        ],
        actions,
    )
    opened = (("seat", seat.round.desk.seat), ("seats", facts.committee.n), ("quorum", facts.committee.q))
    actions.append(Emit(facts.round_id, "round_opened", opened))
    seat.broadcast(AskMessage(signed))
    seat.round.start(now_ms)
    return actions + seat.run()


# -- receipts --------------------------------------------------------------------------------------


def _on_receipt_request(state: NodeState, sender: PeerKey, round_id: bytes, index: int) -> list[Action]:
    seat = state.seats.get(round_id)
    if seat is not None:
        return [_make_chunk(sender, round_id, index, seat.receipt)] if seat.receipt is not None else []
    return _load_receipt(state, ReceiptTicket(sender, round_id, index))


def _load_receipt(state: NodeState, ticket: ReceiptTicket | ArchiveTicket) -> list[Action]:
    request_id = state.numbers.take()
    state.tickets[request_id] = ticket
    return [LoadReceipt(request_id, ticket.round_id)]


def _on_receipt_loaded(state: NodeState, loaded: ReceiptLoaded) -> list[Action]:
    ticket = state.tickets.pop(loaded.request_id, None)
    if ticket is None or loaded.receipt is None:
        return []
    if isinstance(ticket, ArchiveTicket):
        return _open_archive(state, ticket, loaded.receipt, loaded.at_ms)
    if ticket.index is not None:
        try:
            return [_make_chunk(ticket.key, ticket.round_id, ticket.index, loaded.receipt)]
        except PeerError as exc:
            return [Penalise(ticket.key, exc.message)]
    try:
        result = get_result(open_receipt(loaded.receipt))
    except VerificationError as exc:
        return [Emit(ticket.round_id, "receipt_damaged", (("reason", exc.message),))]
    return [Send(ticket.key, encode(RoundClosed(ticket.round_id, result.digest, result.status)))]


def _make_chunk(key: PeerKey, round_id: bytes, index: int, receipt: bytes) -> Send:
    count = max(1, -(-len(receipt) // CHUNK_BYTES))
    if not 0 <= index < count or len(receipt) > RECEIPT_BYTES_MAX:
        raise PeerError(f"receipt request: got chunk {index}, expected 0 to {count - 1}")
    data = receipt[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
    return Send(key, encode(ReceiptChunk(round_id, index, count, data)))
