"""From records to figures: accuracy with intervals by method and family, curves, calibration, judges.

Nothing here depends on a clock, so that the same answers give the same tables, however they were come by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Final

import numpy as np

from consensus.errors import ConfigError
from consensus.hashing import tagged_hash
from evaluation.methods import get_methods
from evaluation.methods.base import Choice, Method, Settings, list_absent
from evaluation.plan import Plan, SwarmPlan
from evaluation.record import (
    QuestionRecord,
    SwarmRecords,
    compute_pair_scores,
    is_pick_right,
    list_mixed_pairs,
)
from evaluation.robustness.results import RobustnessSummary, StandingSummary
from evaluation.statistics import (
    Bin,
    Floats,
    Interval,
    McNemar,
    compute_bins,
    compute_ece,
    compute_mcnemar,
    compute_recovered,
    make_interval,
    resample_means,
    round_off,
)
from ranking.canonical import Q16

ALL: Final = "all"
ORACLE: Final = "oracle"
MAJORITY: Final = "majority"
SINGLE: Final = "single"
BUDGET_METHODS: Final = ("oracle", "ours", "plain-bt", "mean-rank", "fortytwo", "majority")
SIZE_METHODS: Final = ("oracle", "ours", "confidence-vote", "majority", "single")
HALF_Q16: Final = Q16 // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRow:
    """A method on some questions; averages of counts are a question."""

    method: str
    family: str
    questions: int
    accuracy: Interval
    difference: Interval
    recovered: Interval | None
    mcnemar: McNemar | None
    unanswered: int
    answer_tokens: float
    judge_calls: float
    judge_tokens: float
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """A method's accuracy at one number of judge calls a peer, or of peers."""

    method: str
    at: int
    accuracy: Interval
    judge_calls: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRow:
    """Whether a method's P(best) can be believed, where there was a choice and a right one among it."""

    method: str
    questions: int
    bins: tuple[Bin, ...]
    ece: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRow:
    """How often one peer prefers a right answer to a wrong one, each pair shown both ways; even counts half.

    `accuracy` is None where it compared none; `missing` verdicts are in no accuracy.
    """

    peer: int
    model: str
    family: str
    verdicts: int
    missing: int
    accuracy: float | None
    as_author: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was measured, all in all."""

    questions: int
    answers: int
    answers_missing: int
    judgements: int
    judgements_missing: int
    answer_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmSummary:
    """Everything that is said of one swarm; `left_out` names methods and what they lack.

    `robustness` and `standing` are None where the plan does not ask for them, and where nobody judges.
    """

    name: str
    judge: str
    problem: str
    models: tuple[str, ...]
    digests: tuple[str, ...]
    calls_per_peer: int
    steps: int
    counts: Counts
    methods: tuple[MethodRow, ...]
    families: tuple[MethodRow, ...]
    left_out: Mapping[str, str]
    budgets: tuple[CurvePoint, ...]
    sizes: tuple[CurvePoint, ...]
    calibration: tuple[CalibrationRow, ...]
    judges: tuple[JudgeRow, ...]
    robustness: RobustnessSummary | None = None
    standing: StandingSummary | None = None


Choices = Mapping[str, Sequence[Choice]]


# -- choices -----------------------------------------------------------------------------------------


def choose_methods(plan: Plan, records: Sequence[QuestionRecord]) -> tuple[list[Method], dict[str, str]]:
    """Return the methods that these records allow, and what the others lack, by name.

    Raises:
        ConfigError: The plan names a method that does not exist, or compares with one that is left out.
    """
    methods = get_methods(plan.methods)
    named = [method.name for method in methods]
    always = (plan.against, MAJORITY, ORACLE, *((SINGLE,) if plan.robustness is not None else ()))
    methods += [one for one in get_methods(always) if one.name not in named]
    absent = list_absent(records)
    left_out = {
        method.name: ", ".join(need.value for need in method.needs if need in absent)
        for method in dict.fromkeys(methods)
        if any(need in absent for need in method.needs)
    }
    if plan.against in left_out:
        raise ConfigError(
            f"nothing can be compared with {plan.against}: there are no {left_out[plan.against]}",
            remedy=f'write against = "{MAJORITY}"',
        )
    return [method for method in dict.fromkeys(methods) if method.name not in left_out], left_out


def choose_for_all(plan: Plan, one: SwarmRecords) -> Choices:
    """Return what every method that the records allow makes of every question, by name.

    Raises:
        ConfigError: The plan names a method that does not exist.
    """
    methods, _ = choose_methods(plan, one.records)
    settings = get_settings(plan, one.swarm)
    return {method.name: method.choose_all(one.records, settings) for method in methods}


def get_settings(plan: Plan, swarm: SwarmPlan) -> Settings:
    """Return what all methods of a swarm are given alike."""
    return Settings(seed=plan.seed_bytes, calls_per_peer=swarm.calls_per_peer, steps=swarm.steps)


def compute_rightness(record: QuestionRecord, choice: Choice) -> float:
    """Return the share of a choice's picks that is right; no answer is no right answer."""
    rights = [is_pick_right(record, pick) for pick in choice.picks]
    return sum(rights) / len(rights) if rights else 0.0


