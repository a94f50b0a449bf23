"""Dealing: eligibility, budgets, balance, order, and that the same facts give the same deal."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.canonical import (
    Assignment,
    Comparison,
    Scores,
    compute_scores,
    compute_step_calls,
    deal_pairs,
    default_calls_per_peer,
)

VECTORS = sorted((Path(__file__).parent / "vectors" / "deals").glob("*.json"))

Authors = tuple[tuple[int, ...], ...]


def make_authors(source: random.Random, seats: int, classes: int) -> Authors:
    owner = [*range(classes), *(source.randrange(classes) for _ in range(seats - classes))]
    return tuple(tuple(seat for seat in range(seats) if owner[seat] == index) for index in range(classes))


def answer(source: random.Random, dealt: Sequence[Assignment]) -> list[Comparison]:
    return [Comparison(a.judge, a.left, a.right, source.randint(3277, 62259)) for a in dealt]


def deal_round(number: int) -> tuple[Authors, int, int, list[tuple[Assignment, ...]], list[Scores]]:
    """Deal three steps of a random round: authors, seats, calls, the deals, the scores between them."""
    source = random.Random(number)
    seats = source.randint(4, 12)
    authors = make_authors(source, seats, source.randint(2, seats))
    calls = source.choice([4, 6, 7, 8, 10])
    history: list[Assignment] = []
    ballots: list[Comparison] = []
    deals: list[tuple[Assignment, ...]] = []
    between: list[Scores] = []
    for step in (1, 2, 3):
        dealt = deal_pairs(
            step=step,
            authors=authors,
            seats=seats,
            calls_per_peer=calls,
            seed=source.randbytes(32),
            scores=between[-1] if between else None,
            history=history,
        )
        history += dealt
        ballots += answer(source, dealt)
        deals.append(dealt)
        between.append(compute_scores(authors=authors, comparisons=ballots, seed=b"s"))
    return authors, seats, calls, deals, between


ROUND_NUMBERS = st.integers(0, 10**9)


@settings(deadline=None, max_examples=60)
@given(ROUND_NUMBERS)
def test_no_judge_sees_its_own_class_or_a_pair_a_third_time(number: int) -> None:
    authors, seats, _, deals, _ = deal_round(number)
    orders: list[tuple[int, int, int]] = []
    for assignment in (assignment for dealt in deals for assignment in dealt):
        assert 0 <= assignment.judge < seats
        assert assignment.left != assignment.right
        assert (assignment.judge,) not in (authors[assignment.left], authors[assignment.right])
        orders.append((assignment.judge, assignment.left, assignment.right))
    # Each ordered pair once: at most twice a pair, the second time swapped.
    assert len(orders) == len({*orders})


@settings(deadline=None, max_examples=60)
@given(ROUND_NUMBERS)
def test_budgets_hold_and_are_used_where_pairs_allow(number: int) -> None:
    authors, seats, calls, deals, between = deal_round(number)
    classes = len(authors)
    used: Counter[tuple[int, int, int]] = Counter()
    for step, dealt in enumerate(deals, start=1):
        budget = compute_step_calls(step=step, calls_per_peer=calls)
        taken = Counter(assignment.judge for assignment in dealt)
        for judge in range(seats):
            barred = [index for index in range(classes) if authors[index] == (judge,)]
            if step == 1:
                expected = budget if classes > 2 or not barred else 0
            else:
                leader = between[step - 2].order[0]
                orders = [
                    2 - used[judge, min(leader, other), max(leader, other)]
                    for other in range(classes)
                    if other != leader and not {leader, other} & {*barred}
                ]
                expected = min(budget, sum(orders))
            assert taken[judge] == expected
        used.update((a.judge, min(a.left, a.right), max(a.left, a.right)) for a in dealt)


@settings(deadline=None, max_examples=40)
@given(ROUND_NUMBERS)
def test_later_steps_take_the_closest_challengers_and_new_pairs_first(number: int) -> None:
    _, _, _, deals, between = deal_round(number)
    seen = {(a.judge, frozenset((a.left, a.right))) for a in deals[0]}
    for step in (1, 2):
        scores = between[step - 1]
        leader = scores.order[0]
        by_judge: dict[int, list[tuple[bool, int]]] = {}
        for a in deals[step]:
            pair = (a.judge, frozenset((a.left, a.right)))
            assert leader in pair[1]
            challenger = a.right if a.left == leader else a.left
            by_judge.setdefault(a.judge, []).append((pair in seen, scores.z[challenger]))
            seen.add(pair)
        for taken in by_judge.values():
            assert taken == sorted(taken)


@settings(deadline=None, max_examples=20)
@given(ROUND_NUMBERS)
def test_output_stands_by_judge_and_repeats(number: int) -> None:
    _, _, _, deals, _ = deal_round(number)
    assert deals == deal_round(number)[3]
    for dealt in deals:
        judges = [assignment.judge for assignment in dealt]
        assert judges == sorted(judges)


def deal_first(seats: int, authors: Authors, seed: bytes) -> tuple[Assignment, ...]:
    return deal_pairs(
        step=1, authors=authors, seats=seats, calls_per_peer=6, seed=seed, scores=None, history=()
    )


@pytest.mark.parametrize("seats", [4, 5, 7, 15, 31])
def test_first_step_is_one_balanced_cycle(seats: int) -> None:
    authors = tuple((seat,) for seat in range(seats))
    for seed in range(8):
        dealt = deal_first(seats, authors, bytes([seed]))
        loads = Counter(frozenset((a.left, a.right)) for a in dealt)
        degree = Counter(index for pair in loads for index in pair)
        assert len(loads) == seats
        assert set(degree.values()) == {2}
        assert sum(loads.values()) == 2 * seats
        assert max(loads.values()) - min(loads.values()) <= 2


def test_two_classes_give_one_pair_in_both_orders() -> None:
    dealt = deal_first(7, ((0, 1, 2), (3, 4, 5, 6)), b"seed")
    by_judge = Counter(a.judge for a in dealt)
    assert by_judge == Counter(dict.fromkeys(range(7), 2))
    assert Counter((a.left, a.right) for a in dealt) == {(0, 1): 7, (1, 0): 7}


def test_a_sole_author_of_one_of_two_classes_judges_nothing() -> None:
    dealt = deal_first(4, ((0,), (1, 2, 3)), b"seed")
    assert {a.judge for a in dealt} == {1, 2, 3}


def test_first_orders_are_spread_by_the_seed() -> None:
    authors = tuple((seat,) for seat in range(31))
    lefts = sum(a.left < a.right for seed in range(8) for a in deal_first(31, authors, bytes([seed])))
    assert 180 <= lefts <= 316


def test_one_class_has_no_pairs() -> None:
    assert deal_first(4, ((0, 1, 2, 3),), b"seed") == ()


def test_when_all_is_used_nothing_is_dealt() -> None:
    authors = ((0, 1), (2, 3))
    first = deal_first(4, authors, b"seed")
    scores = compute_scores(authors=authors, comparisons=[], seed=b"seed")
    later = deal_pairs(
        step=2, authors=authors, seats=4, calls_per_peer=6, seed=b"later", scores=scores, history=first
    )
    assert later == ()


def test_default_calls() -> None:
    assert [default_calls_per_peer(seats) for seats in (1, 4, 7, 8, 15, 16, 31)] == [4, 6, 6, 8, 8, 10, 10]


@pytest.mark.parametrize(
    ("calls", "by_step"), [(4, [2, 1, 1]), (6, [2, 2, 2]), (7, [2, 3, 2]), (8, [2, 3, 3]), (10, [2, 4, 4])]
)
def test_calls_by_step(calls: int, by_step: list[int]) -> None:
    assert [compute_step_calls(step=step, calls_per_peer=calls) for step in (1, 2, 3)] == by_step


def test_bad_input_is_refused() -> None:
    authors = ((0,), (1,), (2, 3))
    scores = compute_scores(authors=authors, comparisons=[], seed=b"seed")
    fewer = compute_scores(authors=authors[:2], comparisons=[], seed=b"seed")
    cases: list[tuple[int, int, int, Scores | None]] = [
        (0, 4, 6, None),
        (4, 4, 6, scores),
        (1, 4, 3, None),
        (1, 3, 6, None),
        (1, 4, 6, scores),
        (2, 4, 6, None),
        (2, 4, 6, fewer),
    ]
    for step, seats, calls, given_scores in cases:
        with pytest.raises(ValueError, match="got"):
            deal_pairs(
                step=step,
                authors=authors,
                seats=seats,
                calls_per_peer=calls,
                seed=b"seed",
                scores=given_scores,
                history=(),
            )


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    vector = json.loads(path.read_text(encoding="ascii"))
    history: list[Assignment] = []
    ballots: list[Comparison] = []
    for step, facts in enumerate(vector["steps"], start=1):
        seed = bytes.fromhex(facts["seed"])
        dealt = deal_pairs(
            step=step,
            authors=vector["authors"],
            seats=vector["seats"],
            calls_per_peer=vector["calls_per_peer"],
            seed=seed,
            scores=compute_scores(authors=vector["authors"], comparisons=ballots, seed=seed)
            if step > 1
            else None,
            history=history,
        )
        assert [list(astuple(assignment)) for assignment in dealt] == facts["dealt"]
        history += dealt
        ballots += [
            Comparison(a.judge, a.left, a.right, outcome)
            for a, outcome in zip(dealt, facts["outcomes"], strict=True)
        ]


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 4
