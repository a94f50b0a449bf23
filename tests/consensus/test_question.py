"""Every bound of a question, on both of its sides."""

import msgspec
import pytest

from consensus.encoding import encode
from consensus.errors import ConfigError, LimitExceeded, PeerError
from consensus.genesis import Member, create_network
from consensus.identity import KeyPair, Verifier
from consensus.messages import Kind, SignedQuestion
from consensus.question import (
    QUESTION_BYTES_MAX,
    Question,
    Turn,
    check_question,
    compute_round_id,
    is_text,
    open_question,
    sign_question,
)

ASKER = KeyPair(b"a" * 32)
NETWORK = create_network(
    name=b"test",
    beacon=b"b" * 32,
    members=tuple(Member(bytes([place]) * 32, b"") for place in range(1, 8)),
)
GOOD = Question(
    version=1,
    network=NETWORK.network_id,
    asker=ASKER.key,
    counter=0,
    header=NETWORK.network_id,
    turns=(Turn(1, b"What is 7 times 12?"),),
    temperature_milli=700,
    tokens_max=64,
    seats=4,
    calls_per_peer=6,
    steps_max=3,
    answer_ms=1_000,
    ballot_ms=1_000,
    reveal_ms=1_000,
    attestation=0,
)
BOUNDS = {
    "counter": (0, 2**53),
    "temperature_milli": (0, 4_000),
    "tokens_max": (1, 4_096),
    "seats": (4, 7),
    "calls_per_peer": (4, 30),
    "steps_max": (1, 3),
    "answer_ms": (100, 86_400_000),
    "ballot_ms": (100, 86_400_000),
    "reveal_ms": (100, 86_400_000),
    "attestation": (0, 0),
}

USER, ASSISTANT, SYSTEM = 1, 2, 0


def check(**changes: object) -> None:
    question = msgspec.structs.replace(GOOD, **changes)
    check_question(question, encode(question), NETWORK)


@pytest.mark.parametrize("name", BOUNDS)
def test_numbers_stay_within_their_bounds(name: str) -> None:
    low, high = BOUNDS[name]
    check(**{name: low})
    check(**{name: high})
    for wrong in (low - 1, high + 1, -(2**63), 2**64 - 1):
        with pytest.raises(PeerError, match=f"got {name} {wrong}, expected {low} to {high}"):
            check(**{name: wrong})


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ((), "got 0 turns"),
        ((Turn(USER, b"x"),) * 65, "got 65 turns"),
        ((Turn(USER, b""),), "empty or not UTF-8"),
        ((Turn(USER, b" \n\t"),), "empty or not UTF-8"),
        ((Turn(USER, b"\xff"),), "empty or not UTF-8"),
        ((Turn(USER, b"\xed\xa0\x80"),), "empty or not UTF-8"),  # a surrogate
        ((Turn(3, b"x"), Turn(USER, b"x")), "got role 3"),
        ((Turn(-1, b"x"), Turn(USER, b"x")), "got role -1"),
        ((Turn(USER, b"x"), Turn(ASSISTANT, b"y")), "not the user's"),
        ((Turn(SYSTEM, b"x"),), "not the user's"),
    ],
)
def test_turns_that_are_no_conversation_are_refused(turns: tuple[Turn, ...], message: str) -> None:
    with pytest.raises(PeerError, match=message):
        check(turns=turns)


def test_conversations_are_taken() -> None:
    check(turns=(Turn(USER, b"x"),) * 64)
    check(turns=(Turn(SYSTEM, b"s"), Turn(USER, "é ∀".encode()), Turn(ASSISTANT, b"a"), Turn(USER, b"q")))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"version": 2},
        {"network": b"x" * 32},
        {"header": b"x" * 31},
        {"header": b""},
        {"network": b""},
        {"asker": b"k" * 31},
        {"asker": b""},
    ],
)
def test_other_versions_networks_and_keys_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(PeerError):
        check(**change)


def test_a_header_may_name_a_standing_which_is_checked_elsewhere() -> None:
    check(header=b"x" * 32)


def test_a_question_has_a_size() -> None:
    room = QUESTION_BYTES_MAX - len(encode(GOOD)) - 1  # the length of a longer text takes a byte more
    check(turns=(Turn(USER, b"What is 7 times 12?" + b"x" * room),))
    with pytest.raises(LimitExceeded):
        check(turns=(Turn(USER, b"What is 7 times 12?" + b"x" * (room + 1)),))


def test_a_signed_question_opens() -> None:
    signed = sign_question(GOOD, ASKER, NETWORK)
    assert open_question(signed, NETWORK, Verifier()) == GOOD


def test_a_question_that_breaks_a_limit_is_the_askers_own_fault() -> None:
    with pytest.raises(ConfigError, match="seats 3"):
        sign_question(msgspec.structs.replace(GOOD, seats=3), ASKER, NETWORK)
    long = msgspec.structs.replace(GOOD, turns=(Turn(USER, b"x" * QUESTION_BYTES_MAX),))
    with pytest.raises(ConfigError, match="expected at most"):
        sign_question(long, ASKER, NETWORK)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.QUESTION])
def test_a_signature_for_something_else_opens_no_question(kind: Kind) -> None:
    payload = encode(GOOD)
    signed = SignedQuestion(payload, ASKER.sign(kind, NETWORK.network_id, payload))
    with pytest.raises(PeerError, match="not the asker's"):
        open_question(signed, NETWORK, Verifier())


def test_a_question_of_somebody_else_is_refused() -> None:
    thief = KeyPair(b"t" * 32)
    signed = sign_question(GOOD, thief, NETWORK)
    with pytest.raises(PeerError, match="not the asker's"):
        open_question(signed, NETWORK, Verifier())
    with pytest.raises(LimitExceeded):
        open_question(SignedQuestion(bytes(QUESTION_BYTES_MAX + 1), b""), NETWORK, Verifier())


def test_the_round_id_is_of_the_exact_bytes() -> None:
    other = encode(msgspec.structs.replace(GOOD, counter=1))
    assert compute_round_id(encode(GOOD)) == compute_round_id(encode(GOOD)) != compute_round_id(other)


def test_text_is_utf_8_with_something_in_it() -> None:
    assert is_text("ä".encode())
    assert is_text(b" x ")
    for data in (b"", b"  ", b"\n\x0b", b"\x80", "\u2003".encode()):
        assert not is_text(data)
