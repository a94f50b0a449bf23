"""Published and simple rules to measure the engine against, each a `Ranker`, most usable on one table too.

`METHODS` makes rankers by name; `score_table` scores one flat set of comparisons. Outcomes are whole Q16, so
that sums of them are exact and the order of ballots cannot matter; exact ties go by H(seed, index), as in
the engine, so that no rule profits from the order of candidates. None has P(best) or a flip certificate.
Unless its text says so, a method learns nothing, weighs every judge 1 and takes no notice of truth.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from ranking._hash import hash_numbers
from ranking.ballots import Comparison, compute_owners, gather_evidence
from ranking.client_rule import rank_as_client
from ranking.comparisons import ComparisonTable, Floats
from ranking.crowd_bt import CrowdFit, fit_crowd_bt
from ranking.games import (
    SCORE_DIGITS,
    Games,
    compute_wins,
    fit_bradley_terry,
    make_ranking,
    make_round_games,
    make_table_games,
    sum_sides,
)
from ranking.rounds import Ranker, Round, RoundRanking
from ranking.solver import Table, compute_log_strengths

CLIENT_CELLS_MAX: Final = 10_000_000
"""Most judges x items that the client rule ranks: each judge ranks all items."""
CLIENT_ROWS_MAX: Final = 200_000
"""Most comparisons that the client rule takes: each may be visited 2000 times."""
EMA_STEP: Final = 0.1
EMA_START: Final = 0.5
VOTE_PRIOR: Final = (3.0, 2.0)
"""Rounds won and lost that every author starts with: weight ln(3/2) = .405."""
VOTE_WEIGHT_MIN: Final = 0.01
CROWD_PRIOR: Final = (4.0, 2.0)
"""Comparisons right and wrong that every judge starts with."""
CENTRALITY_GAMES: Final = 0.5
CENTRALITY_RESTART: Final = 1e-3

_Score = Callable[[Games, bytes], Floats]


# -- rules as functions of one set of classes, indices out, best first -------------------------------


def _order_classes(scores: Sequence[int], seed: bytes) -> tuple[int, ...]:
    return tuple(sorted(range(len(scores)), key=lambda i: (-scores[i], hash_numbers("tie", seed, i))))


def majority(*, authors: Sequence[Sequence[int]], seed: bytes) -> tuple[int, ...]:
    """Order classes by the number of their authors; comparisons play no part.

    Raises:
        ValueError: No class, or a seat with two answers.
    """
    compute_owners(authors)
    return _order_classes([len(seats) for seats in authors], seed)


def plain_bt(
    *, authors: Sequence[Sequence[int]], comparisons: Sequence[Comparison], seed: bytes
) -> tuple[int, ...]:
    """Order classes by the canonical engine with the anchor prior alone: no weights, offsets or author prior.

    Args:
        authors: Seats of each class, by class index; only their number of classes enters.
        comparisons: Verdicts in any order.
        seed: Seed for ties.

    Raises:
        ValueError: A seat, class or outcome is out of bounds.
    """
    evidence = gather_evidence(authors=authors, comparisons=comparisons, has_author_prior=False)
    table = Table(evidence.classes, evidence.compute_total())
    return _order_classes(compute_log_strengths(table.fit()), seed)


# -- scores of one set of comparisons ----------------------------------------------------------------


def _score_plain_bt(games: Games, _: bytes) -> Floats:
    """Score by Bradley-Terry with the anchor prior alone: `plain_bt` by Newton's method on floats."""
    return fit_bradley_terry(compute_wins(games, games.outcome, games.weight), np.zeros(games.items))


def _score_borda(games: Games, _: bytes) -> Floats:
    """Score by the mean outcome, 1/2 where an item was never compared.

    The mean, not the sum: dealt designs compare some items far more often than others.

    Source:
        de Borda 1784; as a row-sum method on incomplete comparisons.
    """
    won, played = sum_sides(games, games.left, games.right, games.items)
    mean: Floats = np.divide(won, played, out=np.full(games.items, 0.5), where=played > 0.0)
    return mean


