"""Speed of the simulator: a network of 100 nodes, committees of 15, 100 rounds, scripted models, one core.

Goal (goals.md): at most 60 s. Beside it the same world without checkers and recorder, as a ratio: what
watching costs. Run with `python -m benchmarks.simulation [--rounds N]`.
"""

import argparse
import time

from models.scripted import ScriptedModel
from sim_net.checkers.final import get_violations
from sim_net.manifest import Manifest, ModelSettings, SwarmSettings
from sim_net.run import Run
from sim_net.world import World

PEERS, SEATS = 100, 15
GOAL_S = 60.0


def measure_run(rounds: int) -> tuple[float, int, int]:
    """Return CPU seconds of a whole run with all checkers, its events, and how many violations it found."""
    manifest = Manifest(
        name="speed",
        rounds=rounds,
        swarm=SwarmSettings(peers=PEERS, seats=SEATS),
        models=ModelSettings(kind="scripted"),
    )
    started = time.process_time()
    run = Run(manifest, seed=1)
    run.execute()
    return time.process_time() - started, run.world.events, len(get_violations(run.watch))


def measure_bare(rounds: int) -> float:
    """Return CPU seconds of the nodes and the world alone, on the same number of rounds."""
    started = time.process_time()
    world = World(seed=1, models=[ScriptedModel()] * PEERS)
    for number in range(rounds):
        world.ask(f"What is {number} times 12?", counter=number, seats=SEATS)
        world.run(until_ms=world.now_ms + 120_000, is_done=lambda: world.get_receipt() is not None)
    return time.process_time() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    bare = measure_bare(rounds)
    full, events, violations = measure_run(rounds)
    goal = GOAL_S * rounds / 100
    print(f"{PEERS} nodes, committees of {SEATS}, {rounds} rounds, one core")
    print(f"  world and nodes alone    {bare:7.1f} s CPU")
    print(f"  with checkers, recorder  {full:7.1f} s CPU   x{full / bare:.2f}   goal {goal:.0f} s")
    print(f"  {events} events, {events / full:,.0f} a second, {violations} violations")


if __name__ == "__main__":
    main()
