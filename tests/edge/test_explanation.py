"""What is told of a round follows from its receipt: fits, absences, duels, camps."""

import json
from pathlib import Path

import pytest

from consensus.verify import verify_receipt
from ranking.canonical import Q16
from swarm.edge.explanation import Explanation, explain_round, explanation_to_json, find_answers
from swarm.edge.report import create_report

VECTORS = Path(__file__).parents[1] / "vectors" / "receipts"
RANKED = sorted(
    path.stem.removeprefix("honest-")
    for path in VECTORS.glob("honest-*.receipt")
    if path.stem not in ("honest-aborted", "honest-unanimous", "honest-31-seats-all-differ")
)


def explain(name: str, *, rank: int | None = None) -> Explanation:
    verdict = verify_receipt((VECTORS / f"honest-{name}.receipt").read_bytes())
    assert verdict.round is not None
    report = create_report(verdict.round)
    return explain_round(verdict, target=None if rank is None else report.ranking[rank - 1].index)


@pytest.mark.parametrize("name", RANKED)
def test_the_winner_told_of_is_the_certified_one(name: str) -> None:
    told = explain(name)
    report, story = told.report, told.winner
    assert story is not None
    assert [story.winner, story.runner_up] == [one.index for one in report.ranking[:2]]
    lead = report.ranking[0].strength - report.ranking[1].strength
    assert story.lead.total / Q16 == pytest.approx(lead)
    is_single = any(one.leader != story.winner for one in story.without)
    assert (report.flip_estimate == 1) == is_single, "for one judge the certificate is exact"
    assert is_single == (story.removal.members is not None and len(story.removal.members) == 1)
    assert told.loser is None
    assert (told.camps is not None) == (report.history is not None)


@pytest.mark.parametrize("name", RANKED)
def test_duels_hold_all_that_was_said_of_a_pair(name: str) -> None:
    told = explain(name, rank=2)
    assert told.duel is not None
    assert told.loser is not None
    mirrored = [duel for duel in told.lost_to if duel.second == told.duel.first]
    assert sum(len(duel.said) for duel in mirrored) == len(told.duel.said)
    for duel in mirrored:
        for here, there in zip(duel.said, told.duel.said, strict=True):
            assert (here.judge, here.step) == (there.judge, there.step)
            assert here.p_better == pytest.approx(1 - there.p_better)
            assert here.is_first_left != there.is_first_left
    of_target = [one for one in told.report.comparisons if told.loser.target in (one.left, one.right)]
    assert sum(len(duel.said) for duel in told.lost_to) == len(of_target)


def test_the_winner_is_no_loser() -> None:
    told = explain("four", rank=1)
    assert (told.loser, told.lost_to) == (None, ())


def test_what_was_not_ranked_has_no_story() -> None:
    for name, silent in (("unanimous", ()), ("aborted", (0, 3))):
        told = explain(name)
        assert (told.winner, told.duel, told.loser) == (None, None, None)
        assert told.absence.silent == silent
        assert explanation_to_json(told)["winner"] is None


def test_absence_is_told_with_what_it_could_have_changed() -> None:
    nobody = explain("seven").absence
    assert (nobody.silent, nobody.unjudged, nobody.possible_leaders) == ((), (), ())
    close = explain("partial")
    assert close.absence.silent == (2,)
    assert {pair.judge for pair in close.absence.unjudged} == {2}
    assert close.absence.possible_leaders == (close.report.ranking[1].index,)
    clear = explain("7-seats-2-missing").absence
    assert clear.silent == (4, 5)
    assert {pair.judge for pair in clear.unjudged} == {4, 5}
    assert clear.possible_leaders == ()


def test_camps_come_from_the_standing() -> None:
    told = explain("round-3-of-a-history")
    assert told.camps is not None
    outside = [seat for seat, is_reference in enumerate(told.camps.is_reference) if not all(is_reference)]
    assert outside == [seat.seat for seat in told.report.judges if seat.weight == 0.0] == [3]


def test_answers_are_found_by_their_text() -> None:
    report = explain("four").report
    assert [one.text for one in report.ranking] == ["342", "302", "732"]
    assert [one.text for one in find_answers(report, " 342. ")] == ["342"], "merged as answers are"
    assert [one.text for one in find_answers(report, "32")] == ["732"]
    assert len(find_answers(report, "3")) > 1
    assert find_answers(report, "nothing") == ()
    assert find_answers(report, " ") == ()
    assert find_answers(report, "\udcff") == ()


@pytest.mark.parametrize("name", RANKED)
def test_the_object_is_json_and_its_indices_are_candidates(name: str) -> None:
    told = explain(name, rank=2)
    value = json.loads(json.dumps(explanation_to_json(told), allow_nan=False))
    assert value["schema"] == "peerage.explain/1"
    known = {one["candidate"] for one in value["answers"]}
    assert {value["winner"]["candidate"], value["winner"]["runner_up"]} <= known
    assert value["winner"]["lead"] == pytest.approx(
        value["winner"]["lead_by_authors"] + value["winner"]["lead_by_ballots"], abs=2e-4
    )
    assert value["asked_about"]["candidate"] in known
    assert {one["candidate"] for one in value["asked_about"]["against"]} <= known
    turned = value["asked_about"]["would_win"]["turned"]["verdicts"]
    assert all({one["left"], one["right"]} <= known for one in turned)
