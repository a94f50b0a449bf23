"""A peer's settings: what is written is read back, and what is wrong is named."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.errors import ConfigError
from swarm.edge.peer_config import (
    FILE_BYTES_MAX,
    PeerConfig,
    get_config_path,
    read_peer_config,
    write_peer_config,
)

CONFIG = PeerConfig(label="alice")
labels = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=16)


def is_label(text: str) -> bool:
    return text.isprintable() and len(text.encode()) <= 64


@given(
    label=labels.filter(is_label),
    listen=st.sampled_from(["127.0.0.1:0", "0.0.0.0:4242", "[::]:4242", "peer.example:1"]),
    advertise=st.lists(st.sampled_from(["wss://a.example:1", "wss://[::1]:2"]), max_size=4),
    memory_mb=st.sampled_from([0, 256, 4_096]),
    threads=st.integers(0, 1_024),
    rounds=st.integers(0, 100_000),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back(
    tmp_path: Path,
    label: str,
    listen: str,
    advertise: list[str],
    memory_mb: int,
    threads: int,
    rounds: int,
) -> None:
    config = PeerConfig(
        label=label,
        listen=listen,
        advertise=tuple(advertise),
        memory_mb=memory_mb,
        threads=threads,
        rounds_per_hour=rounds,
    )
    path = write_peer_config(tmp_path, config)
    assert read_peer_config(tmp_path) == config
    assert path.stat().st_mode & 0o777 == 0o600


def test_characters_that_toml_escapes_survive(tmp_path: Path) -> None:
    config = replace(CONFIG, label='a "quoted" \\ label', model="hf:owner/name")
    write_peer_config(tmp_path, config)
    assert read_peer_config(tmp_path) == config


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"label": ""}, "label is ''"),
        ({"label": "a\nb"}, "label"),
        ({"label": "x" * 65}, "64 printable bytes"),
        ({"listen": "4242"}, "expected HOST:PORT"),
        ({"listen": "host:70000"}, "expected HOST:PORT"),
        ({"listen": "::1:4242"}, "expected HOST:PORT"),
        ({"metrics": "nowhere"}, "expected HOST:PORT"),
        ({"metrics": "0.0.0.0:9464"}, "an address of this machine only"),
        ({"metrics": "peer.example:9464"}, "an address of this machine only"),
        ({"advertise": ("http://a:1",)}, "wss://HOST:PORT"),
        ({"advertise": ("wss://a",)}, "wss://HOST:PORT"),
        ({"advertise": ("wss://a:1",) * 5}, "at most 4"),
        ({"advertise": ("wss://a:1",), "listen": ""}, "listens nowhere"),
        ({"memory_mb": 5}, "at least 256"),
        ({"threads": -1}, "0 to 1024"),
        ({"rounds_per_hour": 10**6}, "0 to 100000"),
        ({"store_mb": 15}, "0 to keep all, or 16 to 3584"),
        ({"store_mb": 4096}, "0 to keep all, or 16 to 3584"),
    ],
)
def test_what_is_out_of_bounds_is_refused(changes: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(CONFIG, **changes)  # type: ignore[arg-type]
    assert word in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('lable = "a"', "no setting 'lable'"),
        ('model = "embedded"', "label is missing"),
        ("label = 3", "label is 3, expected a text"),
        ('label = "a"\nthreads = "two"', "expected a whole number"),
        ('label = "a"\nthreads = true', "expected a whole number"),
        ('label = "a"\nadvertise = "wss://a:1"', "expected a list"),
        ("label = ", "is no TOML"),
        ("# " + "x" * FILE_BYTES_MAX, "has more than"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, text: str, word: str) -> None:
    get_config_path(tmp_path).write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_peer_config(tmp_path)
    assert word in caught.value.message
    assert caught.value.remedy


def test_without_a_file_there_is_no_peer(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no peer in") as caught:
        read_peer_config(tmp_path)
    assert "peer init" in caught.value.remedy


def test_who_advertises_nothing_only_dials_out() -> None:
    assert CONFIG.is_outbound_only
    assert not replace(CONFIG, advertise=("wss://a.example:1",)).is_outbound_only
