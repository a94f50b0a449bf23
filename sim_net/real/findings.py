"""Everything the checkers look at: remains read and verified once, joined with what the parent did."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from consensus.desk import load_signed
from consensus.evidence import Payload, decode_payload, get_slot
from consensus.genesis import Network
from consensus.identity import PeerKey
from consensus.messages import Kind, Signed
from consensus.receipt import Receipt, open_receipt
from consensus.verify import Verdict, VerifiedRound, verify_receipt
from sim_net.real.reach import Reach
from sim_net.real.remains import PeerRemains, compute_places
from swarm.core.node import ASKER_PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRound:
    """One question as the asker saw it; `receipt` is what it took, None where it gave up."""

    index: int
    round_id: bytes
    question: str
    truth: str
    asked_ms: int
    closed_ms: int | None
    receipt: bytes | None
    reason: str
    is_gold: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a receipt: a peer by index, or the asker (None)."""

    peer: int | None
    receipt: bytes

    @property
    def name(self) -> str:
        """How people call it."""
        return "the asker" if self.peer is None else f"peer {self.peer}"


@dataclass(frozen=True, slots=True)
class Statement:
    """A signed statement that was found somewhere, and what it says."""

    signed: Signed
    content: Payload

    @property
    def slot(self) -> bytes:
        """The slot it takes."""
        return get_slot(self.signed.kind, self.content)


@dataclass(frozen=True)
class Findings:
    """What a run left and what was done to it; receipts are verified when first asked for.

    Attributes:
        network: What the receipts must belong to.
        keys: The peers' keys by index.
        started_at_ms: Wall clock at the start of the run, milliseconds since 1970.
        remains: By peer.
        asked: By question.
        timeline: Who could reach whom, when.
        failures: What went wrong with processes.
        up: The peers that were up at the end.
    """

    network: Network
    keys: tuple[PeerKey, ...]
    started_at_ms: int
    remains: tuple[PeerRemains, ...]
    asked: tuple[AskedRound, ...]
    timeline: tuple[Reach, ...]
    failures: tuple[str, ...]
    up: tuple[int, ...]

    @cached_property
    def places(self) -> Mapping[bytes, int]:
        """Each peer's index by its key."""
        return compute_places(self.keys)

    @cached_property
    def holders(self) -> Mapping[bytes, tuple[Holder, ...]]:
        """Who holds which receipt, by round; the asker first."""
        found: dict[bytes, list[Holder]] = {}
        for asked in self.asked:
            if asked.receipt is not None:
                found.setdefault(asked.round_id, []).append(Holder(None, asked.receipt))
        for peer in self.remains:
            for round_id, receipt in peer.receipts.items():
                found.setdefault(round_id, []).append(Holder(peer.peer, receipt))
        return {round_id: tuple(holders) for round_id, holders in found.items()}

    @cached_property
    def verdicts(self) -> Mapping[bytes, Verdict]:
        """What became of each distinct receipt, by its bytes."""
        receipts = dict.fromkeys(held.receipt for holders in self.holders.values() for held in holders)
        return {
            receipt: verify_receipt(receipt, trusted_network=self.network.genesis_bytes)
            for receipt in receipts
        }

    def get_verified(self, round_id: bytes) -> VerifiedRound | None:
        """Return a round as the first receipt that verifies tells it; the asker's own goes first."""
        for held in self.holders.get(round_id, ()):
            verified = self.verdicts[held.receipt].round
            if verified is not None and verified.facts.round_id == round_id:
                return verified
        return None

    def get_ms(self, t_ms: int) -> int:
        """Return a log's wall clock as milliseconds since the start of the run."""
        return t_ms - self.started_at_ms

    def get_peer(self, verified: VerifiedRound, seat: int) -> int:
        """Return the peer that holds a seat of a verified round."""
        return self.places[bytes(verified.facts.committee.keys[seat])]


def list_signed_rows(peer: PeerRemains) -> list[tuple[bytes, bytes, bytes]]:
    """Return round, slot and statement of what a peer signed as a seat."""
    return [
        (round_id, key, value)
        for (round_id, key), value in peer.signed.items()
        if not key.startswith(ASKER_PREFIX)
    ]


def decode_statement(value: bytes) -> Statement:
    """Read a statement as a peer keeps it.

    Raises:
        PeerError: It is none.
        LimitExceeded: It is too long.
    """
    signed = load_signed(value)
    return Statement(signed, decode_payload(signed.kind, signed.payload))


def list_receipt_statements(receipt: bytes) -> list[Statement]:
    """Return every seat's statement that a verified receipt carries."""
    found = []
    opened: Receipt = open_receipt(receipt)
    for step in opened.steps:
        signed = [
            Signed(int(Kind.REVEAL), reveal.signature.seat, reveal.payload, reveal.signature.signature)
            for reveal in step.reveals
        ]
        groups = [(int(Kind.REVEAL_LIST), group) for group in step.reveal_lists] + [
            (int(Kind.PRECOMMIT), step.precommits)
        ]
        signed += [
            Signed(kind, entry.seat, group.payload, entry.signature)
            for kind, group in groups
            for entry in group.signatures
        ]
        found += [Statement(one, decode_payload(one.kind, one.payload)) for one in signed]
    return found
