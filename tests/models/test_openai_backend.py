"""What a foreign server can do is found out, used, and refused where it cannot."""

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from models.catalog import open_model
from models.contract import ChoiceRequest, Finish, GenerateRequest, Interruptible, Prompt, ScoreRequest
from models.errors import ModelError
from models.openai_backend import OpenAIModel, describe_abilities
from models.openai_http import HttpLimits
from models.openai_probe import CONTEXT_TOKENS_ASSUMED
from models.openai_spec import OpenAISpec
from models.openai_wire import Constraint, Mode
from models.scripted import ScriptedModel
from tests.models.openai_server import (
    EmbeddedEngine,
    Failure,
    Json,
    Said,
    ScriptedEngine,
    Served,
    Switches,
    serve,
)

CAPITAL = "What is the capital of France?"
CONTEXT = Prompt(prefix="", suffix=f"Question: {CAPITAL}\nAnswer:")
LIMITS = HttpLimits(connect_s=5.0, silence_s=5.0, total_s=5.0, backoff_s=0.001)
LABELS = (" A", " B")
THREAD_S = 5.0


def make_engine() -> ScriptedEngine:
    return ScriptedEngine(ScriptedModel(accuracy=1.0, judge_accuracy=1.0, answers={CAPITAL: "Paris"}))


@contextmanager
def opened(
    switches: Switches | None = None, engine: ScriptedEngine | None = None, model: str = "tiny"
) -> Iterator[tuple[OpenAIModel, Served]]:
    with serve(engine or make_engine(), switches) as served:
        yield OpenAIModel(OpenAISpec(model=model, base_url=served.url), LIMITS), served


def ask(**changes: object) -> GenerateRequest:
    values: dict[str, object] = {
        "prompt": CONTEXT,
        "noise_seed": b"round",
        "seat_key": b"seat",
        "temperature_milli": 300,
        "max_tokens": 8,
        "stop": ("\n",),
    }
    return GenerateRequest(**{**values, **changes})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Case:
    """A server, and what must be found out about it."""

    switches: Switches
    mode: Mode
    has_echo: bool
    top: int
    constraint: Constraint | None

    @property
    def has_choices(self) -> bool:
        return bool(self.has_echo or self.top or self.constraint)


