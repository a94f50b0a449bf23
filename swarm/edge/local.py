"""A local swarm: a network of its own, made on the spot from its peers' keys.

Peers talk over real WebSockets on loopback and keep real databases, whether they share this process
(and one model) or run in processes of their own.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from consensus.committee import compute_tolerated
from consensus.decision import DecisionEngine
from consensus.desk import Timing
from consensus.errors import ConfigError
from consensus.genesis import SEATS_MAX, SEATS_MIN, Member, Network, create_network
from consensus.hashing import tagged_hash
from consensus.identity import KeyPair, PeerKey, Verifier
from models.contract import ModelInfo
from models.judges.strategy import LIKELIHOOD, JudgeStrategy, format_strategy, parse_strategy
from swarm.core.node import NodeConfig
from swarm.edge.event_log import EventLog
from swarm.edge.limits import EdgeLimits
from swarm.edge.mesh import Mesh
from swarm.edge.model_calls import ModelCalls
from swarm.edge.runtime import Runtime
from swarm.edge.shared_store import SharedStore
from swarm.edge.store import open_store
from swarm.edge.websocket import WebSocketListener, dial, open_listener

LOOPBACK = "127.0.0.1"
MODEL_GRACE_MS = 1_500  # a peer that has all it needs seals at once; one that still must judge takes longer
SCRIPTED_GRACE_MS = 1_000  # a seed's result must not depend on how busy the machine is
PEERS_OWN = "each peer's own"
LINK_TIMEOUT_S = 30.0  # loopback links come up in milliseconds; a machine may be busy


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """The keys of a local swarm and the network they make."""

    network: Network
    peers: tuple[KeyPair, ...]
    asker: KeyPair


@dataclass(frozen=True, slots=True)
class SwarmAccess:
    """A swarm that is up: whom to ask and where, and how its peers judge (`PEERS_OWN` where each decides).

    `pids` is empty where peers share this process, or are none of its children.
    """

    network: Network
    asker: KeyPair
    urls: Mapping[PeerKey, str]
    pids: tuple[int, ...]
    judge: str

    def get_strategy(self) -> JudgeStrategy:
        """Return how its peers judge; where each decides, what most models can."""
        return LIKELIHOOD if self.judge == PEERS_OWN else parse_strategy(self.judge)


def create_local_keys(*, peers: int, seed: bytes) -> LocalKeys:
    """Derive a local swarm's keys and genesis from one secret seed.

    Args:
        peers: Number of peers; the committee is all of them.
        seed: 32 secret bytes. Whoever knows them knows every key, so a seed chosen for repeatability
            makes keys that protect nothing.

    Raises:
        ConfigError: Fewer peers than agreement needs, or more than a committee has seats.
    """
    if not SEATS_MIN <= peers <= SEATS_MAX:
        why = (
            "fewer than 4 cannot outvote a single faulty one"
            if peers < SEATS_MIN
            else "a committee has no more seats"
        )
        raise ConfigError(
            f"got {peers} peers, expected {SEATS_MIN} to {SEATS_MAX} ({why}); n peers tolerate (n - 1) / 3"
            f" faulty ones, rounded down: 4 tolerate 1, 7 tolerate 2,"
            f" {SEATS_MAX} tolerate {compute_tolerated(SEATS_MAX)}",
            remedy=f"use --peers {min(max(peers, SEATS_MIN), SEATS_MAX)}",
        )
    pairs = tuple(KeyPair(compute_peer_seed(seed, index)) for index in range(peers))
    members = tuple(Member(pair.key, b"local-%d" % index) for index, pair in enumerate(pairs))
    network = create_network(name=b"local", beacon=tagged_hash("local-beacon", seed), members=members)
    return LocalKeys(network, pairs, KeyPair(tagged_hash("local-asker", seed)))


def create_timing(info: ModelInfo) -> Timing:
    """Return the patience that fits a model: judging with a real one varies from peer to peer."""
    return Timing(grace_ms_min=SCRIPTED_GRACE_MS if info.is_simulated else MODEL_GRACE_MS)


def compute_peer_seed(seed: bytes, index: int) -> bytes:
    """Return the secret seed of one peer's key."""
    return tagged_hash("local-peer", seed, index)


