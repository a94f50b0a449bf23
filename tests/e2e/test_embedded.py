"""The commands with the real model: what a person types first (issue 2, "How it is used")."""

import os
import shlex
from pathlib import Path

import pytest

from consensus.verify import verify_receipt
from swarm.edge.report import create_report
from tests.cli.console import Ran, run, run_process

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _data_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PEERAGE_ASK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PEERAGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def get_receipts(ran: Ran, before: str) -> list[Path]:
    lines = [line.strip() for line in (ran.out + ran.err).splitlines()]
    return [Path(line.removeprefix(before).strip()) for line in lines if line.startswith(before)]


def test_ask_prints_the_winner_of_a_receipt_that_verifies() -> None:
    ran = run_process("ask", "What is 7 times 12?", "--peers", "4", "--max-tokens", "16")
    assert ran.code == 0, ran.err
    (path,) = get_receipts(ran, "receipt ")
    verdict = verify_receipt(path.read_bytes())
    assert verdict.round is not None
    report = create_report(verdict.round)
    assert report.winner is not None
    assert ran.out == f"{report.winner.text}\n"
    assert report.question == "What is 7 times 12?"
    (line,) = [line for line in ran.err.splitlines() if "check it with" in line]
    checked = run(*shlex.split(line.partition(": ")[2])[1:])
    assert checked.code == 0
    assert f"winner: {report.winner.text}" in checked.out


@pytest.mark.parametrize("judge", ["letters", "reasoning:tokens=16,orders=1"])
def test_a_prompted_judge_votes_on_what_the_model_said(judge: str) -> None:
    """Of 4 peers at this temperature some differ; which is the better answer this model cannot tell."""
    ran = run(
        "ask", "What is 17 times 23?", "--peers", "4", "--judge", judge, "--max-tokens", "6", "--calls", "4",
        "--temperature", "1", "--seed", "a", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json["judge"] == judge
    verdict = verify_receipt(Path(str(ran.json["receipt"])).read_bytes())
    assert verdict.is_consistent
    assert verdict.round is not None
    outcomes = [one.outcome for one in create_report(verdict.round).comparisons]
    assert outcomes
    assert all(0.05 <= outcome <= 0.95 for outcome in outcomes)


def test_demo_answers_two_questions_and_verifies_both_receipts() -> None:
    ran = run_process("demo", "--seed", "a")
    assert ran.code == 0, ran.err
    paths = get_receipts(ran, "receipt /")
    assert len(paths) == 2
    table = ran.out.partition("Truth, majority and winner side by side\n")[2].splitlines()
    for path, row in zip(paths, table[1:3], strict=True):
        verdict = verify_receipt(Path(f"/{path}").read_bytes())
        assert verdict.round is not None
        report = create_report(verdict.round)
        assert report.winner is not None
        assert report.question in row
        assert report.winner.text in row
