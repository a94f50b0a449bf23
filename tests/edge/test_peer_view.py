"""A peer from the events of its log: every row has its event, and every limit holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.edge.event_table import EVENTS
from swarm.edge.events import Event
from swarm.edge.peer_view import (
    FAULTS_MAX,
    FINISHED_MAX,
    LASTING,
    LINKS_MAX,
    MINUTE_MS,
    MINUTES_MAX,
    UNDER_WAY_MAX,
    PeerView,
)
from swarm.edge.peer_view_faults import FAULTS, REMEDY_CHARS_MAX, Severity
from swarm.edge.peer_view_fields import TEXT_CHARS_MAX
from swarm.edge.peer_view_rows import LinkState, NodeState, Own, Snapshot
from tests.edge.peer_events import ANA, BEN, ME, NOW_MS, Script, make_round_id

ROUND = make_round_id(7)


def show(script: Script, *, is_written: bool = True, lasting_until: int = 0) -> Snapshot:
    """Return the view of a log; of its first events only those of lasting effect are read."""
    view = PeerView()
    for event in script.events:
        if event.seq >= lasting_until or event.event in LASTING:
            view.apply(event)
    return view.get_snapshot(now_ms=script.t_ms, is_written=is_written)


def start() -> Script:
    script = Script()
    script.say("node_started", rounds=0)
    return script


def test_every_event_that_means_something_is_one_that_is_written() -> None:
    assert set(FAULTS) | set(LASTING) <= set(EVENTS)
    assert all(kind.words and kind.remedy for kind in FAULTS.values())


def test_remedies_fit_on_a_small_screen() -> None:
    for kind in FAULTS.values():
        assert max(len(kind.remedy), len(kind.remedy_own)) <= REMEDY_CHARS_MAX, kind


def test_an_empty_log_says_that_nothing_is_known() -> None:
    shown = show(Script(), is_written=False)
    assert (shown.peers, shown.state, shown.started_ms, shown.last_ms) == ((), NodeState.GONE, None, None)
    assert (shown.links, shown.rounds, shown.faults, shown.penalties) == ((), (), (), ())


def test_a_peer_that_came_up_is_running_since_then() -> None:
    script = start()
    script.wait(5_000)
    shown = show(script)
    assert (shown.peers, shown.state, shown.started_ms) == ((ME,), NodeState.RUNNING, NOW_MS)


def test_a_log_whose_start_was_moved_away_still_says_whose_it_is() -> None:
    script = Script()
    script.say("link_opened", peer=ANA)
    script.open_round(ROUND)
    assert (show(script).peers, show(script).state) == ((ME,), NodeState.RUNNING)


def test_a_peer_that_died_is_not_taken_for_one_that_stopped() -> None:
    script = start()
    assert show(script, is_written=False).state is NodeState.GONE
    script.say("node_stopped", sent_messages=1, sent_bytes=2)
    assert show(script, is_written=False).state is NodeState.STOPPED


def test_a_peer_that_does_not_run_has_neither_links_nor_rounds() -> None:
    script = start()
    script.say("link_opened", peer=ANA)
    script.open_round(ROUND)
    script.wait(2_000)
    script.say("pairs_judged", round_id=ROUND)
    script.wait(5_000)
    shown = show(script, is_written=False)
    assert [(link.state, link.since_ms) for link in shown.links] == [(LinkState.DOWN, NOW_MS + 2_000)]
    assert [(row.status, row.compute_took_ms(shown.now_ms)) for row in shown.rounds] == [
        ("interrupted", 2_000)
    ]
    assert (shown.links_up, shown.rounds_under_way) == (0, 0)
    assert (show(script).links_up, show(script).rounds_under_way) == (1, 1)


def test_a_halted_peer_says_why_and_what_to_do_and_a_pause_does_not_hide_it() -> None:
    script = start()
    script.say("node_halted", reason="disk is full")
    script.say("node_paused", reason="its owner")
    shown = show(script)
    assert (shown.state, shown.reason) == (NodeState.HALTED, "disk is full")
    (fault,) = shown.faults
    assert (fault.severity, fault.reason) == (Severity.ERROR, "disk is full")
    assert "start it" in fault.remedy
    script.say("node_started", rounds=0)
    assert (show(script).state, show(script).reason) == (NodeState.RUNNING, "")


def test_a_pause_is_shown_until_it_ends_with_the_questions_it_cost() -> None:
    script = start()
    script.say("node_paused", reason="memory")
    script.say("round_declined", round_id=ROUND, reason="memory")
    assert (show(script).state, show(script).reason, show(script).rounds_declined) == (
        NodeState.PAUSED,
        "memory",
        1,
    )
    script.say("node_unpaused")
    assert (show(script).state, show(script).reason) == (NodeState.RUNNING, "")


def test_links_say_since_when_and_how_often_they_were_lost() -> None:
    script = start()
    script.say("link_opened", peer=ANA)
    script.say("dial_failed", peer=BEN, reason="refused")
    for _ in range(2):
        script.wait(1_000)
        script.say("link_closed", peer=ANA, reason="it went away")
        script.say("link_opened", peer=ANA)
    ana, ben = show(script).links
    assert (ana.peer, ana.state, ana.since_ms, ana.times_lost) == (ANA, LinkState.UP, NOW_MS + 2_000, 2)
    assert (ben.peer, ben.state, ben.times_lost, ben.reason) == (BEN, LinkState.UNREACHED, 0, "refused")
    script.wait(1_000)
    script.say("link_closed", peer=ANA, reason="it went away")
    script.say("dial_failed", peer=ANA, reason="refused")
    ana = show(script).links[0]
    assert (ana.state, ana.since_ms, ana.reason) == (LinkState.DOWN, NOW_MS + 3_000, "refused")
    assert show(script).links_up == 0


def test_a_restart_takes_links_down_and_interrupts_rounds_but_those_resumed() -> None:
    other = make_round_id(8)
    script = start()
    script.say("link_opened", peer=ANA)
    script.open_round(ROUND)
    script.open_round(other)
    script.wait(9_000)
    script.say("node_started", rounds=1)
    script.say("round_resumed", round_id=other, statements=2)
    shown = show(script)
    assert [(link.state, link.times_lost) for link in shown.links] == [(LinkState.DOWN, 0)]
    assert [(row.round_id, row.status) for row in shown.rounds] == [
        (other, "under way"),
        (ROUND, "interrupted"),
    ]
    assert (shown.rounds[0].seat, shown.rounds[0].compute_took_ms(script.t_ms)) == (3, 9_000)
    assert shown.started_ms == NOW_MS + 9_000
    assert shown.peers == (ME,)


def test_a_peer_with_a_new_key_is_not_shown_beside_its_old_one() -> None:
    script = start()
    script.open_round(ROUND)
    script.say("node_started", peer=ANA, rounds=0)
    assert show(script).peers == (ANA,)


def test_peers_of_one_process_share_a_log() -> None:
    script = start()
    script.say("link_opened", peer=ANA)
    script.wait(3)
    script.say("node_started", peer=ANA, rounds=0)
    for peer in (ME, ANA):
        script.say("round_opened", round_id=ROUND, peer=peer, seat=0, seats=5, quorum=4)
        script.say("link_opened", peer=BEN)
    script.say("link_closed", peer=BEN, reason="one of the two")
    shown = show(script)
    assert (shown.peers, shown.started_ms) == ((ME, ANA), NOW_MS)
    assert [row.peer for row in shown.rounds] == [ANA, ME]
    assert [link.state for link in shown.links] == [LinkState.UP, LinkState.UP]


def test_a_round_under_way_shows_step_phase_and_seats() -> None:
    script = start()
    script.open_round(ROUND)
    script.say("phase_reached", round_id=ROUND, step=2, phase="revealing", seats=4)
    script.wait(1_500)
    (row,) = show(script).rounds
    assert (row.status, row.step, row.phase, row.heard, row.seats) == ("under way", 2, "revealing", 4, 5)
    assert row.compute_took_ms(script.t_ms) == 1_500
    assert show(script).rounds_under_way == 1


@pytest.mark.parametrize(
    ("seat", "winner", "own"),
    [
        (3, 0, Own.WON),
        (3, 1, Own.LOST),
        (9, 0, Own.NOT_COUNTED),
        (30, 0, Own.NOT_COUNTED),
        (3, None, Own.NO_WINNER),
    ],
)
def test_a_finished_round_says_whether_the_own_answer_won(seat: int, winner: int | None, own: Own) -> None:
    script = start()
    script.open_round(ROUND, seat=seat)
    script.decide(ROUND)
    script.wait(2_000)
    script.close_round(ROUND, winner=winner, status="partial")
    (row,) = show(script).rounds
    assert (row.own, row.status, row.compute_took_ms(script.t_ms + 99)) == (own, "partial", 2_000)
    assert (show(script).rounds_seen, show(script).rounds_last_hour) == (1, 1)


def test_a_round_of_which_the_beginning_is_missing_claims_nothing() -> None:
    script = start()
    script.decide(ROUND)
    script.close_round(ROUND)
    (row,) = show(script).rounds
    assert (row.own, row.seat, row.opened_ms, row.compute_took_ms(script.t_ms)) == (
        Own.UNKNOWN,
        None,
        None,
        None,
    )


def test_a_key_that_runs_twice_has_halted_the_peer() -> None:
    script = start()
    script.say("second_machine", reason="it was seen elsewhere")
    shown = show(script)
    assert (shown.state, shown.reason, shown.faults[0].severity) == (
        NodeState.HALTED,
        "it was seen elsewhere",
        Severity.ERROR,
    )
    assert show(script, is_written=False).reason == "it was seen elsewhere"


def test_a_fault_that_comes_again_and_again_is_one_row() -> None:
    script = start()
    script.say("receipt_damaged", round_id=ROUND, reason="digest")
    for number in range(3):
        script.wait(1_000)
        script.say("bootstrap_failed", reason=f"refused {number}", url="wss://x:1")
    latest, first = show(script).faults
    assert (latest.event, latest.times, latest.reason) == ("bootstrap_failed", 3, "refused 2")
    assert (first.event, first.times, show(script).faults_seen) == ("receipt_damaged", 1, 4)


def test_a_round_left_without_a_result_is_a_fault_too() -> None:
    script = start()
    script.open_round(ROUND)
    script.say("round_halted", round_id=ROUND, reason="too late")
    shown = show(script)
    assert shown.rounds[0].status == "no result"
    assert [(fault.severity, fault.reason) for fault in shown.faults] == [(Severity.WARNING, "too late")]
    assert shown.rounds_seen == 0


def test_evidence_against_the_own_seat_is_an_error() -> None:
    script = start()
    script.open_round(ROUND, seat=3)
    script.say("evidence_found", round_id=ROUND, seat=1, fault="equivocation")
    script.say("evidence_found", round_id=ROUND, seat=3, fault="equivocation")
    own, other = show(script).faults
    assert (own.severity, other.severity) == (Severity.ERROR, Severity.WARNING)
    assert "its key runs twice" in own.remedy


def test_an_hour_later_a_round_no_longer_counts() -> None:
    script = start()
    script.open_round(ROUND)
    script.close_round(ROUND)
    script.wait(MINUTES_MAX * MINUTE_MS)
    assert (show(script).rounds_last_hour, show(script).rounds_seen) == (0, 1)


def test_a_clock_that_is_set_back_is_counted_by() -> None:
    script = start()
    for number in range(MINUTES_MAX + 5):
        script.wait(MINUTE_MS)
        script.close_round(make_round_id(number))
    script.wait(-999 * MINUTE_MS)
    script.close_round(make_round_id(1_000))
    assert show(script).rounds_last_hour == 1


def test_penalties_are_counted_by_peer_the_latest_first() -> None:
    script = start()
    for peer in (ANA, BEN, ANA):
        script.say("peer_penalised", peer=peer, reason=f"rule {len(script.events)}")
    first, second = show(script).penalties
    assert (first.peer, first.times, first.reason) == (ANA, 2, "rule 3")
    assert (second.peer, second.times, show(script).penalties_seen) == (BEN, 1, 3)


def test_a_gap_is_a_fault_and_says_how_much_is_lost() -> None:
    script = start()
    script.say("gap", lost=12)
    assert (show(script).events_lost, show(script).faults[0].event) == (12, "gap")


def test_nothing_grows_with_the_log() -> None:
    view, script = PeerView(), start()
    for number in range(FINISHED_MAX + UNDER_WAY_MAX + LINKS_MAX + FAULTS_MAX + 50):
        peer = number.to_bytes(32, "little")
        script.wait(MINUTE_MS)
        script.open_round(make_round_id(number))
        script.decide(make_round_id(number))
        script.say("link_opened", peer=peer)
        script.say("peer_penalised", peer=peer, reason="x" * 5_000)
        script.say("receipt_damaged", round_id=make_round_id(number), reason="y" * 5_000)
        if number % 3:
            script.close_round(make_round_id(number))
    script.open_round(ROUND)
    for event in script.events:
        view.apply(event)
    kept = view.get_snapshot(now_ms=script.t_ms, is_written=True)
    assert (len(kept.links), len(kept.faults)) == (LINKS_MAX, FAULTS_MAX)
    assert len(kept.rounds) == FINISHED_MAX + UNDER_WAY_MAX
    assert kept.penalties_seen == kept.faults_seen > LINKS_MAX == len(kept.penalties)
    assert len(kept.penalties[0].reason) == len(kept.faults[0].reason) == TEXT_CHARS_MAX
    held = [value for value in vars(view).values() if isinstance(value, dict | list)]
    assert max(map(len, held)) == LINKS_MAX


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
FIELDS = st.dictionaries(
    st.sampled_from(["seat", "seats", "step", "phase", "classes", "winner", "reason", "status", "lost"]), JSON
)
HOSTILE = st.builds(
    Event,
    seq=st.integers(),
    t_ms=st.integers(),
    event=st.sampled_from([*EVENTS, "from_the_future"]),
    round_id=st.none() | st.sampled_from([make_round_id(1), make_round_id(2)]),
    peer=st.none() | st.sampled_from([ME, ANA]),
    fields=FIELDS,
)


@given(st.lists(HOSTILE, max_size=30), st.integers(), st.booleans())
def test_whatever_stands_in_a_log_is_survived(events: list[Event], now_ms: int, is_written: bool) -> None:
    view = PeerView()
    for event in events:
        view.apply(event)
    shown = view.get_snapshot(now_ms=now_ms, is_written=is_written)
    assert shown.links_up <= len(shown.links)
    assert all((row.compute_took_ms(now_ms) or 0) >= 0 for row in shown.rounds)
    assert len({(row.round_id, row.peer) for row in shown.rounds}) == len(shown.rounds)


@st.composite
def lives(draw: st.DrawFn) -> Script:
    """A log that a peer could have written: rounds open before they close, links likewise."""
    script, opened, linked = start(), list[bytes](), list[bytes]()
    for number in range(draw(st.integers(0, 40))):
        script.wait(draw(st.integers(0, 3 * MINUTE_MS)))
        match draw(st.integers(0, 7)):
            case 0:
                opened.append(make_round_id(number))
                script.open_round(opened[-1])
            case 1 if opened:
                script.decide(opened[-1])
                script.close_round(opened.pop(), winner=draw(st.integers(0, 2)))
            case 2 if opened:
                script.say("round_halted", round_id=opened.pop(), reason="late")
            case 3:
                linked.append(bytes([number]) * 32)
                script.say("link_opened", peer=linked[-1])
            case 4 if linked:
                script.say("link_closed", peer=linked.pop(), reason="gone")
            case 5:
                script.say("peer_penalised", peer=ANA, reason="rule")
            case 6 if opened:
                script.say("answer_written", round_id=opened[-1], tokens=1)
            case 7:
                script.say("node_started", rounds=len(opened))
                linked.clear()
                for round_id in opened:
                    script.say("round_resumed", round_id=round_id, statements=1)
    return script


@given(lives(), st.data())
def test_reading_only_what_lasts_of_the_older_part_shows_the_same_peer(
    script: Script, data: st.DataObject
) -> None:
    split = data.draw(st.integers(0, len(script.events)))
    whole, skimmed = show(script), show(script, lasting_until=split)
    for name in ("peers", "state", "started_ms", "links", "penalties", "faults", "rounds_last_hour"):
        assert getattr(skimmed, name) == getattr(whole, name), name
    for name in ("rounds_seen", "penalties_seen", "faults_seen"):
        assert getattr(skimmed, name) == getattr(whole, name), name
    assert [(row.round_id, row.status, row.opened_ms, row.finished_ms) for row in skimmed.rounds] == [
        (row.round_id, row.status, row.opened_ms, row.finished_ms) for row in whole.rounds
    ]
    for mine, theirs in zip(skimmed.rounds, whole.rounds, strict=True):
        assert mine.own in (theirs.own, Own.UNKNOWN)
