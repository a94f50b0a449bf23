"""A model whose calls are kept on disk: recorded once from a real one, then replayed without it.

The file holds JSON lines. The first describes the model; every other is one result under the digest of all
that it depends on: the model's digest, the kind of request, the prompt in its two parts, every parameter,
noise seed and seat key. A last line without its end is what a crash left: it is passed over, and cut off
before the next write. Lines are appended under a lock, so several processes may record into one file.
"""

import dataclasses
import fcntl
import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import msgspec

from consensus.errors import ConfigError, StoreError
from models.choices import refuse_choices
from models.contract import (
    Choice,
    ChoiceRequest,
    Finish,
    GenerateRequest,
    Generation,
    Interruptible,
    Model,
    ModelInfo,
    Score,
    ScoreRequest,
)
from models.scripted import get_question
from models.states import check_states
from sim_net.models.draws import encode_text

CACHE_SCHEMA = 1
CACHE_BYTES_MAX = 1 << 30
_TAG = b"peerage/1/recorded\x00"
_QUESTION_CHARS_SHOWN = 80
RECORD_REMEDY = "run it once with models.record = true, and the same seed, peers, rounds and questions"


class MissingRecordingError(ConfigError):
    """A call that the cache does not hold.

    Not a ModelError: a node takes that for a bad day of its model and lives on, and the run would be wrong.
    """


class _ModelLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="model"):
    schema: int
    name: str
    digest: str
    family: str
    parameters: int
    context_tokens: int
    device: str
    has_replayable_sampling: bool
    has_logprobs: bool
    is_digest_declared: bool = False


class _GenerationLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="generation"):
    key: str
    question: str
    text: str
    tokens: tuple[int, ...]
    finish: str
    prompt_tokens: int
    logprob: float | None  # None: not finite, which JSON cannot say
    counted_tokens: int | None = None


class _ScoreLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="score"):
    key: str
    question: str
    logprob: float | None
    tokens: int


_Line = _ModelLine | _GenerationLine | _ScoreLine
_decoder = msgspec.json.Decoder(_Line)
_encoder = msgspec.json.Encoder()


