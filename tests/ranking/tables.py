"""Small tables of comparisons, from rows of (left, right, outcome)."""

from collections.abc import Sequence

from ranking.comparisons import ComparisonTable, create_table

Row = tuple[int, int, float]


def make_table(
    items: int, rows: Sequence[Row], weight: Sequence[float] | None = None, *, judges: int = 1
) -> ComparisonTable:
    """Return a table of rows, which the judges take turns in."""
    return create_table(
        items=[f"i{index}" for index in range(items)],
        judges=[f"j{index}" for index in range(judges)],
        judge=[at % judges for at in range(len(rows))],
        left=[row[0] for row in rows],
        right=[row[1] for row in rows],
        outcome=[row[2] for row in rows],
        weight=weight,
    )
