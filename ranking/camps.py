"""Who can be trusted to judge, from agreement alone: two camps or one, and each judge's reliability.

If judges err independently, how much two of them agree is the product of their reliabilities: the table of
agreement has **one factor**. Judges who vote for one another, for whoever is theirs today, or by a signal
of their own agree with each other more than with the rest, however well each judges otherwise: the table
falls into two **camps**. The reference is the larger camp by heads, not by strength: liars in lockstep
agree more than honest judges ever do. Truth, where gold has shown it, overrides heads.

Where the split is hardly clearer than noise makes it, only those are out who clearly prefer the other camp:
that costs honest judges next to nothing where rounds are few, and liars nothing where they work together.

A reliability is agreement with the reference camp, by the same one-factor model. It needs no verdict on
anybody: who agrees with nobody weighs nothing, who is sometimes a liar weighs less.

Source: the one-factor model is Dalvi et al., "Aggregating crowdsourced binary ratings", WWW 2013 (there:
one coin a judge); splitting by signed residuals is maximum modularity, Newman, PNAS 103 (2006).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from operator import mul
from typing import Final

from ranking.ballots import Q16

SPLIT_SLOW_Q8: Final = 230
"""Least split in the long memory that makes two camps, Q8 (.9)."""
SPLIT_FAST_Q8: Final = 384
"""The same in the short memory (1.5), which is noisier."""
SPLIT_CLEAR_Q8: Final = 307
"""Split from which on (1.2) a camp's doubtful members are out with it. Noise alone gives up to 1.08 in large
swarms: the ground state of spins that couple at random, Parisi, PRL 43 (1979)."""
FIT_PASSES: Final = 8
LOADING_MAX: Final = Q16 * 9 // 10
LOADING_MIN: Final = Q16 // 50
PRIOR_COUNT_Q16: Final = 64 * Q16
"""Products worth of belief, Q16, that a judge is half as reliable as the reference."""
DOUBTFUL_Q8: Final = 640
"""A member that prefers its camp by fewer standard errors, Q8 (2.5), is doubtful: it decides no majority,
and is not out where the split is not clear."""
GOLD_GAP_Q8: Final = 768
"""Standard errors, Q8, by which gold must tell two camps apart to override heads (3)."""
TIGHTER: Final = (5, 4)
"""Between camps of doubtful majority the one that agrees 5/4 as much within is the suspect."""

Matrix = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The table of one memory, by place; everything Q16.

    Attributes:
        sums: Sums of products of net votes, symmetric; the diagonal is how decided each judge is.
        counts: Numbers of products, symmetric.
        gold: Sums of products with the truth.
        gold_counts: Their numbers.
    """

    sums: Matrix
    counts: Matrix
    gold: Sequence[int]
    gold_counts: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a table says.

    Attributes:
        reference: Whether each judge is of the reference camp, or counted with it because it is doubtful; all
            are where there is one camp only.
        outside: Whether it is clearly of the other camp: it prefers that by 2.5 standard errors.
        split_q8: How clearly the table falls in two, Q8: residual over its standard error and sqrt(judges).
        weights: Weight of each judge, Q16, the reference's median being 1; 0..2.
    """

    reference: tuple[bool, ...]
    outside: tuple[bool, ...]
    split_q8: int
    weights: tuple[int, ...]


def compute_trust(table: Agreement, *, heads: Sequence[int], split_min_q8: int) -> Trust:
    """Return the reference camp and every judge's weight.

    Args:
        table: Agreement of at least one judge.
        heads: What each judge counts for where the larger camp is sought, 0 or more.
        split_min_q8: Least split, Q8, that makes two camps.
    """
    judges = len(table.sums)
    everyone = (True,) * judges
    signs = _split(table.sums, table.counts)
    loadings = _fit_loadings(table, everyone)
    split_q8 = _compute_split(table, signs, loadings)
    reference = everyone
    if split_q8 >= split_min_q8:
        reference = _choose_reference(table, signs, heads, split_q8)
        loadings = _fit_loadings(table, reference)
    others = tuple(not is_member for is_member in reference)
    return Trust(
        reference=reference,
        outside=tuple(
            is_other and _compute_preference(table, place, others, reference) >= DOUBTFUL_Q8
            for place, is_other in enumerate(others)
        ),
        split_q8=split_q8,
        weights=_compute_weights(loadings, reference),
    )


def _list_members(camp: Sequence[bool]) -> list[int]:
    """Return the places of a camp's members, ascending."""
    return [place for place, is_member in enumerate(camp) if is_member]


