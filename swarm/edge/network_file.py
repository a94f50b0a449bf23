"""A network as people hand it to each other: its genesis, where some members are, and how it is asked.

Only the genesis counts: its digest is the network id, and receipts are trusted against it. Addresses are
hints, proven by the handshake (whoever answers must hold the member's key); the rest are defaults that an
asker may choose otherwise.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from consensus.errors import ConfigError, LimitExceeded, PeerError
from consensus.genesis import GENESIS_BYTES_MAX, SEATS_MAX, SEATS_MIN, Network, open_network
from consensus.identity import PeerKey
from swarm.edge.network_urls import parse_url
from swarm.edge.paths import Paths, write_private_file
from swarm.edge.strict_json import encode_json

SCHEMA: Final = "peerage.network/1"
FILE_NAME: Final = "network.json"  # in a peer's data directory
FILE_BYTES_MAX: Final = 2 * GENESIS_BYTES_MAX
ID_DIGITS: Final = 16  # hexadecimal digits of a network id in its file's name
SEATS_DEFAULT: Final = 7
DEADLINE_S_DEFAULT: Final = 120.0
DEADLINE_S_MIN, DEADLINE_S_MAX = 1.0, 86_400.0
REMEDY: Final = "ask whoever made the network for its file again"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFile:
    """A network and how to reach it.

    Args:
        network: Its genesis, checked.
        addresses: Where members can be dialed, by key; any number of the members.
        seats: Seats of a committee where an asker names none; at most the number of members.
        deadline_s: Seconds an asker waits where it names none.
    """

    network: Network
    addresses: Mapping[PeerKey, str]
    seats: int
    deadline_s: float = DEADLINE_S_DEFAULT

    def __post_init__(self) -> None:
        members = len(self.network.keys)
        if not SEATS_MIN <= self.seats <= min(SEATS_MAX, members):
            raise ConfigError(
                f"got committees of {self.seats} seats, expected {SEATS_MIN} to {min(SEATS_MAX, members)} "
                f"in a network of {members} members",
                remedy=f"name {min(SEATS_DEFAULT, members)}",
            )
        if not DEADLINE_S_MIN <= self.deadline_s <= DEADLINE_S_MAX:
            raise ConfigError(
                f"got a deadline of {self.deadline_s:g} s, expected {DEADLINE_S_MIN:g} to {DEADLINE_S_MAX:g}"
            )
        for key, url in self.addresses.items():
            if key not in self.network.keys:
                raise ConfigError(f"got an address of {key.hex()}, which is no member", remedy="leave it out")
            parse_url(url)

    @property
    def name(self) -> str:
        """The network's name, as declared."""
        return self.network.genesis.name.decode("utf-8", "replace")

    def map_addresses(self) -> dict[PeerKey, str | None]:
        """Return every member's key with where it can be dialed, None where the file does not say."""
        return {key: self.addresses.get(key) for key in self.network.keys}

    def get_label(self, key: PeerKey) -> str:
        """Return what a member calls itself, as declared; empty for a stranger."""
        labels = {member.key: member.label for member in self.network.genesis.members}
        return labels.get(key, b"").decode("utf-8", "replace")


class _NetworkJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds; name and id are there for people, and must agree with the genesis."""

    schema: str
    name: str
    network_id: str
    genesis: str
    addresses: dict[str, str]
    seats: int
    deadline_s: float


def encode_network_file(file: NetworkFile) -> bytes:
    """Return the bytes of a network's file: JSON, indented for people."""
    value = _NetworkJson(
        schema=SCHEMA,
        name=file.name,
        network_id=file.network.network_id.hex(),
        genesis=base64.b64encode(file.network.genesis_bytes).decode("ascii"),
        addresses={key.hex(): url for key, url in sorted(file.addresses.items())},
        seats=file.seats,
        deadline_s=file.deadline_s,
    )
    return encode_json(value)


def decode_network_file(data: bytes, *, origin: str) -> NetworkFile:
    """Read a network's file.

    Args:
        data: Any bytes.
        origin: Where they come from, for errors.

    Raises:
        ConfigError: They are no such file, or contradict themselves.
    """
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{origin} has more than {FILE_BYTES_MAX} bytes", remedy=REMEDY)
    try:
        value = msgspec.json.decode(data, type=_NetworkJson)
        genesis = base64.b64decode(value.genesis, validate=True)
        network = open_network(genesis)
        addresses = {PeerKey(bytes.fromhex(key)): url for key, url in value.addresses.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error, ValueError) as exc:
        raise ConfigError(f"{origin} is no network file ({exc})", remedy=REMEDY) from exc
    except (PeerError, LimitExceeded) as exc:
        raise ConfigError(f"{origin} holds no genesis ({exc.message})", remedy=REMEDY) from exc
    if value.schema != SCHEMA:
        raise ConfigError(
            f"{origin}: its schema is {value.schema[:64]!r}, expected {SCHEMA!r}", remedy=REMEDY
        )
    if value.network_id != network.network_id.hex():
        raise ConfigError(
            f"{origin} says network {value.network_id[:64]!r}, and its genesis is {network.network_id.hex()}",
            remedy=REMEDY,
        )
    file = NetworkFile(network=network, addresses=addresses, seats=value.seats, deadline_s=value.deadline_s)
    if value.name != file.name:
        raise ConfigError(
            f"{origin} says the name {value.name[:64]!r}, and its genesis {file.name!r}", remedy=REMEDY
        )
    return file


def read_network_file(path: Path) -> NetworkFile:
    """Read a network's file from disk.

    Raises:
        ConfigError: It cannot be read, or is none.
    """
    try:
        with path.open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
    except OSError as exc:
        raise ConfigError(
            f"cannot read the network file {path} ({exc.strerror})",
            remedy="check the path; `peerage net create` makes one",
        ) from exc
    return decode_network_file(data, origin=str(path))


def write_network(paths: Paths, network: Network) -> Path:
    """Keep a network's genesis, so that `peerage verify --trust` can name it. Returns its path.

    Raises:
        StoreError: It cannot be written.
    """
    path = paths.data / "networks" / f"{network.network_id.hex()[:ID_DIGITS]}.genesis"
    write_private_file(path, network.genesis_bytes)
    return path
