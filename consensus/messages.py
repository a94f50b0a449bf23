"""Every statement a seat can sign, and how statements travel.

A payload never repeats its author: the key that verifies it names the seat. So seats that say the same
thing sign the same bytes, and q lists or votes travel as one payload with q signatures (`CoSigned`).
Source: docs/protocol.md, "Step s".
"""

from enum import IntEnum

import msgspec

from consensus.encoding import Wire, decode_with
from consensus.hashing import tagged_hash

BODY_BYTES_MAX = 65_536
PAYLOAD_BYTES_MAX = BODY_BYTES_MAX + 1_024
VALUE_BYTES_MAX = 65_536
MESSAGE_BYTES_MAX = 196_608
VIEW_MAX = 255  # views a step may run through; with linear timers this is hours
NIL = b""  # the vote for no value
NO_PROOF = -1  # pol_view of a proposal or prevote that leans on no earlier view (Tendermint's validRound)


class Kind(IntEnum):
    """What a signature is for; part of the signing bytes."""

    QUESTION = 1
    COMMIT = 2
    COMMIT_LIST = 3
    REVEAL = 4
    REVEAL_LIST = 5
    PROPOSAL = 6
    PREVOTE = 7
    PRECOMMIT = 8


SEAT_KINDS = tuple(int(kind) for kind in Kind if kind is not Kind.QUESTION)


class Entry(Wire, frozen=True):
    """One line of a list: a seat and the commit named for it."""

    seat: int
    commit: bytes


class Commit(Wire, frozen=True):
    """A sealed body: `commit` fixes author, salt and body."""

    round: bytes
    step: int
    commit: bytes


class SeatList(Wire, frozen=True):
    """A CommitList or a RevealList: entries by rising seat, at most one a seat."""

    round: bytes
    step: int
    entries: tuple[Entry, ...]


class Reveal(Wire, frozen=True):
    """The opening of a commit."""

    round: bytes
    step: int
    commit: bytes
    salt: bytes
    body: bytes


class Proposal(Wire, frozen=True):
    """A proposer's value for one view; the value and its lists travel beside it."""

    round: bytes
    step: int
    view: int
    value: bytes
    pol_view: int


class Prevote(Wire, frozen=True):
    """First vote of a view; repeats the proposal's pol_view. An empty value is nil."""

    round: bytes
    step: int
    view: int
    value: bytes
    pol_view: int


class Precommit(Wire, frozen=True):
    """Second vote of a view. An empty value is nil."""

    round: bytes
    step: int
    view: int
    value: bytes


class Value(Wire, frozen=True):
    """What a step decides: a pure function of question, previous value, revealed set and bodies."""

    round: bytes
    step: int
    prev: bytes
    revealed: tuple[Entry, ...]
    missing: tuple[int, ...]
    classes: tuple[tuple[int, ...], ...]
    scores: tuple[int, ...]
    p_best_q16: int
    flip_estimate: int
    next: int
    status: int


class Signed(Wire, frozen=True):
    """One statement of one seat: exact payload bytes and the signature over them."""

    kind: int
    seat: int
    payload: bytes
    signature: bytes


class SeatSignature(Wire, frozen=True):
    """A seat's signature over a payload that others sign too."""

    seat: int
    signature: bytes


class CoSigned(Wire, frozen=True):
    """One payload, signed by several seats, by rising seat."""

    payload: bytes
    signatures: tuple[SeatSignature, ...]


class SignedQuestion(Wire, frozen=True):
    """A question's exact bytes and the asker's signature over them."""

    payload: bytes
    signature: bytes


class Certificate(Wire, frozen=True):
    """Exactly q precommits of one view for one value."""

    value: bytes
    precommits: CoSigned


# Messages: a tagged union, the tag an integer in the first place of the array. Each names its round
# outside the signed bytes, so that a signature can be checked before its payload is decoded.


class AskMessage(Wire, frozen=True, tag=1):
    """A question on its way to the committee."""

    question: SignedQuestion


class StandingAskMessage(Wire, frozen=True, tag=13):
    """A question that builds on a standing, and the standing's bytes."""

    question: SignedQuestion
    standing: bytes


def make_ask(question: SignedQuestion, standing: bytes | None) -> AskMessage | StandingAskMessage:
    """Return the message that carries a question and the bytes of the standing it builds on, if any."""
    return AskMessage(question) if standing is None else StandingAskMessage(question, standing)


