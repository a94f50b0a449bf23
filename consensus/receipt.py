"""A round's receipt: everything a stranger needs to recompute who won and to check who said so."""

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.decision import ClosedStep, RoundFacts
from consensus.encoding import Wire, decode, encode
from consensus.errors import LimitExceeded, PeerError, VerificationError
from consensus.hashing import tagged_hash
from consensus.messages import (
    VALUE_BYTES_MAX,
    CoSigned,
    SeatSignature,
    SignedQuestion,
    Value,
    compute_value_digest,
)

RECEIPT_MAGIC = b"peerage-receipt"
RECEIPT_VERSION = 1
STANDING_RECEIPT_VERSION = 2  # of a round that builds on a standing
RECEIPT_BYTES_MAX = 8 * 1024 * 1024
_ARRAY_OF_SIX = b"\x96"  # msgpack: what a receipt with a standing begins with


class ReceiptReveal(Wire, frozen=True):
    """One seat's signed reveal; its payload carries commit, salt and body."""

    payload: bytes
    signature: SeatSignature


class ReceiptStep(Wire, frozen=True):
    """One decided step: what counted, why it counted, what was decided, who certified it."""

    reveals: tuple[ReceiptReveal, ...]
    reveal_lists: tuple[CoSigned, ...]
    value: bytes
    precommits: CoSigned


class Receipt(Wire, frozen=True):
    """The whole round. Different signer subsets may certify one result: compare values, not receipts."""

    magic: bytes
    version: int
    genesis: bytes
    question: SignedQuestion
    steps: tuple[ReceiptStep, ...]


class StandingReceipt(Receipt, frozen=True):
    """The receipt of a round that builds on a standing, which it holds."""

    standing: bytes


@dataclass(frozen=True, slots=True)
class StepProof:
    """What certified a step: the precommits, and the reveal lists its set came from."""

    precommits: CoSigned
    reveal_lists: tuple[CoSigned, ...]


def create_receipt(facts: RoundFacts, closed: Sequence[ClosedStep], proofs: Sequence[StepProof]) -> bytes:
    """Return the exact bytes of a finished round's receipt."""
    steps = tuple(
        ReceiptStep(
            reveals=tuple(
                ReceiptReveal(opening.signed.payload, SeatSignature(opening.seat, opening.signed.signature))
                for opening in step.openings
            ),
            reveal_lists=proof.reveal_lists,
            value=step.outcome.value_bytes,
            precommits=proof.precommits,
        )
        for step, proof in zip(closed, proofs, strict=True)
    )
    genesis, question = facts.network.genesis_bytes, SignedQuestion(facts.payload, facts.signature)
    if facts.standing is None:
        return encode(Receipt(RECEIPT_MAGIC, RECEIPT_VERSION, genesis, question, steps))
    standing = facts.standing.data
    return encode(
        StandingReceipt(RECEIPT_MAGIC, STANDING_RECEIPT_VERSION, genesis, question, steps, standing)
    )


def open_receipt(data: bytes) -> Receipt:
    """Decode a receipt strictly; nothing in it is believed yet.

    Raises:
        VerificationError: Step 1 does not hold.
    """
    has_standing = data[:1] == _ARRAY_OF_SIX
    version = STANDING_RECEIPT_VERSION if has_standing else RECEIPT_VERSION
    try:
        kind = StandingReceipt if has_standing else Receipt
        receipt: Receipt = decode(kind, data, bytes_max=RECEIPT_BYTES_MAX)
    except (PeerError, LimitExceeded) as exc:
        raise VerificationError(1, exc.message) from exc
    if receipt.magic != RECEIPT_MAGIC:
        raise VerificationError(1, "receipt: got a file that is not a Peerage receipt")
    if receipt.version != version:
        raise VerificationError(1, f"receipt: got version {receipt.version}, expected {version}")
    if has_standing and not get_standing(receipt):
        raise VerificationError(1, "receipt: got version 2 without a standing")
    return receipt


def get_standing(receipt: Receipt) -> bytes:
    """Return the bytes of the standing that a receipt holds, unverified; empty where it holds none."""
    return receipt.standing if isinstance(receipt, StandingReceipt) else b""


def compute_receipt_digest(data: bytes) -> bytes:
    """Return the digest of a receipt's exact bytes; names this file, not the result."""
    return tagged_hash("receipt", data)


@dataclass(frozen=True, slots=True)
class Result:
    """A receipt's own word on its result, unverified."""

    digest: bytes
    status: int


def get_result(receipt: Receipt) -> Result:
    """Return the digest and status of a receipt's last value, unverified.

    Raises:
        VerificationError: There is no last value, or it does not decode.
    """
    if not receipt.steps:
        raise VerificationError(1, "receipt: got no step, expected at least one")
    data = receipt.steps[-1].value
    try:
        value = decode(Value, data, bytes_max=VALUE_BYTES_MAX)
    except (PeerError, LimitExceeded) as exc:
        raise VerificationError(1, exc.message) from exc
    return Result(compute_value_digest(data), value.status)
