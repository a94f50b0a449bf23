"""Addresses as people write them: wss://HOST:PORT to dial, HOST:PORT to listen on."""

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from consensus.errors import ConfigError

URL_BYTES_MAX: Final = 256
SCHEMES: Final = ("wss", "ws")
PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """Where to dial; `is_secure` says whether under TLS."""

    host: str
    port: int
    is_secure: bool

    @property
    def url(self) -> str:
        """The address as its one URL."""
        return f"{'wss' if self.is_secure else 'ws'}://{format_host(self.host)}:{self.port}"


def format_host(host: str) -> str:
    """Return a host as URLs write it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a host; a name is taken for open, but for `localhost`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_url(url: str) -> Address:
    """Read `wss://HOST:PORT` or `ws://HOST:PORT`.

    Raises:
        ConfigError: It is no such URL.
    """
    remedy = "write wss://HOST:PORT"
    if len(url.encode("utf-8")) > URL_BYTES_MAX or not url.isprintable():
        raise ConfigError(f"got {url[:64]!r}, which is no URL of ours", remedy=remedy)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ConfigError(f"got {url!r}, which is no URL ({exc})", remedy=remedy) from exc
    is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in SCHEMES or not host or not port or not is_bare:
        raise ConfigError(f"got {url!r}, expected wss://HOST:PORT", remedy=remedy)
    return Address(host, port, parts.scheme == "wss")


def parse_listen(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`, IPv6 hosts in brackets; port 0 is any free one.

    Raises:
        ConfigError: It is no such address.
    """
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_port = port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= PORT_MAX
    if not colon or not bare or not is_port or (":" in bare and bare == host):
        raise ConfigError(f"got {text[:64]!r}, expected HOST:PORT", remedy="write 0.0.0.0:4242, say")
    return bare, int(port)