def _compute_decided(table: Agreement, place: int) -> int:
    """Return how decided a judge's net votes are: their mean square, Q16."""
    return (table.sums[place][place] << 16) // max(table.counts[place][place], 1)


def _split(sums: Matrix, counts: Matrix) -> tuple[int, ...]:
    """Return +1 or -1 a judge, so that agreement above the mean lies within camps, below it across.

    Greedy flips from one start a judge; the best of all starts.
    """
    judges = len(sums)
    total = sum(map(sum, counts)) - sum(counts[place][place] for place in range(judges))
    agreed = sum(map(sum, sums)) - sum(sums[place][place] for place in range(judges))
    mean = (agreed << 16) // max(total, 1)
    excess = [
        [
            0 if column == row else sums[row][column] - (mean * counts[row][column] >> 16)
            for column in range(judges)
        ]
        for row in range(judges)
    ]
    best: tuple[int, ...] = (1,) * judges
    best_gain = sum(map(sum, excess))
    seen: dict[tuple[int, ...], None] = {}
    for start in range(judges):
        signs = [1 if column == start or value > 0 else -1 for column, value in enumerate(excess[start])]
        key = tuple(signs)
        if key in seen:
            continue
        seen[key] = None
        gain = _climb(excess, signs)
        if gain > best_gain:
            best, best_gain = tuple(signs), gain
    return best


def _climb(excess: Sequence[Sequence[int]], signs: list[int]) -> int:
    """Flip the sign that gains most until none gains; `signs` changes. Returns the sum reached."""
    fields = [sum(map(mul, row, signs)) for row in excess]
    for _ in range(4 * len(signs)):
        pulls = list(map(mul, signs, fields))
        lowest = min(pulls)
        if lowest >= 0:
            break
        place = pulls.index(lowest)
        signs[place] = -signs[place]
        step = 2 * signs[place]
        fields = [field + step * value for field, value in zip(fields, excess[place], strict=True)]
    return sum(map(mul, signs, fields))


