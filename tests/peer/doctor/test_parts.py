"""The doctor's figures: versions, who answered, what a log tells, how much memory is needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.encoding import encode
from consensus.identity import KeyPair, NetworkId
from swarm.edge.events import Event, Json
from swarm.edge.handshake import MAGIC, VERSION_MAX, Hello
from swarm.peer.doctor.machine import compute_needed_mib, is_within
from swarm.peer.doctor.probing import Outcome, classify
from swarm.peer.doctor.story import DAY_MS, Story
from swarm.peer.doctor.words import say_bytes, say_span
from swarm.peer.doctor.world import World, find_version, read_age_s, read_files_max

NETWORK = NetworkId(b"\x01" * 32)
KEY = KeyPair(b"\x02" * 32).key


@pytest.mark.parametrize(
    ("version", "wanted", "is_met"),
    [
        ("0.35.0", ">=0.35,<0.36", True),
        ("0.36.0", ">=0.35,<0.36", False),
        ("0.34.9", ">=0.35,<0.36", False),
        ("1.10", ">=1.9", True),
        ("2.13.0", "==2.13", True),
        ("2.13.1", "==2.13", False),
        ("2.13.1", "==2.13.*", True),
        ("1.3.0.post0", ">=1.3,!=1.3.1", True),
        ("1.3.1", "!=1.3.1", False),
        ("1.4.5", "~=1.4.2", True),
        ("1.5.0", "~=1.4.2", False),
        ("2", ">1.9,<=2.0", True),
        ("3.11.7", ">=3.11", True),
        ("1.0", "", True),
    ],
)
def test_versions(version: str, wanted: str, is_met: bool) -> None:
    assert is_within(version, wanted) is is_met


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=4), st.lists(st.integers(0, 30), min_size=1, max_size=4)
)
def test_a_version_is_on_one_side_of_another(left: list[int], right: list[int]) -> None:
    version, bound = (".".join(map(str, numbers)) for numbers in (left, right))
    assert is_within(version, f">={bound}") != is_within(version, f"<{bound}")
    assert is_within(version, f"=={bound}") != is_within(version, f"!={bound}")


def hello(**changes: bytes | int) -> bytes:
    fields: dict[str, bytes | int] = {
        "magic": MAGIC,
        "version_min": 1,
        "version_max": VERSION_MAX,
        "network": NETWORK,
        "key": KEY,
        "nonce": bytes(32),
    }
    return encode(Hello(**{**fields, **changes}))  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        (None, Outcome.NO_PEER),
        (b"HTTP/1.1 200 OK", Outcome.NO_PEER),
        (hello(magic=b"other"), Outcome.NO_PEER),
        (hello(network=b"\x09" * 32), Outcome.OTHER_NETWORK),
        (hello(version_min=900, version_max=901), Outcome.OTHER_VERSION),
        (hello(key=b"\x09" * 32), Outcome.OTHER_KEY),
        (hello(), Outcome.UNREACHABLE),  # the right one, that went away before it proved itself
    ],
)
def test_who_answered(first: bytes | None, outcome: Outcome) -> None:
    answer = classify("wss://a:1", first, "it failed", expected=KEY, network=NETWORK)
    assert answer.outcome is outcome
    assert answer.detail


def note(story: Story, name: str, t_ms: int, **fields: Json) -> None:
    story.note(Event(seq=0, t_ms=t_ms, event=name, peer=b"p" * 32, fields=fields))


def test_a_story_counts_the_last_day_only() -> None:
    story = Story()
    note(story, "peer_penalised", 1_000, reason="nonsense")
    note(story, "peer_penalised", DAY_MS + 500, reason="nonsense")
    note(story, "link_opened", DAY_MS + 1_000)
    note(story, "link_closed", DAY_MS + 1_500, reason="gone")
    note(story, "link_opened", DAY_MS + 2_000)
    note(story, "link_closed", DAY_MS + 9_000, reason="gone")
    note(story, "node_started", DAY_MS + 9_500, rounds=0)
    story.close()
    assert story.penalised == {b"p" * 32: 1}
    assert story.cut_short == {b"p" * 32: 1}
    assert story.last_ms == DAY_MS + 9_500


def test_a_start_ends_a_halt_and_forgets_what_was_open() -> None:
    story = Story()
    note(story, "round_opened", 1, seat=0)
    note(story, "node_halted", 2, reason="full")
    assert (story.halt, story.halt_remedy, story.waiting) == ("full", "", 1)
    note(story, "node_started", 3, rounds=0)
    assert (story.halt, story.waiting, story.waiting_ms) == ("", 0, 0)


def test_figures_in_words() -> None:
    assert [say_bytes(count) for count in (0, 2_048, 3 << 20, 5 << 30)] == [
        "0 bytes",
        "2.0 KiB",
        "3.0 MiB",
        "5.0 GiB",
    ]
    assert [say_span(seconds) for seconds in (5.0, 90.0, 7_200.0, 172_800.0)] == [
        "5 s",
        "1.5 min",
        "2.0 h",
        "2.0 d",
    ]


def test_a_model_without_weights_needs_little() -> None:
    assert compute_needed_mib(0) < compute_needed_mib(1) < compute_needed_mib(1 << 30)


def test_this_machine_can_be_read() -> None:
    import os

    world = World()
    assert 0 < world.get_memory().available <= world.get_memory().total
    assert read_files_max(None) == read_files_max(os.getpid()) > 0
    assert 0.0 < read_age_s(os.getpid()) < read_age_s(1) + 1.0
    assert world.cores >= 1
    command = world.get_command(os.getpid())
    assert command is not None
    assert any("py" in word for word in command)
    assert find_version("no-such-library") is None
    assert "python>=3.11" in world.get_requirements()
