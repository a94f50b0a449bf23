"""Peers that judge against their swarm, played on verdicts that are there: no model is asked."""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from itertools import permutations

from consensus.hashing import tagged_hash
from evaluation.record import PairOutcomes, QuestionRecord, Shown
from ranking.ballots import OUTCOME_MAX, OUTCOME_MIN
from ranking.canonical import Q16


class JudgeAttack(Enum):
    """How a hostile judge votes.

    INVERT says the opposite of what it finds. FAVOUR prefers answers of hostile peers to all others, and is
    honest elsewhere. RANDOM tosses a coin, and is sure of it.
    """

    INVERT = "invert"
    FAVOUR = "favour"
    RANDOM = "random"


def draw_hostile_peers(peers: int, *, count: int, seed: bytes) -> tuple[int, ...]:
    """Return which peers are hostile: the same all along, and those of a smaller count among them."""
    drawn = sorted(range(peers), key=lambda peer: tagged_hash("evaluation-hostile-judge", seed, peer))
    return tuple(sorted(drawn[:count]))


def attack(
    record: QuestionRecord, attack_: JudgeAttack, hostile: Sequence[int], *, seed: bytes
) -> QuestionRecord:
    """Return a question as hostile judges would have it.

    Args:
        record: As it was judged.
        attack_: What hostile judges do.
        hostile: Who they are.
        seed: For coins.
    """
    judged = record.judgements
    if judged is None or not hostile:
        return record
    values: dict[Shown, int | None] = {}
    for judge in range(record.peers):
        for left, right in permutations(range(len(record.classes)), 2):
            honest = judged.get_outcome(judge, left, right)
            shown = Shown(judge, left, right)
            is_turned = judge in hostile and honest is not None
            values[shown] = _turn(record, attack_, hostile, shown, honest, seed) if is_turned else honest
    return replace(record, judgements=PairOutcomes(values=values, tokens=dict.fromkeys(values, 0)))


def _turn(
    record: QuestionRecord,
    attack_: JudgeAttack,
    hostile: Sequence[int],
    shown: Shown,
    honest: int | None,
    seed: bytes,
) -> int | None:
    assert honest is not None, "a verdict that failed cannot be turned"
    match attack_:
        case JudgeAttack.INVERT:
            return Q16 - honest
        case JudgeAttack.RANDOM:
            name = record.key.encode("utf-8")
            coin = tagged_hash("evaluation-coin", seed, name, shown.judge, shown.left, shown.right)[0] % 2
            return OUTCOME_MAX if coin else OUTCOME_MIN
        case JudgeAttack.FAVOUR:
            left, right = (
                any(peer in hostile for peer in record.classes[index].authors)
                for index in (shown.left, shown.right)
            )
            if left == right:
                return honest
            return OUTCOME_MAX if left else OUTCOME_MIN