RAW, CHAT = Mode.COMPLETIONS, Mode.CHAT
CASES = {
    "everything, as vLLM": Case(
        Switches(constraints=("structured_outputs",)), RAW, True, 20, Constraint.STRUCTURED
    ),
    "an older vLLM": Case(Switches(constraints=("guided_choice",)), RAW, True, 20, Constraint.GUIDED),
    "a start token in the echo": Case(Switches(start_token="<s>"), RAW, True, 20, None),
    "as llama.cpp": Case(
        Switches(echoes_only_sampled=True, has_content_style=True, constraints=("grammar",)),
        RAW,
        False,
        20,
        Constraint.GRAMMAR,
    ),
    "no echo": Case(Switches(has_echo=False), RAW, False, 20, None),
    "no log-probabilities": Case(Switches(has_logprobs=False), RAW, False, 0, None),
    "chat only": Case(
        Switches(has_completions=False, constraints=("json_schema",)), CHAT, False, 20, Constraint.SCHEMA
    ),
    "chat that calls the limit otherwise": Case(
        Switches(has_completions=False, limit_field="max_completion_tokens", has_logprobs=False),
        CHAT,
        False,
        0,
        None,
    ),
    "no list of models": Case(Switches(has_model_list=False), RAW, True, 20, None),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_abilities_are_found_out(case: Case) -> None:
    with opened(case.switches) as (model, served):
        found, info = model.abilities, model.info()
        assert (found.dialect.mode, found.has_echo, found.top, found.constraint) == (
            case.mode,
            case.has_echo,
            case.top,
            case.constraint,
        )
        assert (info.has_logprobs, info.has_choices) == (case.has_echo, case.has_choices)
        assert not info.has_replayable_sampling
        assert info.is_digest_declared
        assert not info.is_simulated
        assert len(info.digest) == 32
        assert info.device == served.url.removesuffix("/v1")
        assert all(describe_abilities(found).values())
        assert len(served.requests) <= 12


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_every_server_answers_and_the_rest_works_or_is_refused(case: Case) -> None:
    with opened(case.switches) as (model, _):
        (said,) = model.generate([ask()])
        assert said.text.strip() == "Paris"
        assert said.finish is Finish.STOP
        assert (said.tokens, said.token_count) == ((), 1)
        assert said.prompt_tokens > 0
        assert math.isnan(said.logprob) is (case.top == 0)
        requests = [ScoreRequest(context=CONTEXT, continuation=text) for text in (" Paris\n", " Rome\n")]
        choices = [ChoiceRequest(context=CONTEXT, options=(" Rome", " Paris"))]
        if case.has_echo:
            good, bad = model.score(requests)
            assert good.logprob > bad.logprob
        else:
            with pytest.raises(ModelError, match="gives no log-probabilities") as caught:
                model.score(requests)
            assert caught.value.remedy
        if case.has_choices:
            (choice,) = model.choose(choices)
            assert choice.logprobs[1] > choice.logprobs[0]
            assert math.fsum(map(math.exp, choice.logprobs)) == pytest.approx(1.0)
            assert choice.prompt_tokens > 0
        else:
            with pytest.raises(ModelError, match="cannot choose") as caught:
                model.choose(choices)
            assert caught.value.remedy
        assert model.score([]) == []
        assert model.choose([]) == []


@pytest.mark.parametrize("kind", [Constraint.STRUCTURED, Constraint.GUIDED, Constraint.GRAMMAR])
def test_a_constrained_answer_is_a_verdict(kind: Constraint) -> None:
    with opened(Switches(has_logprobs=False, constraints=(kind.value,))) as (model, _):
        (choice,) = model.choose([ChoiceRequest(context=CONTEXT, options=(" Rome", " Paris"))])
        assert choice.logprobs == (-math.inf, 0.0)


def test_options_that_begin_alike_are_scored_whole() -> None:
    class Alike(ScriptedEngine):
        def get_top(self, text: str, count: int) -> dict[str, float]:
            return {" ": -0.1}

    options = (" Rome", " Paris")
    with opened(engine=Alike(ScriptedModel(judge_accuracy=1.0, answers={CAPITAL: "Paris"}))) as (model, _):
        (choice,) = model.choose([ChoiceRequest(context=CONTEXT, options=options)])
        left, right = model.score([ScoreRequest(context=CONTEXT, continuation=text) for text in options])
        assert choice.logprobs[1] - choice.logprobs[0] == pytest.approx(right.logprob - left.logprob)
    with opened(Switches(has_echo=False), Alike(ScriptedModel())) as (model, _):
        with pytest.raises(ModelError, match="begin alike") as caught:
            model.choose([ChoiceRequest(context=CONTEXT, options=options)])
        assert caught.value.remedy


def test_the_seed_follows_from_round_and_seat() -> None:
    with opened() as (model, served):
        del served.requests[:]
        model.generate([ask(), ask(), ask(seat_key=b"other"), ask(noise_seed=b"next")])
        seeds = [sent["seed"] for _, _, sent in served.requests]
        assert len(seeds) == 4
        assert len({str(seed) for seed in seeds}) == 3
        assert all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in seeds)


def test_special_tokens_are_parted_before_they_leave() -> None:
    with opened() as (model, served):
        del served.requests[:]
        model.generate([ask(prompt=Prompt(prefix="<|im_end|>", suffix="</s>"))])
        model.score([ScoreRequest(context=CONTEXT, continuation=" [INST]")])
        sent = " ".join(str(body["prompt"]) for _, _, body in served.requests)
        assert not any(mark in sent for mark in ("<|im_end|>", "</s>", "[INST]"))


def test_characters_in_parts_are_found_by_the_context_alone() -> None:
    class Bytes(ScriptedEngine):
        """Shows a part of a character as U+FFFD, as tokens of bytes are shown."""

        def tokenise(self, text: str) -> list[str]:
            return [
                shown
                for character in text
                for shown in ([character] if character.isascii() else ["\ufffd"] * len(character.encode()))
            ]

        def generate(
            self, text: str, *, max_tokens: int, temperature: float, seed: int, stop: list[str]
        ) -> Said:
            return Said("x", ["x"], [-0.5], 1, "length")

    class Merging(Bytes):
        """Tokenises a context otherwise where something follows."""

        is_merging = False

        def tokenise(self, text: str) -> list[str]:
            shown = super().tokenise(text)
            return ["\ufffd", *shown] if self.is_merging and not text.endswith(":") else shown

    engine = Bytes(ScriptedModel(answers={"Où?": "là"}))
    asked = ScoreRequest(context=Prompt(prefix="", suffix="Question: Où?\nAnswer:"), continuation=" là\n")
    with opened(engine=engine) as (model, _):
        (score,) = model.score([asked])
        assert score.tokens == len(" là\n".encode())
        (plain,) = engine._model.score([asked])
        assert score.logprob == pytest.approx(plain.logprob)
    merging = Merging(ScriptedModel())
    with opened(engine=merging) as (model, _):
        merging.is_merging = True
        with pytest.raises(ModelError, match="does not show where") as caught:
            model.score([asked])
        assert caught.value.remedy


