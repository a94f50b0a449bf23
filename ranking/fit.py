"""Bradley-Terry strengths in float64 from a table of comparisons of any size: for display and for research.

Nothing here is signed or hashed: certified rankings come from `ranking.canonical`. With `AnchorPrior()`, the
author priors as rows and a judge's terms as offsets and weights, both seek the same mode.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ranking.comparisons import ComparisonTable, Floats, NumbersLike
from ranking.newton import GaussianPrior, Likelihood, Mode, Prior, PriorTerms, find_mode
from ranking.newton_dense import PairLikelihood
from ranking.newton_sparse import RowLikelihood, Rows, merge_rows

DENSE_ITEMS_MAX: Final = 4_000
"""Most items held as a matrix of pairs: 128 MB, and four times as much while it is made."""
DENSE_CELLS_A_ROW_MAX: Final = 4
"""A matrix with more cells than this for each comparison costs more than the list of comparisons."""
DENSE_CELLS_ALWAYS: Final = 4_096
PAIR_BLOCK_ROWS_MIN: Final = 1 << 13
"""Rows summed at a time, at least; more where the matrix is larger."""
LEANING_PRECISION: Final = 2.0
"""Precision of the normal prior around 0 of a judge's leaning to the left, nats^-2."""
OFFSET_MAX_NATS: Final = 100.0
TIE_DIGITS: Final = 9
"""Strengths equal to so many decimal digits are tied: below is the noise of the order of summation."""

_Order = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StrengthFit:
    """The most probable strengths given a table, and the model that was fitted.

    Attributes:
        items: Names, by item index.
        strengths: Log-strengths in nats, shape (items,); 0 is the prior's centre. With a Gaussian prior
            their mean is 0.
        order: Item indices, best first, shape (items,); ties (TIE_DIGITS) by item index.
        leanings: Each judge's leaning to the left item in nats, shape (judges,), shrunk to 0; None where
            they were not estimated.
        prior: Prior of the strengths.
        offsets: Known advantage of the left item of each row, nats, shape (rows,); None is 0.
        method: "dense" over a matrix of pairs, "sparse" over rows.
        steps: Newton steps taken.
    """

    items: tuple[str, ...]
    strengths: Floats
    order: _Order
    leanings: Floats | None
    prior: Prior
    offsets: Floats | None
    method: Literal["dense", "sparse"]
    steps: int


def _is_dense(table: ComparisonTable) -> bool:
    cells = len(table.items) ** 2
    return len(table.items) <= DENSE_ITEMS_MAX and (
        cells <= DENSE_CELLS_ALWAYS or cells <= DENSE_CELLS_A_ROW_MAX * table.rows
    )


def make_pair_likelihood(table: ComparisonTable) -> PairLikelihood:
    """Sum a table's rows into a matrix of pairs, in blocks: fresh memory would cost more than the sums."""
    size = len(table.items)
    cells = size * size
    # Both by the order in which a pair was shown: left item, then right item.
    played, won_left = np.zeros((size, size)), np.zeros((size, size))
    length = max(PAIR_BLOCK_ROWS_MIN, cells)
    keys = np.empty(min(length, table.rows), dtype=np.intp)
    for first in range(0, table.rows, length):
        span = slice(first, first + length)
        key = np.multiply(table.left[span], size, out=keys[: len(table.left[span])])
        key += table.right[span]
        weight = None if table.has_unit_weights else table.weight[span]
        played += np.bincount(key, weight, cells).reshape(size, size)
        win = table.outcome[span] if weight is None else table.outcome[span] * weight
        won_left += np.bincount(key, win, cells).reshape(size, size)
    won = won_left.sum(axis=1) + played.sum(axis=0) - won_left.sum(axis=0)
    return PairLikelihood(won, played + played.T)


def make_rows(table: ComparisonTable, offsets: Floats | None, *, has_leanings: bool) -> Rows:
    """Take a table's rows as they are, with a parameter for each item and perhaps each judge."""
    return Rows(
        items=len(table.items),
        parameters=len(table.items) + (len(table.judges) if has_leanings else 0),
        left=table.left,
        right=table.right,
        share=table.outcome,
        mass=None if table.has_unit_weights else table.weight,
        offset=offsets,
        judge=table.judge if has_leanings else None,
    )


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is maximised: the games' likelihood, by the method chosen, and the priors of all parameters."""

    likelihood: Likelihood
    prior: PriorTerms
    method: Literal["dense", "sparse"]


