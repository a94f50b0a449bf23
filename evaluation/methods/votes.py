"""Votes: answers are counted or weighed, and nobody judges."""

import math
from collections.abc import Sequence

from evaluation.answering import merge_classes
from evaluation.methods.base import (
    Choice,
    Method,
    Need,
    Settings,
    choose_class,
    count_right,
    draw_tie,
    each,
    split_halves,
    sum_answer_tokens,
)
from evaluation.record import Pick, QuestionRecord, Source

WEIGHT_MIN = 0.01


def _choose_majority(record: QuestionRecord, settings: Settings) -> Choice:
    votes = [len(one.authors) for one in record.classes]
    picks = choose_class(record, votes, settings.draw_seed(record))
    return Choice(picks=picks, answer_tokens=sum_answer_tokens(record))


def _choose_greedy_vote(record: QuestionRecord, settings: Settings) -> Choice:
    seed = settings.draw_seed(record)
    classes = merge_classes(record.greedy, seed=seed)
    tokens = sum(answer.tokens for answer in record.greedy)
    if not classes:
        return Choice(picks=(), answer_tokens=tokens)
    best = min(range(len(classes)), key=lambda i: (-len(classes[i].authors), draw_tie(seed, i)))
    authors = classes[best].authors
    shown = next(peer for peer in authors if record.greedy[peer].text == classes[best].text)
    return Choice(picks=(Pick(Source.GREEDY, shown),), answer_tokens=tokens)


def _choose_by_confidence(record: QuestionRecord, settings: Settings) -> Choice:
    merits = [_compute_confidence(record, one.authors) for one in record.classes]
    picks = choose_class(record, merits, settings.draw_seed(record))
    return Choice(picks=picks, answer_tokens=sum_answer_tokens(record))


def _compute_confidence(record: QuestionRecord, authors: Sequence[int]) -> float | None:
    """Return ln of the sum over voters of the square root of p; None where no voter's is known."""
    halves = [record.answers[peer].logprob for peer in authors]
    known = [value / 2 for value in halves if value is not None]
    if not known:
        return None
    top = max(known)
    return top + math.log(math.fsum(math.exp(value - top) for value in known))


def _choose_weighted(records: Sequence[QuestionRecord], settings: Settings) -> list[Choice]:
    halves = split_halves(records, settings)
    weights = [
        _compute_weights([record for record, its in zip(records, halves, strict=True) if its != half])
        for half in (0, 1)
    ]
    choices = []
    for record, half in zip(records, halves, strict=True):
        # Nothing was learnt where there is no other question: all weigh the same.
        own = weights[half] or [1.0] * record.peers
        merits = [math.fsum(own[peer] for peer in one.authors) for one in record.classes]
        picks = choose_class(record, merits, settings.draw_seed(record))
        choices.append(Choice(picks=picks, answer_tokens=sum_answer_tokens(record)))
    return choices


def _compute_weights(records: Sequence[QuestionRecord]) -> list[float]:
    """Return each peer's weight, nats: how much likelier a truth makes its answer than an error does.

    That is ln(p / ((1 - p) c)), with p how often it is right and c how often two wrong peers agree: where
    wrong answers scatter, even a poor peer's vote counts. It is at least WEIGHT_MIN.

    Source:
        Nitzan and Paroush 1982 for two answers, where c is 1.
    """
    agreeing, pairs = 0, 0
    for record in records:
        wrong = [len(one.authors) for one in record.classes if not one.is_right]
        agreeing += sum(count * (count - 1) // 2 for count in wrong)
        pairs += sum(wrong) * (sum(wrong) - 1) // 2
    scatter = math.log((pairs + 2) / (agreeing + 1))
    return [
        max(WEIGHT_MIN, math.log((right + 1) / (len(records) - right + 1)) + scatter)
        for right in count_right(records)
    ]


METHODS = (
    Method(
        name="majority",
        about="The answer that most peers gave, ties by the seed.",
        choose_all=each(_choose_majority),
    ),
    Method(
        name="greedy-vote",
        about="The answer that most peers gave at temperature 0, ties by the seed.",
        choose_all=each(_choose_greedy_vote),
    ),
    Method(
        name="weighted-vote",
        about="Votes weighted by how much likelier a truth makes them than an error, as the other half of "
        "the questions shows, whose truth it knows.",
        choose_all=_choose_weighted,
    ),
    Method(
        name="confidence-vote",
        about="ln of the sum over a class's voters of sqrt(p), p their own probability of their answer.",
        choose_all=each(_choose_by_confidence),
        needs=(Need.LOGPROBS,),
    ),
)