class RecordedModel:
    """A model's calls, from a file; see the module's text.

    Args:
        path: The cache.
        inner: The model to ask for what the cache lacks; None only replays.

    Raises:
        ConfigError: There is no such file to replay, or it holds the calls of another model.
        StoreError: The file cannot be read or written, is too large, or a line within it is damaged.
    """

    def __init__(self, path: Path, inner: Model | None = None) -> None:
        self._path = path
        self._inner = inner
        self._generations: dict[bytes, Generation] = {}
        self._scores: dict[bytes, Score] = {}
        info = self._load()
        if inner is None:
            if info is None:
                raise ConfigError(f"{path} holds no recorded model", remedy=RECORD_REMEDY)
            self._info = info
            return
        # Choices and hidden states are not kept: a run that judges by them must not look replayable.
        self._info = dataclasses.replace(inner.info(), has_choices=False, layers=0)
        if info is None:
            self._append([_make_model_line(self._info)])
        elif info.digest != self._info.digest:
            raise ConfigError(
                f"{path} holds calls of {info.name} ({info.digest.hex()[:12]}), "
                f"the model to record is {self._info.name} ({self._info.digest.hex()[:12]})",
                remedy="name another cache, or the model that was recorded",
            )

    @property
    def calls(self) -> int:
        """Results at hand."""
        return len(self._generations) + len(self._scores)

    def info(self) -> ModelInfo:
        """Return what was recorded."""
        return self._info

    def interrupt(self) -> None:
        """Give up the inner model's running call, where there is one."""
        if self._inner is not None and isinstance(self._inner, Interruptible):
            self._inner.interrupt()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        """Answer each request from the cache; see `Model.generate`.

        Raises:
            MissingRecordingError: One is not in the cache, and there is no inner model.
            ModelError: The inner model failed; nothing is kept of the call then.
        """
        keys = [self._compute_generate_key(request) for request in requests]
        missing = {
            key: request for key, request in zip(keys, requests, strict=True) if key not in self._generations
        }
        if missing:
            results = self._need_inner("answer", missing.values()).generate(list(missing.values()))
            found = dict(zip(missing, results, strict=True))
            self._append(_make_generation_line(key, missing[key], result) for key, result in found.items())
            self._generations |= found
        return [self._generations[key] for key in keys]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Score each continuation from the cache; see `Model.score` and `generate`.

        Raises:
            ModelError: Hidden states are asked for, which no recording holds.
        """
        check_states(requests, self._info)
        keys = [self._compute_score_key(request) for request in requests]
        missing = {
            key: request for key, request in zip(keys, requests, strict=True) if key not in self._scores
        }
        if missing:
            results = self._need_inner("score", missing.values()).score(list(missing.values()))
            found = dict(zip(missing, results, strict=True))
            self._append(_make_score_line(key, missing[key], result) for key, result in found.items())
            self._scores |= found
        return [self._scores[key] for key in keys]

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Raise ModelError: the cache keeps answers and scores only."""
        refuse_choices(f"the recording of {self._info.name}", requests)

    # -- keys --------------------------------------------------------------------------------------

    def _compute_generate_key(self, request: GenerateRequest) -> bytes:
        bounds = b"%d/%d" % (request.temperature_milli, request.max_tokens)
        stops = [encode_text(stop) for stop in request.stop]
        prompt = (encode_text(request.prompt.prefix), encode_text(request.prompt.suffix))
        parts = (b"generate", *prompt, request.noise_seed, request.seat_key, bounds, *stops)
        return self._compute_key(parts)

    def _compute_score_key(self, request: ScoreRequest) -> bytes:
        context = (encode_text(request.context.prefix), encode_text(request.context.suffix))
        return self._compute_key((b"score", *context, encode_text(request.continuation)))

    def _compute_key(self, parts: Iterable[bytes]) -> bytes:
        hasher = hashlib.sha256(_TAG + self._info.digest)
        for part in parts:
            hasher.update(len(part).to_bytes(8, "big") + part)
        return hasher.digest()

    def _need_inner(self, kind: str, missing: Iterable[GenerateRequest | ScoreRequest]) -> Model:
        if self._inner is not None:
            return self._inner
        request = next(iter(missing))
        seat = ""
        if isinstance(request, GenerateRequest):
            seat = f" of seat {request.seat_key.hex()[:12]} under noise {request.noise_seed.hex()[:12]}"
        said = f" to {_shorten(request.continuation.strip())!r}" if isinstance(request, ScoreRequest) else ""
        raise MissingRecordingError(
            f"{self._path} holds no {kind}{seat}{said} for the question {_show_question(request)!r}",
            remedy=RECORD_REMEDY,
        )

    # -- the file ----------------------------------------------------------------------------------

    def _load(self) -> ModelInfo | None:
        """Read the file; return the model that it is about, None where there is nothing yet."""
        if not self._path.exists():
            return None
        try:
            size = self._path.stat().st_size
            if size > CACHE_BYTES_MAX:
                raise StoreError(f"{self._path} has {size} bytes, expected at most {CACHE_BYTES_MAX}")
            data = self._path.read_bytes()
        except OSError as exc:
            raise StoreError(f"{self._path} cannot be read: {exc.strerror or exc}") from exc
        whole, _, _ = data.rpartition(b"\n")
        info = None
        for number, text in enumerate(whole.split(b"\n") if whole else (), start=1):
            line = self._read_line(number, text)
            if isinstance(line, _ModelLine):
                # Two processes that began to record at once leave two first lines.
                info = _open_model_line(line) if info is None else info
            elif info is None:
                raise StoreError(f"{self._path}, line {number}: expected the model first")
            else:
                self._keep(line)
        return info

    def _read_line(self, number: int, text: bytes) -> _Line:
        try:
            line: _Line = _decoder.decode(text)
            if isinstance(line, _ModelLine):
                _open_model_line(line)
            else:
                bytes.fromhex(line.key)
            if isinstance(line, _GenerationLine):
                Finish(line.finish)
        except (msgspec.DecodeError, ValueError) as exc:
            raise StoreError(
                f"{self._path}, line {number}: got no recorded call ({exc})",
                remedy="remove that line, then record what it held again",
            ) from exc
        return line

    def _keep(self, line: _GenerationLine | _ScoreLine) -> None:
        key = bytes.fromhex(line.key)
        logprob = -math.inf if line.logprob is None else line.logprob
        if isinstance(line, _ScoreLine):
            self._scores.setdefault(key, Score(logprob=logprob, tokens=line.tokens))
            return
        generation = Generation(
            text=line.text,
            tokens=line.tokens,
            finish=Finish(line.finish),
            prompt_tokens=line.prompt_tokens,
            logprob=logprob,
            counted_tokens=line.counted_tokens,
        )
        self._generations.setdefault(key, generation)

    def _append(self, lines: Iterable[_Line]) -> None:
        data = b"".join(_encoder.encode(line) + b"\n" for line in lines)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                _cut_torn_line(file)
                file.write(data)
        except OSError as exc:
            raise StoreError(f"{self._path} cannot be written: {exc.strerror or exc}") from exc


