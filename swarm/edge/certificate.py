"""Throwaway certificates: a fresh key signs for itself, says nothing, and never expires."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

SUBJECT: Final = "self-signed"  # a certificate needs some name; this one tells nobody apart
# No clock takes part: the certificate is as good on a machine whose clock is wrong, at either end.
VALID_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC)
VALID_UNTIL: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # "no end", RFC 5280 section 4.1.2.5


@dataclass(frozen=True, slots=True, repr=False)
class CertifiedKey:
    """A certificate and its private key.

    Args:
        der: The certificate, DER.
        pem: Private key (unencrypted PKCS 8) and certificate, as OpenSSL loads them: keep it in memory.
    """

    der: bytes
    pem: bytes


def create_certified_key() -> CertifiedKey:
    """Draw a P-256 key and sign its certificate with it, with SHA-256."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SUBJECT)])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=VALID_FROM,
        not_valid_after=VALID_UNTIL,
    )
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return CertifiedKey(
        certificate.public_bytes(Encoding.DER), private + certificate.public_bytes(Encoding.PEM)
    )
