"""A peer's log as the view of a peer reads it: quickly at first, and then as it grows, also over rotation."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from consensus.errors import ConfigError
from swarm.edge.log_follower import LogFollower
from swarm.edge.log_reader import list_logs
from swarm.edge.log_tail import SUFFIX
from swarm.edge.paths import Paths
from swarm.edge.peer_directory import get_log_path, get_peer_directory
from swarm.edge.peer_view import LASTING

TAIL_BYTES: Final = 8 << 20  # read in full; of what is before, only events whose effect lasts
_WANTED: Final = re.compile(rb'"event":"(?:' + "|".join(LASTING).encode() + rb')"')


class PeerLog(LogFollower):
    """A log with its old files, followed by its path.

    Args:
        path: The file that is written.
        tail_bytes: How much of its end is read in full.

    Raises:
        StoreError: It cannot be opened.
    """

    def __init__(self, path: Path, *, tail_bytes: int = TAIL_BYTES) -> None:
        super().__init__(path, wanted=_WANTED, keep_bytes=tail_bytes)

    @property
    def is_torn(self) -> bool:
        """Whether the file ends in a part of a line, as far as it was read."""
        return self.torn_bytes > 0


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
