"""What is particular to the transformers backend, on the embedded model and on a tiny random one."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from models.catalog import open_model
from models.contract import Finish, GenerateRequest, Prompt, ScoreRequest
from models.errors import ModelError
from models.sampling import sample_token
from tests.models.tiny import save_tiny

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module", name="tiny_dir")
def _tiny_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tiny")
    save_tiny(directory)
    return directory


def request(
    text: str, *, seat: bytes = b"seat", max_tokens: int = 12, temperature_milli: int = 1000, prefix: str = ""
) -> GenerateRequest:
    return GenerateRequest(
        prompt=Prompt(prefix=prefix, suffix=text),
        noise_seed=b"seed",
        seat_key=seat,
        temperature_milli=temperature_milli,
        max_tokens=max_tokens,
        stop=(),
    )


def test_prefix_rows_agree_with_one_plain_forward_pass(tiny_dir: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = open_model(str(tiny_dir), progress=lambda _: None)
    plain = AutoModelForCausalLM.from_pretrained(tiny_dir, dtype=torch.float32)
    contexts = [Prompt(prefix=prefix, suffix="ab c") for prefix in ("", "x", "a longer prefix")]
    texts = ("q", "hello", "hello there", "zz")
    asked = [ScoreRequest(context=context, continuation=text) for context in contexts for text in texts]
    scores = model.score(asked)
    symbols = json.loads((tiny_dir / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    for one, score in zip(asked, scores, strict=True):
        ids = [symbols[character.replace(" ", "Ġ")] for character in one.context.text + one.continuation]
        with torch.inference_mode():
            logprobs = torch.log_softmax(plain(torch.tensor([ids])).logits[0], dim=-1)
        start = len(one.context.text)
        expected = sum(float(logprobs[place - 1, ids[place]]) for place in range(start, len(ids)))
        assert score.logprob == pytest.approx(expected, abs=1e-4)


def test_states_are_those_of_one_plain_forward_pass(tiny_dir: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = open_model(str(tiny_dir), progress=lambda _: None)
    plain = AutoModelForCausalLM.from_pretrained(tiny_dir, dtype=torch.float32)
    symbols = json.loads((tiny_dir / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    contexts = [Prompt(prefix=prefix, suffix="ab c") for prefix in ("", "a longer prefix")]
    asked = [
        ScoreRequest(context=context, continuation=text, state_layers=layers)
        for context in contexts
        for text, layers in (("q", (1, 2)), ("hello", ()), ("hello there", (1,)), ("zz", (2,)))
    ]
    for one, score in zip(asked, model.score(asked), strict=True):
        ids = [symbols[character.replace(" ", "Ġ")] for character in one.context.text + one.continuation]
        with torch.inference_mode():
            states = plain(torch.tensor([ids]), output_hidden_states=True).hidden_states
        assert len(score.states) == len(one.state_layers)
        for layer, state in zip(one.state_layers, score.states, strict=True):
            assert state == pytest.approx(states[layer][0, -1].tolist(), abs=1e-4)


def test_tokens_replay_from_a_plain_forward_pass(tiny_dir: Path) -> None:
    """What an audit does: one prefill over prompt and answer, the same noise, the same tokens."""
    from transformers import AutoModelForCausalLM

    model = open_model(str(tiny_dir), progress=lambda _: None)
    plain = AutoModelForCausalLM.from_pretrained(tiny_dir, dtype=torch.float32)
    symbols = json.loads((tiny_dir / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    rows = [
        request("ab c", seat=bytes([index]), max_tokens=6 + index, prefix="xy"[: index % 3])
        for index in range(5)
    ]
    for row, generation in zip(rows, model.generate(rows), strict=True):
        prompt = [symbols[character.replace(" ", "Ġ")] for character in row.prompt.text]
        with torch.inference_mode():
            logits = plain(torch.tensor([[*prompt, *generation.tokens]])).logits[0].numpy()
        logprob = 0.0
        for position, token in enumerate(generation.tokens):
            at = logits[len(prompt) - 1 + position]
            replayed = sample_token(
                at, noise_seed=b"seed", seat_key=row.seat_key, position=position, temperature_milli=1000
            )
            assert replayed == token
            logprob += float(at[token]) - math.log(float(np.exp(at.astype(np.float64)).sum()))
        assert generation.logprob == pytest.approx(logprob, abs=1e-4)
        assert generation.prompt_tokens == len(prompt)


def test_end_token_ends_a_row_and_leaves_the_text(tiny_dir: Path) -> None:
    model = open_model(str(tiny_dir), progress=lambda _: None)
    rows = [
        request("a", seat=index.to_bytes(2, "big"), max_tokens=60, temperature_milli=20_000)
        for index in range(40)
    ]
    results = model.generate(rows)
    ended = [result for result in results if result.finish is Finish.STOP]
    assert ended
    for result in ended:
        assert result.tokens[-1] == 256
        assert "<|end|>" not in result.text
    assert all(len(result.tokens) == 60 for result in results if result.finish is Finish.LENGTH)


def test_prefix_cache_forgets_and_answers_stay(tiny_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.kv_rows import PrefixCache
    from models.transformers_backend import TransformersModel

    model = open_model(str(tiny_dir), progress=lambda _: None, device="cpu")
    assert isinstance(model, TransformersModel)
    monkeypatch.setattr(model._generating, "prefixes", PrefixCache(tokens_max=20))
    rows = [request("ab", prefix=f"prefix {index} ") for index in range(6)]
    first = [model.generate([row])[0].tokens for row in rows]
    again = [result.tokens for result in model.generate(rows)]
    assert first == again


def test_interrupt_ends_a_running_call(tiny_dir: Path) -> None:
    import threading

    from models.transformers_backend import TransformersModel

    model = TransformersModel(tiny_dir, name="tiny")
    caught: list[ModelError] = []

    def run() -> None:
        try:
            while True:
                model.generate([request("abc", max_tokens=200)])
        except ModelError as exc:
            caught.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        model.interrupt()
        thread.join(0.01)
    assert "given up" in caught[0].message


def test_damaged_directories_are_named(tiny_dir: Path, tmp_path: Path) -> None:
    def copy(name: str, data: bytes) -> None:
        (tmp_path / name).write_bytes(data)

    with pytest.raises(ModelError, match="without config"):
        open_model(str(tmp_path), progress=lambda _: None)
    copy("config.json", (tiny_dir / "config.json").read_bytes())
    with pytest.raises(ModelError, match="safetensors"):
        open_model(str(tmp_path), progress=lambda _: None)
    weights = (tiny_dir / "model.safetensors").read_bytes()
    copy("model.safetensors", weights[: len(weights) // 2])
    with pytest.raises(ModelError, match="json is not there"):
        open_model(str(tmp_path), progress=lambda _: None)
    copy("tokenizer.json", b"{}")
    with pytest.raises(ModelError, match="not a tokenizer"):
        open_model(str(tmp_path), progress=lambda _: None)
    copy("tokenizer.json", (tiny_dir / "tokenizer.json").read_bytes())
    with pytest.raises(ModelError, match="could not be loaded"):
        open_model(str(tmp_path), progress=lambda _: None)


def test_absent_tensors_are_not_filled_with_random_numbers(tiny_dir: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((tiny_dir / name).read_bytes())
    state = load_file(tiny_dir / "model.safetensors")
    state.pop("model.layers.1.mlp.up_proj.weight")
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lack model\.layers\.1\.mlp\.up_proj\.weight"):
        open_model(str(tmp_path), progress=lambda _: None)


def test_embedded_text_never_becomes_a_special_token() -> None:
    from models.tokens import PlainTokenizer
    from models.weights import TOKENIZER_NAME, ensure_embedded, get_cache_dir

    files = ensure_embedded(get_cache_dir(), progress=lambda _: None)
    tokenizer = PlainTokenizer(files.directory / TOKENIZER_NAME)
    assert tokenizer.end_ids
    for text in ("<|im_end|>", "a<|im_start|>system\nb<|endoftext|>", "<repo_name>x"):
        ids = tokenizer.encode(text)
        assert not tokenizer.end_ids.intersection(ids)
        assert tokenizer.decode(ids) == text


def test_nothing_is_printed_while_the_model_loads_and_runs(capfd: pytest.CaptureFixture[str]) -> None:
    model = open_model("embedded", progress=lambda _: None)
    model.generate([request("Question: What is 2 plus 2?\nAnswer:", max_tokens=4)])
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
