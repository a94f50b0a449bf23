"""Any strategy by its specification, and the plain way to run one: against a model in this thread."""

from collections.abc import Sequence
from typing import assert_never

from models.contract import Model
from models.judges.letters import judge_by_letters
from models.judges.likelihood import judge_by_likelihood
from models.judges.probe import judge_by_probe
from models.judges.reasoning import judge_by_reasoning
from models.judges.replies import answer_calls, run_each
from models.judges.strategy import JudgeKind, JudgeStrategy
from models.judges.task import Call, JudgedPairs, JudgeTask, Judging, Reply


def start_judging(strategy: JudgeStrategy, task: JudgeTask) -> Judging:
    """Return the conversation with a model by which a strategy judges a task; nothing runs yet."""
    match strategy.kind:
        case JudgeKind.LIKELIHOOD:
            return judge_by_likelihood(task)
        case JudgeKind.LETTERS:
            return judge_by_letters(task)
        case JudgeKind.REASONING:
            return judge_by_reasoning(task, tokens=strategy.tokens, orders=strategy.orders)
        case JudgeKind.PROBE:
            assert strategy.probe is not None, "a probe judge has its probe"
            return judge_by_probe(task, strategy.probe)
        case _:
            assert_never(strategy.kind)


def run_judging(model: Model, judging: Judging) -> JudgedPairs:
    """Judge with a model that is called from this very thread.

    Args:
        model: What answers the judging's calls.
        judging: Begun by `start_judging`; it is used up.

    Raises:
        ModelError: The task itself is refused; a call that fails spoils its own pairs only.
    """
    try:
        calls = next(judging)
        while True:
            calls = judging.send(_answer(model, calls))
    except StopIteration as ended:
        result = ended.value
        assert isinstance(result, JudgedPairs), "a judging returns its outcomes"
        return result


def _answer(model: Model, calls: Sequence[Call]) -> tuple[Reply, ...]:
    return answer_calls(
        calls,
        generate=lambda requests: run_each(model.generate, requests),
        score=lambda requests: run_each(model.score, requests),
        choose=lambda requests: run_each(model.choose, requests),
    )