def _cut_torn_line(file: IO[bytes]) -> None:
    """Cut off what a crash left behind the last whole line."""
    end = file.seek(0, 2)
    place = end
    while place > 0:
        start = max(place - 4_096, 0)
        file.seek(start)
        newline = file.read(place - start).rfind(b"\n")
        if newline >= 0:
            place = start + newline + 1
            break
        place = start
    if place < end:
        file.truncate(place)


def _shorten(text: str) -> str:
    return text if len(text) <= _QUESTION_CHARS_SHOWN else text[: _QUESTION_CHARS_SHOWN - 3] + "..."


def _show_question(request: GenerateRequest | ScoreRequest) -> str:
    prompt = request.prompt if isinstance(request, GenerateRequest) else request.context
    return _shorten(get_question(prompt))


def _compute_finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _make_model_line(info: ModelInfo) -> _ModelLine:
    return _ModelLine(
        schema=CACHE_SCHEMA,
        name=info.name,
        digest=info.digest.hex(),
        family=info.family,
        parameters=info.parameters,
        context_tokens=info.context_tokens,
        device=info.device,
        has_replayable_sampling=info.has_replayable_sampling,
        has_logprobs=info.has_logprobs,
        is_digest_declared=info.is_digest_declared,
    )


def _open_model_line(line: _ModelLine) -> ModelInfo:
    if line.schema != CACHE_SCHEMA:
        raise ValueError(f"schema {line.schema}, expected {CACHE_SCHEMA}")
    return ModelInfo(
        name=line.name,
        digest=bytes.fromhex(line.digest),
        family=line.family,
        parameters=line.parameters,
        context_tokens=line.context_tokens,
        device=line.device,
        has_replayable_sampling=line.has_replayable_sampling,
        has_logprobs=line.has_logprobs,
        has_choices=False,
        is_digest_declared=line.is_digest_declared,
    )


def _make_generation_line(key: bytes, request: GenerateRequest, result: Generation) -> _GenerationLine:
    return _GenerationLine(
        key=key.hex(),
        question=_show_question(request),
        text=result.text,
        tokens=result.tokens,
        finish=result.finish.value,
        prompt_tokens=result.prompt_tokens,
        logprob=_compute_finite(result.logprob),
        counted_tokens=result.counted_tokens,
    )


def _make_score_line(key: bytes, request: ScoreRequest, result: Score) -> _ScoreLine:
    return _ScoreLine(
        key=key.hex(),
        question=_show_question(request),
        logprob=_compute_finite(result.logprob),
        tokens=result.tokens,
    )