class StatementMessage(Wire, frozen=True, tag=2):
    """A commit, a list or a vote."""

    round: bytes
    signed: Signed


class CommitsMessage(Wire, frozen=True, tag=12):
    """Commits of other seats, passed on so that no seat can show its commit to some only."""

    round: bytes
    commits: tuple[Signed, ...]


class RevealMessage(Wire, frozen=True, tag=3):
    """A reveal with the commit lists that name it (none when it answers a BodyRequest)."""

    round: bytes
    signed: Signed
    commit_lists: tuple[CoSigned, ...]


class ProposalMessage(Wire, frozen=True, tag=4):
    """A proposal with its value, exactly q reveal lists, and q prevotes where it leans on a view."""

    round: bytes
    signed: Signed
    value: bytes
    reveal_lists: tuple[CoSigned, ...]
    prevotes: tuple[CoSigned, ...]


class CertificateMessage(Wire, frozen=True, tag=5):
    """A decided value, its certificate, and q reveal lists that show where its set came from."""

    round: bytes
    certificate: Certificate
    reveal_lists: tuple[CoSigned, ...]


class BodyRequest(Wire, frozen=True, tag=6):
    """Asks for the reveals behind these entries."""

    round: bytes
    step: int
    entries: tuple[Entry, ...]


class ReceiptRequest(Wire, frozen=True, tag=7):
    """Asks for chunk `index` of a round's receipt."""

    round: bytes
    index: int


class ReceiptChunk(Wire, frozen=True, tag=8):
    """Chunk `index` of `count`."""

    round: bytes
    index: int
    count: int
    data: bytes


class RoundClosed(Wire, frozen=True, tag=9):
    """Tells the asker that a certified result is on this node's disk."""

    round: bytes
    result: bytes
    status: int


class ProgressMessage(Wire, frozen=True, tag=10):
    """Tells the asker how far this node sees its round. Unsigned: shown, never believed."""

    round: bytes
    step: int
    phase: int
    seats: int


BUSY_PREFIX = "busy: "
"""How the reason of a refusal begins that holds for the moment only: the asker may ask the same again."""


class RefusalMessage(Wire, frozen=True, tag=11):
    """Tells the asker why its question is not taken."""

    round: bytes
    reason: bytes


class CancelMessage(Wire, frozen=True, tag=14):
    """Tells a peer that its asker wants no answer any more. The link says who the asker is."""

    round: bytes


class QuestionAnnouncement(Wire, frozen=True, tag=15):
    """Tells a seat that the sender has a round's question, which is too long to be sent unasked."""

    round: bytes


class QuestionRequest(Wire, frozen=True, tag=16):
    """Asks whoever announced a round's question for it."""

    round: bytes


SeatMessage = (
    StatementMessage | CommitsMessage | RevealMessage | ProposalMessage | CertificateMessage | BodyRequest
)  # what the seats of a round say to each other

Message = (
    AskMessage
    | StandingAskMessage
    | StatementMessage
    | CommitsMessage
    | RevealMessage
    | ProposalMessage
    | CertificateMessage
    | BodyRequest
    | ReceiptRequest
    | ReceiptChunk
    | RoundClosed
    | ProgressMessage
    | RefusalMessage
    | CancelMessage
    | QuestionAnnouncement
    | QuestionRequest
)


_MESSAGE_DECODER: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def decode_message(data: bytes) -> Message:
    """Decode a message from the wire.

    Raises:
        LimitExceeded: It is longer than MESSAGE_BYTES_MAX.
        PeerError: It is no message, or not in canonical form.
    """
    return decode_with(_MESSAGE_DECODER, data, name="message", bytes_max=MESSAGE_BYTES_MAX)


def compute_commit(
    *, network: bytes, round_id: bytes, step: int, author: bytes, prev: bytes, salt: bytes, body: bytes
) -> bytes:
    """Return the commit to `body`; the author's key is in the preimage, so nobody can adopt it."""
    return tagged_hash("commit", network, round_id, step, author, prev, salt, tagged_hash("body", body))


def compute_value_digest(value: bytes) -> bytes:
    """Return the digest votes name: of the value's exact bytes."""
    return tagged_hash("value", value)
