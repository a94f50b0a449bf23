"""The batching policy: pending requests in, batches out; no clock, no threads, no model.

The oldest request decides the kind of the next batch, and requests of that kind join it strictly in order of
arrival until one does not fit. So nobody is overtaken within a kind, and no kind starves another.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from models.contract import ChoiceRequest, GenerateRequest, ScoreRequest
from models.errors import ModelError

Request = TypeVar("Request", GenerateRequest, ScoreRequest, ChoiceRequest)

# A token of the embedded model covers about four bytes of English; three errs towards smaller batches.
BYTES_PER_TOKEN = 3


class BatchKind(Enum):
    """What a batch asks of the model."""

    GENERATE = "generate"
    SCORE = "score"
    CHOOSE = "choose"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """Bounds of a batch and of the queue.

    Args:
        rows_max: Most requests in a batch.
        tokens_max: Most estimated tokens in a batch; a single longer request still runs, alone.
        pending_rows_max: Most requests waiting.
    """

    rows_max: int = 32
    tokens_max: int = 16_384
    pending_rows_max: int = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Generic[Request]):
    """One waiting request.

    Args:
        ticket: Number given by the owner of the queue, rising; names the request in batches.
        request: What to run.
    """

    ticket: int
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateBatch:
    """Entries to generate together."""

    entries: tuple[Entry[GenerateRequest], ...]

    def cut(self, start: int, stop: int) -> "GenerateBatch":
        """Return the part of the batch from `start` up to `stop`."""
        return GenerateBatch(entries=self.entries[start:stop])


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBatch:
    """Entries to score together."""

    entries: tuple[Entry[ScoreRequest], ...]

    def cut(self, start: int, stop: int) -> "ScoreBatch":
        """Return the part of the batch from `start` up to `stop`."""
        return ScoreBatch(entries=self.entries[start:stop])


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseBatch:
    """Entries to choose together."""

    entries: tuple[Entry[ChoiceRequest], ...]

    def cut(self, start: int, stop: int) -> "ChooseBatch":
        """Return the part of the batch from `start` up to `stop`."""
        return ChooseBatch(entries=self.entries[start:stop])


Batch = GenerateBatch | ScoreBatch | ChooseBatch


def estimate_tokens(request: GenerateRequest | ScoreRequest | ChoiceRequest) -> int:
    """Estimate a request's tokens from its bytes; the exact number is the backend's to know."""
    match request:
        case GenerateRequest(prompt=prompt, max_tokens=more):
            return _estimate_text(prompt.prefix) + _estimate_text(prompt.suffix) + more
        case ScoreRequest(context=context, continuation=continuation):
            return sum(map(_estimate_text, (context.prefix, context.suffix, continuation)))
        case ChoiceRequest(context=context, options=options):
            return sum(map(_estimate_text, (context.prefix, context.suffix, *options)))


def _estimate_text(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


class BatchQueue:
    """Waiting requests in order of arrival, one line for each kind.

    Args:
        limits: Bounds of batches and of the queue.
    """

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._generate: deque[Entry[GenerateRequest]] = deque()
        self._score: deque[Entry[ScoreRequest]] = deque()
        self._choose: deque[Entry[ChoiceRequest]] = deque()

    def __len__(self) -> int:
        return len(self._generate) + len(self._score) + len(self._choose)

    @property
    def is_batch_full(self) -> bool:
        """Whether waiting longer could not make the next batch larger in rows."""
        lengths = {
            BatchKind.GENERATE: len(self._generate),
            BatchKind.SCORE: len(self._score),
            BatchKind.CHOOSE: len(self._choose),
        }
        kind = self._get_kind()
        return kind is not None and lengths[kind] >= self._limits.rows_max

    def check_room(self, rows: int) -> None:
        """Raise ModelError unless `rows` more requests may wait."""
        if len(self) + rows > self._limits.pending_rows_max:
            raise ModelError(
                f"the model's queue holds {len(self)} requests and cannot take {rows} more; "
                f"the limit is {self._limits.pending_rows_max}",
                remedy="ask fewer questions at once, or run fewer peers in this process",
            )

    def add_generate(self, entry: Entry[GenerateRequest]) -> None:
        """Let a request wait; room is checked before by `check_room`."""
        self._generate.append(entry)

    def add_score(self, entry: Entry[ScoreRequest]) -> None:
        """Let a request wait; room is checked before by `check_room`."""
        self._score.append(entry)

    def add_choice(self, entry: Entry[ChoiceRequest]) -> None:
        """Let a request wait; room is checked before by `check_room`."""
        self._choose.append(entry)

    def discard(self, tickets: frozenset[int]) -> None:
        """Forget requests nobody waits for any more; those already in a batch are not here."""
        self._generate = deque(entry for entry in self._generate if entry.ticket not in tickets)
        self._score = deque(entry for entry in self._score if entry.ticket not in tickets)
        self._choose = deque(entry for entry in self._choose if entry.ticket not in tickets)

    def take_batch(self) -> Batch | None:
        """Remove and return the next batch, or None when nothing waits."""
        match self._get_kind():
            case None:
                return None
            case BatchKind.GENERATE:
                return GenerateBatch(entries=self._take(self._generate))
            case BatchKind.SCORE:
                return ScoreBatch(entries=self._take(self._score))
            case BatchKind.CHOOSE:
                return ChooseBatch(entries=self._take(self._choose))

    def _get_kind(self) -> BatchKind | None:
        """Return the kind of the oldest waiting request."""
        oldest = [
            (line[0].ticket, kind)
            for line, kind in (
                (self._generate, BatchKind.GENERATE),
                (self._score, BatchKind.SCORE),
                (self._choose, BatchKind.CHOOSE),
            )
            if line
        ]
        return min(oldest, key=lambda found: found[0])[1] if oldest else None

    def _take(self, line: deque[Entry[Request]]) -> tuple[Entry[Request], ...]:
        taken: list[Entry[Request]] = []
        tokens = 0
        while line and len(taken) < self._limits.rows_max:
            tokens += estimate_tokens(line[0].request)
            if taken and tokens > self._limits.tokens_max:
                break
            taken.append(line.popleft())
        return tuple(taken)
