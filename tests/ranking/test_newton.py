"""The parts of Newton's method: curvatures against finite differences, merging, damping, saturation."""

import math

import numpy as np
import pytest

from ranking import fit as fit_module
from ranking import newton, newton_sparse
from ranking.comparisons import ComparisonTable, Floats, create_table
from ranking.fit import make_pair_likelihood, make_posterior
from ranking.newton import AnchorPrior, GaussianPrior, PriorTerms, evaluate_posterior, find_mode
from ranking.newton_dense import PairLikelihood
from ranking.newton_sparse import RowLikelihood, Rows, compute_probability, merge_rows


def draw_table(seed: int, *, items: int, rows: int, judges: int = 3) -> ComparisonTable:
    source = np.random.default_rng(seed)
    left = source.integers(0, items, rows)
    return create_table(
        items=[str(index) for index in range(items)],
        judges=[str(index) for index in range(judges)],
        judge=source.integers(0, judges, rows),
        left=left,
        right=(left + source.integers(1, items, rows)) % items,
        outcome=source.random(rows),
        weight=source.random(rows) * 2,
    )


def draw_rows(seed: int, *, items: int, rows: int) -> Rows:
    table = draw_table(seed, items=items, rows=rows)
    return Rows(
        items=items,
        parameters=items,
        left=table.left,
        right=table.right,
        share=table.outcome,
        mass=table.weight,
        offset=None,
        judge=None,
    )


@pytest.mark.parametrize("kind", ["dense", "rows", "leanings"])
@pytest.mark.parametrize("prior", [GaussianPrior(0.7), AnchorPrior(1.3)])
def test_curvature_is_the_slope_of_the_gradient(kind: str, prior: GaussianPrior | AnchorPrior) -> None:
    table = draw_table(5, items=6, rows=40)
    has_leanings = kind == "leanings"
    posterior = make_posterior(
        table,
        prior=prior,
        offsets=np.linspace(-1, 1, 40) if has_leanings else None,
        has_leanings=has_leanings,
        method="dense" if kind == "dense" else "sparse",
    )
    source = np.random.default_rng(1)
    size = 9 if has_leanings else 6
    point, direction = source.normal(size=size), source.normal(size=size)

    def gradient(at: Floats) -> Floats:
        return evaluate_posterior(posterior.likelihood, posterior.prior, at)[0]

    _, information = evaluate_posterior(posterior.likelihood, posterior.prior, point)
    slope = (gradient(point - 1e-5 * direction) - gradient(point + 1e-5 * direction)) / 2e-5
    matrix = information.compute_matrix()
    assert np.allclose(matrix, matrix.T, atol=1e-12)
    assert np.allclose(matrix @ direction, slope, atol=1e-6)
    product = information.curvature.multiply(direction) + information.prior * direction
    assert np.allclose(product, slope, atol=1e-6)
    assert np.allclose(
        information.curvature.get_diagonal(), matrix.diagonal() - information.prior, atol=1e-12
    )


def test_blocks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    likelihood = RowLikelihood(draw_rows(2, items=5, rows=333))
    point = np.linspace(-1, 1, 5)
    whole = likelihood.evaluate(point)
    monkeypatch.setattr(newton_sparse, "BLOCK_ROWS", 10)
    parts = likelihood.evaluate(point)
    assert np.allclose(whole.gradient, parts.gradient, atol=1e-12)
    assert np.allclose(whole.curvature.compute_matrix(), parts.curvature.compute_matrix(), atol=1e-12)


def test_a_matrix_of_pairs_holds_what_the_rows_say(monkeypatch: pytest.MonkeyPatch) -> None:
    table = draw_table(6, items=5, rows=333)
    whole = make_pair_likelihood(table)
    monkeypatch.setattr(fit_module, "PAIR_BLOCK_ROWS_MIN", 1)
    parts = make_pair_likelihood(table)
    won, games = np.zeros(5), np.zeros((5, 5))
    for left, right, outcome, weight in zip(
        table.left, table.right, table.outcome, table.weight, strict=True
    ):
        won[left] += weight * outcome
        won[right] += weight * (1.0 - outcome)
        games[left, right] += weight
        games[right, left] += weight
    for found in (whole, parts):
        assert np.allclose(found.won, won, atol=1e-12)
        assert np.allclose(found.games, games, atol=1e-12)


