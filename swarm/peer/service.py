"""A peer of a network, from its directory to its end: what `peerage peer run` runs.

It takes no round that it cannot finish well: it starts by making sure that it is alone with its key, and
stops by taking no further rounds, ending those that are open within bounds, and saying goodbye.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import trio

from consensus.decision import DecisionEngine
from consensus.errors import ConfigError, StoreError
from consensus.identity import KeyPair, PeerKey, Verifier
from models.catalog import open_model
from models.contract import Model
from models.judges.strategy import JudgeStrategy, format_strategy
from swarm.core.node import NodeConfig
from swarm.edge.calibrations import resolve_calibrated
from swarm.edge.clock import get_wall_ms
from swarm.edge.event_log import EventLog
from swarm.edge.events import Json
from swarm.edge.limits import EdgeLimits
from swarm.edge.local import create_timing
from swarm.edge.log_rotation import PEER_LOG_LIMITS
from swarm.edge.model_host import ModelHost
from swarm.edge.network_file import NetworkFile
from swarm.edge.network_mesh import MemberLinks, open_member_links
from swarm.edge.network_urls import parse_listen, parse_url
from swarm.edge.paths import DATA_DIR_VARIABLE
from swarm.edge.peer_config import PeerConfig
from swarm.edge.peer_directory import ADDRESSES_NAME, STORE_NAME, get_log_path
from swarm.edge.runtime import Runtime
from swarm.edge.store import Store, open_store
from swarm.edge.tuning import tune_collector
from swarm.gateway.limits import GatewayLimits
from swarm.gateway.server import Server
from swarm.peer.alone import check_peer_alone, forget_restored, is_restored
from swarm.peer.caps import Caps
from swarm.peer.control import Order, serve_control
from swarm.peer.metrics import make_health_app
from swarm.peer.tally import Tally
from swarm.peer.upkeep import tend_store
from swarm.peer.vitals import Vitals, get_memory_mb

CHECK_S: Final = 1.0  # how often limits are looked at
SHUTDOWN_S: Final = 10.0  # how long open rounds may go on when the peer is told to stop
FAREWELL_S: Final = 2.0  # for what is queued on links
VERIFIED_MAX: Final = 16_384  # signatures that one peer remembers: some ten rounds of 31 seats, 6 MB
OLD_ROUNDS_S: Final = 900.0  # the longest deadline that is measured for a question
RESTORED_REASON: Final = "its key was restored, and rounds of its old machine may still be open"


@dataclass(slots=True, kw_only=True)
class PeerService:
    """A peer that runs. `stop` brings it down, first gently; `stopped` tells whoever waits for that."""

    vitals: Vitals
    runtime: Runtime
    caps: Caps
    ask_dial_back: Callable[[str], Awaitable[Mapping[PeerKey, bool]]]
    stopped: trio.Event = field(default_factory=trio.Event)

    def stop(self) -> None:
        """Take no further rounds; those that are open have SHUTDOWN_S to end."""
        self.vitals.is_stopping = True
        self.stopped.set()

    async def answer(self, order: Order) -> Mapping[str, Json]:
        """Answer its owner.

        Raises:
            ConfigError: There is no such order.
        """
        match order.get("do"):
            case "status":
                pass
            case "pause":
                self.caps.owner_reason = order.get("reason") or "its owner paused it"
                self.check_caps()
            case "unpause":
                self.caps.owner_reason = ""
                self.check_caps()
            case "stop":
                self.stop()
            case "dial-back":
                return await self._ask_dial_back()
            case other:
                raise ConfigError(
                    f"got the order {other!r}, expected status, pause, unpause, dial-back or stop"
                )
        return self.vitals.describe()

    async def _ask_dial_back(self) -> Mapping[str, Json]:
        """Have members dial this peer wherever it says it is; returns which of them reached it where."""
        found: dict[str, Json] = {}

        async def ask(url: str) -> None:
            answers = await self.ask_dial_back(parse_url(url).url)
            found[url] = {key.hex(): is_reached for key, is_reached in sorted(answers.items())}

        async with trio.open_nursery() as nursery:
            for url in self.vitals.config.advertise:
                nursery.start_soon(ask, url)
        return found

    def check_caps(self) -> None:
        """Pause or go on, as its limits say now."""
        reason = self.caps.find_reason(now_s=trio.current_time(), memory_mb=get_memory_mb())
        if self.vitals.is_stopping:
            reason = "it is going down"
        if reason == self.vitals.pause_reason:
            return
        self.vitals.pause_reason = reason
        if reason:
            self.runtime.pause(reason)
        else:
            self.runtime.unpause()


@asynccontextmanager
async def open_peer(
    directory: Path,
    *,
    config: PeerConfig,
    file: NetworkFile,
    signer: KeyPair,
    note: Callable[[str], None],
    checks_alone: bool = True,
) -> AsyncIterator[PeerService]:
    """Run a peer until the block is left. Its directory is locked by the caller.

    Needs the loop of `open_asyncio_loop` around it.

    Args:
        directory: The peer's.
        config: How it runs.
        file: Its network.
        signer: Its key.
        note: Called with one line at each stage.
        checks_alone: Whether it makes sure first that no other machine runs with its key.

    Raises:
        ConfigError: An address is not to be had, or another machine runs with the same key.
        ModelError: The model cannot be had, loaded, or judge as it should.
        StoreError: The disk cannot be used, or failed while it ran.
    """
    tune_collector()
    model, judge = await _open_model(config, note)
    if checks_alone:
        note("making sure that no other machine runs with this key")
        await check_peer_alone(directory, file, signer)
    async with AsyncExitStack() as stack:
        log = stack.enter_context(_open_log(directory))
        store = await open_store(directory / STORE_NAME)
        stack.push_async_callback(store.aclose)
        links = await stack.enter_async_context(
            open_member_links(
                signer, file, config, anchors=directory / ADDRESSES_NAME, limits=EdgeLimits(), note=note
            )
        )
        host = ModelHost(model)
        runtime = _make_runtime(signer, file, model, judge, store=store, links=links, host=host, log=log)
        vitals = _make_vitals(
            directory, config, file, signer.key, runtime=runtime, links=links, log=log, model=model
        )
        vitals.judge = format_strategy(judge)
        caps = Caps(config, restored=RESTORED_REASON if is_restored(directory) else "")
        service = PeerService(
            vitals=vitals, runtime=runtime, caps=caps, ask_dial_back=links.mesh.ask_dial_back
        )
        nursery = await stack.enter_async_context(trio.open_nursery())
        await nursery.start(host.run)
        nursery.start_soon(_follow, log, service)
        nursery.start_soon(tend_store, store, vitals, log, signer.key)
        await _start(nursery, service, note)
        try:
            yield service
            await _wind_down(service, links)
        finally:
            sent = {"sent_messages": links.mesh.sent_messages, "sent_bytes": links.mesh.sent_bytes}
            log.append("node_stopped", peer=signer.key, fields=sent)
            nursery.cancel_scope.cancel()


def _make_vitals(
    directory: Path,
    config: PeerConfig,
    file: NetworkFile,
    key: PeerKey,
    *,
    runtime: Runtime,
    links: MemberLinks,
    log: EventLog,
    model: Model,
) -> Vitals:
    return Vitals(
        config=config,
        file=file,
        key=key,
        directory=directory,
        started_ms=get_wall_ms(),
        tally=Tally(),
        get_links=links.list_members,
        count_open=runtime.count_open_rounds,
        get_clock_behind_s=links.get_clock_behind_s,
        get_problems=partial(_list_problems, log, links),
        url=links.url,
        model=model.info().name,
    )


def _list_problems(log: EventLog, links: MemberLinks) -> tuple[str, ...]:
    """Return what is wrong with a peer's files that does not keep it from taking rounds."""
    said = ("" if log.failure is None else log.failure.message, links.mesh.anchors_problem)
    return tuple(problem for problem in said if problem)


