"""A question that comes to a node: taken once, if there is a place for it, and passed on to other seats."""

from consensus.committee import draw_committee
from consensus.decision import create_facts
from consensus.encoding import encode
from consensus.errors import LimitExceeded, PeerError
from consensus.identity import PeerKey
from consensus.messages import BUSY_PREFIX, RefusalMessage, SignedQuestion
from consensus.question import Question, compute_round_id, open_question
from consensus.round import Round
from consensus.standing import OpenedStanding, open_standing
from swarm.core.actions import Action, Emit, Penalise, Send
from swarm.core.announcements import pass_on
from swarm.core.bases import find_base, is_sought, seek_base
from swarm.core.history import Ask
from swarm.core.places import Holder
from swarm.core.records import ASKER_PREFIX, QUESTION_KEY, STANDING_KEY, Record, Table
from swarm.core.seat import Seat
from swarm.core.state import NodeState, ReceiptTicket, load_receipt

STALLED_MAX = 64  # open ones that too few seats know of
ROUNDS_KEPT_MAX = 64  # finished ones, whose certificates and receipts are at hand


def on_question(state: NodeState, ask: Ask, sender: PeerKey, now_ms: int) -> list[Action]:
    """Open a round for a question, once per asker and counter, and pass it on."""
    config, signed = state.config, ask.question
    question = open_question(signed, config.network, config.verifier)
    round_id = compute_round_id(signed.payload)
    known = state.seats.get(round_id)
    if known is not None:
        known.note_heard(sender)
        closed = known.close()
        if closed is None and known.round.is_finished:
            return _refuse(question, sender, round_id, "this round was given up; ask under a new counter")
        is_heard = closed is not None and not known.outbox.waiting and sender == question.asker
        return [Send(sender, encode(closed))] if closed is not None and is_heard else []
    if state.cancelled.holds(PeerKey(question.asker), round_id):
        state.places.release(round_id)
        return []
    slot = ASKER_PREFIX + question.asker + b"/%d" % question.counter
    earlier = state.asked.get(slot)
    if earlier == round_id:
        is_asker = sender == question.asker
        return load_receipt(state, ReceiptTicket(sender, round_id, None)) if is_asker else []
    if earlier is not None:
        reason = f"two questions under one counter {question.counter}"
        fields = (("asker", question.asker.hex()), ("counter", question.counter))
        refusal = _refuse(question, sender, round_id, reason)
        return [*refusal, Emit(round_id, "asker_equivocated", fields)]
    committee = draw_committee(config.network, question)
    if committee.get_seat(config.signer.key) is None:
        return []
    if state.pause_reason:
        return [*_decline(state, round_id), *_refuse(question, sender, round_id, state.pause_reason)]
    is_passed_on = committee.get_seat(sender) is not None and sender != question.asker
    holder = Holder(PeerKey(question.asker), is_passed_on)
    busy = state.places.find_reason(round_id, holder, _list_open(state, now_ms), now_ms=now_ms)
    if busy:
        return _refuse(question, sender, round_id, BUSY_PREFIX + busy)
    try:
        standing = open_standing(ask.standing, header=question.header, network=config.network)
    except (PeerError, LimitExceeded) as exc:
        return [*_refuse(question, sender, round_id, exc.message), Penalise(sender, exc.message)]
    if standing is not None:
        instead = _check_standing(state, ask, question, standing, holder=holder, sender=sender, now_ms=now_ms)
        if instead is not None:
            return instead
    seat = create_seat(state, signed, question, standing, now_ms)
    if seat is None:
        return []
    state.places.release(round_id)
    seat.is_passed_on = is_passed_on
    seat.note_heard(sender)
    state.asked[slot] = round_id
    state.known[round_id] = None
    return [*_leave_stalled(state, now_ms), *_open_round(state, seat, signed, slot, now_ms)]


def _check_standing(
    state: NodeState,
    ask: Ask,
    question: Question,
    standing: OpenedStanding,
    *,
    holder: Holder,
    sender: PeerKey,
    now_ms: int,
) -> list[Action] | None:
    """Return what is done instead of opening a round; None where its standing follows from its base."""
    round_id, wanted = compute_round_id(ask.question.payload), standing.standing.round
    base = find_base(state, wanted)
    if base is None:
        state.places.hold(round_id, holder, now_ms)
        sought = seek_base(state, ask, round_id=round_id, base=wanted, sender=sender, now_ms=now_ms)
        if sought or is_sought(state, round_id):
            return sought
        state.places.release(round_id)
        return _refuse(question, sender, round_id, f"{BUSY_PREFIX}receipts of other rounds are on their way")
    try:
        state.history.check(standing, base)
    except (PeerError, LimitExceeded) as exc:
        state.places.release(round_id)
        reason = f"this peer does not know the standing {standing.digest.hex()[:16]}: {exc.message}"
        refused = Emit(round_id, "standing_refused", (("reason", reason),))
        # A peer whose rules differ may relay it in good faith; an asker has made it.
        penalty = [Penalise(sender, reason)] if sender == question.asker else []
        return [refused, *_refuse(question, sender, round_id, reason), *penalty]
    return None


def _list_open(state: NodeState, now_ms: int) -> list[Holder]:
    """Return what has a place: not stalled rounds, or who asks each seat another question would have all."""
    return [
        Holder(seat.asker, seat.is_passed_on)
        for seat in state.seats.values()
        if not seat.round.is_finished and not seat.is_stalled(now_ms)
    ]


def _leave_stalled(state: NodeState, now_ms: int) -> list[Action]:
    """Give the oldest rounds up that came to nothing, beyond what is bearable."""
    stalled = [
        seat for seat in state.seats.values() if not seat.round.is_finished and seat.is_stalled(now_ms)
    ]
    actions: list[Action] = []
    for seat in stalled[: max(0, len(stalled) - STALLED_MAX)]:
        seat.round.leave("too few seats have opened it, and others wait", now_ms)
        actions += seat.run()
    return actions


def _decline(state: NodeState, round_id: bytes) -> list[Action]:
    """Note, once, that a round is not taken."""
    if round_id in state.declined:
        return []
    state.declined.append(round_id)
    return [Emit(round_id, "round_declined", (("reason", state.pause_reason),))]


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
    records = [Record(Table.FACT, facts.round_id, QUESTION_KEY, encode(signed))]
    if facts.standing is not None:
        records.append(Record(Table.FACT, facts.round_id, STANDING_KEY, facts.standing.data))
    records.append(Record(Table.SIGNED, state.config.network.network_id, slot, facts.round_id))
    seat.persist(records, actions)
    opened = (("seat", seat.round.desk.seat), ("seats", facts.committee.n), ("quorum", facts.committee.q))
    actions.append(Emit(facts.round_id, "round_opened", opened))
    seat.broadcast(pass_on(facts))
    seat.round.start(now_ms)
    return actions + seat.run()


def create_seat(
    state: NodeState,
    signed: SignedQuestion,
    question: Question,
    standing: OpenedStanding | None,
    now_ms: int,
) -> Seat | None:
    """Take a seat in a question's round; None where the committee has none for this node."""
    config = state.config
    facts = create_facts(config.network, question, signed.payload, signed.signature, standing)
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
        opened_ms=now_ms,
        info=config.info,
        judge=config.judge,
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
