"""Where a peer keeps what is its own."""

from pathlib import Path
from typing import Final

from swarm.edge import network_file
from swarm.edge.paths import get_paths

KEY_NAME: Final = "key.json"
STORE_NAME: Final = "peer.sqlite3"
ADDRESSES_NAME: Final = "addresses"
LOG_NAME: Final = "events.jsonl"


def get_peer_directory(directory: Path | None = None) -> Path:
    """Return a peer's directory: the one named, made absolute, or this user's usual one."""
    return get_paths().data / "peer" if directory is None else directory.expanduser().absolute()


def has_key(directory: Path) -> bool:
    """Say whether there is a peer's key."""
    return (directory / KEY_NAME).exists()


def get_network_path(directory: Path) -> Path:
    """Return where the file of the network that a peer is in lies."""
    return directory / network_file.FILE_NAME


def get_log_path(directory: Path) -> Path:
    """Return where a peer's event log lies."""
    return directory / "logs" / LOG_NAME
