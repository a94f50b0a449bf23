"""A peer's view in words: cells of tables, a summary, a page of plain text, a value for JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from swarm.cli.log_lines import ID_DIGITS, is_relative
from swarm.cli.render import clean_terminal, render_table
from swarm.edge.events import Json
from swarm.edge.peer_view_faults import HALTING, Severity
from swarm.edge.peer_view_rows import FaultRow, LinkState, NodeState, PenaltyRow, RoundRow, Snapshot

TOP_SCHEMA: Final = "peerage.top/1"
LINES_PRINTED_MAX: Final = 10
ROUNDS_PRINTED_MAX: Final = 20
DAY_S, HOUR_S, MINUTE_S = 86_400, 3_600, 60


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its head, and how many characters of a cell a screen shows without scrolling."""

    head: str
    width: int


LINK_COLUMNS: Final = (
    Column("peer", 8),
    Column("link", 8),
    Column("since", 11),
    Column("lost", 6),
    Column("why it went down", 300),
)
ROUND_COLUMNS: Final = (
    Column("round", 8),
    Column("began", 11),
    Column("took", 7),
    Column("status", 11),
    Column("step, or own answer", 80),
)
TROUBLE_COLUMNS: Final = (Column("when", 11), Column("what", 7), Column("which, and what to do", 400))


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its cells, and whether it is one to worry about."""

    cells: tuple[str, ...]
    is_bad: bool = False

    def fits(self, text: str) -> bool:
        """Say whether a cell holds a text, whatever its case."""
        return any(text in cell.lower() for cell in self.cells)


def render_when(t_ms: int | None, *, now_ms: int) -> str:
    """Return a time of day, with its date where that is not today's; seconds where a run's clock counts."""
    if t_ms is None:
        return "-"
    if is_relative(t_ms):
        return f"{t_ms / 1_000:+.1f} s"
    try:
        when, now = (datetime.fromtimestamp(ms / 1_000) for ms in (t_ms, now_ms))
    except (OverflowError, ValueError, OSError):  # a year that no calendar here has: a damaged log
        return f"{t_ms} ms"
    return when.strftime("%H:%M:%S" if when.date() == now.date() else "%m-%d %H:%M")


def render_span(ms: int | None) -> str:
    """Return how long something took, in the two largest units."""
    if ms is None:
        return "-"
    seconds = ms // 1_000
    if seconds < MINUTE_S:
        return f"{ms / 1_000:.1f}s"
    if seconds < HOUR_S:
        return f"{seconds // MINUTE_S}m {seconds % MINUTE_S}s"
    if seconds < DAY_S:
        return f"{seconds // HOUR_S}h {seconds % HOUR_S // MINUTE_S}m"
    return f"{seconds // DAY_S}d {seconds % DAY_S // HOUR_S}h"


def _shorten(key: bytes) -> str:
    return key.hex()[:ID_DIGITS] or "-"


def _one_line(text: str) -> str:
    return " ".join(clean_terminal(text).split())


def make_link_rows(shown: Snapshot) -> list[Row]:
    """Return the links: who, whether up, since when, how often lost, and why."""
    return [
        Row(
            (
                _shorten(link.peer),
                link.state.value,
                render_when(link.since_ms, now_ms=shown.now_ms),
                f"{link.times_lost}",
                _one_line(link.reason),
            ),
            is_bad=link.state is not LinkState.UP,
        )
        for link in shown.links
    ]


def make_round_rows(shown: Snapshot) -> list[Row]:
    """Return the rounds: those under way with step, phase and seats, finished ones with what came of them."""
    return [_make_round_row(row, shown) for row in shown.rounds]


def _make_round_row(row: RoundRow, shown: Snapshot) -> Row:
    whose = f"peer {_shorten(row.peer)}: " if len(shown.peers) > 1 else ""
    return Row(
        (
            _shorten(row.round_id),
            render_when(row.opened_ms, now_ms=shown.now_ms),
            render_span(row.compute_took_ms(shown.now_ms)),
            _one_line(row.status),
            whose + (_describe_step(row) if row.is_under_way else f"own answer: {row.own.value}"),
        )
    )


def _describe_step(row: RoundRow) -> str:
    if row.step is None:
        return "begins"
    step = "answers" if row.step == 0 else f"ballots {row.step}"
    seats = "" if row.heard is None else f", {row.heard}/{'?' if row.seats is None else row.seats} seats"
    return f"{step}, {_one_line(row.phase)}{seats}"


def make_trouble_rows(shown: Snapshot) -> list[Row]:
    """Return faults, with remedies, and penalties; the latest first."""
    rows: list[tuple[int, Row]] = [
        *((fault.t_ms, _make_fault_row(fault, shown)) for fault in shown.faults),
        *((penalty.last_ms, _make_penalty_row(penalty, shown)) for penalty in shown.penalties),
    ]
    return [row for _, row in sorted(rows, key=lambda one: -one[0])]


def _make_fault_row(fault: FaultRow, shown: Snapshot) -> Row:
    where = "" if fault.round_id is None else f"round {_shorten(fault.round_id)}: "
    reason = f" ({_one_line(fault.reason)})" if fault.reason else ""
    times = "" if fault.times == 1 else f"{fault.times} times: "
    return Row(
        (
            render_when(fault.t_ms, now_ms=shown.now_ms),
            fault.severity.value,
            f"{where}{times}{fault.words}{reason}\ntry: {fault.remedy}",
        ),
        is_bad=fault.severity is Severity.ERROR,
    )


def _make_penalty_row(penalty: PenaltyRow, shown: Snapshot) -> Row:
    times = "once" if penalty.times == 1 else f"{penalty.times} times, the last time"
    return Row(
        (
            render_when(penalty.last_ms, now_ms=shown.now_ms),
            "penalty",
            f"peer {_shorten(penalty.peer)} broke a rule {times}: {_one_line(penalty.reason)}\n"
            "try: nothing; who goes on is banned for a while",
        )
    )


def describe_peer(shown: Snapshot) -> str:
    """Return who the peer is, how it is, and since when."""
    who = ", ".join(map(_shorten, shown.peers)) or "not known"
    state = shown.state.value + (f" ({_one_line(shown.reason)})" if shown.reason else "")
    if shown.state in (NodeState.STOPPED, NodeState.GONE):
        since = f", last heard {render_when(shown.last_ms, now_ms=shown.now_ms)}"
    elif shown.started_ms is None:
        since = ", since before this log begins"
    else:
        up = render_span(max(0, shown.now_ms - shown.started_ms))
        since = f" since {render_when(shown.started_ms, now_ms=shown.now_ms)} ({up})"
    return f"{'peers' if len(shown.peers) > 1 else 'peer'} {who}: {state}{since}"


def describe_counts(shown: Snapshot, *, damaged: int) -> str:
    """Return everything that is counted, on one line; what never happened is left out where that is good."""
    parts = [
        f"links {shown.links_up} of {len(shown.links)} up",
        f"rounds {shown.rounds_under_way} under way, {shown.rounds_last_hour} in the last hour,"
        f" {shown.rounds_seen:,} in all",
        f"penalties {shown.penalties_seen:,}",
        f"faults {shown.faults_seen:,}",
    ]
    parts += [f"declined {shown.rounds_declined:,}"] if shown.rounds_declined else []
    parts += [f"events lost {shown.events_lost:,}"] if shown.events_lost else []
    parts += [f"damaged lines {damaged:,}"] if damaged else []
    return "; ".join(parts)


def describe_remedy(shown: Snapshot) -> str:
    """Return what to do about a peer that has halted, or is gone without having said so; else nothing."""
    match shown.state:
        case NodeState.HALTED:
            remedies = [fault.remedy for fault in shown.faults if fault.event in HALTING]
            return f"try: {remedies[0]}" if remedies else ""
        case NodeState.GONE:
            return "try: see its last events, and start it again"
        case _:
            return ""


def render_page(shown: Snapshot, lines: Iterable[str], *, damaged: int) -> str:
    """Return everything as plain text, for a pipe."""
    remedy = describe_remedy(shown)
    parts = [describe_peer(shown), *([remedy] if remedy else []), describe_counts(shown, damaged=damaged)]
    for title, columns, rows in (
        ("links", LINK_COLUMNS, make_link_rows(shown)),
        ("rounds", ROUND_COLUMNS, make_round_rows(shown)[:ROUNDS_PRINTED_MAX]),
        ("faults and penalties", TROUBLE_COLUMNS, make_trouble_rows(shown)),
    ):
        parts.append(f"\n{title}")
        parts.append(_render_rows(columns, rows) if rows else "  none")
    parts.append("\nlast events")
    parts += [f"  {line}" for line in list(lines)[-LINES_PRINTED_MAX:]] or ["  none"]
    return "\n".join(parts)


def _render_rows(columns: Sequence[Column], rows: Iterable[Row]) -> str:
    """Return a table; a cell of two lines goes on in a row below."""
    table: list[Sequence[str]] = [[column.head for column in columns]]
    for row in rows:
        lines = [cell.split("\n") for cell in row.cells]
        for number in range(max(map(len, lines))):
            table.append([cell[number] if number < len(cell) else "" for cell in lines])
    return render_table(table)


def make_value(shown: Snapshot, lines: Iterable[str], *, log: str, damaged: int) -> dict[str, Json]:
    """Return everything as a value for JSON; times in milliseconds by the log's clock."""
    return {
        "schema": TOP_SCHEMA,
        "log": log,
        "peers": [peer.hex() for peer in shown.peers],
        "state": shown.state.value.lower(),
        "reason": shown.reason,
        "started_ms": shown.started_ms,
        "last_ms": shown.last_ms,
        "now_ms": shown.now_ms,
        "links_up": shown.links_up,
        "rounds_under_way": shown.rounds_under_way,
        "rounds_last_hour": shown.rounds_last_hour,
        "rounds_seen": shown.rounds_seen,
        "rounds_declined": shown.rounds_declined,
        "penalties_seen": shown.penalties_seen,
        "faults_seen": shown.faults_seen,
        "events_lost": shown.events_lost,
        "damaged_lines": damaged,
        "links": [
            {
                "peer": link.peer.hex(),
                "state": link.state.value.lower(),
                "since_ms": link.since_ms,
                "times_lost": link.times_lost,
                "reason": link.reason,
            }
            for link in shown.links
        ],
        "rounds": [_make_round_value(row, shown) for row in shown.rounds],
        "penalties": [
            {"peer": one.peer.hex(), "times": one.times, "last_ms": one.last_ms, "reason": one.reason}
            for one in shown.penalties
        ],
        "faults": [
            {
                "t_ms": fault.t_ms,
                "times": fault.times,
                "severity": fault.severity.value.lower(),
                "event": fault.event,
                "round": None if fault.round_id is None else fault.round_id.hex(),
                "words": fault.words,
                "reason": fault.reason,
                "remedy": fault.remedy,
            }
            for fault in shown.faults
        ],
        "lines": list(lines),
    }


def _make_round_value(row: RoundRow, shown: Snapshot) -> dict[str, Json]:
    return {
        "round": row.round_id.hex(),
        "peer": row.peer.hex(),
        "status": row.status,
        "opened_ms": row.opened_ms,
        "finished_ms": row.finished_ms,
        "took_ms": row.compute_took_ms(shown.now_ms),
        "seat": row.seat,
        "seats": row.seats,
        "quorum": row.quorum,
        "step": row.step,
        "phase": row.phase,
        "heard": row.heard,
        "own": row.own.value,
    }