def _score_mean_rank(games: Games, _: bytes) -> Floats:
    """Score by minus the mean over judges of the item's place in the judge's own ranking.

    A judge ranks what it judged by mean outcome, equal ones share the mean of their places; an item that no
    judge ranked has the mean of all places.

    Source:
        The aggregate ranking of llm-council, where each model ranks all answers at once; here the ranking
        comes from the comparisons that the judge made.
    """
    keys = np.concatenate([games.judge, games.judge]).astype(np.int64) * games.items
    keys += np.concatenate([games.left, games.right])
    entries, place = np.unique(keys, return_inverse=True)
    rows = len(games.left)
    won, played = sum_sides(games, place[:rows], place[rows:], len(entries))
    entries, won, played = entries[played > 0.0], won[played > 0.0], played[played > 0.0]
    if not len(entries):
        return np.zeros(games.items)
    judge, item = entries // games.items, entries % games.items
    loss = -won / played
    order = np.lexsort((loss, judge))
    judge, item, loss = judge[order], item[order], loss[order]
    is_new_judge = np.diff(judge, prepend=-1) != 0
    is_new_rank = is_new_judge | (np.diff(loss, prepend=0.0) != 0.0)
    at = np.arange(len(order))
    first = np.maximum.accumulate(np.where(is_new_judge, at, 0))
    group = np.cumsum(is_new_rank) - 1
    rank = (np.bincount(group, weights=at - first) / np.bincount(group))[group] + 1.0
    total = np.bincount(item, weights=rank, minlength=games.items)
    count = np.bincount(item, minlength=games.items)
    mean: Floats = np.divide(total, count, out=np.full(games.items, rank.mean()), where=count > 0)
    return -mean


def _score_rank_centrality(games: Games, _: bytes) -> Floats:
    """Score by the logarithm of the stationary distribution of a walk to better items.

    From i the walk goes to j, if they were compared, with probability (share of games that j won) / d, where
    d is the largest number of neighbours; else it stays. Two departures make it exist always: half a game
    each way is added to every compared pair, and with probability CENTRALITY_RESTART the walk starts anew
    anywhere, so that parts that were never compared have a common scale.

    Source:
        Negahban, Oh and Shah, "Rank Centrality: ranking from pairwise comparisons", 2012.
    """
    wins = compute_wins(games, games.outcome, games.weight)
    return _compute_centrality(wins, games=CENTRALITY_GAMES, restart=CENTRALITY_RESTART)


def _compute_centrality(wins: Floats, *, games: float, restart: float) -> Floats:
    n, played = len(wins), wins + wins.T
    share = np.divide(wins.T + games, played + 2.0 * games, out=np.zeros((n, n)), where=played > 0.0)
    degree = max(1, int((played > 0.0).sum(axis=1).max()))
    walk = share / degree
    walk[np.diag_indices(n)] = 1.0 - walk.sum(axis=1)
    walk = (1.0 - restart) * walk + restart / n
    # Stationary: pi (walk - 1) = 0 with sum 1; one equation is the sum of the others and gives way.
    system = walk.T - np.eye(n)
    system[-1] = 1.0
    target = np.zeros(n)
    target[-1] = 1.0
    score: Floats = np.log(np.maximum(np.linalg.solve(system, target), 1e-300))
    return score


def _score_fortytwo(games: Games, seed: bytes) -> Floats:
    """Score by minus the mean over judges of the place that the deployed client's rule gives an item.

    The client sends its ranking only, so that is all that is aggregated; averaging the places of complete
    rankings orders as Bradley-Terry over all the pairs they imply does. The server's own rule is not public.
    The client's fixed graph of pairs cannot be imposed on comparisons already made: the rule is applied to
    those that the judge made. The order of the list, which breaks its ties, is drawn from the seed.

    Source:
        fortytwo-app-client 0.1.6 as described by those who read it; `ranking/client_rule.py` has the steps.
    """
    if games.judges * games.items > CLIENT_CELLS_MAX:
        raise ValueError(
            f"fortytwo takes at most {CLIENT_CELLS_MAX} judges x items, got {games.judges} x {games.items}"
        )
    if len(games.left) > CLIENT_ROWS_MAX:
        raise ValueError(f"fortytwo takes at most {CLIENT_ROWS_MAX} comparisons, got {len(games.left)}")
    listed = sorted(range(games.items), key=lambda i: hash_numbers("tie", seed, i))
    position = np.empty(games.items, dtype=np.int64)
    position[listed] = np.arange(games.items)
    columns = zip(
        games.judge.tolist(),
        position[games.left].tolist(),
        position[games.right].tolist(),
        np.sign(games.outcome - 0.5).tolist(),
        games.weight.tolist(),
        strict=True,
    )
    votes: dict[int, dict[tuple[int, int], float]] = {}
    for judge, left, right, sign, weight in columns:
        won = votes.setdefault(judge, {})
        for pair, share in (((left, right), 0.5 * (1.0 + sign)), ((right, left), 0.5 * (1.0 - sign))):
            won[pair] = won.get(pair, 0.0) + weight * share
    places = [0] * games.items
    for won in votes.values():
        for place, listed_at in enumerate(rank_as_client(games.items, won)):
            places[listed_at] += place
    return -np.array(places, dtype=np.float64)[position] / max(1, len(votes)) - 1.0


