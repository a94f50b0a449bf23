"""Counts of a peer's life follow from its events."""

from swarm.edge.events import Event, Json
from swarm.peer.tally import STATUSES, Tally


def make(name: str, /, **fields: Json) -> Event:
    return Event(seq=0, t_ms=0, event=name, fields=fields)


def test_events_are_counted() -> None:
    tally = Tally()
    for event in (
        make("round_opened", seat=0),
        make("round_opened", seat=1),
        make("round_declined", reason="games"),
        make("round_closed", status="full"),
        make("round_closed", status="partial"),
        make("round_closed", status="full"),
        make("peer_penalised", reason="nonsense"),
        make("link_opened"),
        make("events_left_out", name="link_opened", count=9),
        make("events_left_out", name="peer_penalised", count=7),
        make("node_halted", reason="disk full"),
    ):
        tally.note(event)
    assert (tally.opened, tally.declined, tally.penalties, tally.halted) == (2, 1, 8, "disk full")
    assert tally.get_rounds() == {"full": 2, "partial": 1, "failed": 0}
    assert set(tally.get_rounds()) == set(STATUSES)
