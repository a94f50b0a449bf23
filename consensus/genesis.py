"""A network's first block: who its members are and which rules it keeps."""

from dataclasses import dataclass
from itertools import pairwise

from consensus.encoding import Wire, decode, encode
from consensus.errors import ConfigError, PeerError
from consensus.hashing import tagged_hash
from consensus.identity import KEY_BYTES, NetworkId, PeerKey

GENESIS_VERSION = 1
GENESIS_BYTES_MAX = 262_144
MEMBERS_MAX = 1_024
LABEL_BYTES_MAX = 64
SEATS_MIN = 4
SEATS_MAX = 31
STEPS_MAX = 3


class Member(Wire, frozen=True):
    """One member: its key, and a label that is shown as declared and proves nothing."""

    key: bytes
    label: bytes


class Genesis(Wire, frozen=True):
    """Everything a private network agrees on before its first round; its digest is the network id.

    `beacon` stands for the first epoch's random value. In a local swarm whoever made the genesis
    chose it, which is why such seeds are labelled `local`.
    """

    version: int
    name: bytes
    beacon: bytes
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """A genesis, checked, with what follows from it."""

    genesis: Genesis
    genesis_bytes: bytes
    network_id: NetworkId
    keys: tuple[PeerKey, ...]


def create_network(*, name: bytes, beacon: bytes, members: tuple[Member, ...]) -> Network:
    """Make a genesis on the spot from its members' keys.

    Args:
        name: Shown, never trusted; at most 64 bytes.
        beacon: 32 bytes.
        members: In any order; sorted by key here.

    Raises:
        ConfigError: A field is out of bounds or a key stands twice.
    """
    ordered = tuple(sorted(members, key=lambda member: member.key))
    genesis = Genesis(version=GENESIS_VERSION, name=name, beacon=beacon, members=ordered)
    try:
        return open_network(encode(genesis))
    except PeerError as exc:
        raise ConfigError(exc.message) from exc


def open_network(data: bytes) -> Network:
    """Decode and check a genesis.

    Raises:
        PeerError: The bytes are not a well-formed genesis.
        LimitExceeded: More bytes than a genesis may have.
    """
    genesis = decode(Genesis, data, bytes_max=GENESIS_BYTES_MAX)
    keys = [member.key for member in genesis.members]
    if genesis.version != GENESIS_VERSION:
        raise PeerError(f"genesis: got version {genesis.version}, expected {GENESIS_VERSION}")
    if len(genesis.beacon) != KEY_BYTES:
        raise PeerError(f"genesis: got a beacon of {len(genesis.beacon)} bytes, expected {KEY_BYTES}")
    if not SEATS_MIN <= len(keys) <= MEMBERS_MAX:
        raise PeerError(f"genesis: got {len(keys)} members, expected {SEATS_MIN} to {MEMBERS_MAX}")
    if any(len(key) != KEY_BYTES for key in keys):
        raise PeerError(f"genesis: got a member key that is not {KEY_BYTES} bytes long")
    if any(left >= right for left, right in pairwise(keys)):
        raise PeerError("genesis: got members that are not sorted by distinct keys")
    labels = [genesis.name, *(member.label for member in genesis.members)]
    if any(len(label) > LABEL_BYTES_MAX for label in labels):
        raise PeerError(f"genesis: got a label of more than {LABEL_BYTES_MAX} bytes")
    return Network(
        genesis=genesis,
        genesis_bytes=data,
        network_id=NetworkId(tagged_hash("genesis", data)),
        keys=tuple(PeerKey(key) for key in keys),
    )
