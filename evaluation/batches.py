"""Which requests run together: a pure function of the requests, whatever is known already.

Rows are sorted by prefix, so that a backend runs each prefix once. Where peers share a prefix over many
questions a batch holds one prefix only: how it is computed then never depends on what ran before, to the last
bit. Prefixes that occur once are packed, each whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
    """Return the bytes to score, which no tokeniser splits into more tokens; 1 where none are."""
    match request:
        case GenerateRequest():
            return 1
        case ScoreRequest(continuation=text):
            return len(text.encode("utf-8", "surrogatepass"))
        case ChoiceRequest(options=options):
            return sum(len(text.encode("utf-8", "surrogatepass")) for text in options)


def cut_batches(
    requests: Sequence[Request], *, has_shared_prefixes: bool, bounds: Bounds = DEFAULT_BOUNDS
) -> list[list[int]]:
    """Cut requests into batches.

    Args:
        requests: All of one kind, those included whose results are known.
        has_shared_prefixes: Whether prefixes come back in other batches and calls; then a batch has only one.
        bounds: Limits of a batch.

    Returns:
        Indices of the requests, each once; requests of one context stand side by side.
    """
    contexts: dict[Prompt, list[int]] = {}
    for index, request in enumerate(requests):
        contexts.setdefault(get_context(request), []).append(index)
    ordered = sorted(contexts, key=lambda prompt: (prompt.prefix, len(prompt.suffix), prompt.suffix))
    batches: list[list[int]] = []
    rows, tokens, columns, prefix = 0, 0, 0, ""
    for prompt in ordered:
        group = contexts[prompt]
        group_rows = len(group) if isinstance(requests[group[0]], GenerateRequest) else 1
        group_tokens = sum(estimate_tokens(requests[index]) for index in group)
        group_columns = sum(_count_columns(requests[index]) for index in group)
        is_full = (
            rows + group_rows > bounds.rows_max
            or tokens + group_tokens > bounds.tokens_max
            or (rows + group_rows) * max(columns, group_columns) > bounds.columns_max
            or (has_shared_prefixes and prompt.prefix != prefix)
        )
        if not batches or is_full:
            batches.append([])
            rows, tokens, columns, prefix = 0, 0, 0, prompt.prefix
        batches[-1] += group
        rows, tokens, columns = rows + group_rows, tokens + group_tokens, max(columns, group_columns)
    return batches
