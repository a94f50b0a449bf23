"""One file of an event log, read while another process writes it.

A damaged line is handed on with its place instead of ending the reading: what stands around it is still of
use to who looks.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from consensus.errors import StoreError
from swarm.edge.events import LINE_BYTES_MAX, Event, decode_line
from swarm.edge.log_rotation import FileIdentity, get_log_file, identify

SUFFIX = ".jsonl"
CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a log: an event, or where `event` is None why it is none.

    Attributes:
        file: The file's name without its suffix.
        number: The line's in that file, from 1.
        t_ms: The event's time; a damaged line has that of the event before it.
        event: What happened.
        damage: Why the line is no event; empty where it is one.
    """

    file: str
    number: int
    t_ms: int
    event: Event | None
    damage: str = ""

    @property
    def log(self) -> str:
        """The name of the file that is written, without its suffix, also where the line is in an old one."""
        return get_log_file(Path(f"{self.file}{SUFFIX}")).stem


class LogTail:
    """One file of a log, read as far as it goes, and from there on later.

    Args:
        path: The file; it is held open, so that moving it away loses nothing.

    Raises:
        StoreError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn_bytes = 0
        self._offset = 0
        self._number = 0
        self._t_ms = 0
        self._is_skipping = False
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as exc:
            raise make_unreadable(path, exc) from exc

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def is_written(self) -> bool:
        """Say whether a process holds the log to write it.

        The lock is held for a moment only; a writer that meets it tries again (`swarm.edge.event_log`).
        """
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as exc:
            raise make_unreadable(self.path, exc) from exc
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return False

    def is_at(self, path: Path) -> bool:
        """Say whether what stands at a path is what is read, and no shorter than what was read of it.

        Raises:
            StoreError: A file cannot be examined.
        """
        try:
            held = os.fstat(self._descriptor)
            return os.path.samestat(held, path.stat()) and held.st_size >= self._offset
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise make_unreadable(path, exc) from exc

    def measure(self) -> int:
        """Return how long the file is, bytes.

        Raises:
            StoreError: It cannot be examined.
        """
        return self._examine().st_size

    def identify(self) -> FileIdentity:
        """Return which file is read, whatever it is called by now.

        Raises:
            StoreError: It cannot be examined.
        """
        return identify(self._examine())

    def skim(self, wanted: re.Pattern[bytes], *, keep_bytes: int) -> Iterator[LogLine]:
        """Yield lines that hold `wanted`, of all but about the last `keep_bytes`; `read` goes on from there.

        The others are counted and not decoded, so that a long log opens in a fraction of the time; damage in
        them is not found.

        Args:
            wanted: What to look for in the bytes of a line.
            keep_bytes: How much is left for `read`, at least.

        Raises:
            StoreError: The file cannot be read.
        """
        assert self._offset == 0, "a log is skimmed before it is read"
        end = self.measure() - keep_bytes
        while self._offset + CHUNK_BYTES <= end and (chunk := self._read_chunk(self._offset)):
            whole = chunk.rfind(b"\n") + 1
            if not whole:
                return  # a line longer than a chunk: `read` knows what to do with it
            place = 0
            for match in wanted.finditer(chunk, 0, whole):
                if match.start() < place:
                    continue  # found twice in a line
                start = chunk.rfind(b"\n", 0, match.start()) + 1
                self._number += chunk.count(b"\n", place, start)
                place = chunk.find(b"\n", match.start()) + 1
                yield self._decode(chunk[start : place - 1])
            self._number += chunk.count(b"\n", place, whole)
            self._offset += whole

    def read(self) -> Iterator[LogLine]:
        """Yield the lines that have become whole since the last time.

        What stands after the last newline stays for later; `torn_bytes` says how much that is.

        Raises:
            StoreError: The file cannot be read.
        """
        pending = b""
        while chunk := self._read_chunk(self._offset + len(pending)):
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                self._offset += len(line) + 1
                if self._is_skipping:
                    self._is_skipping = False
                else:
                    yield self._decode(line)
            if len(pending) > LINE_BYTES_MAX:
                if not self._is_skipping:
                    yield self._make_damaged(f"longer than {LINE_BYTES_MAX} bytes")
                self._is_skipping = True
                self._offset += len(pending)
                pending = b""
        self.torn_bytes = len(pending)

    def _examine(self) -> os.stat_result:
        try:
            return os.fstat(self._descriptor)
        except OSError as exc:
            raise make_unreadable(self.path, exc) from exc

    def _read_chunk(self, offset: int) -> bytes:
        try:
            return os.pread(self._descriptor, CHUNK_BYTES, offset)
        except OSError as exc:
            raise make_unreadable(self.path, exc) from exc

    def _decode(self, line: bytes) -> LogLine:
        if len(line) > LINE_BYTES_MAX:
            return self._make_damaged(f"longer than {LINE_BYTES_MAX} bytes")
        try:
            event = decode_line(line, path=self.path, place=f"line {self._number + 1}")
        except StoreError as exc:
            return self._make_damaged(exc.message.removeprefix(f"{self.path}, line {self._number + 1}: "))
        self._number += 1
        self._t_ms = event.t_ms
        return LogLine(self.path.stem, self._number, event.t_ms, event)

    def _make_damaged(self, reason: str) -> LogLine:
        self._number += 1
        return LogLine(self.path.stem, self._number, self._t_ms, None, reason)


def find_tail(path: Path) -> LogTail | None:
    """Open a file of a log, or return None where there is none.

    Raises:
        StoreError: It cannot be opened.
    """
    try:
        return LogTail(path)
    except StoreError as exc:
        if isinstance(exc.__cause__, FileNotFoundError):
            return None
        raise


def make_unreadable(path: Path, exc: OSError) -> StoreError:
    """Return what to say where a file or a directory of logs cannot be read."""
    return StoreError(f"cannot read {path} ({exc.strerror})", remedy="check the path and who may read it")
