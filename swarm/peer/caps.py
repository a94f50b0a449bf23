"""What a peer's owner allows it to use, and whether that is used up: then it takes no further rounds."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from swarm.edge.peer_config import PeerConfig

HOUR_S: Final = 3_600.0
MEMORY_SLACK: Final = 0.9  # share of the memory allowed under which rounds are taken again


@dataclass(slots=True)
class Caps:
    """Counts against a peer's limits.

    Args:
        config: Holds them.
        owner_reason: Why its owner has paused it; empty while it is not.
        restored: Why a key that came from a backup waits; empty where it does not.
    """

    config: PeerConfig
    owner_reason: str = ""
    restored: str = ""
    _opened_s: deque[float] = field(default_factory=deque)
    _over_memory: str = ""  # as it was when the limit was crossed: not another word every second

    def note_round(self, now_s: float) -> None:
        """Count a round that was taken at a time, seconds on a steady clock."""
        self._opened_s.append(now_s)
        self._forget(now_s)

    def count_rounds(self, now_s: float) -> int:
        """Return how many rounds were taken within the last hour."""
        self._forget(now_s)
        return len(self._opened_s)

    def find_reason(self, *, now_s: float, memory_mb: float) -> str:
        """Return why no further rounds are taken now; empty where they are.

        Args:
            now_s: Seconds on the clock of `note_round`.
            memory_mb: Resident memory of the process, MiB.
        """
        config = self.config
        if config.memory_mb:
            # Taken again only well below, so that it does not flicker around the limit.
            share = MEMORY_SLACK if self._over_memory else 1.0
            if memory_mb <= share * config.memory_mb:
                self._over_memory = ""
            elif not self._over_memory:
                self._over_memory = f"{memory_mb:.0f} MiB in use, {config.memory_mb} allowed"
        if self.restored or self.owner_reason:
            return self.restored or self.owner_reason
        if self._over_memory:
            return self._over_memory
        if config.rounds_per_hour and self.count_rounds(now_s) >= config.rounds_per_hour:
            return f"{config.rounds_per_hour} rounds within the last hour, as many as allowed"
        return ""

    def _forget(self, now_s: float) -> None:
        while self._opened_s and now_s - self._opened_s[0] >= HOUR_S:
            self._opened_s.popleft()
