"""Which requests run together: a pure function of the requests, whatever is known already.

A prefix is in one batch only, or, where it has more rows than a batch holds, in batches of its own. How a
backend computes it then never depends on where a run was interrupted, to the last bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

from models.batching import estimate_tokens
from models.contract import ChoiceRequest, GenerateRequest, Prompt, ScoreRequest

Request = GenerateRequest | ScoreRequest | ChoiceRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits of one batch; a larger group of one context still runs, alone.

    Args:
        rows_max: Most contexts.
        tokens_max: Most estimated tokens.
        columns_max: Most contexts times bytes to score after one of them: what its logits take.
    """

    rows_max: int = 64
    tokens_max: int = 32_768
    columns_max: int = 4_096


DEFAULT_BOUNDS: Final = Bounds()


def get_context(request: Request) -> Prompt:
    """Return the prompt of a request."""
    return request.prompt if isinstance(request, GenerateRequest) else request.context


def _count_columns(request: Request) -> int:
    """Return the bytes to score, which no tokeniser splits into more tokens."""
    match request:
        case GenerateRequest():
            return 0
        case ScoreRequest(continuation=text):
            return len(text.encode("utf-8", "surrogatepass"))
        case ChoiceRequest(options=options):
            return sum(len(text.encode("utf-8", "surrogatepass")) for text in options)


@dataclass(frozen=True, slots=True)
class _Group:
    """Requests that stay together, and what they take: all of one context, or of one prefix."""

    indices: tuple[int, ...]
    rows: int
    tokens: int
    columns: int

    def join(self, other: "_Group") -> "_Group":
        return _Group(
            self.indices + other.indices,
            self.rows + other.rows,
            self.tokens + other.tokens,
            max(self.columns, other.columns),
        )

    def is_within(self, bounds: Bounds) -> bool:
        is_short = self.rows <= bounds.rows_max and self.tokens <= bounds.tokens_max
        return is_short and self.rows * self.columns <= bounds.columns_max


def cut_batches(requests: Sequence[Request], *, bounds: Bounds = DEFAULT_BOUNDS) -> list[list[int]]:
    """Cut requests into batches.

    Args:
        requests: All of one kind, those included whose results are known.
        bounds: Limits of a batch.

    Returns:
        Indices of the requests, each once; requests of one context stand side by side.
    """
    contexts: dict[Prompt, list[int]] = {}
    for index, request in enumerate(requests):
        contexts.setdefault(get_context(request), []).append(index)
    prefixes: dict[str, list[_Group]] = {}
    # Rows of like length run together, so that little is padded.
    for prompt in sorted(contexts, key=_compute_place):
        prefixes.setdefault(prompt.prefix, []).append(_make_group(requests, contexts[prompt]))
    batches: list[_Group] = []
    is_open = False
    for groups in prefixes.values():
        whole = reduce(_Group.join, groups)
        if whole.is_within(bounds):
            if is_open and batches[-1].join(whole).is_within(bounds):
                batches[-1] = batches[-1].join(whole)
            else:
                batches.append(whole)
            is_open = True
            continue
        batches += _pack(groups, bounds)
        is_open = False
    return [list(batch.indices) for batch in batches]


def _compute_place(prompt: Prompt) -> tuple[int, str, int, str]:
    return len(prompt.prefix), prompt.prefix, len(prompt.suffix), prompt.suffix


def _make_group(requests: Sequence[Request], indices: Sequence[int]) -> _Group:
    """Return the requests of one context; its scores share a row, its generations do not."""
    own = [requests[index] for index in indices]
    return _Group(
        indices=tuple(indices),
        rows=len(own) if isinstance(own[0], GenerateRequest) else 1,
        tokens=sum(estimate_tokens(request) for request in own),
        columns=sum(_count_columns(request) for request in own),
    )


def _pack(groups: Sequence[_Group], bounds: Bounds) -> list[_Group]:
    """Pack the contexts of one prefix into batches of its own."""
    batches = [groups[0]]
    for group in groups[1:]:
        joined = batches[-1].join(group)
        if joined.is_within(bounds):
            batches[-1] = joined
        else:
            batches.append(group)
    return batches
