"""A flood of one cause ends up in the log as a few events and a count."""

from pathlib import Path

import trio

from consensus.encoding import encode
from consensus.messages import AskMessage
from consensus.question import sign_question
from swarm.edge.event_quota import EVENTS_BURST, LEFT_OUT_S
from swarm.edge.local import wait_linked
from swarm.edge.memory_store import MemoryStore
from tests.e2e.processes import make_question
from tests.edge.test_runtime import open_world, run_virtual

QUESTIONS = 150


def test_questions_under_one_counter_are_noted_up_to_a_share(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_world(tmp_path) as world:
            for place in range(4):
                await world.start(place, MemoryStore())
            async with world.open_mesh() as mesh:
                await wait_linked(mesh, 4)
                for number in range(QUESTIONS):
                    question = make_question(world.keys, text=b"How much is %d?" % number)
                    signed = sign_question(question, world.keys.asker, world.keys.network)
                    assert mesh.send(world.keys.peers[0].key, encode(AskMessage(signed)))
                await trio.sleep(LEFT_OUT_S + 1.0)
            noted = world.get_events("asker_equivocated", 0)
            (left_out,) = world.get_events("events_left_out")
        assert len(noted) == EVENTS_BURST
        assert left_out.fields == {"name": "asker_equivocated", "count": QUESTIONS - 1 - EVENTS_BURST}

    run_virtual(main)
