"""Files that commands read from, with - for stdin."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from consensus.errors import ConfigError


@contextmanager
def open_source(file: str) -> Iterator[BinaryIO]:
    """Open a file for reading until the block is left; - is stdin, which stays open.

    Raises:
        ConfigError: The file cannot be opened.
    """
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = Path(file).open("rb")  # noqa: SIM115 - closed below; only opening is translated
    except (OSError, ValueError) as exc:  # ValueError: a path with a zero byte
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise ConfigError(f"cannot read {file} ({reason})", remedy="check the path") from exc
    with opened:
        yield opened
