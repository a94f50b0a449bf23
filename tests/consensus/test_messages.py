"""Messages and everything else that hostile bytes reach first: round trips, and a storm of bad bytes."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.bodies import open_answer, open_ballot
from consensus.decision import get_dealt
from consensus.encoding import Wire, encode
from consensus.errors import LimitExceeded, PeerError, VerificationError
from consensus.evidence import decode_payload
from consensus.genesis import open_network
from consensus.hashing import tagged_hash
from consensus.identity import Verifier
from consensus.messages import (
    MESSAGE_BYTES_MAX,
    SEAT_KINDS,
    AskMessage,
    BodyRequest,
    CancelMessage,
    Certificate,
    CertificateMessage,
    CommitsMessage,
    CoSigned,
    Entry,
    Kind,
    Message,
    ProgressMessage,
    ProposalMessage,
    QuestionAnnouncement,
    QuestionRequest,
    ReceiptChunk,
    ReceiptRequest,
    RefusalMessage,
    RevealMessage,
    RoundClosed,
    SeatSignature,
    Signed,
    SignedQuestion,
    StandingAskMessage,
    StatementMessage,
    compute_commit,
    compute_value_digest,
    decode_message,
)
from consensus.question import open_question
from consensus.receipt import get_result, open_receipt
from consensus.standing import open_standing
from models.scripted import ScriptedModel
from sim_net.world import World
from swarm.core.actions import Send
from tests.consensus.receipt_kit import get_kit

INTS = st.integers(min_value=-(2**63), max_value=2**64 - 1)
BYTES = st.binary(max_size=80)
SIGNED = st.builds(Signed, INTS, INTS, BYTES, BYTES)
ENTRIES = st.lists(st.builds(Entry, INTS, BYTES), max_size=4).map(tuple)
COSIGNED = st.builds(CoSigned, BYTES, st.lists(st.builds(SeatSignature, INTS, BYTES), max_size=4).map(tuple))
GROUPS = st.lists(COSIGNED, max_size=3).map(tuple)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(AskMessage, st.builds(SignedQuestion, BYTES, BYTES)),
    st.builds(StandingAskMessage, st.builds(SignedQuestion, BYTES, BYTES), BYTES),
    st.builds(StatementMessage, BYTES, SIGNED),
    st.builds(CommitsMessage, BYTES, st.lists(SIGNED, max_size=4).map(tuple)),
    st.builds(RevealMessage, BYTES, SIGNED, GROUPS),
    st.builds(ProposalMessage, BYTES, SIGNED, BYTES, GROUPS, GROUPS),
    st.builds(CertificateMessage, BYTES, st.builds(Certificate, BYTES, COSIGNED), GROUPS),
    st.builds(BodyRequest, BYTES, INTS, ENTRIES),
    st.builds(ReceiptRequest, BYTES, INTS),
    st.builds(ReceiptChunk, BYTES, INTS, INTS, BYTES),
    st.builds(RoundClosed, BYTES, BYTES, INTS),
    st.builds(ProgressMessage, BYTES, INTS, INTS, INTS),
    st.builds(RefusalMessage, BYTES, BYTES),
    st.builds(CancelMessage, BYTES),
    st.builds(QuestionAnnouncement, BYTES),
    st.builds(QuestionRequest, BYTES),
)


@given(MESSAGES)
def test_messages_survive_the_wire(message: Message) -> None:
    assert decode_message(encode(message)) == message


def test_messages_have_distinct_tags() -> None:
    first = [encode(message)[1] for message in EXAMPLES]
    assert len(set(first)) == len(EXAMPLES) == 16


EXAMPLES: tuple[Message, ...] = (
    AskMessage(SignedQuestion(b"", b"")),
    StandingAskMessage(SignedQuestion(b"", b""), b""),
    StatementMessage(b"", Signed(0, 0, b"", b"")),
    CommitsMessage(b"", ()),
    RevealMessage(b"", Signed(0, 0, b"", b""), ()),
    ProposalMessage(b"", Signed(0, 0, b"", b""), b"", (), ()),
    CertificateMessage(b"", Certificate(b"", CoSigned(b"", ())), ()),
    BodyRequest(b"", 0, ()),
    ReceiptRequest(b"", 0),
    ReceiptChunk(b"", 0, 0, b""),
    RoundClosed(b"", b"", 0),
    ProgressMessage(b"", 0, 0, 0),
    RefusalMessage(b"", b""),
    CancelMessage(b""),
    QuestionAnnouncement(b""),
    QuestionRequest(b""),
)


def test_a_message_has_a_limit() -> None:
    longest = MESSAGE_BYTES_MAX - len(encode(RefusalMessage(b"", b"x" * 70_000))) + 70_000
    assert decode_message(encode(RefusalMessage(b"", b"x" * longest)))
    with pytest.raises(LimitExceeded):
        decode_message(encode(RefusalMessage(b"", b"x" * (longest + 1))))


def test_questions_are_no_statements_of_seats() -> None:
    assert Kind.QUESTION not in SEAT_KINDS
    assert list(SEAT_KINDS) == [kind for kind in Kind if kind is not Kind.QUESTION]


COMMIT_FIELDS = {
    "network": b"n" * 32,
    "round_id": b"r" * 32,
    "author": b"a" * 32,
    "prev": b"p" * 32,
    "salt": b"s" * 32,
    "body": b"b",
}


@pytest.mark.parametrize("name", [*COMMIT_FIELDS, "step"])
def test_a_commit_depends_on_every_field(name: str) -> None:
    def commit(step: int = 0, **changes: bytes) -> bytes:
        fields = COMMIT_FIELDS | changes
        return compute_commit(
            network=fields["network"],
            round_id=fields["round_id"],
            step=step,
            author=fields["author"],
            prev=fields["prev"],
            salt=fields["salt"],
            body=fields["body"],
        )

    changed = commit(step=1) if name == "step" else commit(0, **{name: b"another"})
    assert changed != commit()


def test_a_value_and_a_body_never_share_a_digest() -> None:
    assert compute_value_digest(b"x") != compute_value_digest(b"y")
    assert len(compute_value_digest(b"")) == 32


# -- the storm ---------------------------------------------------------------------------------------

STORM = 18_000  # inputs a target
TARGETS = (
    *("decode_message", "open_receipt", "open_network", "open_question"),
    *("open_answer", "open_ballot", "decode_payload", "open_standing"),
)


def get_frames() -> list[bytes]:
    """Return one real frame of each kind that a round sends."""
    world = World(seed=1, models=[ScriptedModel()] * 4)
    frames: dict[int, bytes] = {}

    def watch(index: int, send: Send) -> list[Send]:
        frames.setdefault(send.data[1], send.data)
        return [send]

    world.tampers.append(watch)
    world.ask("What is 7 times 12?", steps_max=1)
    world.run(until_ms=60_000)
    return [*frames.values(), *(encode(example) for example in EXAMPLES)]


def mutate(dice: random.Random, data: bytes) -> bytes:
    """Return `data` with one or two wounds."""
    out = bytearray(data)
    for _ in range(dice.randrange(1, 3)):
        at = dice.randrange(len(out)) if out else 0
        match dice.randrange(6):
            case 0 if out:
                out[at] = dice.randrange(256)
            case 1 if out:
                del out[at : at + dice.randrange(1, 9)]
            case 2:
                out[at:at] = dice.randbytes(dice.randrange(1, 6))
            case 3 if out:
                out[at] = dice.choice((0xC0, 0xC3, 0xCF, 0xD9, 0xDD, 0xDF, 0xC6, 0xFF, 0x90, 0x80))
            case 4:
                del out[at:]
            case _:
                out += out[at : at + 40]
    return bytes(out)


def storm(target: Callable[[bytes], Wire | object], seeds: list[bytes]) -> int:
    """Feed a target with mutations and noise; only the three errors of hostile input may come out."""
    dice = random.Random("storm")
    refused = 0
    for turn in range(STORM):
        data = dice.randbytes(dice.randrange(60)) if turn % 8 == 0 else mutate(dice, dice.choice(seeds))
        try:
            target(data)
        except (PeerError, LimitExceeded, VerificationError):
            refused += 1
    return refused


def open_any_standing(data: bytes) -> object:
    """Open a standing as if the question's header named these very bytes."""
    header = tagged_hash("standing", data)
    return open_standing(data, header=header, network=get_kit("standing").facts.network)