def _score_crowd_bt(games: Games, _: bytes) -> Floats:
    return fit_crowd_bt(games, *(np.full(games.judges, count) for count in CROWD_PRIOR)).theta


# -- rankers -----------------------------------------------------------------------------------------


class _Scored:
    """A ranker that learns nothing."""

    def __init__(self, score: _Score) -> None:
        self._score = score

    def rank(self, round_: Round) -> RoundRanking:
        """Rank by the scores of this round's comparisons alone."""
        games, _ = make_round_games(round_)
        return make_ranking(round_, self._score(games, round_.seed), {})

    def learn(self, round_: Round, correct: tuple[int, ...] | None) -> None:
        """Learn nothing."""


class _Majority(_Scored):
    """The number of authors; comparisons play no part."""

    def __init__(self) -> None:
        super().__init__(_score_plain_bt)

    def rank(self, round_: Round) -> RoundRanking:
        """Rank by the number of authors."""
        make_round_games(round_)
        return make_ranking(round_, np.array([len(group) for group in round_.authors], dtype=np.float64), {})


class _WeightedVote:
    """The sum of its authors' weights; comparisons play no part.

    An author's weight is ln(p / (1 - p)), at least VOTE_WEIGHT_MIN. p is the share of rounds in which its
    candidate won this vote or, where truth came, was right, on top of VOTE_PRIOR.

    Source:
        Nitzan and Paroush 1982 (the weights are optimal for two answers and known p).
    """

    def __init__(self) -> None:
        self._counts: dict[int, tuple[float, float]] = {}

    def _compute_weights(self, round_: Round) -> dict[int, float]:
        peers = [peer for group in round_.authors for peer in group] + [v.judge for v in round_.verdicts]
        odds = ((peer, self._counts.get(peer, VOTE_PRIOR)) for peer in peers)
        return {peer: max(VOTE_WEIGHT_MIN, float(np.log(won / lost))) for peer, (won, lost) in odds}

    def rank(self, round_: Round) -> RoundRanking:
        """Rank by the weights of the authors."""
        make_round_games(round_)
        weights = self._compute_weights(round_)
        votes = [sum(sorted(weights[peer] for peer in group)) for group in round_.authors]
        return make_ranking(round_, np.array(votes), weights)

    def learn(self, round_: Round, correct: tuple[int, ...] | None) -> None:
        """Count for each author whether its candidate won, or was right."""
        right = self.rank(round_).order[:1] if correct is None else correct
        for index, group in enumerate(round_.authors):
            for peer in group:
                won, lost = self._counts.get(peer, VOTE_PRIOR)
                self._counts[peer] = (won + 1.0, lost) if index in right else (won, lost + 1.0)


class _Ema:
    """Bradley-Terry weighted by reputation: R <- (1 - a) R + a * agreement, w = R over the judges' mean R.

    Agreement is the share of a judge's comparisons on the side of the fitted order, equal strengths counting
    half; a is EMA_STEP, R starts at EMA_START. The "42-like" column of the study: the paper's own formula
    and constants are not public.
    """

    def __init__(self) -> None:
        self._reputation: dict[int, float] = {}

    def _fit(self, round_: Round) -> tuple[Games, tuple[int, ...], Floats, Floats]:
        """Return the games, their peers, the peers' weights and the strengths."""
        games, peers = make_round_games(round_)
        reputation = np.array([self._reputation.get(peer, EMA_START) for peer in peers])
        weights = reputation / reputation.mean() if len(peers) and reputation.any() else reputation + 1.0
        wins = compute_wins(games, games.outcome, games.weight * weights[games.judge])
        return games, peers, weights, fit_bradley_terry(wins, np.zeros(games.items))

    def rank(self, round_: Round) -> RoundRanking:
        """Rank by the weighted fit."""
        _, peers, weights, theta = self._fit(round_)
        return make_ranking(round_, theta, dict(zip(peers, weights.tolist(), strict=True)))

    def learn(self, round_: Round, correct: tuple[int, ...] | None) -> None:
        """Move each judge's reputation towards its agreement with the fit."""
        del correct  # no notice is taken of truth
        games, peers, _, theta = self._fit(round_)
        margin = np.round(theta[games.left] - theta[games.right], SCORE_DIGITS)
        agreed = 0.5 * (1.0 + np.sign(games.outcome - 0.5) * np.sign(margin))
        share = np.bincount(games.judge, weights=agreed) / np.bincount(games.judge)
        for peer, accuracy in zip(peers, share.tolist(), strict=True):
            self._reputation[peer] = (1.0 - EMA_STEP) * self._reputation.get(
                peer, EMA_START
            ) + EMA_STEP * accuracy


