"""Probes that come with the package: found by name, by model, and used where nothing else was asked for."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.catalog import open_model
from models.judges.strategy import (
    AUTOMATIC,
    LIKELIHOOD,
    JudgeKind,
    check_supported,
    format_strategy,
    resolve_strategy,
)
from models.probe import read_probe
from models.scripted import ScriptedModel
from models.shipped_probes import find_shipped, list_shipped, locate_probe, name_probe

SHIPPED = read_probe(locate_probe("embedded"))
INFO = replace(ScriptedModel().info(), digest=SHIPPED.digest, layers=30)


def test_a_name_means_its_file_and_every_other_text_a_path() -> None:
    assert list_shipped() == ("embedded",)
    assert name_probe(SHIPPED.path) == "embedded"
    assert locate_probe("./embedded") == Path("embedded")
    assert name_probe(Path("/elsewhere/embedded.json")) == "/elsewhere/embedded.json"


def test_a_probe_is_found_by_the_model_it_was_learnt_from() -> None:
    assert find_shipped(SHIPPED.digest) == SHIPPED
    assert find_shipped(bytes(32)) is None


def test_it_is_the_default_of_its_model_and_of_no_other() -> None:
    strategy = resolve_strategy(AUTOMATIC, INFO)
    assert format_strategy(strategy) == "probe:embedded"
    check_supported(strategy, INFO)
    assert resolve_strategy(AUTOMATIC, replace(INFO, digest=bytes(32))) == LIKELIHOOD
    # A server may run the same weights and give no hidden states.
    assert resolve_strategy(AUTOMATIC, replace(INFO, layers=0)) == LIKELIHOOD
    assert resolve_strategy("likelihood", INFO) == LIKELIHOOD


@pytest.mark.slow
def test_the_embedded_model_has_one_and_a_worse_copy_of_it_has_none() -> None:
    def choose(spec: str) -> JudgeKind:
        return resolve_strategy(AUTOMATIC, open_model(spec, progress=lambda _: None, threads=1).info()).kind

    assert choose("embedded") is JudgeKind.PROBE
    assert choose("embedded:layers=24") is JudgeKind.LIKELIHOOD
