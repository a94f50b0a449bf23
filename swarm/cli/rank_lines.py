"""A round as a line of JSON: read, checked wholly, and given numbers in place of names.

Numbers do not depend on the order within a line: new peers are numbered by the order of their ids,
candidates by their first author. So whoever writes a line may shuffle its lists.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from ranking.rounds import Round, Verdict
from swarm.cli.rank_errors import make_error, show, translate

LINE_BYTES_MAX: Final = 16 * 1024 * 1024
CANDIDATES_MAX: Final = 256
COMPARISONS_MAX: Final = 100_000
PEERS_MAX: Final = 1_024
"""Most peers of one line; a method may take fewer."""
PEERS_TOTAL_MAX: Final = 1_000_000
"""Most peers of all lines together."""
ID_CHARS_MAX: Final = 256
SEED_DIGITS_MAX: Final = 256
_HEX: Final = re.compile(r"[0-9a-fA-F]+")


class CandidateLine(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A candidate and who gave it."""

    id: str
    authors: list[str]


class ComparisonLine(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A judge's verdict: P(left is better), 0..1."""

    judge: str
    left: str
    right: str
    outcome: float


class TruthLine(msgspec.Struct, forbid_unknown_fields=True):
    """Which candidates are right, where the round was gold."""

    correct: list[str]


class RoundLine(msgspec.Struct, forbid_unknown_fields=True):
    """One line."""

    round: str
    seed: str
    candidates: list[CandidateLine]
    comparisons: list[ComparisonLine]
    truth: TruthLine | None = None


FIELDS: Final = ("round", "seed", "candidates", "comparisons", "truth", "id", "authors", "judge", "left")
_NAMES: Final = (*FIELDS, "right", "outcome", "correct")
_DECODER: Final = msgspec.json.Decoder(RoundLine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Comparisons of a line that do not count: a judge's own answer, and repetitions of one question."""

    self_votes: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedRound:
    """A line ready for a ranker.

    Attributes:
        name: The line's own name for the round.
        round: Candidates and peers by number.
        correct: Candidates that are right; None where the round is not gold.
        candidate_ids: By candidate number.
        peer_ids: By peer number, for the peers of this line.
        new_peers: Ids not known before, in the order of their numbers.
        ignored: What does not count.
    """

    name: str
    round: Round
    correct: tuple[int, ...] | None
    candidate_ids: tuple[str, ...]
    peer_ids: Mapping[int, str]
    new_peers: tuple[str, ...]
    ignored: Ignored


def number_round(data: bytes, known: Mapping[str, int], *, place: str) -> NumberedRound:
    """Read a line and number its peers and candidates.

    Args:
        data: One line.
        known: Peer id -> number, 0..len-1, from the lines before; left as it is.
        place: What the line is called in errors.

    Raises:
        BadInputError: The line breaks a rule; the message names the field.
    """
    # 1. Shape and types.
    try:
        line = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise translate(place, exc, data, _NAMES) from exc
    # 2. Bounds, names and references.
    _check_id(line.round, place, "round")
    if not _HEX.fullmatch(line.seed) or len(line.seed) > SEED_DIGITS_MAX:
        expected = f"1 to {SEED_DIGITS_MAX} hexadecimal digits"
        raise make_error(place, "seed", f"got {show(line.seed)}, expected {expected}")
    author_of = _check_candidates(line.candidates, place)
    _check_comparisons(line, place)
    peers = sorted({*author_of, *(one.judge for one in line.comparisons)})
    new_peers = tuple(peer for peer in peers if peer not in known)
    _check_peers(peers, len(known) + len(new_peers), place)
    # 3. Numbers.
    numbers = {peer: known[peer] for peer in peers if peer in known}
    numbers |= {peer: len(known) + index for index, peer in enumerate(new_peers)}
    authored = {one.id: sorted(numbers[author] for author in one.authors) for one in line.candidates}
    candidate_ids = tuple(sorted(authored, key=lambda candidate: authored[candidate]))
    places = {candidate: index for index, candidate in enumerate(candidate_ids)}
    verdicts, ignored = _gather_verdicts(line, numbers, places, authored)
    return NumberedRound(
        name=line.round,
        round=Round(
            seed=bytes.fromhex(line.seed.rjust(len(line.seed) + len(line.seed) % 2, "0")),
            authors=tuple(tuple(authored[candidate]) for candidate in candidate_ids),
            verdicts=verdicts,
        ),
        correct=_number_truth(line.truth, places, place),
        candidate_ids=candidate_ids,
        peer_ids={number: peer for peer, number in numbers.items()},
        new_peers=new_peers,
        ignored=ignored,
    )


def _check_id(text: str, place: str, field: str) -> None:
    if not 1 <= len(text) <= ID_CHARS_MAX:
        raise make_error(place, field, f"got {len(text)} characters, expected 1 to {ID_CHARS_MAX}")


def _check_count(values: Sequence[object], most: int, place: str, field: str) -> None:
    if len(values) > most:
        raise make_error(place, field, f"got {len(values)}, expected at most {most}")


def _check_candidates(candidates: Sequence[CandidateLine], place: str) -> dict[str, str]:
    """Return author -> candidate.

    Raises:
        BadInputError: None or too many, an id that is bad or there twice, no author, one with two answers.
    """
    if not candidates:
        raise make_error(place, "candidates", "got none, expected at least one")
    _check_count(candidates, CANDIDATES_MAX, place, "candidates")
    seen: dict[str, int] = {}
    author_of: dict[str, str] = {}
    for index, one in enumerate(candidates):
        field = f"candidates[{index}]"
        _check_id(one.id, place, f"{field}.id")
        if seen.setdefault(one.id, index) != index:
            raise make_error(place, f"{field}.id", f"got {show(one.id)} as in candidates[{seen[one.id]}]")
        if not one.authors:
            raise make_error(place, f"{field}.authors", "got none, expected at least one peer")
        _check_count(one.authors, PEERS_MAX, place, f"{field}.authors")
        for author in one.authors:
            _check_id(author, place, f"{field}.authors")
            if author in author_of:
                which = f"{show(author)}, who authored {show(author_of[author])} already"
                raise make_error(place, f"{field}.authors", f"got {which}; a peer gives one answer")
            author_of[author] = one.id
    return author_of


def _check_comparisons(line: RoundLine, place: str) -> None:
    _check_count(line.comparisons, COMPARISONS_MAX, place, "comparisons")
    named = {one.id for one in line.candidates}
    for index, one in enumerate(line.comparisons):
        outcome = one.outcome
        if one.left in named and one.right in named and one.left != one.right and 0.0 <= outcome <= 1.0:
            if 0 < len(one.judge) <= ID_CHARS_MAX:
                continue
            _check_id(one.judge, place, f"comparisons[{index}].judge")
        field = f"comparisons[{index}]"
        for side, candidate in (("left", one.left), ("right", one.right)):
            if candidate not in named:
                raise make_error(
                    place, f"{field}.{side}", f"got {show(candidate)}, expected a candidate's id"
                )
        if one.left == one.right:
            raise make_error(place, f"{field}.right", f"got {show(one.right)} on both sides, expected two")
        raise make_error(place, f"{field}.outcome", f"got {show(outcome)}, expected 0 to 1")


def _check_peers(peers: Sequence[str], total: int, place: str) -> None:
    _check_count(peers, PEERS_MAX, place, "peers")
    if total > PEERS_TOTAL_MAX:
        raise make_error(place, "peers", f"got {total} over all lines, expected at most {PEERS_TOTAL_MAX}")


def _number_truth(truth: TruthLine | None, places: Mapping[str, int], place: str) -> tuple[int, ...] | None:
    if truth is None:
        return None
    for candidate in truth.correct:
        if candidate not in places:
            raise make_error(place, "truth.correct", f"got {show(candidate)}, expected a candidate's id")
    return tuple(sorted({places[candidate] for candidate in truth.correct}))


def _gather_verdicts(
    line: RoundLine,
    numbers: Mapping[str, int],
    places: Mapping[str, int],
    authored: Mapping[str, Sequence[int]],
) -> tuple[tuple[Verdict, ...], Ignored]:
    """Return what counts, sorted, and what does not.

    A comparison with a candidate of which the judge is the only author does not count. A judge is asked a
    pair at most once in each order: what it says again is averaged with what it said before.
    """
    sole = {authors[0]: places[candidate] for candidate, authors in authored.items() if len(authors) == 1}
    said: dict[tuple[int, int, int], list[float]] = {}
    self_votes = duplicates = 0
    for one in line.comparisons:
        judge, left, right = numbers[one.judge], places[one.left], places[one.right]
        own = sole.get(judge, -1)
        if own in (left, right):
            self_votes += 1
            continue
        outcomes = said.setdefault((judge, left, right), [])
        duplicates += bool(outcomes)
        outcomes.append(one.outcome)
    verdicts = tuple(
        Verdict(
            judge, left, right, outcomes[0] if len(outcomes) == 1 else math.fsum(outcomes) / len(outcomes)
        )
        for (judge, left, right), outcomes in sorted(said.items())
    )
    return verdicts, Ignored(self_votes=self_votes, duplicates=duplicates)
