"""Key-value rows: prefix cache, padded batches and attention masks of the torch backend (imports torch)."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Bounds the prefix cache: 46 KB a token for the embedded model in fp32, so about 380 MB.
PREFIX_CACHE_TOKENS_MAX = 8_192

SEGMENT_PAD = -1
SEGMENT_CONTEXT = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerState:
    """Keys and values of one layer, `(rows, heads, tokens, head size) float32` each."""

    keys: Tensor
    values: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """A prefix that was run once: its length in tokens and its layers, one row each."""

    tokens: int
    layers: tuple[LayerState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a batch.

    Args:
        prefix: Already run; may have no tokens.
        suffix: Token ids to run after it, at least one.
        branches: Token ids that continue the context independently of each other.
    """

    prefix: Prefix
    suffix: Sequence[int]
    branches: tuple[Sequence[int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A batch laid out for one forward pass; all tensors on the model's device.

    Columns are: prefixes (padded on the left), suffixes (padded on the left), branches (padded on the right).

    Args:
        past: Prefix keys and values; empty when no row has a prefix.
        ids: `(rows, queries) int64`.
        positions: `(rows, queries) int64`; branches of a row restart at the same position.
        mask: `(rows, 1, queries, columns) bool`, True where attention is allowed.
        valid: `(rows, columns) bool`, False for padding.
        branch_columns: Number of trailing query columns that belong to branches.
    """

    past: tuple[LayerState, ...]
    ids: Tensor
    positions: Tensor
    mask: Tensor
    valid: Tensor
    branch_columns: int


class PrefixCache:
    """Least-recently-used store of run prefixes, bounded by PREFIX_CACHE_TOKENS_MAX."""

    def __init__(self, tokens_max: int = PREFIX_CACHE_TOKENS_MAX) -> None:
        self._entries: OrderedDict[str, Prefix] = OrderedDict()
        self._tokens = 0
        self._tokens_max = tokens_max

    @property
    def tokens(self) -> int:
        """Number of tokens held."""
        return self._tokens

    def find(self, text: str) -> Prefix | None:
        """Return the entry of `text`, now the most recently used, or None."""
        entry = self._entries.get(text)
        if entry is not None:
            self._entries.move_to_end(text)
        return entry

    def add(self, text: str, entry: Prefix) -> None:
        """Keep `entry`, dropping the least recently used ones beyond the limit; a longer one is not kept."""
        if entry.tokens > self._tokens_max or text in self._entries:
            return
        self._entries[text] = entry
        self._tokens += entry.tokens
        while self._tokens > self._tokens_max:
            _, dropped = self._entries.popitem(last=False)
            self._tokens -= dropped.tokens


def compute_layout(rows: Sequence[Row], device: torch.device) -> Layout:
    """Lay rows out side by side.

    Args:
        rows: At least one.
        device: Where the tensors go.

    Returns:
        The layout. Every query may attend to itself, padding included, so no softmax runs over nothing.
    """
    past_max = max(row.prefix.tokens for row in rows)
    suffix_max = max(len(row.suffix) for row in rows)
    branch_max = max(sum(map(len, row.branches)) for row in rows)
    ids = torch.zeros(len(rows), suffix_max + branch_max, dtype=torch.int64)
    positions = torch.zeros_like(ids)
    segments = torch.full_like(ids, SEGMENT_PAD)
    past_valid = torch.zeros(len(rows), past_max, dtype=torch.bool)
    for index, row in enumerate(rows):
        past_valid[index, past_max - row.prefix.tokens :] = True
        spans = [(suffix_max - len(row.suffix), row.prefix.tokens, row.suffix)]
        column = suffix_max
        for branch in row.branches:
            spans.append((column, row.prefix.tokens + len(row.suffix), branch))
            column += len(branch)
        for segment, (start, position, tokens) in enumerate(spans, start=SEGMENT_CONTEXT):
            stop = start + len(tokens)
            ids[index, start:stop] = torch.tensor(tokens, dtype=torch.int64)
            positions[index, start:stop] = torch.arange(position, position + len(tokens))
            segments[index, start:stop] = segment
    return Layout(
        past=_stack_prefixes([row.prefix for row in rows], past_max),
        ids=ids.to(device),
        positions=positions.to(device),
        mask=_compute_mask(past_valid, segments).to(device),
        valid=torch.cat([past_valid, segments != SEGMENT_PAD], dim=1).to(device),
        branch_columns=branch_max,
    )


def _compute_mask(past_valid: Tensor, segments: Tensor) -> Tensor:
    rows, queries = segments.shape
    of_query, of_key = segments[:, :, None], segments[:, None, :]
    causal = torch.ones(queries, queries, dtype=torch.bool).tril()
    visible = (of_key == SEGMENT_CONTEXT) | ((of_key == of_query) & (of_key != SEGMENT_PAD))
    own = torch.eye(queries, dtype=torch.bool)
    past = past_valid[:, None, :].expand(rows, queries, past_valid.shape[1])
    return torch.cat([past, (visible & causal) | own], dim=2)[:, None]


def _stack_prefixes(prefixes: Sequence[Prefix], past_max: int) -> tuple[LayerState, ...]:
    if past_max == 0:
        return ()
    longest = max(prefixes, key=lambda prefix: prefix.tokens)
    layers = []
    for depth, sample in enumerate(longest.layers):
        shape = (len(prefixes), *sample.keys.shape[1:])
        keys, values = (
            sample.keys.new_zeros(shape),
            sample.values.new_zeros((len(prefixes), *sample.values.shape[1:])),
        )
        for index, prefix in enumerate(prefixes):
            if prefix.tokens:
                keys[index, :, past_max - prefix.tokens :] = prefix.layers[depth].keys[0]
                values[index, :, past_max - prefix.tokens :] = prefix.layers[depth].values[0]
        layers.append(LayerState(keys=keys, values=values))
    return tuple(layers)
