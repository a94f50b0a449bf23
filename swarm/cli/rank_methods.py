"""Which ranking methods there are, by name; the one place that knows where they come from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from ranking.rounds import Ranker

if TYPE_CHECKING:
    from ranking.comparisons import ComparisonTable, Floats

OURS: Final = "ours"
BASELINES: Final = (
    "majority",
    "weighted-vote",
    "borda",
    "mean-rank",
    "fortytwo",
    "plain-bt",
    "ema",
    "crowd-bt",
    "rank-centrality",
)
METHODS: Final = (OURS, *BASELINES)
Engine = Literal["canonical", "float"]
ENGINES: Final = get_args(Engine)
DEFAULT_ENGINE: Final = "canonical"
LOG_STRENGTH: Final = (OURS, "plain-bt", "ema", "crowd-bt")
"""Methods whose scores are Bradley-Terry log-strengths, in nats."""
WITH_INTERVALS: Final = (OURS, "plain-bt")
TABLE_SEED: Final = b"table"
"""Draws the order of the list by which `fortytwo` breaks ties in a table."""
SCORE_DIGITS: Final = 9


def create_ranker(method: str, engine: Engine) -> Ranker:
    """Return a ranker that has seen no round.

    Args:
        method: One of METHODS.
        engine: How `ours` computes; the baselines know one way only.
    """
    if method == OURS:
        from ranking import standing

        return standing.create_ranker(engine)
    from ranking.baselines import METHODS as FACTORIES

    return FACTORIES[method]()


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """What a method says of one item.

    Attributes:
        item: Its index in the table.
        score: Higher is better; nats where `TableScores.is_log_strength`, else the method's own unit.
        interval: Ends of the 95 % interval of its distance from the mean score, the mean added; None where
            none was asked for.
        p_best: P(the item is best); None where no intervals were asked for.
    """

    item: int
    score: float
    interval: tuple[float, float] | None
    p_best: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableScores:
    """A method's ranking of a table, best first, exact ties by name.

    Attributes:
        ranking: Every item once.
        is_log_strength: Whether scores are Bradley-Terry log-strengths.
        p_first_beats_second: P(the first item is better than the second); None where no intervals were
            asked for.
        notes: What the reader must know beside them.
    """

    ranking: tuple[ItemScore, ...]
    is_log_strength: bool
    p_first_beats_second: float | None = None
    notes: tuple[str, ...] = ()


def score_items(method: str, table: "ComparisonTable", *, has_intervals: bool) -> TableScores:
    """Rank the items of a table.

    Args:
        method: One of METHODS; of WITH_INTERVALS for intervals.
        table: What is ranked.
        has_intervals: Whether intervals and P(best) are computed too.

    Raises:
        ValueError: The method cannot rank a table, or not this one.
        ArithmeticError: Weights of a range that cannot be held apart.
    """
    if method in WITH_INTERVALS:
        return _score_by_fit(method, table, has_intervals=has_intervals)
    from ranking.baselines import score_table

    scores = score_table(method, table, seed=TABLE_SEED)
    return TableScores(
        ranking=_rank_items(scores),
        is_log_strength=method in LOG_STRENGTH,
        notes=("ema has learnt no reputation from one table: this is plain-bt",) if method == "ema" else (),
    )


def _score_by_fit(method: str, table: "ComparisonTable", *, has_intervals: bool) -> TableScores:
    from ranking.fit import fit_strengths
    from ranking.newton import AnchorPrior, GaussianPrior

    fit = fit_strengths(table, prior=GaussianPrior() if method == OURS else AnchorPrior())
    if not has_intervals:
        return TableScores(ranking=_rank_items(fit.strengths), is_log_strength=True)
    from ranking.intervals import compute_intervals

    found = compute_intervals(table, fit)
    notes = [f"errors are those by which the {found.clusters} judges, or pools of judges, differ"]
    if not found.clusters:
        notes = ["errors rest on the model alone, since there is one judge"]
    if found.exact < len(table.items):
        notes.append(f"beyond the first {found.exact} items, intervals are a little too narrow")
    notes.append("P(best) holds if judges err independently")
    mean = fit.strengths.mean()
    return TableScores(
        ranking=_rank_items(fit.strengths, found.low + mean, found.high + mean, found.p_best),
        is_log_strength=True,
        p_first_beats_second=found.p_first_beats_second,
        notes=tuple(notes),
    )


def _rank_items(scores: "Floats", *bounds: "Floats") -> tuple[ItemScore, ...]:
    """Return items best first; `bounds` are lower ends, upper ends and P(best), or nothing."""
    import numpy as np

    order = np.argsort(-np.round(scores, SCORE_DIGITS), kind="stable").tolist()
    values = scores.tolist()
    if not bounds:
        return tuple(ItemScore(item=at, score=values[at], interval=None, p_best=None) for at in order)
    low, high, p_best = (bound.tolist() for bound in bounds)
    return tuple(
        ItemScore(item=at, score=values[at], interval=(low[at], high[at]), p_best=p_best[at]) for at in order
    )
