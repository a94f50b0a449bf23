"""`peerage ask --lines`: many questions to one swarm, in order, with gold between them."""

import json
from pathlib import Path

import pytest

from tests.cli.console import Json, Ran, run, run_process

QUESTIONS = "What is 7 times 12?\n\nWho came first?\n  When was it?  \n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "questions.txt"
    path.write_text(QUESTIONS)
    return path


def ask(*args: str, stdin: bytes = b"") -> Ran:
    return run("ask", "--model", "scripted", "--seed", "b", *args, stdin=stdin)


def read_objects(ran: Ran) -> list[Json]:
    return [json.loads(line) for line in ran.out.splitlines()]


def get_receipts(objects: list[Json]) -> list[str]:
    return [str(said["receipt"]) for said in objects]


def test_every_line_is_answered_in_order_and_builds_on_the_one_before(file: Path) -> None:
    ran = ask("--lines", str(file), "--json")
    assert ran.code == 0
    said = read_objects(ran)
    assert [(one["line"], one["question"]) for one in said] == [
        (1, "What is 7 times 12?"),
        (3, "Who came first?"),
        (4, "When was it?"),
    ]
    histories = [one["history"] for one in said]
    assert [history["rounds"] if isinstance(history, dict) else None for history in histories] == [None, 1, 2]
    for one in said:
        assert isinstance(one["peers"], list)
        assert isinstance(one["weights"], list)
        assert sorted(map(str, one["peers"])) == [f"local-{place}" for place in range(5)]
        assert len(one["weights"]) == 5
        assert "gold" not in one
    assert said[0]["weights"] == [1.0] * 5


def test_the_same_seed_gives_the_same_results(file: Path) -> None:
    first, second = (read_objects(ask("--lines", str(file), "--gold-every", "1", "--json")) for _ in range(2))
    assert [one["result_digest"] for one in first] == [one["result_digest"] for one in second]
    assert [one["history"] for one in first] == [one["history"] for one in second]


def test_gold_comes_between_questions_and_says_so(file: Path) -> None:
    said = read_objects(ask("--lines", str(file), "--gold-every", "1", "--json"))
    assert [one["line"] for one in said] == [1, None, 3, None, 4]  # and none behind the last
    for one in said:
        gold = one.get("gold")
        assert (gold is not None) == (one["line"] is None)
        if isinstance(gold, dict):
            assert set(gold) == {"family", "truth", "correct"}
            assert str(one["question"]) not in QUESTIONS


def test_gold_follows_an_answer_at_once_where_somebody_types() -> None:
    said = read_objects(ask("--lines", "-", "--gold-every", "2", "--json", stdin=QUESTIONS.encode()))
    assert [one["line"] for one in said] == [1, 3, None, 4]


def test_stdout_carries_the_answers_to_the_lines_and_nothing_else(file: Path) -> None:
    ran = run_process("ask", "--lines", str(file), "--gold-every", "2", "--model", "scripted", "--seed", "b")
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 3
    for word in ("line 1", "line 3", "line 4", "gold", "weights", "rounds before"):
        assert word in ran.err


def test_receipts_of_lines_verify_as_a_chain(file: Path, tmp_path: Path) -> None:
    receipts = get_receipts(read_objects(ask("--lines", str(file), "--gold-every", "1", "--json")))
    ran = run("verify", *receipts)
    assert ran.code == 0
    assert "chain: 5 receipts, each on the one before; all weights follow from what is shown" in ran.out
    part = run("verify", *receipts[2:])
    assert part.code == 0
    assert "the 2 rounds before the first are not shown" in part.out
    (alone,) = [line for line in run("verify", receipts[2]).out.splitlines() if line.startswith("history")]
    assert "committee's word unless the receipts before are shown" in alone
    damaged = tmp_path / "damaged.receipt"
    damaged.write_bytes(Path(receipts[1]).read_bytes()[:-1])
    for broken, reason in (
        ([receipts[0], receipts[2]], "builds on another round"),
        ([receipts[1], receipts[0]], "builds on no history"),
        ([receipts[0], str(damaged), receipts[2]], "not consistent"),
    ):
        ran = run("verify", *broken)
        assert ran.code == 5
        assert "chain: BROKEN" in ran.out
        assert reason in ran.out
        said = run("verify", "--json", *broken).json
        assert isinstance(said["chain"], dict)
        assert said["chain"]["holds"] is False


def test_a_receipt_shows_its_weights(file: Path) -> None:
    receipts = get_receipts(read_objects(ask("--lines", str(file), "--json")))
    assert "all alike" in run("receipt", "show", receipts[0]).out
    shown = run("receipt", "show", receipts[1])
    assert "weights   by seat: 0 (local-" in shown.out
    said = run("receipt", "show", receipts[1], "--json").json
    assert isinstance(said["weights"], list)
    assert len(said["weights"]) == 5


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("--gold-every", "2", "Why?"), "goes with --lines"),
        (("--lines", "-", "Why?"), "not both"),
        (("--lines", "-", "--receipt", "r"), "leave it out"),
        (("--lines", "-", "--gold-every", "0"), "0"),
    ],
)
def test_options_that_mean_nothing_together_are_refused(args: tuple[str, ...], reason: str) -> None:
    ran = ask(*args, stdin=b"x\n")
    assert (ran.code, ran.out) == (2, "")
    assert reason in ran.err


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "holds no question"),
        (b"\n \n", "holds no question"),
        (b"\xff\n", "line 1 of stdin is not UTF-8"),
        (b"x" * 70_000, "line 1 of stdin has more than"),
        (b"x" * 65_000 + b"\n", "line 1 of stdin: the question has 65000 bytes"),
    ],
)
def test_lines_that_are_no_questions_are_named(data: bytes, reason: str) -> None:
    ran = ask("--lines", "-", stdin=data)
    assert (ran.code, ran.out) == (3, "")
    assert reason in ran.err


def test_what_came_before_a_bad_line_is_answered() -> None:
    ran = ask("--lines", "-", stdin=b"What is 7 times 12?\n\xff\n")
    assert (ran.code, ran.out) == (3, "342\n")
    assert "line 2 of stdin" in ran.err


def test_a_file_that_is_not_there_is_named() -> None:
    ran = ask("--lines", "/nowhere/at/all")
    assert ran.code == 3
    assert "cannot read /nowhere/at/all" in ran.err
