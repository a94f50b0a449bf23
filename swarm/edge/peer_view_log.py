"""A peer's log as the view of a peer reads it: quickly at first, and then as it grows, also over rotation."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final

from consensus.errors import ConfigError
from swarm.edge.log_reader import SUFFIX, LogLine, LogTail, list_logs
from swarm.edge.paths import Paths
from swarm.edge.peer_directory import get_log_path, get_peer_directory
from swarm.edge.peer_view import LASTING

TAIL_BYTES: Final = 8 << 20  # read in full; of what is before, only events whose effect lasts
_WANTED: Final = re.compile(rb'"event":"(?:' + "|".join(LASTING).encode() + rb')"')


class PeerLog:
    """One file of events, followed by its path: where it is rotated, the next one is read on.

    Args:
        path: The file.
        tail_bytes: How much of its end is read in full.

    Raises:
        StoreError: It cannot be opened.
    """

    def __init__(self, path: Path, *, tail_bytes: int = TAIL_BYTES) -> None:
        self.path = path
        self.rotations = 0
        self._tail = LogTail(path)
        # In a chain, which is not closed with the generator that goes through it.
        self._skimmed = chain(self._tail.skim(_WANTED, keep_bytes=tail_bytes))

    @property
    def is_torn(self) -> bool:
        """Whether the file ends in a part of a line, as far as it was read."""
        return self._tail.torn_bytes > 0

    def close(self) -> None:
        """Let go of the file."""
        self._tail.close()

    def is_written(self) -> bool:
        """Say whether a process holds the log to write it.

        Raises:
            StoreError: The file cannot be examined.
        """
        return self._tail.is_written()

    def read(self) -> Iterator[LogLine]:
        """Yield what is new; may be left off at any line and called again.

        Raises:
            StoreError: The file cannot be read.
        """
        yield from self._skimmed
        yield from self._tail.read()
        while self._tail.is_replaced():
            yield from self._tail.read()  # what was written before it was moved away
            # Opened before the old one is let go, so that a failure leaves something to read.
            following = LogTail(self.path)
            self._tail.close()
            self._tail = following
            self.rotations += 1
            yield from following.read()


def find_peer_log(paths: Paths, *, directory: Path | None, log: Path | None) -> Path:
    """Return the log to show: the one named, that of a peer's directory, or the newest of this machine.

    Args:
        paths: The user's directories.
        directory: A peer's; None for the user's usual one.
        log: A file, which goes before both.

    Raises:
        ConfigError: There is none.
        StoreError: The directory of logs cannot be read.
    """
    if log is not None:
        if not log.is_file():
            raise ConfigError(f"there is no file {log}", remedy="see `peerage logs --list`")
        return log
    own = get_log_path(get_peer_directory(directory))
    if own.is_file():
        return own
    if directory is not None:
        raise ConfigError(
            f"there is no log {own}: that peer has not run yet",
            remedy=f"start it: peerage peer run --dir {directory}",
        )
    newest = _find_newest([path for kept in list_logs(paths.logs) for path in kept.paths])
    if newest is None:
        raise ConfigError(
            f"there is no log yet, neither {own} nor a file *{SUFFIX} in {paths.logs}",
            remedy="start a peer: peerage peer run, or ask something: peerage ask",
        )
    return newest


def _find_newest(files: Sequence[Path]) -> Path | None:
    """Return the file last written; one that is empty, or gone meanwhile, is none."""
    found: list[tuple[float, Path]] = []
    for path in files:
        with suppress(FileNotFoundError):
            stat = path.stat()
            if stat.st_size:
                found.append((stat.st_mtime, path))
    return max(found)[1] if found else None
