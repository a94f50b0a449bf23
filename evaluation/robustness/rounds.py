"""The questions as rounds in sequence: the product's ranker learns from each and weighs judges in the next.

Both rules see the same verdicts, those that were dealt without weights, so that they differ in weights alone.
A network deals by weighted scores in its second and third step, which may tell it a little more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.methods.base import Settings
from evaluation.methods.dealing import deal_round
from evaluation.record import QuestionRecord
from ranking.canonical import Q16
from ranking.rounds import Round, Verdict
from ranking.standing import CanonicalRanker


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRound:
    """One round.

    Attributes:
        place: Index of its record.
        weights: Of the peers, by peer, as they were in this round: 1 is a typical judge.
        is_unweighted_right: Whether all judges alike chose a right answer.
        is_weighted_right: Whether weighted ones did.
        is_gold: Whether its truth came out afterwards.
    """

    place: int
    weights: tuple[float, ...]
    is_unweighted_right: bool
    is_weighted_right: bool
    is_gold: bool


def order_rounds(records: Sequence[QuestionRecord], settings: Settings) -> list[int]:
    """Return indices of records in the order in which rounds are held: families mixed, drawn by the seed."""
    return sorted(range(len(records)), key=lambda place: settings.draw_seed(records[place]))


def hold_rounds(records: Sequence[QuestionRecord], settings: Settings, *, gold_every: int) -> list[HeldRound]:
    """Hold all rounds, one after another.

    Args:
        records: All judged.
        settings: Seed, calls and steps.
        gold_every: Every how manieth round's truth comes out; 0 for none.

    Returns:
        One entry a record, in the order of the rounds; where nobody answered, both rules are wrong.
    """
    ranker = CanonicalRanker()
    held: list[HeldRound] = []
    weights = (1.0,) * (records[0].peers if records else 0)
    for number, place in enumerate(order_rounds(records, settings), start=1):
        record = records[place]
        is_gold = gold_every > 0 and number % gold_every == 0
        is_plain = is_weighted = False
        if record.classes:
            # Past the memory of rounds: one that was attacked is held once, and would only fill it.
            dealt = deal_round.__wrapped__(record, settings)
            round_ = Round(
                seed=settings.draw_seed(record),
                authors=record.authors,
                verdicts=tuple(
                    Verdict(one.judge, one.left, one.right, one.outcome / Q16) for one in dealt.comparisons
                ),
            )
            ranking = ranker.rank(round_)
            weights = tuple(ranking.weights.get(peer, weights[peer]) for peer in range(record.peers))
            is_plain = record.classes[dealt.scores.order[0]].is_right
            is_weighted = record.classes[ranking.order[0]].is_right
            right = tuple(index for index, one in enumerate(record.classes) if one.is_right)
            ranker.learn(round_, right if is_gold else None)
        held.append(
            HeldRound(
                place=place,
                weights=weights,
                is_unweighted_right=is_plain,
                is_weighted_right=is_weighted,
                is_gold=is_gold and bool(record.classes),
            )
        )
    return held
