"""Rules over verdicts on pairs: ours as a network certifies it, and other people's on the same verdicts."""

from itertools import permutations

from evaluation.methods.base import (
    Choice,
    ChooseOne,
    Method,
    Need,
    Settings,
    each,
    sum_answer_tokens,
)
from evaluation.methods.dealing import Dealt, deal_round, list_comparisons, sum_judge_tokens
from evaluation.record import Pick, QuestionRecord, Source
from ranking.baselines import METHODS as BASELINES
from ranking.canonical import Q16, Assignment, Scores, compute_scores
from ranking.rounds import Round, Verdict

BASELINE_ABOUTS = {
    "plain-bt": "Bradley-Terry with the anchor prior alone",
    "mean-rank": "llm-council's rule: the mean over judges of an answer's place in each one's own ranking",
    "fortytwo": "the rule of Fortytwo's published client: each judge ranks alone, places are averaged",
    "borda": "the mean outcome",
    "crowd-bt": "Crowd-BT: Bradley-Terry with a quality of each judge, fitted together",
    "rank-centrality": "Rank Centrality: a walk to better answers",
}


def _choose_ours(record: QuestionRecord, settings: Settings) -> Choice:
    if not record.classes:
        return Choice(picks=(), answer_tokens=sum_answer_tokens(record))
    dealt = deal_round(record, settings)
    return Choice(
        picks=(Pick(Source.CLASS, dealt.scores.order[0]),),
        p_best=_get_p_best(record, dealt.scores),
        answer_tokens=sum_answer_tokens(record),
        judge_calls=dealt.calls,
        judge_tokens=dealt.tokens,
        missing=dealt.missing,
    )


def _get_p_best(record: QuestionRecord, scores: Scores) -> float | None:
    return scores.p_best_q16 / Q16 if len(record.classes) > 1 else None


def _choose_by_all_pairs(record: QuestionRecord, settings: Settings) -> Choice:
    if not record.classes:
        return Choice(picks=(), answer_tokens=sum_answer_tokens(record))
    dealt = [
        Assignment(judge, left, right)
        for judge in range(record.peers)
        for left, right in permutations(range(len(record.classes)), 2)
    ]
    comparisons = list_comparisons(record, dealt)
    scores = compute_scores(authors=record.authors, comparisons=comparisons, seed=settings.draw_seed(record))
    return Choice(
        picks=(Pick(Source.CLASS, scores.order[0]),),
        p_best=_get_p_best(record, scores),
        answer_tokens=sum_answer_tokens(record),
        judge_calls=len(dealt),
        judge_tokens=sum_judge_tokens(record, dealt),
        missing=len(dealt) - len(comparisons),
    )


def _make_baseline(name: str) -> ChooseOne:
    """Return the rule that ranks with a baseline of `ranking` on the verdicts of our own deal."""

    def choose(record: QuestionRecord, settings: Settings) -> Choice:
        if not record.classes:
            return Choice(picks=(), answer_tokens=sum_answer_tokens(record))
        dealt = deal_round(record, settings)
        ranking = BASELINES[name]().rank(_make_round(record, dealt, settings.draw_seed(record)))
        return Choice(
            picks=(Pick(Source.CLASS, ranking.order[0]),),
            answer_tokens=sum_answer_tokens(record),
            judge_calls=dealt.calls,
            judge_tokens=dealt.tokens,
            missing=dealt.missing,
        )

    return choose


def _make_round(record: QuestionRecord, dealt: Dealt, seed: bytes) -> Round:
    return Round(
        seed=seed,
        authors=record.authors,
        verdicts=tuple(
            Verdict(one.judge, one.left, one.right, one.outcome / Q16) for one in dealt.comparisons
        ),
    )


METHODS = (
    Method(
        name="ours",
        about="The product's rule: pairs dealt in steps, canonical engine, author prior, no standing.",
        choose_all=each(_choose_ours),
        needs=(Need.JUDGEMENTS,),
    ),
    Method(
        name="ours-all-pairs",
        about="The same engine on every judge's verdict on every pair both ways round, own answers included.",
        choose_all=each(_choose_by_all_pairs),
        needs=(Need.JUDGEMENTS,),
    ),
    *(
        Method(
            name=name,
            about=f"On the verdicts that ours was dealt: {about}.",
            choose_all=each(_make_baseline(name)),
            needs=(Need.JUDGEMENTS,),
        )
        for name, about in BASELINE_ABOUTS.items()
    ),
)
