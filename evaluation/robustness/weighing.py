"""From rounds in sequence to figures: whom a swarm trusts, and what hostile judges cost it."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from evaluation.plan import Plan
from evaluation.record import QuestionRecord, SwarmRecords, compute_pair_scores
from evaluation.robustness.hostile_judges import JudgeAttack, attack, draw_hostile_peers
from evaluation.robustness.pairing import Means, compute_means
from evaluation.robustness.results import (
    AttackRow,
    StandingGroup,
    StandingPeer,
    StandingSummary,
    WeightPoint,
)
from evaluation.robustness.rounds import HeldRound, hold_rounds
from evaluation.statistics import Floats, round_off
from evaluation.tables import ALL, get_settings

TRACE_POINTS_MAX: Final = 60
NO_ATTACK: Final = "none"


# -- standing ----------------------------------------------------------------------------------------


def hold_plan_rounds(plan: Plan, one: SwarmRecords, records: Sequence[QuestionRecord]) -> list[HeldRound]:
    """Hold a swarm's rounds on these records, as the plan says."""
    gold_every = 0 if plan.standing is None else plan.standing.gold_every
    return hold_rounds(records, get_settings(plan, one.swarm), gold_every=gold_every)


def summarise_standing(plan: Plan, one: SwarmRecords, held: Sequence[HeldRound]) -> StandingSummary:
    """Say whom the swarm came to trust.

    Args:
        plan: Its seed and number of resamples.
        one: The swarm's records, all judged.
        held: What `hold_plan_rounds` made of them.
    """
    rights = np.array([[turn.is_unweighted_right, turn.is_weighted_right] for turn in held], dtype=np.float64)
    families = [one.records[turn.place].family for turn in held]
    means = compute_means(rights, plan, families=families)
    late = held[-max(1, len(held) // 4) :]
    peers = tuple(_describe_peer(plan, one, peer, held[0], late) for peer in range(one.swarm.peers))
    return StandingSummary(
        rounds=len(held),
        gold=sum(turn.is_gold for turn in held),
        peers=peers,
        groups=tuple(_group(peers, model) for model in dict.fromkeys(one.swarm.get_models())),
        trace=_thin_out(held),
        unweighted=means.compute(0),
        weighted=means.compute(1),
        difference=means.compute_difference(1, 0),
        correlation=compute_rank_correlation(
            [(peer.weight_last, peer.pairs.value) for peer in peers if peer.pairs is not None]
        ),
    )


def _describe_peer(
    plan: Plan, one: SwarmRecords, peer: int, first: HeldRound, late: Sequence[HeldRound]
) -> StandingPeer:
    answers = np.array([[float(record.answers[peer].is_right)] for record in one.records])
    judged = [
        [sum(scores) / len(scores)] for record in one.records if (scores := compute_pair_scores(record, peer))
    ]
    families = [record.family for record in one.records]
    return StandingPeer(
        peer=peer,
        model=one.swarm.get_models()[peer],
        answers=compute_means(answers, plan, families=families).compute(0),
        pairs=compute_means(np.array(judged), plan).compute(0) if judged else None,
        weight_first=round_off(first.weights[peer]),
        weight_last=round_off(sum(turn.weights[peer] for turn in late) / len(late)),
    )


def _group(peers: Sequence[StandingPeer], model: str) -> StandingGroup:
    own = [peer for peer in peers if peer.model == model]
    known = [peer.pairs.value for peer in own if peer.pairs is not None]
    return StandingGroup(
        model=model,
        peers=len(own),
        answers=round_off(sum(peer.answers.value for peer in own) / len(own)),
        pairs=round_off(sum(known) / len(known)) if known else None,
        weight_last=round_off(sum(peer.weight_last for peer in own) / len(own)),
    )


def _thin_out(held: Sequence[HeldRound]) -> tuple[WeightPoint, ...]:
    """Return the first and last round, and so many between that a picture can show them."""
    step = max(1, -(-len(held) // TRACE_POINTS_MAX))
    places = sorted({*range(0, len(held), step), len(held) - 1})
    return tuple(
        WeightPoint(round=place + 1, weights=tuple(map(round_off, held[place].weights))) for place in places
    )


def compute_rank_correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return Spearman's rank correlation; equal values share their mean rank.

    Args:
        pairs: At least two for a figure.

    Returns:
        -1 to 1; None where one side does not vary.
    """
    first, second = (_rank([pair[side] for pair in pairs]) for side in (0, 1))
    spread = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return round_off(float((first * second).sum()) / spread) if spread else None


def _rank(values: Sequence[float]) -> Floats:
    """Return ranks about their mean."""
    ranks = [
        sum(other < own for other in values) + sum(other == own for other in values) / 2 for own in values
    ]
    found: Floats = np.array(ranks, dtype=np.float64)
    return found - (found.mean() if len(found) else 0.0)


# -- hostile judges ----------------------------------------------------------------------------------


def measure_attacks(plan: Plan, one: SwarmRecords) -> tuple[AttackRow, ...]:
    """Play hostile judges on a swarm's verdicts: every attack, every number of them, and none.

    Args:
        plan: Its numbers of hostile judges.
        one: The swarm's records, all judged.
    """
    counts = () if plan.robustness is None else plan.robustness.hostile_judges
    if not counts:
        return ()
    rows = list(_measure_attack(plan, one, one.records, NO_ATTACK, ()))
    for kind in JudgeAttack:
        for count in counts:
            hostile = draw_hostile_peers(one.swarm.peers, count=count, seed=plan.seed_bytes)
            records = [attack(record, kind, hostile, seed=plan.seed_bytes) for record in one.records]
            rows += _measure_attack(plan, one, records, kind.value, hostile)
    return tuple(rows)


def _measure_attack(
    plan: Plan, one: SwarmRecords, records: Sequence[QuestionRecord], name: str, hostile: Sequence[int]
) -> list[AttackRow]:
    held = hold_plan_rounds(plan, one, records)
    rows = []
    for rounds, turns in ((ALL, held), ("second half", held[len(held) // 2 :])):
        values = [
            [turn.is_unweighted_right, turn.is_weighted_right, _get_single(records[turn.place])]
            for turn in turns
        ]
        families = [records[turn.place].family for turn in turns] if rounds == ALL else None
        means = compute_means(np.array(values, dtype=np.float64), plan, families=families)
        share = sum(sum(turn.weights[peer] for peer in hostile) / sum(turn.weights) for turn in turns)
        rows += [
            _make_row(name, len(hostile), rounds, len(turns), means, column, share / len(turns))
            for column in range(3)
        ]
    return rows


def _make_row(
    name: str, hostile: int, rounds: str, questions: int, means: Means, column: int, share: float
) -> AttackRow:
    rule = ("unweighted", "weighted", "single")[column]
    return AttackRow(
        attack=name,
        hostile=hostile,
        rule=rule,
        rounds=rounds,
        questions=questions,
        accuracy=means.compute(column),
        difference=means.compute_difference(column, 2),
        weight_share=round_off(share) if rule == "weighted" else None,
    )


def _get_single(record: QuestionRecord) -> float:
    return sum(answer.is_right for answer in record.answers) / record.peers
