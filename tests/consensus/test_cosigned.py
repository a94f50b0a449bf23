"""Books and groups of co-signed statements, and the set that lists give."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.committee import Committee
from consensus.cosigned import Book, check_seat_list, compute_revealed, group, open_cosigned
from consensus.encoding import encode
from consensus.errors import PeerError
from consensus.evidence import get_slot
from consensus.identity import KeyPair, NetworkId, Verifier
from consensus.messages import PAYLOAD_BYTES_MAX, CoSigned, Entry, Kind, SeatList, SeatSignature, Signed

SIGNERS = [KeyPair(bytes([place]) * 32) for place in range(7)]
COMMITTEE = Committee(tuple(signer.key for signer in SIGNERS))  # f = 2, q = 5
NETWORK = NetworkId(b"n" * 32)
ROUND = b"r" * 32
SLOT = bytes([Kind.REVEAL_LIST, 0, 0])


def make_list(*seats: int) -> SeatList:
    return SeatList(ROUND, 0, tuple(Entry(seat, bytes([seat]) * 32) for seat in seats))


def sign(content: SeatList, seat: int, kind: Kind = Kind.REVEAL_LIST) -> Signed:
    data = encode(content)
    return Signed(int(kind), seat, data, SIGNERS[seat].sign(kind, NETWORK, data))


def make_book(*pairs: tuple[int, SeatList]) -> Book:
    book = Book(Kind.REVEAL_LIST)
    for seat, content in pairs:
        book.add(sign(content, seat), content, get_slot(Kind.REVEAL_LIST, content))
    return book


def reopen(groups: tuple[CoSigned, ...], kind: Kind = Kind.REVEAL_LIST) -> list[tuple[int, bytes]]:
    opened = open_cosigned(groups, kind=kind, committee=COMMITTEE, network_id=NETWORK, verifier=Verifier())
    return [(signed.seat, signed.payload) for signed, _ in opened]


# -- books -------------------------------------------------------------------------------------------


def test_a_book_keeps_two_statements_a_slot_and_names_the_first() -> None:
    book = Book(Kind.REVEAL_LIST)
    first, second, third = (make_list(place) for place in range(3))
    assert book.add(sign(first, 0), first, SLOT) is None
    assert book.add(sign(first, 0), first, SLOT) is None
    assert book.add(sign(second, 0), second, SLOT) == sign(first, 0)
    assert book.add(sign(third, 0), third, SLOT) is None
    assert book.has(0, encode(first))
    assert book.has(0, encode(second))
    assert not book.has(0, encode(third))
    page = book.get_first(0, SLOT)
    assert page is not None
    assert page.content == first


def test_a_book_knows_who_said_anything() -> None:
    book = make_book((3, make_list(1)), (1, make_list(1)), (1, make_list(2)))
    assert book.get_seats(SLOT) == [1, 3]
    assert book.get_seats(bytes(3)) == []
    assert book.get_first(0, SLOT) is None
    assert not book.has(0, encode(make_list(1)))


def test_slots_are_told_apart() -> None:
    book = Book(Kind.REVEAL_LIST)
    one, two = make_list(0), SeatList(ROUND, 1, ())
    assert book.add(sign(one, 0), one, get_slot(Kind.REVEAL_LIST, one)) is None
    assert book.add(sign(two, 0), two, get_slot(Kind.REVEAL_LIST, two)) is None


# -- groups ------------------------------------------------------------------------------------------


@given(st.dictionaries(st.integers(0, 6), st.integers(0, 2), min_size=1))
def test_what_is_grouped_opens_to_the_same(chosen: dict[int, int]) -> None:
    lists = [make_list(), make_list(1), make_list(1, 2)]
    book = make_book(*((seat, lists[which]) for seat, which in chosen.items()))
    payloads = {seat: encode(lists[which]) for seat, which in chosen.items()}
    groups = group(book, payloads)
    assert dict(reopen(groups)) == payloads
    assert [one.payload for one in groups] == sorted(set(payloads.values()))


def test_groups_that_are_not_canonical_are_refused() -> None:
    full, short = make_list(0, 1), make_list(0)
    whole = group(
        make_book((0, full), (1, full), (2, short)), {0: encode(full), 1: encode(full), 2: encode(short)}
    )
    assert len(reopen(whole)) == 3
    large = next(one for one in whole if len(one.signatures) == 2)
    small = next(one for one in whole if len(one.signatures) == 1)
    zero, one = large.signatures
    no_list = SIGNERS[0].sign(Kind.REVEAL_LIST, NETWORK, b"\x90")
    wrong: dict[str, tuple[CoSigned, ...]] = {
        "falling payloads": tuple(reversed(whole)),
        "payload twice": (large, large),
        "falling seats": (CoSigned(large.payload, (one, zero)),),
        "seat twice": (CoSigned(large.payload, (zero, zero)),),
        "seat in two groups": tuple(
            sorted((large, *group(make_book((0, short)), {0: encode(short)})), key=lambda one: one.payload)
        ),
        "nobody": (CoSigned(large.payload, ()),),
        "unknown seat": (CoSigned(large.payload, (zero, SeatSignature(7, one.signature))),),
        "negative seat": (CoSigned(large.payload, (SeatSignature(-1, zero.signature), one)),),
        "huge seat": (CoSigned(large.payload, (zero, SeatSignature(2**62, one.signature))),),
        "signatures exchanged": (
            CoSigned(large.payload, (SeatSignature(0, one.signature), SeatSignature(1, zero.signature))),
        ),
        "another payload": (CoSigned(small.payload, large.signatures),),
        "too long": (CoSigned(bytes(PAYLOAD_BYTES_MAX + 1), large.signatures),),
        "no list": (CoSigned(b"\x90", (SeatSignature(0, no_list),)),),
    }
    for groups in wrong.values():
        with pytest.raises(PeerError):
            reopen(groups)
    with pytest.raises(PeerError):
        reopen(whole, Kind.COMMIT_LIST)


# -- the set that counts -----------------------------------------------------------------------------


def test_a_pair_counts_from_f_plus_one_lists() -> None:
    for count in range(6):
        lists = [make_list(0)] * count + [make_list()] * (5 - count)
        assert compute_revealed(lists, COMMITTEE) == ({0: bytes(32)} if count > COMMITTEE.f else {})


@given(st.lists(st.sets(st.integers(0, 6)), min_size=5, max_size=5))
def test_the_set_does_not_depend_on_the_order_of_lists(named: list[set[int]]) -> None:
    lists = [make_list(*sorted(seats)) for seats in named]
    revealed = compute_revealed(lists, COMMITTEE)
    assert compute_revealed(reversed(lists), COMMITTEE) == revealed
    for seat in range(7):
        assert (seat in revealed) == (sum(seat in seats for seats in named) >= 3)


def test_two_commits_of_one_seat_cannot_both_count() -> None:
    other = SeatList(ROUND, 0, (Entry(0, b"o" * 32),))
    assert compute_revealed([make_list(0)] * 3 + [other] * 2, COMMITTEE) == {0: bytes(32)}
    with pytest.raises(PeerError, match="two commits of seat 0"):
        compute_revealed([make_list(0)] * 3 + [other] * 3, COMMITTEE)


def test_lists_have_a_form() -> None:
    check_seat_list(make_list(), COMMITTEE)
    check_seat_list(make_list(*range(7)), COMMITTEE)
    bad = [make_list(0, 0), make_list(1, 0), make_list(7)]
    bad += [SeatList(ROUND, 0, (Entry(0, b"x" * size),)) for size in (0, 31, 33)]
    bad += [SeatList(ROUND, 0, (Entry(seat, b"x" * 32),)) for seat in (-1, 2**40)]
    for content in bad:
        with pytest.raises(PeerError):
            check_seat_list(content, COMMITTEE)


def test_every_order_of_a_list_but_one_is_refused() -> None:
    entries = make_list(0, 3, 5).entries
    good = 0
    for order in itertools.permutations(entries):
        try:
            check_seat_list(SeatList(ROUND, 0, order), COMMITTEE)
        except PeerError:
            continue
        good += 1
    assert good == 1
