"""`peerage history`: newest first, searched, damage named, nothing verified and said so."""

import os
import time
from pathlib import Path

import msgspec
import pytest

from consensus.encoding import decode, encode
from consensus.messages import SignedQuestion
from consensus.question import QUESTION_BYTES_MAX, Question, Role, Turn
from consensus.receipt import open_receipt
from swarm.edge.paths import get_paths
from tests.cli.conftest import QUESTION, Kept
from tests.cli.console import Json, run, run_process

VECTORS = Path(__file__).parents[1] / "vectors" / "receipts"
HONEST = VECTORS / "honest-four.receipt"
RECEIPTS = 1_000
SECONDS_MAX = 3.0  # .25 on a free core; others run beside it

replace = msgspec.structs.replace


def keep(name: str, data: bytes, *, at_s: int = 1_790_000_000) -> Path:
    path = get_paths().receipts / f"{name}.receipt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (at_s, at_s))
    return path


def get_rows(said: Json) -> list[Json]:
    rows = said["receipts"]
    assert isinstance(rows, list)
    return [row for row in rows if isinstance(row, dict)]


def test_what_was_asked_is_listed(kept: Kept) -> None:
    path = keep("one", kept.data)
    ran = run("history")
    assert (ran.code, ran.err) == (0, "")
    for word in (
        QUESTION,
        "342",
        "full, P(best) 0.9",
        str(path),
        str(kept.said["round"])[:8],
        "NOT verified",
    ):
        assert word in ran.out
    (row,) = get_rows(run("history", "--json").json)
    for name in ("round", "network", "status", "unanimous", "answer", "p_best"):
        assert row[name] == kept.said[name]
    assert (row["question"], row["file"], row["time"]) == (QUESTION, str(path), "2026-09-21T14:13:20+00:00")
    assert run("history", "--json").json["verified"] is False


def test_the_newest_is_first_and_the_limit_holds(kept: Kept) -> None:
    for place, name in enumerate(("old", "new", "middle")):
        keep(name, kept.data, at_s=(10, 30, 20)[place])
    rows = get_rows(run("history", "--json").json)
    assert [Path(str(row["file"])).stem for row in rows] == ["new", "middle", "old"]
    said = run("history", "--limit", "1", "--json").json
    assert [Path(str(row["file"])).stem for row in get_rows(said)] == ["new"]
    assert (said["total"], said["read"]) == (3, 1)
    shown = run("history", "--limit", "1")
    assert "1 shown of 3 receipts" in shown.out
    assert "--limit 2" in shown.err


@pytest.mark.parametrize(
    ("text", "is_found"), [("TIMES 12", True), ("342", True), ("34", True), ("573", False), ("", True)]
)
def test_question_and_answer_are_searched_whatever_the_case(kept: Kept, text: str, is_found: bool) -> None:
    keep("one", kept.data)
    assert len(get_rows(run("history", text, "--json").json)) == is_found


def test_what_was_said_before_is_searched_too_and_a_forged_receipt_is_listed_as_not_verified() -> None:
    receipt = open_receipt(HONEST.read_bytes())
    question = decode(Question, receipt.question.payload, bytes_max=QUESTION_BYTES_MAX)
    turns = (Turn(int(Role.SYSTEM), b"You are Hypatia."), Turn(int(Role.USER), b"Who are you?"))
    payload = encode(replace(question, turns=turns))
    forged = replace(receipt, question=SignedQuestion(payload, receipt.question.signature))
    path = keep("forged", encode(forged))
    assert run("verify", str(path)).code == 5
    ran = run("history", "hypatia")
    assert "question  Who are you?" in ran.out
    assert "NOT verified" in ran.out


def test_rounds_are_picked_by_how_they_ended(kept: Kept) -> None:
    for path in VECTORS.glob("honest-*.receipt"):
        keep(path.stem, path.read_bytes())
    shown = {
        status: get_rows(run("history", "--status", status, "--limit", "99", "--json").json)
        for status in ("full", "partial", "failed")
    }
    for status, rows in shown.items():
        assert rows
        assert {row["status"] for row in rows} == {status}
    assert all(row["answer"] is None for row in shown["failed"])
    assert sum(map(len, shown.values())) == len(get_rows(run("history", "--limit", "99", "--json").json))


def test_a_damaged_receipt_is_named_and_stops_nothing(kept: Kept) -> None:
    keep("good", kept.data, at_s=10)
    keep("bad", kept.data[:-1], at_s=20)
    keep("empty", b"", at_s=30)
    for search in ((), ("342",)):
        ran = run("history", *search)
        assert ran.code == 0
        assert QUESTION in ran.out
        assert "bad.receipt: step 1: " in ran.out
        assert "1 shown of 3 receipts" in ran.out
        assert "2 damaged" in ran.out
    damaged = run("history", "--json").json["damaged"]
    assert isinstance(damaged, list)
    assert [Path(str(one["file"])).stem for one in damaged if isinstance(one, dict)] == ["empty", "bad"]


def test_a_hostile_question_does_not_steer_the_terminal() -> None:
    ran = run_process("ask", "red\x1b[2J\x1b]0;owned\x07\r\u202eabc", "--model", "scripted", "--json")
    assert ran.code == 0
    for flags in ((), ("--json",)):
        shown = run("history", *flags)
        assert shown.code == 0
        assert not [c for c in shown.out if not c.isprintable() and c != "\n"]


def test_no_receipts_yet() -> None:
    ran = run("history")
    assert (ran.code, ran.out.strip()) == (0, f"0 shown of 0 receipts in {get_paths().receipts}")
    assert get_rows(run("history", "--json").json) == []


@pytest.mark.parametrize("args", [("--limit", "0"), ("--status", "lost"), ("a", "b")])
def test_wrong_usage_is_refused(args: tuple[str, ...]) -> None:
    assert run("history", *args).code == 2


def test_a_thousand_receipts_are_searched_in_a_moment(kept: Kept) -> None:
    for number in range(RECEIPTS):
        keep(f"{number:016x}", kept.data, at_s=number)
    before = time.process_time()
    said = run("history", "not in any", "--json").json
    assert (said["read"], get_rows(said)) == (RECEIPTS, [])
    assert time.process_time() - before < SECONDS_MAX
