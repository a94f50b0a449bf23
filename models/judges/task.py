"""What a judge is given, what it gives back, and how it talks to a model without calling one."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from models.contract import Choice, ChoiceRequest, GenerateRequest, Generation, Score, ScoreRequest
from models.errors import ModelError
from models.prompts import Message

REASONS_MAX = 3

Call = GenerateRequest | ScoreRequest | ChoiceRequest
# A call that failed is answered by its error: it spoils the pairs that need it and no others.
Reply = Generation | Score | Choice | ModelError


@dataclass(frozen=True, slots=True)
class Pair:
    """Two candidates to compare, by their place in the task's texts."""

    left: int
    right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTask:
    """Pairs to judge.

    Args:
        messages: The conversation; the last one is the user's question.
        texts: The candidates.
        pairs: Which of them to compare, each as (left, right).
        prompt_keys: Public keys whose examples are shown, the judge's own first; at least one.
        nonce: Secret bytes of the seat, for fences; see `models.prompts.fence`.
    """

    messages: tuple[Message, ...]
    texts: tuple[str, ...]
    pairs: tuple[Pair, ...]
    prompt_keys: tuple[bytes, ...]
    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPairs:
    """What a judge made of its pairs.

    Args:
        outcomes: One a pair, in order: P(left is better) in Q16, or None where the judgement failed.
        reasons: Why judgements failed: distinct messages in order of appearance, REASONS_MAX at most.
    """

    outcomes: tuple[int | None, ...]
    reasons: tuple[str, ...]

    @property
    def missing(self) -> int:
        """How many judgements failed; a ballot leaves them out, and they count neither way."""
        return self.outcomes.count(None)


# Yields calls that may run together, is sent one reply a call, returns the outcomes.
Judging = Generator[tuple[Call, ...], tuple[Reply, ...], JudgedPairs]


def summarise(results: Sequence[int | ModelError]) -> JudgedPairs:
    """Gather one result a pair: an outcome, or the error that took its place."""
    reasons = dict.fromkeys(result.message for result in results if isinstance(result, ModelError))
    return JudgedPairs(
        outcomes=tuple(None if isinstance(result, ModelError) else result for result in results),
        reasons=tuple(reasons)[:REASONS_MAX],
    )
