"""Authenticated handshake over any carrier, bound to one network.

Numbered steps, the same on both sides:

1. Send a `Hello` (magic, version range, network id, key, nonce) and receive the other's.
2. Refuse another network, no common version, one's own key, a key other than the one dialed.
3. The initiator signs the transcript and sends its `Proof`; the responder checks it before it answers
   with its own, which the initiator checks.

The transcript holds both Hellos' fields, so neither a version range nor a nonce can be changed on the
way; the role of the signer, so that a proof cannot be reflected; and the channel binding, so that under
TLS a man in the middle with another certificate fails. On plain loopback sockets the binding is empty.

Not checked here: whether the key is a member, banned, or already linked (`swarm.edge.mesh`).
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from consensus.encoding import Wire, decode, encode
from consensus.errors import ConfigError, LimitExceeded, NetworkError, PeerError
from consensus.hashing import DIGEST_BYTES, sha256
from consensus.identity import KEY_BYTES, NetworkId, PeerKey, Signer, Verifier
from swarm.edge.transport import Carrier

KIND_HANDSHAKE = 255  # signing kind of a transcript; protocol kinds are lower
MAGIC = b"peerage"
NONCE_BYTES = 32
VERSION_MIN = 1  # oldest edge protocol this build speaks
VERSION_MAX = 1  # newest
HELLO_BYTES_MAX = 256
PROOF_BYTES_MAX = 128
ROLE_INITIATOR = 1
ROLE_RESPONDER = 2


class OwnKeyError(NetworkError):
    """The other side says to have this node's own key. It has not proven that."""


class Hello(Wire, frozen=True):
    """First frame of either side: who speaks, for which network, in which versions."""

    magic: bytes
    version_min: int
    version_max: int
    network: bytes
    key: bytes
    nonce: bytes


class Transcript(Wire, frozen=True):
    """What a `Proof` signs; both sides build it, nobody sends it."""

    role: int
    network: bytes
    key_initiator: bytes
    key_responder: bytes
    nonce_initiator: bytes
    nonce_responder: bytes
    versions: tuple[int, int, int, int]  # initiator's min and max, responder's min and max
    binding: bytes


