"""What attackers say on a link: bytes that are no frame of ours, and frames that cost whoever reads them."""

import secrets
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consensus.encoding import Wire, encode
from consensus.genesis import Network
from consensus.identity import KeyPair
from consensus.messages import (
    BODY_BYTES_MAX,
    AskMessage,
    BodyRequest,
    Commit,
    Kind,
    ReceiptRequest,
    Signed,
    SignedQuestion,
    StatementMessage,
)
from consensus.question import Question, Turn, compute_round_id, sign_question
from swarm.edge.addresses import sign_record
from swarm.edge.control import PresenceMessage, RecordsMessage, RelayedMessage, encode_control
from swarm.edge.transport import pack_messages

TEXT: Final = 0x1
BINARY: Final = 0x2
BATCH_FRAMES: Final = 240
HUGE_BYTES: Final = 50_000_000
LARGE_MESSAGES: Final = 3
SHORT: Final = 126
SHORT_MAX, MEDIUM_MAX = 125, 65_535


@dataclass(frozen=True, slots=True)
class Batch:
    """Several frames in one write."""

    data: bytes
    frames: int


def make_frame(payload: bytes, opcode: int = BINARY, *, claimed: int | None = None) -> bytes:
    """Return a WebSocket frame as clients send it, under a mask of zeros (RFC 6455 section 5.2).

    Args:
        payload: What it holds.
        opcode: What it says to hold.
        claimed: The length it says to have, bytes; the true one where None.
    """
    size = len(payload) if claimed is None else claimed
    if size <= SHORT_MAX:
        head = bytes([0x80 | opcode, 0x80 | size])
    elif size <= MEDIUM_MAX:
        head = bytes([0x80 | opcode, 0x80 | SHORT]) + struct.pack("!H", size)
    else:
        head = bytes([0x80 | opcode, 0x80 | (SHORT + 1)]) + struct.pack("!Q", size)
    return head + bytes(4) + payload


def join_frames(frames: Sequence[bytes], count: int = BATCH_FRAMES) -> Batch:
    """Return so many frames, taking turns."""
    return Batch(b"".join(frames[place % len(frames)] for place in range(count)), count)


def frame_message(message: Wire | bytes) -> bytes:
    """Return a frame that holds one message."""
    return make_frame(pack_messages([message if isinstance(message, bytes) else encode(message)]))


def make_question(network: Network, signer: KeyPair, counter: int) -> SignedQuestion:
    """Return a question that every member has a seat in."""
    question = Question(
        version=1,
        network=network.network_id,
        asker=signer.key,
        counter=counter,
        header=network.network_id,
        turns=(Turn(1, b"What is 7 times 12?"),),
        temperature_milli=700,
        tokens_max=64,
        seats=len(network.keys),
        calls_per_peer=6,
        steps_max=1,
        answer_ms=6_000,
        ballot_ms=6_000,
        reveal_ms=3_000,
        attestation=0,
    )
    return sign_question(question, signer, network)


def make_malformed(network: Network, signer: KeyPair, heard: SignedQuestion | None) -> Batch:
    """Return frames each of which breaks a rule; of the round that was heard of, if one was."""
    question = heard or make_question(network, signer, 0)
    round_id = compute_round_id(question.payload)
    commit = encode(Commit(round_id, 0, bytes(32)))
    return join_frames(
        (
            make_frame(b"text", TEXT),
            make_frame(b"\xff" * 40),
            frame_message(b"\xff" * 40),
            frame_message(b"\x92\x63\xc0"),
            frame_message(AskMessage(SignedQuestion(question.payload, bytes(64)))),
            frame_message(StatementMessage(round_id, Signed(int(Kind.COMMIT), 0, commit, bytes(64)))),
            frame_message(StatementMessage(round_id, Signed(int(Kind.COMMIT), 99, commit, bytes(64)))),
        )
    )


def make_tiresome(network: Network, signer: KeyPair, heard: SignedQuestion | None) -> Batch:
    """Return frames that honest peers send too, though not so many: they are nobody's fault."""
    replayed = heard or make_question(network, signer, 0)
    return join_frames(
        [
            frame_message(AskMessage(replayed)),
            frame_message(BodyRequest(secrets.token_bytes(32), 0, ())),
            frame_message(ReceiptRequest(secrets.token_bytes(32), 0)),
            frame_message(ReceiptRequest(compute_round_id(replayed.payload), 0)),
        ]
    )


def make_large(_network: Network, _signer: KeyPair, _heard: SignedQuestion | None) -> Batch:
    """Return a frame nearly as long as one may be, of statements in rounds that nobody knows yet."""
    statement = Signed(int(Kind.COMMIT), 0, bytes(BODY_BYTES_MAX), bytes(64))
    said = [encode(StatementMessage(secrets.token_bytes(32), statement)) for _ in range(LARGE_MESSAGES)]
    return Batch(make_frame(pack_messages(said)), 1)


def make_huge(_network: Network, _signer: KeyPair, _heard: SignedQuestion | None) -> Batch:
    """Return the beginning of a frame that says to be far too long, and as much of it as one write takes."""
    return Batch(make_frame(bytes(1 << 20), claimed=HUGE_BYTES), 1)


def make_control(network: Network, signer: KeyPair, _heard: SignedQuestion | None) -> Batch:
    """Return control messages: good records, presence, and frames for relaying that are no good."""
    now_ms = int(time.time() * 1_000)
    record = sign_record(signer, network.network_id, ("wss://127.0.0.1:1",), issued_ms=now_ms).signed
    forged = RelayedMessage(secrets.token_bytes(200), bytes(64))
    said = (RecordsMessage((record,)), PresenceMessage(secrets.token_bytes(1)), forged)
    return join_frames([frame_message(encode_control(message)) for message in said])
