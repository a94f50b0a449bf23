"""A peer's key at rest: its seed under a password, in a file that says how.

The password becomes a key by Argon2id, and that key seals the seed by XChaCha20-Poly1305. Everything that the
file says in clear is bound to the box as associated data, so that neither the public key nor the cost can be
changed without the password. What cannot be told apart: a wrong password and a file that was changed.

Not protected here: the seed while the peer runs, in its memory (docs/adr/0029-keys-at-rest.md).

Source: RFC 9106 (Argon2), draft-irtf-cfrg-xchacha-03; both as libsodium has them.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_ABYTES,
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
)
from nacl.exceptions import CryptoError
from nacl.exceptions import RuntimeError as DerivationError
from nacl.pwhash import argon2id

from consensus.errors import ConfigError
from consensus.hashing import tagged_hash
from consensus.identity import KEY_BYTES, SEED_BYTES, KeyPair, PeerKey
from swarm.edge.paths import write_private_file
from swarm.edge.private_files import read_private_file
from swarm.edge.strict_json import decode_json, encode_json

SCHEMA: Final = "peerage.key/1"
KDF: Final = "argon2id"
CIPHER: Final = "xchacha20poly1305-ietf"
FILE_BYTES_MAX: Final = 4_096
MEMORY_BYTES_MAX: Final = argon2id.MEMLIMIT_MODERATE  # 256 MiB; a file that asks for more is refused
PASSES_MAX: Final = 8
BOX_BYTES: Final = SEED_BYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES
REMEDY: Final = "name a key file that `peerage peer init` made, or restore one: peerage keys restore"


@dataclass(frozen=True, slots=True)
class KdfCost:
    """What one try of a password costs whoever tries, its owner too.

    Args:
        memory_bytes: Memory that Argon2id fills; at most MEMORY_BYTES_MAX.
        passes: How often it goes over it; at most PASSES_MAX.
    """

    memory_bytes: int
    passes: int

    def __post_init__(self) -> None:
        if not argon2id.MEMLIMIT_MIN <= self.memory_bytes <= MEMORY_BYTES_MAX:
            raise ConfigError(
                f"got {self.memory_bytes} bytes of memory for a password, expected {argon2id.MEMLIMIT_MIN} "
                f"to {MEMORY_BYTES_MAX}",
                remedy=REMEDY,
            )
        if not argon2id.OPSLIMIT_MIN <= self.passes <= PASSES_MAX:
            raise ConfigError(
                f"got {self.passes} passes for a password, expected {argon2id.OPSLIMIT_MIN} to {PASSES_MAX}",
                remedy=REMEDY,
            )


MODERATE: Final = KdfCost(argon2id.MEMLIMIT_MODERATE, argon2id.OPSLIMIT_MODERATE)


def _hex(bytes_: int) -> msgspec.Meta:
    return msgspec.Meta(pattern=rf"^[0-9a-f]{{{2 * bytes_}}}\Z")


class _Kdf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(pattern=rf"^{KDF}\Z")]
    memory_bytes: int
    passes: int
    salt: Annotated[str, _hex(argon2id.SALTBYTES)]


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a key file holds; all but `box` is in clear, and bound to it."""

    schema: str
    public_key: Annotated[str, _hex(KEY_BYTES)]
    kdf: _Kdf
    cipher: Annotated[str, msgspec.Meta(pattern=rf"^{CIPHER}\Z")]
    nonce: Annotated[str, _hex(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)]
    box: Annotated[str, _hex(BOX_BYTES)]


def create_seed() -> bytes:
    """Draw a new seed, 32 bytes from the system."""
    return secrets.token_bytes(SEED_BYTES)


