"""The round that a question builds on: in memory, on disk, or fetched from whoever sent the question."""

from consensus.encoding import encode
from consensus.identity import PeerKey
from consensus.messages import ReceiptRequest
from swarm.core.actions import Action, Send
from swarm.core.history import Ask, Base, open_base
from swarm.core.state import BaseTicket, NodeState, load_receipt


def find_base(state: NodeState, round_id: bytes) -> Base | None:
    """Return a finished round that is at hand."""
    seat = state.seats.get(round_id)
    if seat is not None and seat.receipt is not None:
        return Base(seat.round.desk.facts, tuple(seat.round.desk.closed), seat.receipt)
    return state.history.bases.get(round_id)


def seek_base(
    state: NodeState, ask: Ask, *, round_id: bytes, base: bytes, sender: PeerKey, now_ms: int
) -> list[Action]:
    """Have the receipt of `base` brought for the question `ask` of round `round_id`.

    A round that this node took part in is on its disk; any other is asked for at whoever sent the question.
    """
    if base in state.known and base not in state.seats:
        if _is_read(state, round_id):
            return []
        return load_receipt(state, BaseTicket(base, round_id, sender, ask))
    return fetch_base(state, ask, round_id=round_id, base=base, sender=sender, now_ms=now_ms)


def fetch_base(
    state: NodeState, ask: Ask, *, round_id: bytes, base: bytes, sender: PeerKey, now_ms: int
) -> list[Action]:
    """Ask whoever sent the question for the receipt, unless somebody is asked already."""
    if not state.history.start_fetch(ask, round_id=round_id, base=base, sender=sender, now_ms=now_ms):
        return []
    return [Send(sender, encode(ReceiptRequest(base, 0)))]


def is_sought(state: NodeState, round_id: bytes) -> bool:
    """Say whether the receipt that the question of a round builds on is being read or fetched."""
    fetches = state.history.fetches.values()
    return _is_read(state, round_id) or any(fetch.round_id == round_id for fetch in fetches)


def _is_read(state: NodeState, round_id: bytes) -> bool:
    return any(
        isinstance(ticket, BaseTicket) and ticket.asked == round_id for ticket in state.tickets.values()
    )


def hold_base(state: NodeState, receipt: bytes, round_id: bytes) -> None:
    """Hold a finished round whose receipt came from disk or from another peer.

    Raises:
        PeerError: The receipt does not verify, or is another round's.
    """
    config = state.config
    base = open_base(
        receipt, round_id, network=config.network, verifier=config.verifier, engine=config.engine
    )
    state.history.keep(base)
