"""What clients are sent: OpenAI's objects, and beside them what the swarm knows of an answer.

These types are also the OpenAPI description (`swarm/gateway/openapi.py`), so that it cannot say otherwise.
"""

from typing import Literal

import msgspec

UNSET = msgspec.UNSET
Unset = msgspec.UnsetType


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """An object that is sent; fields that are unset are left out."""


class MissingSeat(Reply, frozen=True):
    """A seat that is not in a step's certified set."""

    seat: int
    step: int


class RankedCandidate(Reply, frozen=True):
    """One class of equal answers, best first. `strength` is in nats; `p_best` is null where unanimous."""

    index: int
    authors: list[int]
    strength: float
    p_best: float | None
    text: str


class Provenance(Reply, frozen=True):
    """Where an answer comes from, read from its verified receipt.

    `lead` is by how many nats the winner leads; null where there is no second. `answer_tokens` is what the
    authors say that their answers took, all together.
    """

    schema: Literal["peerage.swarm/1"]
    round_id: str
    network_id: str
    status: Literal["full", "partial", "failed"]
    unanimous: bool
    seats: int
    quorum: int
    missing: list[MissingSeat]
    p_best: float | None
    lead: float | None
    flip_estimate: int
    ranking: list[RankedCandidate]
    judge: str
    comparisons: int
    rounds_before: int
    answer_tokens: int
    receipt_digest: str
    result_digest: str
    receipt_url: str
    elapsed_s: dict[str, float]


class Usage(Reply, frozen=True):
    """Tokens read and written by all peers who answered; judging is not counted."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ReplyMessage(Reply, frozen=True):
    """An answer."""

    role: Literal["assistant"]
    content: str
    refusal: None = None


FinishReason = Literal["stop", "length"]


class Choice(Reply, frozen=True):
    """One of the best candidates, index 0 being the winner."""

    index: int
    message: ReplyMessage
    finish_reason: FinishReason
    logprobs: None = None


class ChatCompletion(Reply, frozen=True):
    """An answer as a whole; without `usage` where nobody here has counted."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    system_fingerprint: str
    usage: Usage | Unset = UNSET
    swarm: Provenance | Unset = UNSET


class Delta(Reply, frozen=True):
    """A piece of an answer."""

    role: Literal["assistant"] | Unset = UNSET
    content: str | Unset = UNSET


class ChunkChoice(Reply, frozen=True):
    """A piece of one candidate."""

    index: int
    delta: Delta
    finish_reason: FinishReason | None = None
    logprobs: None = None


class ProgressEvent(Reply, frozen=True):
    """How far a round is, as a peer or the gateway saw it; shown, never certified."""

    event: str
    round_id: str | Unset = UNSET
    step: int | Unset = UNSET
    phase: str | Unset = UNSET
    seats: int | Unset = UNSET
    peer: str | Unset = UNSET
    ahead: int | Unset = UNSET
    reason: str | Unset = UNSET
    text: str | Unset = UNSET


class ChatCompletionChunk(Reply, frozen=True):
    """An event of a stream."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    system_fingerprint: str
    usage: Usage | Unset | None = UNSET
    swarm: Provenance | Unset = UNSET
    swarm_progress: ProgressEvent | Unset = UNSET


class ModelCard(Reply, frozen=True):
    """A model that can be asked; `description` says what it does."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    description: str


class ModelList(Reply, frozen=True):
    """All models that can be asked."""

    object: Literal["list"]
    data: list[ModelCard]


RoundStatus = Literal["running", "full", "partial", "failed", "unanswered", "cancelled", "interrupted"]


class RoundCard(Reply, frozen=True):
    """A round as the gateway remembers it; times in seconds since 1970.

    `question` and `answer` are the beginnings of what its receipt says they are.
    """

    id: str
    object: Literal["round"]
    created: int
    ended: int | None
    model: str
    status: RoundStatus
    reason: str | None
    p_best: float | None
    receipt_digest: str | None
    receipt_url: str | None
    question: str | None
    answer: str | None


RoleName = Literal["system", "user", "assistant"]


class TurnOut(Reply, frozen=True):
    """One turn of the conversation that was asked."""

    role: RoleName
    content: str


class RoundDetails(RoundCard, frozen=True):
    """A round with what its receipt says, which is verified again before it is shown."""

    turns: list[TurnOut] | None
    swarm: Provenance | None


class RoundList(Reply, frozen=True):
    """A page of rounds, newest first; `last_id` is the next page's `after`."""

    object: Literal["list"]
    data: list[RoundCard]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Health(Reply, frozen=True):
    """Whether the process answers, or takes questions; and why not."""

    status: str
    reason: str | None = None
