"""One machine a key: a peer looks for another one before it links, and knows whether its key was restored."""

from functools import partial
from pathlib import Path

from consensus.errors import StoreError
from consensus.identity import KeyPair
from swarm.edge.clock import get_wall_ms
from swarm.edge.key_backup import RESTORED_NAME
from swarm.edge.limits import EdgeLimits
from swarm.edge.network_file import NetworkFile
from swarm.edge.network_mesh import list_known_urls
from swarm.edge.paths import sync_directory
from swarm.edge.peer_directory import ADDRESSES_NAME
from swarm.edge.second_machine import LOOK_S, RESTORED_LOOK_S, RESTORED_WAIT_S, WAIT_S, check_alone
from swarm.edge.websocket import dial


async def check_peer_alone(directory: Path, file: NetworkFile, signer: KeyPair) -> None:
    """Look for another machine with this key; longer where the key was restored from a backup.

    Raises:
        ConfigError: There is one.
    """
    limits, was_restored = EdgeLimits(), is_restored(directory)
    await check_alone(
        signer=signer,
        network_id=file.network.network_id,
        members=list_known_urls(signer, file, directory / ADDRESSES_NAME),
        connect=partial(dial, limits=limits),
        limits=limits,
        get_time_ms=get_wall_ms,
        wait_s=RESTORED_WAIT_S if was_restored else WAIT_S,
        look_s=RESTORED_LOOK_S if was_restored else LOOK_S,
    )


def is_restored(directory: Path) -> bool:
    """Say whether a peer's key came from a backup, and rounds of its old machine may still be open."""
    return (directory / RESTORED_NAME).exists()


def forget_restored(directory: Path) -> None:
    """Take a restored key for one like any other: no round of its old machine is open any more.

    Raises:
        StoreError: The mark cannot be removed.
    """
    mark = directory / RESTORED_NAME
    try:
        mark.unlink(missing_ok=True)
        sync_directory(directory)
    except OSError as exc:
        raise StoreError(
            f"cannot remove {mark} ({exc.strerror})", remedy="make its directory writable"
        ) from exc
