"""How a gateway comes to its swarm: peers of this process, made for it, or a network that is there."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import trio

from swarm.edge.ask_options import AskOptions
from swarm.edge.asking import SwarmAsker, open_local_asker
from swarm.edge.client import Progress
from swarm.edge.clock import get_wall_ms
from swarm.edge.event_log import EventLog
from swarm.edge.network_asking import open_network_asker
from swarm.edge.network_file import ID_DIGITS, NetworkFile
from swarm.edge.paths import Paths
from swarm.gateway.limits import GatewayLimits
from swarm.gateway.told import ToldLog

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """A swarm that is up. `told` writes down what its peers say; None where their own log is at hand."""

    asker: SwarmAsker
    told: ToldLog | None = None


class OpenSwarm(Protocol):
    """Brings a swarm up, or connects to one, until its block is left."""

    def __call__(
        self, *, paths: Paths, note: Callable[[str], None], on_progress: OnProgress
    ) -> AbstractAsyncContextManager[Standing]:
        """Return the swarm's block.

        Args:
            paths: The user's directories.
            note: Called with one line at each stage.
            on_progress: Called with whatever the asker's links bring.
        """


def serve_local(options: AskOptions, limits: GatewayLimits) -> OpenSwarm:
    """Return the way to a swarm of this process's own.

    Args:
        options: The swarm.
        limits: Of the gateway; deadlines leave time for its single answers.
    """
    return partial(_open_local, replace(options, answers_beside=limits.helpers_at_once))


def serve_network(options: AskOptions, file: NetworkFile) -> OpenSwarm:
    """Return the way to a network of other people's peers.

    Args:
        options: How to ask; what concerns peers of one's own is not used.
        file: The network.
    """
    return partial(_open_network, options, file)


@asynccontextmanager
async def _open_local(
    options: AskOptions, *, paths: Paths, note: Callable[[str], None], on_progress: OnProgress
) -> AsyncIterator[Standing]:
    async with open_local_asker(options, paths=paths, note=note, on_progress=on_progress) as asker:
        # The same --seed gives the same keys: no question of this run may be one of an earlier run's.
        asker.counter = get_wall_ms()
        yield Standing(asker)


@asynccontextmanager
async def _open_network(
    options: AskOptions,
    file: NetworkFile,
    *,
    paths: Paths,
    note: Callable[[str], None],
    on_progress: OnProgress,
) -> AsyncIterator[Standing]:
    name = f"{file.network.network_id.hex()[:ID_DIGITS]}-{secrets.token_hex(4)}"
    listeners = [on_progress]

    def tell(progress: Progress) -> None:
        for listener in listeners:
            listener(progress)

    with EventLog(paths.logs / f"{name}.jsonl", get_time_ms=get_wall_ms) as log:
        async with (
            open_network_asker(options, file, paths=paths, note=note, on_progress=tell) as asker,
            trio.open_nursery() as nursery,
        ):
            told = ToldLog(log, network=file.network, asker=asker.swarm.asker.key)
            listeners.append(told.on_progress)
            asker.log = log
            # Links are looked after between questions too: whoever is away shall be found back.
            nursery.start_soon(asker.client.watch)
            yield Standing(asker, told)
            nursery.cancel_scope.cancel()
