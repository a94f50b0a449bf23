"""The likelihood judge: a candidate is as good as its log-probability under the judge's own prompt.

Prompted verdicts (A or B, yes or no) say the same letter whichever way round at 135M parameters; the plain
log-probability of the answer tells right from wrong in about 85 % of pairs (research notes on local models).
The mean over a few peers' prompts is no better informed, but a bad prompt spoils it less.
"""

import hashlib
import math
from collections.abc import Sequence

from models.contract import Score, ScoreRequest
from models.errors import ModelError
from models.judges.outcomes import (
    DIFFERENCE_NATS_MAX,
    OUTCOME_MAX_Q16,
    OUTCOME_MIN_Q16,
    OUTCOME_ONE_Q16,
)
from models.judges.task import JudgeTask, Judging, Reply, summarise
from models.prompts import Message, answer_prompt, as_line

_PROMPTS_TAG = b"peerage/1/judge-prompts\x00"


def judge_request(
    messages: Sequence[Message], peer_key: bytes, candidate: str, *, state_layers: tuple[int, ...] = ()
) -> ScoreRequest:
    """Ask how probable one candidate is as the judge's own answer.

    The line break after the answer is scored too: without it "8" could never lose against "84".

    Args:
        messages: The conversation; the last one is the user's question.
        peer_key: The key that chooses the examples: the judge's own, or another peer's.
        candidate: A peer's answer, put on one line.
        state_layers: After which layers the state at that line break is wanted too.

    Returns:
        The request; requests under one key share their context.

    Raises:
        ModelError: The conversation does not end in a question.
    """
    return ScoreRequest(
        context=answer_prompt(messages, peer_key),
        continuation=f" {as_line(candidate)}\n",
        state_layers=state_layers,
    )


def outcome_q16(left: Score, right: Score) -> int:
    """Turn two scores into P(left is better): the sigmoid of the difference of summed log-probabilities.

    Args:
        left: Score of the left candidate.
        right: Score of the right candidate.

    Returns:
        Q16, rounded half to even, clamped to OUTCOME_MIN_Q16..OUTCOME_MAX_Q16; 32768 for equal scores.
    """
    difference = min(max(left.logprob - right.logprob, -DIFFERENCE_NATS_MAX), DIFFERENCE_NATS_MAX)
    outcome = round(OUTCOME_ONE_Q16 / (1.0 + math.exp(-difference)))
    return min(max(outcome, OUTCOME_MIN_Q16), OUTCOME_MAX_Q16)


def choose_prompt_keys(
    own_key: bytes, members: Sequence[bytes], *, prompts: int, seed: bytes
) -> tuple[bytes, ...]:
    """Choose under whose examples a judge scores.

    Args:
        own_key: The judge's key.
        members: Keys of the round's seats, the judge's among them or not.
        prompts: How many keys are wanted, at least 1.
        seed: The round's seed: other rounds, other company.

    Returns:
        The judge's own key, then others in an order that nobody chose; fewer than `prompts` where the
        members are fewer.
    """

    def draw(key: bytes) -> bytes:
        parts = (seed, own_key, key)
        sized = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hashlib.sha256(_PROMPTS_TAG + sized).digest()

    others = sorted((key for key in members if key != own_key), key=draw)
    return (own_key, *others[: prompts - 1])


def make_score_requests(
    messages: Sequence[Message], prompt_keys: Sequence[bytes], candidates: Sequence[str]
) -> tuple[ScoreRequest, ...]:
    """Return the requests that score candidates under each key: all candidates of a key side by side."""
    return tuple(judge_request(messages, key, candidate) for key in prompt_keys for candidate in candidates)


def average_scores(scores: Sequence[Score], *, candidates: int) -> tuple[Score, ...]:
    """Average what came back of `make_score_requests`.

    Args:
        scores: One a request, in order.
        candidates: How many candidates there were.

    Returns:
        One a candidate: the mean of its log-probabilities, not finite where one of them is not; under one
        key the very score.
    """
    averaged = []
    for index in range(candidates):
        own = scores[index::candidates]
        mean = sum(score.logprob for score in own) / len(own)
        averaged.append(Score(logprob=mean, tokens=own[0].tokens))
    return tuple(averaged)


def judge_by_likelihood(task: JudgeTask) -> Judging:
    """Judge pairs by the mean log-probability of each text under every key of the task.

    Raises:
        ModelError: The conversation does not end in a question.
    """
    wanted = sorted({index for pair in task.pairs for index in (pair.left, pair.right)})
    replies = yield make_score_requests(
        task.messages, task.prompt_keys, [task.texts[index] for index in wanted]
    )
    found = {index: _read_score(replies[place :: len(wanted)]) for place, index in enumerate(wanted)}
    return summarise([_compare(found[pair.left], found[pair.right]) for pair in task.pairs])


def _read_score(replies: Sequence[Reply]) -> Score | ModelError:
    scores = []
    for reply in replies:
        if isinstance(reply, ModelError):
            return reply
        assert isinstance(reply, Score), "a score request is answered by a score"
        scores.append(reply)
    (mean,) = average_scores(scores, candidates=1)
    if not math.isfinite(mean.logprob):
        return ModelError(f"the log-probability of an answer is {mean.logprob}, expected a finite one")
    return mean


def _compare(left: Score | ModelError, right: Score | ModelError) -> int | ModelError:
    if isinstance(left, ModelError):
        return left
    return right if isinstance(right, ModelError) else outcome_q16(left, right)
