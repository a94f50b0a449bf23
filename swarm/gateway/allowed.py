"""Names and pages that a server's owner lets in, spelt as clients and browsers do: no other would match."""

import re
from collections.abc import Iterable

from consensus.errors import ConfigError

DEFAULT_PORTS = {"http": "80", "https": "443"}  # browsers leave them out
SHOWN_CHARS_MAX = 120
_HOST = re.compile(r"[a-z0-9._-]+")
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>\d{1,5}))?"
)


def read_hosts(names: Iterable[str]) -> frozenset[str]:
    """Read names by which clients may call a server; a request's port does not matter.

    Args:
        names: As they were given, in whatever case.

    Raises:
        ConfigError: One is no name; a port, a scheme or a wildcard is none.
    """
    return frozenset(_read_host(name) for name in names)


def read_origins(origins: Iterable[str]) -> frozenset[str]:
    """Read sites whose pages may ask, spelt as browsers do in `Origin` (RFC 6454, section 6.2).

    Args:
        origins: As they were given.

    Raises:
        ConfigError: One is no origin, or is spelt as no browser would.
    """
    return frozenset(_read_origin(origin) for origin in origins)


def _read_host(name: str) -> str:
    if not _HOST.fullmatch(name.lower()):
        raise ConfigError(
            f"--allow-host: got {name[:SHOWN_CHARS_MAX]!r}, expected a name such as chat.example",
            remedy="give the name alone, without scheme, port or path; there are no wildcards",
        )
    return name.lower()


def _read_origin(origin: str) -> str:
    found = _ORIGIN.fullmatch(origin)
    is_usual = found is not None and found["port"] == DEFAULT_PORTS.get(found["scheme"], "")
    if found is None or is_usual:
        raise ConfigError(
            f"--allow-origin: got {origin[:SHOWN_CHARS_MAX]!r}, expected scheme://host or scheme://host:port"
            " in lower case, such as https://chat.example",
            remedy="leave out the path, a slash at the end, and the port where it is the scheme's own; there"
            " are no wildcards",
        )
    return origin
