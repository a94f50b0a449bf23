"""Why a class won and another did not: the fit again without ballots, without authors, without judges.

Everything is computed with the functions that decide, on the same integers, so an explanation cannot drift
away from what was done. Nothing here is certified: a receipt holds the result, this says what it hangs on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import Final

from ranking.ballots import (
    OUTCOME_MAX,
    OUTCOME_MIN,
    Q16,
    Comparison,
    Evidence,
    JudgeTerms,
    compute_owners,
    gather_evidence,
)
from ranking.pairs import Assignment
from ranking.scores import compute_order
from ranking.solver import Table, compute_log_strengths

CLASS_FITS_MAX: Final = 4_000
"""Fits times classes that a search for the smallest set may take: two or three seconds."""
AUTHORS_MORE_MAX: Final = 31
"""Most further authors that are tried: as many as a committee has seats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedRound:
    """All that a ranking follows from.

    Attributes:
        authors: Seats of each class, by class index; at least two classes.
        comparisons: All verdicts.
        terms: Seat -> its terms; `JudgeTerms()` where a seat is not named.
        seed: For ties.
    """

    authors: tuple[tuple[int, ...], ...]
    comparisons: tuple[Comparison, ...]
    terms: Mapping[int, JudgeTerms]
    seed: bytes


@dataclass(frozen=True, slots=True)
class Fit:
    """Strengths by class index, Q16 nats, and the classes, best first."""

    log_strengths: tuple[int, ...]
    order: tuple[int, ...]

    def get_lead(self, one: int, other: int) -> int:
        """Return how far a class is ahead of another, Q16 nats."""
        return self.log_strengths[one] - self.log_strengths[other]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """What a class's lead over another is made of, Q16 nats.

    Attributes:
        total: In the fit that decides.
        authors_alone: In a fit without ballots.
        ballots_alone: In a fit without the authors' half wins.
        by_authors: The authors' share of `total`: what they add, averaged over counting them first and last.
        by_ballots: The rest.
    """

    total: int
    authors_alone: int
    ballots_alone: int
    by_authors: int
    by_ballots: int


@dataclass(frozen=True, slots=True)
class WithoutJudge:
    """What would be without a judge, its ballots and its half win as an author: lead (Q16 nats), leader."""

    judge: int
    lead: int
    leader: int


@dataclass(frozen=True, slots=True)
class Smallest:
    """A smallest set that was found.

    Attributes:
        members: What is in it, ascending; None where no set was found.
        is_least: Whether every smaller set (where none was found: every set) was tried; False where that
            would take too long.
        leader: The class that leads then; None where nothing was found.
    """

    members: tuple[int, ...] | None
    is_least: bool
    leader: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WinnerStory:
    """Why the winner won.

    Attributes:
        winner: Class index.
        runner_up: Class index.
        lead: What the lead over the runner-up is made of.
        without: The fit without each judge, judges ascending.
        removal: Judges without whom another class leads.
    """

    winner: int
    runner_up: int
    lead: Lead
    without: tuple[WithoutJudge, ...]
    removal: Smallest


@dataclass(frozen=True, slots=True, kw_only=True)
class LoserStory:
    """Why a class did not win, and what it would have taken.

    Attributes:
        target: Class index.
        place: Its place in the order, from 1.
        behind: What the winner's lead over it is made of.
        without: The winner's lead over it without each judge, judges ascending.
        turned: Verdicts, as indices of comparisons, which, had each said the reverse, would have made it win.
        authors_more: Fewest further peers that give this answer, and judge nothing, for it to win; None where
            AUTHORS_MORE_MAX are too few.
    """

    target: int
    place: int
    behind: Lead
    without: tuple[WithoutJudge, ...]
    turned: Smallest
    authors_more: int | None


def fit(round_: RankedRound, *, has_author_prior: bool = True) -> Fit:
    """Fit a round as the decision does; without the authors' half wins where told so."""
    evidence = gather_evidence(
        authors=round_.authors,
        comparisons=round_.comparisons,
        terms=round_.terms,
        has_author_prior=has_author_prior,
    )
    return _fit(evidence, round_.seed)


def _fit(evidence: Evidence, seed: bytes) -> Fit:
    log_strengths = compute_log_strengths(Table(evidence.classes, evidence.compute_total()).fit())
    return Fit(log_strengths, compute_order(log_strengths, seed))