def seal_key(seed: bytes, password: bytes, *, cost: KdfCost = MODERATE) -> bytes:
    """Seal a seed under a password.

    Args:
        seed: 32 bytes.
        password: Any bytes.
        cost: What a try of the password costs; by default 256 MiB and three passes, less than a second.

    Returns:
        A key file's bytes.

    Raises:
        ConfigError: The seed has another length, or there is too little memory.
    """
    unsealed = _KeyFile(
        schema=SCHEMA,
        public_key=KeyPair(seed).key.hex(),
        kdf=_Kdf(KDF, cost.memory_bytes, cost.passes, secrets.token_hex(argon2id.SALTBYTES)),
        cipher=CIPHER,
        nonce=secrets.token_hex(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES),
        box="",
    )
    box = crypto_aead_xchacha20poly1305_ietf_encrypt(
        seed, _compute_bound(unsealed), bytes.fromhex(unsealed.nonce), _derive(unsealed.kdf, password)
    )
    return encode_json(msgspec.structs.replace(unsealed, box=box.hex()))


def open_key(data: bytes, password: bytes) -> KeyPair:
    """Open a key file with its password.

    Args:
        data: The file's bytes.
        password: What it was sealed under.

    Raises:
        ConfigError: It is no key file, the password is wrong, the file was changed, or it asks for more
            than a bounded amount of memory or work.
    """
    file = _decode(data)
    try:
        seed = crypto_aead_xchacha20poly1305_ietf_decrypt(
            bytes.fromhex(file.box),
            _compute_bound(file),
            bytes.fromhex(file.nonce),
            _derive(file.kdf, password),
        )
    except CryptoError as exc:
        raise ConfigError(
            f"the password does not open the key {file.public_key}, or its file was changed",
            remedy="check the password; if it is right, take the file from a backup: peerage keys restore",
        ) from exc
    pair = KeyPair(seed)
    if pair.key.hex() != file.public_key:
        raise ConfigError(
            f"the key file names {file.public_key} and holds the key {pair.key.hex()}",
            remedy="whoever made this file made it wrong: take the key from a backup",
        )
    return pair


def get_public_key(data: bytes) -> PeerKey:
    """Read which key a file holds; without the password, so whether it does is not checked.

    Raises:
        ConfigError: It is no key file.
    """
    return PeerKey(bytes.fromhex(_decode(data).public_key))


def read_key_file(path: Path) -> bytes:
    """Read a key file's bytes, which only its owner may read.

    Raises:
        ConfigError: It is not there, cannot be read, others may read it, or it is no key file.
    """
    data = read_private_file(path, bytes_max=FILE_BYTES_MAX, what="key file")
    _decode(data)
    return data


def check_no_key(path: Path) -> None:
    """Make sure that no key is at `path`, nor anything else: a key that is written over is lost.

    Raises:
        ConfigError: Something is there.
    """
    if os.path.lexists(path):
        raise ConfigError(
            f"there is a key in {path.parent} already", remedy="name another directory with --dir"
        )


def write_new_key(path: Path, data: bytes) -> None:
    """Write a key file where there is none; the caller holds the directory (`swarm.edge.holding`).

    Raises:
        ConfigError: Something is there already, or these bytes are no key file.
        StoreError: It cannot be written.
    """
    _decode(data)
    check_no_key(path)
    write_private_file(path, data)


def _decode(data: bytes) -> _KeyFile:
    file = decode_json(
        _KeyFile, data, schema=SCHEMA, bytes_max=FILE_BYTES_MAX, what="key file", remedy=REMEDY
    )
    KdfCost(file.kdf.memory_bytes, file.kdf.passes)  # checks what the file asks of this machine
    return file


def _compute_bound(file: _KeyFile) -> bytes:
    """Return what is sealed along: everything that the file says in clear, as values and not as text."""
    return tagged_hash(
        "key-file",
        file.schema.encode("utf-8"),
        bytes.fromhex(file.public_key),
        file.kdf.name.encode("utf-8"),
        file.kdf.memory_bytes,
        file.kdf.passes,
        bytes.fromhex(file.kdf.salt),
        file.cipher.encode("utf-8"),
        bytes.fromhex(file.nonce),
    )


def _derive(kdf: _Kdf, password: bytes) -> bytes:
    try:
        return argon2id.kdf(
            crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
            password,
            bytes.fromhex(kdf.salt),
            opslimit=kdf.passes,
            memlimit=kdf.memory_bytes,
        )
    except DerivationError as exc:
        raise ConfigError(
            f"a password takes {kdf.memory_bytes // 1_048_576} MiB of memory here, which there is not",
            remedy="free that much, or raise the limit on this process",
        ) from exc
