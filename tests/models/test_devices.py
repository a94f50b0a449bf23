"""Devices by name, and answers in another precision than scores."""

from pathlib import Path

import pytest

from models.catalog import open_model
from models.contract import Generation, ScoreRequest
from models.errors import ModelError
from tests.models.test_transformers_backend import request
from tests.models.tiny import save_tiny

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", name="tiny_dir")
def _tiny_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tiny")
    save_tiny(directory)
    return directory


def test_auto_takes_what_there_is_and_a_name_takes_that() -> None:
    from models.devices import choose_device

    has_cuda = torch.cuda.is_available()
    for wanted in (None, "", "auto"):
        assert choose_device(wanted).type == ("cuda" if has_cuda else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("wanted", ["gpu", "cuda:", "cuda:x", "cpu:0", "CPU", "cuda:٣", "x" * 300])
def test_unknown_names_are_refused(wanted: str) -> None:
    from models.devices import choose_device

    with pytest.raises(ModelError, match="no device is called") as caught:
        choose_device(wanted)
    assert "cuda:0" in caught.value.remedy


def test_an_absent_device_is_not_replaced_in_silence(tiny_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(ModelError, match=f"the device {absent} is not here") as caught:
        open_model(str(tiny_dir), progress=lambda _: None, device=absent)
    assert "cpu or auto" in caught.value.remedy
    monkeypatch.setenv("PEERAGE_DEVICE", absent)
    with pytest.raises(ModelError, match="is not here"):
        open_model(str(tiny_dir), progress=lambda _: None)
    assert open_model(str(tiny_dir), progress=lambda _: None, device="cpu").info().device == "cpu"


def test_answers_in_bfloat16_leave_scores_in_float32(tiny_dir: Path) -> None:
    from models.transformers_backend import TransformersModel

    plain = TransformersModel(tiny_dir, name="tiny", device="cpu")
    rounded = TransformersModel(tiny_dir, name="tiny", device="cpu", generate_dtype=torch.bfloat16)
    asked = [ScoreRequest(context=request("ab").prompt, continuation=text) for text in ("q", "hello")]
    assert rounded.score(asked) == plain.score(asked)

    def generate(model: TransformersModel) -> list[Generation]:
        return model.generate([request("ab", prefix="x", seat=bytes([seat])) for seat in range(4)])

    first, again, exact = generate(rounded), generate(rounded), generate(plain)
    assert first == again
    assert first[0].logprob != exact[0].logprob, "it was not rounded"
    # The noise is the same, so most tokens are; rounding turns near ties only.
    pairs = [
        (one, other)
        for left, right in zip(first, exact, strict=True)
        for one, other in zip(left.tokens, right.tokens, strict=False)
    ]
    assert sum(one == other for one, other in pairs) > len(pairs) / 2
    assert rounded.score(asked) == plain.score(asked), "prefixes of both precisions are kept apart"
