"""The float twin beside the canonical engine and beside choix, where the models coincide."""

import math
import random
from itertools import pairwise

import choix
import numpy as np
import pytest

from ranking.baselines import plain_bt
from ranking.canonical import OUTCOME_MAX, OUTCOME_MIN, Comparison, JudgeTerms, compute_scores
from ranking.fit import Fit, fit_bradley_terry

Authors = list[tuple[int, ...]]


def make_ballots(seed: int, classes: int, calls: int) -> tuple[Authors, list[Comparison]]:
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


@pytest.mark.parametrize(("classes", "calls"), [(3, 4), (4, 6), (7, 6), (15, 8), (31, 10)])
@pytest.mark.parametrize("has_terms", [False, True])
def test_float_twin_agrees_with_the_canonical_engine(classes: int, calls: int, has_terms: bool) -> None:
    for seed in range(3):
        authors, ballots = make_ballots(seed, classes, calls)
        terms = {
            seat: JudgeTerms(weight_q16=20_000 + 9_000 * seat, position=seat % 5, own_or_ally=8, allies=(0,))
            for seat in range(classes)
            if has_terms
        }
        scores = compute_scores(authors=authors, comparisons=ballots, terms=terms, seed=b"s")
        fit = fit_bradley_terry(authors=authors, comparisons=ballots, terms=terms)
        exact = [log_strength / 65536 for log_strength in scores.log_strengths]
        assert np.allclose(exact, fit.log_strengths, rtol=0, atol=2e-3)
        gaps = [fit.log_strengths[a] - fit.log_strengths[b] for a, b in pairwise(fit.order)]
        assert scores.order == fit.order or min(gaps) < 2e-3


def make_anchored_matrix(
    classes: int, ballots: list[Comparison]
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Games won by row against column, plus the anchor as one more item with a win and a loss each."""
    wins = np.zeros((classes + 1, classes + 1))
    for ballot in ballots:
        wins[ballot.left, ballot.right] += ballot.outcome / 65536
        wins[ballot.right, ballot.left] += 1 - ballot.outcome / 65536
    wins[:classes, classes] += 1
    wins[classes, :classes] += 1
    return wins


def add_author_prior(wins: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> None:
    classes = len(wins) - 1
    wins[:classes, :classes] += 0.5 / (classes - 1)
    np.fill_diagonal(wins, 0)


@pytest.mark.parametrize(("classes", "calls"), [(7, 6), (15, 8), (31, 10)])
def test_choix_agrees_where_the_models_coincide(classes: int, calls: int) -> None:
    for seed in range(3):
        authors, ballots = make_ballots(seed, classes, calls)
        wins = make_anchored_matrix(classes, ballots)
        plain = choix.ilsr_pairwise_dense(wins, alpha=0.0, max_iter=1000)[:classes]
        order = tuple(int(index) for index in np.argsort(-plain))
        assert plain_bt(authors=authors, comparisons=ballots, seed=b"s") == order
        add_author_prior(wins)
        with_prior = choix.ilsr_pairwise_dense(wins, alpha=0.0, max_iter=1000)
        fit = fit_bradley_terry(authors=authors, comparisons=ballots)
        assert np.allclose(with_prior[:classes] - with_prior[classes], fit.log_strengths, atol=1e-5)


def test_standard_errors_shrink_with_more_judges_and_need_two() -> None:
    authors: Authors = [(90,), (91,)]

    def fit(judges: int) -> Fit:
        ballots = [Comparison(j, 0, 1, OUTCOME_MAX if j % 3 else OUTCOME_MIN) for j in range(judges)]
        return fit_bradley_terry(authors=authors, comparisons=ballots)

    assert fit(1).standard_errors == (0.0, 0.0)
    assert fit(60).standard_errors[0] < fit(15).standard_errors[0]


def test_standard_error_is_that_of_the_leave_one_out_margin() -> None:
    authors, ballots = make_ballots(5, 15, 20)
    scores = compute_scores(authors=authors, comparisons=ballots, seed=b"s")
    fit = fit_bradley_terry(authors=authors, comparisons=ballots)
    far = scores.order[-1]
    margin = fit.log_strengths[scores.order[0]] - fit.log_strengths[far]
    # Both estimate the spread of the same margin, one by refits, one by linear influence; the errors
    # of two classes nearly add, so the margin's is near the root of their squares.
    spread = math.hypot(fit.standard_errors[scores.order[0]], fit.standard_errors[far])
    assert 0.6 < (scores.z[far] / 256) / (margin / spread) < 1.5


def test_display_p_best_sums_to_one_and_follows_the_order() -> None:
    authors, ballots = make_ballots(2, 7, 6)
    fit = fit_bradley_terry(authors=authors, comparisons=ballots)
    assert math.isclose(sum(fit.display_p_best), 1.0)
    assert max(range(7), key=lambda index: fit.display_p_best[index]) == fit.order[0]
    alone = fit_bradley_terry(authors=[(0, 1, 2, 3)], comparisons=[])
    assert (alone.order, alone.display_p_best, alone.log_strengths) == ((0,), (1.0,), (0.0,))


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="outcome"):
        fit_bradley_terry(authors=[(0,), (1,)], comparisons=[Comparison(0, 0, 1, 65536)])
