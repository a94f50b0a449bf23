"""D35: the systemd unit that keeps a peer running, where there is systemd."""

import os
import re
from pathlib import Path
from typing import Final

from swarm.edge.private_files import OTHERS
from swarm.peer.doctor.facts import Facts
from swarm.peer.doctor.finding import Finding, blame, note_ok, skip, warn

UNIT_PATTERN: Final = "peerage*.service"
CREDENTIAL: Final = re.compile(r"^LoadCredential\s*=\s*[^:\s]+:(\S+)\s*$", re.M)


def check_unit(facts: Facts) -> Finding:
    """D35: a unit is installed, and the password that it hands over is there and private."""
    world = facts.world
    if not world.systemd.is_dir():
        return skip("systemd does not run here")
    units = [path for place in world.unit_directories for path in sorted(place.glob(UNIT_PATTERN))]
    if not units:
        return warn(
            "no unit of peerage is installed",
            cause="the peer is started by hand or by something else",
            remedy="so that it comes back after a restart, install one: docs/deployment.md",
        )
    unit = units[0]
    try:
        text = unit.read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        return blame(
            f"{unit} cannot be read ({exc.strerror})",
            cause="it links to a file that is gone, or is another user's",
            remedy=f"see `ls -lL {unit}`, and install it again: docs/deployment.md",
        )
    for source in CREDENTIAL.findall(text):
        problem = _find_problem(Path(source))
        if problem:
            return blame(
                f"{unit} hands over {source}, which {problem}",
                cause="the password was not put there yet, or was put there by hand",
                remedy=f"write it there as root, and: chmod 600 {source}",
            )
    return note_ok(f"{unit} is installed, and what it hands over is there")


def _find_problem(source: Path) -> str:
    if not source.is_absolute():
        return ""  # systemd looks for it in places of its own
    try:
        mode = source.stat().st_mode
    except FileNotFoundError:
        return "is not there"
    except OSError:
        return ""  # root's directory, as it should be: systemd gets in, this user does not
    if mode & OTHERS:
        return f"others than its owner can use ({mode & 0o777:04o})"
    if os.geteuid() == 0 and not source.is_file():
        return "is no file"
    return ""
