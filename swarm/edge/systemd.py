"""Telling systemd how a service is: that it is ready, alive, stopping, and what it does.

The whole protocol is a datagram a message to the socket that the environment names, which needs no library.
Where no systemd started the process nothing is sent.
"""

import os
import socket
from collections.abc import Mapping
from typing import Final

from consensus.errors import ConfigError

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
WATCHDOG: Final = "WATCHDOG=1"
STATUS: Final = "STATUS="
SOCKET_VARIABLE: Final = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE: Final = "WATCHDOG_USEC"
WATCHDOG_PID_VARIABLE: Final = "WATCHDOG_PID"
STATUS_CHARS_MAX: Final = 200
_REMEDY: Final = "leave it to systemd to set it, or unset it"


def notify(state: str) -> bool:
    """Tell systemd a state; never waits.

    Args:
        state: Assignments, a line each: `READY=1`, `STOPPING=1`, `WATCHDOG=1`, `STATUS=` and a sentence.

    Returns:
        Whether it was handed over: False where no systemd waits for it, or its socket takes nothing now. A
        watchdog's sign is sent again anyway; who stops being heard is restarted.

    Raises:
        ConfigError: NOTIFY_SOCKET is set and names no socket.

    Source:
        sd_notify(3), systemd 252.
    """
    address = os.environ.get(SOCKET_VARIABLE, "")
    if not address:
        return False
    if address[0] not in "/@" or len(address) < 2:
        raise ConfigError(
            f"{SOCKET_VARIABLE} is {address[:64]!r}, expected an absolute path, or @ and a name",
            remedy=_REMEDY,
        )
    # A name that begins with @ is of the abstract namespace, where the first byte is 0.
    name = b"\0" + os.fsencode(address[1:]) if address[0] == "@" else os.fsencode(address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)
        try:
            sender.sendto(state.encode("utf-8"), name)
        except OSError:
            return False
    return True


def make_status(text: str) -> str:
    """Return the assignment that shows `text` in `systemctl status`, on one line of bounded length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return STATUS + line[:STATUS_CHARS_MAX]


def get_watchdog_s(environ: Mapping[str, str] | None = None) -> float | None:
    """Return within how many seconds systemd wants each sign of life; half of that is a good interval.

    Args:
        environ: Environment to read; the process's own when None.

    Returns:
        Seconds; None where nobody watches this process.

    Raises:
        ConfigError: The environment holds no number.

    Source:
        sd_watchdog_enabled(3), systemd 252.
    """
    env = os.environ if environ is None else environ
    period_us = _read_number(env, WATCHDOG_VARIABLE)
    watched_pid = _read_number(env, WATCHDOG_PID_VARIABLE)
    if period_us is None or watched_pid not in (None, os.getpid()):
        return None
    return period_us / 1_000_000


def _read_number(env: Mapping[str, str], variable: str) -> int | None:
    text = env.get(variable, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ConfigError(f"{variable} is {text[:32]!r}, expected a positive whole number", remedy=_REMEDY)
    return int(text)