class Proof(Wire, frozen=True):
    """Second frame of either side: its signature of the transcript under its own role."""

    signature: bytes


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The other end of a carrier, proven.

    Args:
        key: The key that signed this very transcript.
        version: The newest protocol version both ends speak.
    """

    key: PeerKey
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshaker:
    """One node's side of every handshake it makes.

    Args:
        signer: Holds the node's key.
        network_id: The only network spoken for, 32 bytes.
        timeout_s: Deadline of a whole handshake, seconds.
        version_min: Oldest protocol version offered.
        version_max: Newest protocol version offered.
        draw_nonce: Given a number of bytes, returns as many unpredictable ones.
        refuses: Says of a key that claims to come in, before it proves itself, that it is not let in: so
            that it never is for a moment, and costs no signature.
    """

    signer: Signer
    network_id: NetworkId
    timeout_s: float
    version_min: int = VERSION_MIN
    version_max: int = VERSION_MAX
    draw_nonce: Callable[[int], bytes] = secrets.token_bytes
    refuses: Callable[[PeerKey], bool] = field(default=lambda _: False)

    def __post_init__(self) -> None:
        if len(self.network_id) != DIGEST_BYTES:
            raise ConfigError(f"a network id has {DIGEST_BYTES} bytes, got {len(self.network_id)}")
        if not 0 <= self.version_min <= self.version_max:
            raise ConfigError(f"version range {self.version_min}..{self.version_max} is empty")

    async def dial(
        self, carrier: Carrier, *, expected_key: PeerKey | None, binding: bytes = b""
    ) -> Authenticated:
        """Authenticate both ends of a carrier this node opened.

        Args:
            carrier: An open carrier on which nothing was sent yet. The caller closes it, whatever happens.
            expected_key: The key that must answer, or None to take any.
            binding: Channel binding as this end saw it; empty on a channel without one.

        Returns:
            The other end; the carrier has been told that it is no stranger any more.

        Raises:
            NetworkError: Refused (step 2), closed by the other side, or the deadline passed.
            PeerError: Bytes that are no handshake, or a signature that does not hold.
        """
        return await self._within_deadline(carrier, ROLE_INITIATOR, expected_key, binding)

    async def answer(self, carrier: Carrier, *, binding: bytes = b"") -> Authenticated:
        """Authenticate both ends of a carrier another node opened; see `dial` for the arguments."""
        return await self._within_deadline(carrier, ROLE_RESPONDER, None, binding)

    async def _within_deadline(
        self, carrier: Carrier, role: int, expected_key: PeerKey | None, binding: bytes
    ) -> Authenticated:
        try:
            with trio.fail_after(self.timeout_s):
                return await self._authenticate(carrier, role, expected_key, binding)
        except trio.TooSlowError as exc:
            raise NetworkError(f"the other side did not authenticate within {self.timeout_s:g} s") from exc
        except LimitExceeded as exc:
            raise PeerError(exc.message) from exc

    async def _authenticate(
        self, carrier: Carrier, role: int, expected_key: PeerKey | None, binding: bytes
    ) -> Authenticated:
        # 1. Hellos cross, so both ends can name the reason of a refusal.
        own = Hello(
            MAGIC,
            self.version_min,
            self.version_max,
            self.network_id,
            self.signer.key,
            self.draw_nonce(NONCE_BYTES),
        )
        await carrier.send(encode(own))
        other = decode(Hello, await carrier.recv(), bytes_max=HELLO_BYTES_MAX)
        # 2. Refusals.
        version = _verify_hello(own, other, expected_key)
        if role == ROLE_RESPONDER and self.refuses(PeerKey(other.key)):
            raise NetworkError(f"key {other.key.hex()} is not let in at present")
        # 3. Proofs: the initiator's first.
        if role == ROLE_INITIATOR:
            await self._send_proof(carrier, _transcript(role, own, other, binding))
            await self._recv_proof(carrier, other, _transcript(ROLE_RESPONDER, own, other, binding))
        else:
            await self._recv_proof(carrier, other, _transcript(ROLE_INITIATOR, other, own, binding))
            await self._send_proof(carrier, _transcript(role, other, own, binding))
        carrier.note_authenticated()
        return Authenticated(PeerKey(other.key), version)

    async def _send_proof(self, carrier: Carrier, transcript: bytes) -> None:
        await carrier.send(encode(Proof(self.signer.sign(KIND_HANDSHAKE, self.network_id, transcript))))

    async def _recv_proof(self, carrier: Carrier, other: Hello, transcript: bytes) -> None:
        proof = decode(Proof, await carrier.recv(), bytes_max=PROOF_BYTES_MAX)
        verifier = Verifier(good_max=1)  # fresh nonces: no handshake is ever verified twice
        if not verifier.is_valid(
            other.key, KIND_HANDSHAKE, self.network_id, sha256(transcript), proof.signature
        ):
            raise PeerError(f"the handshake signature of key {other.key.hex()} does not hold")


def _transcript(role: int, initiator: Hello, responder: Hello, binding: bytes) -> bytes:
    versions = (initiator.version_min, initiator.version_max, responder.version_min, responder.version_max)
    return encode(
        Transcript(
            role,
            initiator.network,
            initiator.key,
            responder.key,
            initiator.nonce,
            responder.nonce,
            versions,
            binding,
        )
    )


def _verify_hello(own: Hello, other: Hello, expected_key: PeerKey | None) -> int:
    if other.magic != MAGIC:
        raise PeerError(f"got magic {other.magic[:16]!r}, expected {MAGIC!r}: the other side is no peer")
    if len(other.key) != KEY_BYTES or len(other.nonce) != NONCE_BYTES:
        raise PeerError(f"got a key of {len(other.key)} bytes and a nonce of {len(other.nonce)}, expected 32")
    if other.network != own.network:
        raise NetworkError(
            f"the other side is in network {other.network.hex()}, this node in {own.network.hex()}",
            remedy="use the same genesis on both sides",
        )
    version = min(own.version_max, other.version_max)
    if version < max(own.version_min, other.version_min):
        older = "the other side" if other.version_max < own.version_min else "this node"
        raise NetworkError(
            f"the other side speaks versions {other.version_min}..{other.version_max} of the protocol between"
            f" peers, this node {own.version_min}..{own.version_max}: none in common",
            remedy=f"upgrade {older}, which is the older of the two",
        )
    if other.key == own.key:
        raise OwnKeyError(
            f"the other side has this node's own key {own.key.hex()}",
            remedy="give every peer its own key, and leave a peer's own address out of what it dials",
        )
    if expected_key is not None and other.key != expected_key:
        raise NetworkError(f"key {other.key.hex()} answered, expected {expected_key.hex()}")
    return version
