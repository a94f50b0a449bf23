"""How far fitted strengths may be off: covariances from how judges differ, or from the model alone.

With g_j the score of judge j at the mode, H the information and L its part from the prior, the covariance is
H^-1 (sum of g_j g_j' + L) H^-1. The prior's part counts how far the mode is shrunk: without it, intervals
from few comparisons cover too little. Where the work allows, H^-1 g_j is taken without judge j's own
information, one step of the jackknife; else with it, times sqrt(J / (J - 1)).

Source:
    Huber 1967; Liang and Zeger, Biometrika 73 (1986); Bell and McCaffrey, Survey Methodology 28 (2002).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ranking.comparisons import ComparisonTable, Floats
from ranking.fit import StrengthFit, make_posterior, make_rows
from ranking.newton import Information, evaluate_posterior
from ranking.newton_sparse import Labels, Pulls, Rows, compute_pulls, sum_matrices

INVERSE_PARAMETERS_MAX: Final = 2_000
"""Most strengths and leanings whose information matrix is inverted in full."""
LEADING_ITEMS: Final = 16
"""Beyond that, so many of the strongest items get exact errors, by one linear system each."""
CLUSTERS_MAX: Final = 2_048
"""More judges than this are pooled by index into so many clusters. That stays valid for independent judges
and makes errors noisier by about 2 %."""
CLUSTERS_MIN: Final = 32
SCORE_CELLS_MAX: Final = 1 << 24
"""Most cells of a clusters x parameters matrix, 128 MB, as long as there are CLUSTERS_MIN clusters."""
LEAVE_OUT_WORK_MAX: Final = 2_000_000_000
"""Most clusters times parameters cubed for which each cluster's own information is taken out."""
_CHUNK_CELLS: Final = 1 << 20

_Items = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Variances of the strengths' distances from their mean.

    Attributes:
        variances: nats^2, shape (items,). Outside `leading` they are the diagonal's where the matrix is too
            large to invert: each item as if its rivals were known.
        leading: Items whose covariances are known, strongest first, shape (leading,).
        covariance: Of the leading items, nats^2, shape (leading, leading).
        clusters: Judges, or pools of judges, taken as independent; 0 where the model alone speaks.
    """

    variances: Floats
    leading: _Items
    covariance: Floats
    clusters: int


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the rows say at the mode, by cluster of judges.

    Attributes:
        rows: Games.
        pulls: At the mode.
        cluster: Of each row, numbered from 0 without gaps, shape (rows,).
        clusters: How many have mass.
    """

    rows: Rows
    pulls: Pulls
    cluster: Labels
    clusters: int

    def sum_scores(self) -> Floats:
        """Return each cluster's score, shape (clusters, parameters)."""
        rows, pull, size = self.rows, self.pulls.pull, self.rows.parameters
        base, cells = self.cluster * size, self.clusters * size
        scores = np.zeros(cells)
        scores += np.bincount(base + rows.left, pull, cells)
        scores -= np.bincount(base + rows.right, pull, cells)
        if rows.judge is not None:
            scores += np.bincount(base + rows.items + rows.judge, pull, cells)
        return scores.reshape(self.clusters, size)

    def multiply(self, vector: Floats) -> Floats:
        """Return each cluster's score times a vector of shape (parameters,), shape (clusters,)."""
        rows = self.rows
        change = vector.take(rows.left)
        change -= vector.take(rows.right)
        if rows.judge is not None:
            change += vector[rows.items :].take(rows.judge)
        change *= self.pulls.pull
        return np.bincount(self.cluster, change, self.clusters).astype(np.float64, copy=False)


def compute_spread(table: ComparisonTable, fit: StrengthFit, *, is_model_only: bool) -> Spread:
    """Return how far strengths may be off.

    Args:
        table: The comparisons that were fitted.
        fit: Their fit.
        is_model_only: Whether to take every row as independent and the model as true, rather than judges as
            independent. With fewer than two judges that have mass it is so in any case.

    Raises:
        ArithmeticError: A linear system is singular in float64, or does not settle.
    """
    try:
        return _compute(table, fit, is_model_only=is_model_only)
    except np.linalg.LinAlgError as exc:
        raise ArithmeticError(
            "the information matrix is singular in float64: no errors can be given"
        ) from exc


def _compute(table: ComparisonTable, fit: StrengthFit, *, is_model_only: bool) -> Spread:
    has_leanings = fit.leanings is not None
    point = fit.strengths if fit.leanings is None else np.concatenate([fit.strengths, fit.leanings])
    posterior = make_posterior(
        table, prior=fit.prior, offsets=fit.offsets, has_leanings=has_leanings, method=fit.method
    )
    _, information = evaluate_posterior(posterior.likelihood, posterior.prior, point)
    evidence: _Evidence | None = None
    if not is_model_only:
        rows = make_rows(table, fit.offsets, has_leanings=has_leanings)
        evidence = _gather_evidence(table, rows, compute_pulls(rows, point))
        evidence = evidence if evidence.clusters >= 2 else None
    if len(point) <= INVERSE_PARAMETERS_MAX:
        factor = _factor_model(information) if evidence is None else _factor_judges(information, evidence)
        return _measure(factor, fit, evidence)
    return _solve_leading(information, evidence, fit)


