"""Figures in words."""

from typing import Final

UNITS: Final = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def say_bytes(count: int) -> str:
    """Return a number of bytes in the largest unit that it fills."""
    for size, unit in UNITS:
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def say_span(seconds: float) -> str:
    """Return a span of time in the largest unit that it fills."""
    for size, unit in SPANS:
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
