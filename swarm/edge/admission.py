"""Who may connect: places at a listener, in all and by network prefix.

Keys cost nothing and addresses little, but networks cost something: whoever rents one machine has its
/24, or a /56 of IPv6, and no more. So one network may take only a few of a listener's places, and fewer
still while it has not said who it is. This machine itself is exempt from that, not from the totals: a
local swarm meets on 127.0.0.1.

Pure: it is told addresses and opens nothing.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from swarm.edge.limits import EdgeLimits

PREFIX_BITS_IPV4: Final = 24  # what one customer of a hosting company is given at most, usually
PREFIX_BITS_IPV6: Final = 56  # what one household is given by most providers (RFC 6177)

Prefix = IPv4Network | IPv6Network


def parse_address(text: str) -> IPv4Address | IPv6Address:
    """Return the address that a socket reports, an IPv4 one as such even if it came mapped into IPv6.

    Raises:
        ValueError: It is no IP address.
    """
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def prefix_of(address: IPv4Address | IPv6Address) -> Prefix:
    """Return the network that `address` counts for: its /24, or its /56."""
    if isinstance(address, IPv4Address):
        return IPv4Network((int(address), PREFIX_BITS_IPV4), strict=False)
    return IPv6Network(
        (int(address), PREFIX_BITS_IPV6), strict=False
    )  # the interface's zone is no part of it


@dataclass(slots=True)
class _Count:
    connections: int = 0
    strangers: int = 0


class Admission:
    """One connection's place, held from its acceptance to its end.

    Args:
        counts: What the connection counts for: the listener's totals, and its prefix unless exempt.
        table: Where its prefix is forgotten with its last connection.
        prefix: The network it came from; None if exempt.
    """

    __slots__ = ("_counts", "_is_authenticated", "_is_over", "_prefix", "_table")

    def __init__(self, counts: tuple[_Count, ...], table: "AdmissionTable", prefix: Prefix | None) -> None:
        self._counts = counts
        self._table = table
        self._prefix = prefix
        self._is_authenticated = False
        self._is_over = False
        for count in counts:
            count.connections += 1
            count.strangers += 1

    def note_authenticated(self) -> None:
        """Count it no longer among the strangers. May be repeated."""
        if self._is_authenticated or self._is_over:
            return
        self._is_authenticated = True
        for count in self._counts:
            count.strangers -= 1

    def leave(self) -> None:
        """Give the place back. May be repeated."""
        if self._is_over:
            return
        self.note_authenticated()
        self._is_over = True
        for count in self._counts:
            count.connections -= 1
        if self._prefix is not None:
            self._table.forget(self._prefix)


class AdmissionTable:
    """Counts a listener's connections and says whether one more has a place.

    It remembers only prefixes that have a connection, so it is never larger than the listener's total.

    Args:
        limits: `links_inbound_max`, `unauthenticated_max`, the `prefix_*` limits and
            `is_loopback_exempt` are used.
    """

    __slots__ = ("_limits", "_prefixes", "_total")

    def __init__(self, limits: EdgeLimits) -> None:
        self._limits = limits
        self._total = _Count()
        self._prefixes: dict[Prefix, _Count] = {}

    def __len__(self) -> int:
        return len(self._prefixes)

    def enter(self, address: IPv4Address | IPv6Address) -> Admission | None:
        """Return a place for a connection from `address`, or None if there is none left."""
        limits = self._limits
        connections_max = limits.links_inbound_max + limits.unauthenticated_max
        if not _has_room(self._total, connections_max, limits.unauthenticated_max):
            return None
        if address.is_loopback and limits.is_loopback_exempt:
            return Admission((self._total,), self, None)
        prefix = prefix_of(address)
        count = self._prefixes.get(prefix) or _Count()
        if not _has_room(count, limits.prefix_connections_max, limits.prefix_unauthenticated_max):
            return None
        self._prefixes[prefix] = count
        return Admission((self._total, count), self, prefix)

    def forget(self, prefix: Prefix) -> None:
        """Drop the count of a prefix that has no connection left."""
        if self._prefixes[prefix].connections == 0:
            del self._prefixes[prefix]


def _has_room(count: _Count, connections_max: int, strangers_max: int) -> bool:
    return count.connections < connections_max and count.strangers < strangers_max
