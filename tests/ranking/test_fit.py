"""The float engine beside the canonical one, beside choix where the models coincide, and at its bounds."""

import math
import random
from itertools import pairwise

import choix
import numpy as np
import pytest

from ranking import fit as fit_module
from ranking import newton
from ranking.ballots import Evidence, gather_evidence
from ranking.canonical import OUTCOME_MAX, OUTCOME_MIN, Comparison, JudgeTerms, compute_scores
from ranking.comparisons import ComparisonTable, Floats, create_empty_table, create_table
from ranking.fit import StrengthFit, fit_strengths
from ranking.newton import AnchorPrior, GaussianPrior, Prior

Authors = list[tuple[int, ...]]
Ballots = list[Comparison]
Row = tuple[int, int, int, float, float]  # judge, left, right, outcome, weight


def make_table(rows: list[Row], *, items: int, judges: int) -> ComparisonTable:
    return create_table(
        items=[f"i{index}" for index in range(items)],
        judges=[f"j{index}" for index in range(judges)],
        judge=[row[0] for row in rows],
        left=[row[1] for row in rows],
        right=[row[2] for row in rows],
        outcome=[row[3] for row in rows],
        weight=[row[4] for row in rows],
    )


def draw_rows(seed: int, *, items: int, judges: int, rows: int, lean: float = 0.0) -> list[Row]:
    """Wins, losses, ties and fractions under weights of .25 to 2; every judge leans `lean` to the left."""
    source = random.Random(seed)
    quality = [source.gauss(0, 1) for _ in range(items)]
    drawn: list[Row] = []
    for _ in range(rows):
        left, right = source.sample(range(items), 2)
        chance = 1 / (1 + math.exp(quality[right] - quality[left] - lean))
        sure = float(source.random() < chance)
        outcome = source.choice([sure, sure, 0.5, 0.2 + 0.6 * sure]) if lean == 0.0 else sure
        drawn.append((source.randrange(judges), left, right, outcome, source.choice([0.25, 1.0, 2.0])))
    return drawn


def compute_log_posterior(rows: list[Row], theta: list[float], prior: Prior) -> float:
    """The definition, without arrays."""
    total = 0.0
    for _, left, right, outcome, weight in rows:
        logit = theta[left] - theta[right]
        total -= weight * (
            outcome * math.log1p(math.exp(-logit)) + (1 - outcome) * math.log1p(math.exp(logit))
        )
    for value in theta:
        match prior:
            case GaussianPrior(precision):
                total -= 0.5 * precision * value * value
            case AnchorPrior(games):
                total -= games * (math.log1p(math.exp(-value)) + math.log1p(math.exp(value)))
    return total


# -- what is fitted ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [GaussianPrior(), GaussianPrior(2.0), AnchorPrior(), AnchorPrior(0.3)])
def test_no_move_of_any_strength_raises_the_log_posterior(prior: Prior) -> None:
    rows = draw_rows(3, items=6, judges=2, rows=25)
    theta = fit_strengths(make_table(rows, items=6, judges=2), prior=prior).strengths.tolist()
    best = compute_log_posterior(rows, theta, prior)
    for item in range(6):
        for move in (1e-3, -1e-3):
            moved = [*theta]
            moved[item] += move
            fall = best - compute_log_posterior(rows, moved, prior)
            assert 0 < fall < 1e-4  # a gradient left over would make one of the two negative


def test_ties_weights_duplicates_and_sides_mean_what_they_say() -> None:
    def fit(rows: list[Row]) -> Floats:
        return fit_strengths(make_table(rows, items=3, judges=1)).strengths

    common: list[Row] = [(0, 0, 1, 1.0, 1.0), (0, 1, 2, 1.0, 1.0)]
    tie = fit([*common, (0, 0, 2, 0.5, 2.0)])
    assert np.allclose(tie, fit([*common, (0, 0, 2, 1.0, 1.0), (0, 2, 0, 1.0, 1.0)]), atol=1e-9)
    assert np.allclose(tie, fit([*common, (0, 2, 0, 0.5, 1.0), (0, 2, 0, 0.5, 1.0)]), atol=1e-9)
    assert not np.allclose(tie, fit([*common, (0, 0, 2, 0.5, 1.0)]), atol=1e-3)
    assert np.allclose(fit(common), fit([*common, (0, 0, 2, 0.0, 0.0)]), atol=1e-9)
    assert not np.allclose(fit(common), fit([*common, (0, 0, 2, 0.0, 1.0)]), atol=1e-3)