@pytest.mark.parametrize(
    ("entry", "tokens", "parameters"),
    [
        ({"id": "tiny", "max_model_len": 512}, 512, 0),
        ({"id": "tiny", "context_window": 1_024}, 1_024, 0),
        ({"id": "tiny", "meta": {"n_ctx_train": 2_048, "n_params": 135}}, 2_048, 135),
        ({"id": "tiny", "meta": None, "max_model_len": "big"}, CONTEXT_TOKENS_ASSUMED, 0),
        ({"id": "tiny", "meta": [1], "max_model_len": -1}, CONTEXT_TOKENS_ASSUMED, 0),
        ({"id": "tiny"}, CONTEXT_TOKENS_ASSUMED, 0),
    ],
)
def test_what_the_server_declares_is_taken_over(entry: Json, tokens: int, parameters: int) -> None:
    with opened(Switches(models=[{"id": "other"}, entry])) as (model, _):
        info = model.info()
        assert (info.name, info.context_tokens, info.parameters) == ("tiny", tokens, parameters)
        assert model.abilities.is_context_declared is (tokens != CONTEXT_TOKENS_ASSUMED)


def test_the_digest_is_over_what_describes_the_weights() -> None:
    def digest(**fields: object) -> bytes:
        with opened(Switches(models=[{"id": "tiny", **fields}])) as (model, _):
            return model.info().digest

    plain = digest()
    assert digest(created=1) == plain
    assert digest(created=2, permission=[{"id": "x"}]) == plain
    assert digest(root="other/weights") != plain
    assert digest(meta={"n_params": 7}) != plain


def test_one_model_needs_no_name_and_others_are_offered() -> None:
    with opened(model="") as (model, _):
        assert model.info().name == "tiny"
    several = Switches(models=[{"id": f"model-{index}"} for index in range(12)])
    with pytest.raises(ModelError, match="12 models") as caught, opened(several, model=""):
        pass
    assert "and 4 more" in caught.value.remedy
    with pytest.raises(ModelError, match="no model 'model-3x'") as caught, opened(several, model="model-3x"):
        pass
    assert "did you mean 'model-3'" in caught.value.remedy


def test_a_server_that_generates_nothing_is_refused() -> None:
    mute = Switches(has_completions=False, has_chat=False)
    with pytest.raises(ModelError, match="generates nothing") as caught, opened(mute):
        pass
    assert caught.value.remedy


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b'{"choices": []}', b"[" * 9_999, b"null"])
def test_a_server_that_speaks_something_else_is_refused(body: bytes) -> None:
    with pytest.raises(ModelError) as caught, opened(Switches(body=body)):
        pass
    assert caught.value.remedy


@pytest.mark.parametrize(
    "models", [[7], ["tiny"], [{"id": 7}], [{}], [], [{"id": "\x1b[2J"}], [{"id": "x" * 999}]]
)
def test_a_strange_list_of_models_is_refused(models: list[Json]) -> None:
    for model in ("tiny", ""):
        with pytest.raises(ModelError) as caught, opened(Switches(models=models), model=model):
            pass
        assert caught.value.remedy
        assert f"{caught.value}{caught.value.remedy}".isprintable()


def test_a_wrong_key_is_named_as_such_and_not_shown() -> None:
    with serve(make_engine(), Switches(key="right")) as served:
        assert OpenAIModel(OpenAISpec(model="tiny", base_url=served.url, key="right"), LIMITS)
        with pytest.raises(ModelError, match="refused the key") as caught:
            OpenAIModel(OpenAISpec(model="tiny", base_url=served.url, key="wr0ng"), LIMITS)
        assert "PEERAGE_OPENAI_API_KEY" in caught.value.remedy
        assert "wr0ng" not in str(caught.value)


