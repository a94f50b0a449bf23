"""Intervals against closed forms, refits without each judge, and coverage on drawn judges."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from ranking import spread as spread_module
from ranking.comparisons import ComparisonTable, Floats, create_empty_table, create_table
from ranking.fit import fit_strengths
from ranking.intervals import DRAWS, Intervals, compute_intervals
from ranking.newton import AnchorPrior, GaussianPrior
from ranking.spread import compute_spread
from ranking.student import compute_t_probability, compute_t_quantile


def name(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{index}" for index in range(count)]


def draw_table(
    seed: int, *, items: int, judges: int, calls: int, judge_error: float = 0.0, weight: float | None = None
) -> tuple[ComparisonTable, Floats]:
    """Return comparisons of items of normal quality, and the true contrasts.

    Every judge sees each item off by an error of its own, normal with a deviation of `judge_error`.
    """
    source = np.random.default_rng(seed)
    quality = source.normal(size=items)
    error = source.normal(size=(judges, items)) * judge_error
    judge = np.repeat(np.arange(judges), calls)
    left = source.integers(0, items, judges * calls)
    right = (left + source.integers(1, items, judges * calls)) % items
    gap = quality[left] - quality[right] + error[judge, left] - error[judge, right]
    table = create_table(
        items=name("i", items),
        judges=name("j", judges),
        judge=judge,
        left=left,
        right=right,
        outcome=source.random(judges * calls) < 1 / (1 + np.exp(-gap)),
        weight=None if weight is None else np.full(judges * calls, weight),
    )
    return table, quality - quality.mean()


def measure(table: ComparisonTable, *, is_model_only: bool = False, seed: int = 0) -> Intervals:
    return compute_intervals(table, fit_strengths(table), is_model_only=is_model_only, seed=seed)


def without_judge(table: ComparisonTable, judge: int) -> ComparisonTable:
    keep = table.judge != judge
    return create_table(
        items=table.items,
        judges=table.judges,
        judge=table.judge[keep],
        left=table.left[keep],
        right=table.right[keep],
        outcome=table.outcome[keep],
    )


# -- errors --------------------------------------------------------------------------------------------


def test_the_model_alone_gives_the_posterior_of_two_items() -> None:
    table = create_table(
        items=("a", "b"), judges=("j",), judge=[0] * 8, left=[0] * 8, right=[1] * 8, outcome=[1, 0] * 4
    )
    found = measure(table)
    # Eight even games weigh 8/4; the margin's precision is half of 2 * 2 + .5, its half is the contrast.
    error = math.sqrt(1 / (2 * (2 * 2 + 0.5)))
    assert np.allclose(found.standard_errors, error)
    assert np.allclose(found.high, scipy.stats.norm.ppf(0.975) * error, rtol=2e-3)
    assert np.allclose(found.low, -found.high)
    assert (found.clusters, found.p_first_beats_second) == (0, 0.5)


def test_errors_by_judge_are_those_of_refits_without_each_judge() -> None:
    table, _ = draw_table(4, items=8, judges=12, calls=40, judge_error=0.7)
    whole = fit_strengths(table).strengths
    shifts = np.stack([fit_strengths(without_judge(table, judge)).strengths - whole for judge in range(12)])
    jackknife = np.sqrt((shifts**2).sum(axis=0) * 11 / 12)
    found = measure(table)
    assert found.clusters == 12
    # The rest is the prior's part, small with sixty comparisons an item.
    assert np.allclose(found.standard_errors, jackknife, rtol=0.06)


def test_judges_that_differ_widen_errors_and_rows_of_one_judge_do_not_hide_it() -> None:
    fair, _ = draw_table(5, items=8, judges=12, calls=60, judge_error=0.0)
    apart, _ = draw_table(5, items=8, judges=12, calls=60, judge_error=1.5)
    by_judge = [measure(table).standard_errors.mean() for table in (fair, apart)]
    by_model = [measure(table, is_model_only=True).standard_errors.mean() for table in (fair, apart)]
    assert 0.8 < by_judge[0] / by_model[0] < 1.25
    assert by_judge[1] > 1.4 * by_model[1]


def test_halving_all_weights_leaves_errors_by_judge_nearly_alone() -> None:
    ones, _ = draw_table(6, items=6, judges=20, calls=60)
    halves, _ = draw_table(6, items=6, judges=20, calls=60, weight=0.5)
    by_judge, by_model = (
        measure(halves, is_model_only=only).standard_errors
        / measure(ones, is_model_only=only).standard_errors
        for only in (False, True)
    )
    assert np.allclose(by_judge, 1.0, atol=0.06)
    assert np.allclose(by_model, math.sqrt(2), atol=0.1)


def test_leanings_widen_errors_by_what_they_leave_open() -> None:
    source = np.random.default_rng(7)
    left = source.integers(0, 2, 60)
    table = create_table(
        items=name("i", 4),
        judges=name("j", 3),
        judge=np.arange(60) % 3,
        left=left,
        right=left + 2,
        outcome=source.random(60) < 0.7,
    )
    plain = compute_intervals(table, fit_strengths(table), is_model_only=True)
    fit = fit_strengths(table, is_leaning_estimated=True)
    leaning = compute_intervals(table, fit, is_model_only=True)
    # Items 0 and 1 always stand on the left: who wins for its place cannot be told apart.
    assert (leaning.standard_errors > 1.02 * plain.standard_errors).all()
    assert compute_intervals(table, fit).clusters == 3


@pytest.mark.parametrize("is_model_only", [False, True])
def test_the_strongest_of_many_get_the_same_errors_from_single_systems(
    is_model_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, _ = draw_table(8, items=60, judges=20, calls=300, judge_error=0.5)
    fit = fit_strengths(table, prior=AnchorPrior())
    monkeypatch.setattr(spread_module, "LEAVE_OUT_WORK_MAX", 0)
    full = compute_spread(table, fit, is_model_only=is_model_only)
    monkeypatch.setattr(spread_module, "INVERSE_PARAMETERS_MAX", 1)
    part = compute_spread(table, fit, is_model_only=is_model_only)
    assert (len(full.leading), len(part.leading)) == (60, 16)
    assert part.leading.tolist() == fit.order[:16].tolist()
    assert np.allclose(part.covariance, full.covariance[:16, :16], atol=1e-7)
    assert np.allclose(np.sqrt(part.variances / full.variances), 1.0, atol=0.12)
    assert not np.allclose(part.variances, full.variances, rtol=1e-4)
    found = compute_intervals(table, fit, is_model_only=is_model_only)
    assert (found.exact, found.p_best[fit.order[16:]].sum()) == (16, 0.0)


def test_taking_out_own_information_in_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table, _ = draw_table(9, items=7, judges=11, calls=9)
    one = measure(table).standard_errors
    monkeypatch.setattr(spread_module, "_CHUNK_CELLS", 100)
    assert np.allclose(one, measure(table).standard_errors, atol=1e-12)
    monkeypatch.setattr(spread_module, "LEAVE_OUT_WORK_MAX", 0)
    assert measure(table).standard_errors.mean() < 0.99 * one.mean()


def test_many_judges_are_pooled(monkeypatch: pytest.MonkeyPatch) -> None:
    table, _ = draw_table(10, items=6, judges=600, calls=5, judge_error=0.5)
    apart = measure(table)
    monkeypatch.setattr(spread_module, "CLUSTERS_MAX", 100)
    pooled = measure(table)
    assert (apart.clusters, pooled.clusters) == (600, 100)
    assert np.allclose(pooled.standard_errors / apart.standard_errors, 1.0, atol=0.3)


# -- calibration ---------------------------------------------------------------------------------------


def count_covered(*, judges: int, calls: int, judge_error: float, is_model_only: bool) -> float:
    covered = []
    for seed in range(100):
        table, truth = draw_table(1000 + seed, items=8, judges=judges, calls=calls, judge_error=judge_error)
        found = measure(table, is_model_only=is_model_only)
        covered.append(((found.low <= truth) & (truth <= found.high)).mean())
    return float(np.mean(covered))


@pytest.mark.slow
@pytest.mark.parametrize(("judges", "calls", "judge_error"), [(8, 3, 0.0), (8, 6, 0.3), (12, 60, 0.5)])
def test_intervals_cover_what_they_say(judges: int, calls: int, judge_error: float) -> None:
    # Seeds 1000 to 1099; judges' own errors flatten the strengths a little, which costs some coverage.
    share = count_covered(judges=judges, calls=calls, judge_error=judge_error, is_model_only=False)
    assert 0.91 <= share <= 0.995


@pytest.mark.slow
def test_the_model_alone_is_too_sure_where_judges_differ() -> None:
    assert count_covered(judges=12, calls=60, judge_error=0.5, is_model_only=True) < 0.9


@pytest.mark.slow
def test_p_best_is_right_as_often_as_it_says() -> None:
    said, right = [], []
    for seed in range(250):
        table, truth = draw_table(5000 + seed, items=7, judges=9, calls=6, judge_error=0.3)
        found = measure(table)
        leader = int(found.p_best.argmax())
        said.append(found.p_best[leader])
        right.append(leader == int(truth.argmax()))
    # Seeds 5000 to 5249: the mean claim may be off by two standard errors of a share.
    assert abs(np.mean(said) - np.mean(right)) < 0.065
    assert np.corrcoef(said, right)[0, 1] > 0.2


# -- P(best) -------------------------------------------------------------------------------------------


def test_p_best_sums_to_one_follows_the_order_and_its_seed() -> None:
    table, _ = draw_table(2, items=9, judges=9, calls=8)
    fit = fit_strengths(table)
    found = compute_intervals(table, fit, seed=3)
    assert math.isclose(found.p_best.sum(), 1.0)
    assert int(found.p_best.argmax()) == fit.order[0]
    assert (found.p_best == compute_intervals(table, fit, seed=3).p_best).all()
    other = compute_intervals(table, fit, seed=4).p_best
    assert not (found.p_best == other).all()
    assert np.allclose(found.p_best, other, atol=4 * math.sqrt(0.5 / DRAWS))


@pytest.mark.parametrize("is_model_only", [False, True])
def test_of_two_items_p_best_is_the_chance_to_beat_the_other(is_model_only: bool) -> None:
    table, _ = draw_table(3, items=2, judges=4, calls=6)
    found = measure(table, is_model_only=is_model_only)
    assert 0.5 < found.p_first_beats_second < 1
    assert abs(found.p_best.max() - found.p_first_beats_second) < 3 * math.sqrt(0.25 / DRAWS)


def test_few_judges_are_less_sure_than_many_that_say_the_same() -> None:
    def measure_copies(copies: int) -> Intervals:
        rows = [(judge, one, other) for judge in range(3) for one, other in ((0, 1), (1, 2), (0, 2), (0, 3))]
        rows = [(judge + 3 * copy, one, other) for copy in range(copies) for judge, one, other in rows]
        return measure(
            create_table(
                items=name("i", 4),
                judges=name("j", 3 * copies),
                judge=[row[0] for row in rows],
                left=[row[1] for row in rows],
                right=[row[2] for row in rows],
                outcome=[1.0 if (at * 7) % 5 else 0.0 for at in range(12)] * copies,
            )
        )

    few, many = measure_copies(1), measure_copies(8)
    assert few.p_best.max() < many.p_best.max()
    assert (few.high - few.low > many.high - many.low).all()


# -- bounds --------------------------------------------------------------------------------------------


def test_without_comparisons_all_items_are_as_likely() -> None:
    table = create_empty_table(items=name("i", 4), judges=("j",))
    found = measure(table)
    assert np.allclose(found.p_best, 0.25, atol=0.02)
    assert np.allclose(found.standard_errors, math.sqrt(2 * 3 / 4))
    alone = measure(create_empty_table(items=("a",), judges=("j",)))
    assert (alone.p_best.tolist(), alone.p_first_beats_second) == ([1.0], 1.0)
    assert (alone.low.tolist(), alone.high.tolist()) == ([0.0], [0.0])


def test_judges_without_mass_are_no_judges() -> None:
    def count(weight: tuple[float, ...]) -> int:
        table = create_table(
            items=("a", "b"),
            judges=name("j", 3),
            judge=[0, 2, 1],
            left=[0, 0, 1],
            right=[1, 1, 0],
            outcome=[1.0, 0.0, 1.0],
            weight=weight,
        )
        return measure(table).clusters

    assert [count(weight) for weight in ((1, 1, 1), (1, 0, 1), (1, 0, 0))] == [3, 2, 0]


def test_a_higher_level_is_wider() -> None:
    table, _ = draw_table(1, items=5, judges=6, calls=10)
    fit = fit_strengths(table)
    low, high = (compute_intervals(table, fit, level=level) for level in (0.8, 0.99))
    assert (high.high > low.high).all()
    assert (high.standard_errors == low.standard_errors).all()


def test_bad_arguments_are_refused() -> None:
    table, _ = draw_table(1, items=5, judges=6, calls=10)
    other, _ = draw_table(1, items=4, judges=6, calls=10)
    fit = fit_strengths(table)
    for level in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="level"):
            compute_intervals(table, fit, level=level)
    with pytest.raises(ValueError, match="seed"):
        compute_intervals(table, fit, seed=-1)
    with pytest.raises(ValueError, match="of 4 items, got one of 5"):
        compute_intervals(other, fit)
    shorter = without_judge(table, 0)
    with pytest.raises(ValueError, match="these 50 rows, got one of 60"):
        compute_intervals(shorter, fit_strengths(table, offsets=np.zeros(60)))
    fewer = create_table(items=table.items, judges=("j",), judge=[0], left=[0], right=[1], outcome=[1.0])
    with pytest.raises(ValueError, match="of 1 judges, got one of 6"):
        compute_intervals(fewer, fit_strengths(table, is_leaning_estimated=True))


def test_what_float64_cannot_invert_is_an_arithmetic_error() -> None:
    table = create_table(
        items=("a", "b"), judges=("j",), judge=[0], left=[0], right=[1], outcome=[0.5], weight=[1e12]
    )
    fit = fit_strengths(table)
    assert compute_intervals(table, fit).exact == 2
    with pytest.raises(ArithmeticError, match="singular"):
        compute_intervals(table, replace(fit, prior=GaussianPrior(1e-9)))


# -- Student's t ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 999])
def test_student_is_that_of_scipy(freedom: int) -> None:
    for value in (-40.0, -1.5, 0.0, 0.3, 2.0, 30.0):
        assert abs(compute_t_probability(value, freedom) - scipy.stats.t.cdf(value, freedom)) < 1e-12
    for probability in (0.6, 0.975, 0.9995):
        found, exact = compute_t_quantile(probability, freedom), scipy.stats.t.ppf(probability, freedom)
        assert math.isclose(found, exact, rel_tol=1e-9)


def test_many_degrees_of_freedom_are_normal() -> None:
    assert math.isclose(compute_t_quantile(0.975, 5_000), scipy.stats.norm.ppf(0.975))
    assert math.isclose(compute_t_probability(1.0, 5_000), scipy.stats.norm.cdf(1.0))
