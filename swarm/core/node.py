"""One node: `step(state, input) -> (state, actions)`.

Pure and deterministic: the same inputs give the same actions, on every machine and in every world. The
state is owned by whoever steps it and is updated in place; it is returned so that nobody relies on that
(docs/adr/0002).
"""

from typing import assert_never

from consensus.desk import load_signed
from consensus.effects import TimerName
from consensus.encoding import decode, encode
from consensus.errors import LimitExceeded, PeerError, VerificationError
from consensus.identity import PeerKey
from consensus.messages import (
    AskMessage,
    BodyRequest,
    CancelMessage,
    CertificateMessage,
    CommitsMessage,
    Message,
    ProgressMessage,
    ProposalMessage,
    QuestionAnnouncement,
    QuestionRequest,
    ReceiptChunk,
    ReceiptRequest,
    RefusalMessage,
    RevealMessage,
    RoundClosed,
    SeatMessage,
    SignedQuestion,
    StandingAskMessage,
    StatementMessage,
    decode_message,
)
from consensus.question import QUESTION_BYTES_MAX, Question, open_question
from consensus.receipt import get_result, open_receipt
from consensus.round import ABANDONED_KEY
from consensus.standing import open_standing
from swarm.core.actions import Action, Emit, Penalise, Send
from swarm.core.announcements import on_announcement, on_question_request, pass_on
from swarm.core.bases import fetch_base, hold_base
from swarm.core.history import CHUNK_BYTES, Ask
from swarm.core.inputs import (
    CallFailed,
    CallFinished,
    Input,
    Paused,
    PeerLinked,
    Persisted,
    PersistFailed,
    ReceiptLoaded,
    Received,
    Started,
    TimerFired,
    Unpaused,
)
from swarm.core.questions import create_seat, on_question
from swarm.core.receipts import answer_late_seat, hold_archive, make_chunk, on_receipt_request
from swarm.core.records import ASKER_PREFIX, QUESTION_KEY, STANDING_KEY, Record, Table
from swarm.core.seat import Seat
from swarm.core.state import (
    ArchiveTicket,
    BaseTicket,
    NodeConfig,
    NodeState,
    ReceiptTicket,
)

__all__ = [
    "ASKER_PREFIX",
    "CHUNK_BYTES",
    "NodeConfig",
    "NodeState",
    "create_node",
    "step",
]

QUESTION_RECORD_BYTES_MAX = QUESTION_BYTES_MAX + 1_024


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
                seat.broadcast(pass_on(seat.round.desk.facts))
            seat.round.on_timer(timer, at_ms)
            return state, seat.run()
        case Persisted(_, write_id):
            return state, [action for seat in state.seats.values() for action in _confirm(seat, write_id)]
        case PersistFailed(_, _, reason, remedy):
            # What is signed from now on might not be remembered after a crash: say nothing more.
            state.is_halted = True
            return state, [Emit(None, "node_halted", (("reason", reason), ("remedy", remedy)))]
        case CallFinished(at_ms, call_id, result):
            for seat in state.seats.values():
                if call_id in seat.calls:
                    said = seat.on_call_finished(call_id, result, at_ms)
                    return state, [*said, *seat.run()]
            return state, []
        case CallFailed(at_ms, call_id, reason):
            for seat in state.seats.values():
                if call_id in seat.calls:
                    failed = Emit(seat.round_id, "call_failed", (("reason", reason),))
                    seat.on_call_failed(call_id, at_ms)
                    return state, [failed, *seat.run()]
            return state, []
        case Paused(_, reason):
            state.pause_reason = reason
            return state, [Emit(None, "node_paused", (("reason", reason),))]
        case Unpaused():
            state.pause_reason = ""
            return state, [Emit(None, "node_unpaused", ())]
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
            seat.told_ms.pop(index, None)  # what it was sent before may be lost
            seat.outbox.put([Send(peer, encode(pass_on(facts)))])
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
    network, standing_bytes = state.config.network, facts.get(STANDING_KEY, b"")
    if decode(Question, question.payload, bytes_max=QUESTION_BYTES_MAX).network != network.network_id:
        return []  # of a network that this peer has left: it says nothing in it any more
    opened = open_question(question, network, state.config.verifier)
    standing = open_standing(standing_bytes, header=opened.header, network=network)
    seat = create_seat(state, question, opened, standing, now_ms)
    if seat is None:
        return []
    seat.round.restore(signed, facts, now_ms)
    resumed = Emit(seat.round_id, "round_resumed", (("statements", len(signed)),))
    return [resumed, *seat.run()]


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
            return on_question(state, Ask(question), received.sender, received.at_ms)
        case StandingAskMessage(question, standing):
            return on_question(state, Ask(question, standing), received.sender, received.at_ms)
        case QuestionAnnouncement(round_id):
            return on_announcement(state, round_id, received.sender)
        case QuestionRequest(round_id):
            return on_question_request(state, round_id, received.sender, received.at_ms)
        case ReceiptRequest(round_id, index):
            return on_receipt_request(state, received.sender, round_id, index)
        case (
            StatementMessage()
            | CommitsMessage()
            | RevealMessage()
            | ProposalMessage()
            | CertificateMessage()
            | BodyRequest()
        ):
            return _on_seat_message(state, message, received)
        case ReceiptChunk():
            return _on_chunk(state, message, received.sender, received.at_ms)
        case CancelMessage(round_id):
            return _on_cancel(state, round_id, received.sender, received.at_ms)
        case RoundClosed() | ProgressMessage() | RefusalMessage():
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
        return answer_late_seat(state, message, received)
    sender = seat.round.desk.facts.committee.get_seat(received.sender)
    try:
        seat.round.on_message(message, sender, received.at_ms)
        seat.note_heard(received.sender)
    except (PeerError, LimitExceeded) as exc:
        return [*seat.run(), Penalise(received.sender, exc.message)]
    return seat.run()


