from dataclasses import replace

import pytest

from consensus.errors import ConfigError
from evaluation.plan import Plan
from evaluation.record import PairOutcomes, QuestionRecord, Shown, SwarmRecords
from evaluation.tables import ALL, SwarmSummary, summarise
from tests.evaluation.kit import make_plan, make_record, make_scores, make_swarm


def make_swarm_records(*records: QuestionRecord, judge: str = "likelihood") -> SwarmRecords:
    return SwarmRecords(
        swarm=make_swarm(peers=len(records[0].answers)),
        judge=judge,
        models=("m",) * len(records[0].answers),
        digests=("00",) * len(records[0].answers),
        records=records,
    )


def get_summary(plan: Plan, one: SwarmRecords) -> SwarmSummary:
    return summarise(plan, one)[0]


# In family x the majority is right; in family y a single peer is, and judges know.
KNOWING = make_scores(*([-9.0, -1.0],) * 5)
X = [make_record(["r", "r", "r", "w", "w"], right=["r"], key=f"x{i}", family="x", judgements=make_scores(*([-1.0, -9.0],) * 5)) for i in range(4)]  # fmt: skip # noqa: E501
Y = [make_record(["w", "w", "r", "w", "w"], right=["r"], key=f"y{i}", family="y", judgements=KNOWING) for i in range(6)]  # fmt: skip # noqa: E501
SUMMARY = get_summary(make_plan(bootstrap=200), make_swarm_records(*X, *Y))
ROWS = {(row.method, row.family): row for row in (*SUMMARY.methods, *SUMMARY.families)}


def test_accuracies_are_those_of_the_questions() -> None:
    assert ROWS["majority", ALL].accuracy.value == 0.4
    assert ROWS["majority", "x"].accuracy.value == 1.0
    assert ROWS["majority", "y"].accuracy.value == 0.0
    assert ROWS["oracle", ALL].accuracy.value == 1.0
    assert ROWS["ours", ALL].accuracy.value == 1.0
    assert ROWS["single", ALL].accuracy.value == pytest.approx((4 * 0.6 + 6 * 0.2) / 10)
    assert ROWS["ours", ALL].questions == 10
    assert ROWS["ours", "y"].questions == 6


def test_differences_are_paired_and_tested() -> None:
    ours = ROWS["ours", ALL]
    assert ours.difference.value == pytest.approx(0.6)
    # Within a family every question is alike, so no resample can differ.
    assert ours.difference.low == ours.difference.high == pytest.approx(0.6)
    assert ours.mcnemar is not None
    assert (ours.mcnemar.better, ours.mcnemar.worse) == (6, 0)
    assert ours.mcnemar.p_value == pytest.approx(2 / 2**6)
    assert ROWS["majority", ALL].mcnemar is None
    assert ROWS["single", ALL].mcnemar is None


def test_the_share_of_the_gap_is_known_only_where_there_is_one() -> None:
    recovered = ROWS["ours", ALL].recovered
    assert recovered is not None
    assert recovered.value == 1.0
    assert ROWS["ours", "x"].recovered is None
    majority = ROWS["majority", "y"].recovered
    assert majority is not None
    assert majority.value == 0.0


def test_another_method_can_be_what_all_are_compared_with() -> None:
    plan = replace(make_plan(bootstrap=50, methods=("majority",)), against="ours")
    summary = get_summary(plan, make_swarm_records(*X, *Y))
    rows = {row.method: row for row in summary.methods}
    assert list(rows) == ["majority", "ours", "oracle"]
    assert rows["majority"].difference.value == pytest.approx(-0.6)
    assert rows["ours"].difference.value == 0.0


def test_judges_are_measured_on_pairs_of_a_right_and_a_wrong_answer() -> None:
    rows = {(row.peer, row.family): row for row in SUMMARY.judges}
    assert rows[0, ALL].verdicts == 2 * 10
    assert rows[0, ALL].accuracy == 1.0
    assert rows[2, "y"].as_author == 1.0
    assert rows[0, "y"].as_author == 0.0


def test_even_verdicts_count_half_and_missing_ones_not_at_all() -> None:
    outcomes = PairOutcomes(
        values={
            Shown(0, 0, 1): 32_768, Shown(0, 1, 0): None, Shown(1, 0, 1): 50_000, Shown(1, 1, 0): 50_000,
            Shown(2, 0, 1): 50_000, Shown(2, 1, 0): 15_536,
        },
        tokens={},
    )  # fmt: skip
    record = make_record(["r", "r", "w", "w", "w"], right=["r"], judgements=outcomes)
    rows = get_summary(make_plan(), make_swarm_records(record, judge="letters")).judges
    assert [row.accuracy for row in rows[:5]] == [0.5, 0.5, 1.0, None, None]
    assert [row.missing for row in rows[:5]] == [1, 0, 0, 2, 2]


def test_missing_answers_and_verdicts_are_counted() -> None:
    record = make_record(["r", "", "w", "w", "w"], right=["r"], judgements=make_scores(*([-1.0, None],) * 5))
    counts = get_summary(make_plan(), make_swarm_records(record)).counts
    assert (counts.answers, counts.answers_missing) == (10, 2)
    assert (counts.judgements, counts.judgements_missing) == (10, 10)


def test_what_cannot_be_computed_is_left_out_and_said() -> None:
    records = [make_record(["r", "w", "w", "w"], right=["r"], logprobs=[None] * 4)]
    summary = get_summary(make_plan(), make_swarm_records(*records, judge=""))
    named = [row.method for row in summary.methods]
    assert "ours" not in named
    assert "confidence-vote" not in named
    assert summary.left_out["ours"] == "judgements"
    assert summary.left_out["confidence-vote"] == "log-probabilities of sampled answers"
    assert summary.judges == ()
    assert summary.calibration == ()
    with pytest.raises(ConfigError, match="nothing can be compared with ours"):
        summarise(replace(make_plan(), against="ours"), make_swarm_records(*records, judge=""))


def test_curves_cover_the_budgets_and_the_sizes_that_fit() -> None:
    plan = replace(make_plan(bootstrap=20), budgets=(4, 8), sizes=(3, 5, 7))
    summary = get_summary(plan, make_swarm_records(*X, *Y))
    assert sorted({point.at for point in summary.budgets}) == [4, 8]
    assert sorted({point.at for point in summary.sizes}) == [3, 5]  # there are five peers
    whole = {point.method: point.accuracy.value for point in summary.sizes if point.at == 5}
    assert whole["majority"] == 0.4
    assert whole["oracle"] == 1.0
    small = {point.method: point.accuracy.value for point in summary.sizes if point.at == 3}
    assert small["oracle"] < 1.0  # the one that knows is not among any three


def test_calibration_looks_at_questions_with_a_choice_and_a_right_answer() -> None:
    hopeless = make_record(["w", "v", "w", "v", "w"], right=["r"], key="h", judgements=KNOWING)
    agreed = make_record(["r"] * 5, right=["r"], key="a", judgements=make_scores(*([-1.0],) * 5))
    summary = get_summary(make_plan(), make_swarm_records(*X, hopeless, agreed))
    (ours, _) = summary.calibration
    assert (ours.method, ours.questions) == ("ours", 4)
    assert sum(one.count for one in ours.bins) == 4
