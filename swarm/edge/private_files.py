"""Files that only their owner may read: refused where others can, and read no further than a bound."""

import os
import stat
from pathlib import Path
from typing import Final

from consensus.errors import ConfigError

OTHERS: Final = 0o077  # whatever group and world may do
CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"  # systemd.exec(5), "Credentials"


def read_private_file(path: Path, *, bytes_max: int, what: str) -> bytes:
    """Read a whole file that nobody but its owner may read.

    Args:
        path: Where it is; a link is followed.
        bytes_max: The most bytes that it may have.
        what: What it is, for errors.

    Raises:
        ConfigError: It is not there, cannot be read, is no regular file, has too many bytes, or others may
            read it.
    """
    try:
        # A pipe would keep us waiting for its other end; what is opened is looked at, not what was named.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as exc:
        raise _unreadable(path, what, exc) from exc
    try:
        _check_private(path, os.fstat(descriptor).st_mode, what)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(bytes_max + 1)
    except OSError as exc:
        raise _unreadable(path, what, exc) from exc
    finally:
        os.close(descriptor)
    if len(data) > bytes_max:
        raise ConfigError(
            f"the {what} {path} has more than {bytes_max} bytes", remedy="it is another file: check its path"
        )
    return data


def _unreadable(path: Path, what: str, exc: OSError) -> ConfigError:
    return ConfigError(
        f"cannot read the {what} {path} ({exc.strerror})", remedy="check its path, and who may read it"
    )


def _check_private(path: Path, mode: int, what: str) -> None:
    if not stat.S_ISREG(mode):
        raise ConfigError(f"the {what} {path} is not a regular file", remedy="name a file")
    if mode & OTHERS and not _is_credential(path):
        raise ConfigError(
            f"the {what} {path} has the mode {stat.S_IMODE(mode):04o}: others than its owner can use it",
            remedy=f"chmod 600 {path}; if others could read it, take it as known to them",
        )


def _is_credential(path: Path) -> bool:
    """Say whether systemd handed us this file.

    It lets the service's user in by an access list, which shows as rights of the group; nobody else gets into
    the directory.
    """
    directory = os.environ.get(CREDENTIALS_VARIABLE, "")
    return bool(directory) and path.absolute().parent == Path(directory)
