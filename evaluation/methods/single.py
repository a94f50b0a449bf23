"""One peer's answer: the mean over peers, the peer named beforehand or by hindsight, and the oracle."""

from collections.abc import Sequence

from evaluation.methods.base import (
    Choice,
    Method,
    Settings,
    count_right,
    draw_tie,
    each,
    split_halves,
    sum_answer_tokens,
)
from evaluation.record import Pick, QuestionRecord, Source


def _choose_single(record: QuestionRecord, _: Settings) -> Choice:
    tokens = sum_answer_tokens(record)
    return Choice(
        picks=tuple(Pick(Source.ANSWER, peer) for peer in range(record.peers)),
        answer_tokens=round(tokens / record.peers),
    )


def _choose_greedy(record: QuestionRecord, _: Settings) -> Choice:
    tokens = sum(answer.tokens for answer in record.greedy)
    return Choice(
        picks=tuple(Pick(Source.GREEDY, peer) for peer in range(record.peers)),
        answer_tokens=round(tokens / record.peers),
    )


def _choose_greedy_first(record: QuestionRecord, _: Settings) -> Choice:
    return Choice(picks=(Pick(Source.GREEDY, 0),), answer_tokens=record.greedy[0].tokens)


def _choose_oracle(record: QuestionRecord, _: Settings) -> Choice:
    right = [peer for peer, answer in enumerate(record.answers) if answer.is_right]
    pick = Pick(Source.ANSWER, right[0] if right else 0)
    return Choice(picks=(pick,), answer_tokens=sum_answer_tokens(record))


def _choose_best_peer(records: Sequence[QuestionRecord], settings: Settings) -> list[Choice]:
    halves = split_halves(records, settings)
    named = [
        _name_best([record for record, its in zip(records, halves, strict=True) if its != half], settings)
        for half in (0, 1)
    ]
    return [_choose_named(record, named[half]) for record, half in zip(records, halves, strict=True)]


def _choose_best_by_hindsight(records: Sequence[QuestionRecord], settings: Settings) -> list[Choice]:
    best = _name_best(records, settings)
    return [_choose_named(record, best) for record in records]


def _name_best(records: Sequence[QuestionRecord], settings: Settings) -> int:
    """Return the peer most often right, ties by the seed; any peer by the seed where there is no question."""
    right = count_right(records)
    peers = range(len(right)) if right else range(1)
    return min(peers, key=lambda peer: (-right[peer] if right else 0, draw_tie(settings.seed, peer)))


def _choose_named(record: QuestionRecord, peer: int) -> Choice:
    return Choice(picks=(Pick(Source.ANSWER, peer),), answer_tokens=record.answers[peer].tokens)


METHODS = (
    Method(
        name="single", about="One peer's sampled answer: the mean over peers.",
        choose_all=each(_choose_single),
    ),
    Method(
        name="greedy", about="One peer's answer at temperature 0: the mean over peers.",
        choose_all=each(_choose_greedy),
    ),
    Method(
        name="greedy-first", about="The first peer's answer at temperature 0.",
        choose_all=each(_choose_greedy_first),
    ),
    Method(
        name="best-peer",
        about="The peer most often right on the other half of the questions, whose truth it knows.",
        choose_all=_choose_best_peer,
    ),
    Method(
        name="best-peer-hindsight",
        about="The peer most often right on these very questions: named afterwards, so a bound.",
        choose_all=_choose_best_by_hindsight,
        knows_truth=True,
    ),
    Method(
        name="oracle", about="A right answer wherever some peer gave one: the bound of every choice.",
        choose_all=each(_choose_oracle), knows_truth=True,
    ),
)  # fmt: skip
