"""What members tell is written down as far as it can be true, and no member can fill a disk with it."""

from dataclasses import replace

import pytest

from consensus.identity import PeerKey
from consensus.phases import Phase
from models.judges.strategy import LIKELIHOOD
from swarm.edge.ask_options import AskOptions
from swarm.edge.client import Progress, ProgressKind
from swarm.edge.event_log import EventLog
from swarm.edge.events import Event
from swarm.edge.local import create_local_keys
from swarm.edge.wishes import Prepared, make_wish, prepare_wish
from swarm.gateway.told import ToldLog
from tests.docs.test_events_page import check_event

KEYS = create_local_keys(peers=5, seed=b"t" * 32)


def prepare(counter: int = 0) -> Prepared:
    """Return a question for 4 of the 5 members."""
    return prepare_wish(
        make_wish("What is 7 times 12?"),
        AskOptions(peers=4),
        network=KEYS.network,
        asker=KEYS.asker,
        judge=LIKELIHOOD,
        counter=counter,
        backing=None,
        deadline_s=60.0,
    )


class Bench:
    def __init__(self) -> None:
        self.log = EventLog(None, get_time_ms=lambda: 7)
        self.told = ToldLog(self.log, network=KEYS.network, asker=KEYS.asker.key)
        self.prepared = prepare()
        self.told.begin(self.prepared)

    def tell(self, peer: PeerKey, step: int, phase: Phase, seats: int = 0) -> None:
        self.told.on_progress(
            Progress(
                ProgressKind.PHASE, peer, round_id=self.prepared.round_id, step=step, phase=phase, seats=seats
            )
        )

    def read(self) -> list[tuple[str, object, object, object]]:
        events: list[Event] = list(self.log._ring)
        for event in events:
            check_event(event)
        return [
            (event.event, event.fields.get("step"), event.fields.get("phase"), event.fields.get("seats"))
            for event in events
        ]


def find_seats(bench: Bench) -> tuple[list[PeerKey], PeerKey]:
    """Return who has a seat, in no order, and who has none."""
    seated = []
    for pair in KEYS.peers:
        probe = Bench()
        probe.tell(pair.key, 0, Phase.COMMITTING)
        if probe.read():
            seated.append(pair.key)
    (outside,) = {pair.key for pair in KEYS.peers} - {*seated}
    assert bench.read() == []
    return seated, outside


def test_a_seat_opens_its_round_with_its_first_word_and_goes_forward_only() -> None:
    bench = Bench()
    (peer, *_), _ = find_seats(bench)
    bench.tell(peer, 0, Phase.COMMITTING)
    bench.tell(peer, 0, Phase.COMMITTING)  # again
    bench.tell(peer, 0, Phase.REVEALING, 3)
    bench.tell(peer, 0, Phase.COMMITTING)  # back
    bench.tell(peer, 0, Phase.REVEALING, 2**31)
    assert bench.read() == [
        ("round_opened", None, None, 4),
        ("phase_reached", 0, "committing", 0),
        ("phase_reached", 0, "revealing", 3),
        ("phase_reached", 0, "revealing", 4),  # there are no more seats than that
    ]


def test_nobody_else_is_heard() -> None:
    bench = Bench()
    (peer, *_), outside = find_seats(bench)
    bench.tell(outside, 0, Phase.COMMITTING)
    bench.tell(peer, 4, Phase.COMMITTING)  # a step that the question does not allow
    bench.tell(peer, -1, Phase.COMMITTING)
    bench.prepared = prepare(counter=1)  # a round that was not begun
    bench.tell(peer, 0, Phase.COMMITTING)
    assert bench.read() == []


def test_a_member_that_floods_has_a_bounded_number_of_lines() -> None:
    bench = Bench()
    (peer, *_), _ = find_seats(bench)
    for _ in range(3):
        for step in range(8):
            for phase in Phase:
                for seats in range(64):
                    bench.tell(peer, step, phase, seats)
    assert len(bench.read()) <= 1 + 4 * len(Phase) * 5  # steps 0 to 3, and 0 to 4 seats heard of


def test_a_round_that_is_left_ends_once() -> None:
    bench = Bench()
    for _ in range(2):
        bench.told.halt(bench.prepared.round_id, "nobody waited for it any more")
    assert [name for name, *_ in bench.read()] == ["round_halted"]
    (peer, *_), _ = find_seats(Bench())
    bench.tell(peer, 0, Phase.COMMITTING)  # late word
    assert len(bench.read()) == 1


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (ProgressKind.LINKED, "link_opened"),
        (ProgressKind.UNLINKED, "link_closed"),
        (ProgressKind.LIED, "peer_penalised"),
    ],
)
def test_links_and_faults_are_noted_of_no_round(kind: ProgressKind, event: str) -> None:
    bench = Bench()
    progress = Progress(kind, KEYS.peers[0].key, reason="so it was")
    bench.told.on_progress(progress)
    bench.told.on_progress(replace(progress, kind=ProgressKind.REFUSED))
    assert [name for name, *_ in bench.read()] == [event]