def _fit_loadings(table: Agreement, reference: Sequence[bool]) -> list[int]:
    """Return each judge's loading on the reference's one factor, Q16: -.9..9 tenths.

    Alternating least squares over off-diagonal products with members of the reference, damped by half.
    """
    judges = len(table.sums)
    members = _list_members(reference)
    base = _compute_base(table, members)
    prior = PRIOR_COUNT_Q16 * base * base >> 32
    half_prior = prior * base << 15
    # Rows hold what a judge shares with members, itself left out.
    rows = []
    for place in range(judges):
        others = [0 if column == place else 1 for column in members]
        sums = [
            table.sums[place][column] * is_other for column, is_other in zip(members, others, strict=True)
        ]
        counts = [
            table.counts[place][column] * is_other for column, is_other in zip(members, others, strict=True)
        ]
        rows.append((sums, counts, LOADING_MIN if reference[place] else -LOADING_MAX))
    loadings = [base if is_member else 0 for is_member in reference]
    for _ in range(FIT_PASSES):
        seen = [loadings[place] for place in members]
        squares = list(map(mul, seen, seen))
        fresh = []
        for (sums, counts, lowest), before in zip(rows, loadings, strict=True):
            agreed, weight = sum(map(mul, sums, seen)), sum(map(mul, counts, squares))
            value = ((agreed << 16) + half_prior) // max((weight >> 16) + (prior << 16), 1)
            fresh.append(max(lowest, min(LOADING_MAX, (before + value) // 2)))
        loadings = fresh
    return loadings


def _compute_base(table: Agreement, members: Sequence[int]) -> int:
    """Return the loading, Q16, that all members would have were they equal; at least 1 %."""
    agreed = count = 0
    for row in members:
        agreed += sum(table.sums[row][column] for column in members if column != row)
        count += sum(table.counts[row][column] for column in members if column != row)
    return max(isqrt((max(agreed, 0) << 32) // max(count, 1)), Q16 // 100)


def _compute_split(table: Agreement, signs: Sequence[int], loadings: Sequence[int]) -> int:
    """Return how clearly what one factor leaves over falls into the two camps, Q8."""
    judges = len(signs)
    decided = [_compute_decided(table, place) for place in range(judges)]
    residual = variance = 0
    for row in range(judges):
        for column in range(row):
            count = table.counts[row][column]
            expected = count * loadings[row] * loadings[column] >> 32
            residual += signs[row] * signs[column] * (table.sums[row][column] - expected)
            variance += count * decided[row] * decided[column] >> 16
    if residual <= 0 or variance <= 0:
        return 0
    return isqrt((residual * residual << 16) // (judges * variance))


def _choose_reference(
    table: Agreement, signs: Sequence[int], heads: Sequence[int], split_q8: int
) -> tuple[bool, ...]:
    """Return the camp to trust: gold's if it tells them apart, else the larger, else the looser one.

    Unless gold chose it or the split is clear, doubtful members of the other camp count with it.
    """
    first = tuple(sign > 0 for sign in signs)
    second = tuple(sign < 0 for sign in signs)
    by_gold = _compare_gold(table, first, second)
    if by_gold:
        return first if by_gold > 0 else second
    chosen, other = first, second
    if sum(map(mul, first, heads)) < sum(map(mul, second, heads)):
        chosen, other = second, first
    if _is_doubtful(table, chosen, other, heads):
        within_chosen, within_other = _compute_within(table, chosen), _compute_within(table, other)
        if within_chosen * TIGHTER[1] > within_other * TIGHTER[0]:
            chosen, other = other, chosen
    if split_q8 >= SPLIT_CLEAR_Q8:
        return chosen
    return tuple(
        is_chosen or _compute_preference(table, place, other, chosen) < DOUBTFUL_Q8
        for place, is_chosen in enumerate(chosen)
    )


def _compare_gold(table: Agreement, first: Sequence[bool], second: Sequence[bool]) -> int:
    """Return 1, -1 or 0 as gold speaks for the first camp, the second, or does not tell."""
    means, variance = [], 0
    for camp in (first, second):
        places = _list_members(camp)
        count = sum(table.gold_counts[place] for place in places)
        if count <= 0:
            return 0
        agreed = sum(table.gold[place] for place in places)
        means.append((agreed << 16) // count)
        spread = sum(
            table.gold_counts[place] * table.sums[place][place] // max(table.counts[place][place], 1)
            for place in places
        )
        variance += (spread << 48) // (count * count)
    gap = means[0] - means[1]
    if gap * gap << 16 < GOLD_GAP_Q8 * GOLD_GAP_Q8 * variance:
        return 0
    return 1 if gap > 0 else -1


def _is_doubtful(
    table: Agreement, larger: Sequence[bool], smaller: Sequence[bool], heads: Sequence[int]
) -> bool:
    """Say whether the majority hangs on a member that hardly prefers its camp."""
    size, total = sum(map(mul, larger, heads)), sum(heads)
    return 2 * size == total or any(
        is_member
        and 2 * (size - heads[place]) <= total
        and _compute_preference(table, place, larger, smaller) < DOUBTFUL_Q8
        for place, is_member in enumerate(larger)
    )


def _compute_preference(table: Agreement, place: int, own: Sequence[bool], other: Sequence[bool]) -> int:
    """Return how much more a judge agrees with its own camp than with the other, in standard errors, Q8."""
    decided = _compute_decided(table, place)
    means, variance = [], 0
    for camp in (own, other):
        places = [column for column in _list_members(camp) if column != place]
        count = sum(table.counts[place][column] for column in places)
        if count <= 0:
            return 0
        means.append((sum(table.sums[place][column] for column in places) << 16) // count)
        variance += (decided * decided << 16) // count
    gap = means[0] - means[1]
    if gap <= 0 or variance <= 0:
        return 0
    return isqrt((gap * gap << 16) // variance)


def _compute_within(table: Agreement, camp: Sequence[bool]) -> int:
    """Return the mean agreement of two members, Q16; 0 for a camp of one."""
    places = _list_members(camp)
    agreed = sum(table.sums[row][column] for row in places for column in places if row != column)
    count = sum(table.counts[row][column] for row in places for column in places if row != column)
    return (agreed << 16) // count if count else 0


def _compute_weights(loadings: Sequence[int], reference: Sequence[bool]) -> tuple[int, ...]:
    """Return loadings as weights: the reference's lower median is 1, none is below 0 or above 2, Q16.

    Raises:
        ValueError: The reference has no member, which no votes lead to.
    """
    members = sorted(loading for loading, is_member in zip(loadings, reference, strict=True) if is_member)
    if not members:
        raise ValueError("got agreement that leaves no camp to trust")
    median = max(members[(len(members) - 1) // 2], LOADING_MIN)
    return tuple(max(0, min(2 * Q16, (loading << 16) // median)) for loading in loadings)
