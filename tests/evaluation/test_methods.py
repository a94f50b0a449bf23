import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ConfigError
from evaluation.methods import METHODS, get_methods
from evaluation.methods.base import Need, Settings, list_absent, split_halves
from evaluation.methods.dealing import deal_round
from evaluation.record import (
    ClassScores,
    PairOutcomes,
    QuestionRecord,
    Shown,
    Source,
    get_pick_text,
)
from evaluation.tables import compute_rightness
from ranking.canonical import compute_scores
from tests.evaluation.kit import SEED, make_record, make_scores

SETTINGS = Settings(seed=SEED, calls_per_peer=6, steps=3)
JUDGED = (
    "ours",
    "ours-all-pairs",
    "plain-bt",
    "mean-rank",
    "fortytwo",
    "borda",
    "crowd-bt",
    "rank-centrality",
)
RIGHT_IS_LIKELY = make_scores(*([-3.0, -1.0, -5.0] for _ in range(5)))


def choose(name: str, *records: QuestionRecord, settings: Settings = SETTINGS) -> list[str]:
    choices = METHODS[name].choose_all(records, settings)
    return [
        " ".join(get_pick_text(record, pick) for pick in choice.picks)
        for record, choice in zip(records, choices, strict=True)
    ]


def test_single_and_greedy_are_means_over_peers() -> None:
    record = make_record(["a", "a", "b", "c"], right=["a"], greedy=["a", "a", "a", "b"])
    (single,) = METHODS["single"].choose_all([record], SETTINGS)
    (greedy,) = METHODS["greedy"].choose_all([record], SETTINGS)
    assert compute_rightness(record, single) == 0.5
    assert compute_rightness(record, greedy) == 0.75
    assert single.answer_tokens == 2
    assert choose("greedy-first", record) == ["a"]


def test_votes_are_counted_and_ties_go_by_the_seed() -> None:
    assert choose("majority", make_record(["a", "b", "b", "c"])) == ["b"]
    assert choose("greedy-vote", make_record(["a", "b", "b"], greedy=["a", "c", "c"])) == ["c"]
    ties = [make_record(["a", "a", "b", "b", "c"], key=f"k{index}") for index in range(200)]
    assert 70 < choose("majority", *ties).count("a") < 130
    assert choose("majority", *ties) == choose("majority", *ties)
    assert "c" not in choose("majority", *ties)


def test_a_confident_voter_outweighs_two_that_are_not() -> None:
    sure = make_record(["a", "b", "b"], logprobs=[-0.1, -4.0, -4.0])
    unsure = make_record(["a", "b", "b"], logprobs=[-2.0, -2.0, -2.0])
    assert choose("confidence-vote", sure, unsure) == ["a", "b"]
    assert math.sqrt(math.exp(-0.1)) > 2 * math.sqrt(math.exp(-4.0))


def test_a_voter_whose_confidence_is_unknown_does_not_count() -> None:
    assert choose("confidence-vote", make_record(["a", "b", "b"], logprobs=[-1.0, None, None])) == ["a"]


def make_questions(count: int, good: int) -> list[QuestionRecord]:
    """Make questions that one peer is always right on, the two others never, and agree on what is wrong."""
    texts = ["x", "x", "x"]
    texts[good] = "r"
    return [make_record(texts, right=["r"], key=f"k{index}") for index in range(count)]


def test_the_best_peer_is_named_on_the_other_half() -> None:
    assert choose("best-peer", *make_questions(10, good=1)) == ["r"] * 10
    # On what is known of one question there is nothing to name a peer by: the seed does.
    assert choose("best-peer", make_record(["a", "b", "c"], right=["c"])) == choose(
        "best-peer", make_record(["a", "b", "c"], right=["a"])
    )


def test_hindsight_knows_these_very_questions() -> None:
    records = make_questions(1, good=2)
    assert choose("best-peer-hindsight", *records) == ["r"]
    assert METHODS["best-peer-hindsight"].knows_truth
    assert METHODS["oracle"].knows_truth
    assert sum(method.knows_truth for method in METHODS.values()) == 2