def test_the_order_of_rows_plays_no_part() -> None:
    rows = draw_rows(8, items=9, judges=3, rows=80)
    shuffled = random.Random(1).sample(rows, len(rows))
    one, other = (fit_strengths(make_table(one, items=9, judges=3)) for one in (rows, shuffled))
    assert np.allclose(one.strengths, other.strengths, atol=1e-9)
    assert one.order.tolist() == other.order.tolist()


def test_priors_agree_near_the_mean_and_differ_far_out() -> None:
    close = make_table([(0, 0, 1, 0.6, 1.0)], items=2, judges=1)
    far = make_table([(0, 0, 1, 1.0, 100.0)], items=2, judges=1)
    gauss, anchor = (
        [fit_strengths(t, prior=p).strengths[0] for t in (close, far)]
        for p in (GaussianPrior(), AnchorPrior())
    )
    assert abs(gauss[0] / anchor[0] - 1) < 0.01
    assert anchor[1] > 1.05 * gauss[1]


def test_without_rows_or_rivals_the_prior_is_all_there_is() -> None:
    empty = fit_strengths(create_empty_table(items=("a", "b", "c"), judges=("j",)))
    assert (empty.strengths.tolist(), empty.order.tolist()) == ([0.0, 0.0, 0.0], [0, 1, 2])
    alone = fit_strengths(create_empty_table(items=("a",), judges=("j",)), prior=AnchorPrior())
    assert (alone.strengths.tolist(), alone.order.tolist()) == ([0.0], [0])
    massless = fit_strengths(make_table([(0, 0, 1, 1.0, 0.0)], items=2, judges=1))
    assert massless.strengths.tolist() == [0.0, 0.0]


def test_unbeaten_winless_and_parted_items_have_strengths() -> None:
    table = make_table([(0, 0, 1, 1.0, 1.0), (0, 1, 2, 1.0, 1.0), (0, 3, 4, 1.0, 1.0)], items=5, judges=1)
    strengths = fit_strengths(table).strengths
    assert strengths[0] > strengths[1] > strengths[2]
    # Parts never compared are each centred by the prior.
    assert abs(strengths[:3].sum()) < 1e-9
    assert abs(strengths[3:].sum()) < 1e-9


def test_exact_ties_go_by_index_whatever_the_noise() -> None:
    cycle: list[Row] = [(0, index, (index + 1) % 7, 1.0, 1.0) for index in range(7)]
    assert fit_strengths(make_table(cycle, items=7, judges=1)).order.tolist() == list(range(7))


# -- terms of judges -----------------------------------------------------------------------------------


def test_offsets_are_advantages_of_the_left_item() -> None:
    rows = draw_rows(4, items=5, judges=2, rows=200, lean=1.0)
    table = make_table(rows, items=5, judges=2)
    known = fit_strengths(table, offsets=np.full(200, 1.0))
    # Half of the rows with sides exchanged: the same games, the advantage now on the right.
    turned: list[Row] = [
        (judge, right, left, 1 - outcome, weight) if at % 2 else (judge, left, right, outcome, weight)
        for at, (judge, left, right, outcome, weight) in enumerate(rows)
    ]
    signs = np.array([-1.0 if at % 2 else 1.0 for at in range(200)])
    assert np.allclose(
        known.strengths,
        fit_strengths(make_table(turned, items=5, judges=2), offsets=signs).strengths,
        atol=1e-9,
    )
    zero = fit_strengths(table, offsets=np.zeros(200))
    assert np.allclose(zero.strengths, fit_strengths(table).strengths, atol=1e-9)
    assert not np.allclose(zero.strengths, known.strengths, atol=1e-3)