def _open_log(directory: Path) -> EventLog:
    return EventLog(get_log_path(directory), get_time_ms=get_wall_ms, limits=PEER_LOG_LIMITS)


async def _open_model(config: PeerConfig, note: Callable[[str], None]) -> tuple[Model, JudgeStrategy]:
    model = await trio.to_thread.run_sync(
        lambda: open_model(config.model, progress=note, threads=config.threads or None)
    )
    return model, resolve_calibrated(config.judge, model.info())


async def _start(nursery: trio.Nursery, service: PeerService, note: Callable[[str], None]) -> None:
    """Start a peer's tasks; it takes rounds as soon as this returns, unless it is paused."""
    vitals = service.vitals
    service.check_caps()  # before the first question can come
    await nursery.start(serve_control, vitals.directory, service.answer)
    await nursery.start(service.runtime.run)
    if service.caps.restored:
        nursery.start_soon(_outwait_old_rounds, service)
    nursery.start_soon(_watch_caps, service)
    vitals.is_up = True
    if vitals.config.metrics:
        await _serve_health(nursery, service, vitals.config.metrics, note)


def _make_runtime(
    signer: KeyPair,
    file: NetworkFile,
    model: Model,
    judge: JudgeStrategy,
    *,
    store: Store,
    links: MemberLinks,
    host: ModelHost,
    log: EventLog,
) -> Runtime:
    config = NodeConfig(
        network=file.network,
        signer=signer,
        verifier=Verifier(VERIFIED_MAX),
        engine=DecisionEngine(),
        timing=create_timing(model.info()),
        info=model.info(),
        judge=judge,
    )
    return Runtime(config=config, store=store, mesh=links.mesh, model=host, log=log)


