"""From paired records to figures: what extraneous text and hostile answers cost, by rule, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from evaluation.methods import get_methods
from evaluation.plan import Plan
from evaluation.record import Pick, QuestionRecord, Source, SwarmRecords
from evaluation.robustness.extraneous import DirtyTask
from evaluation.robustness.hostile_answers import HostileAnswer
from evaluation.robustness.results import HostileRow, HostileVerdictRow, PairedRow
from evaluation.statistics import (
    Floats,
    Interval,
    compute_mcnemar,
    make_interval,
    resample_means,
    round_off,
)
from evaluation.tables import ALL, SINGLE, Choices, compute_rightness
from ranking.canonical import Q16

NO_LOSS_SHARE_MAX: Final = 0.025
"""Share of resamples without a single peer's loss beyond which no ratio to that loss is given."""


@dataclass(frozen=True, slots=True)
class Means:
    """Means of columns, and of the same columns over resampled questions."""

    values: list[float]
    resampled: Floats

    def compute(self, column: int) -> Interval:
        """Return the interval of one column."""
        return make_interval(self.values[column], self.resampled[:, column])

    def compute_difference(self, column: int, other: int, *, share: float = 1.0) -> Interval:
        """Return the interval of a column less a share of another one."""
        return make_interval(
            self.values[column] - share * self.values[other],
            self.resampled[:, column] - share * self.resampled[:, other],
        )


def compute_means(values: Floats, plan: Plan, *, families: Sequence[str] | None = None) -> Means:
    """Return means of columns over questions, with their resamples.

    Args:
        values: `(questions, columns) float64`, at least one question.
        plan: Its seed and number of resamples.
        families: By question, where these are all of the plan, which asks so many of each family; None where
            chance chose among them: a family with one question left would then feign that it cannot vary.
    """
    strata = [""] * len(values) if families is None else families
    resampled = resample_means(values, strata, draws=plan.bootstrap, seed=plan.seed)
    return Means(values.mean(axis=0).tolist(), resampled)


# -- extraneous text ---------------------------------------------------------------------------------


def compare_dirty(
    plan: Plan,
    clean: SwarmRecords,
    choices: Choices,
    dirty: SwarmRecords,
    dirty_choices: Choices,
    tasks: Sequence[DirtyTask],
) -> tuple[PairedRow, ...]:
    """Compare every rule with itself on the same questions with a text added.

    Args:
        plan: Its seed and number of resamples.
        clean: Records without.
        choices: What rules made of them; `single` among them.
        dirty: Records with, in the same order.
        dirty_choices: What rules made of these.
        tasks: What was added, in the same order.
    """
    names = [name for name in choices if name in dirty_choices]
    rightness = {
        name: np.array(
            [
                [compute_rightness(mine, first), compute_rightness(theirs, second)]
                for mine, first, theirs, second in zip(
                    clean.records, choices[name], dirty.records, dirty_choices[name], strict=True
                )
            ]
        )
        for name in names
    }
    rows: list[PairedRow] = []
    for kind in (ALL, *dict.fromkeys(sorted(task.kind for task in tasks))):
        places = [place for place, task in enumerate(tasks) if kind in (ALL, task.kind)]
        families = [record.family for record in clean.records] if kind == ALL else None
        rows += [
            _compare_rule(plan, name, kind, rightness[name][places], rightness[SINGLE][places], families)
            for name in names
        ]
    return tuple(rows)


def _compare_rule(
    plan: Plan, method: str, kind: str, own: Floats, single: Floats, families: Sequence[str] | None
) -> PairedRow:
    losses = np.column_stack([own[:, 0] - own[:, 1], single[:, 0] - single[:, 1]])
    means = compute_means(np.column_stack([own, -losses[:, 0], losses]), plan, families=families)
    is_binary = bool(np.isin(own, (0.0, 1.0)).all())
    return PairedRow(
        method=method,
        kind=kind,
        questions=len(own),
        clean=round_off(means.values[0]),
        dirty=round_off(means.values[1]),
        difference=means.compute(2),
        mcnemar=compute_mcnemar((own[:, 1] == 1.0).tolist(), (own[:, 0] == 1.0).tolist())
        if is_binary
        else None,
        loss_ratio=_compute_ratio(means, 3, 4),
        beyond_half=means.compute_difference(3, 4, share=0.5),
    )


def _compute_ratio(means: Means, column: int, other: int) -> Interval | None:
    """Return one loss as a share of another; None where that is not told from none.

    Where the lower part of its interval reaches 0, the ratio has no bound, and percentiles of what is left
    would feign one.
    """
    below = means.resampled[:, other]
    if means.values[other] <= 0.0 or float((below <= 0.0).mean()) > NO_LOSS_SHARE_MAX:
        return None
    is_loss = below > 0.0
    shares = means.resampled[is_loss, column] / below[is_loss]
    return make_interval(means.values[column] / means.values[other], shares)


# -- hostile answers ---------------------------------------------------------------------------------


def compute_wins(record: QuestionRecord, picks: Sequence[Pick], peers: Sequence[int]) -> float:
    """Return the share of picks that are an answer of one of these peers."""
    won = [_is_of(record, pick, peers) for pick in picks]
    return sum(won) / len(won) if won else 0.0


def _is_of(record: QuestionRecord, pick: Pick, peers: Sequence[int]) -> bool:
    if pick.source is Source.CLASS:
        return any(peer in peers for peer in record.classes[pick.index].authors)
    return pick.index in peers


def list_rules(choices: Choices) -> list[str]:
    """Return the rules that hostile answers can reach: no bounds, and none that uses greedy answers."""
    bounds = [method.name for method in get_methods(()) if method.knows_truth]
    greedy = [
        name
        for name, chosen in choices.items()
        if any(pick.source is Source.GREEDY for choice in chosen for pick in choice.picks)
    ]
    return [name for name in choices if name not in bounds and name not in greedy]


