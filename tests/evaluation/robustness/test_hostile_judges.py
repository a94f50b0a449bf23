"""Hostile judges: what they say, and that honest ones say what they said."""

from itertools import pairwise, permutations

import pytest

from evaluation.robustness.hostile_judges import JudgeAttack, attack, draw_hostile_peers
from ranking.ballots import OUTCOME_MAX, OUTCOME_MIN
from ranking.canonical import Q16
from tests.evaluation.kit import SEED, make_record, make_scores

RECORD = make_record(
    ["1", "2", "3", "1", "2"],
    right=["1"],
    judgements=make_scores(*[[-1.0, -2.0 - judge, -3.0] for judge in range(4)], [None, -2.0, -3.0]),
)
PAIRS = list(permutations(range(3), 2))


@pytest.mark.parametrize("kind", JudgeAttack)
def test_honest_judges_are_left_alone_and_what_failed_stays_missing(kind: JudgeAttack) -> None:
    changed = attack(RECORD, kind, (1, 4), seed=SEED)
    assert RECORD.judgements is not None
    assert changed.judgements is not None
    for judge in (0, 2, 3):
        for pair in PAIRS:
            assert changed.judgements.get_outcome(judge, *pair) == RECORD.judgements.get_outcome(judge, *pair)
    assert changed.judgements.get_outcome(4, 0, 1) is None
    assert changed.answers == RECORD.answers
    assert attack(RECORD, kind, (), seed=SEED) is RECORD


def test_each_attack_says_what_its_name_says() -> None:
    assert RECORD.judgements is not None
    inverted = attack(RECORD, JudgeAttack.INVERT, (1,), seed=SEED).judgements
    favoured = attack(RECORD, JudgeAttack.FAVOUR, (1, 4), seed=SEED).judgements
    assert inverted is not None
    assert favoured is not None
    for pair in PAIRS:
        honest = RECORD.judgements.get_outcome(1, *pair)
        assert honest is not None
        assert inverted.get_outcome(1, *pair) == Q16 - honest
    # Peers 1 and 4 gave the second class.
    assert favoured.get_outcome(1, 1, 0) == favoured.get_outcome(1, 1, 2) == OUTCOME_MAX
    assert favoured.get_outcome(1, 0, 1) == favoured.get_outcome(1, 2, 1) == OUTCOME_MIN
    assert favoured.get_outcome(1, 0, 2) == RECORD.judgements.get_outcome(1, 0, 2)


def test_coins_fall_either_way_and_the_same_way_again() -> None:
    judge = make_scores(*[[0.0, -1.0]] * 4)
    records = [
        make_record(["1", "2", "1", "2"], right=["1"], judgements=judge, key=f"q/{n}") for n in range(200)
    ]
    tossed = [attack(one, JudgeAttack.RANDOM, (2,), seed=SEED).judgements for one in records]
    said = [one.get_outcome(2, 0, 1) for one in tossed if one is not None]
    assert set(said) == {OUTCOME_MIN, OUTCOME_MAX}
    assert 60 < said.count(OUTCOME_MAX) < 140
    again = attack(records[0], JudgeAttack.RANDOM, (2,), seed=SEED).judgements
    assert again is not None
    assert again.get_outcome(2, 0, 1) == said[0]


def test_fewer_hostile_peers_are_among_more() -> None:
    drawn = [draw_hostile_peers(7, count=count, seed=SEED) for count in range(8)]
    assert [len(one) for one in drawn] == list(range(8))
    assert all(set(less) < set(more) for less, more in pairwise(drawn))
    assert len({draw_hostile_peers(7, count=2, seed=bytes([n]) * 32) for n in range(20)}) > 5
