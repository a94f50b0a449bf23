"""What a peer's own event log tells of its life, read once for all the checks that ask."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from swarm.edge.events import Event
from swarm.edge.log_follower import LogFollower
from swarm.edge.second_machine import REMEDY as SECOND_MACHINE_REMEDY

DAY_MS: Final = 86_400_000
KEEP_BYTES: Final = 1_048_576  # of the end of a log every line is read, of what is before only these:
WANTED: Final = re.compile(
    rb'"event":"(?:node_\w+|round_(?:opened|closed)|second_machine|database_rolled_back)"'
)
OLD_FILES_MAX: Final = 1  # of a log that was rotated: 128 MiB at most, whatever is kept
SHORT_MS: Final = 2_000  # a link that ends within this time was refused rather than lost


@dataclass(slots=True)
class Story:
    """What happened, as far as the files that are read go back.

    Attributes:
        lines: How many there are.
        damaged: How many of the lines that were read are no events.
        damage: Why the first of them is none, and in which line.
        damaged_file: The name of the file that it stands in.
        last_ms: When the last event was written; 0 where there is none.
        started_ms: When the peer came up last.
        closed_ms: When a round finished last.
        waiting: Rounds opened since then.
        waiting_ms: When the first of them was opened.
        halt: Why the peer has said nothing more since it came up last; empty where it has not halted.
        halt_remedy: What it said to do about it.
        rolled_back: Whether its database was an older copy when it came up last.
        penalised: Messages that broke a rule within the last day of the log, by who sent them.
        cut_short: Links that a peer ended within the last day of the log, by peer.
    """

    lines: int = 0
    damaged: int = 0
    damage: str = ""
    damaged_file: str = ""
    last_ms: int = 0
    started_ms: int = 0
    closed_ms: int = 0
    waiting: int = 0
    waiting_ms: int = 0
    halt: str = ""
    halt_remedy: str = ""
    rolled_back: bool = False
    penalised: Counter[bytes] = field(default_factory=Counter)
    cut_short: Counter[bytes] = field(default_factory=Counter)
    _recent: list[Event] = field(default_factory=list)

    def note(self, event: Event) -> None:
        """Take one event into account."""
        self.last_ms = max(self.last_ms, event.t_ms)
        match event.event:
            case "node_started":
                self.started_ms, self.halt, self.halt_remedy, self.rolled_back = event.t_ms, "", "", False
                self.waiting, self.waiting_ms = 0, 0
            case "node_halted":
                self.halt, self.halt_remedy = _say(event.fields, "reason"), _say(event.fields, "remedy")
            case "second_machine":
                self.halt = f"another machine runs with its key: {_say(event.fields, 'reason')}"
                self.halt_remedy = SECOND_MACHINE_REMEDY
            case "database_rolled_back":
                self.rolled_back = True
            case "round_opened":
                self.waiting += 1
                self.waiting_ms = self.waiting_ms or event.t_ms
            case "round_closed":
                self.closed_ms = event.t_ms
                self.waiting, self.waiting_ms = 0, 0
            case "peer_penalised" | "link_closed" | "link_opened":
                self._recent.append(event)
            case _:
                pass

    def close(self) -> None:
        """Count what is counted over the last day of the log."""
        opened_ms: dict[bytes, int] = {}
        for event in self._recent:
            if event.peer is None or event.t_ms < self.last_ms - DAY_MS:
                continue
            if event.event == "peer_penalised":
                self.penalised[event.peer] += 1
            elif event.event == "link_opened":
                opened_ms[event.peer] = event.t_ms
            elif event.t_ms - opened_ms.pop(event.peer, 0) <= SHORT_MS:
                self.cut_short[event.peer] += 1
        self._recent.clear()


def _say(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def read_story(path: Path) -> Story:
    """Read a log, also while it is being written and rotated; blocks.

    Args:
        path: The file that is written.

    Raises:
        StoreError: It cannot be read.
    """
    story = Story()
    follower = LogFollower(path, wanted=WANTED, keep_bytes=KEEP_BYTES, old_files_max=OLD_FILES_MAX)
    lines: Counter[str] = Counter()
    try:
        for line in follower.read():
            lines[line.file] = line.number
            if line.event is not None:
                story.note(line.event)
                continue
            story.damaged += 1
            if not story.damage:
                story.damage = f"line {line.number}: {line.damage}"
                story.damaged_file = f"{line.file}{path.suffix}"
    finally:
        follower.close()
    story.lines = lines.total()
    story.close()
    return story
