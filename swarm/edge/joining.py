"""A peer joins a network: the network's file goes into its directory, if its key is a member's."""

from pathlib import Path

from consensus.errors import ConfigError
from swarm.edge.keystore import get_public_key, read_key_file
from swarm.edge.network_file import NetworkFile, encode_network_file, read_network_file
from swarm.edge.paths import write_private_file
from swarm.edge.peer_directory import KEY_NAME, get_network_path, has_key


def join_network(directory: Path, file: NetworkFile, *, replaces: bool) -> None:
    """Put a network's file into a peer's directory.

    Args:
        directory: The peer's.
        file: The network.
        replaces: Whether a network that it is in now is left for this one.

    Raises:
        ConfigError: There is no peer, it is no member, or it is in another network already.
        StoreError: The file cannot be written.
    """
    if not has_key(directory):
        raise ConfigError(
            f"there is no peer in {directory}", remedy=f"make one: peerage peer init --dir {directory}"
        )
    key = get_public_key(read_key_file(directory / KEY_NAME))
    if key not in file.network.keys:
        raise ConfigError(
            f"the peer in {directory} has the key {key.hex()}, which is no member of {file.name!r}",
            remedy="hand that key to whoever makes the network: its list of members cannot be added to",
        )
    path = get_network_path(directory)
    if path.exists() and not replaces:
        now = read_network_file(path)
        if now.network.network_id != file.network.network_id:
            raise ConfigError(
                f"the peer in {directory} is in the network {now.name!r} already",
                remedy="leave that one with --replace, or make another peer with --dir",
            )
    write_private_file(path, encode_network_file(file))
