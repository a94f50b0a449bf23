"""Tables of robustness and standing, beside a run's others; one that the plan does not ask for is absent."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from evaluation.directory import RunDirectory
from evaluation.export import QUESTION_COLUMNS, Column, Row, name_question, write_table
from evaluation.record import SwarmRecords
from evaluation.robustness.assembling import Extras

EXTRA_COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "extraneous": (
        *QUESTION_COLUMNS, ("dirty_key", str, False), ("kind", str, False), ("name", str, False),
        ("is_before", bool, False), ("text", str, False),
    ),
    "hostile": (
        *QUESTION_COLUMNS, ("peer", int, False), ("name", str, False), ("clean_text", str, False),
        ("text", str, False),
    ),
    "attacks": (
        ("swarm", str, False), ("attack", str, False), ("hostile", int, False), ("rule", str, False),
        ("rounds", str, False), ("questions", int, False), ("accuracy", float, False), ("low", float, False),
        ("high", float, False), ("weight_share", float, True),
    ),
    "standing": (
        *QUESTION_COLUMNS, ("round", int, False), ("peer", int, False), ("weight", float, False),
        ("is_answer_right", bool, False), ("is_gold", bool, False), ("is_unweighted_right", bool, False),
        ("is_weighted_right", bool, False),
    ),
}  # fmt: skip

_Swarms = Sequence[tuple[SwarmRecords, Extras]]


def write_extra_tables(directory: RunDirectory, swarms: _Swarms) -> None:
    """Write the tables that a plan's robustness and standing ask for.

    Args:
        directory: Where they go.
        swarms: Every swarm's records, and what it has beside them.

    Raises:
        StoreError: A file cannot be written.
    """
    plan = directory.plan
    rows: dict[str, Iterator[Row]] = {}
    if plan.robustness is not None and plan.robustness.extraneous:
        rows["extraneous"] = (row for one, extra in swarms for row in _list_extraneous(one, extra))
    if plan.robustness is not None and plan.robustness.hostile_answers:
        rows["hostile"] = (row for one, extra in swarms for row in _list_hostile(one, extra))
    if plan.robustness is not None and plan.robustness.hostile_judges:
        rows["attacks"] = (row for one, extra in swarms for row in _list_attacks(one, extra))
    if plan.standing is not None:
        rows["standing"] = (row for one, extra in swarms for row in _list_standing(one, extra))
    for name, found in rows.items():
        write_table(directory, name, EXTRA_COLUMNS[name], found)


def _list_extraneous(one: SwarmRecords, extra: Extras) -> Iterator[Row]:
    for record, dirty in zip(one.records, extra.dirty, strict=True):
        yield (
            *name_question(one, record), dirty.task.key, dirty.kind, dirty.name, dirty.is_before,
            dirty.task.text,
        )  # fmt: skip


def _list_hostile(one: SwarmRecords, extra: Extras) -> Iterator[Row]:
    if extra.withstood.hostile is None:
        return
    for record, answers in zip(one.records, extra.withstood.hostile_answers, strict=True):
        for answer in answers:
            clean = record.answers[answer.peer].text
            yield (*name_question(one, record), answer.peer, answer.name, clean, answer.text)


def _list_attacks(one: SwarmRecords, extra: Extras) -> Iterator[Row]:
    for row in () if extra.robustness is None else extra.robustness.attacks:
        yield (
            one.swarm.name, row.attack, row.hostile, row.rule, row.rounds, row.questions, row.accuracy.value,
            row.accuracy.low, row.accuracy.high, row.weight_share,
        )  # fmt: skip


def _list_standing(one: SwarmRecords, extra: Extras) -> Iterator[Row]:
    for number, turn in enumerate(extra.held, start=1):
        record = one.records[turn.place]
        for peer, weight in enumerate(turn.weights):
            yield (
                *name_question(one, record), number, peer, weight, record.answers[peer].is_right,
                turn.is_gold, turn.is_unweighted_right, turn.is_weighted_right,
            )  # fmt: skip
