"""What a peer's process uses while it is watched, and what its log says of attackers."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import trio

from swarm.edge.events import Event, read_events
from swarm.edge.peer_directory import get_log_path
from swarm.peer.stage import StagedPeer

WATCH_S: Final = 0.1
MIB: Final = 1 << 20
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
USER_TIME = 11  # of the fields of /proc/PID/stat behind the program's name (proc(5): utime, stime)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process uses at one moment; `cpu_s` since it began."""

    at: float
    memory_mib: float
    descriptors: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Use:
    """What a process used over a while: peaks, and its share of one core."""

    memory_mib: float
    descriptors: int
    cpu_share: float


@dataclass(slots=True)
class Watch:
    """Looks at one peer's process again and again."""

    peer: StagedPeer
    samples: list[Sample] = field(default_factory=list)

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            self.samples.append(read_sample(self.peer))
            await trio.sleep(WATCH_S)

    def get_use(self, since: float, until: float) -> Use:
        """Return what was used between two moments of `time.monotonic`."""
        seen = [sample for sample in self.samples if since <= sample.at <= until]
        assert len(seen) > 1, "nobody asks for so short a while"
        spent = (seen[-1].cpu_s - seen[0].cpu_s) / (seen[-1].at - seen[0].at)
        return Use(max(one.memory_mib for one in seen), max(one.descriptors for one in seen), spent)


def read_sample(peer: StagedPeer) -> Sample:
    """Read what a peer's process uses now."""
    assert peer.process is not None, "it was started"
    where = Path("/proc") / str(peer.process.pid)
    pages = int((where / "statm").read_text(encoding="ascii").split()[1])
    times = (where / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
    spent = int(times[USER_TIME]) + int(times[USER_TIME + 1])
    descriptors = sum(1 for _ in (where / "fd").iterdir())
    return Sample(time.monotonic(), pages * PAGE_BYTES / MIB, descriptors, spent / TICKS_PER_S)


def get_log_size(peer: StagedPeer) -> int:
    """Return how long a peer's log is, bytes."""
    return get_log_path(peer.directory).stat().st_size


def count_lines(peer: StagedPeer) -> int:
    """Return how many events a peer has noted."""
    return sum(1 for _ in read_events(get_log_path(peer.directory)))


def read_new_events(peer: StagedPeer, known: int) -> Sequence[Event]:
    """Return what a peer has noted after so many events."""
    return list(islice(read_events(get_log_path(peer.directory)), known, None))


def count_bans(events: Sequence[Event]) -> int:
    """Return how many links ended with a ban of whoever was at their other end."""
    reasons = (str(event.fields["reason"]) for event in events if event.event == "link_closed")
    return sum(reason.startswith("banned") for reason in reasons)


def count_events(events: Sequence[Event]) -> Counter[str]:
    """Return how often each event was noted."""
    return Counter(event.event for event in events)
