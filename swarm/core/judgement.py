"""From a question to prompts, and from what the model returns to the bodies a seat seals."""

import math
from collections.abc import Mapping, Sequence

from consensus.bodies import ANSWER_BYTES_MAX, ANSWER_VERSION, AnswerBody, BallotBody, Sampling, Vote
from consensus.encoding import encode
from consensus.question import Question
from consensus.question import Role as TurnRole
from models.contract import GenerateRequest, Generation, ModelInfo, Score, ScoreRequest
from models.judging import judge_request, outcome_q16
from models.prompts import STOP_STRINGS, Message, Role, answer_prompt, clean_answer
from ranking.canonical import ENGINE_VERSION, Assignment

_ROLES = {TurnRole.SYSTEM: Role.SYSTEM, TurnRole.USER: Role.USER, TurnRole.ASSISTANT: Role.ASSISTANT}


def make_conversation(question: Question) -> tuple[Message, ...]:
    """Return the question's turns as the models package names them."""
    return tuple(
        Message(role=_ROLES[TurnRole(turn.role)], text=turn.text.decode("utf-8")) for turn in question.turns
    )


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


def make_score_requests(
    question: Question, *, seat_key: bytes, texts: Sequence[bytes], classes: Sequence[int]
) -> tuple[ScoreRequest, ...]:
    """Return one request a class: how probable is its text as the judge's own answer?"""
    conversation = make_conversation(question)
    return tuple(
        judge_request(conversation, seat_key, texts[index].decode("utf-8", "replace")) for index in classes
    )


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
