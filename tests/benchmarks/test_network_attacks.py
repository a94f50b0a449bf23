"""The attack figures count what was seen, attackers' frames are frames, and a short run keeps the goals."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, TextMessage

from benchmarks.attacks.frames import (
    BATCH_FRAMES,
    BINARY,
    TEXT,
    make_control,
    make_frame,
    make_large,
    make_malformed,
    make_tiresome,
)
from benchmarks.attacks.links import BatchMaker, Tally
from benchmarks.attacks.watch import Use
from benchmarks.network_attacks import (
    MEMORY_GROWTH_MIB_MAX,
    Attacked,
    HonestRound,
    describe,
    find_failures,
    get_p95,
    group_kinds,
    run,
)
from consensus.identity import KeyPair
from consensus.messages import StatementMessage, decode_message
from swarm.edge.limits import EdgeLimits
from swarm.edge.local import create_local_keys
from swarm.edge.transport import unpack_messages

KEYS = create_local_keys(peers=4, seed=b"5" * 32)
SECONDS = 3.0
CALM = Use(100.0, 20, 0.1)
FOUND = Attacked(
    kind="noise",
    seconds=2.0,
    tally=Tally(connections=10, links=4, frames=20_000),
    before=CALM,
    during=replace(CALM, memory_mib=110.0, descriptors=90),
    after=CALM,
    log_bytes=2_048,
    events=Counter(peer_penalised=3),
    bans=1,
    peace=(HonestRound(0.0, 0.5, "full"),),
    war=(HonestRound(3.0, 0.7, "partial"), HonestRound(4.0, 9.0, "none")),
    newcomers=(True, False),
)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_frames_are_read_as_what_they_are(size: int, opcode: int) -> None:
    server = Connection(ConnectionType.SERVER)
    server.receive_data(make_frame(b"x" * size, opcode))
    (event,) = server.events()
    assert isinstance(event, TextMessage if opcode == TEXT else BytesMessage)
    assert len(event.data) == size


@pytest.mark.parametrize("make", [make_malformed, make_tiresome, make_control])
def test_a_batch_holds_the_frames_it_counts(make: BatchMaker) -> None:
    batch = make(KEYS.network, KeyPair(b"c" * 32), None)
    server = Connection(ConnectionType.SERVER)
    server.receive_data(batch.data)
    assert len(list(server.events())) == batch.frames == BATCH_FRAMES


def test_a_large_frame_is_one_that_honest_peers_may_send() -> None:
    batch = make_large(KEYS.network, KeyPair(b"c" * 32), None)
    server = Connection(ConnectionType.SERVER)
    server.receive_data(batch.data)
    (event,) = server.events()
    assert isinstance(event, BytesMessage)
    assert batch.frames == 1
    messages = unpack_messages(bytes(event.data), EdgeLimits())
    assert all(isinstance(decode_message(message), StatementMessage) for message in messages)


def test_what_holds_and_what_does_not_is_told_apart() -> None:
    assert find_failures(FOUND) == []
    fat = replace(FOUND, during=replace(CALM, memory_mib=CALM.memory_mib + MEMORY_GROWTH_MIB_MAX + 1))
    assert find_failures(fat) == ["noise: 65 MiB more memory"]
    assert find_failures(replace(FOUND, war=FOUND.war[1:])) == ["noise: no honest round finished"]


def test_figures_are_rates_and_differences() -> None:
    text = "\n".join(describe(FOUND))
    assert "connections 5, links 2, frames 10,000" in text
    assert "100 before, +10 at most, +0 after" in text
    assert "{'partial': 1, 'none': 1}, median 0.70 s, p95 0.70 s" in text
    assert "newcomers let in: 1 of 2" in text


def test_a_member_that_was_banned_attacks_no_second_time() -> None:
    assert group_kinds(("noise", "member-a", "deaf", "member-b")) == [
        ["noise", "deaf"],
        ["member-a"],
        ["member-b"],
    ]
    assert group_kinds(("member-a",)) == [["member-a"]]


def test_p95_is_a_value_that_was_seen() -> None:
    assert get_p95([1.0]) == 1.0
    assert get_p95([float(place) for place in range(1, 101)]) == 95.0


@pytest.mark.slow
def test_a_short_run_keeps_the_goals_for_memory_and_rounds(tmp_path: Path) -> None:
    found = run(
        tmp_path, ("noise", "clients-malformed"), seconds=SECONDS, processes=1, is_all=False, calm_s=1.0
    )
    assert [one.kind for one in found] == ["noise", "clients-malformed"]
    assert [failure for one in found for failure in find_failures(one)] == []
    noise, frames = found
    assert noise.tally.connections > 0
    assert frames.tally.frames > 0
    assert frames.bans > 0
