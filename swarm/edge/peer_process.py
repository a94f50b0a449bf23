"""One peer of a local swarm in a process of its own; started by `swarm.edge.process_swarm`."""

import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import trio

from consensus.decision import DecisionEngine
from consensus.errors import NetworkError, PeerageError
from consensus.genesis import open_network
from consensus.identity import KeyPair, PeerKey, Verifier
from models.catalog import open_model
from models.errors import ModelError
from models.judges.strategy import format_strategy
from swarm.core.node import NodeConfig
from swarm.edge.calibrations import resolve_calibrated
from swarm.edge.clock import get_wall_ms
from swarm.edge.event_log import EventLog
from swarm.edge.limits import EdgeLimits
from swarm.edge.local import LOOPBACK, create_mesh, create_timing
from swarm.edge.mesh import Mesh
from swarm.edge.model_host import ModelHost
from swarm.edge.process_swarm import ChildSpec, LineReader, decode_keys, encode_line
from swarm.edge.runtime import Runtime
from swarm.edge.store import open_asyncio_loop, open_store
from swarm.edge.tuning import tune_collector
from swarm.edge.websocket import open_listener

MODEL_THREADS = 1  # several busy processes share the machine's cores
STOP_TIMEOUT_S = 3.0  # for the farewell; a model call of any length may be under way, and cannot be stopped


@dataclass(frozen=True, slots=True)
class Streams:
    """The pipe to the parent."""

    reader: LineReader
    stdin: trio.lowlevel.FdStream
    stdout: trio.lowlevel.FdStream


async def run_peer() -> None:
    """Serve as the peer that the parent describes, until the parent closes the pipe.

    Raises:
        PeerageError: The description cannot be followed.
        ModelError: The model cannot be loaded.
    """
    stdin = trio.lowlevel.FdStream(sys.stdin.fileno())
    streams = Streams(LineReader(stdin), stdin, trio.lowlevel.FdStream(sys.stdout.fileno()))
    spec = ChildSpec(**await streams.reader.read())
    model = await trio.to_thread.run_sync(
        lambda: open_model(spec.model, progress=lambda _: None, threads=MODEL_THREADS)
    )
    judge = resolve_calibrated(spec.judge, model.info())
    signer, network = KeyPair(bytes.fromhex(spec.key_seed)), open_network(bytes.fromhex(spec.genesis))
    limits, directory, host = EdgeLimits(), Path(spec.directory), ModelHost(model)
    listener = await open_listener(LOOPBACK, int(spec.port), limits=limits)
    await streams.stdout.send_all(encode_line({"url": listener.url}))
    book = await streams.reader.read()
    urls = {PeerKey(bytes.fromhex(key)): url for key, url in book.items()}
    log = EventLog(Path(spec.logs), get_time_ms=get_wall_ms)
    mesh = create_mesh(signer, network, urls, limits=limits, listener=listener)
    mesh.set_cut(decode_keys(spec.cut))
    async with open_asyncio_loop():
        store = await open_store(directory / f"{spec.name}.sqlite3")
        runtime = Runtime(
            config=NodeConfig(
                network=network,
                signer=signer,
                verifier=Verifier(),
                engine=DecisionEngine(),
                timing=create_timing(model.info()),
                info=model.info(),
                judge=judge,
            ),
            store=store,
            mesh=mesh,
            model=host,
            log=log,
        )
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(host.run)
                await nursery.start(runtime.run)
                await streams.stdout.send_all(
                    encode_line({"ready": spec.name, "judge": format_strategy(judge)})
                )
                await _follow(streams, mesh, log)
                _limit_farewell()
                sent = {"sent_messages": mesh.sent_messages, "sent_bytes": mesh.sent_bytes}
                log.append("node_stopped", peer=signer.key, fields=sent)
                nursery.cancel_scope.cancel()
        finally:
            await store.aclose()
            log.close()


def _limit_farewell() -> None:
    """End the process even if a model call does not: everything worth keeping is on disk already."""
    timer = threading.Timer(STOP_TIMEOUT_S, os._exit, (1,))
    timer.daemon = True
    timer.start()


async def _follow(streams: Streams, mesh: Mesh, log: EventLog) -> None:
    """Do what the parent says until it closes the pipe."""
    try:
        while True:
            line = await streams.reader.read()
            if "cut" in line:
                keys = decode_keys(line["cut"])
                mesh.set_cut(keys)
                log.append("links_cut", fields={"keys": sorted(key.hex() for key in keys)})
                await streams.stdout.send_all(encode_line(line))
    except (NetworkError, trio.BrokenResourceError):
        return


def main() -> int:
    """Run a peer; its exit code says whether it ended well."""
    code = 0
    tune_collector()
    try:
        trio.run(run_peer)
    except* (PeerageError, ModelError) as group:
        for exc in group.exceptions:
            print(f"peer process: {exc}", file=sys.stderr)  # noqa: T201 - its only way to say so
        code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
