"""Paired figures: their values on records made by hand, and what is not said where it is not known."""

from dataclasses import replace

import pytest

from evaluation.methods.base import Choice
from evaluation.plan import Plan
from evaluation.record import PairOutcomes, Pick, QuestionRecord, Shown, Source, SwarmRecords
from evaluation.robustness.extraneous import DirtyTask, make_dirty_tasks
from evaluation.robustness.hostile_answers import HostileAnswer
from evaluation.robustness.pairing import compare_dirty, compare_hostile, compare_verdicts, list_rules
from ranking.canonical import Q16
from tests.evaluation.kit import SEED, is_equal, make_plan, make_record, make_swarm, make_tasks

PLAN: Plan = make_plan(bootstrap=400)


def make_swarm_records(*records: QuestionRecord) -> SwarmRecords:
    return SwarmRecords(
        swarm=make_swarm(peers=4), judge="letters", models=("m",) * 4, digests=("00",) * 4, records=records
    )


def make_dirty(count: int, kinds: tuple[str, ...] = ("facts",)) -> list[DirtyTask]:
    return make_dirty_tasks(make_tasks(count), kinds=kinds, seed=SEED, grade=is_equal)


def pick(peer: int) -> Choice:
    return Choice(picks=(Pick(Source.ANSWER, peer),))


def all_peers() -> Choice:
    return Choice(picks=tuple(Pick(Source.ANSWER, peer) for peer in range(4)))


def make_half_lost(count: int) -> tuple[SwarmRecords, SwarmRecords]:
    """Return questions that all peers got right, and the same with peer 0 right and the others wrong."""
    clean = [make_record(["1"] * 4, right=["1"], key=f"q/{n}") for n in range(count)]
    dirty = [make_record(["1", "2", "2", "2"], right=["1"], key=f"d/{n}") for n in range(count)]
    return make_swarm_records(*clean), make_swarm_records(*dirty)


def test_losses_are_paired_and_held_against_a_single_peer() -> None:
    clean, dirty = make_half_lost(20)
    choices = {"single": [all_peers()] * 20, "ours": [pick(0)] * 10 + [pick(1)] * 10}
    rows = compare_dirty(PLAN, clean, choices, dirty, choices, make_dirty(20))
    single, ours = (row for row in rows if row.kind == "all")
    assert (single.questions, single.clean, single.dirty) == (20, 1.0, 0.25)
    assert single.difference.value == single.difference.low == -0.75
    assert single.mcnemar is None
    assert single.loss_ratio is not None
    assert single.loss_ratio.value == 1.0
    assert single.beyond_half.value == 0.375
    assert (ours.clean, ours.dirty, ours.difference.value) == (1.0, 0.5, -0.5)
    assert ours.mcnemar is not None
    assert (ours.mcnemar.better, ours.mcnemar.worse) == (0, 10)
    assert ours.loss_ratio is not None
    assert ours.loss_ratio.value == pytest.approx(2 / 3)
    assert ours.loss_ratio.low < 2 / 3 < ours.loss_ratio.high
    assert ours.beyond_half.value == pytest.approx(0.125)


def test_there_is_no_ratio_to_a_loss_that_is_not_told_from_none() -> None:
    clean, dirty = make_half_lost(20)
    right = make_record(["1"] * 4, right=["1"])
    mixed = replace(dirty, records=(*dirty.records[:1], *(right,) * 19))
    choices = {"single": [all_peers()] * 20, "ours": [pick(1)] * 20}
    for later in (mixed, clean):  # once in twenty, and never
        rows = compare_dirty(PLAN, clean, choices, later, choices, make_dirty(20))
        assert all(row.loss_ratio is None for row in rows)
    assert rows[1].difference.value == 0.0


def test_a_kind_with_one_question_of_a_family_does_not_feign_certainty() -> None:
    clean, dirty = make_half_lost(6)
    families = tuple(replace(one, family=f"f{place}") for place, one in enumerate(clean.records))
    mixed = replace(dirty, records=(*dirty.records[:3], *clean.records[3:]))
    choices = {"single": [pick(1)] * 6}
    rows = compare_dirty(PLAN, replace(clean, records=families), choices, mixed, choices, make_dirty(6))
    (row,) = (row for row in rows if row.kind == "facts")
    assert row.difference.value == -0.5
    assert row.difference.low < -0.7 < -0.3 < row.difference.high


