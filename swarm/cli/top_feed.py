"""What `peerage top` shows, kept up to date from one log: a peer's view, and the last lines."""

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final

from consensus.errors import StoreError
from swarm.cli.log_lines import is_relative, render_line
from swarm.cli.render import clean_terminal
from swarm.edge.log_tail import LogLine
from swarm.edge.peer_view import PeerView
from swarm.edge.peer_view_log import PeerLog
from swarm.edge.peer_view_rows import Snapshot

LINES_MAX: Final = 500
LINE_CHARS_MAX: Final = 400


class Feed:
    """A log, and what has been read of it.

    Args:
        log: Where events come from; closed by the caller.
        get_now_ms: Wall clock, milliseconds since 1970.
    """

    def __init__(self, log: PeerLog, *, get_now_ms: Callable[[], int]) -> None:
        self.log = log
        self.lines: deque[str] = deque(maxlen=LINES_MAX)
        self.lines_seen = 0
        self.damaged = 0
        self._view = PeerView()
        self._get_now_ms = get_now_ms

    def read(self, *, lines_max: int | None = None) -> None:
        """Take in what is new, at most so many lines of it.

        Raises:
            StoreError: The log cannot be read, or nothing in it is an event.
        """
        recent: deque[LogLine] = deque(maxlen=LINES_MAX)
        for line in islice(self.log.read(), lines_max):
            self.lines_seen += 1
            recent.append(line)
            if line.event is not None:
                self._view.apply(line.event)
            else:
                self._count_damage(line)
        self.lines.extend(map(_render, recent))

    def get_snapshot(self) -> Snapshot:
        """Return how the peer is now.

        Raises:
            StoreError: Nobody can tell whether the log is still written.
        """
        now_ms, last_ms = self._get_now_ms(), self._view.last_ms
        if last_ms is not None and is_relative(last_ms):
            now_ms = last_ms  # a testnet's log, by its own clock
        return self._view.get_snapshot(now_ms=now_ms, is_written=self.log.is_written())

    def _count_damage(self, line: LogLine) -> None:
        self.damaged += 1
        if self._view.last_ms is None:
            raise StoreError(
                f"{self.log.path}: {_render(line)}", remedy="name an event log, or see `peerage logs --list`"
            )


def _render(line: LogLine) -> str:
    """Return a line of a log on a line of bounded length."""
    if line.event is not None:
        return render_line(line, has_log=False)[:LINE_CHARS_MAX]
    return f"damaged: line {line.number}: {clean_terminal(line.damage)}"[:LINE_CHARS_MAX]
