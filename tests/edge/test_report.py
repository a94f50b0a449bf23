"""What an asker is told of a round, read from verified receipts of every kind."""

import json

import pytest

from consensus.decision import Status
from consensus.verify import VerifiedRound, verify_receipt
from ranking.canonical import Q16
from swarm.edge.report import (
    ASK_SCHEMA,
    RoundReport,
    create_report,
    to_json,
    unanswered_to_json,
)
from tests.consensus.receipt_kit import KITS, QUESTION, get_kit


def get_round(name: str) -> VerifiedRound:
    verdict = verify_receipt(get_kit(name).data)
    assert verdict.round is not None
    return verdict.round


def get_report(name: str) -> RoundReport:
    return create_report(get_round(name))


@pytest.mark.parametrize("name", KITS)
def test_a_report_says_what_the_last_value_certifies(name: str) -> None:
    verified, report = get_round(name), get_report(name)
    value = verified.closed[-1].outcome.value
    assert report.question == QUESTION
    assert report.status == Status(value.status)
    assert report.result_digest == verified.closed[-1].outcome.digest
    assert (report.seats, report.quorum) == (verified.facts.committee.n, verified.facts.committee.q)
    assert report.round_id == verified.facts.round_id
    assert {(gone.step, gone.seat) for gone in report.missing} == {
        (step.outcome.value.step, seat) for step in verified.closed for seat in step.outcome.value.missing
    }


@pytest.mark.parametrize("name", KITS)
def test_the_ranking_is_the_certified_order(name: str) -> None:
    verified, report = get_round(name), get_report(name)
    if verified.winner is None:
        assert (report.winner, report.ranking, report.p_best) == (None, (), None)
        assert report.status is Status.FAILED
        return
    assert report.winner is not None
    assert report.winner.index == verified.winner
    assert report.winner.text == verified.texts[verified.winner].decode()
    assert sorted(item.index for item in report.ranking) == list(range(len(verified.texts)))
    strengths = [item.strength for item in report.ranking]
    assert strengths == sorted(strengths, reverse=True)
    authors = [author for item in report.ranking for author in item.authors]
    assert len(authors) == len(set(authors))


@pytest.mark.parametrize("name", KITS)
def test_p_best_is_shared_out_among_the_candidates(name: str) -> None:
    verified, report = get_round(name), get_report(name)
    scores = verified.closed[-1].outcome.scores
    if scores is None or verified.winner is None:
        assert report.p_best is None
        assert all(item.p_best is None for item in report.ranking)
        return
    shares = [item.p_best for item in sorted(report.ranking, key=lambda item: item.index)]
    known = [share for share in shares if share is not None]
    assert len(known) == len(shares)
    assert 0.0 <= 1.0 - sum(known) < 0.13
    assert all(share >= 0.0 for share in known)
    assert report.p_best == scores.p_best_q16 / Q16
    assert report.ranking[0].p_best == report.p_best
    assert max(known) == known[scores.order[0]]


def test_a_unanimous_round_ranks_nothing() -> None:
    report = get_report("unanimous")
    assert (report.is_unanimous, report.p_best, len(report.ranking)) == (True, None, 1)
    assert report.comparisons == ()
    assert not get_report("four").is_unanimous
    assert not get_report("aborted").is_unanimous


@pytest.mark.parametrize("name", KITS)
def test_every_comparison_is_of_two_candidates_by_a_seat(name: str) -> None:
    report = get_report(name)
    candidates = {item.index: item for item in report.ranking}
    for comparison in report.comparisons:
        assert comparison.left != comparison.right
        assert {comparison.left, comparison.right} <= set(candidates)
        assert 0.05 <= comparison.outcome <= 0.95
        for side in (comparison.left, comparison.right):
            assert candidates[side].authors != (comparison.judge,)
        assert 1 <= comparison.step <= 3


@pytest.mark.parametrize("name", KITS)
def test_json_holds_the_report(name: str) -> None:
    report = get_report(name)
    value = json.loads(json.dumps(to_json(report, receipt_path="r", elapsed_s={"round": 1.23456})))
    assert value["schema"] == ASK_SCHEMA
    assert value["status"] == report.status.name.lower()
    assert value["answer"] == (report.winner.text if report.winner else None)
    assert [item["text"] for item in value["ranking"]] == [item.text for item in report.ranking]
    assert value["elapsed_s"] == {"round": 1.235}
    assert value["usage"]["seats"] == report.seats
    assert value["usage"]["comparisons"] == len(report.comparisons)
    assert (value["p_best"] is None) == (report.p_best is None)
    assert value["receipt"] == "r"


def test_a_question_without_result_has_the_same_fields() -> None:
    unanswered = unanswered_to_json("nobody there", elapsed_s={"round": 60.0})
    answered = to_json(get_report("four"), receipt_path=None, elapsed_s={})
    assert set(answered) == set(unanswered) - {"reason"}
    assert (unanswered["status"], unanswered["answer"], unanswered["receipt"]) == ("failed", None, None)
    assert unanswered["reason"] == "nobody there"
