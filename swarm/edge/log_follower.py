"""One event log with its old files, read in order and followed over rotations."""

import re
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from swarm.edge.events import GAP_EVENT, Event
from swarm.edge.log_rotation import list_old_files
from swarm.edge.log_tail import LogLine, LogTail, find_tail


class LogFollower:
    """A log by the path of the file that is written: its old files first, then that one, as it grows.

    What is rotated between two readings is read in order. Where files were removed before they were read, a
    gap event says how many events that cost.

    Args:
        path: The file that is written; it need not be there where old ones are.
        wanted: What a line of the log as it is now must hold to be read; None for all lines. What comes later
            is read in full.
        keep_bytes: How much of the end of the log as it is now is read in full as well.
        old_files_max: How many old files are read of the log as it is now; None for all.

    Raises:
        StoreError: There is no log, or it cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        wanted: re.Pattern[bytes] | None = None,
        keep_bytes: int = 0,
        old_files_max: int | None = None,
    ) -> None:
        self.path = path
        self.rotations = 0
        self._wanted = wanted  # until what is there now has been read
        self._keep_bytes = keep_bytes
        passed_over = () if old_files_max is None else list_old_files(path)[: -old_files_max or None]
        self._end_seq = passed_over[-1].end_seq if passed_over else 0  # the place after what was read
        self._ready: deque[LogLine] = deque()
        self._skimmed: Iterator[LogLine] = iter(())
        self._tail = self._open_unread(None) or LogTail(path)

    @property
    def torn_bytes(self) -> int:
        """How much stands after the last newline of the file that is read."""
        return self._tail.torn_bytes

    def close(self) -> None:
        """Let go of the file that is read."""
        self._tail.close()

    def is_written(self) -> bool:
        """Say whether a process holds the log to write it, in whichever file.

        Raises:
            StoreError: A file cannot be examined.
        """
        if self._tail.is_written():
            return True
        while (newest := find_tail(self.path)) is not None:
            try:
                if newest.is_written():
                    return True
                if newest.is_at(self.path):
                    return False
            finally:
                newest.close()
        return False

    def read(self) -> Iterator[LogLine]:
        """Yield what is new; may be left off at any line and called again.

        Raises:
            StoreError: A file cannot be read.
        """
        while True:
            yield from self._read_file()
            if self._tail.is_at(self.path):
                self._wanted = None
                return
            yield from self._read_file()  # what was written before it was moved away
            # Opened before the old one is let go, so that a failure leaves something to read.
            following = self._open_unread(self._tail)
            if following is None:
                return  # the next one is yet to come
            self._tail.close()
            self._tail = following
            self.rotations += 1

    def _read_file(self) -> Iterator[LogLine]:
        yield from self._hand_on()
        for line in chain(self._skimmed, self._tail.read()):
            self._note(line)
            yield from self._hand_on()

    def _hand_on(self) -> Iterator[LogLine]:
        while self._ready:
            yield self._ready.popleft()

    def _note(self, line: LogLine) -> None:
        event = line.event
        if event is not None:
            lost = event.seq - self._end_seq
            if lost > 0 and line.number == 1 and self.rotations and self._wanted is None:
                gap = Event(seq=self._end_seq, t_ms=event.t_ms, event=GAP_EVENT, fields={"lost": lost})
                self._ready.append(LogLine(line.file, line.number, line.t_ms, gap))
            self._end_seq = event.next_seq
        self._ready.append(line)

    def _open_unread(self, read: LogTail | None) -> LogTail | None:
        """Open the oldest file that was not read, or the one that is written; None where there is none.

        Args:
            read: The file that was read last, to its end.

        Raises:
            StoreError: It cannot be opened.
        """
        while True:
            with ExitStack() as stack:
                newest = find_tail(self.path)  # first of all: what is rotated from here on is this one
                if newest is not None:
                    stack.callback(newest.close)
                old = list_old_files(self.path)
                for file in old:
                    if read is not None and file.identity == read.identify():
                        self._end_seq = file.end_seq
                unread = [file for file in old if file.end_seq > self._end_seq]
                if not unread or (newest is not None and newest.identify() == unread[0].identity):
                    stack.pop_all()
                    return self._begin(newest, later_bytes=0)
                later_bytes = sum(file.size_bytes for file in unread[1:])
                later_bytes += 0 if newest is None else newest.measure()
                oldest = find_tail(unread[0].path)
                if oldest is not None:  # else it was removed meanwhile
                    return self._begin(oldest, later_bytes=later_bytes)

    def _begin(self, tail: LogTail | None, *, later_bytes: int) -> LogTail | None:
        if tail is not None and self._wanted is not None:
            self._skimmed = tail.skim(self._wanted, keep_bytes=max(0, self._keep_bytes - later_bytes))
        return tail
