"""Who shows one honest seat two statements that exclude each other must be found out by it."""

from dataclasses import dataclass, field

from consensus.committee import Committee
from consensus.cosigned import check_seat_list
from consensus.errors import LimitExceeded, PeerError
from consensus.evidence import Payload, decode_payload, get_slot, is_amnesia
from consensus.identity import PeerKey
from consensus.messages import (
    VIEW_MAX,
    Kind,
    Precommit,
    Prevote,
    SeatList,
    Signed,
    StatementMessage,
)
from consensus.phases import TABLE, Rule
from consensus.round import Round
from sim_net.checkers.watch import Watch, decode_cached
from sim_net.world import Observer, World

# Where a reveal excludes another, the commits behind them do already; so do votes where a proposal does.
KINDS = (Kind.COMMIT, Kind.COMMIT_LIST, Kind.REVEAL_LIST, Kind.PREVOTE, Kind.PRECOMMIT)


@dataclass(slots=True)
class Heard:
    """What a seat said to one node in one round: each slot's first payload, its votes, and its guilt."""

    slots: dict[bytes, bytes] = field(default_factory=dict)
    votes: list[Payload] = field(default_factory=list)
    is_guilty: bool = False


class Discovery(Observer):
    """Listens to what Byzantine seats tell honest nodes while these take it."""

    def __init__(self, world: World, watch: Watch) -> None:
        self.world = world
        self.watch = watch
        self.heard: dict[tuple[int, int, bytes, int], Heard] = {}  # node, life, round, seat
        world.observers.append(self)

    def on_receive(self, node: int, sender: PeerKey, data: bytes) -> None:
        """Look at a message that an honest node is about to handle."""
        if not self.watch.is_honest(node) or self.watch.is_honest_key(sender):
            return
        try:
            message = decode_cached(data)
        except (PeerError, LimitExceeded):
            return
        if not isinstance(message, StatementMessage):
            return  # what carries other things besides may be refused for these
        seat = self.world.nodes[node].state.seats.get(message.round)
        if seat is None or seat.round.is_finished:
            return
        self._take(node, seat.round, sender, message.signed)

    def _take(self, node: int, round_: Round, sender: PeerKey, signed: Signed) -> None:
        keys, collection = round_.desk.facts.committee.keys, round_.collection
        is_sender = 0 <= signed.seat < len(keys) and keys[signed.seat] == sender
        if not is_sender or signed.kind not in KINDS:
            return
        try:
            content = decode_payload(signed.kind, signed.payload)
            round_.desk.verify(signed)
        except (PeerError, LimitExceeded):
            return
        kind = Kind(signed.kind)
        is_open = content.step == collection.step and TABLE[collection.phase, kind] is Rule.ADMIT
        if content.round != round_.desk.facts.round_id or not is_open:
            return
        if not _is_well_formed(content, round_.desk.facts.committee):
            return  # refused for what it says, so it takes no slot
        life = self.world.nodes[node].life
        heard = self.heard.setdefault((node, life, content.round, signed.seat), Heard())
        slot = get_slot(signed.kind, content)
        first = heard.slots.setdefault(slot, signed.payload)
        heard.is_guilty = heard.is_guilty or first != signed.payload
        if isinstance(content, Prevote | Precommit):
            heard.is_guilty = heard.is_guilty or any(
                is_amnesia(one, content) or is_amnesia(content, one) for one in heard.votes
            )
            heard.votes.append(content)

    def check(self) -> None:
        """Demand evidence from whoever heard two statements and lived on."""
        accused = {(one.node, one.round_id, one.accused) for one in self.watch.accusations if one.is_evidence}
        for (node, life, round_id, seat), heard in self.heard.items():
            if not heard.is_guilty or not self.watch.is_honest(node) or self.world.nodes[node].life != life:
                continue
            key = self.watch.rounds[round_id].committee.keys[seat] if round_id in self.watch.rounds else None
            if key is not None:
                told = f"node {node} heard seat {seat} contradict itself and holds no evidence"
                self.watch.require("discovery", round_id, (node, round_id, key) in accused, told)


def _is_well_formed(content: Payload, committee: Committee) -> bool:
    if isinstance(content, SeatList):
        try:
            check_seat_list(content, committee)
        except PeerError:
            return False
    return not isinstance(content, Prevote | Precommit) or 0 <= content.view <= VIEW_MAX
