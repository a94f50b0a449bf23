"""Strangers' bytes below, inside and after TLS: each ends its own connection, in time and without growth."""

import itertools
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from consensus.errors import NetworkError
from swarm.edge.transport import Carrier
from swarm.edge.websocket import dial, serve
from tests.edge.carriers import (
    LIMITS,
    LOOPBACK,
    TLS,
    UPGRADE,
    assert_serving,
    connect_socket,
    echo_forever,
    make_client_context,
    recv_until_closed,
    run_trio,
    upgrade_raw,
)

HASTY = replace(LIMITS, handshake_timeout_s=0.5)
MARGIN_S = 1.5  # a busy machine
SUITE = "TLS_AES_256_GCM_SHA384"  # the first choice of every OpenSSL, so what two of them agree on
HANDSHAKE, APPLICATION_DATA = 22, 23  # content types of TLS records
KEY_UPDATE = b"\x18\x00\x00\x01\x00"
FLOOD_BYTES_MAX = 32 << 20  # far more than limits and kernel buffers let through


def serve_while(attack: Callable[[str], Awaitable[None]]) -> None:
    """Run the attack on a TLS listener that has to serve somebody else during it and after it."""

    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo_forever, LOOPBACK, 0, limits=HASTY, tls=TLS))
            async with trio.open_nursery() as attackers:
                attackers.start_soon(attack, url)
                await assert_serving(nursery, url)
            await assert_serving(nursery, url)
            nursery.cancel_scope.cancel()

    run_trio(body)