def make_posterior(
    table: ComparisonTable,
    *,
    prior: Prior,
    offsets: Floats | None,
    has_leanings: bool,
    method: Literal["dense", "sparse"] | None = None,
) -> Posterior:
    """Choose how to hold a table's games, and hold them so.

    Args:
        table: Comparisons.
        prior: Prior of the strengths.
        offsets: Known advantage of the left item of each row, nats, shape (rows,); None is 0.
        has_leanings: Whether a leaning of each judge is a parameter.
        method: Hold them thus; "dense" knows neither offsets nor leanings. None chooses.
    """
    terms = PriorTerms(strength=prior, items=len(table.items), leaning_precision=LEANING_PRECISION)
    is_plain = offsets is None and not has_leanings
    if method == "dense" or (method is None and is_plain and _is_dense(table)):
        return Posterior(make_pair_likelihood(table), terms, "dense")
    rows = merge_rows(make_rows(table, offsets, has_leanings=has_leanings))
    return Posterior(RowLikelihood(rows), terms, "sparse")


def _check_offsets(offsets: NumbersLike | None, rows: int) -> Floats | None:
    if offsets is None:
        return None
    array = np.ascontiguousarray(offsets, dtype=np.float64)
    if array.shape != (rows,):
        raise ValueError(f"expected one offset a row, {rows}, got an array of shape {array.shape}")
    is_bad = ~(np.abs(array) <= OFFSET_MAX_NATS)
    if is_bad.any():
        row = int(np.argmax(is_bad))
        raise ValueError(f"row {row}: offset is {array[row]}, expected at most {OFFSET_MAX_NATS} nats")
    return array


def fit_strengths(
    table: ComparisonTable,
    *,
    prior: Prior | None = None,
    offsets: NumbersLike | None = None,
    is_leaning_estimated: bool = False,
) -> StrengthFit:
    """Fit weighted Bradley-Terry strengths, the mode of the posterior.

    The logit of a row is strength(left) - strength(right) + offset + leaning(judge). Its outcome enters as
    a fraction of a win, a tie as half of one, times its weight. Few items are held as a matrix of pairs,
    many as rows; both go by Newton's method.

    Args:
        table: Comparisons; without rows the fit is the prior's centre.
        prior: Prior of the strengths; None is `GaussianPrior()`.
        offsets: Known advantage of the left item of each row, nats, shape (rows,), such as a judge's known
            leaning (`leaning[table.judge]`) or its bias to its own answers; None is 0.
        is_leaning_estimated: Whether to fit each judge's leaning to the left item beside the strengths,
            with a normal prior around 0 of LEANING_PRECISION.

    Returns:
        The fit, within 1e-6 nats of the mode, as a rule within 1e-8.

    Raises:
        ValueError: Offsets are missing, not numbers or too large; the message names the first such row.
        ArithmeticError: The steps did not become small: weights of a range that float64 cannot hold apart.

    Source:
        Bradley and Terry, Biometrika 39 (1952); the prior as in Caron and Doucet, JCGS 21 (2012), who
        use a gamma one.
    """
    prior = GaussianPrior() if prior is None else prior
    checked = _check_offsets(offsets, table.rows)
    posterior = make_posterior(table, prior=prior, offsets=checked, has_leanings=is_leaning_estimated)
    try:
        mode = find_mode(posterior.likelihood, posterior.prior)
    except OverflowError:
        posterior = make_posterior(
            table, prior=prior, offsets=checked, has_leanings=is_leaning_estimated, method="sparse"
        )
        mode = find_mode(posterior.likelihood, posterior.prior)
    return _make_fit(table, mode, prior=prior, offsets=checked, method=posterior.method)


def _make_fit(
    table: ComparisonTable,
    mode: Mode,
    *,
    prior: Prior,
    offsets: Floats | None,
    method: Literal["dense", "sparse"],
) -> StrengthFit:
    size = len(table.items)
    strengths = mode.point[:size]
    return StrengthFit(
        items=table.items,
        strengths=strengths,
        order=np.argsort(-np.round(strengths, TIE_DIGITS), kind="stable"),
        leanings=mode.point[size:] if len(mode.point) > size else None,
        prior=prior,
        offsets=offsets,
        method=method,
        steps=mode.steps,
    )
