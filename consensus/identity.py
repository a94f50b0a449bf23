"""Ed25519 identities: who signs, and whether a signature holds.

Signing bytes are `"peerage/1" || kind || network id || SHA-256(exact bytes)` (protocol.md, first
paragraph), so a signature made for one kind, one network or one payload is worthless for another,
and a long body costs no more than a short one. Verification is as strict as libsodium's (RFC 8032,
small-order and non-canonical points refused).
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NewType, Protocol

from nacl.bindings import (
    crypto_sign,
    crypto_sign_BYTES,
    crypto_sign_open,
    crypto_sign_PUBLICKEYBYTES,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import BadSignatureError

from consensus.errors import ConfigError
from consensus.hashing import sha256, tagged_hash

PeerKey = NewType("PeerKey", bytes)
NetworkId = NewType("NetworkId", bytes)

KEY_BYTES = crypto_sign_PUBLICKEYBYTES
SIGNATURE_BYTES = crypto_sign_BYTES
SEED_BYTES = 32
VERIFIED_MAX = 65_536  # entries a Verifier remembers; about 22 MB


def signing_bytes(kind: int, network_id: NetworkId, payload_digest: bytes) -> bytes:
    """Return the bytes that are signed for a payload whose SHA-256 is `payload_digest`."""
    return b"peerage/1" + bytes([kind]) + network_id + payload_digest


class Signer(Protocol):
    """Something that holds a secret key. A core is handed one; it never sees the secret."""

    @property
    def key(self) -> PeerKey:
        """The public key, 32 bytes."""

    def sign(self, kind: int, network_id: NetworkId, payload: bytes) -> bytes:
        """Return the 64-byte signature of `payload` under its kind and network."""

    def derive_salt(self, *context: bytes | int) -> bytes:
        """Return 32 secret bytes, a function of the secret key and `context` only."""


class KeyPair:
    """A signer whose secret lives in this process."""

    __slots__ = ("_secret", "_seed", "key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ConfigError(f"an Ed25519 seed has {SEED_BYTES} bytes, got {len(seed)}")
        public, secret = crypto_sign_seed_keypair(seed)
        self.key = PeerKey(public)
        self._secret = secret
        self._seed = seed

    def sign(self, kind: int, network_id: NetworkId, payload: bytes) -> bytes:
        """Return the 64-byte signature of `payload` under its kind and network."""
        message = signing_bytes(kind, network_id, sha256(payload))
        return crypto_sign(message, self._secret)[:SIGNATURE_BYTES]

    def derive_salt(self, *context: bytes | int) -> bytes:
        """Return 32 secret bytes, a function of the secret key and `context` only."""
        return tagged_hash("salt", self._seed, *context)

    def __repr__(self) -> str:
        return f"KeyPair({self.key.hex()[:16]}…)"


@dataclass(frozen=True, slots=True)
class _Checked:
    key: bytes
    message: bytes
    signature: bytes


class Verifier:
    """Checks signatures and remembers the good ones.

    Whether a signature holds is a pure function of its bytes, so the seats of one process may share
    a verifier. Only successes are remembered: a flood of bad signatures displaces nothing.
    """

    __slots__ = ("_good", "_good_max")

    def __init__(self, good_max: int = VERIFIED_MAX) -> None:
        self._good: OrderedDict[_Checked, None] = OrderedDict()
        self._good_max = good_max

    def is_valid(
        self, key: bytes, kind: int, network_id: NetworkId, payload_digest: bytes, signature: bytes
    ) -> bool:
        """Say whether `signature` is `key`'s over a payload with this SHA-256, kind and network."""
        if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
            return False
        message = signing_bytes(kind, network_id, payload_digest)
        entry = _Checked(key, message, signature)
        if entry in self._good:
            return True
        try:
            crypto_sign_open(signature + message, key)
        except BadSignatureError:
            return False
        self._remember(entry)
        return True

    def note_signed(
        self, key: bytes, kind: int, network_id: NetworkId, payload: bytes, signature: bytes
    ) -> None:
        """Remember a signature that this process has just made itself."""
        self._remember(_Checked(key, signing_bytes(kind, network_id, sha256(payload)), signature))

    def _remember(self, entry: _Checked) -> None:
        self._good[entry] = None
        if len(self._good) > self._good_max:
            self._good.popitem(last=False)
