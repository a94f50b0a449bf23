"""Signed address records: where a member of a network says that it can be dialed.

A record is a member's own word under its own key, so whoever passes it on can drop it but not change it.
It proves nothing about what answers at its URLs: the handshake does, on every link.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consensus.encoding import Wire, decode, encode
from consensus.errors import ConfigError, LimitExceeded, PeerError
from consensus.hashing import sha256
from consensus.identity import SIGNATURE_BYTES, NetworkId, PeerKey, Signer, Verifier
from swarm.edge.network_urls import URL_BYTES_MAX, parse_url

KIND_ADDRESS_RECORD: Final = 254  # signing kind of a record; protocol kinds are lower, a handshake's is 255
URLS_MAX: Final = 4
TTL_S_MAX: Final = 86_400
AHEAD_MS_MAX: Final = 600_000  # how far ahead of this clock a member's may run
RECORD_BYTES_MAX: Final = 128 + URLS_MAX * (URL_BYTES_MAX + 3)
SIGNED_BYTES_MAX: Final = RECORD_BYTES_MAX + SIGNATURE_BYTES + 8


class AddressRecord(Wire, frozen=True):
    """What a record says; no URL means that the member is up and only dials out."""

    network: bytes
    key: bytes
    urls: tuple[bytes, ...]
    issued_ms: int
    ttl_s: int


class SignedRecord(Wire, frozen=True):
    """A record's exact bytes and its member's signature over them."""

    payload: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Addressed:
    """A record that was checked.

    Args:
        key: Whose it is.
        urls: Where to dial, each in its one form.
        issued_ms: Wall clock of its issue, milliseconds since 1970.
        expires_ms: Wall clock from which on it counts no longer.
        signed: As it travels.
    """

    key: PeerKey
    urls: tuple[str, ...]
    issued_ms: int
    expires_ms: int
    signed: SignedRecord

    def is_newer(self, other: "Addressed") -> bool:
        """Say whether this record replaces another of its key; of two of one moment the greater bytes do."""
        return (self.issued_ms, self.signed.payload) > (other.issued_ms, other.signed.payload)


def sign_record(
    signer: Signer, network_id: NetworkId, urls: Sequence[str], *, issued_ms: int, ttl_s: int = TTL_S_MAX
) -> Addressed:
    """Make a member's own record.

    Args:
        signer: The member.
        network_id: The network it is for, 32 bytes.
        urls: Where it can be dialed, at most `URLS_MAX`; none where it only dials out.
        issued_ms: Wall clock, milliseconds since 1970.
        ttl_s: Seconds for which it counts.

    Raises:
        ConfigError: Too many URLs, one that is none, or a time out of bounds.
    """
    if len(urls) > URLS_MAX:
        raise ConfigError(f"got {len(urls)} URLs, expected at most {URLS_MAX}", remedy="advertise fewer")
    if not 1 <= ttl_s <= TTL_S_MAX or issued_ms < 0:
        raise ConfigError(f"got a record of {ttl_s} s from {issued_ms} ms, expected 1 to {TTL_S_MAX} s")
    forms = tuple(_get_form(url) for url in urls)
    record = AddressRecord(network_id, signer.key, tuple(map(str.encode, forms)), issued_ms, ttl_s)
    payload = encode(record)
    signature = signer.sign(KIND_ADDRESS_RECORD, network_id, payload)
    return _make_addressed(record, forms, SignedRecord(payload, signature))


def open_record(signed: SignedRecord, *, network_id: NetworkId, verifier: Verifier) -> Addressed:
    """Check everything about a record that no clock and no list of members is needed for.

    Numbered steps:

    1. Sizes, and the canonical encoding.
    2. The network.
    3. The signature, over the exact bytes.
    4. Bounds of the times and of the number of URLs.
    5. Every URL is one, in its one form, and stands once.

    Not checked here: whether the key is a member's (`AddressBook.open`), and the clock (`is_current`).

    Raises:
        PeerError: A step fails.
    """
    # 1. Sizes and encoding.
    try:
        record = decode(AddressRecord, signed.payload, bytes_max=RECORD_BYTES_MAX)
    except LimitExceeded as exc:
        raise PeerError(exc.message) from exc
    # 2. Network.
    if record.network != network_id:
        raise PeerError(f"address record: got one for network {record.network.hex()[:16]}, expected another")
    # 3. Signature.
    digest = sha256(signed.payload)
    if not verifier.is_valid(record.key, KIND_ADDRESS_RECORD, network_id, digest, signed.signature):
        raise PeerError("address record: its signature does not hold")
    # 4. Bounds.
    if record.issued_ms < 0 or not 1 <= record.ttl_s <= TTL_S_MAX or len(record.urls) > URLS_MAX:
        raise PeerError(
            f"address record: got {len(record.urls)} URLs for {record.ttl_s} s, expected at most {URLS_MAX}"
            f" for 1 to {TTL_S_MAX} s"
        )
    # 5. URLs.
    urls = tuple(_read_url(url) for url in record.urls)
    if len(set(urls)) != len(urls):
        raise PeerError("address record: got a URL twice")
    return _make_addressed(record, urls, signed)


def is_current(record: Addressed, now_ms: int) -> bool:
    """Say whether a record counts: it has not expired, and was not issued more than `AHEAD_MS_MAX` from now.

    Args:
        record: One that `open_record` gave back.
        now_ms: This machine's wall clock, milliseconds since 1970.
    """
    return record.expires_ms > now_ms and record.issued_ms <= now_ms + AHEAD_MS_MAX


def _get_form(url: str) -> str:
    """Return the one form of a URL; names outside of ASCII have one in ASCII, which is to be used."""
    form = parse_url(url).url
    if not form.isascii():
        raise ConfigError(
            f"got {url!r}, expected ASCII only", remedy="write the name as DNS has it (xn--...)"
        )
    return form


def _read_url(url: bytes) -> str:
    try:
        text = url.decode("ascii")
        form = _get_form(text)
    except (ConfigError, UnicodeDecodeError) as exc:
        raise PeerError(f"address record: got {url[:64]!r}, which is no URL of ours") from exc
    if form != text:
        raise PeerError(f"address record: got the URL {text!r}, expected {form!r}")
    return form


def _make_addressed(record: AddressRecord, urls: tuple[str, ...], signed: SignedRecord) -> Addressed:
    return Addressed(
        key=PeerKey(record.key),
        urls=urls,
        issued_ms=record.issued_ms,
        expires_ms=record.issued_ms + record.ttl_s * 1_000,
        signed=signed,
    )
