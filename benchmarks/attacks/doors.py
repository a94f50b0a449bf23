"""Attacks by strangers: connections that never become links, and bytes of other protocols."""

import secrets
import ssl

import trio

from benchmarks.attacks.links import LIMITS, Target, come_back, open_socket
from consensus.encoding import encode
from consensus.identity import KeyPair
from swarm.edge.handshake import MAGIC, NONCE_BYTES, VERSION_MAX, VERSION_MIN, Hello
from swarm.edge.streams import meter
from swarm.edge.tls import secure_dialed
from swarm.edge.websocket_carrier import upgrade_dialed

DRIP_S = 0.2
HOLD_S = 30.0  # longer than anybody is waited for


def make_client_hello(newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """Return the first bytes of TLS, of a client that speaks nothing newer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = newest
    sent = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), sent).do_handshake()
    except ssl.SSLWantReadError:
        return sent.read()
    raise AssertionError("nobody answered, so the handshake cannot be over")


HELLO = make_client_hello()
NOISE: dict[str, bytes] = {
    "random": b"\x16\x03\x01" + secrets.token_bytes(4_000),
    "http": b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n",
    "tls1.2": make_client_hello(ssl.TLSVersion.TLSv1_2),
}


async def say_and_wait(target: Target, said: bytes, *, is_dripping: bool = False) -> None:
    """Connect, say something, all at once or byte by byte, and hold on until the other side hangs up."""

    async def drip(stream: trio.SocketStream) -> None:
        for place in range(len(said)):
            await stream.send_all(said[place : place + 1])
            await trio.sleep(DRIP_S)

    async def attempt() -> None:
        async with open_socket(target) as stream, trio.open_nursery() as nursery:
            if is_dripping:
                nursery.start_soon(drip, stream)
            elif said:
                await stream.send_all(said)
            with trio.move_on_after(HOLD_S):
                while await stream.receive_some():
                    pass  # what it says is of no interest
            nursery.cancel_scope.cancel()

    await come_back(attempt)


async def stop_half_way(target: Target, signer: KeyPair) -> None:
    """Come as far as the WebSocket, say hello, and never prove the key."""

    async def attempt() -> None:
        async with open_socket(target) as stream, trio.open_nursery() as nursery:
            channel = await secure_dialed(meter(stream, LIMITS))
            carrier = await upgrade_dialed(nursery, channel, "peer", LIMITS)
            nonce = secrets.token_bytes(NONCE_BYTES)
            hello = Hello(MAGIC, VERSION_MIN, VERSION_MAX, target.network.network_id, signer.key, nonce)
            await carrier.send(encode(hello))
            with trio.move_on_after(HOLD_S):
                while True:
                    await carrier.recv()
            nursery.cancel_scope.cancel()

    await come_back(attempt)
