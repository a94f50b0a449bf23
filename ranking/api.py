"""The door for researchers: rank tables and rounds, learn whom to believe, and ask why.

`consensus` uses `ranking.canonical` and `ranking.merge` alone, which are integers; this door loads numpy and
networkx. The guide is docs/ranking.md.
"""

from ranking.comparisons import ComparisonTable, create_table
from ranking.diagnosis import Diagnosis, diagnose
from ranking.explain import Explanation, explain
from ranking.favours import Favours, find_favours
from ranking.fit import StrengthFit, fit_strengths
from ranking.incentives import Incentive, compute_incentives
from ranking.reputation import PastRound, compute_terms, create_reputation, update_reputation
from ranking.rounds import Ranker, Round, RoundRanking, Verdict
from ranking.standing import create_ranker, make_past, seat_round

__all__ = [
    "ComparisonTable",
    "Diagnosis",
    "Explanation",
    "Favours",
    "Incentive",
    "PastRound",
    "Ranker",
    "Round",
    "RoundRanking",
    "StrengthFit",
    "Verdict",
    "compute_incentives",
    "compute_terms",
    "create_ranker",
    "create_reputation",
    "create_table",
    "diagnose",
    "explain",
    "find_favours",
    "fit_strengths",
    "make_past",
    "seat_round",
    "update_reputation",
]
