"""The desk of one seat: what it knows about the round, and the only place where it signs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consensus.cosigned import open_cosigned
from consensus.decision import ClosedStep, DecisionEngine, RoundFacts
from consensus.effects import Accuse, Broadcast, Effect, Save, SendTo, StartTimer, Timer
from consensus.encoding import decode, encode
from consensus.errors import PeerError
from consensus.evidence import Evidence, Fault, Payload, get_slot
from consensus.hashing import sha256
from consensus.identity import PeerKey, Signer, Verifier
from consensus.messages import PAYLOAD_BYTES_MAX, SEAT_KINDS, CoSigned, Kind, SeatMessage, Signed


@dataclass(frozen=True, slots=True)
class Timing:
    """Local patience in milliseconds; affects liveness only, never what is decided."""

    grace_ms_min: int = 250
    forward_ms: int = 50
    proposer_wait_ms: int = 400
    prevote_ms: int = 1_500
    view_ms: int = 3_000
    view_growth_ms: int = 1_000
    certify_ms: int = 250
    resend_ms: int = 2_000
    resend_ms_max: int = 8_000
    bodies_ms: int = 300
    give_up_ms: int = 60_000  # on top of twice the question's own deadlines
    certificate_again_ms: int = 500


@dataclass(slots=True)
class Desk:
    """What every part of a seat's round shares.

    `signed` holds the seat's own statements by slot, those from before a crash included. Signing asks it
    first, so a second statement for a slot cannot come into being.
    """

    facts: RoundFacts
    seat: int
    signer: Signer
    verifier: Verifier
    engine: DecisionEngine
    timing: Timing
    now_ms: int
    closed: list[ClosedStep] = field(default_factory=list)
    signed: dict[bytes, Signed] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    accused: set[tuple[int, int]] = field(default_factory=set)

    def sign(
        self, kind: Kind, payload: Payload, *, facts: Mapping[bytes, bytes] | None = None
    ) -> tuple[Signed, bool]:
        """Sign `payload`, or return what was signed for its slot before.

        Args:
            kind: The statement's kind.
            payload: What to sign.
            facts: Written in the same transaction as the signature.

        Returns:
            The slot's one statement, and whether it says `payload`.
        """
        data = encode(payload)
        slot = get_slot(kind, payload)
        signed = self.signed.get(slot)
        if signed is None:
            network_id = self.facts.network.network_id
            signature = self.signer.sign(kind, network_id, data)
            self.verifier.note_signed(self.signer.key, kind, network_id, data, signature)
            signed = Signed(int(kind), self.seat, data, signature)
            self.signed[slot] = signed
            self.effects.append(Save(((slot, encode(signed)),), tuple((facts or {}).items())))
        return signed, signed.payload == data

    def get_signed(self, kind: Kind, step: int, view: int = 0) -> Signed | None:
        """Return the seat's one statement for a slot, if it made one."""
        return self.signed.get(bytes([kind, step, view]))

    def has_signed(self, kind: Kind, step: int, view: int = 0) -> bool:
        """Say whether a slot is taken."""
        return self.get_signed(kind, step, view) is not None

    def open_groups(self, groups: Sequence[CoSigned], kind: Kind) -> list[tuple[Signed, Payload]]:
        """Verify groups of co-signed statements of this round's seats; raises as `open_cosigned` does."""
        return open_cosigned(
            groups,
            kind=kind,
            committee=self.facts.committee,
            network_id=self.facts.network.network_id,
            verifier=self.verifier,
        )

    def save(self, facts: Mapping[bytes, bytes]) -> None:
        """Write facts that later sends depend on."""
        self.effects.append(Save((), tuple(facts.items())))

    def broadcast(self, message: SeatMessage) -> None:
        """Send to every other seat."""
        self.effects.append(Broadcast(message))

    def send(self, seat: int, message: SeatMessage) -> None:
        """Send to one seat."""
        self.effects.append(SendTo(seat, message))

    def start_timer(self, timer: Timer, delay_ms: int) -> None:
        """Have `timer` fire once."""
        self.effects.append(StartTimer(timer, delay_ms))

    def accuse(self, fault: Fault, first: Signed, second: Signed) -> None:
        """Report evidence, once a seat and fault."""
        if (first.seat, int(fault)) not in self.accused:
            self.accused.add((first.seat, int(fault)))
            self.effects.append(Accuse(Evidence(int(fault), first, second)))

    def get_key(self, seat: int) -> PeerKey:
        """Return the key of a seat named by a peer.

        Raises:
            PeerError: There is no such seat.
        """
        if not 0 <= seat < self.facts.committee.n:
            raise PeerError(f"statement: got seat {seat}, expected 0 to {self.facts.committee.n - 1}")
        return self.facts.committee.keys[seat]

    def verify(self, signed: Signed) -> None:
        """Check a statement's signature.

        Raises:
            PeerError: No such seat or kind, a payload too long, or a signature that does not hold.
        """
        key = self.get_key(signed.seat)
        if signed.kind not in SEAT_KINDS:
            raise PeerError(f"statement: got kind {signed.kind}, expected one a seat may sign")
        if len(signed.payload) > PAYLOAD_BYTES_MAX:
            raise PeerError(
                f"statement: got {len(signed.payload)} bytes, expected at most {PAYLOAD_BYTES_MAX}"
            )
        network_id = self.facts.network.network_id
        if not self.verifier.is_valid(key, signed.kind, network_id, sha256(signed.payload), signed.signature):
            raise PeerError(f"statement: got a signature that is not seat {signed.seat}'s")


def load_signed(data: bytes) -> Signed:
    """Decode a statement of one's own from the sign-state table."""
    return decode(Signed, data, bytes_max=PAYLOAD_BYTES_MAX + 1_024)
