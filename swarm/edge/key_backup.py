"""A peer's backup: one file with its key, still sealed, its settings and its network.

Not in it is what the peer has signed (`peer.sqlite3`): a copy of that is old as soon as it is made, and
whoever takes an old one for the present signs a second value for the same slot. So a restored peer knows
nothing of what it signed, and its directory says so (`restored.json`).

Not checked here: that settings and network are what they were. Nothing seals them; the digest on the recovery
sheet does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec

from consensus.errors import ConfigError
from consensus.hashing import sha256
from consensus.identity import PeerKey
from swarm.edge import network_file, peer_config
from swarm.edge.keystore import get_public_key, read_key_file, write_new_key
from swarm.edge.new_files import make_files
from swarm.edge.paths import write_private_file
from swarm.edge.peer_directory import KEY_NAME
from swarm.edge.strict_json import decode_json, encode_json

SCHEMA: Final = "peerage.backup/1"
RESTORED_SCHEMA: Final = "peerage.restored/1"
RESTORED_NAME: Final = "restored.json"
FILE_BYTES_MAX: Final = 2 * (network_file.FILE_BYTES_MAX + peer_config.FILE_BYTES_MAX) + 65_536
RESTORED_BYTES_MAX: Final = 1_024
TIME_MS_MAX: Final = 253_402_300_799_999  # the end of the year 9999
REMEDY: Final = "name a file that `peerage keys backup` wrote"


_Time = Annotated[int, msgspec.Meta(ge=0, le=TIME_MS_MAX)]


class _BackupFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup's file holds: texts of files as they are, null where there was none."""

    schema: str
    made_ms: _Time
    key: str
    settings: str | None
    network: str | None


class Restored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a directory says whose key came from a backup: when, which key, and the backup's SHA-256."""

    schema: str
    restored_ms: _Time
    key: str
    backup: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup that was read.

    Args:
        key: The public key that it names; only its password shows that it holds it.
        made_ms: When it was made, by its maker's clock, Unix milliseconds.
        digest: SHA-256 of its file.
        key_file: `key.json`.
        settings: `peer.toml`; None where there was none.
        network: `network.json`; None where there was none.
    """

    key: PeerKey
    made_ms: int
    digest: bytes
    key_file: bytes
    settings: bytes | None
    network: bytes | None


def create_backup(directory: Path, *, now_ms: int) -> bytes:
    """Return the bytes of a backup of the peer in a directory, which may be running.

    Args:
        directory: The peer's.
        now_ms: Unix milliseconds.

    Raises:
        ConfigError: It has no key, or a file cannot be read or is none of a peer's.
    """
    key = read_key_file(directory / KEY_NAME)
    value = _BackupFile(
        schema=SCHEMA,
        made_ms=now_ms,
        key=key.decode("utf-8"),
        settings=_read_text(directory / peer_config.FILE_NAME, peer_config.FILE_BYTES_MAX),
        network=_read_text(directory / network_file.FILE_NAME, network_file.FILE_BYTES_MAX),
    )
    return encode_json(value)


def decode_backup(data: bytes) -> Backup:
    """Read a backup.

    Raises:
        ConfigError: It is none.
    """
    value = decode_json(
        _BackupFile, data, schema=SCHEMA, bytes_max=FILE_BYTES_MAX, what="backup", remedy=REMEDY
    )
    key_file = value.key.encode("utf-8")
    return Backup(
        key=get_public_key(key_file),
        made_ms=value.made_ms,
        digest=sha256(data),
        key_file=key_file,
        settings=None if value.settings is None else value.settings.encode("utf-8"),
        network=None if value.network is None else value.network.encode("utf-8"),
    )


def read_backup_file(path: Path) -> bytes:
    """Read the bytes of a backup's file; anybody may read it, because its key is sealed.

    Raises:
        ConfigError: It cannot be read, or is too long.
    """
    data = _read_bounded(path, FILE_BYTES_MAX)
    if data is None:
        raise ConfigError(f"there is no file {path}", remedy=REMEDY)
    return data


def restore_backup(directory: Path, backup: Backup, *, now_ms: int) -> None:
    """Put a backup's files into a directory without a key, all of them or none, and mark it as restored.

    The mark is written first and the key last: there is never a restored key without a mark.

    Args:
        directory: Where; made where it is missing. Whether it persists is checked by the caller.
        backup: What to restore.
        now_ms: Unix milliseconds.

    Raises:
        ConfigError: One of the files is there already, or another process holds the directory.
        StoreError: The disk refuses.
    """
    mark = Restored(
        schema=RESTORED_SCHEMA, restored_ms=now_ms, key=backup.key.hex(), backup=backup.digest.hex()
    )
    parts = (
        (RESTORED_NAME, encode_json(mark)),
        (network_file.FILE_NAME, backup.network),
        (peer_config.FILE_NAME, backup.settings),
    )
    with make_files(directory) as files:
        key_path = files.claim(KEY_NAME)
        written = [(files.claim(name), data) for name, data in parts if data is not None]
        for path, data in written:
            write_private_file(path, data)
        write_new_key(key_path, backup.key_file)


def read_restored(directory: Path) -> Restored | None:
    """Return what a directory says of its restoring; None where its key was made in it.

    Raises:
        ConfigError: There is a mark that cannot be read: take the key as restored.
    """
    data = _read_bounded(directory / RESTORED_NAME, RESTORED_BYTES_MAX)
    if data is None:
        return None
    return decode_json(
        Restored,
        data,
        schema=RESTORED_SCHEMA,
        bytes_max=RESTORED_BYTES_MAX,
        what=f"mark {directory / RESTORED_NAME}",
        remedy="restore the backup again, into another directory",
    )


def _read_text(path: Path, bytes_max: int) -> str | None:
    data = _read_bounded(path, bytes_max)
    try:
        return None if data is None else data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ConfigError(
            f"{path} is not UTF-8 (byte {exc.start})", remedy="mend it, or move it away"
        ) from exc


def _read_bounded(path: Path, bytes_max: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigError(f"cannot read {path} ({exc.strerror})", remedy="make it readable") from exc
    if len(data) > bytes_max:
        raise ConfigError(
            f"{path} has more than {bytes_max} bytes", remedy="it is another file: check its path"
        )
    return data
