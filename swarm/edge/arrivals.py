"""How often one network may connect: what a connection costs before anybody knows whose it is, TLS above all.

Places (`swarm.edge.admission`) bound how many connections there are at one time; one that fails at once holds
no place, so without a rate it could come back hundreds of times a second. A banned key is one of those: it is
known by its handshake only.

Pure: it is told addresses and the time.
"""

from collections import OrderedDict
from ipaddress import IPv4Address, IPv6Address

from swarm.edge.admission import Prefix, prefix_of
from swarm.edge.limits import Allowance, EdgeLimits


class ArrivalRates:
    """Says whether a network may connect once more.

    Args:
        limits: `prefix_connections_per_s`, `prefix_connections_burst`, `prefixes_remembered_max` and
            `is_loopback_exempt` are used.
    """

    __slots__ = ("_allowances", "_limits")

    def __init__(self, limits: EdgeLimits) -> None:
        self._limits = limits
        self._allowances: OrderedDict[Prefix, Allowance] = OrderedDict()

    def __len__(self) -> int:
        return len(self._allowances)

    def admits(self, address: IPv4Address | IPv6Address, now: float) -> bool:
        """Count a connection from `address` at time `now`, seconds on a steady clock, if it is let in."""
        limits = self._limits
        if address.is_loopback and limits.is_loopback_exempt:
            return True
        prefix = prefix_of(address)
        allowance = self._allowances.pop(prefix, None)
        if allowance is None:
            per_s, burst = limits.prefix_connections_per_s, limits.prefix_connections_burst
            allowance = Allowance(per_s=per_s, burst=burst, now=now)
        self._allowances[prefix] = allowance
        if len(self._allowances) > limits.prefixes_remembered_max:
            self._allowances.popitem(last=False)
        return allowance.take(now)
