"""What all checks stand on, gathered once: what could be read, and why the rest could not."""

from collections.abc import Callable, Mapping
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
from swarm.peer.doctor.finding import Need
from swarm.peer.doctor.lock import Lock, read_lock
from swarm.peer.doctor.model_files import load_info
from swarm.peer.doctor.story import Story, read_story
from swarm.peer.doctor.world import World

STATUS_S_MAX: Final = 2.0
GATHER_S_MAX: Final = 3.5
LOAD_S_MAX: Final = 120.0
DISK_REMEDY: Final = "see who may read it, and whether that disk is sound"
SLOW_REMEDY: Final = "see whether that disk is broken, or far away"

ReadT = TypeVar("ReadT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the owner wants looked at.

    Attributes:
        password_file: Holds the password of the key; None where none is given.
        uses_keyring: Whether the desktop's keyring knows it.
        is_loading: Whether the model is loaded.
    """

    password_file: Path | None = None
    uses_keyring: bool = False
    is_loading: bool = False

    @property
    def has_password(self) -> bool:
        """Whether the key can be opened."""
        return self.password_file is not None or self.uses_keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A peer and its machine, as far as they could be read.

    Attributes:
        directory: The peer's.
        world: The machine.
        wish: What the owner wants.
        has_directory: Whether there is such a directory.
        config_read: Its settings, or why not.
        key_read: Its public key, or why not.
        network_read: Its network, or why not.
        signer_read: Its opened key, or why not; None where no password is given.
        said: What the running peer says of itself; None where none runs, an error where it does not answer.
        lock_read: Who holds the directory, or why that is not known.
        story_read: What its log tells, or why not; None where there is no log.
        database_read: Its database, or why not; None where there is none, or a process has it open.
        info_read: Its loaded model, or why it does not load; None where it was not to be loaded.
    """

    directory: Path
    world: World
    wish: Wish
    has_directory: bool
    config_read: PeerConfig | PeerageError
    key_read: PeerKey | PeerageError
    network_read: NetworkFile | PeerageError
    signer_read: KeyPair | PeerageError | None
    said: Mapping[str, Json] | PeerageError | None
    lock_read: Lock | PeerageError
    story_read: Story | PeerageError | None
    database_read: DatabaseLook | PeerageError | None
    info_read: ModelInfo | ModelError | None

    @property
    def config(self) -> PeerConfig:
        """Its settings, for checks that need them."""
        assert isinstance(self.config_read, PeerConfig)
        return self.config_read

    @property
    def key(self) -> PeerKey:
        """Its public key, for checks that need it."""
        assert isinstance(self.key_read, bytes)
        return self.key_read

    @property
    def network(self) -> NetworkFile:
        """Its network, for checks that need it."""
        assert isinstance(self.network_read, NetworkFile)
        return self.network_read

    @property
    def running(self) -> Mapping[str, Json] | None:
        """What the running peer says; None where none runs or none answers."""
        return self.said if isinstance(self.said, Mapping) else None

    @property
    def is_held(self) -> bool:
        """Whether a process has the directory, so that its database is not to be touched."""
        return self.running is not None or (isinstance(self.lock_read, Lock) and self.lock_read.is_held)

    @property
    def linked(self) -> tuple[PeerKey, ...]:
        """The members that the running peer is linked with."""
        links = () if self.running is None else self.running["links"]
        assert isinstance(links, list | tuple)
        return tuple(PeerKey(bytes.fromhex(str(link["key"]))) for link in links)

    def find_lacking(self, needs: tuple[Need, ...]) -> Need | None:
        """Return the first of the needs that is not met; without a directory there is nothing else."""
        if needs and not self.has_directory:
            return Need.DIRECTORY
        met = {
            Need.DIRECTORY: self.has_directory,
            Need.CONFIG: isinstance(self.config_read, PeerConfig),
            Need.KEY: isinstance(self.key_read, bytes),
            Need.NETWORK: isinstance(self.network_read, NetworkFile),
        }
        return next((need for need in needs if not met[need]), None)


async def gather(directory: Path, world: World, wish: Wish) -> Facts:
    """Read what the checks stand on; takes `STATUS_S_MAX` and twice `GATHER_S_MAX` at most."""
    said = await _ask(directory)
    lock = await _read(partial(read_lock, directory))
    config = await _read(partial(read_peer_config, directory))
    key = await _read(partial(_read_key, directory))
    network = await _read(partial(read_network_file, get_network_path(directory)))
    found: list[KeyPair | PeerageError | None] = [None]
    stories: list[Story | PeerageError | None] = [None]
    databases: list[DatabaseLook | PeerageError | None] = [None]
    is_held = isinstance(said, Mapping) or not isinstance(lock, Lock) or lock.is_held

    async def tell() -> None:
        path = get_log_path(directory)
        if path.exists():
            stories[0] = await _read(partial(read_story, path))

    async def open_seed() -> None:
        if wish.has_password and isinstance(key, bytes):
            found[0] = await _read(partial(_open, directory, key, wish))

    async def look() -> None:
        if not is_held:
            databases[0] = await _look(directory, network, key)

    async with trio.open_nursery() as nursery:
        for task in (tell, open_seed, look):
            nursery.start_soon(task)
    return Facts(
        directory=directory,
        world=world,
        wish=wish,
        has_directory=directory.is_dir(),
        config_read=config,
        key_read=key,
        network_read=network,
        signer_read=found[0],
        said=said,
        lock_read=lock,
        story_read=stories[0],
        database_read=databases[0],
        info_read=await _load(config, world) if wish.is_loading else None,
    )


async def _ask(directory: Path) -> Mapping[str, Json] | PeerageError | None:
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


async def _read(body: Callable[[], ReadT]) -> ReadT | PeerageError:
    """Run what blocks on a disk in a thread, for as long as there is time."""
    try:
        with trio.fail_after(GATHER_S_MAX):
            return await trio.to_thread.run_sync(body, abandon_on_cancel=True)
    except trio.TooSlowError:
        return OutOfTimeError(f"the disk did not answer within {GATHER_S_MAX:g} s", remedy=SLOW_REMEDY)
    except PeerageError as exc:
        return exc
    except OSError as exc:
        return StoreError(f"cannot be read ({exc})", remedy=DISK_REMEDY)


async def _look(
    directory: Path, network: NetworkFile | PeerageError, key: PeerKey | PeerageError
) -> DatabaseLook | PeerageError | None:
    async with open_asyncio_loop():  # which would wrap what is raised within it
        try:
            return await look_at_database(
                directory / STORE_NAME,
                network=network.network.network_id if isinstance(network, NetworkFile) else None,
                key=key if isinstance(key, bytes) else None,
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


def _read_key(directory: Path) -> PeerKey:
    return get_public_key(read_key_file(directory / KEY_NAME))


def _open(directory: Path, key: PeerKey, wish: Wish) -> KeyPair:
    password = read_password(file=wish.password_file, use_keyring=wish.uses_keyring, key=key, prompt=None)
    return open_key(read_key_file(directory / KEY_NAME), password)
