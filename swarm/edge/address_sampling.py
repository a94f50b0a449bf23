"""Which of many address records are shown to a neighbour: few, drawn, and not all from one place.

Whoever rents one network can fill one bucket of it with records, and no more (Heilman et al., "Eclipse
Attacks on Bitcoin's Peer-to-Peer Network", USENIX Security 2015, section 7).
"""

import ipaddress
import random
from collections import Counter
from collections.abc import Sequence
from typing import Final

from swarm.edge.addresses import Addressed
from swarm.edge.network_urls import parse_url

IPV4_BITS: Final = 16
IPV6_BITS: Final = 32
NAME_LABELS: Final = 2
NOWHERE: Final = "nowhere"  # the bucket of members that only dial out


def compute_bucket(record: Addressed) -> str:
    """Return the part of the network that a record's first URL is in: a /16, a /32 of IPv6, or a domain."""
    return compute_place(parse_url(record.urls[0]).host) if record.urls else NOWHERE


def compute_place(host: str) -> str:
    """Return the bucket of one host, an address or a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ".".join(host.lower().rstrip(".").split(".")[-NAME_LABELS:])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    bits = IPV4_BITS if isinstance(address, ipaddress.IPv4Address) else IPV6_BITS
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))


def draw_sample(
    records: Sequence[Addressed], *, count_max: int, bucket_max: int, draw: random.Random
) -> list[Addressed]:
    """Return records in random order, few of any one bucket.

    Args:
        records: To draw from, in an order that does not depend on chance.
        count_max: At most so many.
        bucket_max: At most so many of one bucket.
        draw: Decides.
    """
    shuffled = list(records)
    draw.shuffle(shuffled)
    counts: Counter[str] = Counter()
    sample: list[Addressed] = []
    for record in shuffled:
        bucket = compute_bucket(record)
        if len(sample) < count_max and counts[bucket] < bucket_max:
            counts[bucket] += 1
            sample.append(record)
    return sample
