"""Evidence: two signed statements that exclude each other; honest pairs prove nothing."""

import pytest

from consensus.committee import Committee
from consensus.encoding import Wire, encode
from consensus.errors import PeerError, VerificationError
from consensus.evidence import (
    PAYLOADS,
    Evidence,
    Fault,
    decode_payload,
    get_slot,
    is_amnesia,
    verify_evidence,
)
from consensus.identity import KeyPair, NetworkId, Verifier
from consensus.messages import (
    NIL,
    SEAT_KINDS,
    Commit,
    Entry,
    Kind,
    Precommit,
    Prevote,
    Proposal,
    Reveal,
    SeatList,
    Signed,
)

SIGNERS = [KeyPair(bytes([place]) * 32) for place in range(4)]
COMMITTEE = Committee(tuple(signer.key for signer in SIGNERS))
NETWORK = NetworkId(b"n" * 32)
ROUND = b"r" * 32
X, Y = b"x" * 32, b"y" * 32


def sign(kind: Kind, payload: Wire, seat: int = 1, network: NetworkId = NETWORK) -> Signed:
    data = encode(payload)
    return Signed(int(kind), seat, data, SIGNERS[seat].sign(kind, network, data))


def verify(fault: int, first: Signed, second: Signed) -> None:
    verify_evidence(
        Evidence(fault, first, second),
        round_id=ROUND,
        committee=COMMITTEE,
        network_id=NETWORK,
        verifier=Verifier(),
    )


def is_proof(fault: int, first: Signed, second: Signed) -> bool:
    try:
        verify(fault, first, second)
    except VerificationError as exc:
        return exc.step != 4
    return True


PAIRS: dict[Kind, tuple[Wire, Wire]] = {
    Kind.COMMIT: (Commit(ROUND, 0, X), Commit(ROUND, 0, Y)),
    Kind.COMMIT_LIST: (SeatList(ROUND, 0, ()), SeatList(ROUND, 0, (Entry(1, X),))),
    Kind.REVEAL: (Reveal(ROUND, 1, X, b"s", b"b"), Reveal(ROUND, 1, Y, b"s", b"b")),
    Kind.REVEAL_LIST: (SeatList(ROUND, 2, ()), SeatList(ROUND, 2, (Entry(1, X),))),
    Kind.PROPOSAL: (Proposal(ROUND, 0, 3, X, -1), Proposal(ROUND, 0, 3, Y, -1)),
    Kind.PREVOTE: (Prevote(ROUND, 0, 1, X, -1), Prevote(ROUND, 0, 1, X, 0)),
    Kind.PRECOMMIT: (Precommit(ROUND, 0, 1, X), Precommit(ROUND, 0, 1, NIL)),
}


def test_every_kind_that_a_seat_signs_has_a_payload() -> None:
    assert sorted(PAYLOADS) == sorted(SEAT_KINDS) == sorted(PAIRS)


@pytest.mark.parametrize("kind", PAIRS)
def test_two_statements_in_one_slot_are_equivocation(kind: Kind) -> None:
    first, second = (sign(kind, payload) for payload in PAIRS[kind])
    assert is_proof(Fault.EQUIVOCATION, first, second)
    assert is_proof(Fault.EQUIVOCATION, second, first)
    assert not is_proof(Fault.EQUIVOCATION, first, first)


