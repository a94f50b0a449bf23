"""Every bound of a table of comparisons, accepted on one side and refused on the other."""

from collections.abc import Callable

import numpy as np
import pytest

from ranking import comparisons
from ranking.comparisons import ComparisonTable, IndicesLike, NumbersLike, create_empty_table, create_table

ITEMS = ("a", "b", "c")
JUDGES = ("p", "q")


def make(
    *,
    items: tuple[str, ...] = ITEMS,
    judges: tuple[str, ...] = JUDGES,
    judge: IndicesLike = (0, 1, 1),
    left: IndicesLike = (0, 1, 2),
    right: IndicesLike = (1, 2, 0),
    outcome: NumbersLike = (1, 0.5, 0),
    weight: NumbersLike | None = None,
) -> ComparisonTable:
    return create_table(
        items=items, judges=judges, judge=judge, left=left, right=right, outcome=outcome, weight=weight
    )


def test_columns_have_their_types_and_are_read_only() -> None:
    table = make(weight=(1, 0, 2.5))
    assert table.rows == 3
    assert not table.has_unit_weights
    assert {column.dtype.name for column in (table.judge, table.left, table.right)} == {"int32"}
    assert {column.dtype.name for column in (table.outcome, table.weight)} == {"float64"}
    with pytest.raises(ValueError, match="read-only"):
        table.outcome[0] = 0.0
    assert table.weight.tolist() == [1.0, 0.0, 2.5]


def test_no_weights_are_ones_without_memory() -> None:
    table = make()
    assert table.has_unit_weights
    assert table.weight.tolist() == [1.0, 1.0, 1.0]
    assert not make(weight=(1.0, 1.0, 1.0)).has_unit_weights


def test_the_caller_may_still_write_to_its_own_array() -> None:
    outcome = np.array([1.0, 0.5, 0.0])
    make(outcome=outcome)
    outcome[0] = 0.25
    assert outcome.flags.writeable


def test_any_integer_type_and_duplicate_rows_are_accepted() -> None:
    table = make(left=np.array([0, 0, 0], dtype=np.uint8), right=np.array([1, 1, 1], dtype=np.int64))
    assert table.left.tolist() == [0, 0, 0]
    assert table.right.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("message", "make_bad"),
    [
        ("at least one item", lambda: make(items=())),
        ("at least one judge", lambda: make(judges=())),
        ("at least one comparison", lambda: make(judge=(), left=(), right=(), outcome=())),
        ("items 0 and 2 are both named 'a'", lambda: make(items=("a", "b", "a"))),
        ("judges 0 and 1 are both named 'p'", lambda: make(judges=("p", "p"))),
        ("one length, got judge 3, left 3, right 3, outcome 2", lambda: make(outcome=(1, 0))),
        ("weight 2", lambda: make(weight=(1, 1))),
        ("row 2: judge is unknown judge 2, expected 0..1", lambda: make(judge=(0, 1, 2))),
        ("row 1: left is unknown item -1, expected 0..2", lambda: make(left=(0, -1, 2))),
        ("row 0: right is unknown item 3, expected 0..2", lambda: make(right=(3, 2, 0))),
        ("row 1: right is unknown item 4294967296", lambda: make(right=np.array([1, 2**32, 0]))),
        ("row 1: item 1 is compared with itself", lambda: make(right=(1, 1, 0))),
        ("row 1: outcome is 1.25, expected 0..1", lambda: make(outcome=(1, 1.25, 0))),
        ("row 0: outcome is -0.5", lambda: make(outcome=(-0.5, 0, 0))),
        ("row 2: outcome is nan", lambda: make(outcome=(1, 0, float("nan")))),
        ("row 2: weight is nan", lambda: make(weight=(1, 0, float("nan")))),
        ("row 1: weight is -1.0", lambda: make(weight=(1, -1, 1))),
        ("row 1: weight is inf", lambda: make(weight=(1, float("inf"), 1))),
        ("left: expected indices", lambda: make(left=np.array([0.0, 1.0, 2.0]))),
        ("outcome: expected numbers", lambda: make(outcome=np.array(["1", "0", "0"]))),
        ("of 2 dimensions", lambda: make(outcome=np.zeros((3, 1)))),
    ],
)
def test_bad_input_is_refused_by_name(message: str, make_bad: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        make_bad()


def test_too_many_rows_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparisons, "ROWS_MAX", 3)
    assert make().rows == 3
    monkeypatch.setattr(comparisons, "ROWS_MAX", 2)
    with pytest.raises(ValueError, match="at most 2 comparisons, got 3"):
        make()


def test_an_empty_table_is_made_on_purpose_only() -> None:
    table = create_empty_table(items=("a",), judges=JUDGES)
    assert (table.rows, table.items) == (0, ("a",))
    with pytest.raises(ValueError, match="at least one item"):
        create_empty_table(items=(), judges=JUDGES)
