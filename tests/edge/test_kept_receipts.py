"""Receipts listed without verifying: what they say, held against what a verified report says."""

import json
import os
import shutil
from pathlib import Path

import pytest

from consensus.decision import Status
from consensus.errors import ConfigError, VerificationError
from consensus.verify import verify_receipt
from swarm.edge.kept_receipts import ReceiptFile, find_receipt, list_receipts, read_kept, summarise_receipt
from swarm.edge.report import create_report

VECTORS = Path(__file__).parents[1] / "vectors" / "receipts"
ROWS = json.loads((VECTORS / "index.json").read_text("utf-8"))["vectors"]
GOOD = sorted({str(row["file"]) for row in ROWS if row["consistent"]})
BAD = sorted({str(row["file"]) for row in ROWS} - set(GOOD))
ONE = VECTORS / GOOD[0]


def keep(directory: Path, name: str, source: Path, *, at_s: int) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.receipt"
    shutil.copy(source, path)
    os.utime(path, (at_s, at_s))
    return path


@pytest.mark.parametrize("name", GOOD)
def test_a_consistent_receipt_says_what_its_verified_report_says(name: str) -> None:
    data = (VECTORS / name).read_bytes()
    summary, verdict = summarise_receipt(data), verify_receipt(data)
    assert verdict.round is not None
    report = create_report(verdict.round)
    assert (summary.round_id, summary.network_id) == (report.round_id, report.network_id)
    assert (summary.question, summary.status) == (report.question, report.status)
    assert summary.answer == (None if report.winner is None else report.winner.text)
    assert (summary.is_unanimous, summary.p_best) == (report.is_unanimous, report.p_best)


def test_the_vectors_hold_every_kind_of_end() -> None:
    summaries = [summarise_receipt((VECTORS / name).read_bytes()) for name in GOOD]
    assert {summary.status for summary in summaries} == set(Status)
    assert any(summary.is_unanimous for summary in summaries)
    assert any(summary.answer is None for summary in summaries)
    assert sum(summary.p_best is not None for summary in summaries) > 10


def test_forged_receipts_are_summarised_or_refused_and_nothing_else_happens() -> None:
    refused = 0
    for name in BAD:
        try:
            summarise_receipt((VECTORS / name).read_bytes())
        except VerificationError:
            refused += 1
    assert 20 < refused < len(BAD), "bytes that do not decode are refused, wrong signatures are not looked at"


def test_a_changed_byte_is_never_a_crash(tmp_path: Path) -> None:
    data, path = ONE.read_bytes(), tmp_path / "x.receipt"
    damaged = 0
    for at in range(0, len(data), 97):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        kept = read_kept(ReceiptFile(path, 0.0))
        assert (kept.summary is None) == bool(kept.damage)
        damaged += kept.summary is None
    assert damaged


class TestDirectory:
    def test_the_newest_is_first_and_others_are_left_out(self, tmp_path: Path) -> None:
        keep(tmp_path, "a", ONE, at_s=1)
        keep(tmp_path, "b", ONE, at_s=3)
        keep(tmp_path, "c", ONE, at_s=2)
        (tmp_path / "notes.txt").write_text("no receipt")
        (tmp_path / "folder.receipt").mkdir()
        os.mkfifo(tmp_path / "pipe.receipt")
        assert [file.path.stem for file in list_receipts(tmp_path)] == ["b", "c", "a"]
        assert list_receipts(tmp_path / "none") == ()

    def test_a_damaged_or_vanished_file_says_why(self, tmp_path: Path) -> None:
        (tmp_path / "a.receipt").write_bytes(ONE.read_bytes()[:-1])
        (file,) = list_receipts(tmp_path)
        kept = read_kept(file)
        assert kept.summary is None
        assert kept.damage.startswith("step 1: ")
        assert "cannot be read" in read_kept(ReceiptFile(tmp_path / "b.receipt", 0.0)).damage

    def test_a_round_is_found_by_its_first_digits(self, tmp_path: Path) -> None:
        digits = summarise_receipt(ONE.read_bytes()).round_id.hex()
        path = keep(tmp_path, digits[:16], ONE, at_s=1)
        other = next(
            VECTORS / name
            for name in GOOD
            if summarise_receipt((VECTORS / name).read_bytes()).round_id.hex() != digits
        )
        keep(tmp_path, summarise_receipt(other.read_bytes()).round_id.hex()[:16], other, at_s=2)
        for count in (4, 8, 16, 20, 64):
            assert find_receipt(digits[:count], tmp_path) == path

    def test_under_another_name_it_is_found_by_what_it_says(self, tmp_path: Path) -> None:
        digits = summarise_receipt(ONE.read_bytes()).round_id.hex()
        keep(tmp_path, "mine", ONE, at_s=1)
        copy = keep(tmp_path, "copy", ONE, at_s=2)
        assert find_receipt(digits[:8], tmp_path) == copy, "of copies the newest"

    def test_a_damaged_one_is_found_by_its_name(self, tmp_path: Path) -> None:
        digits = summarise_receipt(ONE.read_bytes()).round_id.hex()
        path = keep(tmp_path, digits[:16], ONE, at_s=1)
        path.write_bytes(b"damaged")
        assert find_receipt(digits[:8], tmp_path) == path

    def test_none_or_several_are_refused(self, tmp_path: Path) -> None:
        digits = summarise_receipt(ONE.read_bytes()).round_id.hex()
        keep(tmp_path, digits[:16], ONE, at_s=1)
        wrong = digits[:16] + ("0" if digits[16] != "0" else "1")
        for text in ("0123456789abcdef", wrong):
            with pytest.raises(ConfigError, match="no round of the 1 receipts"):
                find_receipt(text, tmp_path)
        for place, name in enumerate(GOOD):
            keep(tmp_path, f"copy-{place}", VECTORS / name, at_s=place)
        (tmp_path / f"{digits[:16]}.receipt").unlink()
        with pytest.raises(ConfigError, match=r"names \d+ rounds \("):
            find_receipt("", tmp_path)
