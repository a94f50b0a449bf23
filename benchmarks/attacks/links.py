"""Authenticated links of attackers, onto which they write what no honest program would."""

import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Final

import trio

from benchmarks.attacks.frames import Batch
from consensus.errors import LimitExceeded, NetworkError, PeerError
from consensus.genesis import Network
from consensus.identity import KeyPair
from consensus.messages import AskMessage, RoundClosed, SignedQuestion, decode_message
from swarm.edge.handshake import Handshaker
from swarm.edge.limits import EdgeLimits
from swarm.edge.network_urls import parse_url
from swarm.edge.streams import Channel, meter
from swarm.edge.tls import secure_dialed
from swarm.edge.transport import unpack_messages
from swarm.edge.websocket_carrier import FOREIGN_ERRORS, WebSocketCarrier, upgrade_dialed

LIMITS: Final = EdgeLimits()
SMALL_BYTES: Final = 4_096  # what a kernel keeps for somebody who never reads
BatchMaker = Callable[[Network, KeyPair, SignedQuestion | None], Batch]
GONE: Final = (*FOREIGN_ERRORS, NetworkError, PeerError, trio.BusyResourceError, trio.TooSlowError)


@dataclass(slots=True)
class Tally:
    """What an attacker got done."""

    connections: int = 0
    links: int = 0
    frames: int = 0

    def add(self, other: Mapping[str, int]) -> None:
        """Count what another one got done too."""
        self.connections += other["connections"]
        self.links += other["links"]
        self.frames += other["frames"]

    def to_value(self) -> dict[str, int]:
        """Return it as an attacker prints it."""
        return asdict(self)


@dataclass(slots=True)
class Rate:
    """Lets through so many frames a second, at most."""

    per_s: float
    due: float = -math.inf

    async def take(self, frames: int) -> None:
        """Wait until so many frames may be sent."""
        now = trio.current_time()
        self.due = max(self.due, now - 0.1) + frames / self.per_s
        await trio.sleep(max(0.0, self.due - now))


@dataclass(slots=True)
class Target:
    """Whom to attack, as whom, and what came of it."""

    url: str
    network: Network
    tally: Tally
    rate: Rate


@dataclass(slots=True)
class RawLink:
    """A link on which anything may be written."""

    channel: Channel
    carrier: WebSocketCarrier
    heard: SignedQuestion | None = None
    closed: list[bytes] = field(default_factory=list)

    async def listen(self) -> None:
        """Take what comes, and note the last question and which rounds are over."""
        while True:
            try:
                messages = [
                    decode_message(data) for data in unpack_messages(await self.carrier.recv(), LIMITS)
                ]
            except (PeerError, LimitExceeded):
                continue  # control messages are none of these
            for message in messages:
                if isinstance(message, AskMessage):
                    self.heard = message.question
                elif isinstance(message, RoundClosed):
                    self.closed.append(message.round)


@asynccontextmanager
async def open_socket(target: Target, *, receive_bytes: int = 0) -> AsyncIterator[trio.SocketStream]:
    """Connect, and hang up when the block is left."""
    address = parse_url(target.url)
    one = trio.socket.socket()
    if receive_bytes:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    with one:
        await one.connect((address.host, address.port))
        target.tally.connections += 1
        yield trio.SocketStream(one)


@asynccontextmanager
async def open_link(
    target: Target, signer: KeyPair, *, version: int = 1, receive_bytes: int = 0
) -> AsyncIterator[RawLink]:
    """Open an authenticated link; the errors in GONE pass, in groups."""
    async with open_socket(target, receive_bytes=receive_bytes) as stream, trio.open_nursery() as nursery:
        with trio.fail_after(LIMITS.handshake_timeout_s):
            channel = await secure_dialed(meter(stream, LIMITS))
            carrier = await upgrade_dialed(nursery, channel, "peer", LIMITS)
            hand = Handshaker(
                signer=signer,
                network_id=target.network.network_id,
                timeout_s=LIMITS.handshake_timeout_s,
                version_max=version,
            )
            await hand.dial(carrier, expected_key=None, binding=carrier.binding)
        target.tally.links += 1
        yield RawLink(channel, carrier)
        nursery.cancel_scope.cancel()


async def come_back(attempt: Callable[[], Awaitable[None]]) -> None:
    """Try again for as long as there is time, whatever the other side does."""
    while True:
        try:
            await attempt()
        except* GONE:
            await trio.sleep(0.001)


async def flood(
    target: Target,
    make_signer: Callable[[], KeyPair],
    make_batch: BatchMaker,
    *,
    version: int = 1,
) -> None:
    """Write frames as fast as they are taken, and come back as often as one is let in."""

    async def attempt() -> None:
        signer = make_signer()
        async with open_link(target, signer, version=version) as link, trio.open_nursery() as nursery:
            nursery.start_soon(link.listen)
            about, batch = link.heard, make_batch(target.network, signer, link.heard)
            while True:
                if link.heard is not about:
                    about, batch = link.heard, make_batch(target.network, signer, link.heard)
                await target.rate.take(batch.frames)
                await link.channel.stream.send_all(batch.data)
                target.tally.frames += batch.frames

    await come_back(attempt)
