"""Rounds in sequence: weight leaves judges that disagree with the others, and gold is what it says."""

from dataclasses import replace

from evaluation.methods.base import Settings
from evaluation.robustness.rounds import hold_rounds, order_rounds
from tests.evaluation.kit import SEED, make_record, make_scores
from tests.evaluation.robust_kit import make_records

SETTINGS = Settings(seed=SEED, calls_per_peer=6, steps=3)


def test_weight_leaves_bad_judges_and_accuracy_gains() -> None:
    records = make_records(110, skills=(0.85, 0.85, 0.85, 0.85, 0.1, 0.1, 0.1))
    held = hold_rounds(records, SETTINGS, gold_every=0)
    first, last = held[0].weights, held[-1].weights
    assert first == (1.0,) * 7
    assert min(last[:4]) > 2 * max(last[4:])
    late = held[55:]
    assert sum(one.is_weighted_right for one in late) > sum(one.is_unweighted_right for one in late) + 3


def test_equal_judges_keep_about_equal_weights() -> None:
    held = hold_rounds(make_records(80, skills=(0.8,) * 7), SETTINGS, gold_every=0)
    assert min(held[-1].weights) > max(held[-1].weights) / 3


def test_rounds_are_the_same_again_and_mix_families() -> None:
    records = make_records(12, skills=(0.7,) * 5)
    assert hold_rounds(records, SETTINGS, gold_every=3) == hold_rounds(records, SETTINGS, gold_every=3)
    order = order_rounds(records, SETTINGS)
    assert sorted(order) == list(range(12))
    assert order != list(range(12))
    assert [one.place for one in hold_rounds(records, SETTINGS, gold_every=0)] == order


def test_gold_comes_as_often_as_said_and_teaches() -> None:
    records = make_records(120, skills=(0.9, 0.9, 0.1, 0.1, 0.1))
    held = hold_rounds(records, SETTINGS, gold_every=4)
    assert [number for number, one in enumerate(held, start=1) if one.is_gold] == list(range(4, 121, 4))
    blind = hold_rounds(records, SETTINGS, gold_every=0)
    assert not any(one.is_gold for one in blind)
    good, bad = sum(held[-1].weights[:2]), sum(blind[-1].weights[:2])
    assert good / sum(held[-1].weights) > bad / sum(blind[-1].weights)


def test_where_nobody_answered_nobody_is_right_and_nothing_is_learnt() -> None:
    silent = replace(make_record(["", "", "", ""], key="q/none"), judgements=make_scores([], [], [], []))
    held = hold_rounds([silent], SETTINGS, gold_every=1)
    assert [(one.is_weighted_right, one.is_unweighted_right, one.is_gold) for one in held] == [(False,) * 3]
    assert hold_rounds([], SETTINGS, gold_every=0) == []
