"""What finished rounds still give: receipts to whoever asks, certificates to seats that are late."""

from consensus.encoding import encode
from consensus.errors import LimitExceeded, PeerError, VerificationError
from consensus.identity import PeerKey
from consensus.messages import ReceiptChunk, SeatMessage
from consensus.receipt import RECEIPT_BYTES_MAX
from swarm.core.actions import Action, Emit, Penalise, Send
from swarm.core.archive import ARCHIVES_MAX, open_archive
from swarm.core.history import CHUNK_BYTES
from swarm.core.inputs import Received
from swarm.core.state import ArchiveTicket, NodeState, ReceiptTicket, load_receipt


def answer_late_seat(state: NodeState, message: SeatMessage, received: Received) -> list[Action]:
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
    return load_receipt(state, ArchiveTicket(round_id, received.sender, message))


def hold_archive(state: NodeState, ticket: ArchiveTicket, receipt: bytes, now_ms: int) -> list[Action]:
    """Hold a finished round that was read for a late seat, and answer that seat."""
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


def on_receipt_request(state: NodeState, sender: PeerKey, round_id: bytes, index: int) -> list[Action]:
    """Send a piece of a receipt, from memory or from disk.

    Raises:
        PeerError: There is no such piece.
    """
    seat = state.seats.get(round_id)
    if seat is not None:
        return [make_chunk(sender, round_id, index, seat.receipt)] if seat.receipt is not None else []
    base = state.history.bases.get(round_id)
    if base is not None:
        return [make_chunk(sender, round_id, index, base.receipt)]
    return load_receipt(state, ReceiptTicket(sender, round_id, index))


def make_chunk(key: PeerKey, round_id: bytes, index: int, receipt: bytes) -> Send:
    """Return a piece of a receipt on its way to `key`.

    Raises:
        PeerError: There is no such piece.
    """
    count = max(1, -(-len(receipt) // CHUNK_BYTES))
    if not 0 <= index < count or len(receipt) > RECEIPT_BYTES_MAX:
        raise PeerError(f"receipt request: got chunk {index}, expected 0 to {count - 1}")
    data = receipt[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
    return Send(key, encode(ReceiptChunk(round_id, index, count, data)))
