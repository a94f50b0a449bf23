"""Gathering the facts: every file is read once, each within a time, and what stops it becomes the fact."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import trio

from consensus.errors import NetworkError, PeerageError, StoreError
from consensus.identity import KeyPair, PeerKey
from models.contract import ModelInfo
from models.errors import ModelError
from swarm.edge.events import Json
from swarm.edge.keystore import get_public_key, open_key, read_key_file
from swarm.edge.network_file import NetworkFile, read_network_file
from swarm.edge.passwords import read_password
from swarm.edge.peer_config import PeerConfig, read_peer_config
from swarm.edge.peer_directory import KEY_NAME, STORE_NAME, get_log_path, get_network_path
from swarm.edge.store import open_asyncio_loop
from swarm.peer.control import order
from swarm.peer.doctor.database_look import DatabaseLook, OutOfTimeError, look_at_database
from swarm.peer.doctor.facts import Facts, Wish
from swarm.peer.doctor.lock import Lock, read_lock
from swarm.peer.doctor.model_files import load_info
from swarm.peer.doctor.story import Story, read_story
from swarm.peer.doctor.world import World

STATUS_S_MAX: Final = 2.5
READ_S_MAX: Final = 3.0
LOAD_S_MAX: Final = 120.0
SLOW_REMEDY: Final = "look again when this machine is calm; see whether that disk is broken, or far away"
DISK_REMEDY: Final = "see who may read it, and whether that disk is sound"

Said = Mapping[str, Json] | PeerageError | None
ReadT = TypeVar("ReadT")


@dataclass(frozen=True, slots=True)
class _Files:
    """A peer's small files, each as it reads, or why it does not."""

    lock: Lock | PeerageError
    config: PeerConfig | PeerageError
    key: PeerKey | PeerageError
    network: NetworkFile | PeerageError


async def gather(directory: Path, world: World, wish: Wish) -> Facts:
    """Read what the checks stand on, in two steps of `READ_S_MAX` at most each; a model is loaded after them.

    Args:
        directory: The peer's.
        world: The machine.
        wish: What the owner wants looked at.
    """
    asked: list[Said] = []
    read: list[_Files | PeerageError] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_put, asked, partial(_ask, directory))
        nursery.start_soon(_put, read, partial(_within_time, partial(_read_files, directory)))
    said = asked[0]
    files = read[0] if isinstance(read[0], _Files) else _Files(read[0], read[0], read[0], read[0])
    is_held = isinstance(said, Mapping) or not isinstance(files.lock, Lock) or files.lock.is_held
    stories: list[Story | PeerageError | None] = []
    signers: list[KeyPair | PeerageError | None] = []
    databases: list[DatabaseLook | PeerageError | None] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_put, stories, partial(_within_time, partial(_read_story, directory)))
        nursery.start_soon(_put, signers, partial(_within_time, partial(_open_key, directory, files, wish)))
        nursery.start_soon(_put, databases, partial(_look, directory, files, is_held))
    return Facts(
        directory=directory,
        world=world,
        wish=wish,
        has_directory=directory.is_dir(),
        config_read=files.config,
        key_read=files.key,
        network_read=files.network,
        signer_read=signers[0],
        said=said,
        lock_read=files.lock,
        story_read=stories[0],
        database_read=databases[0],
        info_read=await _load(files.config, world) if wish.is_loading else None,
    )


async def _put(place: list[ReadT], body: Callable[[], Awaitable[ReadT]]) -> None:
    place.append(await body())


async def _ask(directory: Path) -> Said:
    try:
        with trio.fail_after(STATUS_S_MAX):
            return await order(directory, do="status")
    except trio.TooSlowError:
        return NetworkError(
            f"the peer does not answer within {STATUS_S_MAX:g} s",
            remedy="it may be stuck: look at its log, or end its process",
        )
    except PeerageError as exc:
        return exc


async def _within_time(body: Callable[[], ReadT]) -> ReadT | PeerageError:
    """Run what blocks on a disk in a thread, for as long as there is time."""
    try:
        with trio.fail_after(READ_S_MAX):
            return await trio.to_thread.run_sync(partial(_try, body), abandon_on_cancel=True)
    except trio.TooSlowError:
        return OutOfTimeError(f"it could not be read within {READ_S_MAX:g} s", remedy=SLOW_REMEDY)


def _try(body: Callable[[], ReadT]) -> ReadT | PeerageError:
    try:
        return body()
    except PeerageError as exc:
        return exc
    except OSError as exc:
        return StoreError(f"it cannot be read ({exc})", remedy=DISK_REMEDY)


def _read_files(directory: Path) -> _Files:
    return _Files(
        lock=_try(partial(read_lock, directory)),
        config=_try(partial(read_peer_config, directory)),
        key=_try(lambda: get_public_key(read_key_file(directory / KEY_NAME))),
        network=_try(partial(read_network_file, get_network_path(directory))),
    )


def _read_story(directory: Path) -> Story | None:
    path = get_log_path(directory)
    return read_story(path) if path.exists() else None


def _open_key(directory: Path, files: _Files, wish: Wish) -> KeyPair | None:
    if not wish.has_password or isinstance(files.key, PeerageError):
        return None
    password = read_password(
        file=wish.password_file, use_keyring=wish.uses_keyring, key=files.key, prompt=None
    )
    return open_key(read_key_file(directory / KEY_NAME), password)


async def _look(directory: Path, files: _Files, is_held: bool) -> DatabaseLook | PeerageError | None:
    if is_held:
        return None
    network, key = files.network, files.key
    async with open_asyncio_loop():  # which would wrap what is raised within it
        try:
            return await look_at_database(
                directory / STORE_NAME,
                network=network.network.network_id if isinstance(network, NetworkFile) else None,
                key=None if isinstance(key, PeerageError) else key,
            )
        except PeerageError as exc:
            return exc
        except OSError as exc:
            return StoreError(f"the database cannot be looked at ({exc})", remedy=DISK_REMEDY)


async def _load(config: PeerConfig | PeerageError, world: World) -> ModelInfo | ModelError | None:
    if not isinstance(config, PeerConfig):
        return None
    body = partial(load_info, config.model, world.cache, threads=config.threads)
    try:
        with trio.fail_after(LOAD_S_MAX):
            return await trio.to_thread.run_sync(body, abandon_on_cancel=True)
    except trio.TooSlowError:
        return ModelError(f"the model did not load within {LOAD_S_MAX:g} s", remedy="take a smaller one")
    except ModelError as exc:
        return exc