def test_weights_from_the_other_half_find_the_peer_that_is_right() -> None:
    records = make_questions(12, good=0)
    assert choose("majority", *records) == ["x"] * 12
    assert choose("weighted-vote", *records) == ["r"] * 12


def test_halves_are_halves_of_every_family_and_nobody_sees_its_own() -> None:
    records = [make_record(["a"], key=f"k{i}", family=f"f{i % 3}") for i in range(30)]
    halves = split_halves(records, SETTINGS)
    for family in range(3):
        assert sorted(halves[family::3]) == [0] * 5 + [1] * 5
    # The truth of a question changes what its half's others see, never what it sees itself.
    for name in ("best-peer", "weighted-vote"):
        base = make_questions(12, good=0)
        turned = [make_record(["x", "x", "r"], right=["x"], key=base[3].key), *base[:3], *base[4:]]
        before = choose(name, *base)[3]
        assert before == "r"
        assert choose(name, *turned)[0] == "x"  # the same peer, whose answer is another one here


def test_the_oracle_is_right_wherever_somebody_is() -> None:
    record = make_record(["a", "b", "c"], right=["c"])
    assert choose("oracle", record) == ["c"]
    nobody = make_record(["a", "b"], right=["z"])
    (choice,) = METHODS["oracle"].choose_all([nobody], SETTINGS)
    assert compute_rightness(nobody, choice) == 0.0


@pytest.mark.parametrize("name", [*JUDGED, "likelihood-1", "likelihood-4", "likelihood-4-votes"])
def test_judges_that_know_overrule_the_majority(name: str) -> None:
    record = make_record(["a", "a", "a", "b", "c"], right=["b"], judgements=RIGHT_IS_LIKELY)
    assert choose("majority", record) == ["a"]
    settings = Settings(seed=SEED, calls_per_peer=10, steps=3)
    assert choose(name, record, settings=settings) == ["b"]


def test_votes_are_added_to_the_likelihood() -> None:
    close = make_scores(*([-2.0, -1.5] for _ in range(4)))
    record = make_record(["a", "a", "a", "b"], judgements=close)
    assert choose("likelihood-4", record) == ["b"]
    assert choose("likelihood-4-votes", record) == ["a"]  # ln 3 > .5


def test_a_likelihood_leaves_out_judges_that_did_not_score_every_class() -> None:
    scores = make_scores([-1.0, None], [-9.0, -2.0], [None, None], [-9.0, -2.0])
    record = make_record(["a", "a", "b", "b"], judgements=scores)
    (choice,) = METHODS["likelihood-4"].choose_all([record], SETTINGS)
    assert [get_pick_text(record, pick) for pick in choice.picks] == ["b"]
    assert choice.missing == 3
    assert choice.judge_calls == 8


@pytest.mark.parametrize("name", JUDGED)
def test_missing_verdicts_are_counted_and_never_taken_for_votes(name: str) -> None:
    nothing = make_scores(*([None, None] for _ in range(5)))
    record = make_record(["a", "a", "a", "b", "b"], judgements=nothing)
    (choice,) = METHODS[name].choose_all([record], SETTINGS)
    assert choice.missing == choice.judge_calls > 0
    assert len(choice.picks) == 1


def test_ours_without_verdicts_goes_by_the_authors() -> None:
    nothing = make_scores(*([None, None] for _ in range(5)))
    assert choose("ours", make_record(["b", "a", "a", "a", "b"], judgements=nothing)) == ["a"]


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("single", "greedy")])
def test_every_rule_says_so_where_nobody_answered(name: str) -> None:
    record = make_record(["", "", ""], judgements=make_scores([], [], []))
    method = METHODS[name]
    (choice,) = method.choose_all([record], SETTINGS)
    assert compute_rightness(record, choice) == 0.0
    assert all(pick.source is not Source.CLASS for pick in choice.picks)


