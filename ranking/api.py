"""The door for researchers: rank tables and rounds, learn whom to believe, and ask why.

`consensus` uses `ranking.canonical` and `ranking.merge` alone, which are integers; this door loads numpy and
networkx. The guide is docs/ranking.md.
"""

from ranking.adaptive import Pair, choose_pairs, is_settled
from ranking.comparisons import ComparisonTable, create_empty_table, create_table
from ranking.connectivity import Split, describe_split, find_split
from ranking.diagnosis import Diagnosis, diagnose
from ranking.explain import Explanation, explain
from ranking.favours import Favours, find_favours
from ranking.fit import StrengthFit, fit_strengths
from ranking.incentives import Incentive, compute_incentives
from ranking.intervals import Intervals, compute_intervals
from ranking.newton import AnchorPrior, GaussianPrior
from ranking.reputation import PastRound, compute_terms, create_reputation, update_reputation
from ranking.rounds import Ranker, Round, RoundRanking, Verdict
from ranking.standing import create_ranker, make_past, seat_round

__all__ = [
    "AnchorPrior",
    "ComparisonTable",
    "Diagnosis",
    "Explanation",
    "Favours",
    "GaussianPrior",
    "Incentive",
    "Intervals",
    "Pair",
    "PastRound",
    "Ranker",
    "Round",
    "RoundRanking",
    "Split",
    "StrengthFit",
    "Verdict",
    "choose_pairs",
    "compute_incentives",
    "compute_intervals",
    "compute_terms",
    "create_empty_table",
    "create_ranker",
    "create_reputation",
    "create_table",
    "describe_split",
    "diagnose",
    "explain",
    "find_favours",
    "find_split",
    "fit_strengths",
    "is_settled",
    "make_past",
    "seat_round",
    "update_reputation",
]
