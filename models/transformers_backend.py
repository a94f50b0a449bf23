"""The transformers backend: batched decoding and scoring with replayable noise (imports torch)."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from models.choices import check_choice_request, normalise_logprobs
from models.contract import (
    Choice,
    ChoiceRequest,
    Finish,
    GenerateRequest,
    Generation,
    ModelInfo,
    Prompt,
    Score,
    ScoreRequest,
)
from models.devices import choose_device
from models.errors import ModelError
from models.kv_rows import LayerState, Layout, Prefix, PrefixCache, Row, compute_layout
from models.sampling import sample_token
from models.states import check_states
from models.tokens import PlainTokenizer
from models.transformers_loading import get_context_tokens, load_weights
from models.weights import TOKENIZER_NAME, compute_weights_digest

# A larger call is cut into passes of this many rows, whatever the batching policy in front allows.
ROWS_MAX = 64
# Branches of one context packed into a row; beyond it another row is opened. Bounds the logits of a pass.
PACKED_TOKENS_MAX = 256
NO_PREFIX = Prefix(tokens=0, layers=())


@dataclass(slots=True)
class _Decoding:
    """One row while it is decoded."""

    request: GenerateRequest
    prompt_tokens: int
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    result: Generation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """A tokenised prompt."""

    prefix_text: str
    prefix: list[int]
    suffix: list[int]

    @property
    def tokens(self) -> int:
        return len(self.prefix) + len(self.suffix)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Branch:
    """One continuation of a packed row, which request it answers, and whose layers' states that wants."""

    index: int
    tokens: list[int]
    layers: tuple[int, ...]

    @property
    def run(self) -> list[int]:
        """Tokens to run: the last one predicts nothing that is asked for, but may have a state that is."""
        return self.tokens if self.layers else self.tokens[:-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Passed:
    """What a pass gives: logits, and the states after every layer where they were wanted.

    Both end in the branches' columns: `(rows, 1 + branch columns, vocab) float32`, and a layer
    `(rows, queries, width) float32`, the embeddings first.
    """

    logits: Tensor
    states: tuple[Tensor, ...]


@dataclass(slots=True)
class _Weights:
    """A copy of the weights in one precision, and the prefixes that were run with it."""

    model: PreTrainedModel
    prefixes: PrefixCache = field(default_factory=PrefixCache)


class TransformersModel:
    """A causal language model from a local directory.

    Args:
        directory: Holds `config.json`, `tokenizer.json` and safetensors weights.
        name: Name for people.
        family: Model family; the configuration's own word for it when None.
        digest: SHA-256 of the weights where the caller has just checked it; computed when None.
        device: `auto`, `cpu`, `cuda` or `cuda:N`; `auto` when None.
        threads: torch's CPU threads in this process; its own default when None.
        generate_dtype: In what answers are computed; bfloat16 on CUDA and float32 on the CPU when None.
            Scores are computed in float32 always: in bfloat16 many pairs tie.
        alter: Changes the model in place once it is loaded, in either precision; `digest` must tell of it.

    Raises:
        ModelError: Something is absent, damaged, or of a kind this backend cannot run exactly.
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str,
        family: str | None = None,
        digest: bytes | None = None,
        device: str | None = None,
        threads: int | None = None,
        generate_dtype: torch.dtype | None = None,
        alter: Callable[[PreTrainedModel], None] = lambda _: None,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = choose_device(device)
        if self._device.type == "cuda":
            torch.set_float32_matmul_precision("highest")
        digest = compute_weights_digest(directory) if digest is None else digest
        self._tokenizer = PlainTokenizer(directory / TOKENIZER_NAME)
        # from_pretrained leaves it in evaluation mode.
        model = load_weights(directory, torch.float32)
        alter(model)
        torch.nn.Module.to(model, self._device)
        self._scoring = self._generating = _Weights(model)
        if generate_dtype is None:
            generate_dtype = torch.bfloat16 if self._device.type == "cuda" else torch.float32
        if generate_dtype is not torch.float32:
            rounded = load_weights(directory, generate_dtype)
            alter(rounded)
            torch.nn.Module.to(rounded, self._device)
            self._generating = _Weights(rounded)
        config = model.config.get_text_config(decoder=True)
        self._info = ModelInfo(
            name=name,
            digest=digest,
            family=str(config.model_type) if family is None else family,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            context_tokens=get_context_tokens(config),
            device=str(self._device),
            has_replayable_sampling=True,
            has_logprobs=True,
            has_choices=True,
            layers=int(config.num_hidden_layers),
        )
        self._is_interrupted = threading.Event()

    def info(self) -> ModelInfo:
        """Return what is loaded and what it supports."""
        return self._info

    def interrupt(self) -> None:
        """Make the running call raise ModelError before its next forward pass."""
        self._is_interrupted.set()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        """Sample one continuation per request; see `Model.generate`."""
        with self._running():
            contexts = [self._check_generate(request) for request in requests]
            results: list[Generation] = []
            for start in range(0, len(requests), ROWS_MAX):
                stop = start + ROWS_MAX
                results += self._generate_pass(requests[start:stop], contexts[start:stop])
            return results

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Compute each continuation's log-probability; see `Model.score`.

        Continuations of one context share a row and are masked from each other, so the context runs once.
        """
        check_states(requests, self._info)
        with self._running():
            grouped: dict[Prompt, list[_Branch]] = {}
            for index, request in enumerate(requests):
                tokens = self._tokenizer.encode(request.continuation)
                branch = _Branch(index=index, tokens=tokens, layers=request.state_layers)
                grouped.setdefault(request.context, []).append(branch)
            packed: list[tuple[_Context, list[_Branch]]] = []
            for prompt, branches in grouped.items():
                context = self._tokenise(prompt, max(len(branch.tokens) for branch in branches))
                packed += [(context, pack) for pack in _pack(branches)]
            scores: dict[int, Score] = {}
            for start in range(0, len(packed), ROWS_MAX):
                scores |= self._score_pass(packed[start : start + ROWS_MAX])
            return [scores[index] for index in range(len(requests))]

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Share probability between options, from the scores of each; see `Model.choose`."""
        for request in requests:
            check_choice_request(request)
        scores = iter(
            self.score(
                [
                    ScoreRequest(context=request.context, continuation=option)
                    for request in requests
                    for option in request.options
                ]
            )
        )
        return [
            Choice(
                logprobs=normalise_logprobs([next(scores).logprob for _ in request.options]),
                prompt_tokens=self._tokenise(request.context, 0).tokens,
            )
            for request in requests
        ]

    @contextmanager
    def _running(self) -> Iterator[None]:
        self._is_interrupted.clear()
        try:
            with torch.inference_mode():
                yield
        except (RuntimeError, MemoryError) as exc:
            raise ModelError(
                f"{self._info.name} failed on {self._info.device}: {exc}",
                remedy="free memory, or ask fewer peers or for shorter answers",
            ) from exc

    def _check_generate(self, request: GenerateRequest) -> _Context:
        if request.max_tokens < 1:
            raise ModelError(f"max_tokens is {request.max_tokens}, expected at least 1")
        if request.temperature_milli < 0:
            raise ModelError(f"temperature_milli is {request.temperature_milli}, expected at least 0")
        return self._tokenise(request.prompt, request.max_tokens)

    def _tokenise(self, prompt: Prompt, room: int) -> _Context:
        if not prompt.text:
            raise ModelError("the prompt is empty", remedy="ask something")
        # The last token must be run to predict the next one, so a prompt without a suffix is all suffix.
        prefix_text, suffix_text = (prompt.prefix, prompt.suffix) if prompt.suffix else ("", prompt.prefix)
        prefix, suffix = self._tokenizer.encode(prefix_text), self._tokenizer.encode(suffix_text)
        if prefix:
            prefix = [*self._tokenizer.start_ids, *prefix]
        else:
            suffix = [*self._tokenizer.start_ids, *suffix]
        context = _Context(prefix_text=prefix_text, prefix=prefix, suffix=suffix)
        if context.tokens + room > self._info.context_tokens:
            raise ModelError(
                f"the prompt has {context.tokens} tokens and the answer {room}, together more than the "
                f"context length of {self._info.name}, {self._info.context_tokens} tokens",
                remedy="shorten the question or ask for a shorter answer",
            )
        return context

    def _generate_pass(
        self, requests: Sequence[GenerateRequest], contexts: Sequence[_Context]
    ) -> list[Generation]:
        prefixes = self._run_prefixes(self._generating, contexts)
        layout = compute_layout(
            [Row(prefix=prefixes[c.prefix_text], suffix=c.suffix) for c in contexts], self._device
        )
        cache = _build_cache(layout.past)
        logits = self._forward(self._generating, layout, cache).logits[:, -1]
        valid, positions = layout.valid, layout.positions[:, -1]
        rows = [
            _Decoding(request, context.tokens) for request, context in zip(requests, contexts, strict=True)
        ]
        alive = rows
        while True:
            self._choose_tokens(alive, logits)
            kept = [index for index, row in enumerate(alive) if row.result is None]
            if not kept:
                break
            if len(kept) < len(alive):
                chosen = torch.tensor(kept, device=self._device)
                cache.batch_select_indices(chosen)
                valid, positions = valid[chosen], positions[chosen]
                alive = [alive[index] for index in kept]
            ids = torch.tensor([[row.tokens[-1]] for row in alive], device=self._device)
            valid = torch.cat([valid, valid.new_ones(len(alive), 1)], dim=1)
            positions = positions + 1
            step = Layout(
                past=(),
                ids=ids,
                positions=positions[:, None],
                mask=valid[:, None, None],
                valid=valid,
                branch_columns=0,
            )
            logits = self._forward(self._generating, step, cache).logits[:, -1]
        return [row.result for row in rows if row.result is not None]

    def _choose_tokens(self, rows: Sequence[_Decoding], logits: Tensor) -> None:
        logprobs = torch.log_softmax(logits, dim=-1)
        on_host: NDArray[np.float32] = logits.cpu().numpy()
        for index, row in enumerate(rows):
            request = row.request
            token = sample_token(
                on_host[index],
                noise_seed=request.noise_seed,
                seat_key=request.seat_key,
                position=len(row.tokens),
                temperature_milli=request.temperature_milli,
            )
            row.tokens.append(token)
            row.logprob += float(logprobs[index, token])
            row.result = self._finish(row)

    def _finish(self, row: _Decoding) -> Generation | None:
        is_end = row.tokens[-1] in self._tokenizer.end_ids
        text = self._tokenizer.decode(row.tokens[:-1] if is_end else row.tokens)
        cuts = [place for place in (text.find(stop) for stop in row.request.stop if stop) if place >= 0]
        if not (is_end or cuts or len(row.tokens) == row.request.max_tokens):
            return None
        return Generation(
            text=text[: min(cuts)] if cuts else text,
            tokens=tuple(row.tokens),
            finish=Finish.STOP if is_end or cuts else Finish.LENGTH,
            prompt_tokens=row.prompt_tokens,
            logprob=row.logprob,
        )

    def _score_pass(self, packed: Sequence[tuple[_Context, list[_Branch]]]) -> dict[int, Score]:
        prefixes = self._run_prefixes(self._scoring, [context for context, _ in packed])
        rows = [
            Row(
                prefix=prefixes[context.prefix_text],
                suffix=context.suffix,
                branches=tuple(branch.run for branch in branches),
            )
            for context, branches in packed
        ]
        layout = compute_layout(rows, self._device)
        passed = self._forward(
            self._scoring,
            layout,
            _build_cache(layout.past),
            wants_states=any(branch.layers for _, branches in packed for branch in branches),
        )
        scores = {}
        for index, (_, branches) in enumerate(packed):
            start = 1
            for branch in branches:
                # Column 0 is the end of the context and predicts the first token of every branch.
                columns = [0, *range(start, start + len(branch.run))][: len(branch.tokens)]
                start += len(branch.run)
                predicted = torch.log_softmax(passed.logits[index, columns], dim=-1)
                targets = torch.tensor(branch.tokens, device=self._device, dtype=torch.int64)
                logprob = predicted.gather(1, targets[:, None]).sum(dtype=torch.float64)
                end = start - 2 - layout.branch_columns  # its last token, counted back from the last column
                states = tuple(tuple(passed.states[layer][index, end].tolist()) for layer in branch.layers)
                scores[branch.index] = Score(logprob=float(logprob), tokens=len(branch.tokens), states=states)
        return scores

    def _run_prefixes(self, weights: _Weights, contexts: Sequence[_Context]) -> dict[str, Prefix]:
        """Return the run prefix of every context, running absent ones in one padded batch."""
        found: dict[str, Prefix] = {"": NO_PREFIX}
        absent: dict[str, list[int]] = {}
        for context in contexts:
            text = context.prefix_text
            entry = weights.prefixes.find(text)
            if entry is not None:
                found[text] = entry
            elif text:
                absent[text] = context.prefix
        if not absent:
            return found
        layout = compute_layout([Row(prefix=NO_PREFIX, suffix=ids) for ids in absent.values()], self._device)
        cache = _build_cache(())
        self._forward(weights, layout, cache)
        for index, (text, ids) in enumerate(absent.items()):
            found[text] = Prefix(tokens=len(ids), layers=_cut_row(cache, index, len(ids)))
            weights.prefixes.add(text, found[text])
        return found

    def _forward(
        self, weights: _Weights, layout: Layout, cache: DynamicCache, *, wants_states: bool = False
    ) -> _Passed:
        """Run one pass, growing `cache`."""
        if self._is_interrupted.is_set():
            raise ModelError("the model call was given up")
        output = weights.model(
            input_ids=layout.ids,
            attention_mask=layout.mask,
            position_ids=layout.positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=layout.branch_columns + 1,
            output_hidden_states=wants_states,
        )
        logits: Tensor = output.logits
        return _Passed(
            logits=logits.float(), states=tuple(output.hidden_states or ()) if wants_states else ()
        )


def _build_cache(past: Sequence[LayerState]) -> DynamicCache:
    return (
        DynamicCache(ddp_cache_data=[(layer.keys, layer.values) for layer in past])
        if past
        else DynamicCache()
    )


def _cut_row(cache: DynamicCache, index: int, tokens: int) -> tuple[LayerState, ...]:
    """Copy the last `tokens` columns of one row out of a cache."""
    layers = []
    for layer in cache.layers:
        assert isinstance(layer, DynamicLayer)
        assert layer.keys is not None
        assert layer.values is not None
        keys, values = (part[index : index + 1, :, -tokens:].clone() for part in (layer.keys, layer.values))
        layers.append(LayerState(keys=keys, values=values))
    return tuple(layers)


def _pack(branches: Sequence[_Branch]) -> list[list[_Branch]]:
    """Split one context's branches into rows of PACKED_TOKENS_MAX tokens; a longer branch stands alone."""
    packs: list[list[_Branch]] = []
    room = 0
    for branch in branches:
        if not packs or len(branch.tokens) > room:
            packs.append([])
            room = PACKED_TOKENS_MAX
        packs[-1].append(branch)
        room -= len(branch.tokens)
    return packs
