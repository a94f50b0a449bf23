"""Whether what is written to a directory is still there after a restart.

A peer that forgets what it signed may sign a second value for the same slot, which is taken for fraud; and a
key that is gone is gone. In containers both are one forgotten volume away.

Not seen: directories that are thrown away for other reasons, such as a Kubernetes emptyDir or the root of a
container whose storage driver is not an overlay.

Source: proc_pid_mountinfo(5).
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from consensus.errors import ConfigError

MOUNTINFO: Final = Path("/proc/self/mountinfo")
MOUNTINFO_BYTES_MAX: Final = 16_777_216
MEMORY_FILE_SYSTEMS: Final = ("tmpfs", "ramfs", "devtmpfs", "rootfs")
OVERLAYS: Final = ("overlay", "aufs", "fuse.fuse-overlayfs")
ROOT: Final = PurePosixPath("/")
REMEDY: Final = (
    "put it on a disk; in a container, on a volume: -v peerage:/data, and --dir below /data. "
    "For a trial that may be lost: --allow-volatile"
)


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: where, and of which type."""

    point: PurePosixPath
    type: str


def check_persistent(directory: Path, *, allow_volatile: bool = False, mountinfo: Path = MOUNTINFO) -> None:
    """Refuse a directory that does not outlive this machine's or container's restart.

    Args:
        directory: Where a peer keeps its data; need not exist yet.
        allow_volatile: Accept any directory, as testnets do.
        mountinfo: The table of what is mounted where.

    Raises:
        ConfigError: It lies in memory, or in a container's own layer; or the table cannot be read.
    """
    if allow_volatile:
        return
    mount = find_mount(directory, mountinfo)
    if mount.type in MEMORY_FILE_SYSTEMS:
        raise ConfigError(
            f"{directory} lies in memory ({mount.type} on {mount.point}) and is gone after a restart",
            remedy=REMEDY,
        )
    if mount.type in OVERLAYS and mount.point == ROOT:
        raise ConfigError(
            f"{directory} lies in the container's own layer ({mount.type} on /) and is gone with it",
            remedy=REMEDY,
        )


def find_mount(directory: Path, mountinfo: Path = MOUNTINFO) -> Mount:
    """Return the file system that a directory is on, or would be.

    Raises:
        ConfigError: The table cannot be read, or names no file system for it.
    """
    place = PurePosixPath(directory.expanduser().resolve())
    found: Mount | None = None
    for mount in _read_mounts(mountinfo):
        is_deeper = found is None or len(mount.point.parts) >= len(found.point.parts)
        if is_deeper and place.is_relative_to(mount.point):
            found = mount  # of two on one point the later covers the earlier
    if found is None:
        raise _unknown(mountinfo, "it names no file system")
    return found


def _read_mounts(mountinfo: Path) -> list[Mount]:
    try:
        with mountinfo.open("rb") as file:
            text = file.read(MOUNTINFO_BYTES_MAX).decode("utf-8", "surrogateescape")
    except OSError as exc:
        raise _unknown(mountinfo, str(exc.strerror)) from exc
    mounts = []
    for line in text.split("\n"):
        fields, dash, rest = line.partition(" - ")  # before it any number of optional fields
        words = fields.split(" ")
        if dash and len(words) >= 6:
            mounts.append(Mount(PurePosixPath(_unescape(words[4])), rest.split(" ")[0]))
    return mounts


def _unescape(text: str) -> str:
    """Undo the kernel's octal escapes of space, tab, newline and backslash."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _unknown(mountinfo: Path, why: str) -> ConfigError:
    return ConfigError(
        f"cannot tell whether this directory outlives a restart: {mountinfo}: {why}",
        remedy="if it does, say so with --allow-volatile, which skips this check",
    )