class _CrowdBt:
    """Crowd-BT with qualities that persist: a judge's likely right and wrong comparisons add up over rounds.

    The weights it reports are the qualities eta, the chance that a judge says what it ought to.
    """

    def __init__(self) -> None:
        self._counts: dict[int, tuple[float, float]] = {}
        self._last: tuple[Round, tuple[int, ...], CrowdFit] | None = None

    def _fit(self, round_: Round) -> tuple[tuple[int, ...], CrowdFit]:
        if self._last is None or self._last[0] is not round_:
            games, peers = make_round_games(round_)
            counts = np.array([self._counts.get(peer, CROWD_PRIOR) for peer in peers]).reshape(-1, 2)
            self._last = (round_, peers, fit_crowd_bt(games, counts[:, 0], counts[:, 1]))
        return self._last[1:]

    def rank(self, round_: Round) -> RoundRanking:
        """Rank by the fit."""
        peers, fit = self._fit(round_)
        authors = [peer for group in round_.authors for peer in group]
        counts = [self._counts.get(peer, CROWD_PRIOR) for peer in authors]
        quality = {
            peer: right / (right + wrong) for peer, (right, wrong) in zip(authors, counts, strict=True)
        }
        return make_ranking(round_, fit.theta, quality | dict(zip(peers, fit.quality.tolist(), strict=True)))

    def learn(self, round_: Round, correct: tuple[int, ...] | None) -> None:
        """Add what each judge likely got right and wrong."""
        del correct  # no notice is taken of truth
        peers, fit = self._fit(round_)
        for peer, right, wrong in zip(peers, fit.right.tolist(), fit.wrong.tolist(), strict=True):
            before = self._counts.get(peer, CROWD_PRIOR)
            self._counts[peer] = (before[0] + right, before[1] + wrong)
        self._last = None


_SCORES: Final[Mapping[str, _Score]] = {
    "borda": _score_borda,
    "mean-rank": _score_mean_rank,
    "fortytwo": _score_fortytwo,
    "plain-bt": _score_plain_bt,
    "crowd-bt": _score_crowd_bt,
    "rank-centrality": _score_rank_centrality,
}
METHODS: Final[Mapping[str, Callable[[], Ranker]]] = {
    "majority": _Majority,
    "weighted-vote": _WeightedVote,
    "borda": lambda: _Scored(_score_borda),
    "mean-rank": lambda: _Scored(_score_mean_rank),
    "fortytwo": lambda: _Scored(_score_fortytwo),
    "plain-bt": lambda: _Scored(_score_plain_bt),
    "ema": _Ema,
    "crowd-bt": _CrowdBt,
    "rank-centrality": lambda: _Scored(_score_rank_centrality),
}
"""Name -> a ranker that has seen no round."""


def score_table(method: str, table: ComparisonTable, *, seed: bytes) -> Floats:
    """Score the items of one set of comparisons; higher is better.

    `ema` has learnt no reputation yet, so it scores as `plain-bt` does. Weights of rows multiply their mass.

    Args:
        method: One of METHODS.
        table: Comparisons.
        seed: Draws the order of the list that `fortytwo` breaks ties by.

    Returns:
        Scores, shape (items,): nats for the Bradley-Terry methods, else the method's own unit.

    Raises:
        ValueError: The method is unknown or needs authors, or the table is too large for it.
    """
    if method in ("majority", "weighted-vote"):
        raise ValueError(f"{method} counts authors, which a table of comparisons does not name")
    if method not in METHODS:
        raise ValueError(f"got method {method!r}, expected one of {', '.join(METHODS)}")
    if method in ("plain-bt", "ema"):
        from ranking.fit import fit_strengths  # rounds never need the engine of large tables
        from ranking.newton import AnchorPrior

        return fit_strengths(table, prior=AnchorPrior()).strengths
    return _SCORES[method](make_table_games(table), seed)
