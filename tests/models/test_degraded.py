"""Models made worse on purpose: what their names take, and that the same name is the same weights."""

from pathlib import Path

import numpy as np
import pytest

from models.catalog import ensure_model, get_model_info, open_model, pull_model
from models.contract import GenerateRequest, Prompt, ScoreRequest
from models.degraded import (
    EMBEDDED_LAYERS,
    Degradation,
    draw_noise,
    is_degraded,
    make_alteration,
    parse_degraded,
)
from models.errors import ModelError
from models.transformers_backend import TransformersModel
from tests.models.tiny import save_tiny

SCORED = ScoreRequest(context=Prompt(prefix="", suffix="one two "), continuation="three")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tiny")
    save_tiny(directory)
    return directory


def open_tiny(directory: Path, degradation: Degradation) -> TransformersModel:
    return TransformersModel(
        directory, name="tiny", digest=bytes(32), device="cpu", alter=make_alteration(degradation)
    )


def score(directory: Path, degradation: Degradation) -> float:
    return open_tiny(directory, degradation).score([SCORED])[0].logprob


def test_a_name_is_read_and_written_in_one_form() -> None:
    given = {
        "embedded:noise=0.02,seed=3": Degradation(noise=0.02, seed=3),
        "embedded: seed = 3 , noise = 2e-2": Degradation(noise=0.02, seed=3),
        "embedded:noise=1": Degradation(noise=1.0),
        "embedded:layers=24": Degradation(layers=24),
        "embedded:layers=24,noise=.5": Degradation(noise=0.5, layers=24),
    }
    for spec, expected in given.items():
        assert is_degraded(spec)
        assert parse_degraded(spec) == expected
        assert parse_degraded(expected.name) == expected
    assert not is_degraded("embedded")
    assert not is_degraded("scripted:accuracy=0.5")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("embedded:", "got the key ''"),
        ("embedded:nose=1", "got the key 'nose'"),
        ("embedded:noise", "noise is ''"),
        ("embedded:noise=0", "noise is '0'"),
        ("embedded:noise=-1", "noise is '-1'"),
        ("embedded:noise=nan", "noise is 'nan'"),
        ("embedded:noise=inf", "noise is 'inf'"),
        ("embedded:noise=11", "noise is '11'"),
        ("embedded:noise=0.1,noise=0.2", "given twice"),
        ("embedded:seed=3", "a seed without noise"),
        ("embedded:noise=1,seed=-1", "seed is '-1'"),
        ("embedded:noise=1,seed=4294967296", "seed is '4294967296'"),
        ("embedded:noise=1,seed=\N{ARABIC-INDIC DIGIT THREE}", "expected a whole number"),
        ("embedded:layers=0", "layers is '0'"),
        (f"embedded:layers={EMBEDDED_LAYERS}", "expected a whole number from 1 to 29"),
        ("embedded:layers=2.5", "layers is '2.5'"),
        ("embedded:layers=" + "9" * 5_000, "expected a whole number"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(spec: str, message: str) -> None:
    with pytest.raises(ModelError, match="embedded") as caught:
        parse_degraded(spec)
    assert message in caught.value.message
    assert caught.value.remedy
    assert len(caught.value.message) < 500
    for call in (get_model_info, lambda name: open_model(name, progress=lambda _: None)):
        with pytest.raises(ModelError):
            call(spec)
    with pytest.raises(ModelError):
        pull_model(spec, lambda _: None)
    with pytest.raises(ModelError):
        ensure_model(spec, lambda _: None)


def test_digests_tell_models_apart() -> None:
    found = [
        Degradation(noise=0.1),
        Degradation(noise=0.1, seed=1),
        Degradation(noise=0.2),
        Degradation(layers=24),
        Degradation(noise=0.1, layers=24),
    ]
    digests = {one.compute_digest(bytes(32)) for one in found}
    assert len(digests) == len(found)
    assert found[0].compute_digest(bytes(32)) != found[0].compute_digest(bytes(31) + b"\1")
    assert all(len(digest) == 32 for digest in digests)


def test_noise_depends_on_seed_and_tensor_alone() -> None:
    first = draw_noise(3, "a.weight", (300, 200))
    assert np.array_equal(first, draw_noise(3, "a.weight", (300, 200)))
    assert not np.array_equal(first, draw_noise(4, "a.weight", (300, 200)))
    assert not np.array_equal(first, draw_noise(3, "b.weight", (300, 200)))
    assert abs(float(first.mean())) < 0.02
    assert abs(float(first.std()) - 1) < 0.02
    # The very numbers, so that another release of NumPy that drew others would be noticed.
    assert draw_noise(3, "a.weight", (3,)).tolist() == pytest.approx(PINNED, abs=1e-6)


PINNED = [-0.8614004, -0.4767041, -1.439981]


def test_noise_is_as_large_as_said_and_the_same_every_time(tiny: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    clean = dict(AutoModelForCausalLM.from_pretrained(tiny).named_parameters())
    noisy = AutoModelForCausalLM.from_pretrained(tiny)
    make_alteration(Degradation(noise=0.1, seed=1))(noisy)
    name = "model.layers.0.mlp.up_proj.weight"
    added = (dict(noisy.named_parameters())[name] - clean[name]).detach()
    assert float(added.std() / clean[name].detach().std(correction=0)) == pytest.approx(0.1, rel=0.05)
    constant = "model.norm.weight"  # all ones: no spread, so no noise
    assert torch.equal(dict(noisy.named_parameters())[constant], clean[constant])
    base, loud = Degradation(), Degradation(noise=0.1, seed=1)
    assert score(tiny, loud) == score(tiny, loud)
    assert score(tiny, loud) != score(tiny, base)
    assert score(tiny, loud) != score(tiny, Degradation(noise=0.1, seed=2))


def test_layers_are_cut_and_the_model_says_so(tiny: Path) -> None:
    whole, cut = open_tiny(tiny, Degradation()), open_tiny(tiny, Degradation(layers=1))
    assert (whole.info().layers, cut.info().layers) == (2, 1)
    assert cut.info().parameters < whole.info().parameters
    assert cut.score([SCORED]) != whole.score([SCORED])
    # Prefixes are kept layer by layer: a cut model has one state less of each.
    request = GenerateRequest(
        prompt=Prompt(prefix="one two", suffix=" three"), noise_seed=b"", seat_key=b"",
        temperature_milli=0, max_tokens=4, stop=(),
    )  # fmt: skip
    assert cut.generate([request]) == cut.generate([request])
    with pytest.raises(ModelError, match="2 layers, and 2 of them are to stay"):
        open_tiny(tiny, Degradation(layers=2))


def test_an_entry_names_the_model_before_it_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_CACHE_DIR", str(tmp_path))
    entry = get_model_info("embedded:seed=3,noise=0.2")
    assert (entry.name, entry.digest, entry.is_ready) == ("embedded:noise=0.2,seed=3", "", False)
    assert get_model_info("embedded:layers=24").parameters == 113_274_432


@pytest.mark.slow
def test_the_embedded_model_made_worse_is_what_its_entry_says() -> None:
    for spec in ("embedded:noise=0.05,seed=1", "embedded:layers=24"):
        entry, info = get_model_info(spec), open_model(spec, progress=lambda _: None).info()
        assert (info.name, info.digest.hex(), info.parameters) == (spec, entry.digest, entry.parameters)