@asynccontextmanager
async def open_local_swarm(
    keys: LocalKeys,
    *,
    directory: Path,
    model: ModelCalls,
    info: ModelInfo,
    log: EventLog,
    timing: Timing | None = None,
    limits: EdgeLimits | None = None,
    others: Mapping[PeerKey, ModelCalls] | None = None,
    judge: JudgeStrategy = LIKELIHOOD,
) -> AsyncIterator[SwarmAccess]:
    """Run all peers of a local swarm in this process until the block is left.

    Needs the loop of `open_asyncio_loop` around it.

    Args:
        keys: Who the peers are.
        directory: Where the peers keep their database.
        model: Shared by all peers but those in `others`.
        info: What that model is, and what the others pass for.
        log: Shared by all peers.
        timing: Local patience; the defaults when None.
        limits: Bounds of the network edge; the defaults when None.
        others: Models of peers that have one of their own.
        judge: How all peers judge; their models must be able to.

    Raises:
        StoreError: A database cannot be opened.
        ConfigError: No loopback port is to be had.
    """
    bounds = limits or EdgeLimits()
    # Peers of one process trust it anyway: they share what is a pure function of received bytes.
    verifier, engine = Verifier(), DecisionEngine()
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        listeners = [await open_listener(LOOPBACK, 0, limits=bounds) for _ in keys.peers]
        urls = {pair.key: listener.url for pair, listener in zip(keys.peers, listeners, strict=True)}
        store = await open_store(directory / "peers.sqlite3")
        stack.push_async_callback(store.aclose)
        shared = SharedStore(store)
        for pair, listener in zip(keys.peers, listeners, strict=True):
            runtime = Runtime(
                config=NodeConfig(
                    network=keys.network,
                    signer=pair,
                    verifier=verifier,
                    engine=engine,
                    timing=timing or Timing(),
                    info=info,
                    judge=judge,
                ),
                store=shared.open_part(pair.key),
                mesh=create_mesh(pair, keys.network, urls, limits=bounds, listener=listener),
                model=(others or {}).get(pair.key, model),
                log=log,
            )
            await nursery.start(runtime.run)
        yield SwarmAccess(keys.network, keys.asker, urls, (), format_strategy(judge))
        nursery.cancel_scope.cancel()


def create_mesh(
    signer: KeyPair,
    network: Network,
    urls: Mapping[PeerKey, str],
    *,
    limits: EdgeLimits,
    listener: WebSocketListener | None = None,
) -> Mesh:
    """Return a mesh to the peers at `urls`: a peer's with a listener, a client's without."""
    return Mesh(
        signer=signer,
        network_id=network.network_id,
        members=dict(urls),
        limits=limits,
        connect=partial(dial, limits=limits),
        listen=listener.serve if listener is not None else None,
    )


@asynccontextmanager
async def open_client_mesh(swarm: SwarmAccess, *, limits: EdgeLimits | None = None) -> AsyncIterator[Mesh]:
    """Run the asker's links to every peer until the block is left."""
    mesh = create_mesh(swarm.asker, swarm.network, swarm.urls, limits=limits or EdgeLimits())
    async with trio.open_nursery() as nursery:
        await nursery.start(mesh.run)
        yield mesh
        nursery.cancel_scope.cancel()


async def wait_linked(mesh: Mesh, count: int) -> None:
    """Wait until the mesh has `count` links, or LINK_TIMEOUT_S have passed."""
    with trio.move_on_after(LINK_TIMEOUT_S):
        while len(mesh.linked()) < count:
            await trio.sleep(0.01)
