"""The probe judge: the likelihood judge's own pass, read once more halfway up by a direction learnt for it.

Centring states over a question's candidates, as in training, drops out of the difference of two of them.
"""

from models.contract import Score
from models.errors import ModelError
from models.judges.likelihood import judge_request
from models.judges.outcomes import compute_outcome_q16
from models.judges.task import JudgeTask, Judging, Reply, summarise
from models.probe import Probe


def judge_by_probe(task: JudgeTask, probe: Probe) -> Judging:
    """Judge pairs by the difference of their candidates' merits under the judge's own prompt.

    Raises:
        ModelError: The conversation does not end in a question.
    """
    wanted = sorted({index for pair in task.pairs for index in (pair.left, pair.right)})
    layers = (probe.layer,)
    replies = yield tuple(
        judge_request(task.messages, task.prompt_keys[0], task.texts[index], state_layers=layers)
        for index in wanted
    )
    merits = {index: _read_merit(reply, probe) for index, reply in zip(wanted, replies, strict=True)}
    return summarise([_compare(merits[pair.left], merits[pair.right]) for pair in task.pairs])


def _read_merit(reply: Reply, probe: Probe) -> float | ModelError:
    if isinstance(reply, ModelError):
        return reply
    assert isinstance(reply, Score), "a score request is answered by a score"
    if len(reply.states) != 1:
        return ModelError(f"got {len(reply.states)} hidden states of an answer, expected 1")
    try:
        return probe.compute_merit(reply.states[0], reply.logprob)
    except ModelError as exc:
        return exc


def _compare(left: float | ModelError, right: float | ModelError) -> int | ModelError:
    if isinstance(left, ModelError):
        return left
    return right if isinstance(right, ModelError) else compute_outcome_q16(left - right)
