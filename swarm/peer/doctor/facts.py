"""What all checks stand on: what could be read of a peer, and why the rest could not."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from consensus.errors import PeerageError
from consensus.identity import KeyPair, PeerKey
from models.contract import ModelInfo
from models.errors import ModelError
from swarm.edge.events import Json
from swarm.edge.network_file import NetworkFile
from swarm.edge.peer_config import PeerConfig
from swarm.peer.doctor.database_look import DatabaseLook
from swarm.peer.doctor.finding import Need
from swarm.peer.doctor.lock import Lock
from swarm.peer.doctor.story import Story
from swarm.peer.doctor.world import World


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
        """The members that the running peer is linked with; askers have links too, and are none."""
        links = () if self.running is None else self.running["links"]
        assert isinstance(links, list | tuple)
        keys = [PeerKey(bytes.fromhex(str(link["key"]))) for link in links]
        return tuple(key for key in keys if key in self.network.network.keys)

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
