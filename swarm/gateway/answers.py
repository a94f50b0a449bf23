"""From a verified report to what a client reads: choices, banner, usage, provenance."""

from dataclasses import dataclass
from typing import Literal, assert_never

import msgspec

from consensus.decision import Status
from swarm.edge.report import Candidate, RoundReport
from swarm.gateway.replies import (
    UNSET,
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChunkChoice,
    Delta,
    FinishReason,
    MissingSeat,
    Provenance,
    RankedCandidate,
    ReplyMessage,
    Usage,
)

P_BEST_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Text:
    """One candidate as it is shown; `banner` is empty or stands above the text."""

    banner: str
    text: str
    is_cut: bool

    @property
    def content(self) -> str:
        """What a client reads."""
        return self.banner + self.text

    @property
    def finish_reason(self) -> FinishReason:
        """OpenAI's word for how the answer ended."""
        return "length" if self.is_cut else "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer ready to be sent, best candidate first. `usage` is None where nobody here has counted."""

    id: str
    created: int
    model: str
    fingerprint: str
    texts: tuple[Text, ...]
    usage: Usage | None
    provenance: Provenance | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a report comes from, beyond what its receipt says."""

    judge: str
    elapsed_s: dict[str, float]
    receipt_url: str


def make_banner(report: RoundReport) -> str:
    """Return what stands above an answer that is not whole; empty above one that is."""
    if report.status is Status.FULL:
        return ""
    seats = sorted({gone.seat for gone in report.missing})
    word = "seat" if len(seats) == 1 else "seats"
    return (
        f"[{report.status.name}: {len(seats)} of {report.seats} seats missing"
        f" ({word} {', '.join(map(str, seats))}); a quorum of {report.quorum} certified this answer]\n\n"
    )


def make_texts(report: RoundReport, *, choices: int, tokens_max: int, has_banner: bool) -> tuple[Text, ...]:
    """Return the best candidates as they are shown; fewer than `choices` where the swarm had no more."""
    banner = make_banner(report) if has_banner else ""
    return tuple(
        Text(banner, candidate.text, candidate.tokens >= tokens_max) for candidate in report.ranking[:choices]
    )


def make_provenance(report: RoundReport, origin: Origin) -> Provenance:
    """Return what is known of where an answer comes from."""
    ranking = report.ranking
    lead = ranking[0].strength - ranking[1].strength if len(ranking) > 1 else None
    return Provenance(
        schema="peerage.swarm/1",
        round_id=report.round_id.hex(),
        network_id=report.network_id.hex(),
        status=name_status(report.status),
        unanimous=report.is_unanimous,
        seats=report.seats,
        quorum=report.quorum,
        missing=[MissingSeat(seat=gone.seat, step=gone.step) for gone in report.missing],
        p_best=_round(report.p_best),
        lead=_round(lead),
        flip_estimate=report.flip_estimate,
        ranking=[_show_candidate(candidate) for candidate in ranking],
        judge=origin.judge,
        comparisons=len(report.comparisons),
        rounds_before=0 if report.history is None else report.history.rounds,
        answer_tokens=report.answer_tokens,
        receipt_digest=report.receipt_digest.hex(),
        result_digest=report.result_digest.hex(),
        receipt_url=origin.receipt_url,
        elapsed_s={name: round(seconds, 3) for name, seconds in origin.elapsed_s.items()},
    )


def name_status(status: Status) -> Literal["full", "partial", "failed"]:
    """Return a certified status as the interface spells it."""
    match status:
        case Status.FULL:
            return "full"
        case Status.PARTIAL:
            return "partial"
        case Status.FAILED:
            return "failed"
        case _:
            assert_never(status)


def make_usage(*, prompt_tokens: int, completion_tokens: int) -> Usage:
    """Return OpenAI's sum."""
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
    )


def make_completion(answer: Answer) -> ChatCompletion:
    """Return an answer as a whole."""
    return ChatCompletion(
        id=answer.id,
        object="chat.completion",
        created=answer.created,
        model=answer.model,
        choices=[
            Choice(
                index=index,
                message=ReplyMessage(role="assistant", content=text.content),
                finish_reason=text.finish_reason,
            )
            for index, text in enumerate(answer.texts)
        ],
        usage=UNSET if answer.usage is None else answer.usage,
        system_fingerprint=answer.fingerprint,
        swarm=UNSET if answer.provenance is None else answer.provenance,
    )


def make_chunks(answer: Answer, *, includes_usage: bool) -> tuple[ChatCompletionChunk, ...]:
    """Return an answer as the events of a stream, in OpenAI's order.

    Role, certified text as it is, end of each candidate; then, where it is wanted and known, usage on a chunk
    whose `choices` are empty. Provenance is on the last chunk, whichever that is.
    """
    deltas: list[ChunkChoice] = []
    for index, text in enumerate(answer.texts):
        deltas.append(ChunkChoice(index=index, delta=Delta(role="assistant", content="")))
        if text.banner:
            deltas.append(ChunkChoice(index=index, delta=Delta(content=text.banner)))
        deltas.append(ChunkChoice(index=index, delta=Delta(content=text.text)))
        deltas.append(ChunkChoice(index=index, delta=Delta(), finish_reason=text.finish_reason))
    chunks = [make_chunk(answer, [delta], includes_usage=includes_usage) for delta in deltas]
    if includes_usage and answer.usage is not None:
        chunks.append(
            msgspec.structs.replace(make_chunk(answer, [], includes_usage=True), usage=answer.usage)
        )
    if answer.provenance is not None:
        chunks[-1] = msgspec.structs.replace(chunks[-1], swarm=answer.provenance)
    return tuple(chunks)


def make_chunk(answer: Answer, choices: list[ChunkChoice], *, includes_usage: bool) -> ChatCompletionChunk:
    """Return one event; `usage` is null on all but the last where it was asked for, else absent."""
    return ChatCompletionChunk(
        id=answer.id,
        object="chat.completion.chunk",
        created=answer.created,
        model=answer.model,
        choices=choices,
        system_fingerprint=answer.fingerprint,
        usage=None if includes_usage else UNSET,
    )


def _show_candidate(candidate: Candidate) -> RankedCandidate:
    return RankedCandidate(
        index=candidate.index,
        authors=list(candidate.authors),
        strength=round(candidate.strength, P_BEST_DIGITS),
        p_best=_round(candidate.p_best),
        text=candidate.text,
    )


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, P_BEST_DIGITS)