def compare_hostile(
    plan: Plan,
    clean: SwarmRecords,
    choices: Choices,
    hostile: SwarmRecords,
    hostile_choices: Choices,
    answers: Sequence[Sequence[HostileAnswer]],
) -> tuple[HostileRow, ...]:
    """Compare how often wrong answers win with and without a hostile text behind them.

    Args:
        plan: Its seed and number of resamples.
        clean: Records without.
        choices: What rules made of them.
        hostile: Records with, in the same order.
        hostile_choices: What rules made of these.
        answers: Hostile answers by question.
    """
    places = [place for place, own in enumerate(answers) if own]
    if not places:
        return ()
    rows = []
    for name in list_rules(choices):
        values = []
        for place in places:
            peers = [one.peer for one in answers[place]]
            mine, theirs = clean.records[place], hostile.records[place]
            first, second = choices[name][place], hostile_choices[name][place]
            values.append(
                [
                    compute_wins(mine, first.picks, peers),
                    compute_wins(theirs, second.picks, peers),
                    compute_rightness(mine, first),
                    compute_rightness(theirs, second),
                ]
            )
        means = compute_means(np.array(values), plan)
        rows.append(
            HostileRow(
                method=name,
                questions=len(places),
                clean_wins=round_off(means.values[0]),
                hostile_wins=round_off(means.values[1]),
                difference=means.compute_difference(1, 0),
                accuracy_change=means.compute_difference(3, 2),
            )
        )
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class _Preferred:
    """How often judges preferred one wrong answer to right ones, on one question."""

    place: int
    text: str
    clean: tuple[float, ...]
    hostile: tuple[float, ...]


def compare_verdicts(
    plan: Plan,
    clean: SwarmRecords,
    hostile: SwarmRecords,
    answers: Sequence[Sequence[HostileAnswer]],
) -> tuple[HostileVerdictRow, ...]:
    """Compare verdicts on a wrong answer against right ones, by the same judges, with and without the text.

    That says what a text does to a judge, apart from what the rule makes of it and from the votes that an
    answer loses where it is no longer equal to others.

    Args:
        plan: Its seed and number of resamples.
        clean: Records without.
        hostile: Records with, in the same order.
        answers: Hostile answers by question.
    """
    found = [
        one
        for place, own in enumerate(answers)
        for answer in own
        for one in [_prefer(clean.records[place], hostile.records[place], place, answer, own)]
        if one.clean
    ]
    if not found:
        return ()
    means = compute_means(np.array(list(_group(found).values())), plan)
    by_text: dict[str, list[_Preferred]] = {}
    for one in found:
        by_text.setdefault(one.text, []).append(one)
    singles = [_make_row(text, group, difference=None) for text, group in sorted(by_text.items())]
    return (_make_row(ALL, found, difference=means.compute_difference(1, 0)), *singles)


def _prefer(
    clean: QuestionRecord,
    hostile: QuestionRecord,
    place: int,
    answer: HostileAnswer,
    others: Sequence[HostileAnswer],
) -> _Preferred:
    """Return verdicts on one wrong answer against every right one, those that are known both ways."""
    pairs: list[tuple[float, float]] = []
    authors = {one.peer for one in others}
    mine, theirs = (_find_class(record, (answer.peer,)) for record in (clean, hostile))
    rights = [one.authors for one in clean.classes if one.is_right]
    for judge in range(clean.peers):
        for right in rights if judge not in authors else ():
            for is_left in (True, False):
                first = _get_preference(clean, judge, mine, _find_class(clean, right), is_left=is_left)
                second = _get_preference(hostile, judge, theirs, _find_class(hostile, right), is_left=is_left)
                if first is not None and second is not None:
                    pairs.append((first, second))
    return _Preferred(
        place, answer.name, tuple(first for first, _ in pairs), tuple(second for _, second in pairs)
    )


def _find_class(record: QuestionRecord, authors: Sequence[int]) -> int:
    return next(index for index, one in enumerate(record.classes) if authors[0] in one.authors)


def _get_preference(
    record: QuestionRecord, judge: int, wrong: int, right: int, *, is_left: bool
) -> float | None:
    """Return whether a judge prefers a wrong class to a right one, an even verdict as one half."""
    assert record.judgements is not None, "hostile answers are put to judges only"
    shown = (wrong, right) if is_left else (right, wrong)
    outcome = record.judgements.get_outcome(judge, *shown)
    if outcome is None:
        return None
    own = outcome if is_left else Q16 - outcome
    return 1.0 if 2 * own > Q16 else 0.5 if 2 * own == Q16 else 0.0


def _group(found: Sequence[_Preferred]) -> dict[int, list[float]]:
    """Return shares by question, clean and hostile, so that questions with many verdicts drown no others."""
    verdicts: dict[int, tuple[list[float], list[float]]] = {}
    for one in found:
        clean, hostile = verdicts.setdefault(one.place, ([], []))
        clean += one.clean
        hostile += one.hostile
    return {
        place: [sum(clean) / len(clean), sum(hostile) / len(hostile)]
        for place, (clean, hostile) in verdicts.items()
    }


def _make_row(text: str, found: Sequence[_Preferred], *, difference: Interval | None) -> HostileVerdictRow:
    shares = list(_group(found).values())
    return HostileVerdictRow(
        text=text,
        questions=len(shares),
        verdicts=sum(len(one.clean) for one in found),
        clean=round_off(sum(clean for clean, _ in shares) / len(shares)),
        hostile=round_off(sum(hostile for _, hostile in shares) / len(shares)),
        difference=difference,
    )
