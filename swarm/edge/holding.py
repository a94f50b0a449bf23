"""One process a directory: a lock that the system drops with its holder, and that says who that is.

The lock is `flock` on DIR/lock, so it also goes when its holder is killed; what is written in the file is for
people, and a dead holder's words mean nothing. Not covered: two machines that share a directory over a
network file system which keeps locks to each machine.
"""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec

from consensus.errors import ConfigError, StoreError
from swarm.edge.paths import FILE_MODE, ensure_directory

LOCK_NAME: Final = "lock"
HOLDER_BYTES_MAX: Final = 1_024
TRIES_MAX: Final = 8
BUSY: Final = (errno.EWOULDBLOCK, errno.EACCES)


class Holder(msgspec.Struct, frozen=True):
    """Who holds a directory: its process, its host, and since when (ISO 8601, UTC)."""

    pid: int
    host: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
    since: Annotated[str, msgspec.Meta(pattern=r"^[0-9T:+-]{1,32}\Z")]


@contextmanager
def hold_directory(directory: Path) -> Iterator[None]:
    """Hold a directory for this process while the block runs; made where it is missing.

    Args:
        directory: The data directory of a peer.

    Raises:
        ConfigError: Another process holds it, or this one already does; says who, where, since when.
        StoreError: The lock cannot be made.
    """
    ensure_directory(directory)
    path = directory / LOCK_NAME
    descriptor = _take(path)
    try:
        try:
            _write_holder(descriptor, path)
            yield
        finally:
            # Closing is not enough: a child that is just being started has the descriptor until it is.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _take(path: Path) -> int:
    """Open and lock the file that is at `path`, which its last holder may be taking away."""
    for _ in range(TRIES_MAX):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        except OSError as exc:
            raise _unlockable(path, exc) from exc
        try:
            _lock(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)
    raise _held(path.parent, None)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in BUSY:
            raise _held(path.parent, _read_holder(descriptor)) from exc
        raise _unlockable(path, exc) from exc


def _write_holder(descriptor: int, path: Path) -> None:
    holder = Holder(
        pid=os.getpid(), host=socket.gethostname(), since=datetime.now(UTC).isoformat(timespec="seconds")
    )
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(holder) + b"\n", 0)
    except OSError as exc:
        path.unlink(missing_ok=True)  # safe while we hold it, see _take
        raise _unlockable(path, exc) from exc


def _read_holder(descriptor: int) -> Holder | None:
    """Return what a lock says; None where its holder has not written it yet, or cannot be named."""
    try:
        return msgspec.json.decode(os.pread(descriptor, HOLDER_BYTES_MAX, 0), type=Holder)
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError):
        return None


def _held(directory: Path, holder: Holder | None) -> ConfigError:
    if holder is None:
        return ConfigError(
            f"{directory} is in use by another process", remedy="stop it, or name another directory"
        )
    stop = (
        f"stop it (kill {holder.pid})"
        if holder.host == socket.gethostname()
        else "stop it there (a container is a host of its own)"
    )
    return ConfigError(
        f"{directory} is in use by process {holder.pid} on {holder.host} since {holder.since}",
        remedy=f"{stop}, or name another directory with --dir",
    )


def _unlockable(path: Path, exc: OSError) -> StoreError:
    return StoreError(
        f"cannot lock {path} ({exc.strerror})",
        remedy="make that directory writable, on a disk that knows locks; or name another with --dir",
    )
