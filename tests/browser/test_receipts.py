"""The verifier of the page, in a browser: the same word as the first verifier on every receipt."""

import json
import random
from dataclasses import dataclass

import msgspec
import pytest
from playwright.sync_api import Page

from consensus.encoding import encode
from consensus.identity import Verifier
from consensus.messages import CoSigned, SeatSignature
from consensus.receipt import RECEIPT_BYTES_MAX, ReceiptReveal, open_receipt
from consensus.verify import NAMES, CheckOutcome, verify_receipt
from tests.browser.site import VECTORS

ROWS = json.loads((VECTORS / "index.json").read_text("utf-8"))["vectors"]
FLIPPED = ("four", "short", "seven", "partial", "standing", "answers-beyond-ascii")
FLIPS = 60  # of each
HEADS = 40  # bytes at the beginning that take every value


class Word(msgspec.Struct, frozen=True, rename="camel"):
    """A verdict in short; the first verifier's or the second's."""

    is_consistent: bool
    failed_step: int | None


@dataclass(frozen=True)
class Flip:
    position: int
    bits: int


def ask_python(data: bytes, verifier: Verifier) -> Word:
    verdict = verify_receipt(data, verifier=verifier)
    failed = [check.number for check in verdict.checks if check.outcome is CheckOutcome.FAILED]
    return Word(verdict.is_consistent, failed[0] if failed else None)


def flip_byte(data: bytes, flip: Flip) -> bytes:
    return data[: flip.position] + bytes([data[flip.position] ^ flip.bits]) + data[flip.position + 1 :]


@pytest.mark.slow
def test_every_vector_gets_the_verdict_of_the_index(harness: Page) -> None:
    asked = [[row["file"], row["trusted_network"]] for row in ROWS]
    verdicts = harness.evaluate("(rows) => harness.verifyAll(rows)", asked)
    assert len(verdicts) == len(ROWS)
    for row, verdict in zip(ROWS, verdicts, strict=True):
        got = (verdict["isConsistent"], verdict["isTrusted"], verdict["failedStep"])
        assert got == (row["consistent"], row["trusted"], row["failed_step"]), row["name"]
        assert [(check["number"], check["name"]) for check in verdict["checks"]] == list(NAMES.items())
        report, result = verdict["report"], row["result"]
        assert (report is None) == (result is None), row["name"]
        if result is None:
            continue
        assert report["round"] == result["round"]
        assert report["network"] == result["network"]
        assert report["winner"] == result["winner"]
        assert report["status"] == ("full", "partial", "failed")[result["status"]]
        assert report["steps"][-1]["pBestQ16"] == result["p_best_q16"]
        assert report["flipEstimate"] == result["flip_estimate"]
        assert report["receiptDigest"] == result["receipt_digest"]
        assert report["resultDigest"] == result["steps"][-1]["digest"]
        steps = [{"digest": step["digest"], "scores": step["logStrengthsQ16"]} for step in report["steps"]]
        assert steps == result["steps"], row["name"]
        if result["winner"] is not None:
            assert report["ranking"][0]["text"] == result["text"]


@pytest.mark.slow
def test_outcomes_of_the_steps_are_those_of_the_first_verifier(harness: Page) -> None:
    asked = [[row["file"], row["trusted_network"]] for row in ROWS[::3]]
    verdicts = harness.evaluate("(rows) => harness.verifyAll(rows)", asked)
    verifier = Verifier()
    for (file, trusted), verdict in zip(asked, verdicts, strict=True):
        genesis = None if trusted is None else (VECTORS / trusted).read_bytes()
        told = verify_receipt((VECTORS / file).read_bytes(), trusted_network=genesis, verifier=verifier)
        outcomes = [check.outcome.value for check in told.checks]
        assert [check["outcome"] for check in verdict["checks"]] == outcomes, file


@pytest.mark.parametrize("name", FLIPPED)
def test_a_changed_byte_gets_the_same_verdict_from_both(name: str, harness: Page) -> None:
    file = f"honest-{name}.receipt"
    data, verifier = (VECTORS / file).read_bytes(), Verifier()
    assert ask_python(data, verifier).is_consistent
    dice = random.Random(f"flips of {name}")
    flips = [Flip(dice.randrange(len(data)), dice.randrange(1, 256)) for _ in range(FLIPS)]
    pairs = [[flip.position, flip.bits] for flip in flips]
    got = harness.evaluate("([file, flips]) => harness.verifyFlips(file, flips)", [file, pairs])
    for flip, word in zip(flips, msgspec.convert(got, list[Word]), strict=True):
        assert word == ask_python(flip_byte(data, flip), verifier), flip
        assert not word.is_consistent, flip


