"""Opens links: dials URLs, answers those who dial, authenticates both ways, and hands links over."""

from typing import Protocol

import trio

from consensus.errors import ConfigError, NetworkError, PeerError
from consensus.identity import NetworkId, PeerKey, Signer
from swarm.edge.handshake import Authenticated, Handshaker, OwnKeyError
from swarm.edge.limits import EdgeLimits
from swarm.edge.link import BootstrapFailed, DialFailed, Inbox
from swarm.edge.own_key import OwnKeyProbes
from swarm.edge.transport import Carrier, Connector


class LinkHost(Protocol):
    """What opening links needs of the mesh it opens them for."""

    inbox: Inbox

    def is_member(self, key: PeerKey) -> bool:
        """Say whether a key is a member of the network."""

    def is_refused(self, key: PeerKey) -> bool:
        """Say whether nothing is had to do with a key at present."""

    def has_room(self, key: PeerKey) -> bool:
        """Say whether a key that dialed may have a link."""

    def note_second_machine(self, reason: str) -> None:
        """Stop: this node's key is in use elsewhere."""

    async def run_link(self, carrier: Carrier, peer: Authenticated, *, opener: PeerKey) -> None:
        """Keep a link until it ends, unless it is refused."""


class LinkOpener:
    """Opens the links of one node.

    Args:
        signer: The node's identity.
        network_id: The only network spoken for, 32 bytes.
        version_max: The newest edge protocol offered.
        limits: Bounds of everything.
        connect: Opens carriers.
        host: Keeps the links.

    Raises:
        ConfigError: The network id is none.
    """

    def __init__(
        self,
        *,
        signer: Signer,
        network_id: NetworkId,
        version_max: int,
        limits: EdgeLimits,
        connect: Connector,
        host: LinkHost,
    ) -> None:
        self._key = signer.key
        self._handshaker = Handshaker(
            signer=signer,
            network_id=network_id,
            timeout_s=limits.handshake_timeout_s,
            version_max=version_max,
            refuses=host.is_refused,
        )
        self._limits = limits
        self._connect = connect
        self._host = host
        self._probes = OwnKeyProbes(signer.key, network_id, limits, connect)
        self._dials = trio.Semaphore(limits.dials_concurrent_max)
        self._unauthenticated = 0

    async def on_inbound(self, carrier: Carrier) -> None:
        """Authenticate a carrier somebody opened and run its link; strangers leave no trace."""
        if self._unauthenticated >= self._limits.unauthenticated_max:
            return
        self._unauthenticated += 1
        try:
            peer = await self._handshaker.answer(carrier, binding=carrier.binding)
        except (NetworkError, PeerError):
            return
        finally:
            self._unauthenticated -= 1
        if self._probes.is_own(peer.key):
            return  # this node itself, asking who answers at a URL
        if self._host.has_room(peer.key):
            await self._host.run_link(carrier, peer, opener=peer.key)

    async def dial_member(self, nursery: trio.Nursery, key: PeerKey, url: str) -> None:
        """Dial a member and keep the link until it ends; a failure is an event.

        Args:
            nursery: Holds the carrier's tasks.
            key: Who must answer.
            url: Where.
        """
        try:
            await self._dial(nursery, url, key)
        except (NetworkError, PeerError, ConfigError) as exc:  # one bad URL is not the whole node's end
            await self._host.inbox.wait_event_room()
            self._host.inbox.put_event(DialFailed(key, exc.message))

    async def dial_anyone(self, nursery: trio.Nursery, url: str) -> PeerKey | None:
        """Dial whatever member answers and keep the link until it ends; returns who did, None if nobody."""
        try:
            return await self._dial(nursery, url, None)
        except (NetworkError, PeerError, ConfigError) as exc:
            await self._host.inbox.wait_event_room()
            self._host.inbox.put_event(BootstrapFailed(url, exc.message))
        return None

    async def _dial(self, nursery: trio.Nursery, url: str, expected: PeerKey | None) -> PeerKey:
        carrier: Carrier | None = None
        try:
            async with self._dials:
                carrier = await self._connect(nursery, url)
                peer = await self._handshaker.dial(carrier, expected_key=expected, binding=carrier.binding)
            if not self._host.is_member(peer.key):
                raise NetworkError(f"key {peer.key.hex()} answered, which is no member's")
            await self._host.run_link(carrier, peer, opener=self._key)
            return peer.key
        except OwnKeyError:
            if await self._probes.is_elsewhere(nursery, url):
                self._host.note_second_machine(f"a peer with this key answers at {url}")
            if expected is not None:
                raise
            return self._key
        finally:
            if carrier is not None:
                await carrier.aclose()