def _on_cancel(state: NodeState, round_id: bytes, sender: PeerKey, now_ms: int) -> list[Action]:
    """Leave a round whose asker wants no answer any more; nobody else can end it."""
    seat = state.seats.get(round_id)
    if seat is None:  # no seat in it, long over, or still waiting for the round it builds on
        state.cancelled.note(sender, round_id)
        return []
    if sender != seat.asker:
        raise PeerError("cancel: got it from somebody who did not ask")
    seat.round.on_cancel(now_ms)
    return seat.run()


def _on_chunk(state: NodeState, chunk: ReceiptChunk, sender: PeerKey, now_ms: int) -> list[Action]:
    """Take a piece of a fetched receipt; once it is whole, go on with the question it was fetched for."""
    fetch = state.history.take_chunk(chunk, sender, now_ms)
    if fetch is None:
        return []
    if len(fetch.chunks) < fetch.count:
        return [Send(sender, encode(ReceiptRequest(fetch.base, len(fetch.chunks))))]
    hold_base(state, b"".join(fetch.chunks), fetch.base)
    fetched = Emit(fetch.base, "receipt_fetched", (("sender", sender.hex()),))
    return [fetched, *on_question(state, fetch.ask, sender, now_ms)]


# -- receipts --------------------------------------------------------------------------------------


def _on_receipt_loaded(state: NodeState, loaded: ReceiptLoaded) -> list[Action]:
    ticket = state.tickets.pop(loaded.request_id, None)
    if isinstance(ticket, BaseTicket):
        return _on_base_loaded(state, ticket, loaded)
    if ticket is None:
        return []
    if loaded.receipt is None:
        return _tell_lost(ticket)
    if isinstance(ticket, ArchiveTicket):
        return hold_archive(state, ticket, loaded.receipt, loaded.at_ms)
    if ticket.index is not None:
        try:
            return [make_chunk(ticket.key, ticket.round_id, ticket.index, loaded.receipt)]
        except PeerError as exc:
            return [Penalise(ticket.key, exc.message)]
    try:
        result = get_result(open_receipt(loaded.receipt))
    except VerificationError as exc:
        return [Emit(ticket.round_id, "receipt_damaged", (("reason", exc.message),))]
    return [Send(ticket.key, encode(RoundClosed(ticket.round_id, result.digest, result.status)))]


def _tell_lost(ticket: ReceiptTicket | ArchiveTicket) -> list[Action]:
    """Tell an asker that its round is over, without a receipt here: given up, or forgotten (ADR 33)."""
    if isinstance(ticket, ArchiveTicket) or ticket.index is not None:
        return []
    reason = b"this round is over, and its receipt is not kept here; ask under a new counter"
    return [Send(ticket.key, encode(RefusalMessage(ticket.round_id, reason)))]


def _on_base_loaded(state: NodeState, ticket: BaseTicket, loaded: ReceiptLoaded) -> list[Action]:
    """Go on with a question; where the disk has no receipt that verifies, the question's sender is asked."""
    actions: list[Action] = []
    if loaded.receipt is not None:
        try:
            hold_base(state, loaded.receipt, ticket.round_id)
        except PeerError as exc:
            actions.append(Emit(ticket.round_id, "receipt_damaged", (("reason", exc.message),)))
        else:
            return on_question(state, ticket.ask, ticket.sender, loaded.at_ms)
    return actions + fetch_base(
        state,
        ticket.ask,
        round_id=ticket.asked,
        base=ticket.round_id,
        sender=ticket.sender,
        now_ms=loaded.at_ms,
    )
