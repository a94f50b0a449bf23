"""Rules over judges' scores of whole texts: the mean log-probability under a few peers' own prompts."""

import math

from consensus.hashing import tagged_hash
from evaluation.methods.base import (
    Choice,
    ChooseOne,
    Method,
    Need,
    Settings,
    choose_class,
    each,
    sum_answer_tokens,
)
from evaluation.record import ClassScores, QuestionRecord

PROMPTS = (1, 2, 4)


def _make_likelihood(prompts: int, *, counts_votes: bool) -> ChooseOne:
    def choose(record: QuestionRecord, settings: Settings) -> Choice:
        seed = settings.draw_seed(record)
        scores = record.judgements
        if not isinstance(scores, ClassScores):
            return Choice(picks=(), answer_tokens=sum_answer_tokens(record))
        drawn = sorted(range(record.peers), key=lambda peer: tagged_hash("evaluation-likelihood", seed, peer))
        judges = drawn[:prompts]
        merits = _compute_merits(scores, judges, len(record.classes))
        if counts_votes:
            votes = [len(one.authors) for one in record.classes]
            merits = [
                None if merit is None else merit + math.log(count)
                for merit, count in zip(merits, votes, strict=True)
            ]
        rows = [scores.values[judge][0] for judge in judges]
        return Choice(
            picks=choose_class(record, merits, seed),
            answer_tokens=sum_answer_tokens(record),
            judge_calls=len(judges) * len(record.classes),
            judge_tokens=len(judges) * sum(scores.tokens),
            missing=sum(row.count(None) for row in rows),
        )

    return choose


def _compute_merits(scores: ClassScores, judges: list[int], classes: int) -> list[float | None]:
    """Return means over the judges that scored every class: a mean over others would favour some classes."""
    rows = [scores.values[judge][0] for judge in judges]
    whole = [[value for value in row if value is not None] for row in rows]
    whole = [row for row in whole if len(row) == classes]
    if not whole:
        return [None] * classes
    return [math.fsum(row[index] for row in whole) / len(whole) for index in range(classes)]


def _describe(prompts: int) -> str:
    return "one peer's own prompt" if prompts == 1 else f"the mean over {prompts} peers' own prompts"


METHODS = tuple(
    Method(
        name=f"likelihood-{prompts}" + ("-votes" if counts_votes else ""),
        about=f"The answer most probable under {_describe(prompts)}"
        + (", plus ln(votes)." if counts_votes else "."),
        choose_all=each(_make_likelihood(prompts, counts_votes=counts_votes)),
        needs=(Need.SCORES,),
    )
    for prompts in PROMPTS
    for counts_votes in (False, True)
)
