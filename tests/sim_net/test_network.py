"""Weather, partitions and the distributions of delays."""

import random
import statistics
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ConfigError
from sim_net.distributions import DELAY_MS_MAX, parse_distribution
from sim_net.manifest import NetworkSettings
from sim_net.network import Network


def make_network(**settings: float | str | int) -> Network:
    return Network(NetworkSettings(**settings), random.Random(1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "mean"),
    [
        ("constant(7)", 7.0),
        ("uniform(10, 30)", 20.0),
        ("normal(100, 5)", 100.0),
        ("exponential(50)", 50.0),
        ("lognormal(40, 0.5)", 45.3),
    ],
)
def test_distributions_have_the_mean_they_say(text: str, mean: float) -> None:
    distribution, dice = parse_distribution(text), random.Random(3)
    drawn = [distribution.draw_ms(dice) for _ in range(20_000)]
    assert statistics.fmean(drawn) == pytest.approx(mean, rel=0.03)
    assert distribution.mean_ms == pytest.approx(mean, rel=0.01)
    assert min(drawn) >= 0
    assert max(drawn) <= DELAY_MS_MAX


@pytest.mark.parametrize(
    "text",
    [
        *("", "uniform", "uniform(1)", "uniform(2, 1)", "uniform(1, x)", "pareto(1)", "constant(-1)"),
        *("constant(inf)", "constant(nan)", "lognormal(0, 1)", "lognormal(1, 99)", "constant(1) constant(2)"),
        "constant(9e9)",
    ],
)
def test_what_is_no_distribution_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_distribution(text)


@given(st.text(max_size=40))
def test_any_text_is_a_distribution_or_one_kind_of_error(text: str) -> None:
    with suppress(ConfigError):
        assert parse_distribution(text).mean_ms >= 0


def test_a_calm_network_delivers_every_message_once_and_unchanged() -> None:
    network = make_network(latency="constant(5)")
    for _ in range(100):
        (arrival,) = network.carry(0, 1, b"word")
        assert (arrival.delay_ms, arrival.data, arrival.is_corrupted) == (5, b"word", False)


def test_loss_and_duplication_happen_as_often_as_they_should() -> None:
    network = make_network(loss=0.2, duplication=0.5)
    counts = [len(network.carry(0, 1, b"word")) for _ in range(4_000)]
    assert counts.count(0) / 4_000 == pytest.approx(0.2, abs=0.03)
    assert counts.count(2) / 4_000 == pytest.approx(0.4, abs=0.03)


def test_corruption_changes_one_byte_and_says_so() -> None:
    network = make_network(corruption=1.0)
    for data in (b"word", b"x", bytes(1_000)):
        (arrival,) = network.carry(0, 1, data)
        assert arrival.is_corrupted
        assert sum(a != b for a, b in zip(arrival.data, data, strict=True)) == 1
    (nothing,) = network.carry(0, 1, b"")
    assert not nothing.is_corrupted


def test_jitter_and_reordering_add_to_the_delay() -> None:
    jittery = make_network(latency="constant(10)", jitter_ms=5)
    assert {jittery.carry(0, 1, b"x")[0].delay_ms for _ in range(300)} == set(range(10, 16))
    held = make_network(latency="constant(10)", reordering=1.0)
    assert all(held.carry(0, 1, b"x")[0].delay_ms >= 20 for _ in range(100))


def test_a_cut_works_one_way_and_cuts_add_up() -> None:
    network = make_network()
    network.cut([(0, 1)])
    network.cut([(0, 1), (1, 2)])
    assert network.carry(0, 1, b"x") == []
    assert network.carry(1, 0, b"x") != []
    assert network.join([(0, 1), (1, 2)]) == [(1, 2)]
    assert network.is_cut(0, 1)
    assert network.join([(0, 1)]) == [(0, 1)]
    assert not network.is_cut(0, 1)
    assert network.join([(0, 1)]) == []


def test_the_latest_weather_holds_until_it_ends() -> None:
    network = make_network()
    storm, fog = NetworkSettings(loss=1.0), NetworkSettings(latency="constant(99)")
    network.push(storm)
    network.push(fog)
    assert network.carry(0, 1, b"x")[0].delay_ms == 99
    network.pop(fog)
    assert network.carry(0, 1, b"x") == []
    network.pop(storm)
    assert network.carry(0, 1, b"x") != []
    network.push(storm)
    network.cut([(0, 1)])
    network.calm(NetworkSettings())
    assert network.carry(0, 1, b"x") != []
