"""A finished round as this node's disk remembers it: what a seat that is late still needs.

A node that restarts after the end of a round keeps its receipt and nothing else. Without an answer from it a
late seat would repeat itself until it gives up (docs/adr/0014).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from consensus.committee import draw_committee
from consensus.encoding import decode
from consensus.errors import PeerError
from consensus.evidence import decode_payload
from consensus.genesis import Network
from consensus.identity import PeerKey
from consensus.messages import (
    VALUE_BYTES_MAX,
    BodyRequest,
    Certificate,
    CertificateMessage,
    CommitsMessage,
    Kind,
    ProposalMessage,
    Reveal,
    RevealMessage,
    SeatMessage,
    Signed,
    StatementMessage,
    Value,
)
from consensus.question import QUESTION_BYTES_MAX, Question, compute_round_id
from consensus.receipt import ReceiptStep, open_receipt
from consensus.round import BODY_REQUEST_MAX

ARCHIVES_MAX = 8  # receipts held open at once; another late seat's round takes the oldest's place


@dataclass(slots=True)
class Archive:
    """One finished round."""

    round_id: bytes
    keys: tuple[PeerKey, ...]
    answer_again_ms: int
    steps: tuple[ReceiptStep, ...]
    answered_ms: dict[tuple[bytes, int], int] = field(default_factory=dict)  # by seat's key and step

    def answer(
        self, message: SeatMessage, sender: PeerKey, now_ms: int
    ) -> Sequence[CertificateMessage | RevealMessage]:
        """Return what helps the seat that sent `message`: a certificate, or the bodies it asks for.

        Raises:
            PeerError: The message names no step.
            LimitExceeded: It carries more than it may.
        """
        if sender not in self.keys:
            return ()
        if isinstance(message, BodyRequest):
            return self._find_reveals(message)
        step = _find_step(message)
        if step is None or not 0 <= step < len(self.steps):
            return ()
        last = self.answered_ms.get((sender, step))
        if last is not None and now_ms - last < self.answer_again_ms:
            return ()
        self.answered_ms[sender, step] = now_ms
        kept = self.steps[step]
        certificate = Certificate(kept.value, kept.precommits)
        return (CertificateMessage(self.round_id, certificate, kept.reveal_lists),)

    def _find_reveals(self, request: BodyRequest) -> Sequence[RevealMessage]:
        if not 0 <= request.step < len(self.steps):
            return ()
        wanted = [entry.commit for entry in request.entries[:BODY_REQUEST_MAX]]
        found = []
        for kept in self.steps[request.step].reveals:
            content = decode_payload(Kind.REVEAL, kept.payload)
            if isinstance(content, Reveal) and content.commit in wanted:
                seat, signature = kept.signature.seat, kept.signature.signature
                signed = Signed(int(Kind.REVEAL), seat, kept.payload, signature)
                found.append(RevealMessage(self.round_id, signed, ()))
        return found


def open_archive(receipt: bytes, network: Network, *, answer_again_ms: int) -> Archive:
    """Open a receipt of one's own disk; a seat is answered once a step in so many milliseconds.

    Raises:
        VerificationError: The disk has damaged it.
        PeerError: Likewise.
    """
    opened = open_receipt(receipt)
    question = decode(Question, opened.question.payload, bytes_max=QUESTION_BYTES_MAX)
    committee = draw_committee(network, question)
    return Archive(compute_round_id(opened.question.payload), committee.keys, answer_again_ms, opened.steps)


def _find_step(message: SeatMessage) -> int | None:
    """Return the step that the sender of a message needs to see closed."""
    match message:
        case StatementMessage(_, signed) | RevealMessage(_, signed) | ProposalMessage(_, signed):
            return decode_payload(signed.kind, signed.payload).step
        case CertificateMessage(_, certificate):
            # It holds this one, and waits in the step after it.
            return decode(Value, certificate.value, bytes_max=VALUE_BYTES_MAX).step + 1
        case CommitsMessage():
            return None  # its own commit comes by itself as well
        case BodyRequest():
            raise PeerError("body request: answered elsewhere")
