"""The time of day, which people read and records carry; no decision of a round rests on it."""

import time


def get_wall_ms() -> int:
    """Return the time of day, milliseconds since 1970."""
    return int(time.time() * 1_000)
