"""TLS between peers: throwaway identities, what they are bound to, and who is found out."""

import gc
import os
import ssl
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from consensus.encoding import decode, encode
from consensus.errors import ConfigError, NetworkError, PeerError
from consensus.hashing import sha256
from swarm.edge.certificate import CertifiedKey, create_certified_key
from swarm.edge.handshake import HELLO_BYTES_MAX, Authenticated, Hello
from swarm.edge.tls import TlsIdentity
from swarm.edge.transport import Carrier
from swarm.edge.websocket import dial, serve
from tests.edge.carriers import (
    LIMITS,
    LOOPBACK,
    TLS,
    assert_serving,
    connect_socket,
    echo_forever,
    make_client_context,
    run_trio,
)
from tests.edge.meeting import ANNA, BERT, Middle, Outcomes, make_handshaker, meet

# Identities.


def test_a_certificate_is_fresh_says_nothing_and_needs_no_clock() -> None:
    first, second = create_certified_key(), create_certified_key()
    certificate = x509.load_der_x509_certificate(first.der)
    key = load_pem_private_key(first.pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(certificate)
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)  # RFC 5929 then says SHA-256
    assert certificate.not_valid_before_utc < datetime(2001, 1, 1, tzinfo=UTC)
    assert certificate.not_valid_after_utc.year == 9999
    other = x509.load_der_x509_certificate(second.der)
    assert certificate.subject == other.subject
    assert certificate.public_key() != other.public_key()
    assert certificate.serial_number != other.serial_number
    assert "pem" not in repr(first)


def test_identities_differ_and_bind_to_32_bytes() -> None:
    first, second = TlsIdentity.create(), TlsIdentity.create()
    assert first.binding != second.binding
    assert len(first.binding) == len(second.binding) == 32


def find_files_with(needle: bytes, *roots: Path) -> list[Path]:
    files = [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]
    return [path for path in files if needle in path.read_bytes()]


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_private_key_is_in_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []

    def make() -> CertifiedKey:
        certified = create_certified_key()
        made.append(certified.pem)
        return certified

    for name in ("TMPDIR", "TMP", "TEMP", "HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("swarm.edge.certificate.create_certified_key", make)
    common = Path("/tmp")
    gc.collect()  # what earlier tests have left
    names, descriptors = set(common.iterdir()), count_descriptors()
    identity = TlsIdentity.create()
    needle = made[0].splitlines()[1]
    new = [path for path in sorted(set(common.iterdir()) - names) if path.is_file()]
    assert [path for path in new if needle in path.read_bytes()] == []
    assert find_files_with(needle, tmp_path) == []
    (tmp_path / "key.pem").write_bytes(made[0])
    assert find_files_with(needle, tmp_path) == [tmp_path / "key.pem"]  # it would have been found
    gc.collect()
    assert count_descriptors() == descriptors  # nor in one that is only open
    assert identity.context.cert_store_stats()["x509"] == 0


def test_a_system_without_such_memory_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, flags: int) -> int:
        raise PermissionError(f"no memory called {name} for {flags}")

    monkeypatch.setattr(os, "memfd_create", fail)
    with pytest.raises(ConfigError, match="not written to a disk") as caught:
        TlsIdentity.create()
    assert "/proc" in caught.value.remedy


# What the two ends see.


def test_both_ends_see_one_binding() -> None:
    seen: list[bytes] = []

    async def note(carrier: Carrier) -> None:
        seen.append(carrier.binding)
        await echo_forever(carrier)

    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, note, LOOPBACK, 0, limits=LIMITS, tls=TLS))
            assert url.startswith("wss://127.0.0.1:")
            carrier = await dial(nursery, url, limits=LIMITS)
            await carrier.send(b"hello")
            assert await carrier.recv() == b"hello"
            assert seen == [carrier.binding] == [TLS.binding]
            await carrier.aclose()
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_the_binding_is_the_digest_of_the_certificate_on_the_wire() -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, LOOPBACK, 0, limits=LIMITS, tls=TLS))
            stream = trio.SSLStream(await connect_socket(url), make_client_context(), https_compatible=True)
            await stream.do_handshake()
            assert sha256(stream.getpeercert(binary_form=True)) == TLS.binding
            assert stream.version() == "TLSv1.3"
            await stream.aclose()
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_no_session_can_be_resumed() -> None:
    """A resumed session would show no certificate."""

    async def body() -> None:
        context = make_client_context()
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, LOOPBACK, 0, limits=LIMITS, tls=TLS))
            for _ in range(2):
                stream = trio.SSLStream(await connect_socket(url), context, https_compatible=True)
                await stream.do_handshake()
                await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 400")  # tickets would have come
                assert not stream.session_reused
                assert stream.session is None or not stream.session.has_ticket
                await stream.aclose()
            nursery.cancel_scope.cancel()

    run_trio(body)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_nothing_older_than_tls_1_3_is_spoken(version: ssl.TLSVersion) -> None:
    async def body() -> None:
        context = make_client_context()
        context.minimum_version = context.maximum_version = version
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, LOOPBACK, 0, limits=LIMITS, tls=TLS))
            stream = trio.SSLStream(await connect_socket(url), context, https_compatible=True)
            if version is ssl.TLSVersion.TLSv1_3:
                await stream.do_handshake()
            else:
                with pytest.raises(trio.BrokenResourceError):
                    await stream.do_handshake()
            await trio.aclose_forcefully(stream)
            nursery.cancel_scope.cancel()

    run_trio(body)


