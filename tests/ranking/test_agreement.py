import pytest

from ranking.agreement import (
    NET_ONE,
    NO_BOND,
    add_agreement,
    compute_agreement,
    compute_net_votes,
    compute_truth_votes,
)
from ranking.ballots import OUTCOME_MAX, OUTCOME_MIN, Q16, Comparison

SURE = NET_ONE * 9 // 10  # a ballot says at most .95: nine tenths of a net vote


def test_a_net_vote_is_the_mean_of_what_a_judge_said_of_a_class() -> None:
    votes = compute_net_votes(
        [Comparison(3, 0, 1, OUTCOME_MAX), Comparison(3, 2, 0, OUTCOME_MIN), Comparison(5, 1, 2, Q16 // 2)],
        classes=4,
    )
    assert votes.by_judge[3][0] == pytest.approx(SURE, abs=1)  # won both
    assert votes.by_judge[3][1] == pytest.approx(-SURE, abs=1)
    assert votes.by_judge[3][3] == 0
    assert votes.seen == {3: 0b0111, 5: 0b0110}
    assert votes.by_judge[5] == (0, 0, 0, 0)


def test_a_pair_judged_both_ways_leaves_no_net_vote() -> None:
    votes = compute_net_votes([Comparison(0, 0, 1, OUTCOME_MAX), Comparison(0, 1, 0, OUTCOME_MAX)], classes=2)
    assert votes.by_judge[0] == (0, 0)
    assert votes.seen[0] == 0b11


def test_agreement_counts_classes_that_both_judged_and_rivals_need_not_be_the_same() -> None:
    votes = compute_net_votes([Comparison(0, 0, 1, OUTCOME_MAX), Comparison(1, 0, 2, OUTCOME_MAX)], classes=3)
    products, count = compute_agreement(votes, 0, 1)
    assert count == Q16  # class 0 alone
    assert products == pytest.approx(0.81 * Q16, rel=0.01)
    assert compute_agreement(votes, 1, 0) == (products, count)


def test_opposite_verdicts_agree_negatively() -> None:
    votes = compute_net_votes([Comparison(0, 0, 1, OUTCOME_MAX), Comparison(1, 0, 1, OUTCOME_MIN)], classes=2)
    products, count = compute_agreement(votes, 0, 1)
    assert count == 2 * Q16
    assert products == pytest.approx(-1.62 * Q16, rel=0.01)


def test_memories_fade_at_their_own_pace() -> None:
    bond = add_agreement(NO_BOND, (64 * Q16, 64 * Q16))
    bond = add_agreement(bond, (0, 0))
    assert (bond.slow, bond.fast) == (63 * Q16, 56 * Q16)
    assert (bond.slow_count, bond.fast_count) == (63 * Q16, 56 * Q16)


@pytest.mark.parametrize(
    ("correct", "expected"),
    [((1,), (-NET_ONE, NET_ONE, -NET_ONE)), ((), (0, 0, 0)), ((0, 1, 2), (0, 0, 0))],
)
def test_the_truth_votes_only_where_it_tells_classes_apart(
    correct: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert compute_truth_votes(correct, classes=3) == expected
