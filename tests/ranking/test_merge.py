"""Merging: the key table row by row, its algebra, and the classes it makes."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranking.merge import FILLERS, KEY_VERSION, Candidate, canonical_key, get_shown_author, merge_answers

EQUAL = [
    (b"84", b"84", b"84.", b"84.0", b"084", b"+84", b"The answer is 84", b"**84**", b" 84\n", b"Answer: 84."),
    (b"-84", b"- 84", b"-84.00", b"It is - 84", b"`-84`", b"The answer is: -84."),
    (b"1234567.5", b"1,234,567.50", b"1234567.5", b'"1,234,567.5"'),
    (b"0", b"-0", b"+0.0", b"000", b"-0.000", b"= 0"),
    (b"0.5", b".5", b"0.50", b"00.5", b"+.5"),
    (b"paris", b"Paris", b"PARIS.", b"'Paris'", b'"Paris."', b'"Paris".', b"It's Paris"),
    (b"new york", b"New  York", b"\tnew\x0byork\r\n", b"The correct answer is **New York**."),
    (b"b", b"(B)", b"b", b"Answer: (b)."),
    (b"84", b"**Answer:** 84", b"**Final Answer**: 84", b"The answer is: **84**."),
    (b"-7.1", b"the answer is: -  007.10"),
    ("äpfel".encode(), "äPFEL".encode(), "The answer is äpfel".encode()),
]

DIFFERENT = [
    (b"84", b"-84"),
    (b"84", b"84%"),
    (b"84", b"$84"),
    (b"84", b"84 km"),
    (b"5", b"5!"),
    (b"5", b"(5)"),
    (b"5'", b'5"'),
    (b"1,23", b"123"),
    (b"1,2345", b"12345"),
    (b"1.234", b"1234"),
    (b"1e3", b"1000"),
    (b"2**3", b"23"),
    (b"it issues", b"sues"),
    (b"paris", b"paris?"),
    ("Ä".encode(), "ä".encode()),
    ("\u2212 84".encode(), b"-84"),
    ("\u0661".encode(), b"1"),
    (b"", b"."),
    (b"", b"''"),
    (b"", b"the answer is"),
    (b".", b".."),
]


@pytest.mark.parametrize("row", EQUAL, ids=lambda row: row[0].decode())
def test_texts_of_a_row_share_the_first_as_key(row: tuple[bytes, ...]) -> None:
    assert {canonical_key(text) for text in row} == {row[0]}


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_different_answers_keep_different_keys(first: bytes, second: bytes) -> None:
    assert canonical_key(first) != canonical_key(second)


def test_no_filler_hides_a_longer_one() -> None:
    for place, filler in enumerate(FILLERS):
        assert not any(later.startswith(filler) for later in FILLERS[place + 1 :])


WORDS = st.lists(
    st.sampled_from(
        [*FILLERS, b"84", b"1,000.0", b"-", b"+", b".", b",", b":", b"=", b"'", b'"', b"**", b"_"]
    )
    | st.sampled_from([b"(", b")", b"a", b"B", b" ", b"\n", b"\xc3\x84", b"!", b"0"]),
    max_size=8,
).map(b"".join)


@given(WORDS | st.binary(max_size=40))
def test_key_is_idempotent(text: bytes) -> None:
    assert canonical_key(canonical_key(text)) == canonical_key(text)


@given(WORDS | st.binary(max_size=40))
def test_key_is_empty_only_for_whitespace(text: bytes) -> None:
    assert (canonical_key(text) == b"") == (text.strip(b" \t\n\v\f\r") == b"")


@given(WORDS, st.sampled_from([b" ", b"\n", b"\t"]))
def test_case_and_outer_whitespace_never_matter(text: bytes, space: bytes) -> None:
    assert canonical_key(space + text.upper() + space) == canonical_key(text)


@given(st.integers(-(10**30), 10**30))
def test_every_spelling_of_an_integer_merges(number: int) -> None:
    plain = b"%d" % number
    assert canonical_key(f"{number:,}".encode()) == plain
    assert canonical_key(b"The answer is %d.00." % number) == plain


@pytest.mark.parametrize(
    "text",
    [
        b"\"'" * 16_000 + b"x" + b"'\"" * 16_000,
        b"it is " * 11_000,
        b" ." * 32_000,
        b"1,111" * 13_000,
        b"'" * 65_536,
    ],
    ids=["nested quotes", "fillers", "stops", "thousands", "quotes"],
)
def test_hostile_texts_take_linear_time(text: bytes) -> None:
    start = time.perf_counter()
    canonical_key(text)
    assert time.perf_counter() - start < 2.0


def test_classes_stand_in_the_order_of_their_lowest_author() -> None:
    answers = [(6, b"83"), (2, b"84."), (0, b"lost"), (5, b"The answer is 84"), (3, b"83.0")]
    assert merge_answers(answers) == (
        Candidate(authors=(0,), key=b"lost"),
        Candidate(authors=(2, 5), key=b"84"),
        Candidate(authors=(3, 6), key=b"83"),
    )
    assert merge_answers(answers[::-1]) == merge_answers(answers)
    assert merge_answers([]) == ()


@given(st.dictionaries(st.integers(0, 30), st.sampled_from([b"a", b"A.", b"b", b"", b" ", b"1", b"1.0"])))
def test_every_seat_lands_in_the_class_of_its_key(answers: dict[int, bytes]) -> None:
    candidates = merge_answers(list(answers.items()))
    assert sorted(seat for candidate in candidates for seat in candidate.authors) == sorted(answers)
    assert len({candidate.key for candidate in candidates}) == len(candidates)
    for candidate in candidates:
        assert all(canonical_key(answers[seat]) == candidate.key for seat in candidate.authors)


@pytest.mark.parametrize("answers", [[(1, b"a"), (1, b"b")], [(1, b"a"), (2, b"b"), (1, b"a")], [(-1, b"a")]])
def test_a_seat_answers_once_and_is_not_negative(answers: list[tuple[int, bytes]]) -> None:
    with pytest.raises(ValueError, match="seat"):
        merge_answers(answers)


def test_shown_author_follows_the_seed_and_not_the_order() -> None:
    authors = [3, 8, 11]
    shown = [get_shown_author(authors, bytes([seed])) for seed in range(64)]
    assert shown == [get_shown_author(authors[::-1], bytes([seed])) for seed in range(64)]
    assert all(shown.count(seat) > 8 for seat in authors)
    assert get_shown_author([4], b"") == 4
    with pytest.raises(ValueError, match="author"):
        get_shown_author([], b"seed")


def test_vectors() -> None:
    path = Path(__file__).parent / "vectors" / "keys" / f"version_{KEY_VERSION}.json"
    vector = json.loads(path.read_text(encoding="ascii"))
    assert vector["key_version"] == KEY_VERSION
    assert len(vector["keys"]) >= 60
    for text, key in vector["keys"]:
        assert canonical_key(bytes.fromhex(text)).hex() == key
