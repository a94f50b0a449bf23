"""Lines of event logs as a person reads them: local times, short ids, units, no steering of terminals."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from swarm.cli.render import clean_terminal
from swarm.edge.event_table import EVENTS, FieldKind, FieldType, Unit
from swarm.edge.events import Event, Json
from swarm.edge.log_tail import LogLine

ID_DIGITS = 8
VALUE_CHARS_MAX = 200
EVENT_COLUMN, FILE_COLUMN = 17, 8
EPOCH_MS_MIN = 100_000_000_000  # 1973: what is below counts from the start of a testnet's run
Q16 = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events are shown.

    Attributes:
        round_digits: First digits of the round's id; all events where there are none.
        peer_digits: First digits of the peer's key, likewise.
        since_ms: Milliseconds since 1970 from which on; None for all.
    """

    round_digits: str = ""
    peer_digits: str = ""
    since_ms: int | None = None

    def fits(self, event: Event) -> bool:
        """Say whether an event is shown."""
        return (
            _begins(event.round_id, self.round_digits)
            and _begins(event.peer, self.peer_digits)
            and (self.since_ms is None or event.t_ms >= self.since_ms)
        )


def _begins(value: bytes | None, digits: str) -> bool:
    return not digits or (value is not None and value.hex().startswith(digits))


def is_relative(t_ms: int) -> bool:
    """Say whether a time counts from the start of a run, not from 1970."""
    return t_ms < EPOCH_MS_MIN


def render_time(t_ms: int) -> str:
    """Return a time of day in local time, or the seconds since a run began."""
    if is_relative(t_ms):
        return f"{t_ms / 1_000:+23.3f}"
    try:
        return datetime.fromtimestamp(t_ms / 1_000).strftime("%Y-%m-%d %H:%M:%S.") + f"{t_ms % 1_000:03d}"
    except (OverflowError, ValueError, OSError):  # a year that no calendar here has: a damaged log
        return f"{t_ms} ms"


def render_line(line: LogLine, *, has_log: bool) -> str:
    """Return an event on one line.

    Args:
        line: One that is an event.
        has_log: Whether to say from which file it is.
    """
    event = line.event
    assert event is not None, "damaged lines are named elsewhere"
    kind = EVENTS.get(event.event)
    known = {} if kind is None else {field.name: field for field in kind.fields}
    said = ", ".join(
        f"{clean_terminal(name)} {_render_value(known.get(name), value)}"
        for name, value in event.fields.items()
    )
    parts = [render_time(event.t_ms), _shorten_id(event.round_id), _shorten_id(event.peer)]
    if has_log:
        parts.append(f"{_name_file(line.log):<{FILE_COLUMN}}")
    parts.append(f"{_bound(event.event):<{EVENT_COLUMN}}")
    return "  ".join([*parts, said]).rstrip()


def line_to_json(line: LogLine, *, has_log: bool) -> str:
    """Return an event as a line of JSON in ASCII, so that a terminal shows it as it is."""
    event = line.event
    assert event is not None, "damaged lines are named elsewhere"
    value = event.to_value() | ({"log": line.log} if has_log else {})
    return json.dumps(value, separators=(",", ":"))


def _name_file(log: str) -> str:
    """Return which of a swarm's files a line is from: a peer's, or that of all."""
    _, is_peer, number = log.rpartition("-peer-")
    return f"peer {clean_terminal(number)}" if is_peer else "swarm"


def _shorten_id(value: bytes | None) -> str:
    return f"{'-' if value is None else value.hex()[:ID_DIGITS]:<{ID_DIGITS}}"


def _render_value(field: FieldKind | None, value: Json) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return _bound(value[:ID_DIGITS] if field is not None and field.type is FieldType.HEX else value)
    if isinstance(value, Sequence):
        each = [_render_item(field, item) for item in value]
        return _bound(" | ".join(each) if each else "none")
    return _render_item(field, value)


def _render_item(field: FieldKind | None, value: Json) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if field is not None and is_number and field.unit is not None:
        assert isinstance(value, int | float)
        match field.unit:
            case Unit.NATS_Q16:
                return f"{value / Q16:+.2f}"
            case Unit.SHARE_Q16:
                return f"{value / Q16:.2f}"
            case Unit.BYTES:
                return f"{value:,} bytes"
    if isinstance(value, str):
        return _bound(value[:ID_DIGITS] if field is not None and field.type is FieldType.HEXES else value)
    return _bound(json.dumps(value))


def _bound(text: str) -> str:
    """Return text on one line, of bounded length."""
    line = " ".join(clean_terminal(text).split())
    return line if len(line) <= VALUE_CHARS_MAX else line[: VALUE_CHARS_MAX - 1] + "…"
