"""`peerage ask` that goes well: what is on stdout, what is on stderr, what the JSON holds."""

import json
import stat
from pathlib import Path

import pytest

from consensus.verify import verify_receipt
from swarm.edge.report import create_report
from tests.cli.conftest import QUESTION, SEED, Kept
from tests.cli.console import run, run_process

FIELDS = (
    "schema",
    "round",
    "status",
    "unanimous",
    "answer",
    "winner",
    "p_best",
    "ranking",
    "missing",
    "receipt",
    "result_digest",
    "usage",
    "judge",
    "elapsed_s",
)
SURE = "scripted:accuracy=1"  # all answer alike


def test_stdout_carries_the_answer_and_nothing_else() -> None:
    ran = run_process("ask", QUESTION, "--model", "scripted", "--seed", SEED)
    assert ran.code == 0
    assert ran.out == "342\n"
    for word in (
        "5 of 5 peers up",
        "certified",
        "rank",
        "P(best)",
        "status   full",
        "missing  nobody",
        "receipt",
    ):
        assert word in ran.err


def test_the_line_that_checks_the_receipt_can_be_pasted(tmp_path: Path) -> None:
    path = tmp_path / "a receipt's.file"
    ran = run("ask", "x", "--model", "scripted", "--receipt", str(path))
    (line,) = [line for line in ran.err.splitlines() if "peerage verify" in line]
    import shlex

    words = shlex.split(line.partition(": ")[2])
    assert words[0] == "peerage"
    assert run(*words[1:]).code == 0


@pytest.mark.parametrize("given", [(), ("-",)])
def test_the_question_may_come_from_stdin(given: tuple[str, ...]) -> None:
    ran = run("ask", *given, "--model", "scripted", "--seed", SEED, stdin=f"{QUESTION}\n".encode())
    assert (ran.code, ran.out) == (0, "342\n")


def test_json_has_the_promised_fields(kept: Kept) -> None:
    said = kept.said
    assert [name for name in FIELDS if name not in said] == []
    assert (said["schema"], said["status"], said["unanimous"], said["answer"]) == (
        "peerage.ask/1",
        "full",
        False,
        "342",
    )
    ranking = said["ranking"]
    assert isinstance(ranking, list)
    for candidate in ranking:
        assert isinstance(candidate, dict)
        assert set(candidate) == {"candidate", "authors", "text", "strength", "p_best"}
    first = ranking[0]
    assert isinstance(first, dict)
    assert (said["winner"], said["answer"], said["p_best"]) == (
        first["candidate"],
        first["text"],
        first["p_best"],
    )
    assert said["receipt"] == str(kept.path)
    elapsed = said["elapsed_s"]
    assert isinstance(elapsed, dict)
    assert {"start", "answers", "ballots_1", "round"} <= set(elapsed)


def test_json_says_what_the_receipt_proves(kept: Kept) -> None:
    verdict = verify_receipt(kept.data)
    assert verdict.round is not None
    report = create_report(verdict.round)
    assert report.question == QUESTION
    assert kept.said["result_digest"] == report.result_digest.hex()
    assert kept.said["round"] == report.round_id.hex()
    assert report.winner is not None
    assert kept.said["answer"] == report.winner.text


def test_json_is_one_line_of_stdout() -> None:
    ran = run("ask", "x", "--model", "scripted", "--json")
    assert ran.out.count("\n") == 1
    json.loads(ran.out)


def test_a_unanimous_answer_has_no_p_best() -> None:
    ran = run("ask", "x", "--model", SURE, "--json")
    said = ran.json
    assert (ran.code, said["unanimous"], said["p_best"]) == (0, True, None)
    (only,) = said["ranking"] if isinstance(said["ranking"], list) else []
    assert isinstance(only, dict)
    assert only["p_best"] is None


def test_a_unanimous_answer_is_not_called_true() -> None:
    ran = run("ask", "x", "--model", SURE)
    assert ran.code == 0
    assert "unanimous" in ran.err
    assert "no proof of truth" in ran.err


def test_a_receipt_is_private_and_lies_where_it_is_said_to(tmp_path: Path) -> None:
    said = run("ask", "x", "--model", "scripted", "--json").json
    path = Path(str(said["receipt"]))
    assert path.parent == tmp_path / "data" / "receipts"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_of_the_peers_is_left_behind_but_logs(tmp_path: Path) -> None:
    run("ask", "x", "--model", "scripted")
    assert list((tmp_path / "data" / "peers").iterdir()) == []
    (log,) = (tmp_path / "data" / "logs").iterdir()
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events.count("round_closed") >= 1
    assert "peer_penalised" not in events


def test_an_earlier_receipt_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "receipt"
    path.write_bytes(b"old")
    assert run("ask", "x", "--model", "scripted", "--receipt", str(path)).code == 0
    assert verify_receipt(path.read_bytes()).is_consistent


@pytest.mark.slow
def test_the_largest_committee_answers() -> None:
    said = run("ask", "x", "--model", "scripted", "--peers", "31", "--seed", "a", "--json").json
    usage = said["usage"]
    assert isinstance(usage, dict)
    assert (said["status"], usage["seats"]) == ("full", 31)


def test_greedy_is_a_temperature() -> None:
    assert run("ask", "x", "--model", "scripted", "--temperature", "0").code == 0


def test_demo_ends_with_truth_majority_winner_and_the_next_command() -> None:
    ran = run("demo", "--model", "scripted", "--seed", "a")
    assert ran.code == 0
    assert ran.out.count("consistent; NOT trusted") == 2
    table = ran.out.partition("Truth, majority and winner side by side\n")[2].splitlines()
    assert table[0].split() == ["question", "truth", "majority", "winner"]
    assert len([line for line in table[1:3] if "(right)" in line or "(wrong)" in line]) == 2
    assert ran.out.splitlines()[-1].startswith("Next, ask your own:  peerage ask")


def test_demo_repeats_with_a_seed() -> None:
    def questions(seed: str) -> list[str]:
        out = run("demo", "--model", "scripted", "--seed", seed).out
        return [line for line in out.splitlines() if line.startswith(("Question:", "Answer:"))]

    assert questions("a") == questions("a")
    assert questions("a") != questions("b")