def explain_winner(round_: RankedRound) -> WinnerStory:
    """Say what the winner's lead over the runner-up is made of, and on which judges it hangs.

    Raises:
        ValueError: There is one class only, or the round breaks a bound.
    """
    if len(round_.authors) < 2:
        raise ValueError("one class is no ranking, expected at least two")
    whole = fit(round_)
    winner, runner_up = whole.order[:2]
    return WinnerStory(
        winner=winner,
        runner_up=runner_up,
        lead=_split_lead(round_, whole, winner, runner_up),
        without=_fit_without_each(round_, winner, runner_up),
        removal=_find_removal(round_, winner),
    )


def explain_loser(round_: RankedRound, target: int) -> LoserStory:
    """Say what a class lost by, and what it would have taken to win.

    Args:
        round_: The round.
        target: Class index, not the winner's.

    Raises:
        ValueError: It is no class or the winner, or the round breaks a bound.
    """
    whole = fit(round_)
    if target not in whole.order[1:]:
        raise ValueError(f"expected one of the classes behind the winner, {whole.order[1:]}, got {target}")
    winner = whole.order[0]
    return LoserStory(
        target=target,
        place=whole.order.index(target) + 1,
        behind=_split_lead(round_, whole, winner, target),
        without=_fit_without_each(round_, winner, target),
        turned=_find_turned(round_, whole, target),
        authors_more=_count_authors_more(round_, target),
    )


def find_possible_leaders(
    round_: RankedRound, *, unjudged: Sequence[Assignment], silent: Sequence[int]
) -> tuple[int, ...]:
    """Return the classes that seats which did not take part could have put ahead of the winner.

    For each class the worst case for the winner: silent seats had given this answer, and every pair that was
    dealt and not judged had been judged for it, or where it is not in the pair against the winner or not at
    all. Further answers, and pairs that were never dealt, are not considered.

    Args:
        round_: The round as it was.
        unjudged: Pairs that were dealt and not judged.
        silent: Seats whose answers do not count.

    Returns:
        Class indices in the order of the fit.
    """
    whole = fit(round_)
    winner = whole.order[0]
    return tuple(
        target
        for target in whole.order[1:]
        if any(
            fit(_suppose(round_, named, target, unjudged, silent)).order[0] == target
            for named in ((target, winner), (target,))
        )
    )


def _suppose(
    round_: RankedRound,
    named: tuple[int, ...],
    target: int,
    unjudged: Sequence[Assignment],
    silent: Sequence[int],
) -> RankedRound:
    """Return the round with silent seats for the target, and pairs of the named classes judged for it."""
    said = [
        Comparison(pair.judge, pair.left, pair.right, OUTCOME_MAX if is_for_left else OUTCOME_MIN)
        for pair in unjudged
        if pair.left in named or pair.right in named
        for is_for_left in (pair.left == target or (pair.right != target and pair.right in named),)
    ]
    authors = tuple(
        (*seats, *silent) if index == target else seats for index, seats in enumerate(round_.authors)
    )
    return replace(round_, authors=authors, comparisons=(*round_.comparisons, *said))


def _split_lead(round_: RankedRound, whole: Fit, one: int, other: int) -> Lead:
    total = whole.get_lead(one, other)
    authors_alone = fit(replace(round_, comparisons=())).get_lead(one, other)
    ballots_alone = fit(round_, has_author_prior=False).get_lead(one, other)
    by_authors = (authors_alone + total - ballots_alone) // 2
    return Lead(
        total=total,
        authors_alone=authors_alone,
        ballots_alone=ballots_alone,
        by_authors=by_authors,
        by_ballots=total - by_authors,
    )


def _gather(round_: RankedRound) -> Evidence:
    return gather_evidence(authors=round_.authors, comparisons=round_.comparisons, terms=round_.terms)


def _fit_without(evidence: Evidence, judges: Sequence[int], seed: bytes) -> Fit:
    kept = {judge: masses for judge, masses in evidence.by_judge.items() if judge not in judges}
    return _fit(replace(evidence, by_judge=kept), seed)


def _fit_without_each(round_: RankedRound, one: int, other: int) -> tuple[WithoutJudge, ...]:
    evidence = _gather(round_)
    fits = {judge: _fit_without(evidence, (judge,), round_.seed) for judge in evidence.judges}
    return tuple(WithoutJudge(judge, got.get_lead(one, other), got.order[0]) for judge, got in fits.items())


