"""Durations as people write them: `250ms`, `30s`, `5m`, `1.5h`; whole milliseconds inside."""

import re
from decimal import Decimal

from consensus.errors import ConfigError

UNITS_MS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
DURATION_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,6})?(ms|s|m|h)$"
SIGNED_DURATION_PATTERN = DURATION_PATTERN.replace("^", "^-?", 1)
DURATION_EXAMPLES = '"250ms", "30s", "5m" or "1h"'
_DURATION = re.compile(r"(-?[0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h)", re.ASCII)


def parse_duration(text: str) -> int:
    """Read a duration; returns milliseconds, negative where it begins with a minus.

    Raises:
        ConfigError: No number with a unit, or no whole number of milliseconds.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"got {text!r}, expected a number with a unit", remedy=f"write it as {DURATION_EXAMPLES}"
        )
    milliseconds = Decimal(match[1]) * UNITS_MS[match[2]]
    if milliseconds != int(milliseconds):
        raise ConfigError(f"got {text!r}, expected whole milliseconds")
    return int(milliseconds)


def render_duration(milliseconds: int) -> str:
    """Return a duration in the largest unit that leaves no fraction."""
    if milliseconds == 0:
        return "0s"
    unit = next(unit for unit, size in UNITS_MS.items() if milliseconds % size == 0)
    return f"{milliseconds // UNITS_MS[unit]}{unit}"
