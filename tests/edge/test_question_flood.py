"""Many strangers ask all the time; somebody honest, who asks one question after another, is answered."""

from functools import partial
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from consensus.encoding import encode
from consensus.identity import KeyPair
from consensus.messages import AskMessage
from consensus.question import sign_question
from swarm.core.places import KIND_PLACES, MEMBERS_PLACES, ROUNDS_OPEN_MAX
from swarm.edge.client import Answered, AskerClient
from swarm.edge.local import wait_linked
from swarm.edge.memory_store import MemoryStore
from tests.e2e.processes import make_question
from tests.edge.test_runtime import World, open_world, run_virtual

FLOODERS = 48  # more than there are places for strangers
EACH_S = 0.25
QUESTIONS = 2
DEADLINE_S = 60.0
DAY_MS = 86_400_000


async def flood(world: World, key: KeyPair, victims: int, *, is_apart: bool) -> None:
    """Ask under one key, new questions all the time; each seat others where they are to stay apart."""
    async with world.open_mesh(key) as mesh:
        await wait_linked(mesh, 4)
        counter = 0
        while True:
            for pair in world.keys.peers[:victims]:
                question = make_question(world.keys, counter=counter, asker=key)
                if is_apart:
                    question = replace(question, answer_ms=DAY_MS, ballot_ms=DAY_MS, reveal_ms=DAY_MS)
                ask = AskMessage(sign_question(question, key, world.keys.network))
                mesh.send(pair.key, encode(ask))
                counter += is_apart
            counter += not is_apart
            await trio.sleep(EACH_S)


@pytest.mark.slow
@pytest.mark.parametrize(("victims", "is_apart"), [(1, False), (4, False), (4, True)])
def test_somebody_honest_is_answered(tmp_path: Path, victims: int, is_apart: bool) -> None:
    async def main() -> None:
        async with open_world(tmp_path) as world:
            for place in range(4):
                await world.start(place, MemoryStore())
            for number in range(FLOODERS):
                key = KeyPair(b"flooder %024d" % number)
                world.nursery.start_soon(partial(flood, world, key, victims, is_apart=is_apart))
            async with world.open_mesh() as mesh:
                await wait_linked(mesh, 4)
                await trio.sleep(2.0)
                client = AskerClient(network=world.keys.network, mesh=mesh, on_progress=lambda _: None)
                for counter in range(QUESTIONS):
                    answered = await client.ask(world.sign(counter=counter), deadline_s=DEADLINE_S)
                    assert isinstance(answered, Answered), answered
            world.nursery.cancel_scope.cancel()
        opened, ended = (len(world.get_events(name, 0)) for name in ("round_opened", "round_closed"))
        assert opened > ROUNDS_OPEN_MAX - KIND_PLACES - MEMBERS_PLACES, "the flood was none"
        assert is_apart or ended > opened / 2

    run_virtual(main)
