"""The letters judge: how probable A and B are as the verdict, the pair shown both ways round.

A model that prefers a letter says the same one both ways; its log-odds then cancel, and the outcome is near
one half, which is all that such a verdict is worth.
"""

from models.contract import ChoiceRequest
from models.errors import ModelError
from models.judges.comparison import OPTIONS, make_comparison, read_log_odds, turn_round
from models.judges.outcomes import DIFFERENCE_NATS_MAX, compute_outcome_q16
from models.judges.task import JudgeTask, Judging, Reply, summarise


def judge_by_letters(task: JudgeTask) -> Judging:
    """Judge pairs by the probabilities of their letters.

    Raises:
        ModelError: The conversation does not end in a question, or the nonce is too short.
    """
    replies = yield tuple(
        ChoiceRequest(context=make_comparison(task, shown, asks_reason=False), options=OPTIONS)
        for pair in task.pairs
        for shown in (pair, turn_round(pair))
    )
    places = range(0, len(replies), 2)
    return summarise([combine_orders(replies[place], replies[place + 1]) for place in places])


def combine_orders(dealt: Reply, turned: Reply) -> int | ModelError:
    """Turn the verdicts on both orders into one outcome: the sigmoid of the mean of their log-odds.

    Args:
        dealt: The choice between A and B with the left candidate as A.
        turned: The same with the right candidate as A.

    Returns:
        An outcome for the left candidate, or the first error: half a judgement is none.
    """
    first, second = read_log_odds(dealt), read_log_odds(turned)
    if isinstance(first, ModelError):
        return first
    if isinstance(second, ModelError):
        return second
    return compute_outcome_q16((_clamp(first) - _clamp(second)) / 2)


def _clamp(log_odds: float) -> float:
    """Bound a certainty: infinite both ways round, it would cancel to NaN instead of one half."""
    return min(max(log_odds, -DIFFERENCE_NATS_MAX), DIFFERENCE_NATS_MAX)
