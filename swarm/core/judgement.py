"""From a question to prompts, and from what the model returns to the bodies a seat seals."""

import math
from collections.abc import Mapping, Sequence

from consensus.bodies import ANSWER_BYTES_MAX, ANSWER_VERSION, AnswerBody, BallotBody, Sampling, Vote
from consensus.decision import RoundFacts
from consensus.encoding import encode
from consensus.question import Question, Turn
from consensus.question import Role as TurnRole
from models.contract import GenerateRequest, Generation, ModelInfo, Score, ScoreRequest
from models.judges.likelihood import choose_prompt_keys, make_score_requests, outcome_q16
from models.judges.strategy import JudgeStrategy
from models.judges.task import JudgedPairs, JudgeTask, Pair
from models.prompts import STOP_STRINGS, Message, Role, answer_prompt, clean_answer
from ranking.canonical import ENGINE_VERSION, Assignment

_ROLES = {TurnRole.SYSTEM: Role.SYSTEM, TurnRole.USER: Role.USER, TurnRole.ASSISTANT: Role.ASSISTANT}


def make_conversation(question: Question) -> tuple[Message, ...]:
    """Return the question's turns as the models package names them."""
    return make_messages(question.turns)


def make_messages(turns: Sequence[Turn]) -> tuple[Message, ...]:
    """Return turns as the models package names them."""
    return tuple(Message(role=_ROLES[TurnRole(turn.role)], text=turn.text.decode("utf-8")) for turn in turns)


def make_generate_request(question: Question, *, noise_seed: bytes, seat_key: bytes) -> GenerateRequest:
    """Return the request for a seat's answer, under the seat's own prompt and replayable noise."""
    return GenerateRequest(
        prompt=answer_prompt(make_conversation(question), seat_key),
        noise_seed=noise_seed,
        seat_key=seat_key,
        temperature_milli=question.temperature_milli,
        max_tokens=question.tokens_max,
        stop=STOP_STRINGS,
    )


def make_answer(generation: Generation, info: ModelInfo, *, tokens_max: int) -> bytes | None:
    """Return the body of an answer, or None where the model said nothing, or more than it was asked for."""
    text = clean_answer(generation.text).encode("utf-8")[:ANSWER_BYTES_MAX]
    if not text or generation.token_count > tokens_max:
        return None
    sampling = Sampling.REPLAYABLE if info.has_replayable_sampling else Sampling.FOREIGN
    return encode(AnswerBody(ANSWER_VERSION, text, info.digest, int(sampling), generation.token_count))


def draw_prompt_keys(strategy: JudgeStrategy, facts: RoundFacts, own_key: bytes) -> tuple[bytes, ...]:
    """Return under whose examples a seat judges in this round: its own, then as many more as it wants."""
    members = facts.committee.keys
    return choose_prompt_keys(own_key, members, prompts=strategy.prompts, seed=facts.round_id)


def make_class_requests(
    question: Question, *, prompt_keys: Sequence[bytes], texts: Sequence[bytes], classes: Sequence[int]
) -> tuple[ScoreRequest, ...]:
    """Return one request a key and class: how probable is its text as that peer's answer?"""
    candidates = [_decode_text(texts[index]) for index in classes]
    return make_score_requests(make_conversation(question), prompt_keys, candidates)


def make_judge_task(
    question: Question,
    *,
    prompt_keys: tuple[bytes, ...],
    texts: Sequence[bytes],
    dealt: Sequence[Assignment],
    nonce: bytes,
) -> JudgeTask:
    """Return the dealt pairs as a judge takes them; `nonce` is for its fences, and nobody else's to know."""
    return JudgeTask(
        messages=make_conversation(question),
        texts=tuple(_decode_text(text) for text in texts),
        pairs=tuple(Pair(pair.left, pair.right) for pair in dealt),
        prompt_keys=prompt_keys,
        nonce=nonce,
    )


def _decode_text(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def make_ballot(prev: bytes, dealt: Sequence[Assignment], scores: Mapping[int, Score]) -> bytes:
    """Return the body of a ballot; pairs with a class that has no finite score are left out.

    Args:
        prev: Digest of the value the pairs were dealt by.
        dealt: The seat's assignments, in dealing order.
        scores: What the model made of each class, by class index.
    """
    usable = {index: score for index, score in scores.items() if math.isfinite(score.logprob)}
    votes = tuple(
        Vote(pair.left, pair.right, outcome_q16(usable[pair.left], usable[pair.right]))
        for pair in dealt
        if pair.left in usable and pair.right in usable
    )
    return encode(BallotBody(ENGINE_VERSION, prev, votes))


def make_judged_ballot(prev: bytes, dealt: Sequence[Assignment], judged: JudgedPairs | None) -> bytes:
    """Return the body of a ballot; pairs whose judgement failed are left out.

    Args:
        prev: Digest of the value the pairs were dealt by.
        dealt: The seat's assignments, in dealing order.
        judged: What became of each, in that order; None where judging failed as a whole.
    """
    outcomes = (None,) * len(dealt) if judged is None else judged.outcomes
    votes = tuple(
        Vote(pair.left, pair.right, outcome)
        for pair, outcome in zip(dealt, outcomes, strict=True)
        if outcome is not None
    )
    return encode(BallotBody(ENGINE_VERSION, prev, votes))
