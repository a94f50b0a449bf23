"""Which ranking methods there are, by name; the one place that knows where they come from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from ranking.rounds import Ranker

if TYPE_CHECKING:
    from ranking.comparisons import ComparisonTable

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
        interval: Ends of the 95 % interval of the score; None where none was asked for.
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
        notes: What the reader must know beside them.
    """

    ranking: tuple[ItemScore, ...]
    is_log_strength: bool
    notes: tuple[str, ...] = ()


def score_items(method: str, table: "ComparisonTable") -> TableScores:
    """Rank the items of a table.

    Raises:
        ValueError: The method cannot rank a table, or not this one.
    """
    import numpy as np

    from ranking.baselines import score_table
    from ranking.fit import fit_strengths

    scores = fit_strengths(table).strengths if method == OURS else score_table(method, table, seed=TABLE_SEED)
    order = np.argsort(-np.round(scores, SCORE_DIGITS), kind="stable").tolist()
    values = scores.tolist()
    return TableScores(
        ranking=tuple(ItemScore(item=at, score=values[at], interval=None, p_best=None) for at in order),
        is_log_strength=method in LOG_STRENGTH,
        notes=("ema has learnt no reputation from one table: this is plain-bt",) if method == "ema" else (),
    )