@given(
    texts=st.lists(st.sampled_from("abcd"), min_size=4, max_size=7),
    calls=st.integers(4, 12),
    steps=st.integers(1, 3),
    seed=st.binary(min_size=32, max_size=32),
)
def test_a_round_stays_within_its_budget_and_nobody_judges_what_is_its_own(
    texts: Sequence[str], calls: int, steps: int, seed: bytes
) -> None:
    classes = len(dict.fromkeys(texts))
    scores = ClassScores(
        values=tuple((tuple(-((7 * j + 3 * i) % 5) / 2 for i in range(classes)),) for j in range(len(texts))),
        tokens=(1,) * classes,
    )
    record = make_record(texts, judgements=scores)
    dealt = deal_round(record, Settings(seed=seed, calls_per_peer=calls, steps=steps))
    by_judge: dict[int, int] = {}
    for one in dealt.comparisons:
        by_judge[one.judge] = by_judge.get(one.judge, 0) + 1
        assert record.authors[one.left] != (one.judge,)
        assert record.authors[one.right] != (one.judge,)
        assert one.outcome == scores.get_outcome(one.judge, one.left, one.right)
    assert max(by_judge.values(), default=0) <= calls
    assert dealt.calls == len(dealt.comparisons)
    assert dealt.missing == 0
    again = compute_scores(authors=record.authors, comparisons=dealt.comparisons, seed=bytes(32))
    assert again.log_strengths == dealt.scores.log_strengths
    if classes == 1:
        assert (dealt.calls, dealt.scores.order) == (0, (0,))


def test_more_calls_are_spent_only_where_they_are_allowed() -> None:
    record = make_record(["a", "b", "c", "d", "d"], judgements=make_scores(*([-1.0, -1.1, -1.2, -1.3],) * 5))
    few = deal_round(record, Settings(seed=SEED, calls_per_peer=4, steps=3))
    many = deal_round(record, Settings(seed=SEED, calls_per_peer=10, steps=3))
    one = deal_round(record, Settings(seed=SEED, calls_per_peer=10, steps=1))
    assert few.calls < many.calls
    assert one.calls <= 2 * 5


def test_tokens_of_judges_that_score_count_a_text_once() -> None:
    scores = ClassScores(values=tuple((((-1.0, -2.0)), (-1.0, -2.0)) for _ in range(4)), tokens=(10, 1))
    record = make_record(["a", "a", "b", "b"], judgements=scores)
    (choice,) = METHODS["ours-all-pairs"].choose_all([record], SETTINGS)
    assert choice.judge_tokens == 4 * 2 * 11
    pairs = {Shown(j, i, 1 - i): 40_000 for j in range(4) for i in range(2)}
    compared = make_record(
        ["a", "a", "b", "b"], judgements=PairOutcomes(values=pairs, tokens=dict.fromkeys(pairs, 5))
    )
    (choice,) = METHODS["ours-all-pairs"].choose_all([compared], SETTINGS)
    assert choice.judge_tokens == 4 * 2 * 5


def test_p_best_is_claimed_only_where_there_was_a_choice() -> None:
    one = make_record(["a"] * 5, judgements=make_scores(*([-1.0],) * 5))
    two = make_record(["a", "a", "b", "b", "b"], judgements=make_scores(*([-1.0, -9.0],) * 5), key="k2")
    first, second = METHODS["ours"].choose_all([one, two], SETTINGS)
    assert first.p_best is None
    assert second.p_best is not None
    assert second.p_best > 0.9


def test_what_records_lack_is_named() -> None:
    full = make_record(["a", "b"], judgements=make_scores([-1.0, -2.0], [-1.0, -2.0]))
    assert list_absent([full]) == ()
    foreign = make_record(["a", "b"], logprobs=[None, None], judgements=PairOutcomes(values={}, tokens={}))
    assert list_absent([foreign]) == (Need.LOGPROBS, Need.SCORES)
    assert list_absent([make_record(["a", "b"])]) == (Need.JUDGEMENTS, Need.SCORES)
    partly = make_record(["a", "b"], logprobs=[None, -1.0])
    assert Need.LOGPROBS not in list_absent([partly])


def test_methods_are_found_by_name_and_near_names_are_suggested() -> None:
    assert [method.name for method in get_methods(("ours", "oracle"))] == ["ours", "oracle"]
    assert len(get_methods(())) == len(METHODS) > 20
    with pytest.raises(ConfigError, match="no method 'majorty'") as caught:
        get_methods(("majorty",))
    assert "did you mean 'majority'" in caught.value.remedy