def record_client_hello() -> bytes:
    """Return what a TLS client says first: one record."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = make_client_context().wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


CLIENT_HELLO = record_client_hello()
BELOW = {
    "nothing": b"",
    "zeros": bytes(1_000),
    "noise": bytes(range(256)) * 64,
    "http": UPGRADE + b"\r\n",
    "half a hello": CLIENT_HELLO[: len(CLIENT_HELLO) // 2],
    "hello and silence": CLIENT_HELLO,
    "hello twice": CLIENT_HELLO + CLIENT_HELLO,
    "hello, then noise": CLIENT_HELLO + bytes(range(256)) * 64,
    "record beyond 16 KB": b"\x16\x03\x01\xff\xff" + bytes(70_000),
    "hello of 16 MB": b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16_380),
    "empty records": b"\x16\x03\x01\x00\x00" * 10_000,
    "alerts": b"\x15\x03\x01\x00\x02\x01\x00" * 10_000,
}


@pytest.mark.parametrize("data", BELOW.values(), ids=BELOW.keys())
def test_bytes_that_are_no_handshake_end_by_the_deadline(data: bytes) -> None:
    async def attack(url: str) -> None:
        async with await connect_socket(url) as socket:
            with trio.fail_after(HASTY.handshake_timeout_s + MARGIN_S):
                try:
                    await socket.send_all(data)
                except trio.BrokenResourceError:
                    return
                await recv_until_closed(socket)

    serve_while(attack)


async def trickle(stream: trio.abc.Stream, data: bytes) -> None:
    """Send a byte at a time, for ever: until the other side has had enough."""
    for index in itertools.count():
        await stream.send_all(data[index : index + 1] or b"\0")
        await trio.testing.wait_all_tasks_blocked(0.005)


def test_a_hello_that_trickles_in_does_not_extend_the_deadline() -> None:
    async def attack(url: str) -> None:
        async with await connect_socket(url) as socket:
            with trio.fail_after(HASTY.handshake_timeout_s + MARGIN_S):
                with pytest.raises(trio.BrokenResourceError):
                    await trickle(socket, CLIENT_HELLO[:200])

    serve_while(attack)


def test_an_upgrade_that_trickles_in_has_only_what_tls_left_of_the_deadline() -> None:
    async def attack(url: str) -> None:
        started = trio.current_time()
        stream = trio.SSLStream(await connect_socket(url), make_client_context(), https_compatible=True)
        async with stream:
            await stream.do_handshake()
            with trio.fail_after(HASTY.handshake_timeout_s + MARGIN_S):
                with pytest.raises(trio.BrokenResourceError):
                    await trickle(stream, UPGRADE)
        assert trio.current_time() - started < HASTY.handshake_timeout_s + MARGIN_S

    serve_while(attack)


def test_a_server_that_trickles_is_given_up_by_the_deadline() -> None:
    async def drip(stream: trio.SocketStream) -> None:
        async with stream:
            with pytest.raises(trio.BrokenResourceError):
                await trickle(stream, b"\x16\x03\x03\x3f\xff")

    async def body() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
            nursery.start_soon(trio.serve_listeners, drip, listeners)
            port = listeners[0].socket.getsockname()[1]
            with trio.fail_after(HASTY.handshake_timeout_s + MARGIN_S), pytest.raises(NetworkError):
                await dial(nursery, f"wss://{LOOPBACK}:{port}", limits=HASTY)
            nursery.cancel_scope.cancel()

    run_trio(body)


class Forger:
    """The client of an established TLS session that seals records no library would send (RFC 8446).

    Args:
        socket: Below the session, on which the client has sent nothing since the handshake.
        secret: The client's first traffic secret, 48 bytes.
    """

    def __init__(self, socket: trio.SocketStream, secret: bytes) -> None:
        self.socket = socket
        self._use(secret)

    def _use(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher = AESGCM(expand_label(secret, b"key", 32))
        self._iv = int.from_bytes(expand_label(secret, b"iv", 12), "big")
        self._sequence = 0

    def seal(self, content: bytes, content_type: int) -> bytes:
        """Return one record."""
        header = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2, "big")
        nonce = (self._iv ^ self._sequence).to_bytes(12, "big")
        self._sequence += 1
        return header + self._cipher.encrypt(nonce, content + bytes([content_type]), header)

    def seal_key_update(self) -> bytes:
        """Return a key update, and go on with the next key."""
        record = self.seal(KEY_UPDATE, HANDSHAKE)
        self._use(expand_label(self._secret, b"traffic upd", 48))
        return record

    async def upgrade(self) -> None:
        """Ask for the WebSocket; the answer is not read."""
        await self.socket.send_all(self.seal(UPGRADE + b"\r\n", APPLICATION_DATA))

    async def flood(self, make: Callable[[], bytes]) -> int:
        """Send records until the other side hangs up; return how many bytes it let pass."""
        sent = 0
        while sent < FLOOD_BYTES_MAX:
            data = b"".join(make() for _ in range(200))
            try:
                await self.socket.send_all(data)
            except trio.BrokenResourceError:
                break
            sent += len(data)
        return sent


def expand_label(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label without a context, RFC 8446 section 7.1."""
    name = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\x00"
    return HKDFExpand(SHA384(), length, info).derive(secret)


async def open_forger(url: str, keys: Path) -> Forger:
    context = make_client_context()
    context.keylog_filename = str(keys)
    socket = await connect_socket(url)
    stream = trio.SSLStream(socket, context, https_compatible=True)
    await stream.do_handshake()
    assert stream.cipher()[0] == SUITE
    (secret,) = (
        bytes.fromhex(line.split()[2])
        for line in keys.read_text().splitlines()
        if line.startswith("CLIENT_TRAFFIC_SECRET_0")
    )
    return Forger(socket, secret)


def test_forged_records_are_records(tmp_path: Path) -> None:
    """Shows that what the tests below are refused for is what they say, not how it is sealed."""

    async def attack(url: str) -> None:
        forger = await open_forger(url, tmp_path / "keys")
        async with forger.socket:
            await forger.socket.send_all(forger.seal_key_update() + forger.seal_key_update())
            await forger.upgrade()
            hello = b"\x82\x85\0\0\0\0hello"
            await forger.socket.send_all(forger.seal(hello, APPLICATION_DATA))
            received = bytearray()
            # The upgrade's answer, and an echo of seven bytes, in records of their own.
            while len(received) < 7 + 2 * 22 + 100:
                data = await forger.socket.receive_some()
                assert data
                received += data

    serve_while(attack)


