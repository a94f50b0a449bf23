"""What a node is made of, what it knows, and what it waits for from its disk."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from consensus.decision import DecisionEngine
from consensus.desk import Timing
from consensus.genesis import Network
from consensus.identity import PeerKey, Signer, Verifier
from consensus.messages import SeatMessage
from models.contract import ModelInfo
from models.judges.strategy import LIKELIHOOD, JudgeStrategy
from swarm.core.actions import Action, LoadReceipt
from swarm.core.archive import Archive
from swarm.core.cancels import EarlyCancels
from swarm.core.history import Ask, History
from swarm.core.places import Places
from swarm.core.seat import Numbers, Seat

DECLINED_MAX: Final = 256
"""Rounds declined of late, each told of once: a question comes from every seat, again and again."""

TICKETS_MAX: Final = 1_024
"""Reads from disk under way: a member may send 2,000 requests a second, and no disk need be that fast."""
TICKETS_SENDER_MAX: Final = 64
"""Of those, reads for one key: more than it can have rounds open, so nobody honest is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """What a node is made of; it never changes while the node lives.

    That the model can serve the judge is checked where both are chosen (`check_supported`).
    """

    network: Network
    signer: Signer
    verifier: Verifier
    engine: DecisionEngine
    timing: Timing
    info: ModelInfo
    judge: JudgeStrategy = LIKELIHOOD


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


@dataclass(frozen=True, slots=True)
class BaseTicket:
    """A question that waits for the receipt of the round it builds on, `round_id`; its own is `asked`."""

    round_id: bytes
    asked: bytes
    sender: PeerKey
    ask: Ask


Ticket = ReceiptTicket | ArchiveTicket | BaseTicket


@dataclass(slots=True)
class NodeState:
    """Everything a node knows."""

    config: NodeConfig
    numbers: Numbers = field(default_factory=Numbers)
    seats: dict[bytes, Seat] = field(default_factory=dict)
    asked: dict[bytes, bytes] = field(default_factory=dict)
    known: dict[bytes, None] = field(default_factory=dict)  # every round it ever had a seat in
    archives: dict[bytes, Archive] = field(default_factory=dict)
    tickets: dict[int, Ticket] = field(default_factory=dict)
    history: History = field(default_factory=History)
    cancelled: EarlyCancels = field(default_factory=EarlyCancels)
    places: Places = field(init=False)
    is_halted: bool = False
    pause_reason: str = ""  # why no further rounds are taken; empty while they are
    declined: deque[bytes] = field(default_factory=lambda: deque(maxlen=DECLINED_MAX))

    def __post_init__(self) -> None:
        self.places = Places(frozenset(self.config.network.keys))


def load_receipt(state: NodeState, ticket: Ticket) -> list[Action]:
    """Have a receipt read from disk for whoever holds the ticket, unless too many reads are under way."""
    sender = _get_sender(ticket)
    held = sum(_get_sender(other) == sender for other in state.tickets.values())
    if held >= TICKETS_SENDER_MAX or len(state.tickets) >= TICKETS_MAX:
        return []
    request_id = state.numbers.take()
    state.tickets[request_id] = ticket
    return [LoadReceipt(request_id, ticket.round_id)]


def _get_sender(ticket: Ticket) -> PeerKey:
    return ticket.key if isinstance(ticket, ReceiptTicket) else ticket.sender
