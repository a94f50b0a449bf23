import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.calls import FAILURES_IN_A_ROW_MAX, BatchDone, CachedModel, compute_call_key
from evaluation.store import CallStore
from models.contract import (
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Prompt,
    Score,
    ScoreRequest,
)
from models.errors import ModelError
from models.scripted import ScriptedModel

DIGEST = bytes(32)
GENERATE = GenerateRequest(
    prompt=Prompt(prefix="Shots\n", suffix="Question: q\nAnswer:"),
    noise_seed=b"noise",
    seat_key=b"seat",
    temperature_milli=300,
    max_tokens=8,
    stop=("\n",),
)
SCORE = ScoreRequest(context=GENERATE.prompt, continuation=" 5\n")
CHOOSE = ChoiceRequest(context=GENERATE.prompt, options=(" A", " B"))


class Counting(ScriptedModel):
    """Counts what it is asked, and refuses questions with `bad` in them."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        if any("bad" in request.prompt.suffix for request in requests):
            raise ModelError("refused", remedy="ask better")
        self.asked += len(requests)
        return super().generate(requests)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        self.asked += len(requests)
        return [Score(logprob=-math.inf, tokens=1) for _ in requests]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CallStore]:
    with CallStore(tmp_path / "calls.sqlite3") as opened:
        yield opened


def make_cached(store: CallStore, model: Counting | None = None) -> tuple[CachedModel, list[BatchDone]]:
    told: list[BatchDone] = []
    open_fresh = None if model is None else lambda: model
    return CachedModel(
        info=ScriptedModel().info(), store=store, open_fresh=open_fresh, listener=told.append
    ), told


def make_requests(*suffixes: str) -> list[GenerateRequest]:
    return [replace(GENERATE, prompt=Prompt(prefix="p", suffix=suffix)) for suffix in suffixes]


def test_the_same_call_is_made_once_and_gives_the_same(store: CallStore) -> None:
    model = Counting()
    cached, told = make_cached(store, model)
    first = cached.generate([*make_requests("a", "b"), *make_requests("a")])
    assert model.asked == 2
    assert first[0] == first[2]
    again, _ = make_cached(store)
    assert again.generate([*make_requests("a", "b"), *make_requests("a")]) == first
    assert [(one.computed, one.done, one.total, one.is_first) for one in told] == [(2, 2, 2, True)]


def test_all_kinds_come_back_as_they_were(store: CallStore) -> None:
    cached, _ = make_cached(store, Counting())
    scores = cached.score([SCORE])
    choices = cached.choose([CHOOSE])
    reread, _ = make_cached(store)
    assert reread.score([SCORE]) == scores == [Score(logprob=-math.inf, tokens=1)]
    assert reread.choose([CHOOSE]) == choices


def test_a_log_probability_that_is_not_known_stays_so(store: CallStore) -> None:
    class Silent(ScriptedModel):
        def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
            return [replace(one, logprob=math.nan, counted_tokens=3) for one in super().generate(requests)]

    cached = CachedModel(info=Silent().info(), store=store, open_fresh=Silent)
    cached.generate([GENERATE])
    (found,) = CachedModel(info=Silent().info(), store=store, open_fresh=None).generate([GENERATE])
    assert isinstance(found, Generation)
    assert math.isnan(found.logprob)
    assert found.token_count == 3


def test_one_bad_request_fails_alone_and_is_asked_again(store: CallStore) -> None:
    cached, _ = make_cached(store, Counting())
    results = cached.generate(make_requests("a", "bad", "c"))
    assert [isinstance(result, ModelError) for result in results] == [False, True, False]
    model = Counting()
    again, _ = make_cached(store, model)
    again.generate(make_requests("a", "bad", "c"))
    assert model.asked == 0  # the bad one was refused once more, the others were known


def test_a_model_that_keeps_failing_stops_the_run(store: CallStore) -> None:
    cached, _ = make_cached(store, Counting())
    few = make_requests(*(f"bad {index}" for index in range(FAILURES_IN_A_ROW_MAX - 1)))
    cached.generate(few)
    cached.generate(make_requests("fine"))
    cached.generate(few)
    with pytest.raises(ModelError, match="calls in a row have failed, the last one with: refused") as caught:
        cached.generate(make_requests("bad"))
    assert caught.value.remedy == "ask better"


def test_without_a_model_what_is_not_known_has_failed(store: CallStore) -> None:
    cached, told = make_cached(store)
    results = cached.generate(make_requests(*(f"{i}" for i in range(100))))
    assert all(isinstance(result, ModelError) for result in results)
    assert all(one.computed == 0 for one in told)


def test_every_lot_begins_on_a_model_that_has_run_nothing(store: CallStore) -> None:
    opened: list[Counting] = []

    def open_fresh() -> Counting:
        opened.append(Counting())
        return opened[-1]

    cached = CachedModel(info=ScriptedModel().info(), store=store, open_fresh=open_fresh)
    cached.generate(make_requests(*(f"{'x' * index}" for index in range(1, 200))))
    assert [model.asked for model in opened] == [199]
    cached.score([SCORE])
    assert [model.asked for model in opened] == [199, 1]
    cached.generate(make_requests("x"))
    assert len(opened) == 2  # what is known needs no model


@pytest.mark.parametrize(
    "other",
    [
        replace(GENERATE, prompt=Prompt(prefix="Shots", suffix="\nQuestion: q\nAnswer:")),
        replace(GENERATE, noise_seed=b"noises", seat_key=b"eat"),
        replace(GENERATE, seat_key=b"other"),
        replace(GENERATE, temperature_milli=301),
        replace(GENERATE, max_tokens=9),
        replace(GENERATE, stop=("\n", ".")),
        SCORE,
        replace(SCORE, continuation=" 5"),
        CHOOSE,
        replace(CHOOSE, options=(" B", " A")),
    ],
)
def test_the_key_depends_on_all_that_the_result_does(
    other: GenerateRequest | ScoreRequest | ChoiceRequest,
) -> None:
    assert compute_call_key(DIGEST, other) != compute_call_key(DIGEST, GENERATE)
    assert compute_call_key(b"\x01" * 32, other) != compute_call_key(DIGEST, other)


def test_greedy_calls_are_shared_by_all_seats() -> None:
    greedy = replace(GENERATE, temperature_milli=0)
    assert compute_call_key(DIGEST, greedy) == compute_call_key(DIGEST, replace(greedy, seat_key=b"x"))
