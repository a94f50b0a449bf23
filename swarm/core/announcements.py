"""Long questions pass between seats by request: a seat says that it has one, and who lacks it asks for it.

Every seat passes a question on to every other, so that an asker cannot show it to some only, and again
whenever a step takes long. Nearly always all have it already. What gossip protocols call IHAVE and IWANT
(libp2p, gossipsub v1.0) makes that 50 bytes instead of the question's 100 KB (docs/adr/0034).
"""

from typing import Final

from consensus.decision import RoundFacts
from consensus.encoding import encode
from consensus.errors import PeerError
from consensus.hashing import DIGEST_BYTES
from consensus.identity import PeerKey
from consensus.messages import AskMessage, QuestionAnnouncement, QuestionRequest, StandingAskMessage
from swarm.core.actions import Action, Send
from swarm.core.history import retell_ask
from swarm.core.state import NodeState

ANNOUNCED_BYTES_MIN: Final = 4_096
"""Of question and standing: what is shorter is passed on at once, which saves a round trip."""


def pass_on(facts: RoundFacts) -> AskMessage | StandingAskMessage | QuestionAnnouncement:
    """Return the message by which one seat of a round tells another of its question."""
    standing_bytes = 0 if facts.standing is None else len(facts.standing.data)
    if len(facts.payload) + standing_bytes < ANNOUNCED_BYTES_MIN:
        return retell_ask(facts)
    return QuestionAnnouncement(facts.round_id)


def on_announcement(state: NodeState, round_id: bytes, sender: PeerKey) -> list[Action]:
    """Ask for a question that this node lacks.

    Whoever announces it is asked, however many do: one of them alone might never answer.

    Raises:
        PeerError: The sender is no member, and so has no seat in any round.
    """
    if sender not in state.config.network.keys:
        raise PeerError("announcement: got it from no member")
    if len(round_id) != DIGEST_BYTES:
        raise PeerError(f"announcement: got a round of {len(round_id)} bytes, expected {DIGEST_BYTES}")
    seat = state.seats.get(round_id)
    if seat is not None:
        seat.note_heard(sender)
        return []
    is_declined = bool(state.pause_reason) and round_id in state.declined
    if round_id in state.known or is_declined:
        return []
    return [Send(sender, encode(QuestionRequest(round_id)))]


def on_question_request(state: NodeState, round_id: bytes, sender: PeerKey, now_ms: int) -> list[Action]:
    """Send the question of a round to a seat that asks for it, once in a while; not of one that was given up.

    Raises:
        PeerError: The sender has no seat in the round.
    """
    seat = state.seats.get(round_id)
    if seat is None or (seat.round.is_finished and seat.receipt is None):
        return []
    facts = seat.round.desk.facts
    index = facts.committee.get_seat(sender)
    if index is None:
        raise PeerError("question request: got it from a key that has no seat in the round")
    last_ms = seat.told_ms.get(index)
    if last_ms is not None and now_ms - last_ms < state.config.timing.certificate_again_ms:
        return []
    seat.told_ms[index] = now_ms
    seat.outbox.put([Send(sender, encode(retell_ask(facts)))])
    return seat.outbox.take()
