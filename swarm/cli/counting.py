"""How far long work is: a line on stderr, drawn again on a terminal and said now and then elsewhere."""

import sys
import time

from swarm.cli.render import echo_note

REDRAW_S, REPEAT_S = 0.2, 10.0  # on a terminal a line is drawn again; elsewhere lines add up


class CountingLine:
    """Counts what is done of what is to be done."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._last = time.monotonic()

    def show(self, label: str, *, done: int, total: int, left_s: float | None) -> None:
        """Show where things stand, unless that was shown a moment ago.

        Args:
            label: What is being done.
            done: How many are done.
            total: Of how many.
            left_s: Seconds it will still take; None where that is not known.
        """
        left = "" if left_s is None else f", about {format_hours(left_s)} left"
        self.say(f"{label}: {done:,} of {total:,}{left}")

    def say(self, text: str) -> None:
        """Show how far it is in words of one's own, unless that was shown a moment ago."""
        now = time.monotonic()
        if now - self._last < (REDRAW_S if self._is_terminal else REPEAT_S):
            return
        self._last = now
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K  {text}")
            sys.stderr.flush()
        else:
            echo_note(f"· {text}")

    def note(self, text: str) -> None:
        """Say something in a line of its own."""
        self.erase()
        echo_note(f"· {text}")

    def erase(self) -> None:
        """Leave the line clean."""
        if self._is_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def format_hours(seconds: float) -> str:
    """Write a duration in hours, and in the unit people would say beside it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min ({seconds / 3_600:.2f} h)"
    return f"{seconds / 3_600:.1f} h"