async def _outwait_old_rounds(service: PeerService) -> None:
    """Have a restored key take no rounds until those of its old machine have ended.

    Raises:
        StoreError: The mark of a restored key cannot be removed.
    """
    await trio.sleep(OLD_ROUNDS_S)
    forget_restored(service.vitals.directory)
    service.caps.restored = ""
    service.check_caps()


async def _follow(log: EventLog, service: PeerService) -> None:
    """Count what happens, and end the peer where it can say nothing more.

    Raises:
        StoreError: Its disk failed.
    """
    async for event in log.subscribe():
        service.vitals.tally.note(event)
        if event.event == "round_opened":
            service.caps.note_round(trio.current_time())
            service.check_caps()
        elif event.event == "node_halted":
            raise StoreError(
                f"the peer cannot keep what it signs any more ({event.fields['reason']}), so it says nothing",
                remedy=f"free space on that disk or mend it, then start the peer again "
                f"({DATA_DIR_VARIABLE} or --dir name another place)",
            )


async def _watch_caps(service: PeerService) -> None:
    while True:
        service.check_caps()
        await trio.sleep(CHECK_S)


async def _serve_health(
    nursery: trio.Nursery, service: PeerService, where: str, note: Callable[[str], None]
) -> None:
    host, port = parse_listen(where)
    server = Server(make_health_app(service.vitals), GatewayLimits(shutdown_s=0.0))
    bound = await nursery.start(partial(server.run, host, port, stopped=trio.Event(), drain=lambda: None))
    note(f"metrics and health at http://{host}:{bound}/metrics")


async def _wind_down(service: PeerService, links: MemberLinks) -> None:
    """Let open rounds end, then take leave; each within bounds."""
    service.stop()
    service.check_caps()
    with trio.move_on_after(SHUTDOWN_S):
        while service.runtime.count_open_rounds():
            await trio.sleep(CHECK_S / 10)
    with trio.move_on_after(FAREWELL_S):
        await links.mesh.stop()