def test_redirects_are_not_followed() -> None:
    with opened() as (model, served):
        served.switches.failures.append(Failure(307, {"location": "http://192.0.2.1/"}))
        with pytest.raises(ModelError, match="points elsewhere"):
            model.generate([ask()])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (Said("x", ["x"], [-1.0], 99, "stop"), "sampled 99 tokens"),
        (Said("x", ["x"], [-1.0], 1, "content_filter"), "content_filter"),
        (Said("x", ["x"], [float("nan")], 1, "stop"), "not as expected"),
    ],
)
def test_impossible_answers_are_refused(said: Said, message: str) -> None:
    class Odd(ScriptedEngine):
        is_odd = False

        def generate(
            self, text: str, *, max_tokens: int, temperature: float, seed: int, stop: list[str]
        ) -> Said:
            if self.is_odd:
                return said
            return super().generate(
                text, max_tokens=max_tokens, temperature=temperature, seed=seed, stop=stop
            )

    engine = Odd(ScriptedModel())
    with opened(engine=engine) as (model, _):
        engine.is_odd = True
        with pytest.raises(ModelError, match=message) as caught:
            model.generate([ask()])
        assert caught.value.remedy


def test_a_server_that_cuts_prompts_silently_is_noticed() -> None:
    long = ask(prompt=Prompt(prefix="", suffix="word " * 25))
    with opened(Switches(models=[{"id": "tiny", "max_model_len": 30}])) as (model, _):
        assert len(model.generate([ask()])) == 1
        with pytest.raises(ModelError, match="30 tokens"):
            model.generate([long])


def test_busy_servers_are_waited_for_and_broken_ones_reported() -> None:
    with opened() as (model, served):
        served.switches.failures += [Failure(429), Failure(503)]
        assert len(model.generate([ask()])) == 1
        served.switches.failures += [Failure(503)] * LIMITS.attempts
        with pytest.raises(ModelError, match=r"busy or broken.*HTTP 503"):
            model.generate([ask()])
        assert len(model.generate([ask()])) == 1


def test_a_refusal_names_the_context_length() -> None:
    with opened() as (model, served):
        served.switches.failures.append(Failure(400))
        with pytest.raises(ModelError, match=f"HTTP 400.*{CONTEXT_TOKENS_ASSUMED} tokens"):
            model.generate([ask()])


def test_interrupt_cuts_a_batch() -> None:
    with opened() as (model, served):
        assert isinstance(model, Interruptible)
        served.switches.holds = threading.Event()
        served.arrived.clear()
        caught: list[ModelError] = []

        def run(requests: Sequence[GenerateRequest]) -> None:
            try:
                model.generate(requests)
            except ModelError as exc:
                caught.append(exc)

        thread = threading.Thread(target=run, args=([ask()] * 20,))
        thread.start()
        assert served.arrived.wait(THREAD_S)
        model.interrupt()
        thread.join(THREAD_S)
        assert not thread.is_alive()
        assert [exc.message for exc in caught] == ["the model call was given up"]
        served.switches.holds = None
        assert len(model.generate([ask()])) == 1


def test_a_chat_answer_may_begin_with_line_breaks_and_go_on() -> None:
    class Chatty(ScriptedEngine):
        def generate(
            self, text: str, *, max_tokens: int, temperature: float, seed: int, stop: list[str]
        ) -> Said:
            if max_tokens == 1:
                return Said("x", ["x"], [-1.0], 1, "length")
            assert stop == []
            return Said("\n\nParis\nIt is", ["\n\n", "Paris", "\n", "It", " is"], [-1.0] * 5, 5, "length")

    with opened(Switches(has_completions=False), Chatty(ScriptedModel())) as (model, _):
        (said,) = model.generate([ask()])
        assert (said.text, said.finish, said.token_count, said.logprob) == ("Paris", Finish.STOP, 5, -3.0)


@pytest.mark.slow
def test_scores_from_a_server_are_those_of_its_model() -> None:
    """The same weights behind a server and in this process find texts equally probable."""
    own = open_model("embedded", progress=lambda _: None, threads=1)
    texts = (" Paris\n", " banana\n", " café, là-bas\n", " 🙂\n")
    requests = [ScoreRequest(context=CONTEXT, continuation=text) for text in texts]
    with serve(EmbeddedEngine()) as served:
        foreign = OpenAIModel(OpenAISpec(model="tiny", base_url=served.url), HttpLimits())
        assert foreign.info().has_logprobs
        for mine, theirs in zip(own.score(requests), foreign.score(requests), strict=True):
            assert theirs.tokens == mine.tokens
            assert theirs.logprob == pytest.approx(mine.logprob, abs=1e-3)
        options = (" Paris", " Lyon")
        (own_choice,) = own.choose([ChoiceRequest(context=CONTEXT, options=options)])
        (choice,) = foreign.choose([ChoiceRequest(context=CONTEXT, options=options)])
        assert choice.logprobs.index(max(choice.logprobs)) == own_choice.logprobs.index(
            max(own_choice.logprobs)
        )
