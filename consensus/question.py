"""A question: what is asked, of how many seats, within which limits; signed by its asker."""

from enum import IntEnum
from typing import NewType

from consensus.encoding import Wire, decode, encode
from consensus.errors import ConfigError, LimitExceeded, PeerError
from consensus.genesis import SEATS_MAX, SEATS_MIN, STEPS_MAX, Network
from consensus.hashing import DIGEST_BYTES, sha256, tagged_hash
from consensus.identity import KEY_BYTES, Signer, Verifier
from consensus.messages import Kind, SignedQuestion
from ranking.canonical import CALLS_PER_PEER_MIN

RoundId = NewType("RoundId", bytes)

QUESTION_VERSION = 1
QUESTION_BYTES_MAX = 65_536
TURNS_MAX = 64
CALLS_MIN = CALLS_PER_PEER_MIN  # below it no deal exists, and every seat would stumble over the question
CALLS_MAX = 30
TOKENS_MAX = 4_096
TEMPERATURE_MILLI_MAX = 4_000
DEADLINE_MS_MIN = 100
DEADLINE_MS_MAX = 86_400_000


class Role(IntEnum):
    """Who speaks in a turn."""

    SYSTEM = 0
    USER = 1
    ASSISTANT = 2


class Attestation(IntEnum):
    """What evidence about the winning inference the asker wants."""

    NONE = 0


class Turn(Wire, frozen=True):
    """One turn of the conversation; the text is UTF-8."""

    role: int
    text: bytes


class Question(Wire, frozen=True):
    """The asker's signed wish. Deadlines run per step: to commit, and from then on to reveal.

    `header` is the network id, or the digest of the standing that the round builds on.
    """

    version: int
    network: bytes
    asker: bytes
    counter: int
    header: bytes
    turns: tuple[Turn, ...]
    temperature_milli: int
    tokens_max: int
    seats: int
    calls_per_peer: int
    steps_max: int
    answer_ms: int
    ballot_ms: int
    reveal_ms: int
    attestation: int


def compute_round_id(payload: bytes) -> RoundId:
    """Return the id of the round that these exact question bytes open."""
    return RoundId(tagged_hash("question", payload))


def sign_question(question: Question, signer: Signer, network: Network) -> SignedQuestion:
    """Sign a question as its asker.

    Raises:
        ConfigError: The question breaks a limit; the message says which.
    """
    payload = encode(question)
    try:
        check_question(question, payload, network)
    except (PeerError, LimitExceeded) as exc:
        raise ConfigError(exc.message) from exc
    return SignedQuestion(payload, signer.sign(Kind.QUESTION, network.network_id, payload))


def open_question(signed: SignedQuestion, network: Network, verifier: Verifier) -> Question:
    """Decode and check a question from the wire; the standing that its header may name is not checked here.

    Raises:
        PeerError: Not well formed, for another network, or not signed by the asker it names.
        LimitExceeded: It is larger than a question may be.
    """
    question = decode(Question, signed.payload, bytes_max=QUESTION_BYTES_MAX)
    check_question(question, signed.payload, network)
    digest = sha256(signed.payload)
    if not verifier.is_valid(question.asker, Kind.QUESTION, network.network_id, digest, signed.signature):
        raise PeerError("question: got a signature that is not the asker's")
    return question


def check_question(question: Question, payload: bytes, network: Network) -> None:
    """Check every field of a question against its limits and its network.

    Raises:
        PeerError: A field is wrong; the message gives what was got and expected.
        LimitExceeded: The encoded question is too long.
    """
    if len(payload) > QUESTION_BYTES_MAX:
        raise LimitExceeded(f"question: got {len(payload)} bytes, expected at most {QUESTION_BYTES_MAX}")
    if question.version != QUESTION_VERSION:
        raise PeerError(f"question: got version {question.version}, expected {QUESTION_VERSION}")
    if question.network != network.network_id:
        raise PeerError("question: got another network's question")
    if len(question.header) != DIGEST_BYTES:
        raise PeerError(f"question: got a header of {len(question.header)} bytes, expected {DIGEST_BYTES}")
    if len(question.asker) != KEY_BYTES:
        raise PeerError(f"question: got an asker key of {len(question.asker)} bytes, expected {KEY_BYTES}")
    _check_turns(question.turns)
    seats_max = min(SEATS_MAX, len(network.keys))
    bounds = (
        ("counter", question.counter, 0, 2**53),
        ("temperature_milli", question.temperature_milli, 0, TEMPERATURE_MILLI_MAX),
        ("tokens_max", question.tokens_max, 1, TOKENS_MAX),
        ("seats", question.seats, SEATS_MIN, seats_max),
        ("calls_per_peer", question.calls_per_peer, CALLS_MIN, CALLS_MAX),
        ("steps_max", question.steps_max, 1, STEPS_MAX),
        ("answer_ms", question.answer_ms, DEADLINE_MS_MIN, DEADLINE_MS_MAX),
        ("ballot_ms", question.ballot_ms, DEADLINE_MS_MIN, DEADLINE_MS_MAX),
        ("reveal_ms", question.reveal_ms, DEADLINE_MS_MIN, DEADLINE_MS_MAX),
        ("attestation", question.attestation, Attestation.NONE, Attestation.NONE),
    )
    for name, got, low, high in bounds:
        if not low <= got <= high:
            raise PeerError(f"question: got {name} {got}, expected {low} to {high}")


def _check_turns(turns: tuple[Turn, ...]) -> None:
    if not 1 <= len(turns) <= TURNS_MAX:
        raise PeerError(f"question: got {len(turns)} turns, expected 1 to {TURNS_MAX}")
    for turn in turns:
        if turn.role not in list(Role):
            raise PeerError(f"question: got role {turn.role}, expected 0, 1 or 2")
        if not is_text(turn.text):
            raise PeerError("question: got a turn that is empty or not UTF-8")
    if turns[-1].role != Role.USER:
        raise PeerError("question: got a last turn that is not the user's")


def is_text(data: bytes) -> bool:
    """Say whether `data` is UTF-8 with at least one character that is not white space."""
    try:
        return bool(data.decode("utf-8").strip())
    except UnicodeDecodeError:
        return False
