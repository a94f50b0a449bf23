"""What a running peer says of itself: one description for `peer status`, its metrics and its health."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from consensus.identity import PeerKey
from swarm.edge.events import Json
from swarm.edge.network_file import NetworkFile
from swarm.edge.peer_config import PeerConfig
from swarm.peer.tally import Tally

STATUS_SCHEMA: Final = "peerage.peer-status/1"
MIB: Final = 1 << 20


class PeerState(Enum):
    """Where a peer stands."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"
    STOPPING = "stopping"


@dataclass(slots=True, kw_only=True)
class Vitals:
    """A running peer, seen from outside.

    Args:
        config: How it runs.
        file: Its network.
        key: Its own.
        directory: Where its data lie.
        started_ms: Since when it runs, wall clock, milliseconds.
        tally: What has happened.
        get_links: The members it is linked with.
        count_open: Rounds that it has a seat in now.
        get_clock_behind_s: At least so far its clock is behind another member's, seconds.
        get_problems: What is wrong with its files that does not keep it from taking rounds.
        url: Where it listens; empty where nowhere.
        judge: How it judges.
        model: What it answers with.
        pause_reason: Why it takes no further rounds; empty while it does.
        is_stopping: Whether it is going down.
        is_up: Whether it takes links.
        store_bytes: What its database held when that was looked at last.
    """

    config: PeerConfig
    file: NetworkFile
    key: PeerKey
    directory: Path
    started_ms: int
    tally: Tally
    get_links: Callable[[], tuple[PeerKey, ...]]
    count_open: Callable[[], int]
    get_clock_behind_s: Callable[[], float]
    get_problems: Callable[[], Sequence[str]] = tuple
    url: str = ""
    judge: str = ""
    model: str = ""
    pause_reason: str = ""
    is_stopping: bool = False
    is_up: bool = False
    store_bytes: int = 0

    def get_state(self) -> PeerState:
        """Return where it stands; the gravest word where several fit."""
        if self.tally.halted:
            return PeerState.HALTED
        if self.is_stopping:
            return PeerState.STOPPING
        if not self.is_up:
            return PeerState.STARTING
        return PeerState.PAUSED if self.pause_reason else PeerState.RUNNING

    def is_ready(self) -> bool:
        """Say whether it would take part in a round now: up, not paused, linked with a member."""
        return self.get_state() is PeerState.RUNNING and bool(self.get_links())

    def describe(self) -> Mapping[str, Json]:
        """Return all of it, as `peer status --json` prints it."""
        links = [{"key": key.hex(), "label": self.file.get_label(key)} for key in self.get_links()]
        return {
            "schema": STATUS_SCHEMA,
            "state": self.get_state().value,
            "reason": self.tally.halted or self.pause_reason,
            "ready": self.is_ready(),
            "key": self.key.hex(),
            "label": self.config.label,
            "network": {
                "name": self.file.name,
                "network_id": self.file.network.network_id.hex(),
                "members": len(self.file.network.keys),
            },
            "url": self.url or None,
            "advertise": list(self.config.advertise),
            "links": links,
            "model": self.model,
            "judge": self.judge,
            "rounds": {
                "open": self.count_open(),
                "taken": self.tally.opened,
                "declined": self.tally.declined,
                **self.tally.get_rounds(),
            },
            "penalties": self.tally.penalties,
            "problems": list(self.get_problems()),
            "clock_behind_s": round(self.get_clock_behind_s(), 3),
            "started_ms": self.started_ms,
            "memory_mb": round(get_memory_mb(), 1),
            "store_bytes": self.store_bytes,
            "disk_free_bytes": get_disk_free(self.directory),
            "pid": os.getpid(),
            "directory": str(self.directory),
        }


def get_memory_mb() -> float:
    """Return this process's resident memory, MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def get_disk_free(directory: Path) -> int:
    """Return how many bytes are free where a peer's data lie."""
    return shutil.disk_usage(directory).free
