"""The vectors are what their script makes, and the index is what the verifier says."""

import json
from collections import Counter

import pytest

from consensus.verify import CheckOutcome, verify_receipt
from tests.consensus.receipt_cases import CASES
from tests.vectors.curve import BASE, ORDER, TORSION, Point, find_point
from tests.vectors.honest import FOLDER, KEYS, KIT_NAMES, read_honest, read_kits, record, to_file_name
from tests.vectors.make_receipts import INDEX, render_files

ROWS = json.loads((FOLDER / INDEX).read_text("utf-8"))["vectors"]


def test_files_are_what_the_script_makes() -> None:
    files = render_files()
    others = {KEYS.name, "README.md"}
    assert {path.name for path in FOLDER.iterdir()} - others == files.keys()
    for name, data in files.items():
        assert (FOLDER / name).read_bytes() == data, f"{name}; run: python -m tests.vectors.make_receipts"


def test_there_are_enough_of_them_and_most_are_refused_at_every_step() -> None:
    assert len({row["sha256"] for row in ROWS}) >= 200
    assert len({row["name"] for row in ROWS}) == len(ROWS)
    steps = Counter(row["failed_step"] for row in ROWS)
    assert steps[None] >= 40
    assert steps[None] <= 0.3 * len(ROWS)
    assert all(steps[step] >= 5 for step in range(1, 8))
    assert {row["name"] for row in ROWS} >= CASES.keys() - {"more than eight MiB"}


@pytest.mark.parametrize("row", ROWS[::7], ids=lambda row: str(row["name"]))
def test_the_index_is_what_a_verifier_without_memory_says(row: dict[str, str | int | bool | None]) -> None:
    trusted = row["trusted_network"]
    genesis = None if trusted is None else (FOLDER / str(trusted)).read_bytes()
    verdict = verify_receipt((FOLDER / str(row["file"])).read_bytes(), trusted_network=genesis)
    failed = [check.number for check in verdict.checks if check.outcome is CheckOutcome.FAILED]
    assert (verdict.is_consistent, verdict.is_trusted) == (row["consistent"], row["trusted"])
    assert failed == ([] if row["failed_step"] is None else [row["failed_step"]])


def test_kits_hold_the_keys_of_their_seats() -> None:
    for name in KIT_NAMES:
        kit = read_kits()[name]
        assert [signer.key for signer in kit.signers] == list(kit.facts.committee.keys)
        assert kit.asker.key == kit.facts.question.asker


@pytest.mark.slow
def test_rounds_can_be_recorded_anew() -> None:
    """Not to the same bytes, which hang on prompts, but under the same names and with the same keys."""
    recorded = dict(record())
    assert list(recorded) == list(read_honest())
    assert len({round_.data for round_ in recorded.values()}) == len(recorded)
    for name, round_ in recorded.items():
        assert verify_receipt(round_.data).is_consistent, name


def test_file_names_are_plain() -> None:
    assert to_file_name("answer of -1 tokens, Äpfel") == "answer-of-1-tokens-äpfel.receipt"
    assert all(path.name.isascii() and " " not in path.name for path in FOLDER.iterdir())


def test_the_curve_is_that_of_the_standard() -> None:
    assert BASE.times(ORDER) == Point(0, 1)
    assert BASE.encode().hex() == "58" + "66" * 31
    assert TORSION.times(8) == Point(0, 1)
    assert TORSION.times(4) != Point(0, 1)
    assert find_point(2, 0) is None
