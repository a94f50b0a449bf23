"""Self-contained, transferable proof that a seat broke a rule: two statements that exclude each other."""

from enum import IntEnum

from consensus.committee import Committee
from consensus.encoding import Wire, decode
from consensus.errors import PeerError, VerificationError
from consensus.hashing import sha256
from consensus.identity import NetworkId, Verifier
from consensus.messages import (
    NIL,
    PAYLOAD_BYTES_MAX,
    SEAT_KINDS,
    Commit,
    Kind,
    Precommit,
    Prevote,
    Proposal,
    Reveal,
    SeatList,
    Signed,
)

EVIDENCE_BYTES_MAX = 2 * PAYLOAD_BYTES_MAX + 1_024

PayloadType = type[Commit] | type[SeatList] | type[Reveal] | type[Proposal] | type[Prevote] | type[Precommit]
Payload = Commit | SeatList | Reveal | Proposal | Prevote | Precommit

PAYLOADS: dict[Kind, PayloadType] = {
    Kind.COMMIT: Commit,
    Kind.COMMIT_LIST: SeatList,
    Kind.REVEAL: Reveal,
    Kind.REVEAL_LIST: SeatList,
    Kind.PROPOSAL: Proposal,
    Kind.PREVOTE: Prevote,
    Kind.PRECOMMIT: Precommit,
}


class Fault(IntEnum):
    """What the evidence proves."""

    EQUIVOCATION = 0  # two statements in one slot
    AMNESIA = 1  # precommit(v1, X), then prevote(v2 > v1, Y) leaning on a view before v1


class Evidence(Wire, frozen=True):
    """Two signed statements of one seat in one round, and what they prove together."""

    fault: int
    first: Signed
    second: Signed


def decode_payload(kind: int, payload: bytes) -> Payload:
    """Decode a statement's payload by its kind.

    Raises:
        PeerError: No seat may sign this kind, or the bytes are not its payload.
        LimitExceeded: The payload is too long.
    """
    try:
        payload_type = PAYLOADS[Kind(kind)]
    except (KeyError, ValueError) as exc:
        raise PeerError(f"statement: got kind {kind}, expected one a seat may sign") from exc
    return decode(payload_type, payload, bytes_max=PAYLOAD_BYTES_MAX)


def get_slot(kind: int, payload: Payload) -> bytes:
    """Return the slot (kind, step, view) that a statement takes; a seat signs one statement a slot."""
    view = payload.view if isinstance(payload, Proposal | Prevote | Precommit) else 0
    return bytes([kind, payload.step & 0xFF, view & 0xFF])


def verify_evidence(
    evidence: Evidence, *, round_id: bytes, committee: Committee, network_id: NetworkId, verifier: Verifier
) -> None:
    """Check evidence from its bytes alone.

    Args:
        evidence: The two statements.
        round_id: The round both must belong to.
        committee: The round's seats.
        network_id: The network both were signed for.
        verifier: Checks signatures.

    Raises:
        VerificationError: A signature does not hold, or the statements do not exclude each other.
        PeerError: A payload is malformed.
        LimitExceeded: A payload is too long.
    """
    first, second = evidence.first, evidence.second
    if first.seat != second.seat or not 0 <= first.seat < committee.n:
        raise VerificationError(4, "evidence: the two statements are not one seat's")
    if first.kind not in SEAT_KINDS or second.kind not in SEAT_KINDS:
        raise VerificationError(4, "evidence: got a kind that no seat signs")
    payloads = []
    for signed in (first, second):
        key = committee.keys[signed.seat]
        if not verifier.is_valid(key, signed.kind, network_id, sha256(signed.payload), signed.signature):
            raise VerificationError(4, "evidence: a signature does not hold")
        payload = decode_payload(signed.kind, signed.payload)
        if payload.round != round_id:
            raise VerificationError(4, "evidence: a statement belongs to another round")
        payloads.append(payload)
    if evidence.fault == Fault.EQUIVOCATION:
        same_slot = get_slot(first.kind, payloads[0]) == get_slot(second.kind, payloads[1])
        if not same_slot or first.payload == second.payload:
            raise VerificationError(4, "evidence: the statements do not share a slot, or are the same")
    elif evidence.fault == Fault.AMNESIA:
        if not is_amnesia(payloads[0], payloads[1]):
            raise VerificationError(4, "evidence: the votes are allowed together")
    else:
        raise VerificationError(4, f"evidence: got fault {evidence.fault}, expected 0 or 1")


def is_amnesia(first: Payload, second: Payload) -> bool:
    """Say whether a prevote forgets an earlier precommit: precommit(v1, X), prevote(v2 > v1, Y), pol < v1."""
    return (
        isinstance(first, Precommit)
        and isinstance(second, Prevote)
        and first.step == second.step
        and NIL not in (first.value, second.value)
        and first.value != second.value
        and second.view > first.view
        and second.pol_view < first.view
    )
