"""An owner's limits: when they are reached no further rounds are taken, and later they are again."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from swarm.edge.peer_config import PeerConfig
from swarm.peer.caps import HOUR_S, Caps

CONFIG = PeerConfig(label="a")


def test_without_limits_nothing_is_ever_used_up() -> None:
    caps = Caps(CONFIG)
    for second in range(1_000):
        caps.note_round(float(second))
    assert caps.find_reason(now_s=1_000.0, memory_mb=1e6) == ""


def test_rounds_an_hour_are_counted_over_the_last_hour() -> None:
    caps = Caps(replace(CONFIG, rounds_per_hour=2))
    caps.note_round(0.0)
    assert caps.find_reason(now_s=1.0, memory_mb=0.0) == ""
    caps.note_round(10.0)
    assert caps.find_reason(now_s=11.0, memory_mb=0.0) == "2 rounds within the last hour, as many as allowed"
    assert caps.find_reason(now_s=HOUR_S - 1.0, memory_mb=0.0)
    assert caps.find_reason(now_s=HOUR_S, memory_mb=0.0) == ""
    assert caps.count_rounds(HOUR_S) == 1


def test_memory_has_to_fall_well_below_its_limit() -> None:
    caps = Caps(replace(CONFIG, memory_mb=1_000))
    assert caps.find_reason(now_s=0.0, memory_mb=1_000.0) == ""
    assert caps.find_reason(now_s=0.0, memory_mb=1_001.0) == "1001 MiB in use, 1000 allowed"
    assert caps.find_reason(now_s=0.0, memory_mb=950.0) == "1001 MiB in use, 1000 allowed"
    assert caps.find_reason(now_s=0.0, memory_mb=899.0) == ""
    assert caps.find_reason(now_s=0.0, memory_mb=950.0) == ""


def test_the_owners_word_goes_first() -> None:
    caps = Caps(replace(CONFIG, memory_mb=256), owner_reason="games")
    assert caps.find_reason(now_s=0.0, memory_mb=300.0) == "games"


@given(st.lists(st.floats(0, 3 * HOUR_S), max_size=60), st.integers(1, 20))
def test_never_more_rounds_an_hour_than_allowed(times: list[float], allowed: int) -> None:
    caps, taken = Caps(replace(CONFIG, rounds_per_hour=allowed)), []
    for now in sorted(times):
        if not caps.find_reason(now_s=now, memory_mb=0.0):
            caps.note_round(now)
            taken.append(now)
        assert sum(now - one < HOUR_S for one in taken) <= allowed
