"""D01 to D05: the data directory, who can use it, and the disk under it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from consensus.errors import ConfigError
from swarm.edge.paths import DIRECTORY_MODE, FILE_MODE
from swarm.edge.peer_directory import KEY_NAME
from swarm.edge.persistence import check_persistent
from swarm.edge.private_files import OTHERS
from swarm.peer.doctor.facts import Facts
from swarm.peer.doctor.finding import Finding, blame, note_ok, warn
from swarm.peer.doctor.words import say_bytes

GIB: Final = 1 << 30
FREE_WARNING_BYTES: Final = GIB
FREE_FAULT_BYTES: Final = 100 << 20
INODES_WARNING: Final = 10_000
INODES_FAULT: Final = 200
PROBE: Final = b"peerage doctor\n"
FILES_MAX: Final = 10_000  # of a directory that are looked at
SHOWN_MAX: Final = 3


def check_directory(facts: Facts) -> Finding:
    """D01: it is there, and a file can be written in it."""
    place = facts.directory
    if not facts.has_directory:
        is_other = os.path.lexists(place)
        return blame(
            f"{place} is {'not a directory' if is_other else 'not there'}",
            cause="something else has its name"
            if is_other
            else "no peer was made here, or its disk is not mounted",
            remedy="move that away"
            if is_other
            else f"mount its disk, or make a peer: peerage peer init --dir {place}",
        )
    probe = place / f".doctor-{os.getpid()}"
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            os.write(descriptor, PROBE)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            probe.unlink()
    except OSError as exc:
        return blame(
            f"no file can be written in {place} ({exc.strerror})",
            cause="its owner is another user, its disk is full or mounted read-only, or a quota is used up",
            remedy=f"see `ls -ld {place}`, `df {place}` and `id`, and run peer and doctor as one user",
        )
    return note_ok(f"{place} is there and can be written")


def check_persistence(facts: Facts) -> Finding:
    """D02: what is written there is there after a restart."""
    try:
        check_persistent(facts.directory, mountinfo=facts.world.mountinfo)
    except ConfigError as exc:
        return blame(
            exc.message,
            cause="a peer that forgets what it signed may sign twice, which is taken for fraud",
            remedy=exc.remedy,
        )
    return note_ok("it outlives a restart")


def check_modes(facts: Facts) -> Finding:
    """D03: nobody else can look into it or change it; the key has its own check, D07."""
    found = [(path, _get_mode(path)) for path in _list_own(facts.directory)]
    open_to_others = [(path, mode) for path, mode in found if mode & OTHERS]
    if not open_to_others:
        return note_ok("only its owner can use directory, settings, database and logs")
    names = ", ".join(f"{path} ({mode:04o})" for path, mode in open_to_others[:SHOWN_MAX])
    more = f" and {len(open_to_others) - SHOWN_MAX} more" if len(open_to_others) > SHOWN_MAX else ""
    first = open_to_others[0][0]
    mend = f"chmod {DIRECTORY_MODE if first.is_dir() else FILE_MODE:o} {first}"
    return blame(
        f"others than the owner can use {names}{more}",
        cause="they were copied, restored or made by a program with another umask",
        remedy=f"{mend}; or all at once: chmod -R go= {facts.directory}. What they could read, take as known",
    )


def _get_mode(path: Path) -> int:
    """Return who may use a file; a link says nothing itself, and what has just gone nobody can use."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return 0
    return 0 if stat.S_ISLNK(mode) else stat.S_IMODE(mode)


def _list_own(directory: Path) -> Iterator[Path]:
    """Yield the directory and all in it that a peer keeps, but for its key."""
    yield directory
    for number, path in enumerate(sorted(directory.rglob("*"))):
        if number >= FILES_MAX:
            return
        if path.name != KEY_NAME:
            yield path


def check_space(facts: Facts) -> Finding:
    """D04: there is room on its disk."""
    free = facts.world.get_disk_space(facts.directory).free_bytes
    seen = f"{say_bytes(free)} free where it lies"
    if free >= FREE_WARNING_BYTES:
        return note_ok(seen)
    grade = blame if free < FREE_FAULT_BYTES else warn
    return grade(
        seen,
        cause="a peer that cannot write what it signs falls silent until it is started again",
        remedy=f"free space on that disk ({say_bytes(FREE_WARNING_BYTES)} or more), or move the directory",
    )


def check_inodes(facts: Facts) -> Finding:
    """D05: its file system can still make files."""
    space = facts.world.get_disk_space(facts.directory)
    if not space.inodes:
        return note_ok("that file system does not count its files")
    seen = f"{space.inodes_free} more files can be made where it lies"
    if space.inodes_free >= INODES_WARNING:
        return note_ok(seen)
    grade = blame if space.inodes_free < INODES_FAULT else warn
    return grade(
        seen,
        cause="many small files use up a file system before its space",
        remedy="find them with `du --inodes -x / | sort -n | tail`, and remove what is not needed",
    )
