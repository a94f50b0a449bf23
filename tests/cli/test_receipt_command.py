"""`peerage receipt show`, and what a hostile text can do to a terminal: nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from consensus.decision import Status
from consensus.verify import verify_receipt
from swarm.cli.delivery import deliver
from swarm.cli.exits import Exit
from swarm.cli.render import clean_terminal, render_banner, render_missing, render_ranking, shorten
from swarm.edge.asking import Asked
from swarm.edge.report import Missing, RoundReport, create_report
from tests.cli.conftest import QUESTION, Kept
from tests.cli.console import run, run_process

ESCAPES = "\x1b[2J\x1b]0;owned\x07\r\x08\x9b31m\u202eabc"


def get_report(kept: Kept) -> RoundReport:
    verdict = verify_receipt(kept.data)
    assert verdict.round is not None
    return create_report(verdict.round)


def test_show_tells_question_ranking_ballots_and_verdict(kept: Kept) -> None:
    ran = run("receipt", "show", str(kept.path))
    assert (ran.code, ran.err) == (0, "")
    for word in (
        QUESTION,
        str(kept.said["round"]),
        str(kept.said["result_digest"]),
        "judge",
        "342",
        "NOT trusted",
    ):
        assert word in ran.out


def test_show_json_adds_question_and_comparisons(kept: Kept) -> None:
    said = run("receipt", "show", str(kept.path), "--json").json
    assert (said["schema"], said["question"]) == ("peerage.receipt/1", QUESTION)
    for name in ("round", "status", "answer", "winner", "p_best", "ranking", "missing", "result_digest"):
        assert said[name] == kept.said[name]
    comparisons = said["comparisons"]
    assert isinstance(comparisons, list)
    assert comparisons
    for comparison in comparisons:
        assert isinstance(comparison, dict)
        assert set(comparison) == {"step", "judge", "left", "right", "outcome"}
        assert 0.05 <= float(str(comparison["outcome"])) <= 0.95


def test_show_refuses_what_is_not_consistent(kept: Kept, tmp_path: Path) -> None:
    for data in (b"", kept.data[:-1], b"hello"):
        path = tmp_path / "bad"
        path.write_bytes(data)
        for more in ((), ("--json",)):
            ran = run("receipt", "show", str(path), *more)
            assert (ran.code, ran.out) == (5, "")
            assert "step 1" in ran.err


def test_show_from_stdin_and_from_nowhere(kept: Kept) -> None:
    assert run("receipt", "show", "-", stdin=kept.data).code == 0
    assert run("receipt", "show", "/nonexistent").code == 3


def test_a_reader_that_goes_away_is_no_traceback(kept: Kept) -> None:
    import subprocess
    import sys

    command = f"{sys.executable} -m swarm.cli.main receipt show '{kept.path}' | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert b"Traceback" not in done.stderr


def test_a_hostile_question_does_not_steer_the_terminal() -> None:
    ran = run_process("ask", f"red{ESCAPES}", "--model", "scripted", "--json")
    assert ran.code == 0
    assert "\x1b" not in ran.out + ran.err
    shown = run("receipt", "show", str(ran.json["receipt"]))
    assert not [c for c in shown.out if not c.isprintable() and c != "\n"]


def test_a_hostile_answer_does_not_steer_the_terminal(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    report = get_report(kept)
    hostile = replace(report, ranking=tuple(replace(c, text=f"a{ESCAPES}\nb") for c in report.ranking))
    assert (
        deliver(Asked(hostile, kept.path, "", {}, "likelihood"), rejects_partial=False, as_json=False)
        == Exit.OK
    )
    shown = capsys.readouterr()
    assert not [c for c in shown.out + shown.err if not c.isprintable() and c != "\n"]
    assert shown.out.startswith("a\ufffd")
    assert (
        deliver(Asked(hostile, kept.path, "", {}, "likelihood"), rejects_partial=False, as_json=True)
        == Exit.OK
    )
    assert "\x1b" not in capsys.readouterr().out


def test_a_hostile_reason_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        deliver(Asked(None, None, ESCAPES, {}, "likelihood"), rejects_partial=False, as_json=False)
        == Exit.UNANSWERED
    )
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "\x1b" not in shown.err
    assert "FAILED, uncertified" in shown.err


def test_partial_is_delivered_with_a_banner_or_refused(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    partial = replace(
        get_report(kept), status=Status.PARTIAL, missing=(Missing(2, 0), Missing(3, 0), Missing(2, 1))
    )
    asked = Asked(partial, kept.path, "", {}, "likelihood")
    assert deliver(asked, rejects_partial=False, as_json=False) == Exit.OK
    shown = capsys.readouterr()
    assert shown.out == "342\n"
    assert shown.err.startswith("\nPARTIAL: missing seats 2, 3 in the answers; seat 2 in ballots 1.")
    assert deliver(asked, rejects_partial=True, as_json=False) == Exit.UNANSWERED
    assert capsys.readouterr().out == ""


def test_a_refused_partial_gives_no_answer_in_json_either(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    partial = replace(get_report(kept), status=Status.PARTIAL, missing=(Missing(2, 0),))
    assert (
        deliver(Asked(partial, kept.path, "", {}, "likelihood"), rejects_partial=True, as_json=True)
        == Exit.UNANSWERED
    )
    out = capsys.readouterr().out
    assert '"answer": null' in out
    assert '"status": "partial"' in out
    assert '"missing": [{"seat": 2, "step": 0}]' in out


def test_an_answer_outlives_a_receipt_that_could_not_be_kept(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Asked(get_report(kept), None, "cannot write there", {}, "likelihood")
    assert deliver(asked, rejects_partial=False, as_json=False) == Exit.CONFIG
    shown = capsys.readouterr()
    assert shown.out == "342\n"
    assert "could NOT be kept: cannot write there" in shown.err
    assert deliver(asked, rejects_partial=False, as_json=True) == Exit.CONFIG
    assert '"receipt": null' in capsys.readouterr().out


def test_a_failed_round_is_not_said_to_have_an_answer(kept: Kept) -> None:
    failed = replace(get_report(kept), status=Status.FAILED, ranking=(), missing=(Missing(0, 0),))
    assert render_banner(failed) == (
        "FAILED: too few peers took part in time, missing seat 0 in the answers. There is no answer."
    )
    assert render_ranking(failed) == "no candidate was certified"


def test_nobody_is_missing_from_a_full_round(kept: Kept) -> None:
    report = get_report(kept)
    assert (render_banner(report), render_missing(report)) == ("", "nobody")


def test_long_texts_are_shortened_to_one_line() -> None:
    assert shorten("a\n b\tc") == "a b\ufffdc"
    assert len(shorten("x" * 1_000)) == 60
    assert clean_terminal("ü ü \N{SNOWMAN} 日本\n") == "ü ü \N{SNOWMAN} 日本\n"
