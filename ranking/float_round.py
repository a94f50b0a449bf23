"""A round as arrays: checked once, in an order that no shuffle of its verdicts changes."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from ranking.ballots import OUTCOME_MAX, OUTCOME_MIN, Q16, gather_evidence
from ranking.rounds import Round
from ranking.standing import seat_round

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_LAYOUTS_MAX: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """Rows of a fit: one for each pair of classes, then one for each class against the anchor.

    The anchor counts as one more class, numbered `classes`.

    Attributes:
        pairs: Number of rows that are pairs, classes (classes - 1) / 2.
        rows: Number of rows.
        low: Lower class of each row, shape (rows,).
        high: Higher class of each row, shape (rows,).
        row: Row of two classes, either way round, shape (classes, classes); on the diagonal the row of a
            class against the anchor.
        sign: +1 where the first of two classes is the lower one of their row, else -1, the same shape.
        author_wins: What one author of a class wins for it, by row, seen from the lower class, shape
            (classes + 1, rows); the last line, for who gave no answer, is 0.
        author_games: The games of these wins, the same shape.
    """

    pairs: int
    rows: int
    low: Integers
    high: Integers
    row: Integers
    sign: Floats
    author_wins: Floats
    author_games: Floats


@lru_cache(maxsize=_LAYOUTS_MAX)
def make_layout(classes: int) -> Layout:
    """Return the rows of a fit of so many classes, at least 1."""
    low, high = np.triu_indices(classes, 1)
    pairs, everyone = len(low), np.arange(classes)
    rows = pairs + classes
    row = np.empty((classes, classes), dtype=np.int64)
    row[low, high] = row[high, low] = np.arange(pairs)
    row[everyone, everyone] = np.arange(pairs, rows)
    wins, games = np.zeros((classes + 1, rows)), np.zeros((classes + 1, rows))
    wins[low, np.arange(pairs)] = 1.0
    games[low, np.arange(pairs)] = games[high, np.arange(pairs)] = 1.0
    return Layout(
        pairs=pairs,
        rows=rows,
        low=np.append(low, everyone),
        high=np.append(high, np.full(classes, classes)),
        row=row,
        sign=np.where(everyone[:, None] <= everyone, 1.0, -1.0),
        author_wins=wins,
        author_games=games,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Games:
    """A checked round by seat: peers in rising order; verdicts by judge, left, right and outcome.

    Attributes:
        peers: Peer at each seat.
        classes: Number of classes.
        owned: Class that each seat authored, shape (seats,); `classes` where it gave no answer.
        judge: Seat that judged, shape (verdicts,).
        left: Class shown on the left, shape (verdicts,).
        right: Class shown on the right, shape (verdicts,).
        outcome: P(left is better) as a ballot carries it: .05 to .95, whole Q16, shape (verdicts,).
        own_sign: +1 where left is the judge's own class, -1 where right is, else 0, shape (verdicts,).
    """

    peers: tuple[int, ...]
    classes: int
    owned: Integers
    judge: Integers
    left: Integers
    right: Integers
    outcome: Floats
    own_sign: Integers


def read_round(round_: Round) -> Games:
    """Check a round and lay it out.

    Raises:
        ValueError: The round breaks a bound; what the canonical engine says of it, word for word.
    """
    authors = round_.authors
    classes = len(authors)
    owners = {peer: index for index, peers in enumerate(authors) for peer in peers}
    judges = [one.judge for one in round_.verdicts]
    peers = tuple(sorted(owners.keys() | judges))
    seats = {peer: seat for seat, peer in enumerate(peers)}
    said = np.array(
        [part for one in round_.verdicts for part in (one.left, one.right, one.outcome)], dtype=np.float64
    ).reshape(-1, 3)
    if not _is_sound(authors, owners, said):
        _refuse(round_)
    judge, left, right, outcome = _sort(np.array([seats[peer] for peer in judges]), said, classes)
    owned = np.array([owners.get(peer, classes) for peer in peers], dtype=np.int64)
    author = owned[judge]
    return Games(
        peers=peers,
        classes=classes,
        owned=owned,
        judge=judge,
        left=left,
        right=right,
        outcome=outcome,
        own_sign=np.subtract(author == left, author == right, dtype=np.int64),
    )


def _is_sound(authors: tuple[tuple[int, ...], ...], owners: dict[int, int], said: Floats) -> bool:
    if not authors or not all(authors) or len(owners) != sum(map(len, authors)):
        return False
    if not len(said):
        return True
    lowest, highest = said.min(axis=0), said.max(axis=0)
    # NaN fails every comparison.
    return bool(
        lowest.min() >= 0.0
        and highest[:2].max() < len(authors)
        and highest[2] <= 1.0
        and (said[:, 0] != said[:, 1]).all()
    )


def _refuse(round_: Round) -> NoReturn:
    seated = seat_round(round_)
    gather_evidence(authors=seated.authors, comparisons=seated.comparisons)
    raise AssertionError("the canonical engine takes a round that the float engine refuses")


def _sort(judge: Integers, said: Floats, classes: int) -> tuple[Integers, Integers, Integers, Floats]:
    """Return judge, left, right and outcome, sorted by all of them: equal sums whatever the order was."""
    left, right, outcome = said.T
    outcome = np.rint(np.minimum(np.maximum(outcome * Q16, OUTCOME_MIN), OUTCOME_MAX))
    packed = (((judge * classes + left) * classes + right) * Q16 + outcome).astype(np.int64)
    packed.sort()
    rest, right = np.divmod(packed >> 16, classes)
    judge, left = np.divmod(rest, classes)
    return judge, left, right, (packed & (Q16 - 1)) / Q16