def test_leanings_are_found_and_shrunk() -> None:
    rows = [
        *draw_rows(5, items=6, judges=1, rows=600, lean=1.5),
        *[(1, *row[1:]) for row in draw_rows(5, items=6, judges=1, rows=600, lean=1e-9)],
        (2, 0, 1, 1.0, 1.0),
    ]
    fit = fit_strengths(make_table(rows, items=6, judges=4), is_leaning_estimated=True)
    assert fit.leanings is not None
    leaning, fair, scarce, silent = fit.leanings
    assert 1.2 < leaning < 1.8
    assert abs(fair) < 0.3
    assert 0 < scarce < 0.3
    assert silent == 0.0
    assert fit_strengths(make_table(rows, items=6, judges=4)).leanings is None


@pytest.mark.parametrize(
    ("message", "offsets"),
    [
        ("one offset a row, 1", [0.0, 0.0]),
        ("row 0: offset is nan", [math.nan]),
        ("row 0: offset is -101", [-101.0]),
    ],
)
def test_bad_offsets_are_refused(message: str, offsets: list[float]) -> None:
    with pytest.raises(ValueError, match=message):
        fit_strengths(make_table([(0, 0, 1, 1.0, 1.0)], items=2, judges=1), offsets=offsets)


# -- methods -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("items", "rows"), [(2, 5), (12, 60), (150, 7_000), (200, 11_000)])
@pytest.mark.parametrize("prior", [GaussianPrior(), AnchorPrior()])
def test_rows_and_matrix_agree(items: int, rows: int, prior: Prior, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table(draw_rows(items, items=items, judges=3, rows=rows), items=items, judges=3)
    dense = fit_strengths(table, prior=prior)
    monkeypatch.setattr(fit_module, "DENSE_ITEMS_MAX", 1)
    sparse = fit_strengths(table, prior=prior)
    assert (dense.method, sparse.method) == ("dense", "sparse")
    assert np.allclose(dense.strengths, sparse.strengths, rtol=0, atol=1e-8)


@pytest.mark.parametrize("is_leaning_estimated", [False, True])
def test_factorisation_and_conjugate_gradients_agree(
    is_leaning_estimated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_table(draw_rows(7, items=40, judges=5, rows=120, lean=0.5), items=40, judges=5)

    def fit() -> StrengthFit:
        return fit_strengths(table, is_leaning_estimated=is_leaning_estimated)

    direct = fit()
    monkeypatch.setattr(newton, "DIRECT_PARAMETERS_MAX", 1)
    iterative = fit()
    assert np.allclose(direct.strengths, iterative.strengths, rtol=0, atol=1e-8)
    assert (direct.leanings is None) is not is_leaning_estimated
    if direct.leanings is not None and iterative.leanings is not None:
        assert np.allclose(direct.leanings, iterative.leanings, rtol=0, atol=1e-8)


def test_strengths_too_far_apart_for_the_matrix_are_fitted_from_rows() -> None:
    chain: list[Row] = [(0, index, index + 1, 1.0, 1e4) for index in range(59)]
    table = make_table(chain, items=60, judges=1)
    assert fit_strengths(table).method == "dense"
    fit = fit_strengths(table, prior=GaussianPrior(1e-8))
    assert fit.method == "sparse"
    assert fit.strengths[0] - fit.strengths[59] > 300
    assert fit.order.tolist() == list(range(60))


def test_a_fit_that_does_not_settle_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table(draw_rows(1, items=5, judges=1, rows=30), items=5, judges=1)
    assert fit_strengths(table).steps > 1
    monkeypatch.setattr(newton, "NEWTON_STEPS_MAX", 1)
    with pytest.raises(ArithmeticError, match="did not settle in 1 steps"):
        fit_strengths(table)


# -- the canonical engine ------------------------------------------------------------------------------


def make_ballots(seed: int, classes: int, calls: int) -> tuple[Authors, Ballots]:
    source = random.Random(seed)
    quality = [source.gauss(0, 1) for _ in range(classes)]
    ballots = []
    for judge in range(classes):
        for _ in range(calls):
            left, right = source.sample([c for c in range(classes) if c != judge], 2)
            chance = 1 / (1 + math.exp(quality[right] - quality[left]))
            outcome = OUTCOME_MAX if source.random() < chance else OUTCOME_MIN
            ballots.append(Comparison(judge, left, right, outcome))
    return [(seat,) for seat in range(classes)], ballots


def fit_evidence(evidence: Evidence) -> StrengthFit:
    """Fit what the canonical engine sees: a row for each judge and cell, author priors included."""
    cells = [
        (judge, cell, mass) for judge, masses in evidence.by_judge.items() for cell, mass in masses.items()
    ]
    rows: list[Row] = [
        (judge, cell.low, cell.high, mass.win / (mass.win + mass.loss), (mass.win + mass.loss) / 2**32)
        for judge, cell, mass in cells
    ]
    table = make_table(rows, items=evidence.classes, judges=1 + max(evidence.by_judge))
    return fit_strengths(table, prior=AnchorPrior(), offsets=[cell.offset / 16 for _, cell, _ in cells])


@pytest.mark.parametrize(("classes", "calls"), [(3, 4), (4, 6), (7, 6), (15, 8), (31, 10)])
@pytest.mark.parametrize("has_terms", [False, True])
def test_float_and_canonical_orders_agree(classes: int, calls: int, has_terms: bool) -> None:
    for seed in range(3):
        authors, ballots = make_ballots(seed, classes, calls)
        terms = {
            seat: JudgeTerms(weight_q16=20_000 + 9_000 * seat, position=seat % 5, own_or_ally=8, allies=(0,))
            for seat in range(classes)
            if has_terms
        }
        scores = compute_scores(authors=authors, comparisons=ballots, terms=terms, seed=b"s")
        fit = fit_evidence(gather_evidence(authors=authors, comparisons=ballots, terms=terms))
        exact = [log_strength / 65536 for log_strength in scores.log_strengths]
        assert np.allclose(exact, fit.strengths, rtol=0, atol=2e-3)
        gaps = [fit.strengths[a] - fit.strengths[b] for a, b in pairwise(fit.order)]
        assert scores.order == tuple(fit.order.tolist()) or min(gaps) < 2e-3


# -- choix ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("items", "rows"), [(7, 60), (31, 900)])
def test_choix_agrees_under_the_gaussian_prior(items: int, rows: int) -> None:
    source = random.Random(items)
    quality = [source.gauss(0, 1) for _ in range(items)]
    games = []
    for _ in range(rows):
        one, other = source.sample(range(items), 2)
        is_won = source.random() < 1 / (1 + math.exp(quality[other] - quality[one]))
        games.append((one, other) if is_won else (other, one))
    table = make_table([(0, winner, loser, 1.0, 1.0) for winner, loser in games], items=items, judges=1)
    fit = fit_strengths(table, prior=GaussianPrior(0.5))
    # choix's penalty is alpha times the sum of squares: half a precision.
    theirs = choix.opt_pairwise(items, games, alpha=0.25, tol=1e-12)
    assert np.allclose(fit.strengths, theirs, rtol=0, atol=1e-5)
    assert fit.order.tolist() == np.argsort(-theirs, kind="stable").tolist()


@pytest.mark.parametrize(("items", "rows"), [(7, 60), (31, 900), (200, 12_000)])
def test_choix_agrees_under_the_anchor_prior(items: int, rows: int) -> None:
    drawn = draw_rows(items, items=items, judges=4, rows=rows)
    fit = fit_strengths(make_table(drawn, items=items, judges=4), prior=AnchorPrior())
    wins = np.zeros((items + 1, items + 1))
    wins[:items, items] = wins[items, :items] = 1.0
    for _, left, right, outcome, weight in drawn:
        wins[left, right] += weight * outcome
        wins[right, left] += weight * (1 - outcome)
    theirs = choix.ilsr_pairwise_dense(wins, alpha=0.0, max_iter=2000)
    assert np.allclose(fit.strengths, theirs[:items] - theirs[items], rtol=0, atol=1e-5)
    assert fit.order.tolist() == np.argsort(-theirs[:items], kind="stable").tolist()