def get_targets() -> dict[str, tuple[Callable[[bytes], object], list[bytes]]]:
    kit = get_kit("four")
    network, verifier = kit.facts.network, Verifier()
    question = kit.receipt.question
    answers = [kit.get_reveal(0, place).body for place in range(4)]
    ballots = [kit.get_reveal(1, place).body for place in range(4)]
    prev, dealt = kit.closed[0].outcome.digest, get_dealt(kit.closed[:1], 0)
    payloads = [kit.receipt.steps[0].reveals[0].payload, kit.receipt.steps[0].precommits.payload]
    payloads += [groups.payload for groups in kit.receipt.steps[0].reveal_lists]
    return {
        "decode_message": (decode_message, get_frames()),
        "open_receipt": (lambda data: get_result(open_receipt(data)), [get_kit("unanimous").data]),
        "open_network": (open_network, [network.genesis_bytes]),
        "open_standing": (open_any_standing, [get_kit("standing").standing.data]),
        "open_question": (
            lambda data: open_question(SignedQuestion(data, question.signature), network, verifier),
            [question.payload],
        ),
        "open_answer": (lambda data: open_answer(data, tokens_max=64), answers),
        "open_ballot": (lambda data: open_ballot(data, prev=prev, dealt=dealt), ballots),
        "decode_payload": (
            lambda data: decode_payload(data[0] if data else 0, data[1:]),
            [bytes([kind]) + payload for kind in range(10) for payload in payloads],
        ),
    }


@pytest.mark.parametrize("name", TARGETS)
def test_a_storm_of_bad_bytes_raises_nothing_but_what_it_may(name: str) -> None:
    target, seeds = get_targets()[name]
    assert storm(target, seeds) > STORM // 3
