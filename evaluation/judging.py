"""Every peer's judgement of every class: the seam behind which a strategy of judging fills the record.

A judge that scores texts fills a score a class, from which every pair follows. A judge that compares texts is
run on every pair, shown both ways round, by the same generators that a seat uses. What rules may see of it is
decided by them (`evaluation.methods`), not here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Protocol

from evaluation.answering import Answered
from evaluation.calls import CachedModel
from evaluation.plan import SwarmPlan
from evaluation.record import ClassScores, Judgements, PairOutcomes, Shown
from models.contract import Generation, ModelInfo, Score, ScoreRequest
from models.errors import ModelError
from models.judges.judging import start_judging
from models.judges.likelihood import choose_prompt_keys, make_score_requests
from models.judges.strategy import JudgeKind, JudgeStrategy, resolve_strategy
from models.judges.task import Call, JudgedPairs, JudgeTask, Judging, Pair, Reply
from models.prompts import FENCE_NONCE_BYTES_MIN
from swarm.core.judgement import make_conversation
from swarm.core.seat import FENCE_SALT
from swarm.edge.local import LocalKeys


class JudgeAll(Protocol):
    """A way of judging: everything that the swarm's judges make of the questions' classes."""

    def __call__(
        self, swarm: SwarmPlan, keys: LocalKeys, answered: Sequence[Answered]
    ) -> list[Judgements | None]:
        """Judge all classes of all questions by all peers.

        Args:
            swarm: Whose judges.
            keys: The swarm's.
            answered: The questions with their classes.

        Returns:
            One entry a question, in order; a judgement that failed is None inside it.

        Raises:
            ModelError: So many calls failed in a row that it is not the questions.
            StoreError: The store cannot be read or written.
        """
        ...


def resolve_judge(swarm: SwarmPlan, infos: Mapping[str, ModelInfo]) -> JudgeStrategy:
    """Return how a swarm judges: all its peers alike, so that their verdicts can be held side by side.

    Raises:
        ModelError: A model of the swarm cannot judge so.
    """
    specs = list(dict.fromkeys(swarm.get_models()))
    strategies = [resolve_strategy(swarm.judge, infos[spec]) for spec in specs]
    if any(strategy != strategies[0] for strategy in strategies):
        raise ModelError(
            f"the models of {swarm.name!r} would judge in different ways: {', '.join(specs)}",
            remedy='name one that all can: judge = "letters"',
        )
    return strategies[0]


def create_judge(strategy: JudgeStrategy, models: Mapping[str, CachedModel]) -> JudgeAll:
    """Return the way of judging that fits a strategy."""
    if strategy.kind is JudgeKind.LIKELIHOOD:
        return LikelihoodJudge(strategy.prompts, models)
    return PairJudge(strategy, models)


# -- scores a class ----------------------------------------------------------------------------------


# Several judges score under one peer's prompt, which takes a while to make: requests by round and peer.
_Known = dict[tuple[bytes, bytes], tuple[ScoreRequest, ...]]


@dataclass(frozen=True, slots=True)
class LikelihoodJudge:
    """Scores each class under the judge's own prompt and, where more are wanted, under others' too.

    Attributes:
        prompts: Under how many peers' examples a text is scored.
        models: By specification.
    """

    prompts: int
    models: Mapping[str, CachedModel]

    def __call__(
        self, swarm: SwarmPlan, keys: LocalKeys, answered: Sequence[Answered]
    ) -> list[Judgements | None]:
        """Score all classes; see `JudgeAll`."""
        scored: dict[tuple[int, int], list[list[Score | ModelError]]] = {}
        known: _Known = {}
        specs = swarm.get_models()
        for spec in dict.fromkeys(specs):
            judges = [judge for judge in range(swarm.peers) if specs[judge] == spec]
            places = list(product(judges, range(len(answered))))
            asked = [self._ask(keys, judge, answered[place], known) for judge, place in places]
            flat = [request for requests in asked for request in requests]
            results = iter(self.models[spec].score(flat))
            for (judge, place), requests in zip(places, asked, strict=True):
                row = [next(results) for _ in requests]
                classes = max(1, len(answered[place].classes))
                scored[judge, place] = [row[start : start + classes] for start in range(0, len(row), classes)]
        return [
            _gather_scores(one, [scored[judge, place] for judge in range(swarm.peers)])
            for place, one in enumerate(answered)
        ]

    def _ask(self, keys: LocalKeys, judge: int, one: Answered, known: _Known) -> tuple[ScoreRequest, ...]:
        requests: list[ScoreRequest] = []
        for key in _choose_keys(keys, judge, one, prompts=self.prompts):
            place = (one.asked.round_id, key)
            if place not in known:
                texts = [candidate.text for candidate in one.classes]
                known[place] = make_score_requests(make_conversation(one.asked.question), (key,), texts)
            requests += known[place]
        return tuple(requests)


def _choose_keys(keys: LocalKeys, judge: int, one: Answered, *, prompts: int) -> tuple[bytes, ...]:
    return choose_prompt_keys(
        keys.peers[judge].key, keys.network.keys, prompts=prompts, seed=one.asked.round_id
    )


def _gather_scores(one: Answered, by_judge: Sequence[Sequence[Sequence[Score | ModelError]]]) -> ClassScores:
    columns = [[row[index] for rows in by_judge for row in rows] for index in range(len(one.classes))]
    return ClassScores(
        values=tuple(tuple(tuple(map(_read_logprob, row)) for row in rows) for rows in by_judge),
        tokens=tuple(
            max((score.tokens for score in column if isinstance(score, Score)), default=0)
            for column in columns
        ),
    )


def _read_logprob(score: Score | ModelError) -> float | None:
    if isinstance(score, ModelError) or not math.isfinite(score.logprob):
        return None
    return score.logprob


# -- outcomes a pair ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Conversation:
    """One judge's conversation about one question, and where it stands."""

    judging: Judging
    calls: tuple[Call, ...]
    tokens: int = 0
    judged: JudgedPairs | None = None


