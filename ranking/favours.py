"""Who favours whose answers beyond what everybody else sees in them, and who returns the favour.

A judge's **favour** for an author is the sum of its residuals on comparisons of that author's answers, over
its standard error: z = sum(y - p) / sqrt(sum p (1 - p)), p by a fit without this judge. Two peers that
favour each other are linked; a connected group of them is a **ring**. Rings are named for people who look
into a network; weights rest on `ranking.camps`, which sees the same rings and those that rotate, and can be
computed in integers (docs/adr/0016).

Source: `reciprocal favour` is ours; that votes on other pairs move a target too, and hence that all authors
must be looked at: Min et al., "Improving your model ranking on Chatbot Arena by vote rigging", ICML 2025.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import networkx as nx

from ranking.ballots import Q16, compute_owners, gather_evidence
from ranking.reputation import PastRound
from ranking.solver import Table

DECAY: Final = 0.98
"""What a round's residuals are worth a round later."""
Z_EACH_MIN: Final = 2.0
Z_SUM_MIN: Final = 5.5
"""Favours z(a, b) and z(b, a) that link two peers: each at least, and together."""


@dataclass(frozen=True, slots=True)
class Favours:
    """What was found.

    Attributes:
        z: (judge, author) -> favour in standard errors, where the judge compared the author's answers.
        links: Pairs that return each other's favour, the lower peer first, ascending.
        rings: Groups of at least two peers linked by returned favours, largest first, peers ascending.
    """

    z: dict[tuple[int, int], float]
    links: tuple[tuple[int, int], ...]
    rings: tuple[tuple[int, ...], ...]


def find_favours(rounds: Sequence[PastRound]) -> Favours:
    """Return favours and rings over past rounds, oldest first.

    Raises:
        ValueError: A round breaks a bound.
    """
    pulls: dict[tuple[int, int], float] = {}
    variances: dict[tuple[int, int], float] = {}
    for past in rounds:
        for table in (pulls, variances):
            for pair in table:
                table[pair] *= DECAY
        _add_round(past, pulls, variances)
    z = {pair: pull / math.sqrt(max(variances[pair], 1e-9)) for pair, pull in sorted(pulls.items())}
    links = tuple(
        (judge, author)
        for (judge, author), favour in z.items()
        if judge < author and _is_returned(favour, z.get((author, judge), 0.0))
    )
    graph: nx.Graph[int] = nx.Graph()
    graph.add_edges_from(links)
    rings = sorted(
        (tuple(sorted(ring)) for ring in nx.connected_components(graph)), key=lambda ring: (-len(ring), ring)
    )
    return Favours(z, links, tuple(rings))


def _is_returned(favour: float, back: float) -> bool:
    return min(favour, back) >= Z_EACH_MIN and favour + back >= Z_SUM_MIN


def _add_round(
    past: PastRound, pulls: dict[tuple[int, int], float], variances: dict[tuple[int, int], float]
) -> None:
    owners = compute_owners(past.authors)
    evidence = gather_evidence(authors=past.authors, comparisons=past.comparisons, has_author_prior=False)
    table = Table(evidence.classes, evidence.compute_total())
    fit = table.fit()
    for seat in evidence.judges:
        strengths = table.refit(fit, evidence.by_judge[seat]).get_strengths()
        judge = past.peers[seat]
        for one in past.comparisons:
            if one.judge != seat or owners.get(seat) in (one.left, one.right):
                continue
            expected = strengths[one.left] / (strengths[one.left] + strengths[one.right])
            residual = one.outcome / Q16 - expected
            for index, pull in ((one.left, residual), (one.right, -residual)):
                for author in past.authors[index]:
                    pair = (judge, past.peers[author])
                    pulls[pair] = pulls.get(pair, 0.0) + pull
                    variances[pair] = variances.get(pair, 0.0) + expected * (1 - expected)
