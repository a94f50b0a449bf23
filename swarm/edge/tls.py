"""TLS between peers: a certificate for one run of one listener, bound to the handshake above it.

A certificate here says nothing about who somebody is, and nobody verifies it: keys are proven by the
handshake (`swarm.edge.handshake`), which signs `binding`, the digest of the certificate as each end saw
it. A man in the middle has to show another certificate, for the private key of this one exists in the
listener's memory only, and then the two ends sign different things.

What TLS is not used for, and why:
- names, authorities, client certificates: the handshake knows keys, in both directions;
- session tickets: a resumed session shows no certificate, so there would be nothing to bind to;
- ALPN: the port speaks one protocol and the Hello inside has its versions; the offer would travel in
  clear and tell everybody on the way which program this is;
- close_notify: frames have lengths and WebSockets a farewell, so a truncation cannot pass for an end.

Not checked here: the binding itself (`swarm.edge.handshake`), and deadlines (`swarm.edge.websocket`).
"""

import os
import ssl
from dataclasses import dataclass
from functools import cache
from typing import Final

import trio

from consensus.errors import ConfigError
from consensus.hashing import sha256
from swarm.edge.streams import Channel, MeteredStream

RECORD_BYTES: Final = 16_384  # most that one TLS record holds, so more is never read at one time


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """A listener's certificate, ready to serve.

    Args:
        binding: SHA-256 of the certificate's DER encoding, 32 bytes (RFC 5929 section 4.1; the
            certificate is signed with SHA-256).
        context: Serves it; holds the private key, which can be read from nowhere else.
    """

    binding: bytes
    context: ssl.SSLContext

    @classmethod
    def create(cls) -> "TlsIdentity":
        """Make a key and a certificate that live as long as this object.

        Raises:
            ConfigError: This system lends no memory that OpenSSL can load the key from.
        """
        from swarm.edge.certificate import create_certified_key  # 30 ms that only listeners need

        certified = create_certified_key()
        context = _restrict(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.num_tickets = 0
        _load(context, certified.pem)
        return cls(sha256(certified.der), context)


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """Give `context` a key and certificate by way of nameless memory: OpenSSL takes nothing but a path."""
    try:
        with os.fdopen(os.memfd_create("tls", os.MFD_CLOEXEC), "wb") as memory:
            memory.write(pem)
            memory.flush()
            context.load_cert_chain(f"/proc/self/fd/{memory.fileno()}")
    except OSError as exc:
        raise ConfigError(
            f"the TLS key cannot be loaded from memory ({exc}), and is not written to a disk",
            remedy="run on Linux with /proc mounted",
        ) from exc


def _restrict(context: ssl.SSLContext) -> ssl.SSLContext:
    """Leave nothing to choose: TLS 1.3, certificates unverified, no resumption."""
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    return context


@cache
def _get_client_context() -> ssl.SSLContext:
    return _restrict(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


async def secure_dialed(socket: MeteredStream) -> Channel:
    """Start TLS on a socket this end opened; the caller owns the deadline.

    Returns:
        The channel, bound to the certificate that was shown, whoever showed it. Foreign errors pass.
    """
    stream = trio.SSLStream(socket, _get_client_context(), https_compatible=True)
    await stream.do_handshake()
    certificate: bytes | None = stream.getpeercert(binary_form=True)
    if certificate is None:  # OpenSSL lets no TLS 1.3 server go without, unless a session were resumed
        raise trio.BrokenResourceError("the other side showed no certificate")
    return Channel(stream, socket, sha256(certificate), RECORD_BYTES)


async def secure_accepted(socket: MeteredStream, identity: TlsIdentity) -> Channel:
    """Start TLS on a socket this end accepted; the caller owns the deadline. Foreign errors pass."""
    stream = trio.SSLStream(socket, identity.context, server_side=True, https_compatible=True)
    await stream.do_handshake()
    return Channel(stream, socket, identity.binding, RECORD_BYTES)
