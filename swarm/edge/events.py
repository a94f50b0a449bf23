"""What an event is, as a line of a log and back: needs neither a clock nor Trio.

Which events there are, and what their fields mean, is in `swarm.edge.event_table` and docs/events.md.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, TypeAlias

from consensus.errors import LimitExceeded, StoreError
from swarm.edge.log_rotation import identify, list_old_files

SCHEMA = "peerage.event/1"
LINE_BYTES_MAX = 1 << 20
GAP_EVENT = "gap"  # carries `lost`: how many events are missing before the next one
ENVELOPE = ("schema", "seq", "t_ms", "round", "peer", "event")

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    Attributes:
        seq: Its place in the log, from 0; a gap event has the place of the first event it stands for.
        t_ms: Wall clock, milliseconds since 1970; for people, never for decisions.
        round_id: The round it belongs to, if any.
        peer: The public key of the peer it concerns, if any.
        event: Its name, past tense, snake case.
        fields: What else there is to say.
    """

    seq: int
    t_ms: int
    event: str
    round_id: bytes | None = None
    peer: bytes | None = None
    fields: Mapping[str, Json] = field(default_factory=dict)

    @property
    def next_seq(self) -> int:
        """The place after it; of a gap event, that after the events it stands for."""
        lost = self.fields.get("lost") if self.event == GAP_EVENT else 1
        return self.seq + (max(1, lost) if isinstance(lost, int) else 1)

    def to_value(self) -> dict[str, Json]:
        """Return the event as the object that stands in a log."""
        return {
            "schema": SCHEMA,
            "seq": self.seq,
            "t_ms": self.t_ms,
            "round": None if self.round_id is None else self.round_id.hex(),
            "peer": None if self.peer is None else self.peer.hex(),
            "event": self.event,
            **self.fields,
        }

    def to_json(self) -> str:
        """Return the event as one line of JSON, without its newline."""
        return _ENCODER.encode(self.to_value())


def read_events(path: Path) -> Iterator[Event]:
    """Read a log, also while it is being written and rotated.

    Args:
        path: The file that is written, before which its old ones are read; or one of these, for itself alone.

    Yields:
        Its events in order. A last line without a newline is torn or still being written, and skipped.

    Raises:
        StoreError: A file cannot be read, or a whole line is no event of this schema.
    """
    try:
        with path.open("rb") as file:
            held = identify(os.fstat(file.fileno()))
            # What is rotated from here on is the file that is held.
            for old in takewhile(lambda old: old.identity != held, list_old_files(path)):
                yield from _read_old(old.path)
            yield from _read_lines(file, path)
    except OSError as exc:
        raise StoreError(f"cannot read {path} ({exc.strerror})") from exc


def _read_old(path: Path) -> Iterator[Event]:
    try:
        with path.open("rb") as file:
            yield from _read_lines(file, path)
    except FileNotFoundError:
        return  # the oldest ones may be removed meanwhile


def _read_lines(file: BinaryIO, path: Path) -> Iterator[Event]:
    number = 0
    while (line := file.readline(LINE_BYTES_MAX + 1)).endswith(b"\n"):
        number += 1
        yield decode_line(line[:-1], path=path, place=f"line {number}")
    if len(line) > LINE_BYTES_MAX:
        raise StoreError(f"{path}, line {number + 1}: longer than {LINE_BYTES_MAX} bytes")


def encode_line(event: Event) -> bytes:
    """Return an event as a line of a log, newline included.

    Raises:
        LimitExceeded: The line would be longer than `LINE_BYTES_MAX`.
    """
    # A lone surrogate in a text is kept readable rather than refused.
    line = event.to_json().encode("utf-8", errors="backslashreplace") + b"\n"
    if len(line) > LINE_BYTES_MAX:
        raise LimitExceeded(
            f"event {event.event}: a line of {len(line)} bytes, expected at most {LINE_BYTES_MAX}"
        )
    return line


def decode_line(line: bytes, *, path: Path, place: str) -> Event:
    """Read a line back.

    Args:
        line: Without its newline.
        path: The log, for the message.
        place: Where in the log the line stands, likewise.

    Raises:
        StoreError: It is no event of this schema.
    """
    try:
        value = json.loads(line)
        if value["schema"] != SCHEMA:
            raise StoreError(
                f"{path}, {place}: got schema {value['schema']!r}, expected {SCHEMA!r}",
                remedy="read it with the peerage that wrote it",
            )
        return Event(
            seq=int(value["seq"]),
            t_ms=int(value["t_ms"]),
            event=str(value["event"]),
            round_id=None if value["round"] is None else bytes.fromhex(value["round"]),
            peer=None if value["peer"] is None else bytes.fromhex(value["peer"]),
            fields={name: item for name, item in value.items() if name not in ENVELOPE},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as exc:
        raise StoreError(
            f"{path}, {place}: no event ({type(exc).__name__}: {exc})",
            remedy="the file was altered or is no event log; move it away to begin a new one",
        ) from exc
