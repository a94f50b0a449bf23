"""A model whose every call is remembered: what is known is read from the store, the rest runs in batches."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, TypeVar

import msgspec

from consensus.hashing import tagged_hash
from evaluation.batches import Request, cut_batches
from evaluation.store import CallStore, StoredCall
from models.contract import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Model,
    ModelInfo,
    Score,
    ScoreRequest,
)
from models.errors import ModelError
from models.judges.replies import answer_calls, run_each
from models.judges.task import Call, Reply

FAILURES_IN_A_ROW_MAX: Final = 32
"""Calls that fail one after another before the run stops: then it is not the questions."""

Result = Generation | Score | Choice
Asked = TypeVar("Asked", GenerateRequest, ScoreRequest, ChoiceRequest)
Done = TypeVar("Done", Generation, Score, Choice)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDone:
    """Told after every batch.

    Attributes:
        kind: What was called: generate, score or choose.
        model: Digest of the model.
        calls: How many calls it had.
        computed: How many of them ran just now; the others were known.
        seconds: What these took.
        done: Calls of the whole lot that are done, those of this batch included.
        total: Calls of the whole lot.
        is_first: Whether a new lot begins with it.
    """

    kind: str
    model: bytes
    calls: int
    computed: int
    seconds: float
    done: int
    total: int
    is_first: bool


Listener = Callable[[BatchDone], None]


def compute_call_key(digest: bytes, request: Request) -> bytes:
    """Return the SHA-256 of everything that a call's result depends on.

    At temperature 0 no noise is drawn, so that seeds and seats play no part. A field at its default is left
    out: one that requests get later changes no key of before.

    Args:
        digest: Of the model.
        request: Any.
    """
    if isinstance(request, GenerateRequest) and request.temperature_milli == 0:
        request = replace(request, noise_seed=b"", seat_key=b"")
    given = [(one.name, getattr(request, one.name), one.default) for one in fields(request)]
    parts = [
        part
        for name, value, default in given
        if value != default
        for part in (name.encode("ascii"), msgspec.msgpack.encode(value))
    ]
    return tagged_hash(f"evaluation-{type(request).__name__}", digest, *parts)


class CachedModel:
    """Calls of one model, each made once.

    Args:
        info: What the model is.
        store: Where results are kept.
        open_fresh: Returns the model, in a state in which it has run nothing; None reads only, and what is
            not known has failed.
        listener: Told after every batch.
    """

    def __init__(
        self,
        *,
        info: ModelInfo,
        store: CallStore,
        open_fresh: Callable[[], Model] | None,
        listener: Listener | None = None,
    ) -> None:
        self._info = info
        self._store = store
        self._open_fresh = open_fresh
        self._listener = listener
        self._failures = 0

    def info(self) -> ModelInfo:
        """Return what the model is."""
        return self._info

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation | ModelError]:
        """Generate, or read what was generated.

        A lot of requests begins on a fresh model: what a backend keeps of earlier prompts may change the last
        bits of what it says, and must not depend on what was known already.

        Args:
            requests: Any number.

        Returns:
            One result per request, in order; an error is not kept, so that it is tried again next time.

        Raises:
            ModelError: The model cannot be opened, or FAILURES_IN_A_ROW_MAX calls failed one after another.
            StoreError: The store cannot be read or written.
        """
        return self._run("generate", requests, lambda model: model.generate, Generation)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score | ModelError]:
        """Score, or read what was scored; see `generate`."""
        return self._run("score", requests, lambda model: model.score, Score)

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice | ModelError]:
        """Choose, or read what was chosen; see `generate`."""
        return self._run("choose", requests, lambda model: model.choose, Choice)

    def reply(self, calls: Sequence[Call]) -> tuple[Reply, ...]:
        """Answer calls of any kind, in order, each kind in batches of its own; see `generate`."""
        return answer_calls(calls, generate=self.generate, score=self.score, choose=self.choose)

    def _run(
        self,
        kind: str,
        requests: Sequence[Asked],
        get_run: Callable[[Model], Callable[[Sequence[Asked]], list[Done]]],
        result: type[Done],
    ) -> list[Done | ModelError]:
        keys = [compute_call_key(self._info.digest, request) for request in requests]
        distinct = dict(zip(keys, requests, strict=True))
        unique, asked = list(distinct), list(distinct.values())
        done: dict[bytes, Done | ModelError] = {}
        run: Callable[[Sequence[Asked]], list[Done]] | None = None
        for place, batch in enumerate(cut_batches(asked)):
            batch_keys = [unique[index] for index in batch]
            known = self._store.find(batch_keys)
            done |= {key: msgspec.msgpack.decode(value, type=result) for key, value in known.items()}
            absent = [(unique[index], asked[index]) for index in batch if unique[index] not in known]
            if absent and run is None and self._open_fresh is not None:
                run = get_run(self._open_fresh())
            seconds = self._compute(kind, absent, run, done) if absent else 0.0
            if self._listener is not None:
                self._listener(
                    BatchDone(
                        kind=kind,
                        model=self._info.digest,
                        calls=len(batch),
                        computed=len(absent) if run is not None else 0,
                        seconds=seconds,
                        done=len(done),
                        total=len(asked),
                        is_first=place == 0,
                    )
                )
        return [done[key] for key in keys]

    def _compute(
        self,
        kind: str,
        absent: Sequence[tuple[bytes, Asked]],
        run: Callable[[Sequence[Asked]], list[Done]] | None,
        done: dict[bytes, Done | ModelError],
    ) -> float:
        """Run what is not known, keep it as one transaction, and return the seconds it took."""
        if run is None:
            done |= {key: ModelError("this call was never answered") for key, _ in absent}
            return 0.0
        started = time.perf_counter()
        results = run_each(run, [request for _, request in absent])
        seconds = time.perf_counter() - started
        share = seconds / len(absent)
        calls = []
        for (key, _), result in zip(absent, results, strict=True):
            done[key] = result
            if not isinstance(result, ModelError):
                calls.append(StoredCall(key, share, msgspec.msgpack.encode(result)))
        self._store.add(calls, kind=kind, model=self._info.digest)
        self._count_failures(results)
        return seconds

    def _count_failures(self, results: Sequence[Result | ModelError]) -> None:
        for result in results:
            self._failures = self._failures + 1 if isinstance(result, ModelError) else 0
            if isinstance(result, ModelError) and self._failures >= FAILURES_IN_A_ROW_MAX:
                raise ModelError(
                    f"{self._failures} calls in a row have failed, the last one with: {result.message}",
                    remedy=result.remedy or "mend that, then resume: what was answered is kept",
                ) from result
