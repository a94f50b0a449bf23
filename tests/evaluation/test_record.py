import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.record import (
    ClassScores,
    PairOutcomes,
    Pick,
    Shown,
    Source,
    get_pick_text,
    is_pick_right,
)
from tests.evaluation.kit import make_record, make_scores


def test_an_outcome_follows_from_two_scores_and_is_missing_with_either() -> None:
    scores = make_scores([-1.0, -2.0, None])
    assert scores.get_outcome(0, 0, 1) == 47_911  # sigmoid(1) in Q16
    assert scores.get_outcome(0, 1, 0) == 65_536 - 47_911
    assert scores.get_outcome(0, 0, 2) is None


def test_a_score_is_the_mean_over_prompts_and_missing_where_one_is() -> None:
    scores = ClassScores(values=(((-1.0, -3.0), (-2.0, None)),), tokens=(1, 1))
    assert scores.get_score(0, 0) == -1.5
    assert scores.get_score(0, 1) is None


def test_a_pair_that_was_not_judged_is_missing() -> None:
    outcomes = PairOutcomes(values={Shown(0, 0, 1): 40_000, Shown(1, 0, 1): None}, tokens={})
    assert outcomes.get_outcome(0, 0, 1) == 40_000
    assert outcomes.get_outcome(1, 0, 1) is None
    assert outcomes.get_outcome(0, 1, 0) is None


@given(
    texts=st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=2, max_size=7),
    picked=st.sets(st.integers(0, 6), min_size=1),
)
def test_a_smaller_swarm_keeps_what_its_peers_did(texts: list[str], picked: set[int]) -> None:
    record = make_record(texts, right=["a"])
    classes = range(len(record.classes))
    scores = ClassScores(
        values=tuple((tuple(float(10 * peer + index) for index in classes),) for peer in range(record.peers)),
        tokens=tuple(classes),
    )
    record = make_record(texts, right=["a"], judgements=scores)
    peers = sorted(peer for peer in picked if peer < len(texts)) or [0]
    small = record.select(peers)
    assert [answer.text for answer in small.answers] == [texts[peer] for peer in peers]
    assert sorted(peer for one in small.classes for peer in one.authors) == list(range(len(peers)))
    assert [one.authors[0] for one in small.classes] == sorted(one.authors[0] for one in small.classes)
    assert isinstance(small.judgements, ClassScores)
    for index, one in enumerate(small.classes):
        old = next(i for i in classes if record.classes[i].text == one.text)
        assert {texts[peers[seat]] for seat in one.authors} == {one.text}
        for seat, peer in enumerate(peers):
            assert small.judgements.get_score(seat, index) == 10 * peer + old


def test_a_smaller_swarm_keeps_outcomes_of_pairs() -> None:
    values = {
        Shown(j, i, k): 1_000 * j + 100 * i + k
        for j in range(3)
        for i in range(3)
        for k in range(3)
        if i != k
    }
    outcomes = PairOutcomes(values=values, tokens=dict.fromkeys(values, 1))
    small = make_record(["a", "b", "c"], judgements=outcomes).select([0, 2])
    assert isinstance(small.judgements, PairOutcomes)
    assert small.judgements.values == {
        Shown(0, 0, 1): 2, Shown(0, 1, 0): 200, Shown(1, 0, 1): 2_002, Shown(1, 1, 0): 2_200,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pick", "text", "is_right"),
    [
        (Pick(Source.CLASS, 1), "b", True),
        (Pick(Source.ANSWER, 0), "a", False),
        (Pick(Source.GREEDY, 2), "b", True),
        (Pick(Source.GREEDY, 0), "c", False),
    ],
)
def test_a_pick_has_a_text_and_is_right_or_not(pick: Pick, text: str, is_right: bool) -> None:
    record = make_record(["a", "b", "b"], right=["b"], greedy=["c", "c", "b"])
    assert (get_pick_text(record, pick), is_pick_right(record, pick)) == (text, is_right)
