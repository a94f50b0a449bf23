"""`peerage ask --judge`: real sockets, each judge, and what is said of it."""

from pathlib import Path

import pytest

from consensus.verify import verify_receipt
from swarm.edge.events import Event, read_events
from swarm.edge.paths import get_paths
from swarm.edge.report import create_report
from tests.cli.console import Ran, run, run_process

# Nobody is right for sure, so there is something to judge; the seed gives several answers.
ASK = (
    "ask",
    "What is 7 times 12?",
    "--model",
    "scripted:accuracy=0.3",
    "--peers",
    "4",
    "--seed",
    "2",
    "--json",
)


def list_judged() -> list[Event]:
    return [
        event
        for path in sorted(get_paths().logs.iterdir())
        for event in read_events(path)
        if event.event == "pairs_judged"
    ]


def list_outcomes(ran: Ran) -> list[float]:
    """Return the outcomes of all ballots of the receipt, which must hold."""
    verdict = verify_receipt(Path(str(ran.json["receipt"])).read_bytes())
    assert verdict.is_consistent
    assert verdict.round is not None
    return [one.outcome for one in create_report(verdict.round).comparisons]


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        ("letters", "letters"),
        ("reasoning", "reasoning"),
        ("reasoning:tokens=80,orders=1", "reasoning:orders=1"),
        ("likelihood:prompts=4", "likelihood:prompts=4"),
        ("auto", "likelihood"),
    ],
)
def test_a_round_is_judged_as_asked_and_says_so(judge: str, said: str) -> None:
    ran = run(*ASK, "--judge", judge)
    assert ran.code == 0, ran.err
    assert ran.json["judge"] == said
    assert f"· judge {said}\n" in ran.err
    outcomes = list_outcomes(ran)
    assert outcomes
    assert any(outcome != 0.5 for outcome in outcomes)
    judged = list_judged()
    if said.startswith("likelihood"):
        assert judged == []
    else:
        assert {(event.fields["judge"], event.fields["missing"]) for event in judged} == {(said, 0)}
        assert sum(int(str(event.fields["pairs"])) for event in judged) == len(outcomes)


def test_judges_differ_in_what_they_make_of_the_same_answers() -> None:
    by_letters, by_likelihood = (
        list_outcomes(run(*ASK, "--judge", judge)) for judge in ("letters", "likelihood")
    )
    assert by_letters != by_likelihood
    assert list_outcomes(run(*ASK, "--judge", "letters")) == by_letters


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        ("jury", "no judge is called 'jury'"),
        ("likelyhood", "did you mean 'likelihood'"),
        ("likelihood:prompts=9", "expected 1 to 4"),
        ("letters:orders=1", "no parameter 'orders'"),
        ("", "known: likelihood"),
    ],
)
def test_an_unknown_judge_is_refused_before_anything_is_opened(judge: str, words: str) -> None:
    ran = run(*ASK, "--judge", judge)
    assert (ran.code, ran.out) == (3, "")
    assert "--judge" in ran.err
    assert words in ran.err
    assert "auto" in ran.err
    assert "peers up" not in ran.err


def test_the_environment_names_a_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_ASK_JUDGE", "letters")
    assert run(*ASK).json["judge"] == "letters"
    assert run(*ASK, "--judge", "likelihood").json["judge"] == "likelihood"


@pytest.mark.slow
def test_peers_in_processes_judge_as_asked_and_say_so() -> None:
    ran = run_process(*ASK, "--processes", "--judge", "letters")
    assert ran.code == 0, ran.err
    assert ran.json["judge"] == "letters"
    assert "judge letters" in ran.err
    assert {event.fields["judge"] for event in list_judged()} == {"letters"}
    assert run_process(*ASK, "--processes").json["judge"] == "likelihood"
