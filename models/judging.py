"""The likelihood judge: a candidate is as good as its log-probability under the judge's own prompt.

Prompted verdicts (A or B, yes or no) say the same letter whichever way round at 135M parameters; the plain
log-probability of the answer tells right from wrong in about 85 % of pairs (research notes on local models).
"""

import math
from collections.abc import Sequence

from models.contract import Score, ScoreRequest
from models.prompts import Message, answer_prompt, as_line

OUTCOME_ONE_Q16 = 65_536
# protocol.md, "Reveal": nobody may send certainties (0.05 and 0.95).
OUTCOME_MIN_Q16 = 3_277
OUTCOME_MAX_Q16 = 62_259
# Beyond this many nats exp() only costs digits: both ends are clamped long before.
DIFFERENCE_NATS_MAX = 60.0


def judge_request(messages: Sequence[Message], peer_key: bytes, candidate: str) -> ScoreRequest:
    """Ask how probable one candidate is as the judge's own answer.

    The line break after the answer is scored too: without it "8" could never lose against "84".

    Args:
        messages: The conversation; the last one is the user's question.
        peer_key: The judge's public key, which chooses its examples.
        candidate: A peer's answer, put on one line.

    Returns:
        The request; requests of one judge share their context.

    Raises:
        ModelError: The conversation does not end in a question.
    """
    return ScoreRequest(context=answer_prompt(messages, peer_key), continuation=f" {as_line(candidate)}\n")


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
