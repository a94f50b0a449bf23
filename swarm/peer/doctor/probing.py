"""Who answers at an address that a stranger dials, in words for an owner."""

from dataclasses import dataclass
from enum import Enum
from functools import partial

from consensus.encoding import decode
from consensus.errors import LimitExceeded, PeerError
from consensus.identity import NetworkId, PeerKey
from swarm.edge.handshake import HELLO_BYTES_MAX, MAGIC, VERSION_MAX, VERSION_MIN, Hello
from swarm.edge.limits import EdgeLimits
from swarm.edge.stranger import meet
from swarm.edge.websocket import dial


class Outcome(Enum):
    """Who answers at an address."""

    RIGHT = "the member"
    UNREACHABLE = "nobody"
    NO_PEER = "something that is no peer"
    OTHER_NETWORK = "a peer of another network"
    OTHER_VERSION = "a peer that speaks no version of ours"
    OTHER_KEY = "a peer with another key"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a dial.

    Attributes:
        url: What was dialed.
        outcome: Who answers there.
        detail: More of it, in words; empty for the right one.
    """

    url: str
    outcome: Outcome
    detail: str = ""


async def probe(url: str, *, expected: PeerKey, network: NetworkId, limits: EdgeLimits) -> Answer:
    """Dial an address and see whether a member answers.

    Args:
        url: `wss://HOST:PORT`, or `ws://` of this machine.
        expected: The key that must answer.
        network: The network that it must be in, 32 bytes.
        limits: `handshake_timeout_s` bounds the connection, and again the handshake.
    """
    met = await meet(
        partial(dial, limits=limits),
        url,
        expected=expected,
        network=network,
        timeout_s=limits.handshake_timeout_s,
    )
    if met.failure is None:
        return Answer(url, Outcome.RIGHT)
    if not met.is_open:
        return Answer(url, Outcome.UNREACHABLE, met.failure)
    return classify(url, met.first, met.failure, expected=expected, network=network)


def classify(url: str, first: bytes | None, failure: str, *, expected: PeerKey, network: NetworkId) -> Answer:
    """Say who answered, from what it said first and from why the handshake failed."""
    if first is None:
        return Answer(url, Outcome.NO_PEER, f"it opens a connection and says nothing of itself ({failure})")
    try:
        hello = decode(Hello, first, bytes_max=HELLO_BYTES_MAX)
    except (PeerError, LimitExceeded) as exc:
        return Answer(url, Outcome.NO_PEER, exc.message)
    if hello.magic != MAGIC:
        return Answer(url, Outcome.NO_PEER, failure)
    if hello.network != network:
        return Answer(url, Outcome.OTHER_NETWORK, f"it is in network {hello.network.hex()[:16]}")
    if min(hello.version_max, VERSION_MAX) < max(hello.version_min, VERSION_MIN):
        spoken = f"it speaks {hello.version_min} to {hello.version_max}"
        return Answer(url, Outcome.OTHER_VERSION, f"{spoken}, this one {VERSION_MIN} to {VERSION_MAX}")
    if hello.key != expected:
        return Answer(url, Outcome.OTHER_KEY, f"it has the key {hello.key.hex()[:16]}")
    return Answer(url, Outcome.UNREACHABLE, failure)
