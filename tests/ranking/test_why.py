"""Why a class won: the parts add up, what is said to change the winner does, what is said to be least is."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.ballots import OUTCOME_MAX, OUTCOME_MIN, Q16, Comparison, JudgeTerms
from ranking.pairs import Assignment
from ranking.scores import compute_scores
from ranking.why import (
    AUTHORS_MORE_MAX,
    RankedRound,
    Smallest,
    Trial,
    explain_loser,
    explain_winner,
    find_possible_leaders,
    find_smallest,
    fit,
)

SEED = b"seed"


def make_round(
    authors: Sequence[Sequence[int]],
    verdicts: Sequence[tuple[int, int, int, float]],
    terms: dict[int, JudgeTerms] | None = None,
) -> RankedRound:
    comparisons = tuple(
        Comparison(judge, left, right, round(outcome * Q16)) for judge, left, right, outcome in verdicts
    )
    return RankedRound(
        authors=tuple(map(tuple, authors)), comparisons=comparisons, terms=terms or {}, seed=SEED
    )


@st.composite
def rounds(draw: st.DrawFn) -> RankedRound:
    classes = draw(st.integers(2, 4))
    seats = draw(st.permutations(range(draw(st.integers(classes, 6)))))
    authors: list[list[int]] = [[seat] for seat in seats[:classes]]
    for seat in seats[classes:]:
        authors[draw(st.integers(0, classes - 1))].append(seat)
    pair = st.permutations(range(classes)).map(lambda order: (order[0], order[1]))
    verdicts = draw(
        st.lists(st.tuples(st.integers(0, 5), pair, st.integers(OUTCOME_MIN, OUTCOME_MAX)), max_size=8)
    )
    weights = draw(st.dictionaries(st.integers(0, 5), st.integers(0, 3 * Q16), max_size=3))
    return RankedRound(
        authors=tuple(map(tuple, authors)),
        comparisons=tuple(Comparison(judge, *sides, outcome) for judge, sides, outcome in verdicts),
        terms={judge: JudgeTerms(weight_q16=weight) for judge, weight in weights.items()},
        seed=SEED,
    )


def leave_out(round_: RankedRound, judges: Sequence[int]) -> RankedRound:
    """A round in which these judges weigh nothing, which is what leaving them out means."""
    return replace(round_, terms={**round_.terms, **{judge: JudgeTerms(weight_q16=0) for judge in judges}})


def turn(round_: RankedRound, indices: Sequence[int]) -> RankedRound:
    return replace(
        round_,
        comparisons=tuple(
            replace(one, outcome=Q16 - one.outcome) if index in indices else one
            for index, one in enumerate(round_.comparisons)
        ),
    )


@given(rounds())
def test_the_fit_is_the_one_that_decides(round_: RankedRound) -> None:
    scores = compute_scores(
        authors=round_.authors, comparisons=round_.comparisons, terms=round_.terms, seed=round_.seed
    )
    got = fit(round_)
    assert (got.log_strengths, got.order) == (scores.log_strengths, scores.order)


@given(rounds())
def test_parts_of_a_lead_add_up(round_: RankedRound) -> None:
    told = explain_winner(round_)
    whole = fit(round_)
    assert (told.winner, told.runner_up) == whole.order[:2]
    lead = told.lead
    assert lead.by_authors + lead.by_ballots == lead.total == whole.get_lead(told.winner, told.runner_up)
    assert lead.total >= 0
    if not round_.comparisons:
        assert (lead.ballots_alone, lead.by_ballots) == (0, 0)
        assert lead.authors_alone == lead.by_authors == lead.total


@given(rounds())
@settings(max_examples=40)
def test_judges_are_left_out_as_if_they_weighed_nothing(round_: RankedRound) -> None:
    told = explain_winner(round_)
    for one in told.without:
        got = fit(leave_out(round_, (one.judge,)))
        assert (one.lead, one.leader) == (got.get_lead(told.winner, told.runner_up), got.order[0])
    judges = [one.judge for one in told.without]
    assert judges == sorted({one.judge for one in round_.comparisons if weighs(round_, one.judge)})
    smallest = [
        size
        for size in range(1, len(judges) + 1)
        if any(fit(leave_out(round_, some)).order[0] != told.winner for some in combinations(judges, size))
    ]
    check_smallest(told.removal, smallest[:1])
    if told.removal.members is not None:
        assert fit(leave_out(round_, told.removal.members)).order[0] == told.removal.leader != told.winner


def weighs(round_: RankedRound, judge: int) -> bool:
    return round_.terms.get(judge, JudgeTerms()).weight_q16 > 0


def check_smallest(found: Smallest, sizes: list[int]) -> None:
    """Hold what was found against the size of a smallest set, if there is one."""
    assert found.is_least, "small rounds are searched to the end"
    assert sizes == ([] if found.members is None else [len(found.members)])


@given(rounds(), st.data())
@settings(max_examples=40)
def test_turned_verdicts_make_a_loser_win_and_no_fewer_do(round_: RankedRound, data: st.DataObject) -> None:
    whole = fit(round_)
    target = data.draw(st.sampled_from(whole.order[1:]))
    told = explain_loser(round_, target)
    assert (told.target, told.place) == (target, whole.order.index(target) + 1)
    ahead = whole.order[: told.place - 1]
    against = [
        index
        for index, one in enumerate(round_.comparisons)
        for better, worse in [(one.left, one.right) if one.outcome > Q16 // 2 else (one.right, one.left)]
        if one.outcome != Q16 // 2 and (worse == target or better in ahead)
    ]
    sizes = [
        size
        for size in range(1, len(against) + 1)
        if any(fit(turn(round_, some)).order[0] == target for some in combinations(against, size))
    ]
    check_smallest(told.turned, sizes[:1])
    if told.turned.members is not None:
        assert fit(turn(round_, told.turned.members)).order[0] == target == told.turned.leader


@given(rounds(), st.data())
@settings(max_examples=40)
def test_further_authors_are_counted(round_: RankedRound, data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(fit(round_).order[1:]))
    more = explain_loser(round_, target).authors_more

    def is_won(count: int) -> bool:
        extra = tuple(range(100, 100 + count))
        authors = tuple((*seats, *extra) if k == target else seats for k, seats in enumerate(round_.authors))
        return fit(replace(round_, authors=authors)).order[0] == target

    assert not any(is_won(count) for count in range(AUTHORS_MORE_MAX if more is None else more))
    assert more is None or is_won(more)


def test_a_judge_on_whom_the_winner_hangs_is_named() -> None:
    round_ = make_round([(0,), (1,)], [(2, 0, 1, 0.9), (3, 0, 1, 0.45)])
    told = explain_winner(round_)
    assert (told.winner, told.removal) == (0, Smallest((2,), True, 1))
    lost = explain_loser(round_, 1)
    assert lost.turned == Smallest((0,), True, 1)
    assert lost.behind.authors_alone == 0 < lost.behind.by_ballots


def test_more_authors_outweigh_a_ballot() -> None:
    round_ = make_round([(0, 1, 2), (3,)], [(4, 1, 0, 0.7)])
    told = explain_winner(round_)
    assert told.winner == 0
    assert told.lead.by_authors > told.lead.total > 0 > told.lead.by_ballots > told.lead.ballots_alone
    assert explain_loser(round_, 1).authors_more == 2


def test_missing_ballots_may_matter_or_not() -> None:
    close = make_round([(0,), (1,)], [(2, 0, 1, 0.6)])
    clear = make_round([(0,), (1,)], [(judge, 0, 1, 0.95) for judge in range(2, 9)])
    unjudged = [Assignment(9, 1, 0)]
    assert find_possible_leaders(close, unjudged=unjudged, silent=()) == (1,)
    assert find_possible_leaders(clear, unjudged=unjudged, silent=(9,)) == ()
    assert find_possible_leaders(close, unjudged=(), silent=(9,)) == (1,)
    assert find_possible_leaders(close, unjudged=(), silent=()) == ()


def test_a_pair_without_the_target_counts_against_the_winner_or_not_at_all() -> None:
    round_ = make_round([(0,), (1,), (2,)], [(3, 0, 1, 0.55), (3, 0, 2, 0.9), (4, 1, 2, 0.9)])
    assert fit(round_).order == (0, 1, 2)
    one, several = [Assignment(5, 2, 0)], [Assignment(judge, 0, 2) for judge in range(5, 9)]
    assert find_possible_leaders(round_, unjudged=one, silent=()) == (1,)
    assert find_possible_leaders(round_, unjudged=several, silent=()) == (2,)
    assert find_possible_leaders(round_, unjudged=[*several, Assignment(9, 0, 1)], silent=()) == (1, 2)


@pytest.mark.parametrize("target", [0, 2, -1])
def test_what_is_no_loser_is_refused(target: int) -> None:
    with pytest.raises(ValueError, match="behind the winner"):
        explain_loser(make_round([(0,), (1,)], [(2, 0, 1, 0.9)]), target)


def test_one_class_is_no_ranking() -> None:
    with pytest.raises(ValueError, match="at least two"):
        explain_winner(make_round([(0, 1)], []))


class TestSmallest:
    """Searches over sums: a set is enough once its numbers add up to ten."""

    def search(self, numbers: Sequence[int], *, tries_max: int = 1_000) -> tuple[Smallest, int]:
        trials: list[tuple[int, ...]] = []

        def compute_trial(members: tuple[int, ...]) -> Trial:
            trials.append(members)
            total = sum(numbers[one] for one in members)
            return Trial(total, 7 if total >= 10 else None)

        return find_smallest(range(len(numbers)), compute_trial, tries_max=tries_max), len(trials)

    def test_the_largest_come_first(self) -> None:
        assert self.search([1, 6, 2, 5])[0] == Smallest((1, 3), True, 7)
        assert self.search([1, 10, 2])[0] == Smallest((1,), True, 7)

    def test_none_is_enough(self) -> None:
        assert self.search([1, 2, 3])[0] == Smallest(None, True, None)
        assert self.search([])[0] == Smallest(None, True, None)
        assert self.search([-1, -20])[0] == Smallest(None, True, None)

    def test_a_search_that_is_too_long_says_so(self) -> None:
        found, trials = self.search([1] * 40, tries_max=100)
        assert found == Smallest(tuple(range(10)), False, 7)
        assert trials <= 1 + 40 + 100 + 40
        assert self.search([0] * 40, tries_max=100)[0] == Smallest(None, False, None)

    @given(st.lists(st.integers(-3, 9), max_size=7))
    def test_it_is_the_least(self, numbers: list[int]) -> None:
        found, _ = self.search(numbers)
        sizes = [
            size
            for size in range(1, len(numbers) + 1)
            if any(sum(some) >= 10 for some in combinations(numbers, size))
        ]
        check_smallest(found, sizes[:1])
