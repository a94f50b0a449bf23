"""A new peer: its key, sealed, and its settings."""

from pathlib import Path

from consensus.identity import KeyPair, PeerKey
from swarm.edge.keystore import MODERATE, KdfCost, seal_key, write_new_key
from swarm.edge.new_files import make_files
from swarm.edge.passwords import forget_password, keep_password
from swarm.edge.peer_config import FILE_NAME, PeerConfig, write_peer_config
from swarm.edge.peer_directory import KEY_NAME


def create_peer(
    directory: Path,
    *,
    config: PeerConfig,
    seed: bytes,
    password: bytes,
    uses_keyring: bool,
    cost: KdfCost = MODERATE,
) -> PeerKey:
    """Make a peer where there is none, whole or not at all.

    Args:
        directory: Where; made where it is missing. Whether it persists is checked by the caller.
        config: Its settings.
        seed: Of its key, 32 bytes.
        password: What the key is sealed under.
        uses_keyring: Whether the desktop's keyring is to know the password too.
        cost: What a try of the password costs.

    Returns:
        The public key.

    Raises:
        ConfigError: There is a key or settings already, another process holds the directory, or the keyring
            refuses.
        StoreError: The disk refuses.
    """
    key = KeyPair(seed).key
    with make_files(directory) as files:
        key_path = files.claim(KEY_NAME)
        files.claim(FILE_NAME)
        sealed = seal_key(seed, password, cost=cost)
        write_peer_config(directory, config)
        if not uses_keyring:
            write_new_key(key_path, sealed)
            return key
        keep_password(key, password)
        try:
            write_new_key(key_path, sealed)  # last: where there is a key, there is a peer
        except BaseException:
            forget_password(key)
            raise
    return key
