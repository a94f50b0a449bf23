"""New files of a peer: all that a command makes, or nothing of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from consensus.errors import ConfigError
from swarm.edge.holding import LOCK_NAME, hold_directory
from swarm.edge.keystore import check_no_key
from swarm.edge.peer_directory import KEY_NAME


@dataclass(slots=True)
class NewFiles:
    """The files that a command is making in a directory that it holds."""

    directory: Path
    claimed: list[Path] = field(default_factory=list)

    def claim(self, name: str) -> Path:
        """Return the path of a file that is to be made, and is taken away again should anything fail.

        Raises:
            ConfigError: Something is there: it is left alone.
        """
        path = self.directory / name
        if name == KEY_NAME:
            check_no_key(path)
        elif os.path.lexists(path):
            raise ConfigError(
                f"there is a {name} in {self.directory} already",
                remedy="move it away, or name another directory with --dir",
            )
        self.claimed.append(path)
        return path


@contextmanager
def make_files(directory: Path) -> Iterator[NewFiles]:
    """Hold a directory while new files are made in it; made itself where it is missing.

    Whatever ends the block early, Ctrl-C too, takes along the files that were claimed, the directories that
    were missing, and the lock's file. What was there before stays as it was.

    Raises:
        ConfigError: Another process holds the directory.
        StoreError: It cannot be made or locked.
    """
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    had_lock = (directory / LOCK_NAME).exists()
    try:
        with hold_directory(directory):
            files = NewFiles(directory)
            try:
                yield files
            except BaseException:
                for path in files.claimed:
                    path.unlink(missing_ok=True)
                if not had_lock:
                    (directory / LOCK_NAME).unlink()
                raise
    except BaseException:
        for path in missing:
            with suppress(OSError):  # it was not made, or is no longer ours alone
                path.rmdir()
        raise