def _gather_evidence(table: ComparisonTable, rows: Rows, pulls: Pulls) -> _Evidence:
    most = min(CLUSTERS_MAX, max(CLUSTERS_MIN, SCORE_CELLS_MAX // rows.parameters))
    pools = min(len(table.judges), most)
    pool = table.judge.astype(np.int64) % pools
    has_mass = np.bincount(pool, table.weight, pools) > 0.0
    # Rows of judges without mass pull nothing, so it does not matter with whom they are counted.
    number = np.maximum(np.cumsum(has_mass) - 1, 0)
    return _Evidence(rows, pulls, number[pool], int(has_mass.sum()))


# -- all items -----------------------------------------------------------------------------------------


def _factor_model(information: Information) -> Floats:
    """Return F with F'F the inverse of the information, shape (parameters, parameters)."""
    root = np.linalg.cholesky(information.compute_matrix())
    return np.linalg.inv(root).astype(np.float64, copy=False)


def _factor_judges(information: Information, evidence: _Evidence) -> Floats:
    """Return F with F'F the covariance clustered by judge, shape (clusters + parameters, parameters)."""
    matrix, scores, count = information.compute_matrix(), evidence.sum_scores(), evidence.clusters
    if count * len(matrix) ** 3 <= LEAVE_OUT_WORK_MAX:
        shifts = _leave_out(matrix, scores, evidence) * np.sqrt((count - 1) / count)
    else:
        shifts = np.linalg.solve(matrix, scores.T).T * np.sqrt(count / (count - 1))
    shrunk = np.linalg.solve(matrix, np.diag(np.sqrt(information.prior))).T
    return np.concatenate([shifts, shrunk]).astype(np.float64, copy=False)


def _leave_out(matrix: Floats, scores: Floats, evidence: _Evidence) -> Floats:
    """Return (H - H_j)^-1 g_j for each cluster j, shape (clusters, parameters)."""
    order = np.argsort(evidence.cluster, kind="stable")
    cluster, weight = evidence.cluster[order], evidence.pulls.weight[order]
    shifts = np.empty_like(scores)
    step = max(1, _CHUNK_CELLS // len(matrix) ** 2)
    for first in range(0, len(scores), step):
        last = min(first + step, len(scores))
        start, stop = np.searchsorted(cluster, (first, last))
        own = sum_matrices(
            evidence.rows.take(order[start:stop]),
            weight[start:stop],
            cluster[start:stop] - first,
            last - first,
        )
        shifts[first:last] = np.linalg.solve(matrix - own, scores[first:last, :, None])[:, :, 0]
    return shifts


def _measure(factor: Floats, fit: StrengthFit, evidence: _Evidence | None) -> Spread:
    """Return variances and covariances from F, F'F the covariance of all parameters."""
    deviations = factor[:, : len(fit.items)]
    deviations = deviations - deviations.mean(axis=1, keepdims=True)
    leaders = deviations[:, fit.order]
    covariance: Floats = leaders.T @ leaders
    return Spread(
        variances=np.einsum("ij,ij->j", deviations, deviations),
        leading=fit.order,
        covariance=covariance,
        clusters=0 if evidence is None else evidence.clusters,
    )


# -- the strongest of many -----------------------------------------------------------------------------


def _solve_leading(information: Information, evidence: _Evidence | None, fit: StrengthFit) -> Spread:
    """Solve for the covariances of the strongest items; take the diagonal's variances for all others."""
    count, size = len(fit.items), len(information.prior)
    leading = fit.order[:LEADING_ITEMS]
    solutions = np.empty((len(leading), size))
    for place, item in enumerate(leading):
        contrast = np.zeros(size)
        contrast[:count] = -1.0 / count
        contrast[item] += 1.0
        solutions[place] = information.solve(contrast)
    diagonal = information.curvature.get_diagonal() + information.prior
    if evidence is None:
        contrasts = solutions[:, leading] - solutions[:, :count].mean(axis=1, keepdims=True)
        covariance, variances = 0.5 * (contrasts + contrasts.T), 1.0 / diagonal
    else:
        clusters = evidence.clusters
        shifts = np.stack([evidence.multiply(solution) for solution in solutions])
        covariance = shifts @ shifts.T * (clusters / (clusters - 1))
        covariance += (solutions * information.prior) @ solutions.T
        squares = np.einsum("ij,ij->j", scores := evidence.sum_scores(), scores) * (clusters / (clusters - 1))
        variances = (squares + information.prior) / diagonal**2
    variances = variances[:count].copy()
    variances[leading] = np.diag(covariance)
    return Spread(
        variances=variances,
        leading=leading,
        covariance=covariance,
        clusters=0 if evidence is None else evidence.clusters,
    )
