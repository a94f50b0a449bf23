"""Files of probes: round trips, bounds, and a refusal with a remedy for everything else."""

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ModelError
from models.probe import PROBE_BYTES_MAX, WIDTH_MAX, Probe, decode_probe, encode_probe, read_probe

PATH = Path("/probes/one.json")
floats32 = st.floats(-1e5, 1e5, width=32)
probes = st.builds(
    lambda digest, layer, direction, weight, tasks: Probe(
        path=PATH,
        digest=digest,
        layer=layer,
        direction=tuple(direction),
        logprob_weight=weight,
        tasks=tasks,
    ),
    st.binary(min_size=32, max_size=32),
    st.integers(1, 64),
    st.lists(floats32, min_size=1, max_size=40),
    st.floats(-1e5, 1e5),
    st.text(st.characters(codec="utf-8"), max_size=40),
)


def make_probe(width: int = 3) -> Probe:
    return Probe(
        path=PATH, digest=bytes(32), layer=2, direction=(0.5,) * width, logprob_weight=0.25, tasks="sums"
    )


@given(probes)
def test_a_probe_survives_its_file(probe: Probe) -> None:
    assert decode_probe(encode_probe(probe), PATH) == probe


@given(probes, st.data())
def test_no_damage_is_taken_for_a_probe_out_of_bounds(probe: Probe, data: st.DataObject) -> None:
    raw = bytearray(encode_probe(probe))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode_probe(bytes(raw), PATH)
    except ModelError as exc:
        assert exc.remedy  # noqa: PT017 - either outcome is right
    else:
        assert all(map(math.isfinite, (*found.direction, found.logprob_weight)))
        assert found.layer >= 1


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="no probe that can be used"):
        decode_probe(data, PATH)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"schema": "peerage.probe/2"}, "schema"),
        ({"digest": "00"}, "digest"),
        ({"digest": "xy"}, "hex"),
        ({"layer": 0}, "layer"),
        ({"width": 4}, "direction"),
        ({"width": 0}, "width"),
        ({"direction": "AAAA"}, "direction"),
        ({"direction": "AADAfwAAwH8AAMB/"}, "direction"),  # three NaN
        ({"direction": "AACAfwAAgH8AAIB/"}, "direction"),  # three infinities
        ({"logprob_weight": 1e9}, "weight"),
        ({"extra": 1}, "unknown field"),
        ({"layer": "2"}, "int"),
    ],
)
def test_values_out_of_bounds_are_named(change: dict[str, object], word: str) -> None:
    fields = msgspec.json.decode(encode_probe(make_probe()), type=dict[str, object])
    with pytest.raises(ModelError, match=word) as caught:
        decode_probe(msgspec.json.encode(fields | change), PATH)
    assert "calibrate" in caught.value.remedy


def test_the_widest_probe_fits_and_a_wider_one_is_refused() -> None:
    assert len(encode_probe(make_probe(WIDTH_MAX))) <= PROBE_BYTES_MAX
    with pytest.raises(ModelError, match="at most"):
        encode_probe(make_probe(WIDTH_MAX + 1))


@pytest.mark.parametrize("weight", [math.nan, math.inf, 1e300])
def test_weights_out_of_bounds_are_not_written(weight: float) -> None:
    for probe in (replace(make_probe(), logprob_weight=weight), replace(make_probe(), direction=(weight,))):
        with pytest.raises(ModelError, match="weight"):
            encode_probe(probe)


def test_files_that_are_not_there_or_too_long_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path, Path("a\0b")):
        with pytest.raises(ModelError, match="cannot read"):
            read_probe(path)
    (tmp_path / "long").write_bytes(b" " * (PROBE_BYTES_MAX + 1))
    with pytest.raises(ModelError, match="bytes"):
        read_probe(tmp_path / "long")


def test_merits_are_linear_and_finite() -> None:
    probe = make_probe()
    assert probe.compute_merit((1.0, 2.0, 3.0), -4.0) == pytest.approx(2.0)
    with pytest.raises(ModelError, match="3"):
        probe.compute_merit((1.0,), 0.0)
    with pytest.raises(ModelError, match="finite"):
        probe.compute_merit((math.inf, 0.0, 0.0), 0.0)
