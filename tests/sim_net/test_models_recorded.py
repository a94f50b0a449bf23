"""A recorded model keeps the contract while it records, and gives the very same without the model."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from consensus.errors import ConfigError, PeerageError, StoreError
from models.catalog import open_model
from models.contract import GenerateRequest, Interruptible, Model, ModelInfo, Prompt, Score, ScoreRequest
from models.errors import ModelError
from models.scripted import ScriptedModel
from sim_net.models import MissingRecordingError, RecordedModel
from tests.models import test_model_contract as contract
from tests.models.test_model_contract import CAPITAL, ask, judge

SCRIPTED = ScriptedModel(judge_accuracy=1.0, answers={CAPITAL: "Paris"})
CHECKS: list[Callable[[Model], None]] = [
    check
    for name, check in sorted(vars(contract).items())
    if name.startswith("test_") and list(inspect.signature(check).parameters) == ["model"]
]


class Counting:
    """A model that counts what it is asked."""

    def __init__(self, inner: Model = SCRIPTED) -> None:
        self.inner = inner
        self.requests = 0

    def info(self) -> ModelInfo:
        return self.inner.info()

    def generate(self, requests: object) -> object:
        self.requests += len(requests)  # type: ignore[arg-type]
        return self.inner.generate(requests)  # type: ignore[arg-type]

    def score(self, requests: object) -> object:
        self.requests += len(requests)  # type: ignore[arg-type]
        return self.inner.score(requests)  # type: ignore[arg-type]


def count(inner: Model = SCRIPTED) -> tuple[Model, Counting]:
    counting = Counting(inner)
    return counting, counting  # type: ignore[return-value]


@pytest.fixture(
    scope="module", params=["scripted", pytest.param("embedded", marks=pytest.mark.slow)], name="model"
)
def _model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    inner: Model = SCRIPTED
    if request.param == "embedded":
        inner = open_model("embedded", progress=lambda _: None, threads=1)
    return RecordedModel(tmp_path_factory.mktemp("cache") / "calls.jsonl", inner)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_contract_of_models_holds_while_recording(model: Model, check: Callable[[Model], None]) -> None:
    check(model)


def test_the_whole_contract_was_found() -> None:
    assert len(CHECKS) >= 14


@pytest.mark.parametrize(("prefix", "suffix"), [("", f"Question: {CAPITAL}\nAnswer:"), (CAPITAL, "")])
def test_either_part_of_a_prompt_may_be_empty(model: Model, prefix: str, suffix: str) -> None:
    contract.test_either_part_of_a_prompt_may_be_empty(model, prefix, suffix)


@pytest.mark.slow
def test_a_real_model_is_replayed_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    recording = RecordedModel(path, open_model("embedded", progress=lambda _: None, threads=1))
    asks, judges = [ask(CAPITAL), ask("What is 7 times 12?")], [judge(CAPITAL, "Paris"), judge(CAPITAL, "x")]
    answers, scores = recording.generate(asks), recording.score(judges)
    replaying = RecordedModel(path)
    assert replaying.info() == recording.info()
    assert replaying.generate(asks) == answers
    assert replaying.score(judges[::-1]) == scores[::-1]


def record(path: Path) -> tuple[list[GenerateRequest], list[ScoreRequest]]:
    asks = [ask(CAPITAL), ask("What is 7 times 12?"), ask(CAPITAL, noise_seed=b"other")]
    judges = [judge(CAPITAL, "Paris"), judge(CAPITAL, "banana")]
    model = RecordedModel(path, SCRIPTED)
    model.generate(asks)
    model.score(judges)
    return asks, judges


def test_what_was_recorded_is_replayed_without_the_model(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "calls.jsonl"
    asks, judges = record(path)
    replaying = RecordedModel(path)
    assert replaying.info() == replace(SCRIPTED.info(), has_choices=False, layers=0)  # neither is kept
    assert replaying.generate(asks) == SCRIPTED.generate(asks)
    assert replaying.score(judges) == SCRIPTED.score(judges)
    assert replaying.calls == 5
    assert isinstance(replaying, Interruptible)
    replaying.interrupt()


def test_what_is_known_is_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    asks, judges = record(path)
    before = path.read_bytes()
    inner, counter = count()
    model = RecordedModel(path, inner)
    model.generate(asks)
    model.score(judges)
    assert (counter.requests, path.read_bytes()) == (0, before)
    model.generate([*asks, ask("Who wrote Faust?"), ask("Who wrote Faust?")])
    assert counter.requests == 1, "only what is new, and that once"


CHANGES: list[dict[str, object]] = [
    {"noise_seed": b"another"},
    {"seat_key": b"another"},
    {"temperature_milli": 701},
    {"max_tokens": 15},
    {"stop": ("\n", ".")},
    {"stop": ()},
    {"prompt": Prompt(prefix="", suffix=ask(CAPITAL).prompt.text)},
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_every_parameter_of_a_call_is_part_of_its_key(tmp_path: Path, changes: dict[str, object]) -> None:
    path = tmp_path / "calls.jsonl"
    record(path)
    replaying = RecordedModel(path)
    assert replaying.generate([ask(CAPITAL)])
    with pytest.raises(MissingRecordingError):
        replaying.generate([ask(CAPITAL, **changes)])  # type: ignore[arg-type]


def test_a_missing_call_is_named_with_the_way_to_record_it(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    record(path)
    replaying = RecordedModel(path)
    with pytest.raises(MissingRecordingError, match=r"no answer of seat .* 'Who wrote Faust\?'") as caught:
        replaying.generate([ask(CAPITAL), ask("Who wrote Faust?")])
    assert "models.record = true" in caught.value.remedy
    with pytest.raises(MissingRecordingError, match=f"no score to 'Lyon' .* '{CAPITAL[:-1]}"):
        replaying.score([judge(CAPITAL, "Paris"), judge(CAPITAL, "Lyon")])
    assert not issubclass(MissingRecordingError, ModelError), "a node would swallow that"
    assert issubclass(MissingRecordingError, PeerageError)


def test_a_torn_last_line_costs_that_line_only(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    asks, judges = record(path)
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for cut in (last + 1, last + 40, len(whole) - 1):
        path.write_bytes(whole[:cut])
        torn = RecordedModel(path)
        assert torn.generate(asks)
        assert torn.score(judges[:1])
        with pytest.raises(MissingRecordingError):
            torn.score(judges)
        RecordedModel(path, SCRIPTED).score(judges)
        assert path.read_bytes() == whole, "the torn line gave way to a whole one"


def test_a_file_torn_in_its_first_line_is_recorded_anew(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    record(path)
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(ConfigError, match="no recorded model"):
        RecordedModel(path)
    record(path)
    assert RecordedModel(path).calls == 5


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"not json",
        b'{"type":"score","key":"zz","question":"","logprob":0.0,"tokens":1}',
        b'{"type":"score","key":"00","question":"","logprob":0.0,"tokens":1,"more":1}',
        b'{"type":"generation","key":"00","question":"","text":"","tokens":[],"finish":"never",'
        b'"prompt_tokens":1,"logprob":0.0}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_line_within_is_refused_by_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "calls.jsonl"
    record(path)
    first, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(first + b"\n" + line + b"\n" + rest)
    with pytest.raises(StoreError, match="line 2"):
        RecordedModel(path)


def test_the_model_comes_first_and_its_schema_is_known(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    record(path)
    first, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(rest)
    with pytest.raises(StoreError, match="expected the model first"):
        RecordedModel(path)
    path.write_bytes(first.replace(b'"schema":1', b'"schema":2') + b"\n" + rest)
    with pytest.raises(StoreError, match="schema 2"):
        RecordedModel(path)


def test_a_cache_holds_one_model(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    record(path)
    with pytest.raises(ConfigError, match="holds calls of scripted") as caught:
        RecordedModel(path, ScriptedModel(accuracy=0.1))
    assert caught.value.remedy


def test_a_file_that_cannot_be_read_or_written_is_an_error_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        RecordedModel(tmp_path)
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be written"):
        RecordedModel(blocked / "calls.jsonl", SCRIPTED)


def test_a_score_that_is_not_finite_stays_unusable(tmp_path: Path) -> None:
    class Silent(Counting):
        def score(self, requests: object) -> object:
            return [Score(logprob=float("nan"), tokens=1) for _ in requests]  # type: ignore[attr-defined]

    path = tmp_path / "calls.jsonl"
    RecordedModel(path, Silent()).score([judge(CAPITAL, "x")])  # type: ignore[arg-type]
    (score,) = RecordedModel(path).score([judge(CAPITAL, "x")])
    assert score == Score(logprob=float("-inf"), tokens=1)


def test_a_failed_call_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    record(path)
    before = path.read_bytes()
    model = RecordedModel(path, SCRIPTED)
    with pytest.raises(ModelError):
        model.generate([ask("Who wrote Faust?"), ask(CAPITAL, max_tokens=0)])
    assert path.read_bytes() == before


def test_two_recorders_of_one_file_add_up(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    first, second = RecordedModel(path, SCRIPTED), RecordedModel(path, SCRIPTED)
    first.generate([ask(CAPITAL)])
    second.generate([ask(CAPITAL), ask("Who wrote Faust?")])
    first.score([judge(CAPITAL, "Paris")])
    assert RecordedModel(path).calls == 3
