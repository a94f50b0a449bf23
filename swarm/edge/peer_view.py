"""What a peer is doing, from the events of its log: events in, rows out; no clock, no disk, no screen.

Everything kept has a limit, so that a log may grow for months. Where a log is long, only events of `LASTING`
need to be read of its older part: what the others say is over soon (`swarm.edge.peer_view_log`).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from swarm.edge.event_table import EVENTS, Whose
from swarm.edge.events import GAP_EVENT, Event
from swarm.edge.peer_view_faults import FAULTS, Severity
from swarm.edge.peer_view_fields import bound, find_class, get_integer, get_text
from swarm.edge.peer_view_rows import (
    STATUS_HALTED,
    STATUS_INTERRUPTED,
    STATUS_UNDER_WAY,
    FaultRow,
    LinkRow,
    LinkState,
    NodeState,
    Own,
    PenaltyRow,
    RoundRow,
    Snapshot,
)

LINKS_MAX: Final = 512
PENALISED_MAX: Final = 512
WRITERS_MAX: Final = 64
UNDER_WAY_MAX: Final = 256
FINISHED_MAX: Final = 200
FAULTS_MAX: Final = 100
MINUTES_MAX: Final = 60  # of which finished rounds are counted
MINUTE_MS: Final = 60_000

LASTING: Final = (
    *("node_started", "node_stopped", "node_halted", "node_paused", "node_unpaused"),
    *("link_opened", "link_closed", "peer_penalised"),
    *("round_opened", "round_resumed", "round_closed", "round_halted", "round_declined"),
    *("evidence_found", "receipt_damaged", "receipt_unreadable", "second_machine", "database_rolled_back"),
    GAP_EVENT,
)
"""Events whose effect outlasts the round or the moment in which they were written."""

# After one of these a further start is a new life of the process, not another peer of a local swarm that
# comes up beside the first and shares its log.
_SETTLING: Final = frozenset(
    {
        "node_stopped",
        "node_halted",
        "second_machine",
        "round_opened",
        "round_resumed",
        "round_closed",
        "round_halted",
    }
)

_Key = tuple[bytes, bytes]  # of a round: its id, and the peer whose part in it this is


class PeerView:
    """What is known of a peer, or of the peers of one process, that write one log. Feed it with `apply`."""

    def __init__(self) -> None:
        self._writers: dict[bytes, None] = {}
        self._state = NodeState.UNKNOWN
        self._reason = ""
        self._started_ms: int | None = None
        self._last_ms: int | None = None
        self._is_settled = False
        self._links: dict[bytes, LinkRow] = {}
        self._open_counts: dict[bytes, int] = {}
        self._under_way: dict[_Key, RoundRow] = {}
        self._finished: dict[_Key, RoundRow] = {}
        self._own_classes: dict[_Key, int | None] = {}
        self._closed_by_minute: dict[int, int] = {}
        self._penalties: dict[bytes, PenaltyRow] = {}
        self._faults: dict[tuple[str, bytes | None, bool], FaultRow] = {}
        self._totals = dict.fromkeys(("rounds", "declined", "penalties", "faults", "lost_events"), 0)

    @property
    def last_ms(self) -> int | None:
        """Time of the last event, milliseconds by the log; None before the first."""
        return self._last_ms

    def apply(self, event: Event) -> None:
        """Take in what happened next; events and fields that mean nothing here are passed over."""
        self._last_ms = event.t_ms
        if event.event in FAULTS:
            self._note_fault(event)
        handler = _HANDLERS.get(event.event)
        if handler is not None:
            handler(self, event)
        kind = EVENTS.get(event.event)
        if kind is not None and kind.whose is Whose.WRITER and event.peer is not None:
            self._writers[event.peer] = None
            bound(self._writers, WRITERS_MAX)
        self._is_settled = self._is_settled or event.event in _SETTLING

    def get_snapshot(self, *, now_ms: int, is_written: bool) -> Snapshot:
        """Return everything at once.

        Args:
            now_ms: The time, by the clock that the log's times are from.
            is_written: Whether a process holds the log to write it.
        """
        minute = now_ms // MINUTE_MS
        state = self._state
        links, under_way = tuple(self._links.values()), tuple(reversed(self._under_way.values()))
        if not is_written and state is not NodeState.STOPPED:
            state = NodeState.GONE
        elif is_written and state is NodeState.UNKNOWN:
            state = NodeState.RUNNING  # its start was in a file that has been moved away
        return Snapshot(
            peers=tuple(self._writers),
            state=state,
            reason="" if state is NodeState.GONE and self._state is not NodeState.HALTED else self._reason,
            started_ms=self._started_ms,
            last_ms=self._last_ms,
            now_ms=now_ms,
            links=links if is_written else tuple(map(self._end_link, links)),
            rounds=(
                *(under_way if is_written else map(self._interrupt, under_way)),
                *reversed(self._finished.values()),
            ),
            penalties=tuple(reversed(self._penalties.values())),
            faults=tuple(reversed(self._faults.values())),
            rounds_last_hour=sum(
                count for at, count in self._closed_by_minute.items() if minute - MINUTES_MAX < at <= minute
            ),
            rounds_seen=self._totals["rounds"],
            rounds_declined=self._totals["declined"],
            penalties_seen=self._totals["penalties"],
            faults_seen=self._totals["faults"],
            events_lost=self._totals["lost_events"],
        )

    def _end_link(self, row: LinkRow) -> LinkRow:
        """Return a link as it is where the process that had it runs no more."""
        if row.state is not LinkState.UP:
            return row
        at_ms = row.since_ms if self._last_ms is None else self._last_ms
        return replace(row, state=LinkState.DOWN, since_ms=at_ms, reason="this peer does not run")

    def _interrupt(self, row: RoundRow) -> RoundRow:
        return replace(row, status=STATUS_INTERRUPTED, finished_ms=self._last_ms)

    # -- the peer itself ---------------------------------------------------------------------------

    def _on_started(self, event: Event) -> None:
        if event.peer in self._writers or self._is_settled:
            self._begin_life(event)
        elif not self._writers:
            self._started_ms = event.t_ms
        self._state, self._reason = NodeState.RUNNING, ""

    def _begin_life(self, event: Event) -> None:
        """Forget what ended with the process before: its links, and the rounds that it does not resume."""
        self._writers.clear()
        self._is_settled = False
        self._started_ms = event.t_ms
        for key, row in self._links.items():
            if row.state is LinkState.UP:
                self._links[key] = replace(
                    row, state=LinkState.DOWN, since_ms=event.t_ms, reason="this peer was restarted"
                )
        self._open_counts.clear()
        for round_key in list(self._under_way):
            self._finish(round_key, event, status=STATUS_INTERRUPTED)

    def _on_stopped(self, _event: Event) -> None:
        self._state, self._reason = NodeState.STOPPED, ""

    def _on_halted(self, event: Event) -> None:
        self._state, self._reason = NodeState.HALTED, get_text(event, "reason")

    def _on_paused(self, event: Event) -> None:
        if self._state is not NodeState.HALTED:
            self._state, self._reason = NodeState.PAUSED, get_text(event, "reason")

    def _on_unpaused(self, _event: Event) -> None:
        if self._state is NodeState.PAUSED:
            self._state, self._reason = NodeState.RUNNING, ""

    def _on_gap(self, event: Event) -> None:
        self._totals["lost_events"] += get_integer(event, "lost") or 0

    # -- links -------------------------------------------------------------------------------------

    def _on_link_opened(self, event: Event) -> None:
        key = event.peer or b""
        self._open_counts[key] = self._open_counts.get(key, 0) + 1
        row = self._links.get(key)
        if row is None or row.state is not LinkState.UP:
            self._put_link(
                LinkRow(
                    peer=key,
                    state=LinkState.UP,
                    since_ms=event.t_ms,
                    times_lost=0 if row is None else row.times_lost,
                    reason="",
                )
            )

    def _on_link_closed(self, event: Event) -> None:
        key = event.peer or b""
        still_open = max(0, self._open_counts.get(key, 0) - 1)
        self._open_counts[key] = still_open
        row = self._links.get(key)
        self._put_link(
            LinkRow(
                peer=key,
                state=LinkState.UP if still_open else LinkState.DOWN,
                since_ms=row.since_ms if row is not None and still_open else event.t_ms,
                times_lost=(0 if row is None else row.times_lost) + 1,
                reason=get_text(event, "reason"),
            )
        )

    def _on_dial_failed(self, event: Event) -> None:
        key = event.peer or b""
        row = self._links.get(key)
        if row is None:
            row = LinkRow(peer=key, state=LinkState.UNREACHED, since_ms=event.t_ms, times_lost=0, reason="")
        if row.state is not LinkState.UP:
            self._put_link(replace(row, reason=get_text(event, "reason")))

    def _put_link(self, row: LinkRow) -> None:
        self._links[row.peer] = row
        for gone in bound(self._links, LINKS_MAX):
            self._open_counts.pop(gone, None)

    def _on_penalised(self, event: Event) -> None:
        key = event.peer or b""
        before = self._penalties.pop(key, None)
        self._totals["penalties"] += 1
        self._penalties[key] = PenaltyRow(
            peer=key,
            times=1 + (0 if before is None else before.times),
            last_ms=event.t_ms,
            reason=get_text(event, "reason"),
        )
        bound(self._penalties, PENALISED_MAX)

    # -- rounds ------------------------------------------------------------------------------------

    def _on_round_opened(self, event: Event) -> None:
        self._put_round(
            replace(
                _make_row(event),
                opened_ms=event.t_ms,
                seat=get_integer(event, "seat"),
                seats=get_integer(event, "seats"),
                quorum=get_integer(event, "quorum"),
            )
        )

    def _on_round_resumed(self, event: Event) -> None:
        row = self._find_round(event)
        self._put_round(replace(row, status=STATUS_UNDER_WAY, finished_ms=None, own=Own.UNKNOWN))

    def _on_phase(self, event: Event) -> None:
        row = self._find_round(event)
        if row.finished_ms is None:
            self._put_round(
                replace(
                    row,
                    step=get_integer(event, "step"),
                    phase=get_text(event, "phase"),
                    heard=get_integer(event, "seats"),
                )
            )

    def _on_decided(self, event: Event) -> None:
        row, classes = self._find_round(event), event.fields.get("classes")
        if row.finished_ms is None and row.seat is not None and isinstance(classes, list | tuple):
            self._own_classes[_get_key(event)] = find_class(row.seat, classes)
            self._put_round(row)

    def _on_round_closed(self, event: Event) -> None:
        key = _get_key(event)
        self._put_round(self._find_round(event))
        own = self._judge_own(key, event)
        self._finish(key, event, status=get_text(event, "status"), own=own)
        self._totals["rounds"] += 1
        minute = event.t_ms // MINUTE_MS
        self._closed_by_minute[minute] = self._closed_by_minute.get(minute, 0) + 1
        bound(self._closed_by_minute, MINUTES_MAX)

    def _on_round_halted(self, event: Event) -> None:
        self._put_round(self._find_round(event))
        self._finish(_get_key(event), event, status=STATUS_HALTED)

    def _on_declined(self, _event: Event) -> None:
        self._totals["declined"] += 1

    def _judge_own(self, key: _Key, event: Event) -> Own:
        if "winner" in event.fields and event.fields["winner"] is None:
            return Own.NO_WINNER
        winner = get_integer(event, "winner")
        if winner is None or key not in self._own_classes:
            return Own.UNKNOWN
        own_class = self._own_classes[key]
        if own_class is None:
            return Own.NOT_COUNTED
        return Own.WON if own_class == winner else Own.LOST

    def _find_round(self, event: Event) -> RoundRow:
        key = _get_key(event)
        row = self._under_way.get(key) or self._finished.get(key)
        return _make_row(event) if row is None else row

    def _put_round(self, row: RoundRow) -> None:
        """Keep a round as one under way, wherever it was before."""
        key = (row.round_id, row.peer)
        self._finished.pop(key, None)
        self._under_way[key] = row
        for gone in bound(self._under_way, UNDER_WAY_MAX):
            self._own_classes.pop(gone, None)

    def _finish(self, key: _Key, event: Event, *, status: str, own: Own = Own.UNKNOWN) -> None:
        row = self._under_way.pop(key)
        self._own_classes.pop(key, None)
        self._finished[key] = replace(row, status=status, finished_ms=event.t_ms, own=own)
        bound(self._finished, FINISHED_MAX)

    # -- faults ------------------------------------------------------------------------------------

    def _note_fault(self, event: Event) -> None:
        kind, row = FAULTS[event.event], self._find_round(event)
        is_own = row.seat is not None and row.seat == get_integer(event, "seat")
        key = (event.event, event.round_id, is_own)
        before = self._faults.pop(key, None)
        self._totals["faults"] += 1
        self._faults[key] = FaultRow(
            t_ms=event.t_ms,
            times=1 + (0 if before is None else before.times),
            severity=Severity.ERROR if is_own else kind.severity,
            event=event.event,
            round_id=event.round_id,
            words=kind.words,
            reason=get_text(event, "reason"),
            remedy=kind.remedy_own if is_own and kind.remedy_own else kind.remedy,
        )
        bound(self._faults, FAULTS_MAX)


_HANDLERS: Final[Mapping[str, Callable[[PeerView, Event], None]]] = {
    "node_started": PeerView._on_started,
    "node_stopped": PeerView._on_stopped,
    "node_halted": PeerView._on_halted,
    "second_machine": PeerView._on_halted,
    "node_paused": PeerView._on_paused,
    "node_unpaused": PeerView._on_unpaused,
    GAP_EVENT: PeerView._on_gap,
    "link_opened": PeerView._on_link_opened,
    "link_closed": PeerView._on_link_closed,
    "dial_failed": PeerView._on_dial_failed,
    "peer_penalised": PeerView._on_penalised,
    "round_opened": PeerView._on_round_opened,
    "round_resumed": PeerView._on_round_resumed,
    "phase_reached": PeerView._on_phase,
    "step_decided": PeerView._on_decided,
    "round_closed": PeerView._on_round_closed,
    "round_halted": PeerView._on_round_halted,
    "round_declined": PeerView._on_declined,
}


def _get_key(event: Event) -> _Key:
    return event.round_id or b"", event.peer or b""


def _make_row(event: Event) -> RoundRow:
    round_id, peer = _get_key(event)
    return RoundRow(round_id=round_id, peer=peer, status=STATUS_UNDER_WAY)
