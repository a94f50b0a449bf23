"""Comparisons and judge terms in, masses out: what each judge adds to each pair of classes.

A **cell** (i, k, o) with i < k gathers games between classes i and k under one offset o, in 1/16 nat in
favour of i: P(i beats k) = pi_i / (pi_i + pi_k e^(-o/16)). Masses are Q32 integers. Summing is exact,
so neither the order of ballots nor the side on which a class was shown can matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ranking.tables import OFFSET_MAX

Q16: Final = 1 << 16
OUTCOME_MIN: Final = 3277
"""Least outcome, Q16: .05. Nobody may send certainties (protocol.md, step 3)."""
OUTCOME_MAX: Final = 62259
"""Largest outcome, Q16: .95."""
WEIGHT_MAX_Q16: Final = 16 * Q16
"""Largest weight of a judge, Q16; reputation stays far below (3)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One judge's verdict on one pair, as it was shown.

    Attributes:
        judge: Seat that judged.
        left: Class index shown on the left.
        right: Class index shown on the right.
        outcome: P(left is better), Q16, OUTCOME_MIN..OUTCOME_MAX.
    """

    judge: int
    left: int
    right: int
    outcome: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTerms:
    """What a round assumes about one judge; constants of the round, changed only at epoch close.

    Attributes:
        weight_q16: Reliability weight of its comparisons and of its author prior, 0..WEIGHT_MAX_Q16.
        position: Its leaning to the answer on the left, 1/16 nat, -OFFSET_MAX..OFFSET_MAX.
        own_or_ally: Its leaning to a class that it or an ally authored, 1/16 nat, same bounds; 0 until
            past rounds show otherwise.
        allies: Seats whose answers count as its own.
    """

    weight_q16: int = Q16
    position: int = 0
    own_or_ally: int = 0
    allies: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.weight_q16 <= WEIGHT_MAX_Q16:
            raise ValueError(f"a weight is 0..{WEIGHT_MAX_Q16} (Q16), got {self.weight_q16}")
        for name, offset in (("position", self.position), ("own_or_ally", self.own_or_ally)):
            if abs(offset) > OFFSET_MAX:
                raise ValueError(f"{name} is at most {OFFSET_MAX} sixteenths of a nat, got {offset}")


DEFAULT_TERMS: Final = JudgeTerms()


class Cell(NamedTuple):
    """A pair of classes under one offset: `low` < `high`, `offset` in favour of `low`, 1/16 nat."""

    low: int
    high: int
    offset: int


class Mass(NamedTuple):
    """Games of a cell, Q32, seen from its `low` class."""

    win: int
    loss: int


Masses = dict[Cell, Mass]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that enters one fit, kept by the judge it came from.

    Attributes:
        classes: Number of classes.
        by_judge: Seat -> its cells, comparisons and author prior together, seats ascending.
        judges: Seats with positive mass in the comparisons, ascending.
    """

    classes: int
    by_judge: dict[int, Masses]
    judges: tuple[int, ...]

    def compute_total(self) -> Masses:
        """Return the cells summed over judges."""
        total: Masses = {}
        for masses in self.by_judge.values():
            for cell, mass in masses.items():
                _add_mass(total, cell, mass)
        return total


def _add_mass(masses: Masses, cell: Cell, mass: Mass) -> None:
    before = masses.get(cell)
    masses[cell] = mass if before is None else Mass(before.win + mass.win, before.loss + mass.loss)


def group_by_judge(comparisons: Sequence[Comparison]) -> dict[int, list[Comparison]]:
    """Return judge -> its comparisons, both in the order given."""
    grouped: dict[int, list[Comparison]] = {}
    for one in comparisons:
        grouped.setdefault(one.judge, []).append(one)
    return grouped


def compute_owners(authors: Sequence[Sequence[int]]) -> dict[int, int]:
    """Return seat -> index of the class it authored.

    Raises:
        ValueError: No class, a class without authors, a negative seat, or a seat with two answers.
    """
    if not authors:
        raise ValueError("a ranking needs at least one class, got none")
    owners: dict[int, int] = {}
    for index, seats in enumerate(authors):
        if not seats:
            raise ValueError(f"class {index} has no author, expected at least one")
        for seat in seats:
            if seat < 0:
                raise ValueError(f"a seat is at least 0, got {seat}")
            if seat in owners:
                raise ValueError(f"seat {seat} authored classes {owners[seat]} and {index}, expected one")
            owners[seat] = index
    return owners