def test_rows_of_a_pair_are_merged_where_that_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newton_sparse, "MERGE_ROWS_MIN", 1)
    many = draw_rows(3, items=12, rows=5_000)
    merged = merge_rows(many)
    assert len(merged) == 66
    point = np.linspace(-2, 2, 12)
    one, other = RowLikelihood(many).evaluate(point), RowLikelihood(merged).evaluate(point)
    assert np.allclose(one.gradient, other.gradient, atol=1e-9)
    assert np.allclose(one.curvature.compute_matrix(), other.curvature.compute_matrix(), atol=1e-9)
    few = draw_rows(4, items=1000, rows=5_000)
    assert merge_rows(few) is few


def test_rows_of_unequal_terms_are_not_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newton_sparse, "MERGE_ROWS_MIN", 1)
    rows = draw_rows(3, items=3, rows=500)
    with_offsets = Rows(
        items=3,
        parameters=3,
        left=rows.left,
        right=rows.right,
        share=rows.share,
        mass=rows.mass,
        offset=np.ones(500),
        judge=None,
    )
    assert merge_rows(with_offsets) is with_offsets


def test_probabilities_saturate() -> None:
    logits = np.array([-1e6, -2.0, 0.0, 2.0, 1e6])
    found = compute_probability(logits.copy())
    assert np.allclose(found[1:4], [1 / (1 + math.exp(2)), 0.5, 1 / (1 + math.exp(-2))])
    assert 0 <= found[0] < 1e-300
    assert found[4] == 1.0


def test_a_far_start_is_damped_and_arrives() -> None:
    class FarLikelihood(PairLikelihood):
        def make_start(self) -> Floats:
            return np.array([20.0, -20.0, 10.0])

    games = np.array([[0.0, 5.0, 1.0], [5.0, 0.0, 2.0], [1.0, 2.0, 0.0]])
    won = np.array([4.0, 3.0, 1.0])
    terms = PriorTerms(strength=GaussianPrior(), items=3, leaning_precision=2.0)
    near, far = find_mode(PairLikelihood(won, games), terms), find_mode(FarLikelihood(won, games), terms)
    assert np.allclose(near.point, far.point, atol=1e-9)
    assert far.steps > near.steps


def test_a_singular_matrix_is_an_arithmetic_error() -> None:
    likelihood = PairLikelihood(np.array([1.0, 1.0]), np.array([[0.0, 2.0], [2.0, 0.0]]))
    terms = PriorTerms(strength=AnchorPrior(), items=2, leaning_precision=2.0)
    _, information = evaluate_posterior(likelihood, terms, np.array([100.0, -100.0]))
    with pytest.raises(ArithmeticError, match="singular"):
        information.solve(np.ones(2))


def test_the_matrix_refuses_strengths_beyond_its_range() -> None:
    likelihood = PairLikelihood(np.array([1.0, 1.0]), np.array([[0.0, 2.0], [2.0, 0.0]]))
    assert np.isfinite(likelihood.evaluate(np.array([149.0, -149.0])).gradient).all()
    with pytest.raises(OverflowError, match="300"):
        likelihood.evaluate(np.array([151.0, -151.0]))


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_prior_is_positive(value: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        GaussianPrior(value)
    with pytest.raises(ValueError, match="positive"):
        AnchorPrior(value)


def test_conjugate_gradients_that_do_not_settle_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    table = draw_table(9, items=30, rows=60)
    posterior = make_posterior(table, prior=GaussianPrior(), offsets=None, has_leanings=False)
    monkeypatch.setattr(newton, "DIRECT_PARAMETERS_MAX", 1)
    assert find_mode(posterior.likelihood, posterior.prior).steps > 1
    monkeypatch.setattr(newton, "GRADIENT_STEPS_MAX", 2)
    with pytest.raises(ArithmeticError, match="conjugate gradients"):
        find_mode(posterior.likelihood, posterior.prior)
