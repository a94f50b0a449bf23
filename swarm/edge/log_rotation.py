"""Rotation of an event log: a full file becomes an old one, and a new one takes its place.

`NAME.jsonl` is the file that is written. Old ones lie beside it as `NAME.SEQ.jsonl`, where SEQ is the place
after the file's last event, in twelve digits or more. So an old file keeps its name, names sort as the files
were written, a reader sees by a name whether it has read that file, and who opens a log whose new file is
still empty sees how `seq` goes on.

The steps of a rotation, after each of which a process may die:

1. The full file is synced: after a power cut no hole is in the middle of a log.
2. `.NAME.jsonl.next` is made, locked and synced. It says nothing, and the next rotation takes it again.
3. The full file gets its old name besides its first one. It still is the log, under two names: readers
   take it once, and who goes on writing it takes the old name off.
4. The new file is renamed to `NAME.jsonl`. From here on it is the log, and already locked.
5. The full file is let go, and the oldest beyond those that are kept are removed.

So at any time a file is at the log's name, and while its writer lives that file is locked.
"""

import errno
import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consensus.errors import StoreError
from swarm.edge.paths import FILE_MODE, sync_directory

SEQ_DIGITS: Final = 12
AGAIN_SHARE: Final = 16  # a rotation that failed is tried again after so many parts of a file

_OLD_NAME = re.compile(rf"(.+)\.([0-9]{{{SEQ_DIGITS},}})(\.[^.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationLimits:
    """How large a log may become.

    Attributes:
        bytes_max: Of a file; a single line may be longer.
        files_kept: Old ones, besides the one that is written.
    """

    bytes_max: int
    files_kept: int

    def __post_init__(self) -> None:
        assert self.bytes_max > 0, self.bytes_max
        assert self.files_kept > 0, self.files_kept


PEER_LOG_LIMITS: Final = RotationLimits(bytes_max=64 << 20, files_kept=4)  # some 65,000 rounds


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Which file it is, whatever its name, for as long as it is held open or has a name."""

    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class OldFile:
    """A file of a log that is written no more.

    Attributes:
        path: Where it is.
        end_seq: The place after its last event.
        size_bytes: Its length.
        identity: Which file it is.
    """

    path: Path
    end_seq: int
    size_bytes: int
    identity: FileIdentity


def identify(stat: os.stat_result) -> FileIdentity:
    """Return which file was examined."""
    return FileIdentity(stat.st_dev, stat.st_ino)


def is_old_name(path: Path) -> bool:
    """Say whether it is the name of a log's old file."""
    return _OLD_NAME.fullmatch(path.name) is not None


def get_log_file(path: Path) -> Path:
    """Return the file that is written of the log which a file belongs to; of any but an old one itself."""
    match = _OLD_NAME.fullmatch(path.name)
    return path if match is None else path.with_name(match[1] + match[3])


def list_old_files(path: Path) -> tuple[OldFile, ...]:
    """Return a log's old files, the oldest first; none where there is no directory.

    After a crash the last one may be the file at `path` under its second name.

    Args:
        path: The file that is written.

    Raises:
        StoreError: The directory cannot be read.
    """
    try:
        return _list(path)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as exc:
        raise StoreError(
            f"cannot read {path.parent} ({exc.strerror})", remedy="check the path and who may read it"
        ) from exc


def _list(path: Path) -> tuple[OldFile, ...]:
    found: list[OldFile] = []
    with os.scandir(path.parent) as entries:
        for entry in entries:
            match = _OLD_NAME.fullmatch(entry.name)
            if match is None or match[1] + match[3] != path.name:
                continue
            try:
                stat = entry.stat()
            except FileNotFoundError:
                continue  # removed meanwhile
            found.append(OldFile(Path(entry.path), int(match[2]), stat.st_size, identify(stat)))
    return tuple(sorted(found, key=lambda file: file.end_seq))


def is_at(path: Path, descriptor: int) -> bool:
    """Say whether the file that is held is the one at `path`.

    Raises:
        OSError: It cannot be examined.
    """
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def take_off_old_name(path: Path, descriptor: int) -> None:
    """Undo a rotation that ended after the full file got its old name.

    Args:
        path: The file that is written.
        descriptor: The same, held.

    Raises:
        OSError: The name cannot be removed.
    """
    if not is_at(path, descriptor):
        return  # somebody moved it, and an old name may be its only one
    held = identify(os.fstat(descriptor))
    for file in _list(path):
        if file.identity == held:
            file.path.unlink()


def begin_next_file(path: Path, full: int, *, end_seq: int) -> int:
    """Put a new file in the place of a full one, which becomes the newest of the old.

    A full file that somebody has moved away keeps the name that it was given.

    Args:
        path: The log.
        full: The file there, held and locked by the caller, who lets go of it afterwards.
        end_seq: The place after its last event.

    Returns:
        The new file, empty, held and locked.

    Raises:
        OSError: It cannot be done now; the full file still is the log.
    """
    take_off_old_name(path, full)
    os.fsync(full)
    following = path.with_name(f".{path.name}.next")
    descriptor = os.open(following, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        os.fchmod(descriptor, FILE_MODE)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fsync(descriptor)
        if is_at(path, full):
            os.link(path, path.with_name(f"{path.stem}.{end_seq:0{SEQ_DIGITS}d}{path.suffix}"))
            sync_directory(path.parent)  # before its first name goes, on any file system
        elif path.exists():
            raise FileExistsError(errno.EEXIST, "another file has taken its place")
        following.replace(path)
    except BaseException:  # Ctrl-C too
        os.close(descriptor)
        raise
    return descriptor


def remove_oldest(path: Path, *, files_kept: int) -> None:
    """Remove the oldest files of a log beyond those kept.

    Args:
        path: The file that is written.
        files_kept: How many old ones stay.

    Raises:
        OSError: One cannot be removed.
    """
    for file in _list(path)[:-files_kept]:
        file.path.unlink(missing_ok=True)