def test_a_head_of_any_value_gets_the_same_verdict_from_both(harness: Page) -> None:
    """Every type and length that msgpack knows, where a receipt has its array, magic, version and genesis."""
    file = "honest-short.receipt"
    data, verifier = (VECTORS / file).read_bytes(), Verifier()
    flips = [Flip(position, bits) for position in range(HEADS) for bits in range(1, 256)]
    pairs = [[flip.position, flip.bits] for flip in flips]
    got = harness.evaluate("([file, flips]) => harness.verifyFlips(file, flips)", [file, pairs])
    for flip, word in zip(flips, msgspec.convert(got, list[Word]), strict=True):
        assert word == ask_python(flip_byte(data, flip), verifier), flip


def test_lengths_that_lie_are_refused_without_a_crash(harness: Page) -> None:
    texts = [b"\xdd\xff\xff\xff\xff", b"\x95\xc6\xff\xff\xff\xff", b"\xdc\x00\x05", b"\x95", b"", b"\x96"]
    texts += [bytes([head]) * 100_000 for head in (0x91, 0x95, 0x9F, 0xDD, 0xC4, 0xFF)]
    verifier = Verifier()
    got = harness.evaluate("(texts) => harness.verifyHex(texts)", [text.hex() for text in texts])
    expected = [ask_python(text, verifier) for text in texts]
    assert msgspec.convert(got, list[Word]) == expected
    assert {word.failed_step for word in expected} == {1}


REPEAT = "(parts) => harness.verifyRepeated(...parts)"


SMALLEST = {"reveals": ReceiptReveal(b"", SeatSignature(0, b"")), "reveal_lists": CoSigned(b"", ())}


@pytest.mark.parametrize("part", SMALLEST)
def test_a_million_items_that_no_committee_has_are_refused_like_a_few(part: str, harness: Page) -> None:
    receipt = open_receipt((VECTORS / "honest-short.receipt").read_bytes())
    item, few = encode(SMALLEST[part]), 20
    step = msgspec.structs.replace(receipt.steps[0], **{part: (SMALLEST[part],) * few})
    data = encode(msgspec.structs.replace(receipt, steps=(step, *receipt.steps[1:])))
    before, after = data.split(b"\xdc" + few.to_bytes(2, "big") + item * few)
    count = (RECEIPT_BYTES_MAX - len(data)) // len(item)
    head = before + b"\xdd" + count.to_bytes(4, "big")
    assert ask_python(head + item * count + after, Verifier()) == Word(False, 4)
    got = harness.evaluate(REPEAT, [head.hex(), item.hex(), count, after.hex()])
    assert msgspec.convert(got, Word) == Word(False, 4)


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_receipt_too_long_is_refused(beyond: int, harness: Page) -> None:
    count = RECEIPT_BYTES_MAX + beyond
    got = harness.evaluate(REPEAT, ["", "95", count, ""])
    assert msgspec.convert(got, Word) == ask_python(b"\x95" * count, Verifier()) == Word(False, 1)


def test_what_is_shown_of_a_round_is_what_it_was(harness: Page) -> None:
    """Seats, missing ones, pairs and weights: recomputed in the page, compared with the first verifier."""
    for name in ("partial", "standing", "aborted", "unanimous"):
        file = f"honest-{name}.receipt"
        verified = verify_receipt((VECTORS / file).read_bytes()).round
        assert verified is not None
        [verdict] = harness.evaluate("(rows) => harness.verifyAll(rows)", [[file, None]])
        report, facts = verdict["report"], verified.facts
        assert [seat["key"] for seat in report["seats"]] == [key.hex() for key in facts.committee.keys]
        gone = [(s.outcome.value.step, seat) for s in verified.closed for seat in s.outcome.value.missing]
        assert [(one["step"], one["seat"]) for one in report["missing"]] == gone
        weights = [(facts.terms or {})[seat].weight_q16 for seat in range(7)] if facts.terms else None
        if weights is not None:
            assert [seat["weight"] * 65_536 for seat in report["seats"]] == weights
        scores = verified.closed[-1].outcome.scores
        if scores is not None:
            assert [one["index"] for one in report["ranking"]] == list(scores.order)
            assert [one["lead"] * 256 for one in report["ranking"]] == [scores.z[i] for i in scores.order]
        assert [one["text"].encode() for one in sorted(report["ranking"], key=lambda one: one["index"])] == [
            *verified.texts
        ]
        verdicts = [(p["left"], p["right"]) for p in report["pairs"]]
        assert verdicts == sorted(set(verdicts))