def check_comparison(comparison: Comparison, classes: int) -> None:
    """Check a comparison against the number of classes.

    Raises:
        ValueError: Its judge, a class or its outcome is out of bounds.
    """
    left, right, outcome = comparison.left, comparison.right, comparison.outcome
    if comparison.judge < 0:
        raise ValueError(f"a seat is at least 0, got judge {comparison.judge}")
    if not (0 <= left < classes and 0 <= right < classes) or left == right:
        raise ValueError(f"a comparison names two of {classes} classes, got {left} and {right}")
    if not OUTCOME_MIN <= outcome <= OUTCOME_MAX:
        raise ValueError(f"an outcome is {OUTCOME_MIN}..{OUTCOME_MAX} (Q16), got {outcome}")


def _compute_offset(comparison: Comparison, terms: JudgeTerms, owned: Sequence[int]) -> int:
    """Return the offset in favour of the left class, clamped to the table's bounds."""
    own = (comparison.left in owned) - (comparison.right in owned)
    return max(-OFFSET_MAX, min(OFFSET_MAX, terms.position + own * terms.own_or_ally))


def _add_comparison(masses: Masses, comparison: Comparison, offset: int, weight_q16: int) -> None:
    left, right = comparison.left, comparison.right
    win, loss = weight_q16 * comparison.outcome, weight_q16 * (Q16 - comparison.outcome)
    if left < right:
        _add_mass(masses, Cell(left, right, offset), Mass(win, loss))
    else:
        _add_mass(masses, Cell(right, left, -offset), Mass(loss, win))


def _add_author_prior(masses: Masses, owned: int, classes: int, weight_q16: int) -> None:
    """Add half a win, shared evenly, of the author's class over every other class."""
    win = weight_q16 * (Q16 // 2) // (classes - 1)
    for other in range(classes):
        if other < owned:
            _add_mass(masses, Cell(other, owned, 0), Mass(0, win))
        elif other > owned:
            _add_mass(masses, Cell(owned, other, 0), Mass(win, 0))


def gather_evidence(
    *,
    authors: Sequence[Sequence[int]],
    comparisons: Sequence[Comparison],
    terms: Mapping[int, JudgeTerms] | None = None,
    has_author_prior: bool = True,
) -> Evidence:
    """Turn comparisons and authorship into cells, judge by judge.

    Args:
        authors: Seats of each class, by class index.
        comparisons: Verdicts in any order. That a judge was dealt the pair is not checked here, but
            where ballots are validated.
        terms: Seat -> its terms; seats not named have `DEFAULT_TERMS`.
        has_author_prior: Whether each author adds its half win (`protocol.md`, "Author prior").

    Returns:
        The evidence; cells without mass are left out.

    Raises:
        ValueError: A seat, class, outcome or weight is out of bounds.
    """
    owners = compute_owners(authors)
    terms = {} if terms is None else terms
    classes = len(authors)
    by_judge: dict[int, Masses] = {}
    for comparison in comparisons:
        check_comparison(comparison, classes)
        judge = comparison.judge
        judge_terms = terms.get(judge, DEFAULT_TERMS)
        owned = [owners[seat] for seat in (judge, *judge_terms.allies) if seat in owners]
        masses = by_judge.setdefault(judge, {})
        if judge_terms.weight_q16:
            offset = _compute_offset(comparison, judge_terms, owned)
            _add_comparison(masses, comparison, offset, judge_terms.weight_q16)
    judges = tuple(sorted(judge for judge, masses in by_judge.items() if masses))
    if has_author_prior and classes > 1:
        for seat, index in owners.items():
            weight_q16 = terms.get(seat, DEFAULT_TERMS).weight_q16
            if weight_q16:
                _add_author_prior(by_judge.setdefault(seat, {}), index, classes, weight_q16)
    return Evidence(classes, dict(sorted(by_judge.items())), judges)
