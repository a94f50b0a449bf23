"""Judges' conversations with a model, held through the store, and what was heard in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from consensus.hashing import tagged_hash
from evaluation.answering import Answered
from evaluation.batches import get_context
from evaluation.calibration.cases import Case
from evaluation.calls import CachedModel
from models.batching import estimate_tokens
from models.contract import Choice, ChoiceRequest, GenerateRequest, Generation, Prompt, ScoreRequest
from models.errors import ModelError
from models.judges.comparison import read_log_odds
from models.judges.judging import start_judging
from models.judges.likelihood import choose_prompt_keys
from models.judges.outcomes import OUTCOME_ONE_Q16
from models.judges.strategy import JudgeStrategy
from models.judges.task import Call, JudgedPairs, JudgeTask, Judging, Pair, Reply
from models.prompts import FENCE_NONCE_BYTES_MIN
from swarm.core.judgement import make_conversation
from swarm.core.seat import FENCE_SALT
from swarm.edge.local import LocalKeys

# A judge's nonce is the same for all questions here, so that a backend runs its examples once: nobody who
# writes answers has seen it.
_NONCE: Final = tagged_hash("calibration-nonce")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a judge made of one pair.

    Args:
        case: The pair.
        outcome: P(the answer of interest is better) in Q16; None where the judgement failed.
        log_odds: Of every prompt that shows both answers, the first against the second, nats, in order.
        tokens: Read and written, by estimate; a context counts once.
        calls: How many calls there were, by kind.
    """

    case: Case
    outcome: int | None
    log_odds: tuple[float, ...]
    tokens: int
    calls: dict[str, int]


@dataclass(slots=True)
class _Conversation:
    """One judge's conversation about one pair, and where it stands."""

    case: Case
    judging: Judging
    calls: tuple[Call, ...]
    heard: list[tuple[Call, Reply]] = field(default_factory=list)
    judged: JudgedPairs | None = None


def hold(
    strategy: JudgeStrategy,
    cases: Sequence[Case],
    *,
    answered: Sequence[Answered],
    keys: LocalKeys,
    model: CachedModel,
) -> list[Heard]:
    """Let judges judge pairs, turn by turn, so that one turn's calls of all of them share batches.

    Args:
        strategy: How they judge.
        cases: The pairs.
        answered: The questions that the pairs' places mean.
        keys: Of the peers.
        model: What every peer runs.

    Returns:
        One entry a pair, in order.

    Raises:
        ModelError: So many calls failed in a row that it is not the questions.
        StoreError: The store cannot be read or written.
    """
    held = []
    for case in cases:
        held.append(_begin(strategy, case, answered[case.place], keys))
    while going := [one for one in held if one.judged is None]:
        replies = iter(model.reply([call for one in going for call in one.calls]))
        for one in going:
            turn = tuple(next(replies) for _ in one.calls)
            one.heard += zip(one.calls, turn, strict=True)
            try:
                one.calls = one.judging.send(turn)
            except StopIteration as ended:
                one.judged = _get_judged(ended)
    return [_summarise(one) for one in held]


def _begin(strategy: JudgeStrategy, case: Case, one: Answered, keys: LocalKeys) -> _Conversation:
    judging = start_judging(strategy, _make_task(strategy, case, one, keys))
    try:
        return _Conversation(case, judging, next(judging))
    except ModelError as exc:  # a task that no prompt can hold: its judgement is missing
        missing = JudgedPairs(outcomes=(None,), reasons=(exc.message,))
        return _Conversation(case, judging, (), judged=missing)


def _get_judged(ended: StopIteration) -> JudgedPairs:
    judged = ended.value
    assert isinstance(judged, JudgedPairs), "a judging returns its outcomes"
    return judged


def _make_task(strategy: JudgeStrategy, case: Case, one: Answered, keys: LocalKeys) -> JudgeTask:
    signer = keys.peers[case.judge]
    return JudgeTask(
        messages=make_conversation(one.asked.question),
        texts=(case.text, case.other),
        pairs=(Pair(0, 1) if case.is_left else Pair(1, 0),),
        prompt_keys=choose_prompt_keys(
            signer.key, keys.network.keys, prompts=strategy.prompts, seed=one.asked.round_id
        ),
        nonce=signer.derive_salt(FENCE_SALT, _NONCE)[:FENCE_NONCE_BYTES_MIN],
    )


def _summarise(one: _Conversation) -> Heard:
    assert one.judged is not None, "every conversation is held to its end"
    (outcome,) = one.judged.outcomes
    if outcome is not None and not one.case.is_left:
        outcome = OUTCOME_ONE_Q16 - outcome
    return Heard(
        case=one.case,
        outcome=outcome,
        log_odds=tuple(
            odds
            for _, reply in one.heard
            if isinstance(reply, Choice) and isinstance(odds := read_log_odds(reply), float)
        ),
        tokens=_count_tokens(one.heard),
        calls=_count_calls(one.heard),
    )


def _count_tokens(heard: Sequence[tuple[Call, Reply]]) -> int:
    contexts: dict[Prompt, None] = {}
    total = 0
    for call, reply in heard:
        request = call
        if isinstance(request, GenerateRequest):
            said = reply.token_count if isinstance(reply, Generation) else 0
            request = replace(request, max_tokens=said)
        context = get_context(request)
        total += estimate_tokens(request)
        if context in contexts:
            total -= estimate_tokens(ScoreRequest(context=context, continuation=""))
        contexts[context] = None
    return total


def _count_calls(heard: Sequence[tuple[Call, Reply]]) -> dict[str, int]:
    kinds = {GenerateRequest: "generate", ScoreRequest: "score", ChoiceRequest: "choose"}
    names = [kinds[type(call)] for call, _ in heard]
    return {name: names.count(name) for name in kinds.values() if name in names}
