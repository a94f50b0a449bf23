"""`peerage explain`: verified first, then told in words and figures; what cannot be explained is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from consensus.verify import verify_receipt
from swarm.cli.explain_words import render_explanation
from swarm.edge.explanation import explain_round
from swarm.edge.paths import get_paths
from tests.cli.conftest import Kept
from tests.cli.console import Json, run

VECTORS = Path(__file__).parents[1] / "vectors" / "receipts"
CLOSE = str(VECTORS / "honest-partial.receipt")


def get(value: object, *path: str | int) -> object:
    for key in path:
        assert isinstance(value, dict | list)
        value = value[key]  # type: ignore[index]
    return value


def test_why_this_won_is_told_with_figures() -> None:
    ran = run("explain", CLOSE)
    assert (ran.code, ran.err) == (0, "")
    for words in (
        "consistent; NOT trusted",
        "3 of 6 answers were this one; #2 302, the runner-up, was given by 2.",
        "It leads by 0.01 nats",
        "+0.15 come from who answered (half a win an author) and -0.15 from ballots",
        "Without ballots it would lead by 0.26, by ballots alone it would be behind by 0.04.",
        "0      1.00    0.78           0.78            -0.24, #2 would lead",
        "Certified, an estimate but for one judge: about 1 judge(s) could flip it.",
        "Computed: without judge 0, their half wins as authors included, #2 302 would lead.",
        "5 pairs were dealt and not judged.",
        "At worst they could have put ahead: #2 302.",
        "all alike: the round builds on no history",
    ):
        assert words in ran.out, words


@pytest.mark.parametrize("flags", [("--seat", "5"), ("--answer", "302"), ("--answer", "#2")])
def test_why_another_did_not_win_is_told(flags: tuple[str, str]) -> None:
    ran = run("explain", CLOSE, *flags)
    assert ran.code == 0
    for words in (
        "why #2 302 did not win",
        "It came 2 of 3, 0.01 nats behind #1 342.",
        "Without ballots it would be behind by 0.26, by ballots alone it would be ahead by 0.04.",
        "#1 342   12        0.51    3,4,5,6        0,1",
        "Judge 0 cost it most: without this judge it would be 0.24 nats ahead of the winner.",
        "It would have won with 1 verdict the other way round: judge 0 on #1 > #3 (0.93).",
        "It would have won with 1 more peer of this answer, and no ballot changed.",
    ):
        assert words in ran.out, words


def test_weights_and_camps_are_told_where_the_receipt_holds_them() -> None:
    out = run("explain", str(VECTORS / "honest-round-3-of-a-history.receipt")).out
    assert "3      peer-3  0.00    +0.00             +0.00" in out
    assert "judge 3, long memory: in another camp than the one believed" in out
    assert "learnt from 3 rounds before" in out


def test_a_round_is_found_as_history_prints_it(kept: Kept) -> None:
    get_paths().receipts.mkdir(parents=True)
    shutil.copy(kept.path, get_paths().receipts / f"{str(kept.said['round'])[:16]}.receipt")
    shown = run("history").out.split()[0]
    ran = run("explain", shown.upper())
    assert ran.code == 0
    assert ran.out == run("explain", str(kept.path)).out == run("explain", "-", stdin=kept.data).out
    assert "why #1 342 won" in ran.out


def test_a_trusted_network_is_said_to_be_trusted(kept: Kept) -> None:
    assert "consistent and trusted" in run("explain", str(kept.path), "--trust", str(kept.genesis)).out
    said = run("explain", str(kept.path), "--trust", str(kept.genesis), "--json").json
    assert (said["consistent"], said["trusted"]) == (True, True)
    assert run("explain", CLOSE, "--trust", str(kept.genesis)).code == 5


def test_the_object_says_what_the_words_say() -> None:
    said: Json = run("explain", CLOSE, "--seat", "5", "--json").json
    assert said["schema"] == "peerage.explain/1"
    assert get(said, "answers", 1, "authors") == [1, 5]
    assert get(said, "winner", "flip") == {
        "certified_estimate": 1,
        "judges": [0],
        "is_least": True,
        "leader": get(said, "answers", 1, "candidate"),
    }
    assert get(said, "winner", "lead_ballots_alone") == pytest.approx(-0.0353, abs=1e-4)
    assert get(said, "missing", "unjudged_pairs") == 5
    assert get(said, "asked_about", "rank") == 2
    assert get(said, "asked_about", "would_win", "authors_more") == 1
    assert get(said, "asked_about", "would_win", "turned", "verdicts", 0, "judge") == 0
    assert run("explain", CLOSE, "--json").json["asked_about"] is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unanimous", "all gave this answer, so nothing was judged; that is no proof of truth"),
        ("aborted", "no answer was certified"),
    ],
)
def test_a_round_without_a_ranking_is_told_as_such(name: str, words: str) -> None:
    ran = run("explain", str(VECTORS / f"honest-{name}.receipt"))
    assert ran.code == 0
    assert words in ran.out
    assert " won" not in ran.out


def test_the_winner_asked_about_is_said_to_have_won() -> None:
    assert "#1 342 is the answer that won" in run("explain", CLOSE, "--seat", "0").out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--seat", "2"), "no answer of this seat counted"),
        (("--seat", "7"), "the round has seats 0 to 6"),
        (("--seat", "-1"), "not in the range"),
        (("--answer", "none of these"), "means 0 of the answers: #1 342; #2 302; #3 732"),
        (("--answer", "2"), "means 3 of the answers"),  # a text goes before a rank
        (("--answer", "#9"), "means 0 of the answers"),
        (("--answer", "\x1b[2J"), "means 0 of the answers"),
        (("--answer", "342", "--seat", "1"), "give one"),
    ],
)
def test_an_answer_that_is_not_there_is_refused(flags: tuple[str, ...], words: str) -> None:
    ran = run("explain", CLOSE, *flags)
    assert (ran.code, ran.out) == (2, "")
    assert words in " ".join(ran.err.split())
    assert "\x1b" not in ran.err


@pytest.mark.parametrize("text", ["xyz", "", "5b" * 33, "0123", "nul\0", "/nonexistent/x.receipt"])
def test_a_round_that_is_not_there_is_refused(text: str) -> None:
    ran = run("explain", text)
    assert (ran.code, ran.out) == (3, "")
    assert "try:" in ran.err


def test_what_does_not_hold_is_not_explained(kept: Kept, tmp_path: Path) -> None:
    for number, data in enumerate((b"", kept.data[:-1], kept.data[:-9] + bytes(9))):
        path = tmp_path / f"{number}.receipt"
        path.write_bytes(data)
        ran = run("explain", str(path))
        assert (ran.code, ran.out) == (5, "")
        assert "step " in ran.err


def test_a_hostile_answer_does_not_steer_the_terminal(kept: Kept) -> None:
    verdict = verify_receipt(kept.data)
    told = explain_round(verdict, target=0)
    hostile = "\x1b[2J\x1b]0;owned\x07\r\u202eabc\nwhy #1 won"
    report = replace(
        told.report,
        question=hostile,
        ranking=tuple(replace(one, text=hostile) for one in told.report.ranking),
        judges=tuple(replace(one, peer=hostile) for one in told.report.judges),
    )
    out = render_explanation(replace(told, report=report), verdict="", asked_about=None)
    assert not [c for c in out if not c.isprintable() and c != "\n"]
    assert "\nwhy #1 won" not in out