def test_kinds_are_told_apart() -> None:
    clean, dirty = make_half_lost(28)
    tasks = make_dirty(28, kinds=("facts", "orders"))
    harmed = replace(
        clean,
        records=tuple(
            dirty.records[place] if task.kind == "orders" else clean.records[place]
            for place, task in enumerate(tasks)
        ),
    )
    choices = {"single": [all_peers()] * 28, "ours": [pick(1)] * 28}
    rows = compare_dirty(PLAN, clean, choices, harmed, choices, tasks)
    found = {(row.method, row.kind): row for row in rows}
    assert found["ours", "facts"].difference.value == 0.0
    assert found["ours", "orders"].difference.value == -1.0
    assert found["ours", "facts"].questions + found["ours", "orders"].questions == 28
    assert found["ours", "all"].difference.low < -0.3 < found["ours", "all"].difference.high + 0.2


# -- hostile answers ---------------------------------------------------------------------------------


def judge_all(record: QuestionRecord, *, liked: str) -> QuestionRecord:
    """Return a question whose judges all prefer one text."""
    values: dict[Shown, int | None] = {
        Shown(judge, left, right): Q16 * 3 // 4
        if record.classes[left].text == liked
        else Q16 // 4
        if record.classes[right].text == liked
        else Q16 // 2
        for judge in range(record.peers)
        for left in range(len(record.classes))
        for right in range(len(record.classes))
        if left != right
    }
    return replace(record, judgements=PairOutcomes(values=values, tokens=dict.fromkeys(values, 1)))


def make_turned(count: int) -> tuple[SwarmRecords, SwarmRecords, list[tuple[HostileAnswer, ...]]]:
    """Return questions on which peer 2 alone is wrong, and judges that fall for what it adds."""
    texts = ["1", "1", "2", "1"]
    clean = judge_all(make_record(texts, right=["1"]), liked="1")
    turned = make_record(["1", "1", "2 please", "1"], right=["1"])
    hostile = judge_all(turned, liked="2 please")
    answers: list[tuple[HostileAnswer, ...]] = [(HostileAnswer(2, "plea", "2 please"),)] * count
    return make_swarm_records(*[clean] * count), make_swarm_records(*[hostile] * count), answers


def test_hostile_wins_are_counted_against_the_same_peer_s_clean_wins() -> None:
    clean, hostile, answers = make_turned(10)
    none: tuple[HostileAnswer, ...] = ()
    answers[0] = none  # nobody was wrong here
    first = {"ours": [pick(0)] * 10, "oracle": [pick(0)] * 10}
    second = {"ours": [pick(2)] * 10, "oracle": [pick(0)] * 10}
    (row,) = compare_hostile(PLAN, clean, first, hostile, second, answers)
    assert (row.method, row.questions, row.clean_wins, row.hostile_wins) == ("ours", 9, 0.0, 1.0)
    assert row.difference.value == row.difference.low == 1.0
    assert row.accuracy_change.value == -1.0
    assert compare_hostile(PLAN, clean, first, hostile, second, [none] * 10) == ()


def test_wins_of_a_class_are_its_authors() -> None:
    clean, hostile, answers = make_turned(4)
    wrong = next(index for index, one in enumerate(clean.records[0].classes) if not one.is_right)
    chosen = {"ours": [Choice(picks=(Pick(Source.CLASS, wrong),))] * 4}
    (row,) = compare_hostile(PLAN, clean, chosen, hostile, chosen, answers)
    assert (row.clean_wins, row.hostile_wins, row.difference.value) == (1.0, 1.0, 0.0)


def test_verdicts_are_those_of_the_others_both_ways_round() -> None:
    clean, hostile, answers = make_turned(6)
    whole, single = compare_verdicts(PLAN, clean, hostile, answers)
    assert (whole.text, whole.questions, whole.verdicts) == ("all", 6, 6 * 3 * 2)
    assert (whole.clean, whole.hostile) == (0.0, 1.0)
    assert whole.difference is not None
    assert whole.difference.value == 1.0
    assert (single.text, single.hostile, single.difference) == ("plea", 1.0, None)
    even, _ = compare_verdicts(PLAN, clean, clean, answers)
    assert even.difference is not None
    assert even.difference.value == even.difference.high == 0.0


def test_without_a_right_answer_there_is_no_verdict_to_compare() -> None:
    clean, hostile, answers = make_turned(3)
    wrong = tuple(
        replace(one, classes=tuple(replace(each, is_right=False) for each in one.classes))
        for one in clean.records
    )
    assert compare_verdicts(PLAN, replace(clean, records=wrong), hostile, answers) == ()


def test_rules_that_hostile_answers_cannot_reach_are_left_out() -> None:
    greedy = Choice(picks=(Pick(Source.GREEDY, 0),))
    assert list_rules({"ours": [pick(0)], "oracle": [pick(0)], "greedy": [greedy]}) == ["ours"]
