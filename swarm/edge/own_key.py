"""Who answers at a URL with this node's own key: this node itself, or another machine.

That somebody says to have the key proves nothing, and most often it is this node, dialing its own address
from a list of addresses. So the URL is dialed once more under a key made for this purpose: then whoever
answers has to prove the key, and this node recognises itself by the key that comes in.
"""

import secrets
from collections import OrderedDict
from typing import Final

import trio

from consensus.errors import ConfigError, NetworkError, PeerError
from consensus.identity import SEED_BYTES, KeyPair, NetworkId, PeerKey
from swarm.edge.control import CONTROL_VERSION
from swarm.edge.handshake import Handshaker
from swarm.edge.limits import EdgeLimits
from swarm.edge.transport import Carrier, Connector

PROBES_MAX: Final = 64  # under way, or just over


class OwnKeyProbes:
    """Asks who answers with this node's own key.

    Args:
        own: This node's key.
        network_id: Its network, 32 bytes.
        limits: How long it may take.
        connect: Opens carriers.
    """

    def __init__(self, own: PeerKey, network_id: NetworkId, limits: EdgeLimits, connect: Connector) -> None:
        self._own = own
        self._network_id = network_id
        self._limits = limits
        self._connect = connect
        self._met: OrderedDict[PeerKey, bool] = OrderedDict()

    def is_own(self, key: PeerKey) -> bool:
        """Say whether a key proven by an inbound link is one of these probes', and note that it came."""
        if key not in self._met:
            return False
        self._met[key] = True
        return True

    async def is_elsewhere(self, nursery: trio.Nursery, url: str) -> bool:
        """Say whether a machine other than this node proves this node's key at a URL.

        False where it is this node, where the key is not proven, and where nobody answers this time.
        """
        probe = KeyPair(secrets.token_bytes(SEED_BYTES))
        self._met[probe.key] = False
        if len(self._met) > PROBES_MAX:
            self._met.popitem(last=False)
        carrier: Carrier | None = None
        try:
            carrier = await self._connect(nursery, url)
            shaker = Handshaker(
                signer=probe,
                network_id=self._network_id,
                timeout_s=self._limits.handshake_timeout_s,
                version_max=CONTROL_VERSION,  # so that another machine says something at once
            )
            await shaker.dial(carrier, expected_key=self._own, binding=carrier.binding)
            await self._wait_noted(carrier)
        except (NetworkError, PeerError, ConfigError):
            return False
        finally:
            if carrier is not None:
                await carrier.aclose()
        return not self._met.get(probe.key, True)

    async def _wait_noted(self, carrier: Carrier) -> None:
        """Wait until the other end has this one's proof: where it is this node, it hangs up."""
        with trio.move_on_after(self._limits.handshake_timeout_s):
            try:
                await carrier.recv()
            except (NetworkError, PeerError):
                return  # hung up: what was noted says by whom
