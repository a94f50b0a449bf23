"""Games of few items as a matrix of pairs, all judges summed; no offsets. One exponential an item."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ranking.comparisons import Floats
from ranking.newton import Slope, make_start

SPREAD_MAX_NATS: Final = 300.0
"""Range of strengths that e^theta can hold in float64 with room for products."""
BLOCK_CELLS: Final = 1 << 15
"""Cells worked on at a time, 256 KiB: what a core's second cache holds with its temporaries."""


@dataclass(frozen=True, slots=True)
class PairCurvature:
    """Minus the Hessian: the Laplacian of the pairs' weights T e_i e_k / (e_i + e_k)^2.

    Attributes:
        scaled: T / (e_i + e_k)^2, shape (items, items).
        odds: e^theta, shape (items,).
        diagonal: Row sums of the weights, shape (items,).
    """

    scaled: Floats
    odds: Floats
    diagonal: Floats

    def get_diagonal(self) -> Floats:
        """Return the diagonal, shape (items,)."""
        return self.diagonal

    def multiply(self, vector: Floats) -> Floats:
        """Return the product with a vector of shape (items,)."""
        product: Floats = self.diagonal * vector - self.odds * (self.scaled @ (self.odds * vector))
        return product

    def compute_matrix(self) -> Floats:
        """Return it in full, shape (items, items)."""
        matrix = self.scaled * -self.odds
        matrix *= self.odds[:, None]
        np.einsum("ii->i", matrix)[:] += self.diagonal  # a view of the diagonal
        return matrix


@dataclass(frozen=True, slots=True)
class PairLikelihood:
    """The log-likelihood of games between pairs of items.

    Attributes:
        won: Mass won by each item, shape (items,) float64.
        games: Mass played by each pair, symmetric with a diagonal of 0, shape (items, items) float64.
    """

    won: Floats
    games: Floats

    def make_start(self) -> Floats:
        """Return the log-odds of the mass won by each item, shape (items,)."""
        return make_start(self.won, self.games.sum(axis=1))

    def evaluate(self, point: Floats) -> Slope:
        """Return gradient and curvature at strengths of shape (items,).

        Raises:
            OverflowError: The strengths are further apart than SPREAD_MAX_NATS.
        """
        items = len(point)
        centred = point - 0.5 * (float(point.max()) + float(point.min()))
        if float(centred.max()) > 0.5 * SPREAD_MAX_NATS:
            raise OverflowError(f"strengths are more than {SPREAD_MAX_NATS} nats apart")
        odds = np.exp(centred)
        scaled = np.empty((items, items))
        lost_share, weight_share = np.empty(items), np.empty(items)
        block = max(1, BLOCK_CELLS // items)
        for first in range(0, items, block):
            rows = slice(first, first + block)
            # 1 / (e_i + e_k), times the games: what is expected, divided by e_i.
            shares = np.reciprocal(odds[rows, None] + odds)
            cells = np.multiply(self.games[rows], shares, out=scaled[rows])
            lost_share[rows] = cells.sum(axis=1)
            cells *= shares
            weight_share[rows] = cells @ odds
        return Slope(self.won - odds * lost_share, PairCurvature(scaled, odds, odds * weight_share))
