"""The machine, as the checks see it: every figure that a test may want to choose otherwise."""

import os
import re
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Final

from models.weights import get_cache_dir
from swarm.edge.clock import get_wall_ms
from swarm.edge.limits import EdgeLimits
from swarm.edge.persistence import MOUNTINFO

DISTRIBUTION: Final = "peerage"
DIAL_S_MAX: Final = 1.8  # to connect, and again for the handshake: both fit into one check's time
NO_LIMIT: Final = 1 << 30
SYSTEM_UNITS: Final = ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
USER_UNITS: Final = ".config/systemd/user"


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """What is left of a file system; `inodes` is 0 where it counts none."""

    free_bytes: int
    inodes: int
    inodes_free: int


@dataclass(frozen=True, slots=True)
class Memory:
    """A machine's memory, bytes; of a container what its limit leaves."""

    total: int
    available: int


def read_disk_space(path: Path) -> DiskSpace:
    """Return what is left for this user where a path lies.

    Raises:
        OSError: There is nothing, or it cannot be examined.
    """
    found = os.statvfs(path)
    return DiskSpace(found.f_bavail * found.f_frsize, found.f_files, found.f_favail)


def read_memory() -> Memory:
    """Return how much memory there is.

    Raises:
        OSError: /proc is not there.
    """
    figures = dict(re.findall(r"(\w+): +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii")))
    total, available = (int(figures[name]) * 1_024 for name in ("MemTotal", "MemAvailable"))
    allowed = _read_number(Path("/sys/fs/cgroup/memory.max"))
    used = _read_number(Path("/sys/fs/cgroup/memory.current"))
    if allowed is None or allowed >= total:
        return Memory(total, available)
    return Memory(allowed, min(available, max(0, allowed - (used or 0))))


def _read_number(path: Path) -> int | None:
    """Return what a control group's file says; None where there is no such file, or no limit."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def read_files_max(pid: int | None) -> int:
    """Return how many files a process may open.

    Args:
        pid: The process; None for this one.

    Raises:
        OSError: It is gone, or another user's.
    """
    text = Path(f"/proc/{'self' if pid is None else pid}/limits").read_text(encoding="ascii")
    match = re.search(r"^Max open files +(\w+)", text, re.M)
    return int(match[1]) if match and match[1].isdecimal() else NO_LIMIT


def read_age_s(pid: int) -> float:
    """Return for how long a process has been running, seconds on a clock that nobody sets.

    Raises:
        OSError: It is gone.
    """
    fields = (
        Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    )
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def read_command(pid: int) -> tuple[str, ...] | None:
    """Return the command line of a process; None where it is gone."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    return tuple(word.decode("utf-8", "replace") for word in data.split(b"\0") if word)


def read_requirements() -> tuple[str, ...]:
    """Return what this package says it needs, without its extras: `trio>=0.35,<0.36`, and `python>=3.11`.

    Raises:
        PackageNotFoundError: It is not installed as a package.
    """
    said = metadata(DISTRIBUTION)
    libraries = [
        text for text in said.get_all("Requires-Dist") or [] if "extra" not in text.partition(";")[2]
    ]
    return (f"python{said['Requires-Python']}", *libraries)


def find_version(name: str) -> str | None:
    """Return the version of an installed library, or of Python; None where there is none."""
    if name == "python":
        return ".".join(map(str, sys.version_info[:3]))
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def count_cores() -> int:
    """Return how many processors this process may run on."""
    return len(os.sched_getaffinity(0))


def _list_unit_directories() -> tuple[Path, ...]:
    return (*map(Path, SYSTEM_UNITS), Path.home() / USER_UNITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the checks learn about the machine they run on.

    Attributes:
        get_wall_ms: The wall clock, milliseconds since 1970.
        get_disk_space: What is left where a path lies.
        get_memory: How much memory there is.
        get_files_max: How many files a process may open.
        get_age_s: For how long a process has been running.
        get_command: What a process was started as.
        get_requirements: What the package needs.
        find_version: Which version of a library there is.
        cores: Processors this process may run on.
        mountinfo: The table of what is mounted where.
        cache: Where models are kept.
        systemd: Is there where systemd is.
        unit_directories: Where its units lie.
        host: This machine's name.
        limits: Of the links that the checks open.
    """

    get_wall_ms: Callable[[], int] = get_wall_ms
    get_disk_space: Callable[[Path], DiskSpace] = read_disk_space
    get_memory: Callable[[], Memory] = read_memory
    get_files_max: Callable[[int | None], int] = read_files_max
    get_age_s: Callable[[int], float] = read_age_s
    get_command: Callable[[int], tuple[str, ...] | None] = read_command
    get_requirements: Callable[[], tuple[str, ...]] = read_requirements
    find_version: Callable[[str], str | None] = find_version
    cores: int = field(default_factory=count_cores)
    mountinfo: Path = MOUNTINFO
    cache: Path = field(default_factory=get_cache_dir)
    systemd: Path = Path("/run/systemd/system")
    unit_directories: tuple[Path, ...] = field(default_factory=_list_unit_directories)
    host: str = field(default_factory=socket.gethostname)
    limits: EdgeLimits = field(default_factory=lambda: EdgeLimits(handshake_timeout_s=DIAL_S_MAX))
