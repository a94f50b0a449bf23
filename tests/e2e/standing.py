"""A standing local swarm of real sockets and databases, some of whose judges lie; asked round after round."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from consensus.gold import draw_gold, open_gold
from consensus.identity import PeerKey
from models.contract import Model
from models.scripted import ScriptedModel
from ranking.canonical import default_calls_per_peer
from sim_net.judging import Inverter, JudgingContext
from swarm.edge.ask_options import AskOptions
from swarm.edge.asking import Asked, SwarmAsker
from swarm.edge.client import AskerClient, Progress
from swarm.edge.deadlines import Pace
from swarm.edge.event_log import EventLog
from swarm.edge.local import (
    LocalKeys,
    create_local_keys,
    create_timing,
    open_client_mesh,
    open_local_swarm,
    wait_linked,
)
from swarm.edge.model_calls import ModelCalls
from swarm.edge.model_host import ModelHost
from swarm.edge.paths import Paths, ensure_directory
from swarm.edge.store import open_asyncio_loop

SEED = b"9" * 32
GOLD_SECRET = b"g" * 32
GOLDS_MAX = 64
DEADLINE_S = 60.0


def make_models(liars: Sequence[int]) -> tuple[Model, dict[int, Model]]:
    """Return what honest peers run, and the models of liars by peer: they judge the wrong way round."""
    golds = [open_gold(draw_gold(GOLD_SECRET, index)) for index in range(GOLDS_MAX)]
    honest = ScriptedModel(
        accuracy=0.5, judge_accuracy=0.9, answers={gold.text: gold.truth for gold in golds}
    )

    def lie(peer: int) -> Model:
        context = JudgingContext(
            peer=peer, allies=tuple(liars), seed=bytes(32), truths={}, get_round=lambda question: 0
        )
        return Inverter(honest, context)

    return honest, {peer: lie(peer) for peer in liars}


@dataclass
class StandingRun:
    """A swarm that is up, its asker, and what was seen."""

    keys: LocalKeys
    asker: SwarmAsker
    log_path: Path
    seen: list[Progress]

    def get_weight(self, asked: Asked, peer: int) -> float:
        """Return what the judge at that place among the keys weighed in a round."""
        assert asked.report is not None, asked.reason
        (judge,) = [judge for judge in asked.report.judges if judge.peer == f"local-{peer}"]
        return judge.weight


@asynccontextmanager
async def open_standing(
    directory: Path, *, peers: int = 7, liars: Sequence[int] = ()
) -> AsyncIterator[StandingRun]:
    """Bring a swarm up in this process."""
    keys = create_local_keys(peers=peers, seed=SEED)
    honest, lying = make_models(liars)
    path, seen = directory / "events.jsonl", list[Progress]()
    async with open_asyncio_loop(), AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        log = stack.enter_context(EventLog(path, get_time_ms=lambda: 0))
        hosts = {peer: ModelHost(model) for peer, model in lying.items()}
        shared = ModelHost(honest)
        for host in (shared, *hosts.values()):
            await nursery.start(host.run)
        others: dict[PeerKey, ModelCalls] = {keys.peers[peer].key: host for peer, host in hosts.items()}
        swarm = await stack.enter_async_context(
            open_local_swarm(
                keys,
                directory=ensure_directory(directory / "peers"),
                model=shared,
                info=honest.info(),
                log=log,
                timing=create_timing(honest.info()),  # a result must not depend on how busy the machine is
                others=others,
            )
        )
        mesh = await stack.enter_async_context(open_client_mesh(swarm))
        await wait_linked(mesh, peers)
        client = AskerClient(network=keys.network, mesh=mesh, on_progress=seen.append)
        options = AskOptions(peers=peers, calls=default_calls_per_peer(peers))
        paths = Paths(data=directory / "data", cache=directory / "cache")
        asker = SwarmAsker(options, swarm, paths, Pace(DEADLINE_S), client, {}, GOLD_SECRET)
        yield StandingRun(keys, asker, path, seen)