# -- summary -----------------------------------------------------------------------------------------


def summarise(plan: Plan, one: SwarmRecords) -> tuple[SwarmSummary, Choices]:
    """Compute all figures of one swarm, and what every method chose.

    Raises:
        ConfigError: The plan names a method that does not exist.
    """
    methods, left_out = choose_methods(plan, one.records)
    choices = choose_for_all(plan, one)
    families = sorted(dict.fromkeys(record.family for record in one.records))
    rows = {family: _compute_rows(plan, one.records, choices, family) for family in (ALL, *families)}
    return SwarmSummary(
        name=one.swarm.name,
        judge=one.judge,
        problem=one.problem,
        models=one.models,
        digests=one.digests,
        calls_per_peer=one.swarm.calls_per_peer,
        steps=one.swarm.steps,
        counts=_count(one.records),
        methods=rows[ALL],
        families=tuple(row for family in families for row in rows[family]),
        left_out=left_out,
        budgets=_compute_budgets(plan, one, methods),
        sizes=_compute_sizes(plan, one, methods),
        calibration=_compute_calibration(one.records, choices),
        judges=_compute_judges(one, families),
    ), choices


def _count(records: Sequence[QuestionRecord]) -> Counts:
    answers = [answer for record in records for answer in (*record.answers, *record.greedy)]
    verdicts = [
        record.judgements.get_outcome(judge, left, right)
        for record in records
        if record.judgements is not None
        for judge in range(record.peers)
        for left, right in permutations(range(len(record.classes)), 2)
    ]
    return Counts(
        questions=len(records),
        answers=len(answers),
        answers_missing=sum(not answer.text for answer in answers),
        judgements=len(verdicts),
        judgements_missing=verdicts.count(None),
        answer_tokens=sum(answer.tokens for answer in answers),
    )


def _compute_rows(
    plan: Plan, records: Sequence[QuestionRecord], choices: Choices, family: str
) -> tuple[MethodRow, ...]:
    places = [place for place, record in enumerate(records) if family in (ALL, record.family)]
    chosen = {name: [found[place] for place in places] for name, found in choices.items()}
    here = [records[place] for place in places]
    names = list(chosen)
    values = np.array(
        [[compute_rightness(record, chosen[name][i]) for name in names] for i, record in enumerate(here)]
    ).reshape(len(here), len(names))
    resampled = resample_means(
        values, [record.family for record in here], draws=plan.bootstrap, seed=plan.seed
    )
    return tuple(
        _compute_row(plan, family, names, column, values, resampled, chosen) for column in range(len(names))
    )


def _compute_row(
    plan: Plan,
    family: str,
    names: Sequence[str],
    column: int,
    values: Floats,
    resampled: Floats,
    chosen: Mapping[str, Sequence[Choice]],
) -> MethodRow:
    means = values.mean(axis=0).tolist()
    against, low, high = (names.index(name) for name in (plan.against, MAJORITY, ORACLE))
    mine, theirs = values[:, column], values[:, against]
    is_binary = bool(np.isin(mine, (0.0, 1.0)).all() and np.isin(theirs, (0.0, 1.0)).all())
    own = chosen[names[column]]
    return MethodRow(
        method=names[column],
        family=family,
        questions=len(values),
        accuracy=make_interval(means[column], resampled[:, column]),
        difference=make_interval(
            means[column] - means[against], resampled[:, column] - resampled[:, against]
        ),
        recovered=compute_recovered(
            means[column],
            means[low],
            means[high],
            (resampled[:, column], resampled[:, low], resampled[:, high]),
        ),
        mcnemar=compute_mcnemar((mine == 1.0).tolist(), (theirs == 1.0).tolist())
        if is_binary and column != against
        else None,
        unanswered=sum(not choice.picks for choice in own),
        answer_tokens=round_off(sum(choice.answer_tokens for choice in own) / len(own)),
        judge_calls=round_off(sum(choice.judge_calls for choice in own) / len(own)),
        judge_tokens=round_off(sum(choice.judge_tokens for choice in own) / len(own)),
        missing=sum(choice.missing for choice in own),
    )


