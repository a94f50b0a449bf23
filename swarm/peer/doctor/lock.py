"""Who holds a peer's directory, seen without taking it."""

import errno
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from consensus.errors import StoreError
from swarm.edge.holding import HOLDER_BYTES_MAX, LOCK_NAME, Holder


@dataclass(frozen=True, slots=True)
class Lock:
    """A directory's lock.

    Attributes:
        is_held: Whether a process holds it now.
        holder: Who wrote into it last, whether or not it holds it now; None where nobody can be named.
    """

    is_held: bool
    holder: Holder | None


def read_lock(directory: Path) -> Lock:
    """Look at a directory's lock; it is taken for a moment and shared, so that two may look at one time.

    Raises:
        StoreError: It cannot be read.
    """
    path = directory / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return Lock(is_held=False, holder=None)
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    try:
        return Lock(is_held=_is_held(descriptor), holder=_read_holder(descriptor))
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    finally:
        os.close(descriptor)


def _is_held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return True
        raise
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _read_holder(descriptor: int) -> Holder | None:
    try:
        return msgspec.json.decode(os.pread(descriptor, HOLDER_BYTES_MAX, 0), type=Holder)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _unreadable(path: Path, exc: OSError) -> StoreError:
    return StoreError(
        f"cannot look at the lock {path} ({exc.strerror})", remedy="make it a file that its owner can read"
    )
