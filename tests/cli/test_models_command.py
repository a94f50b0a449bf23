"""`peerage models`: list, info, pull."""

from pathlib import Path

import pytest

from tests.cli.console import run


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_CACHE_DIR", str(tmp_path / "cache"))


def test_list_says_what_is_ready() -> None:
    ran = run("models", "list")
    assert (ran.code, ran.err) == (0, "")
    rows = {line.split()[0]: line.split()[1] for line in ran.out.splitlines()[1:]}
    assert rows == {"embedded": "no", "scripted": "yes"}


def test_list_json() -> None:
    said = run("models", "list", "--json").json
    assert said["schema"] == "peerage.models/1"
    models = said["models"]
    assert isinstance(models, list)
    assert [model["name"] for model in models if isinstance(model, dict)] == ["embedded", "scripted"]


def test_info() -> None:
    ran = run("models", "info", "scripted")
    assert ran.code == 0
    assert "digest" in ran.out
    said = run("models", "info", "scripted", "--json").json
    assert (said["name"], said["ready"]) == ("scripted", True)
    assert len(str(said["digest"])) == 64


def test_pull_scripted_has_nothing_to_fetch() -> None:
    assert run("models", "pull", "scripted").out == "scripted is ready\n"
    assert run("models", "pull", "scripted", "--json").json["ready"] is True


@pytest.mark.parametrize("command", ["info", "pull"])
@pytest.mark.parametrize("name", ["scriptd", "", "/nonexistent"])
def test_unknown_models(command: str, name: str) -> None:
    ran = run("models", command, name)
    assert (ran.code, ran.out) == (3, "")
    assert f"no model is called {name!r}" in ran.err
    assert "known: embedded, scripted" in ran.err
