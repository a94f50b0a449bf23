"""Directories and settings of its own for every test of the command line, and a receipt to read."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.console import Json, run

QUESTION = "What is 7 times 12?"
SEED = "b"  # with it the scripted answers differ, so that there is something to rank


@pytest.fixture(autouse=True)
def _settings_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("PEERAGE_")]:
        if name != "PEERAGE_CACHE_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PEERAGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()  # asking tunes the collector of its process, which here is pytest's
    gc.set_threshold(*thresholds)


class Kept:
    """A receipt of a full round, where it is, and what `ask --json` said of it."""

    def __init__(self, path: Path, genesis: Path, said: Json) -> None:
        self.path = path
        self.genesis = genesis
        self.said = said

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    directory = tmp_path_factory.mktemp("kept")
    path = directory / "one.receipt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEERAGE_DATA_DIR", str(directory / "data"))
        patch.setenv("XDG_CONFIG_HOME", str(directory))
        ran = run("ask", QUESTION, "--model", "scripted", "--seed", SEED, "--receipt", str(path), "--json")
    assert ran.code == 0, ran.err
    (genesis,) = (directory / "data" / "networks").glob("*.genesis")
    return Kept(path, genesis, ran.json)
