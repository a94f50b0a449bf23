"""Every rule can fire: what random manifests show is in test_replayed_bugs.py, the rest is planted here."""

from consensus.encoding import encode
from consensus.messages import AskMessage, SignedQuestion
from sim_net.adversaries import EquivocatingAsker
from sim_net.checkers.final import check_end, get_violations
from sim_net.checkers.rules import LIVENESS, SAFETY
from sim_net.checkers.watch import Watch
from sim_net.manifest import NetworkSettings
from sim_net.world import World
from swarm.core import questions
from swarm.core.actions import Action
from swarm.core.node import NodeState
from swarm.core.records import QUESTION_KEY, Record, Table
from swarm.core.seat import Seat
from tests.consensus import test_planted_bugs as plants
from tests.consensus.test_planted_bugs import Patch, planted
from tests.sim_net.kit import MODEL
from tests.sim_net.test_replayed_bugs import BREAKS

HERE = ("agreement", "asker")


def get_broken(world: World, watch: Watch, *, until_ms: int) -> list[str]:
    world.run(until_ms=until_ms)
    check_end(watch, is_healed=False)
    return sorted({one.rule for one in get_violations(watch)})


def test_every_rule_is_shown_to_fire_somewhere() -> None:
    assert {*BREAKS.values(), *HERE} == {*SAFETY, *LIVENESS}


def test_two_values_of_one_step_break_agreement() -> None:
    def split() -> list[str]:
        world = World(seed=1, models=[MODEL] * 4)
        watch = Watch(world)
        world.links.cut([(a, b) for a in range(4) for b in range(4) if (a < 2) != (b < 2)])
        world.ask("What is 7 times 12?", steps_max=1)
        return get_broken(world, watch, until_ms=120_000)

    assert split() == []
    with planted(plants.lower_the_quorum):
        assert "agreement" in split()


def forget_counters(patch: Patch) -> None:
    """Let a node take every question, whatever it took before, and write nothing of it."""

    def open_round(
        state: NodeState, seat: Seat, signed: SignedQuestion, slot: bytes, now_ms: int
    ) -> list[Action]:
        state.asked.pop(slot)
        facts, actions = seat.round.desk.facts, list[Action]()
        seat.persist([Record(Table.FACT, facts.round_id, QUESTION_KEY, encode(signed))], actions)
        seat.broadcast(AskMessage(signed))
        seat.round.start(now_ms)
        return actions + seat.run()

    patch.setattr(questions, "_open_round", open_round)


def test_two_rounds_under_one_counter_break_the_askers_rule() -> None:
    def ask() -> list[str]:
        world = World(seed=1, models=[MODEL] * 4, network=NetworkSettings(latency="constant(5)"))
        watch = Watch(world)
        EquivocatingAsker(world)
        world.ask("What is 7 times 12?", steps_max=1)
        return get_broken(world, watch, until_ms=30_000)

    assert ask() == []
    with planted(forget_counters):
        assert ask() == ["asker"]