# -- curves ------------------------------------------------------------------------------------------


def _compute_budgets(plan: Plan, one: SwarmRecords, methods: Sequence[Method]) -> tuple[CurvePoint, ...]:
    points: list[CurvePoint] = []
    for calls in plan.budgets:
        settings = replace(get_settings(plan, one.swarm), calls_per_peer=calls)
        points += _compute_points(plan, one.records, methods, BUDGET_METHODS, settings, at=calls)
    return tuple(points)


def _compute_sizes(plan: Plan, one: SwarmRecords, methods: Sequence[Method]) -> tuple[CurvePoint, ...]:
    """Play smaller swarms: other peers for each question, drawn by the seed."""
    points: list[CurvePoint] = []
    settings = get_settings(plan, one.swarm)
    for size in plan.sizes:
        if size <= one.swarm.peers:
            records = [_draw_subset(record, settings.draw_seed(record), size) for record in one.records]
            points += _compute_points(plan, records, methods, SIZE_METHODS, settings, at=size)
    return tuple(points)


def _draw_subset(record: QuestionRecord, seed: bytes, size: int) -> QuestionRecord:
    drawn = sorted(range(record.peers), key=lambda peer: tagged_hash("evaluation-subset", seed, peer))
    return record.select(sorted(drawn[:size]))


def _compute_points(
    plan: Plan,
    records: Sequence[QuestionRecord],
    methods: Sequence[Method],
    names: Sequence[str],
    settings: Settings,
    *,
    at: int,
) -> list[CurvePoint]:
    drawn = [method for method in methods if method.name in names]
    chosen = [method.choose_all(records, settings) for method in drawn]
    values = np.array(
        [
            [compute_rightness(record, found[place]) for found in chosen]
            for place, record in enumerate(records)
        ]
    ).reshape(len(records), len(drawn))
    resampled = resample_means(
        values, [record.family for record in records], draws=plan.bootstrap, seed=plan.seed
    )
    means = values.mean(axis=0).tolist()
    return [
        CurvePoint(
            method=method.name,
            at=at,
            accuracy=make_interval(means[column], resampled[:, column]),
            judge_calls=round_off(sum(choice.judge_calls for choice in chosen[column]) / len(records)),
        )
        for column, method in enumerate(drawn)
    ]


# -- calibration and judges --------------------------------------------------------------------------


def _compute_calibration(records: Sequence[QuestionRecord], choices: Choices) -> tuple[CalibrationRow, ...]:
    rows = []
    for name, chosen in choices.items():
        claims = [
            (choice.p_best, compute_rightness(record, choice) == 1.0)
            for record, choice in zip(records, chosen, strict=True)
            if choice.p_best is not None and any(one.is_right for one in record.classes)
        ]
        if any(choice.p_best is not None for choice in chosen):
            bins = compute_bins([claim for claim, _ in claims], [right for _, right in claims])
            rows.append(CalibrationRow(method=name, questions=len(claims), bins=bins, ece=compute_ece(bins)))
    return tuple(rows)


def _compute_judges(one: SwarmRecords, families: Sequence[str]) -> tuple[JudgeRow, ...]:
    if not one.judge:
        return ()
    return tuple(
        _compute_judge(
            one, peer, family, [record for record in one.records if family in (ALL, record.family)]
        )
        for family in (ALL, *families)
        for peer in range(one.swarm.peers)
    )


def _compute_judge(one: SwarmRecords, peer: int, family: str, records: Sequence[QuestionRecord]) -> JudgeRow:
    verdicts = sum(2 * len(list_mixed_pairs(record)) for record in records)
    scores = [score for record in records for score in compute_pair_scores(record, peer)]
    return JudgeRow(
        peer=peer,
        model=one.models[peer],
        family=family,
        verdicts=verdicts,
        missing=verdicts - len(scores),
        accuracy=round_off(sum(scores) / len(scores)) if scores else None,
        as_author=round_off(sum(record.answers[peer].is_right for record in records) / len(records)),
    )
