"""Event logs while others write them: which there are, what they say, and whether they have ended.

A swarm's peers may write a log each, and a log that was rotated has several files; here they are one log.
"""

import heapq
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from consensus.errors import ConfigError
from swarm.edge.log_follower import LogFollower
from swarm.edge.log_rotation import get_log_file, is_old_name, list_old_files
from swarm.edge.log_tail import SUFFIX, LogLine, LogTail, make_unreadable
from swarm.edge.paths import Paths
from swarm.edge.peer_directory import get_log_path

RUN_FILE = "events.jsonl"  # what a testnet's run directory calls its log
_PEER_LOG = re.compile(r"(.+)-peer-[0-9]+")


@dataclass(frozen=True, slots=True)
class KeptLog:
    """A log that is there.

    Attributes:
        name: Of the swarm's run, or of the file.
        directory: Where its files are.
        files: Their names, ascending: old ones before the one that is written.
        changed_s: When it was last written, seconds since 1970.
        size_bytes: Of all files.
        is_single: Whether the log of this file alone was asked for, whatever is beside it.
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
    found: dict[str, list[Path]] = {}
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and entry.is_file():
                    found.setdefault(_get_name(entry.name), []).append(Path(entry.path))
    except FileNotFoundError:
        return ()
    except OSError as exc:
        raise make_unreadable(directory, exc) from exc
    logs = [_make_kept(name, paths) for name, paths in found.items()]
    return tuple(sorted((log for log in logs if log.files), key=lambda log: (-log.changed_s, log.name)))


def _get_name(file: str) -> str:
    stem = get_log_file(Path(file)).stem
    match = _PEER_LOG.fullmatch(stem)
    return stem if match is None else match[1]


def _make_kept(name: str, paths: list[Path], *, is_single: bool = False) -> KeptLog:
    """Return a log of these files of one directory, but for those that are gone meanwhile.

    Raises:
        StoreError: One cannot be examined.
    """
    stats: dict[str, os.stat_result] = {}
    for path in sorted(paths):
        try:
            stats[path.name] = path.stat()
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise make_unreadable(path, exc) from exc
    return KeptLog(
        name,
        paths[0].parent,
        tuple(stats),
        max((stat.st_mtime for stat in stats.values()), default=0.0),
        sum(stat.st_size for stat in stats.values()),
        is_single=is_single,
    )


def find_log(text: str, paths: Paths) -> KeptLog:
    """Return the log that is meant.

    Args:
        text: A file, a directory of a testnet's run or of a peer, or the first letters of a log's name; empty
            for the log that was written last. An old file of a log that was rotated stands for itself alone.
        paths: The user's directories.

    Raises:
        ConfigError: There is none, or several are meant.
        StoreError: The directory of logs cannot be read.
    """
    if text:
        path = Path(text)
        try:
            for file in (path / RUN_FILE, get_log_path(path), path):
                if file.is_file():
                    old = [old.path for old in list_old_files(file)]
                    return _make_kept(file.stem, [*old, file], is_single=True)
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
        self._parts: dict[Path, LogFollower | LogTail] = {}
        self._take_in(log.paths)

    @property
    def writers(self) -> int:
        """How many files are written or were: those that rotation put aside count as one with theirs."""
        return len(self._parts)

    @property
    def torn(self) -> tuple[Path, ...]:
        """Files that end in a part of a line, as far as they were read."""
        return tuple(part.path for part in self._parts.values() if part.torn_bytes)

    def close(self) -> None:
        """Let go of all files."""
        for part in self._parts.values():
            part.close()

    def is_written(self) -> bool:
        """Say whether anybody still writes the log."""
        return any(part.is_written() for part in self._parts.values())

    def read(self) -> Iterator[LogLine]:
        """Yield what has come since the last time, by time; what one file says keeps its order.

        Raises:
            StoreError: A file cannot be read.
        """
        yield from heapq.merge(*(part.read() for part in self._parts.values()), key=lambda line: line.t_ms)

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
            if self._log.is_single and paths == (path,) and is_old_name(path):
                self._parts[path] = LogTail(path)
            elif (written := get_log_file(path)) not in self._parts:
                self._parts[written] = LogFollower(written)
