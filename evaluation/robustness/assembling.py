"""One swarm's robustness and standing, put together from records; nothing is asked here."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.plan import Plan
from evaluation.record import SwarmRecords
from evaluation.robustness.extraneous import DirtyTask
from evaluation.robustness.measuring import Withstood
from evaluation.robustness.pairing import compare_dirty, compare_hostile, compare_verdicts
from evaluation.robustness.results import RobustnessSummary, StandingSummary
from evaluation.robustness.rounds import HeldRound
from evaluation.robustness.weighing import hold_plan_rounds, measure_attacks, summarise_standing
from evaluation.tables import Choices, choose_for_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What a swarm has beside its records and choices; a part that was not asked for is None or empty.

    Attributes:
        robustness: Figures.
        standing: Figures.
        held: Rounds in sequence.
        dirty: Dirty tasks by question.
        withstood: Records.
        dirty_choices: What rules made of dirty questions.
        hostile_choices: What rules made of hostile answers.
    """

    robustness: RobustnessSummary | None
    standing: StandingSummary | None
    held: tuple[HeldRound, ...]
    dirty: tuple[DirtyTask, ...]
    withstood: Withstood
    dirty_choices: Choices
    hostile_choices: Choices

    def list_played(self) -> list[tuple[SwarmRecords, Choices]]:
        """Return the records that stand in tables as swarms of their own, with what rules made of them."""
        found = [(self.withstood.dirty, self.dirty_choices), (self.withstood.hostile, self.hostile_choices)]
        return [(records, choices) for records, choices in found if records is not None]


def assemble(
    plan: Plan, one: SwarmRecords, choices: Choices, dirty: Sequence[DirtyTask], withstood: Withstood
) -> Extras:
    """Compute what is said of one swarm's robustness and standing.

    Args:
        plan: The plan.
        one: Its records.
        choices: What rules made of them.
        dirty: Dirty tasks in the order of the records; none where none were asked.
        withstood: What was measured of it.
    """
    dirty_choices = {} if withstood.dirty is None else choose_for_all(plan, withstood.dirty)
    hostile_choices = {} if withstood.hostile is None else choose_for_all(plan, withstood.hostile)
    held = hold_plan_rounds(plan, one, one.records) if plan.standing is not None and one.judge else []
    return Extras(
        robustness=None
        if plan.robustness is None
        else _summarise(plan, one, choices, dirty, withstood, dirty_choices, hostile_choices),
        standing=summarise_standing(plan, one, held) if held else None,
        held=tuple(held),
        dirty=tuple(dirty),
        withstood=withstood,
        dirty_choices=dirty_choices,
        hostile_choices=hostile_choices,
    )


def _summarise(
    plan: Plan,
    one: SwarmRecords,
    choices: Choices,
    dirty: Sequence[DirtyTask],
    withstood: Withstood,
    dirty_choices: Choices,
    hostile_choices: Choices,
) -> RobustnessSummary:
    found, answers = withstood.hostile, withstood.hostile_answers
    return RobustnessSummary(
        paired=()
        if withstood.dirty is None
        else compare_dirty(plan, one, choices, withstood.dirty, dirty_choices, dirty),
        hostile=() if found is None else compare_hostile(plan, one, choices, found, hostile_choices, answers),
        verdicts=() if found is None else compare_verdicts(plan, one, found, answers),
        attacks=measure_attacks(plan, one) if one.judge else (),
        problem="" if one.judge else one.problem,
    )
