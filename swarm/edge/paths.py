"""Where things live on this machine: the platform's own directories, or those the environment names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from consensus.errors import ConfigError, StoreError

APP_NAME = "peerage"
DATA_DIR_VARIABLE = "PEERAGE_DATA_DIR"
CACHE_DIR_VARIABLE = "PEERAGE_CACHE_DIR"
DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Paths:
    """The directories of one user. `data` is what must not be lost, `cache` what can be fetched again."""

    data: Path
    cache: Path

    @property
    def receipts(self) -> Path:
        """Where receipts are kept, a file a round."""
        return self.data / "receipts"

    @property
    def peers(self) -> Path:
        """Where each peer keeps its database and keys."""
        return self.data / "peers"

    @property
    def logs(self) -> Path:
        """Where event logs are kept."""
        return self.data / "logs"

    @property
    def testnets(self) -> Path:
        """Where runs of testnets are kept, a directory a run."""
        return self.data / "testnets"

    @property
    def models(self) -> Path:
        """Where model weights are cached."""
        return self.cache / "models"


def get_paths(environ: Mapping[str, str] | None = None) -> Paths:
    """Read where this user's data and cache are; nothing is created.

    Args:
        environ: Environment to read; the process's own when None.

    Returns:
        Absolute directories.

    Raises:
        ConfigError: A variable is set to a relative path, which would change with the working directory.
    """
    env = os.environ if environ is None else environ
    return Paths(
        data=_get_directory(env, DATA_DIR_VARIABLE, platformdirs.user_data_path(APP_NAME)),
        cache=_get_directory(env, CACHE_DIR_VARIABLE, platformdirs.user_cache_path(APP_NAME)),
    )


def _get_directory(environ: Mapping[str, str], variable: str, default: Path) -> Path:
    text = environ.get(variable, "")
    if not text:
        return default
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise ConfigError(
            f"{variable} is the relative path {text!r}, expected an absolute one",
            remedy=f"set {variable}={Path.cwd() / text}",
        )
    return path


def ensure_directory(path: Path) -> Path:
    """Make `path` and its missing parents, readable by this user only and on disk, and return it.

    Directories that exist keep their mode: they may be shared on purpose.

    Raises:
        StoreError: It cannot be made.
    """
    missing = [path]
    try:
        while not missing[-1].exists() and missing[-1] != missing[-1].parent:
            missing.append(missing[-1].parent)
        for directory in reversed(missing[:-1]):
            directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            sync_directory(directory.parent)  # a power cut must not take it, and what is synced in it, away
    except OSError as exc:
        raise _unwritable(path, exc) from exc
    if not path.is_dir():
        raise StoreError(
            f"{path} is not a directory",
            remedy=f"move that file away, or set {DATA_DIR_VARIABLE} to another place",
        )
    return path


def create_private_file(path: Path) -> None:
    """Make sure that `path` exists, readable and writable by this user only, and is on disk.

    Raises:
        StoreError: It cannot be made or its mode cannot be set.
    """
    ensure_directory(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            os.fchmod(descriptor, FILE_MODE)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(path.parent)
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def sync_directory(path: Path) -> None:
    """Make what was created, renamed or removed in a directory survive a power cut.

    Raises:
        OSError: It cannot be opened or synced; the caller says what was being written.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, exc: OSError) -> StoreError:
    return StoreError(
        f"cannot write {path} ({exc.strerror})",
        remedy=f"make that place writable, free space on it, or set {DATA_DIR_VARIABLE} to another directory",
    )


def check_writable(path: Path) -> None:
    """Make sure that a file can be written at `path`, before something is done whose result goes there.

    Raises:
        StoreError: Its directory cannot be made or written to, or something other than a file is there.
    """
    ensure_directory(path.parent)
    _check_regular(path)
    partial = _get_partial(path)
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
        partial.unlink()
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def _check_regular(path: Path) -> None:
    """Refuse to put a file where a device, a pipe or a directory is."""
    try:
        is_other = path.exists() and not path.is_file()
    except OSError as exc:
        raise _unwritable(path, exc) from exc
    if is_other:
        raise StoreError(f"{path} is there and is not a regular file", remedy="name another file")


def _get_partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def write_private_file(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all, readable by this user only, on disk on return.

    Raises:
        StoreError: It cannot be written, or is there and no regular file; what was there is untouched.
    """
    ensure_directory(path.parent)
    _check_regular(path)
    partial = _get_partial(path)
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:  # Ctrl-C too
            partial.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    except OSError as exc:
        raise _unwritable(path, exc) from exc