def _find_removal(round_: RankedRound, winner: int) -> Smallest:
    """Search for the fewest judges without whom another class leads."""
    evidence = _gather(round_)

    def compute_trial(judges: tuple[int, ...]) -> Trial:
        got = _fit_without(evidence, judges, round_.seed)
        lead = min(got.get_lead(winner, other) for other in got.order if other != winner)
        return Trial(-lead, None if got.order[0] == winner else got.order[0])

    return find_smallest(evidence.judges, compute_trial, tries_max=CLASS_FITS_MAX // evidence.classes)


def _find_turned(round_: RankedRound, whole: Fit, target: int) -> Smallest:
    """Search for the fewest verdicts whose reverse would have made a class win."""
    rivals = whole.order[: whole.order.index(target)]
    against = [index for index, one in enumerate(round_.comparisons) if _is_against(one, target, rivals)]

    def compute_trial(indices: tuple[int, ...]) -> Trial:
        got = fit(_turn(round_, indices))
        gain = min(got.get_lead(target, other) for other in got.order if other != target)
        return Trial(gain, target if got.order[0] == target else None)

    return find_smallest(against, compute_trial, tries_max=CLASS_FITS_MAX // len(round_.authors))


def _is_against(one: Comparison, target: int, rivals: Sequence[int]) -> bool:
    """Say whether a verdict is for a class ahead of the target, or against the target itself."""
    better, worse = (one.left, one.right) if one.outcome > Q16 // 2 else (one.right, one.left)
    return one.outcome != Q16 // 2 and (better in rivals or worse == target)


def _turn(round_: RankedRound, indices: Sequence[int]) -> RankedRound:
    comparisons = tuple(
        replace(one, outcome=Q16 - one.outcome) if index in indices else one
        for index, one in enumerate(round_.comparisons)
    )
    return replace(round_, comparisons=comparisons)


def _count_authors_more(round_: RankedRound, target: int) -> int | None:
    judges = [one.judge for one in round_.comparisons]
    first = (
        max(*compute_owners(round_.authors), *round_.terms, *judges) + 1
    )  # nobody of whom anything is known
    for count in range(1, AUTHORS_MORE_MAX + 1):
        authors = tuple(
            (*seats, *range(first, first + count)) if index == target else seats
            for index, seats in enumerate(round_.authors)
        )
        if fit(replace(round_, authors=authors)).order[0] == target:
            return count
    return None


@dataclass(frozen=True, slots=True)
class Trial:
    """How far a set gets: the more `gain` the better; `leader` where it is enough."""

    gain: int
    leader: int | None


def find_smallest(
    candidates: Sequence[int], compute_trial: Callable[[tuple[int, ...]], Trial], *, tries_max: int
) -> Smallest:
    """Search for a smallest set of candidates that is enough.

    1. Grow a set by the candidate that gains most, until it is enough or nothing gains; that tries every
    candidate alone. 2. Try all smaller sets, or where none was found all sets, the small ones first.

    Args:
        candidates: What a set is made of, ascending.
        compute_trial: Called with a set, ascending.
        tries_max: Most trials of either part. Where they do not do for the first, what gains most alone is
            taken next.
    """
    found = _grow(candidates, compute_trial, tries_max)
    tries = 0
    for size in range(2, len(candidates) + 1 if found.members is None else len(found.members)):
        tries += comb(len(candidates), size)
        if tries > tries_max:
            return found
        for members in combinations(candidates, size):
            leader = compute_trial(members).leader
            if leader is not None:
                return Smallest(members, True, leader)
    return replace(found, is_least=True)


def _grow(
    candidates: Sequence[int], compute_trial: Callable[[tuple[int, ...]], Trial], tries_max: int
) -> Smallest:
    """Return the set that greedy choice finds, not known to be least."""
    members: tuple[int, ...] = ()
    gain, tries = compute_trial(()).gain, 0
    alone: dict[int, int] = {}
    while len(members) < len(candidates):
        rest = [one for one in candidates if one not in members]
        tries += len(rest)
        if members and tries > tries_max:
            rest = [max(rest, key=lambda one: alone[one])]
        trials = {one: compute_trial(tuple(sorted((*members, one)))) for one in rest}
        alone = alone or {one: trial.gain for one, trial in trials.items()}
        best = max(rest, key=lambda one: (trials[one].leader is not None, trials[one].gain))
        members = tuple(sorted((*members, best)))
        if trials[best].leader is not None:
            return Smallest(members, False, trials[best].leader)
        if trials[best].gain <= gain:
            break
        gain = trials[best].gain
    return Smallest(None, False, None)
