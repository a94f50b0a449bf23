"""Reading event logs while others write them: which there are, what they say, and whether they have ended.

A damaged line is handed on with its place instead of ending the reading: what stands around it is still of
use to who looks. A swarm's peers may write a log each; here they are one log with several files.
"""

import fcntl
import heapq
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from consensus.errors import ConfigError, StoreError
from swarm.edge.events import LINE_BYTES_MAX, Event, decode_line
from swarm.edge.paths import Paths

SUFFIX = ".jsonl"
RUN_FILE = "events.jsonl"  # what a testnet's run directory calls its log
CHUNK_BYTES = 1 << 18
_PEER_FILE = re.compile(r"(.+)-peer-[0-9]+")


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a log: an event, or where `event` is None why it is none.

    Attributes:
        log: The file's name without its suffix.
        number: The line's, from 1.
        t_ms: The event's time; a damaged line has that of the event before it.
        event: What happened.
        damage: Why the line is no event; empty where it is one.
    """

    log: str
    number: int
    t_ms: int
    event: Event | None
    damage: str = ""


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
            raise _unreadable(path, exc) from exc

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
            raise _unreadable(self.path, exc) from exc
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return False

    def is_replaced(self) -> bool:
        """Say whether what stands at the path is no longer what is read: the log was rotated or cut off.

        Raises:
            StoreError: The file cannot be examined.
        """
        try:
            mine = os.fstat(self._descriptor)
            there = self.path.stat()
        except FileNotFoundError:
            return False  # moved away; the next one is yet to come
        except OSError as exc:
            raise _unreadable(self.path, exc) from exc
        return not os.path.samestat(mine, there) or mine.st_size < self._offset

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
        try:
            end = os.fstat(self._descriptor).st_size - keep_bytes
        except OSError as exc:
            raise _unreadable(self.path, exc) from exc
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

    def _read_chunk(self, offset: int) -> bytes:
        try:
            return os.pread(self._descriptor, CHUNK_BYTES, offset)
        except OSError as exc:
            raise _unreadable(self.path, exc) from exc

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


@dataclass(frozen=True, slots=True)
class KeptLog:
    """A log that is there.

    Attributes:
        name: Of the swarm's run, or of the file.
        directory: Where its files are.
        files: Their names, ascending.
        changed_s: When it was last written, seconds since 1970.
        size_bytes: Of all files.
        is_single: Whether this file alone was asked for, whatever is beside it.
    """

    name: str
    directory: Path
    files: tuple[str, ...]
    changed_s: float
    size_bytes: int
    is_single: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """Its files."""
        return tuple(self.directory / file for file in self.files)


def list_logs(directory: Path) -> tuple[KeptLog, ...]:
    """Return the logs in a directory, the one last written first; none where there is no directory.

    Raises:
        StoreError: The directory cannot be read.
    """
    found: dict[str, list[os.DirEntry[str]]] = {}
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and entry.is_file():
                    found.setdefault(_get_name(entry.name), []).append(entry)
        logs = [_make_kept(directory, name, entries) for name, entries in found.items()]
    except FileNotFoundError:
        return ()
    except OSError as exc:
        raise _unreadable(directory, exc) from exc
    return tuple(sorted(logs, key=lambda log: (-log.changed_s, log.name)))


def _get_name(file: str) -> str:
    stem = file.removesuffix(SUFFIX)
    match = _PEER_FILE.fullmatch(stem)
    return stem if match is None else match[1]


def _make_kept(directory: Path, name: str, entries: list[os.DirEntry[str]]) -> KeptLog:
    stats = [entry.stat() for entry in entries]
    return KeptLog(
        name,
        directory,
        tuple(sorted(entry.name for entry in entries)),
        max(stat.st_mtime for stat in stats),
        sum(stat.st_size for stat in stats),
    )


def find_log(text: str, paths: Paths) -> KeptLog:
    """Return the log that is meant.

    Args:
        text: A file, a directory of a testnet's run, or the first letters of a log's name; empty for the log
            that was written last.
        paths: The user's directories.

    Raises:
        ConfigError: There is none, or several are meant.
        StoreError: The directory of logs cannot be read.
    """
    if text:
        path = Path(text)
        try:
            path = path / RUN_FILE if (path / RUN_FILE).is_file() else path
            if path.is_file():
                stat = path.stat()
                return KeptLog(
                    path.stem, path.parent, (path.name,), stat.st_mtime, stat.st_size, is_single=True
                )
        except (OSError, ValueError) as exc:
            raise ConfigError(f"cannot read {text} ({exc})", remedy="check the path") from exc
    logs = [log for log in list_logs(paths.logs) if log.name.startswith(text)]
    if not text and logs:
        return logs[0]
    if len(logs) != 1:
        what = f"{text!r} names no file and {len(logs)} logs" if text else "there is no log yet"
        raise ConfigError(
            f"{what} in {paths.logs}",
            remedy="see `peerage logs --list`" if logs or text else "ask something first: `peerage ask`",
        )
    return logs[0]


class LogReader:
    """All files of a log as one, by time; files that come up later are taken in.

    Args:
        log: Which.

    Raises:
        StoreError: A file cannot be opened.
    """

    def __init__(self, log: KeptLog) -> None:
        self._log = log
        self._tails: dict[Path, LogTail] = {}
        self._take_in(log.paths)

    @property
    def files(self) -> int:
        """How many files are read."""
        return len(self._tails)

    @property
    def torn(self) -> tuple[Path, ...]:
        """Files that end in a part of a line, as far as they were read."""
        return tuple(tail.path for tail in self._tails.values() if tail.torn_bytes)

    def close(self) -> None:
        """Let go of all files."""
        for tail in self._tails.values():
            tail.close()

    def is_written(self) -> bool:
        """Say whether anybody still writes the log."""
        return any(tail.is_written() for tail in self._tails.values())

    def read(self) -> Iterator[LogLine]:
        """Yield what has come since the last time, by time.

        Raises:
            StoreError: A file cannot be read.
        """
        if self._tails:
            yield from heapq.merge(
                *(tail.read() for tail in self._tails.values()), key=lambda line: line.t_ms
            )

    def look_for_files(self) -> None:
        """Take in the files of peers that have come up since.

        Raises:
            StoreError: The directory or a file cannot be read.
        """
        if self._log.is_single:
            return
        for log in list_logs(self._log.directory):
            if log.name == self._log.name:
                self._take_in(log.paths)

    def _take_in(self, paths: tuple[Path, ...]) -> None:
        for path in paths:
            if path not in self._tails:
                self._tails[path] = LogTail(path)


def _unreadable(path: Path, exc: OSError) -> StoreError:
    return StoreError(f"cannot read {path} ({exc.strerror})", remedy="check the path and who may read it")