PREVOTE_X = sign(Kind.PREVOTE, Prevote(ROUND, 0, 0, X, -1))
ONE_ENTRY = SeatList(ROUND, 0, (Entry(1, X),))
HONEST: dict[str, tuple[Signed, Signed]] = {
    "two steps": (sign(Kind.COMMIT, Commit(ROUND, 0, X)), sign(Kind.COMMIT, Commit(ROUND, 1, Y))),
    "two views": (
        PREVOTE_X,
        sign(Kind.PREVOTE, Prevote(ROUND, 0, 1, Y, -1)),
    ),
    "two kinds": (
        PREVOTE_X,
        sign(Kind.PRECOMMIT, Precommit(ROUND, 0, 0, NIL)),
    ),
    "both lists": (sign(Kind.COMMIT_LIST, SeatList(ROUND, 0, ())), sign(Kind.REVEAL_LIST, ONE_ENTRY)),
    "two seats": (sign(Kind.COMMIT, Commit(ROUND, 0, X), 1), sign(Kind.COMMIT, Commit(ROUND, 0, Y), 2)),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_pairs_are_no_equivocation(name: str) -> None:
    assert not is_proof(Fault.EQUIVOCATION, *HONEST[name])


def amnesia(v1: int, x: bytes, v2: int, y: bytes, pol_view: int, step: int = 0) -> bool:
    first = sign(Kind.PRECOMMIT, Precommit(ROUND, 0, v1, x))
    second = sign(Kind.PREVOTE, Prevote(ROUND, step, v2, y, pol_view))
    claimed = is_proof(Fault.AMNESIA, first, second)
    assert claimed == is_amnesia(Precommit(ROUND, 0, v1, x), Prevote(ROUND, step, v2, y, pol_view))
    assert not is_proof(Fault.AMNESIA, second, first)
    assert not is_proof(Fault.EQUIVOCATION, first, second)
    return claimed


def test_forgetting_a_lock_is_amnesia() -> None:
    assert amnesia(0, X, 1, Y, -1)
    assert amnesia(3, X, 7, Y, 2)


@pytest.mark.parametrize(
    ("v1", "x", "v2", "y", "pol_view", "step"),
    [
        (0, X, 1, X, -1, 0),  # the same value
        (0, X, 1, Y, 0, 0),  # a proof as new as the lock
        (2, X, 4, Y, 3, 0),  # a newer proof
        (0, X, 1, NIL, -1, 0),  # nil is always allowed
        (0, NIL, 1, Y, -1, 0),  # nil locks nothing
        (1, X, 1, Y, -1, 0),  # the prevote came before
        (2, X, 1, Y, -1, 0),
        (0, X, 1, Y, -1, 1),  # another step
    ],
)
def test_what_an_honest_seat_may_vote_is_no_amnesia(
    v1: int, x: bytes, v2: int, y: bytes, pol_view: int, step: int
) -> None:
    assert not amnesia(v1, x, v2, y, pol_view, step)


def test_evidence_stands_on_signatures_of_this_round_and_network() -> None:
    first, second = (sign(Kind.COMMIT, payload) for payload in PAIRS[Kind.COMMIT])
    assert is_proof(Fault.EQUIVOCATION, first, second)
    forged = Signed(second.kind, second.seat, second.payload, bytes(64))
    elsewhere = sign(Kind.COMMIT, Commit(ROUND, 0, Y), network=NetworkId(b"m" * 32))
    other_round = sign(Kind.COMMIT, Commit(b"o" * 32, 0, Y))
    moved = Signed(second.kind, 2, second.payload, second.signature)
    for wrong in (forged, elsewhere, other_round, moved):
        assert not is_proof(Fault.EQUIVOCATION, first, wrong)
        assert not is_proof(Fault.EQUIVOCATION, wrong, first)
    assert not is_proof(2, first, second)
    assert not is_proof(-1, first, second)


@pytest.mark.parametrize("seat", [-1, 4, 2**40])
def test_unknown_seats_are_nobodys_evidence(seat: int) -> None:
    first, second = (sign(Kind.COMMIT, payload) for payload in PAIRS[Kind.COMMIT])
    moved = [Signed(one.kind, seat, one.payload, one.signature) for one in (first, second)]
    assert not is_proof(Fault.EQUIVOCATION, moved[0], moved[1])


@pytest.mark.parametrize("kind", [-1, 0, 1, 9, 255, 256, 2**60])
def test_kinds_that_no_seat_signs_prove_nothing(kind: int) -> None:
    first, second = (sign(Kind.COMMIT, payload) for payload in PAIRS[Kind.COMMIT])
    moved = [Signed(kind, 1, one.payload, one.signature) for one in (first, second)]
    with pytest.raises((VerificationError, PeerError)):
        verify(Fault.EQUIVOCATION, moved[0], moved[1])
    with pytest.raises(PeerError):
        decode_payload(kind, first.payload)


def test_slots_tell_kind_step_and_view() -> None:
    slots = {
        get_slot(Kind.COMMIT, Commit(ROUND, 0, X)),
        get_slot(Kind.COMMIT, Commit(ROUND, 1, X)),
        get_slot(Kind.COMMIT_LIST, SeatList(ROUND, 0, ())),
        get_slot(Kind.REVEAL_LIST, SeatList(ROUND, 0, ())),
        get_slot(Kind.PREVOTE, Prevote(ROUND, 0, 0, X, -1)),
        get_slot(Kind.PREVOTE, Prevote(ROUND, 0, 1, X, -1)),
        get_slot(Kind.PRECOMMIT, Precommit(ROUND, 0, 1, X)),
    }
    assert len(slots) == 7
