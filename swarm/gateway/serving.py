"""A standing swarm with the gateway in front, from nothing to its end."""

import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from consensus.errors import ConfigError, StoreError
from swarm.edge.clock import get_wall_ms
from swarm.edge.network_urls import format_host, is_loopback
from swarm.edge.paths import Paths, create_private_file, ensure_directory, write_private_file
from swarm.gateway.app import make_app
from swarm.gateway.database import FILE_NAME, Database
from swarm.gateway.guard import Door
from swarm.gateway.keys import KeyStore, check_secret, digest_secret, make_token
from swarm.gateway.limits import GatewayLimits
from swarm.gateway.metrics import Metrics
from swarm.gateway.progress import ProgressHub
from swarm.gateway.quotas import Quotas
from swarm.gateway.rounds import RoundStore
from swarm.gateway.server import Server
from swarm.gateway.service import Gateway
from swarm.gateway.sessions import Sessions
from swarm.gateway.swarms import OpenSwarm

TOKEN_BYTES_MAX = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How to serve.

    Args:
        open_swarm: The way to the swarm.
        host: Address to listen on.
        port: Port, 0 for any free one.
        api_key: The owner's key; the one kept in the data directory, made at need, when None.
        hosts: Names by which the server may be called, besides addresses and `localhost`.
        origins: Pages of other sites that may ask.
        limits: Bounds.
    """

    open_swarm: OpenSwarm
    host: str = "127.0.0.1"
    port: int = 8_080
    api_key: str | None = None
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    limits: GatewayLimits = field(default_factory=GatewayLimits)


@dataclass(frozen=True, slots=True)
class Serving:
    """A gateway that is up. `stop` brings it down, first gently; `stopped` tells whoever waits for that."""

    url: str
    api_key: str
    token_path: Path | None
    gateway: Gateway
    stopped: trio.Event
    sessions: Sessions

    def make_page_url(self) -> str:
        """Return where the page is, with a code that lets one browser in once; the last one's is void.

        The code stands behind `#`, so that no browser sends it to a server or names it as a referrer.
        """
        return f"{self.url}/#code={self.sessions.make_code(self.api_key)}"

    def stop(self) -> None:
        """Take no more questions; what is under way has `shutdown_s` to end."""
        self.gateway.stop()
        self.stopped.set()


def get_directory(paths: Paths) -> Path:
    """Return where the gateway keeps what is its own."""
    return paths.data / "gateway"


def open_database(paths: Paths) -> Database:
    """Open the gateway's database, for a gateway or for a command about keys.

    Raises:
        StoreError: It cannot be opened.
    """
    return Database(ensure_directory(get_directory(paths)) / FILE_NAME)


@asynccontextmanager
async def open_serving(
    options: ServeOptions, *, paths: Paths, note: Callable[[str], None]
) -> AsyncIterator[Serving]:
    """Bring a gateway up with its swarm until the block is left; then take both down within bounds.

    Args:
        options: How to serve.
        paths: The user's directories.
        note: Called with one line at each stage.

    Raises:
        ConfigError: An option cannot be used; an open bind without a key is one.
        ModelError: The model cannot be had or loaded.
        NetworkError: No member of a network answers.
        StoreError: A directory or database cannot be used.
    """
    if options.api_key is not None:
        check_secret(options.api_key)
    hub, metrics, stopped = ProgressHub(), Metrics(), trio.Event()
    async with AsyncExitStack() as stack:
        database = stack.enter_context(open_database(paths))
        keys, rounds = KeyStore(database), RoundStore(database, paths.receipts)
        if not is_loopback(options.host) and options.api_key is None and not has_live_key(keys):
            raise ConfigError(
                f"listening on {options.host} lets other machines in, and no key was chosen for that",
                remedy="set PEERAGE_API_KEY, or make a key with `peerage keys create NAME`",
            )
        if stack.enter_context(hold_lock(get_directory(paths) / "lock")):
            rounds.settle_interrupted(get_wall_ms())
        secret, token_path = get_secret(options.api_key, paths)
        standing = await stack.enter_async_context(
            options.open_swarm(paths=paths, note=note, on_progress=hub.on_progress)
        )
        gateway = Gateway(
            asker=standing.asker,
            told=standing.told,
            hub=hub,
            rounds=rounds,
            metrics=metrics,
            limits=options.limits,
            get_ms=get_wall_ms,
        )
        door = Door(owner_digest=digest_secret(secret), hosts=options.hosts, origins=options.origins)
        quotas, sessions = Quotas(keys, get_s=time.monotonic, get_ms=get_wall_ms), Sessions(time.monotonic)
        app = make_app(gateway, door=door, keys=keys, quotas=quotas, sessions=sessions)
        server = Server(app, options.limits)
        watch(metrics, gateway, server)
        nursery = await stack.enter_async_context(trio.open_nursery())
        port = await nursery.start(
            partial(server.run, options.host, options.port, stopped=stopped, drain=gateway.cancel_all)
        )

        serving = Serving(make_url(options.host, port), secret, token_path, gateway, stopped, sessions)
        yield serving
        serving.stop()


def watch(metrics: Metrics, gateway: Gateway, server: Server) -> None:
    """Show what is under way among the metrics."""
    metrics.watch("peerage_rounds_running", "Questions under way", lambda: gateway.admission.running)
    metrics.watch("peerage_rounds_waiting", "Questions that wait", lambda: gateway.admission.waiting)
    if gateway.alone is not None:
        metrics.watch(
            "peerage_helpers_running", "Requests to one peer alone", lambda: gateway.helpers.running
        )
    metrics.watch("peerage_peers_linked", "Peers that are up", lambda: gateway.asker.client.linked)
    metrics.watch("peerage_peers", "Peers that questions are drawn from", lambda: gateway.presence.members)
    metrics.watch(
        "peerage_quorum_chance",
        "Probability that a committee drawn now has a quorum, by the links that are up",
        lambda: float(gateway.presence.compute_chance()),
    )
    metrics.watch("peerage_connections", "Connections open", lambda: server.connections)
    metrics.watch("peerage_connections_refused", "Connections over the limit", lambda: server.refused)


def has_live_key(keys: KeyStore) -> bool:
    """Say whether there is a named key that is not revoked."""
    return any(key.revoked_ms is None for key in keys.list_all())


def make_url(host: str, port: int) -> str:
    """Return where a server is reached that listens on an address."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing is bound here
    return f"http://{format_host(shown)}:{port}"


def get_secret(api_key: str | None, paths: Paths) -> tuple[str, Path | None]:
    """Return the owner's key, and where it is kept; one that was given is kept nowhere.

    Raises:
        StoreError: The kept one cannot be read or written.
        ConfigError: What is kept there is no key.
    """
    if api_key is not None:
        return api_key, None
    path = get_directory(paths) / "token"
    try:
        kept = path.read_bytes()[:TOKEN_BYTES_MAX].decode("ascii", "replace").strip()
    except FileNotFoundError:
        kept = make_token()
        write_private_file(path, kept.encode() + b"\n")
    except OSError as exc:
        raise StoreError(f"cannot read {path} ({exc.strerror})", remedy="make it readable") from exc
    try:
        check_secret(kept)
    except ConfigError as exc:
        raise ConfigError(f"{path}: {exc.message}", remedy="remove that file, and a new one is made") from exc
    return kept, path


@contextmanager
def hold_lock(path: Path) -> Iterator[bool]:
    """Hold a place among the gateways on one data directory; True where it is the only one so far.

    Raises:
        StoreError: The lock cannot be had.
    """
    create_private_file(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        is_first = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_first = False
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield is_first
    finally:
        os.close(descriptor)
