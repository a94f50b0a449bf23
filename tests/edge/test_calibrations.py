"""Files of calibrations: round trips, damage that is named, and what `auto` means with and without one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.errors import ConfigError
from models.errors import ModelError
from models.judges.strategy import LIKELIHOOD, parse_strategy
from models.probe import Probe, encode_probe
from models.scripted import STATE_WIDTH, ScriptedModel
from swarm.edge.calibrations import (
    BYTES_MAX,
    CALIBRATION_SCHEMA,
    Calibration,
    Figure,
    describe_choice,
    get_calibration_paths,
    read_calibration,
    resolve_calibrated,
    write_calibration,
)

INFO = ScriptedModel().info()


@pytest.fixture(autouse=True, scope="module")
def _data_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEERAGE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    yield
    paths = get_calibration_paths(INFO.digest)
    if paths.record.is_dir():
        paths.record.rmdir()
    for path in (paths.record, paths.probe):
        path.unlink(missing_ok=True)


def make_calibration(strategy: str | None = "letters") -> Calibration:
    return Calibration(
        schema=CALIBRATION_SCHEMA,
        model="scripted",
        digest=INFO.digest.hex(),
        tasks="gold",
        seed=1,
        questions=60,
        peers=5,
        natural=50,
        single=Figure(value=0.5, low=0.4, high=0.6, count=60),
        strategies=(),
        probe=None,
        probe_note="",
        strategy=strategy,
        weight=0.5,
    )


def keep(data: bytes) -> Path:
    path = write_calibration(make_calibration())
    path.write_bytes(data)
    return path


@given(
    strategy=st.sampled_from(["letters", "likelihood:prompts=4", None]),
    weight=st.floats(0, 1),
    tasks=st.text(st.characters(codec="utf-8"), max_size=40),
    seed=st.integers(0, 2**48),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_calibration_survives_its_file(strategy: str | None, weight: float, tasks: str, seed: int) -> None:
    changed = msgspec.structs.replace(make_calibration(strategy), weight=weight, tasks=tasks, seed=seed)
    path = write_calibration(changed)
    assert read_calibration(INFO.digest) == changed
    assert path.stat().st_mode & 0o777 == 0o600


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    raw = bytearray(msgspec.json.encode(make_calibration()))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = keep(bytes(raw))
    try:
        strategy = resolve_calibrated("auto", INFO)
    except ConfigError as exc:
        assert str(path) in exc.message  # noqa: PT017 - either outcome is right
        assert "delete it" in exc.remedy  # noqa: PT017
    else:
        assert strategy.kind in {LIKELIHOOD.kind, parse_strategy("letters").kind}


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_other_bytes_are_refused(data: bytes) -> None:
    keep(data)
    with pytest.raises(ConfigError, match="no calibration that can be used"):
        read_calibration(INFO.digest)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"schema": "peerage.calibration/2"}, "schema"),
        ({"digest": "00" * 32}, "of the model"),
        ({"weight": "much"}, "decoded"),
        ({"extra": 1}, "decoded"),
        ({"strategy": "lettres"}, "no judge is called"),
        ({"strategy": "probe:/nowhere"}, "cannot read"),
        ({"tasks": "a" * BYTES_MAX}, "bytes"),
    ],
)
def test_what_is_wrong_is_said_and_never_passed_over(change: dict[str, object], word: str) -> None:
    fields = msgspec.json.decode(msgspec.json.encode(make_calibration()), type=dict[str, object])
    keep(msgspec.json.encode(fields | change))
    with pytest.raises(ConfigError, match=word) as caught:
        resolve_calibrated("auto", INFO)
    assert "calibrate" in caught.value.remedy
    assert resolve_calibrated("likelihood", INFO) == LIKELIHOOD  # who names a judge needs no calibration


def test_a_file_that_cannot_be_read_is_refused() -> None:
    paths = get_calibration_paths(INFO.digest)
    paths.record.mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_calibration(INFO.digest)


def test_auto_is_the_calibrated_judge_where_there_is_one() -> None:
    assert read_calibration(INFO.digest) is None
    assert resolve_calibrated("auto", INFO) == LIKELIHOOD
    write_calibration(make_calibration())
    assert resolve_calibrated("auto", INFO) == parse_strategy("letters")
    assert resolve_calibrated("likelihood", INFO) == LIKELIHOOD
    assert resolve_calibrated("auto", replace(INFO, digest=bytes(32))) == LIKELIHOOD
    write_calibration(make_calibration(None))
    assert resolve_calibrated("auto", INFO) == LIKELIHOOD
    assert "default" in describe_choice(make_calibration(None))
    with pytest.raises(ModelError):
        resolve_calibrated("lettres", INFO)


def test_a_judge_that_the_model_cannot_serve_any_more_is_an_error() -> None:
    write_calibration(make_calibration("letters"))
    with pytest.raises(ConfigError, match="choices between options"):
        resolve_calibrated("auto", replace(INFO, has_choices=False))


def test_a_probe_is_found_by_its_path_and_belongs_to_its_model() -> None:
    path = get_calibration_paths(INFO.digest).probe
    probe = Probe(
        path=path,
        digest=INFO.digest,
        layer=1,
        direction=(1.0,) * STATE_WIDTH,
        logprob_weight=1.0,
        tasks="sums",
    )
    write_calibration(make_calibration(f"probe:{path}"))
    path.write_bytes(encode_probe(probe))
    assert resolve_calibrated("auto", INFO).probe == probe
    path.write_bytes(encode_probe(replace(probe, digest=bytes(32))))
    with pytest.raises(ConfigError, match="belongs"):
        resolve_calibrated("auto", INFO)