@dataclass(frozen=True, slots=True)
class PairJudge:
    """Compares every two classes, both ways round.

    Attributes:
        strategy: How.
        models: By specification.
    """

    strategy: JudgeStrategy
    models: Mapping[str, CachedModel]

    def __call__(
        self, swarm: SwarmPlan, keys: LocalKeys, answered: Sequence[Answered]
    ) -> list[Judgements | None]:
        """Judge all pairs; see `JudgeAll`."""
        held: dict[tuple[int, int], _Conversation] = {}
        specs = swarm.get_models()
        for spec in dict.fromkeys(specs):
            own: list[_Conversation] = []
            for judge, place in product(range(swarm.peers), range(len(answered))):
                if specs[judge] == spec and len(answered[place].classes) > 1:
                    conversation = self._begin(keys, judge, answered[place])
                    held[judge, place] = conversation
                    own.append(conversation)
            _hold(own, self.models[spec])
        return [
            _gather_pairs(one, [held.get((judge, place)) for judge in range(swarm.peers)])
            for place, one in enumerate(answered)
        ]

    def _begin(self, keys: LocalKeys, judge: int, one: Answered) -> _Conversation:
        signer = keys.peers[judge]
        task = JudgeTask(
            messages=make_conversation(one.asked.question),
            texts=tuple(candidate.text for candidate in one.classes),
            pairs=_list_pairs(len(one.classes)),
            prompt_keys=_choose_keys(keys, judge, one, prompts=self.strategy.prompts),
            nonce=signer.derive_salt(FENCE_SALT, one.asked.round_id)[:FENCE_NONCE_BYTES_MIN],
        )
        judging = start_judging(self.strategy, task)
        try:
            return _Conversation(judging, next(judging))
        except ModelError as exc:  # a task that no prompt can hold: all its judgements are missing
            missing = JudgedPairs(outcomes=(None,) * len(task.pairs), reasons=(exc.message,))
            return _Conversation(judging, (), judged=missing)


def _list_pairs(classes: int) -> tuple[Pair, ...]:
    return tuple(Pair(left, right) for left, right in permutations(range(classes), 2))


def _hold(conversations: Sequence[_Conversation], model: CachedModel) -> None:
    """Hold conversations turn by turn, so that one turn's calls of all of them share batches."""
    going = [one for one in conversations if one.judged is None]
    while going:
        replies = iter(model.reply([call for one in going for call in one.calls]))
        for one in going:
            turn = tuple(next(replies) for _ in one.calls)
            one.tokens += sum(map(_count_tokens, turn))
            try:
                one.calls = one.judging.send(turn)
            except StopIteration as ended:
                one.judged = _get_judged(ended)
        going = [one for one in going if one.judged is None]


def _count_tokens(reply: Reply) -> int:
    """Return what an answer to a call took: tokens generated, or those of a text that was scored."""
    if isinstance(reply, Generation):
        return reply.token_count
    return reply.tokens if isinstance(reply, Score) else 0


def _get_judged(ended: StopIteration) -> JudgedPairs:
    judged = ended.value
    assert isinstance(judged, JudgedPairs), "a judging returns its outcomes"
    return judged


def _gather_pairs(one: Answered, held: Sequence[_Conversation | None]) -> PairOutcomes:
    pairs = _list_pairs(len(one.classes))
    values: dict[Shown, int | None] = {}
    tokens: dict[Shown, int] = {}
    for judge, conversation in enumerate(held):
        if conversation is None:
            continue
        assert conversation.judged is not None, "every conversation is held to its end"
        for pair, outcome in zip(pairs, conversation.judged.outcomes, strict=True):
            shown = Shown(judge, pair.left, pair.right)
            values[shown] = outcome
            tokens[shown] = conversation.tokens // len(pairs)
    return PairOutcomes(values=values, tokens=tokens)
