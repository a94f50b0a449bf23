"""A new key in an old one's place: each signs that it is so, and the old one is kept aside.

The statement is signed twice, over the same bytes: by the old key, so that nobody else names its successor,
and by the new one, so that nobody claims a key that is not theirs. It is good in any network, and none acts
on it by itself: a genesis names keys and never changes, so the new key is a member of the next one.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec

from consensus.encoding import Wire, decode, encode
from consensus.errors import ConfigError, LimitExceeded, PeerError, StoreError
from consensus.hashing import sha256, tagged_hash
from consensus.identity import KEY_BYTES, SIGNATURE_BYTES, KeyPair, NetworkId, PeerKey, Verifier
from swarm.edge.holding import hold_directory
from swarm.edge.keystore import MODERATE, KdfCost, create_seed, open_key, read_key_file, seal_key
from swarm.edge.passwords import keep_password
from swarm.edge.paths import sync_directory, write_private_file
from swarm.edge.peer_directory import KEY_NAME
from swarm.edge.strict_json import decode_json, encode_json

KIND_ROTATION: Final = 252  # signing kind of a statement; the edge counts down from 255, the handshake
NO_NETWORK: Final = NetworkId(tagged_hash("key-rotation"))  # no genesis has this digest
SCHEMA: Final = "peerage.rotation/1"
VERSION: Final = 1
FILE_BYTES_MAX: Final = 4_096
STATEMENT_BYTES_MAX: Final = 256
NEXT_NAME: Final = "key-next.json"  # a rotation that was cut off is carried on from it
NAME_DIGITS: Final = 16
REMEDY: Final = "name a file that `peerage keys rotate` wrote"


class Rotation(Wire, frozen=True):
    """The statement that `new_key` takes the place of `old_key`; `issued_ms` is its maker's clock."""

    version: int
    old_key: bytes
    new_key: bytes
    issued_ms: int


class _RotationFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The exact bytes that both keys signed, as hex, and their signatures."""

    schema: str
    statement: Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9a-f]{2})+\Z")]
    old_signature: Annotated[str, msgspec.Meta(pattern=rf"^[0-9a-f]{{{2 * SIGNATURE_BYTES}}}\Z")]
    new_signature: Annotated[str, msgspec.Meta(pattern=rf"^[0-9a-f]{{{2 * SIGNATURE_BYTES}}}\Z")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What a rotation left behind: both keys, where the old one is, and where the statement is."""

    old_key: PeerKey
    new_key: PeerKey
    retired: Path
    statement: Path


def create_rotation(old: KeyPair, new: KeyPair, *, issued_ms: int) -> bytes:
    """Return the bytes of a rotation file.

    Args:
        old: The key that is given up.
        new: The key that takes its place.
        issued_ms: Unix milliseconds.
    """
    payload = encode(Rotation(version=VERSION, old_key=old.key, new_key=new.key, issued_ms=issued_ms))
    return encode_json(
        _RotationFile(
            schema=SCHEMA,
            statement=payload.hex(),
            old_signature=old.sign(KIND_ROTATION, NO_NETWORK, payload).hex(),
            new_signature=new.sign(KIND_ROTATION, NO_NETWORK, payload).hex(),
        )
    )


def open_rotation(data: bytes) -> Rotation:
    """Verify a rotation file and return what it states.

    Not checked: whether the old key is a member of anything, or whether it has stated another successor too.

    Raises:
        ConfigError: It is none, or one of the two keys did not sign it.
    """
    file = decode_json(
        _RotationFile, data, schema=SCHEMA, bytes_max=FILE_BYTES_MAX, what="rotation file", remedy=REMEDY
    )
    payload = bytes.fromhex(file.statement)
    try:
        rotation = decode(Rotation, payload, bytes_max=STATEMENT_BYTES_MAX)
    except (PeerError, LimitExceeded) as exc:
        raise ConfigError(f"the rotation file states nothing known ({exc.message})", remedy=REMEDY) from exc
    keys = (rotation.old_key, rotation.new_key)
    if rotation.version != VERSION or any(len(key) != KEY_BYTES for key in keys) or keys[0] == keys[1]:
        raise ConfigError("the rotation file does not name two keys", remedy=REMEDY)
    verifier = Verifier()
    for name, key, signature in zip(
        ("old", "new"), keys, (file.old_signature, file.new_signature), strict=True
    ):
        if not verifier.is_valid(key, KIND_ROTATION, NO_NETWORK, sha256(payload), bytes.fromhex(signature)):
            raise ConfigError(
                f"the {name} key {key.hex()} did not sign this rotation",
                remedy="take no other key for it on this file's word",
            )
    return rotation


def rotate_key(
    directory: Path, *, password: bytes, uses_keyring: bool, now_ms: int, cost: KdfCost = MODERATE
) -> Rotated:
    """Give a peer a new key under the same password, state that, and keep the old key aside.

    1. The new key is sealed and written beside the old one.
    2. The old key is copied to a name that says so.
    3. The statement is written.
    4. The new key takes the old one's name.

    Cut off anywhere, both keys are there, and the next call carries on with the same new key.

    Args:
        directory: The peer's; it must not be running.
        password: Of the old key, and then of the new one.
        uses_keyring: Whether the desktop's keyring is to know the new key's password.
        now_ms: Unix milliseconds.
        cost: What a try of the new key's password costs.

    Raises:
        ConfigError: There is no key, the password is wrong, or another process holds the directory.
        StoreError: The disk refuses.
    """
    with hold_directory(directory):
        path = directory / KEY_NAME
        sealed = read_key_file(path)
        old = open_key(sealed, password)
        new = _ensure_next(directory / NEXT_NAME, password, cost)
        names = [pair.key.hex()[:NAME_DIGITS] for pair in (old, new)]
        retired = directory / f"key-retired-{names[0]}.json"
        _keep_aside(retired, sealed)
        statement = directory / f"rotation-{'-'.join(names)}.json"
        write_private_file(statement, create_rotation(old, new, issued_ms=now_ms))
        if uses_keyring:
            keep_password(new.key, password)
        _replace(directory / NEXT_NAME, path)
    return Rotated(old_key=old.key, new_key=new.key, retired=retired, statement=statement)


def _ensure_next(path: Path, password: bytes, cost: KdfCost) -> KeyPair:
    """Return the key that a rotation which was cut off had made, or a new one, which is on disk then."""
    if os.path.lexists(path):
        return open_key(read_key_file(path), password)
    seed = create_seed()
    write_private_file(path, seal_key(seed, password, cost=cost))
    return KeyPair(seed)


def _keep_aside(path: Path, sealed: bytes) -> None:
    if not os.path.lexists(path):
        write_private_file(path, sealed)
    elif read_key_file(path) != sealed:
        raise ConfigError(f"there is another key in {path} already", remedy="move it away, and rotate again")


def _replace(source: Path, target: Path) -> None:
    try:
        source.replace(target)
        sync_directory(target.parent)
    except OSError as exc:
        raise StoreError(
            f"cannot put the new key into {target} ({exc.strerror})",
            remedy=f"mend the disk, and rotate again if {target.name} still holds the old key",
        ) from exc
