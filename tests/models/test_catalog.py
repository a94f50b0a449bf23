"""Names of models, and what happens to names nobody knows."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from models.catalog import get_model_info, list_models, open_model, pull_model
from models.errors import ModelError
from models.scripted import ScriptedModel
from tests.models.openai_server import ScriptedEngine, Switches, serve


def test_the_list_names_every_model_and_its_terms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_CACHE_DIR", str(tmp_path))
    entries = {entry.name: entry for entry in list_models()}
    assert set(entries) == {"embedded", "scripted"}
    assert not entries["embedded"].is_ready
    assert entries["embedded"].licence == "Apache-2.0"
    assert entries["scripted"].is_ready
    assert get_model_info("scripted") == entries["scripted"]


def test_pulling_what_is_here_changes_nothing() -> None:
    assert pull_model("scripted", lambda _: None) == get_model_info("scripted")


@pytest.mark.parametrize("name", ["embeded", "gpt", ""])
def test_unknown_names_list_the_known_ones(name: str) -> None:
    for call in (get_model_info, lambda spec: open_model(spec, progress=lambda _: None)):
        with pytest.raises(ModelError, match="no model is called") as caught:
            call(name)
        assert "embedded, scripted" in caught.value.remedy
    with pytest.raises(ModelError):
        pull_model(name, lambda _: None)


@pytest.mark.parametrize(
    "spec",
    [
        *("x" * 300, "y" * 5_000, "nul\0byte", "~nobody-of-this-name/model", "\ud800", "a/" * 2_000),
        *("http://x/v1", "openai", "openai:", "hf", "hf:", "embedded:x", " embedded", "openai:tiny@ftp://x"),
        "openai:" + "x" * 9_999,
    ],
)
def test_long_and_odd_names_end_in_an_error_with_a_remedy(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PEERAGE_OPENAI_BASE_URL", raising=False)
    calls: list[Callable[[], object]] = [
        lambda: open_model(spec, progress=lambda _: None),
        lambda: get_model_info(spec),
        lambda: pull_model(spec, lambda _: None),
    ]
    for call in calls:
        with pytest.raises(ModelError) as caught:
            call()
        assert caught.value.remedy
        assert len(str(caught.value)) < 400


def test_a_server_opens_by_its_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    with serve(ScriptedEngine(ScriptedModel()), Switches(constraints=("grammar",))) as served:
        spec = f"openai:tiny@{served.url}"
        info = open_model(spec, progress=notes.append).info()
        assert (info.name, info.is_digest_declared) == ("tiny", True)
        assert notes == [f"asking {info.device} what it can do"]
        entry = get_model_info(spec)
        assert (entry.has_replayable_sampling, entry.has_logprobs, entry.has_choices) == (False, True, True)
        assert entry.is_digest_declared
        assert "constrained answers (grammar)" in entry.details["choices_by"]
        assert pull_model(spec, notes.append) == entry
        monkeypatch.setenv("PEERAGE_OPENAI_BASE_URL", served.url)
        assert open_model("openai:tiny", progress=notes.append).info() == info


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(ModelError) as caught:
        get_model_info("embeded")
    assert "did you mean 'embedded'" in caught.value.remedy


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"without config\.json"):
        open_model(str(tmp_path), progress=lambda _: None)


def test_scripted_opens_with_its_settings() -> None:
    assert open_model("scripted:accuracy=0.7", progress=lambda _: None).info().name == "scripted"
    with pytest.raises(ModelError, match="unknown key"):
        open_model("scripted:accurracy=0.7", progress=lambda _: None)


def test_names_and_scripted_models_do_not_load_torch() -> None:
    code = (
        "import sys; import models.catalog as c; c.open_model('scripted', progress=print); "
        "import models.judges.likelihood, models.batching, models.weights, swarm.edge.model_host; "
        "heavy = {'torch', 'transformers', 'tokenizers', 'httpx2', 'huggingface_hub'}; "
        "assert not heavy & set(sys.modules), 'heavy import'"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
