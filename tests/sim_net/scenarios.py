"""One seed, one scenario: who is bad, what the network does, who falls and comes back, when it heals."""

import random
from dataclasses import dataclass, field

from models.scripted import ScriptedModel
from sim_net.adversaries import SEATS, Adversary
from sim_net.checkers.final import check_world
from sim_net.checkers.watch import Watch
from sim_net.manifest import NetworkSettings
from sim_net.world import World

HEALED_MS = 12_000
END_MS = 900_000
MODEL = ScriptedModel()

WEATHER: tuple[NetworkSettings, ...] = (
    NetworkSettings(),
    NetworkSettings(latency="uniform(1, 400)"),
    NetworkSettings(loss=0.1, duplication=0.1),
    NetworkSettings(loss=0.25, latency="uniform(1, 120)"),
    NetworkSettings(duplication=0.5, latency="uniform(1, 60)"),
)


@dataclass
class Scenario:
    """A world in the making, from one seed; `replay` is the line that makes it again."""

    seed: int
    world: World
    watch: Watch
    adversaries: list[Adversary] = field(default_factory=list)
    planned_ms: int = 0  # when the last crash or restart is due

    @property
    def replay(self) -> str:
        code = f"from tests.sim_net.scenarios import run_seed; run_seed({self.seed})"
        return f'python -c "{code}"'


def make_scenario(seed: int) -> Scenario:
    """Draw a scenario: at most f bad seats, faults until HEALED_MS, honest seats that crash and return."""
    dice = random.Random(f"scenario-{seed}")
    n = 7 if seed % 25 == 24 else 4
    f = (n - 1) // 3
    world = World(
        seed=seed,
        models=[MODEL] * n,
        network=dice.choice(WEATHER),
        latency=f"uniform(20, {dice.choice((60, 300, 2_000))})",
    )
    bad = dice.sample(range(n), f) if seed % 8 else []
    watch = Watch(world)
    scenario = Scenario(seed, world, watch)
    for index in bad:
        kind = SEATS[dice.randrange(len(SEATS))]
        scenario.adversaries.append(kind(world, index))
    honest = [index for index in range(n) if index not in bad]
    if dice.random() < 0.4:
        scenario.planned_ms = _plan_crash(world, dice, dice.choice(honest))
    if dice.random() < 0.25:
        _plan_partition(world, dice, n)
    world.at(HEALED_MS, lambda: _heal(world))
    return scenario


def _plan_crash(world: World, dice: random.Random, index: int) -> int:
    down = dice.randrange(0, 3_000)
    up = down + dice.randrange(1, 6_000)
    world.at(down, lambda: world.crash(index))
    world.at(up, lambda: world.restart(index))
    return up + 1


def _plan_partition(world: World, dice: random.Random, n: int) -> None:
    side = dice.sample(range(n), dice.randrange(1, n))
    cut = [(a, b) for a in range(n) for b in range(n) if (a in side) != (b in side)]
    if dice.random() < 0.3:
        cut = [(a, b) for a, b in cut if a in side]  # one way only
    start = dice.randrange(0, 1_500)
    world.at(start, lambda: world.links.cut(cut))


def _heal(world: World) -> None:
    world.links.calm(NetworkSettings())


def is_at_rest(scenario: Scenario) -> bool:
    """Say whether all that was planned has happened and every honest node is done with what it heard."""
    world = scenario.world
    honest = [node for i, node in enumerate(world.nodes) if i not in world.byzantine]
    if world.now_ms < scenario.planned_ms or not world.closed:
        return False
    return all(
        node.is_up
        and all(seat.round.is_finished and not seat.outbox.waiting for seat in node.state.seats.values())
        for node in honest
    )


def run_seed(seed: int) -> Scenario:
    """Run one scenario to its end and check it; the first line printed replays it."""
    scenario = make_scenario(seed)
    dice = random.Random(f"limits-{seed}")
    print(f"seed {seed}: {scenario.replay}")  # noqa: T201 - what a failing run must show first
    print("bad:", [(one.index, type(one).__name__) for one in scenario.adversaries])  # noqa: T201
    world = scenario.world
    world.ask("What is 7 times 12?", steps_max=dice.choice((1, 1, 1, 2, 3)))
    world.run(until_ms=END_MS, is_done=lambda: is_at_rest(scenario))
    check_world(scenario.watch)
    return scenario