INSIDE = {
    "renegotiation": CLIENT_HELLO[5:],
    "server's hello": b"\x02" + CLIENT_HELLO[6:],
    "certificate": b"\x0b\x00\x00\x04\x00\x00\x00\x00",
    "finished": b"\x14\x00\x00\x30" + bytes(48),
    "ticket": b"\x04\x00\x00\x0d" + bytes(13),
    "unknown": b"\x63\x00\x00\x00",
    "message of 16 MB": b"\x18\xff\xff\xff" + bytes(12_000),
}


@pytest.mark.parametrize("is_upgraded", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("message", INSIDE.values(), ids=INSIDE.keys())
def test_handshake_messages_after_the_handshake_end_the_connection_at_once(
    message: bytes, is_upgraded: bool, tmp_path: Path
) -> None:
    async def attack(url: str) -> None:
        forger = await open_forger(url, tmp_path / "keys")
        async with forger.socket:
            if is_upgraded:
                await forger.upgrade()
            await forger.socket.send_all(forger.seal(message, HANDSHAKE))
            with trio.fail_after(MARGIN_S):
                await recv_until_closed(forger.socket)

    serve_while(attack)


def test_a_record_longer_than_tls_allows_ends_the_connection_at_once(tmp_path: Path) -> None:
    async def attack(url: str) -> None:
        forger = await open_forger(url, tmp_path / "keys")
        async with forger.socket:
            await forger.upgrade()
            await forger.socket.send_all(forger.seal(bytes(16_640), APPLICATION_DATA))
            with trio.fail_after(MARGIN_S):
                await recv_until_closed(forger.socket)

    serve_while(attack)


@pytest.mark.parametrize("is_key_update", [False, True], ids=["empty records", "key updates"])
def test_a_flood_of_records_without_a_frame_ends_the_connection(is_key_update: bool, tmp_path: Path) -> None:
    async def attack(url: str) -> None:
        forger = await open_forger(url, tmp_path / "keys")
        async with forger.socket:
            await forger.upgrade()
            make = forger.seal_key_update if is_key_update else partial(forger.seal, b"", APPLICATION_DATA)
            with trio.fail_after(10.0):
                assert await forger.flood(make) < FLOOD_BYTES_MAX

    serve_while(attack)


def test_a_peer_that_answers_no_farewell_is_left_within_the_close_timeout() -> None:
    """Neither the WebSocket's close nor TLS's close_notify is waited for without end."""

    async def say_goodbye(carrier: Carrier) -> None:
        await carrier.send(b"goodbye")

    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, say_goodbye, LOOPBACK, 0, limits=LIMITS, tls=TLS))
            stream = await upgrade_raw(url)
            async with stream:
                with trio.fail_after(LIMITS.close_timeout_s + MARGIN_S):
                    assert b"goodbye" in await recv_until_closed(stream)
            nursery.cancel_scope.cancel()

    run_trio(body)


def test_a_peer_that_never_reads_costs_its_own_connection_only() -> None:
    """Its unread frames fill the kernel's buffers and no more; when the handler has had enough it closes."""
    sent, is_over = 0, trio.Event()

    async def talk(carrier: Carrier) -> None:
        nonlocal sent
        if (first := await carrier.recv()) != b"talk":
            await carrier.send(first)
            return
        with trio.move_on_after(0.3):
            while True:
                await carrier.send(bytes(4096))
                sent += 1
        is_over.set()

    async def body() -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, talk, LOOPBACK, 0, limits=LIMITS, tls=TLS))
            stream = await upgrade_raw(url)
            async with stream:
                await stream.send_all(b"\x82\x84\0\0\0\0talk")
                await assert_serving(nursery, url)
                await is_over.wait()
                with trio.fail_after(LIMITS.close_timeout_s + MARGIN_S):
                    await recv_until_closed(stream)
            assert 0 < sent * 4096 < FLOOD_BYTES_MAX
            nursery.cancel_scope.cancel()

    run_trio(body)