OFFER = bytes.fromhex("002b 0003 02 0304")  # supported_versions of a client that speaks TLS 1.3 only
LOWERED = bytes.fromhex("002b 0003 02 0303")


async def pump(source: trio.SocketStream, sink: trio.SocketStream, old: bytes, new: bytes) -> None:
    try:
        async for data in source:
            await sink.send_all(data.replace(old, new) if old else data)
        await sink.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        await sink.aclose()


@pytest.mark.parametrize("new", [OFFER, LOWERED], ids=["forwarded", "stripped"])
def test_a_version_of_tls_stripped_on_the_way_is_an_end_not_a_downgrade(new: bytes) -> None:
    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, LOOPBACK, 0, limits=LIMITS, tls=TLS))

            async def forward(near: trio.SocketStream) -> None:
                async with near, await connect_socket(url) as far, trio.open_nursery() as pumps:
                    pumps.start_soon(pump, near, far, OFFER, new)
                    pumps.start_soon(pump, far, near, b"", b"")

            listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
            nursery.start_soon(trio.serve_listeners, forward, listeners)
            middle = f"wss://{LOOPBACK}:{listeners[0].socket.getsockname()[1]}"
            if new == OFFER:
                await assert_serving(nursery, middle)
            else:
                with pytest.raises(NetworkError, match=r"could not connect.*SSL"):
                    await dial(nursery, middle, limits=LIMITS)
            nursery.cancel_scope.cancel()

    run_trio(body)


# A man in the middle of the handshake above.


def assert_found_out(outcomes: Outcomes) -> None:
    assert isinstance(outcomes.answered, PeerError)
    assert "does not hold" in outcomes.answered.message
    assert isinstance(outcomes.dialed, NetworkError)


def test_nobody_between_them_is_no_obstacle() -> None:
    outcomes = meet()
    assert outcomes.dialed == Authenticated(BERT.key, 1)
    assert outcomes.answered == Authenticated(ANNA.key, 1)


def test_a_relay_of_the_same_certificate_would_pass() -> None:
    """Shows that it is the certificate, and nothing else of the proxy, that the next test fails by."""
    outcomes = meet(Middle(TLS))
    assert outcomes.dialed == Authenticated(BERT.key, 1)
    assert outcomes.answered == Authenticated(ANNA.key, 1)


def test_another_certificate_fails_at_both_ends_though_all_else_is_forwarded() -> None:
    assert_found_out(meet(Middle(TlsIdentity.create())))


@pytest.mark.parametrize("is_near_clear", [True, False], ids=["near", "far"])
def test_tls_on_one_side_only_fails_at_both_ends(is_near_clear: bool) -> None:
    """TLS stripped on the way: neither end can be led to think that there is none."""
    assert_found_out(meet(Middle(None)) if is_near_clear else meet(Middle(TLS), listener=None))


def lower_version(frame: bytes) -> bytes:
    try:
        hello = decode(Hello, frame, bytes_max=HELLO_BYTES_MAX)
    except PeerError:
        return frame
    return encode(Hello(hello.magic, 1, 1, hello.network, hello.key, hello.nonce))


def test_versions_cannot_be_talked_down_even_by_who_has_the_certificate() -> None:
    """Who has stolen the key of the certificate still cannot change what the two ends sign."""
    anna, bert = make_handshaker(ANNA, version_max=2), make_handshaker(BERT, version_max=2)
    assert_found_out(meet(Middle(TLS, lower_version), anna=anna, bert=bert))
    outcomes = meet(Middle(TLS), anna=anna, bert=bert)
    assert outcomes.dialed == Authenticated(BERT.key, 2)
