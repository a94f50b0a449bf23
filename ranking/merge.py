"""Equal answers become one candidate with several authors, by a versioned key on UTF-8 bytes.

Two texts are equal exactly when their keys are, so equality is transitive and every machine draws the
same classes. The key looks at bytes through small ASCII tables only: no Unicode database, no locale,
no similarity. Bytes above 0x7F are kept as they are. Where a rule could merge two different answers it
is left out: a missed merge costs a little, a wrong one puts words into somebody's mouth.

Key version 1, in this order:

1. `A-Z` fold to `a-z`.
2. Runs of ASCII whitespace (space, tab, LF, VT, FF, CR) become one space; none at the ends.
3. Until nothing applies any more, take off:
   a. leading ``:`` and ``=``, and trailing ``.``, ``,``, ``;``, ``:``, with the spaces beside them
      (not ``!`` or ``?``: ``5!`` is not ``5``);
   b. one character of ``" ' ` * _ ~`` when the same character stands at both ends (quotes, markdown
      emphasis and code; a lone one stays: ``5'`` is not ``5"``);
   c. a pair of parentheses round ASCII letters only: ``(b)`` is ``b``, ``(5)`` stays;
   d. one filler of `FILLERS` at the front: ``the answer is 84`` is ``84``. A filler that ends with a
      letter counts only when a space or ``:`` follows it.
   Nothing is taken off that would leave no bytes, so ``...`` and ``the answer is`` keep a key.
4. If all that remains is a decimal number in ASCII, it is written plainly: no ``+``, no spaces after
   the sign, no thousands commas (``1,234`` but not ``1,23``), no leading zeros, no zeros at the end of
   the fraction, no empty fraction, ``0`` before a bare point, no minus on zero. A number with a unit or
   an exponent is text.

The key is empty only for texts of nothing but ASCII whitespace.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ranking._hash import hash_numbers

KEY_VERSION = 1

FILLERS = (
    # Each entry stands before every other that is its prefix.
    b"**final answer:**",
    b"**final answer**:",
    b"**answer:**",
    b"**answer**:",
    b"so the answer is",
    b"the final answer is",
    b"the correct answer is",
    b"the answer is",
    b"the result is",
    b"my final answer is",
    b"my answer is",
    b"the final answer:",
    b"the answer:",
    b"final answer:",
    b"answer:",
    b"answer is",
    b"result:",
    b"it is",
    b"it's",
    b"that is",
    b"that's",
)

_LEADING_MARKS = b":= "
_TRAILING_MARKS = b".,;: "
_PAIRED_MARKS = b"\"'`*_~"
_LETTERS_IN_PARENTHESES = re.compile(rb"\(([a-z]+)\)")
_NUMBER = re.compile(rb"([+-]?) *([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.([0-9]*))?")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One class of equal answers.

    Attributes:
        authors: Seats that gave it, ascending.
        key: Their common key.
    """

    authors: tuple[int, ...]
    key: bytes


def _skip_fillers(text: bytes, start: int, end: int) -> int:
    """Return where `text[start:end]` begins once one leading filler is taken off."""
    for filler in FILLERS:
        if not text.startswith(filler, start, end):
            continue
        after = start + len(filler)
        if filler[-1:].isalpha() and text[after : min(after + 1, end)] not in (b" ", b":"):
            continue
        while after < end and text[after] in _LEADING_MARKS:
            after += 1
        return after if after < end else start
    return start


def _strip_marks(text: bytes, start: int, end: int) -> tuple[int, int]:
    """Return the bounds of `text[start:end]` without outer marks, or as given if nothing would remain."""
    low, high = start, end
    while low < high and text[low] in _LEADING_MARKS:
        low += 1
    while low < high and text[high - 1] in _TRAILING_MARKS:
        high -= 1
    return (low, high) if low < high else (start, end)


def _strip_wrapping(text: bytes) -> bytes:
    """Apply rule 3 of the module's text; linear in the length, whatever an author sends."""
    start, end = 0, len(text)
    while True:
        before = (start, end)
        start, end = _strip_marks(text, start, end)
        if end - start > 2 and text[start] == text[end - 1] and text[start] in _PAIRED_MARKS:
            start, end = start + 1, end - 1
        start = _skip_fillers(text, start, end)
        if (start, end) == before:
            break
    core = text[start:end]
    inner = _LETTERS_IN_PARENTHESES.fullmatch(core)
    return inner.group(1) if inner else core


def _compute_plain_number(text: bytes) -> bytes | None:
    """Return `text` as a plain decimal number (rule 4), or None if it is no number."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction = match.group(1), match.group(2), match.group(3) or b""
    if not whole and not fraction:
        return None
    digits = whole.replace(b",", b"").lstrip(b"0") or b"0"
    decimals = fraction.rstrip(b"0")
    number = digits + (b"." + decimals if decimals else b"")
    return b"-" + number if sign == b"-" and number != b"0" else number


def canonical_key(text: bytes) -> bytes:
    """Return the key under which `text` is merged: version `KEY_VERSION`, rules in the module's text.

    The function is total and idempotent, and takes time linear in `len(text)`.

    Args:
        text: An answer, UTF-8; not checked to be UTF-8 here, but where the answer is received.

    Returns:
        The key; empty exactly when `text` holds nothing but ASCII whitespace.
    """
    spaced = b" ".join(text.lower().split())
    stripped = _strip_wrapping(spaced)
    number = _compute_plain_number(stripped)
    return stripped if number is None else number


def merge_answers(answers: Sequence[tuple[int, bytes]]) -> tuple[Candidate, ...]:
    """Group answers with equal keys into candidates.

    Args:
        answers: (seat, text) pairs in any order, each seat once.

    Returns:
        Candidates ordered by their lowest author seat; a candidate's place is its class index.

    Raises:
        ValueError: A seat is negative or appears twice.
    """
    authors_by_key: dict[bytes, list[int]] = {}
    seat_before = -1
    for seat, text in sorted(answers, key=lambda answer: answer[0]):
        if seat < 0:
            raise ValueError(f"a seat is at least 0, got {seat}")
        if seat == seat_before:
            raise ValueError(f"seat {seat} has two answers, expected one")
        seat_before = seat
        authors_by_key.setdefault(canonical_key(text), []).append(seat)
    # Seats were visited in ascending order, so keys stand in the order of their lowest author.
    return tuple(Candidate(authors=tuple(seats), key=key) for key, seats in authors_by_key.items())


def get_shown_author(authors: Sequence[int], seed: bytes) -> int:
    """Return the author whose text stands for the class: the lowest by H(seed, seat).

    Args:
        authors: The class's seats, at least one.
        seed: The seed of the step, fixed before the texts were known.

    Returns:
        One of `authors`.

    Raises:
        ValueError: `authors` is empty.
    """
    if not authors:
        raise ValueError("a class has at least one author, got none")
    return min(authors, key=lambda seat: (hash_numbers("shown-author", seed, seat), seat))
