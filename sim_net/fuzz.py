"""Random manifests, each drawn from a seed: at most f Byzantine seats, any faults, any weather.

Source: the fault rates are of the order of those that TigerBeetle's VOPR draws (research notes on users).
"""

import random
from collections.abc import Iterator
from dataclasses import replace

from consensus.committee import compute_tolerated
from sim_net.adversaries import REGISTRY
from sim_net.fault_kinds import FAULT_KINDS
from sim_net.manifest import (
    AdversarySettings,
    FaultSettings,
    Manifest,
    ModelSettings,
    NetworkSettings,
    PhaseSettings,
    SwarmSettings,
)
from sim_net.seeds import Seeds

FUZZ_SOURCE = "fuzz"
FAULTS_MS = 20_000
# Who suffers the one may contradict itself afterwards, and counts against f.
FORGETFUL = tuple(name for name, kind in FAULT_KINDS.items() if kind.is_byzantine)
HONEST_FAULTS = tuple(name for name, kind in FAULT_KINDS.items() if not kind.is_byzantine)
SEATS = (4, 4, 4, 4, 4, 5, 6, 7)
# Who says anything to anybody finds more than who follows a plan.
KINDS = (*sorted(REGISTRY), *["chaotic"] * (len(REGISTRY) // 2))
LATENCIES = (
    "uniform(1, 20)",
    "uniform(1, 400)",
    "exponential(60)",
    "lognormal(40, 1)",
    "constant(10)",
    "uniform(1, 2500)",
)


def draw_manifest(seed: int) -> Manifest:
    """Draw a manifest: the same for one seed everywhere."""
    dice = Seeds(seed).split("fuzz")
    seats = dice.choice(SEATS)
    peers = seats if dice.random() < 0.9 else seats + dice.randint(1, 3)
    # With more peers than seats any f of the peers are at most f of a committee.
    bad = dice.randint(0, compute_tolerated(seats)) if dice.random() < 0.9 else 0
    adversaries: list[AdversarySettings] = []
    forgetful: list[FaultSettings] = []
    for _ in range(bad):
        if dice.random() < 0.15:
            forgetful.append(_draw_fault(dice, peers, dice.choice(FORGETFUL), is_single=True))
        else:
            adversaries.append(AdversarySettings(kind=dice.choice(KINDS), peers=1))
    faults = [
        _draw_fault(dice, peers, dice.choice(HONEST_FAULTS), is_single=False)
        for _ in range(dice.choice((0, 0, 1, 1, 2, 3)))
    ]
    manifest = Manifest(
        name=f"fuzz-{seed}",
        about="Drawn from its seed.",
        seed=seed,
        rounds=dice.choice((1, 1, 1, 2, 3)),
        swarm=SwarmSettings(
            peers=peers,
            seats=seats,
            steps=dice.choice((1, 1, 1, 2, 3)),
            patience_ms=30_000,
            overlap=dice.choice((1, 1, 2)),
        ),
        models=ModelSettings(
            latency=dice.choice(("uniform(20, 60)", "uniform(20, 300)", "uniform(20, 2000)"))
        ),
        network=_draw_network(dice),
        phases=PhaseSettings(faults_ms=FAULTS_MS),
        adversaries=tuple(adversaries),
        faults=(*faults, *forgetful),
    )
    return _add_history(manifest, Seeds(seed).split("fuzz-history"))


def _add_history(manifest: Manifest, dice: random.Random) -> Manifest:
    """Let most manifests keep a standing, over rounds enough to build on one; all else stays as drawn."""
    if dice.random() < 0.25:
        return replace(manifest, swarm=replace(manifest.swarm, standing="off"))
    adversaries = manifest.adversaries
    if dice.random() < 0.2:
        forger = AdversarySettings(kind="history-forger", options={"every": dice.randint(1, 2)})
        adversaries = (*adversaries, forger)
    return replace(
        manifest,
        rounds=manifest.rounds + dice.choice((0, 0, 1, 2)),
        swarm=replace(manifest.swarm, standing="on", gold_every=dice.choice((0, 0, 1, 2))),
        adversaries=adversaries,
    )


def _draw_network(dice: random.Random) -> NetworkSettings:
    def sometimes(most: float) -> float:
        return round(dice.uniform(0.0, most), 3) if dice.random() < 0.3 else 0.0

    return NetworkSettings(
        latency=dice.choice(LATENCIES),
        loss=sometimes(0.3),
        duplication=sometimes(0.5),
        reordering=sometimes(0.3),
        corruption=sometimes(0.05),
    )


def _draw_fault(dice: random.Random, peers: int, kind: str, *, is_single: bool) -> FaultSettings:
    at_ms = dice.randrange(0, 6_000)
    is_again = not is_single and dice.random() < 0.4
    # A forgetful peer is drawn once and for all: another at every strike would be more than one.
    victims = (dice.randrange(peers),) if is_single else ()
    count = dice.randint(1, max(1, peers // 2))
    return FaultSettings(
        kind=kind,
        at_ms=at_ms,
        every_ms=dice.randrange(500, 6_000) if is_again else 0,
        lasts_ms=dice.randrange(100, 8_000) if FAULT_KINDS[kind].is_lasting else 0,
        peers=victims,
        count=1 if victims or not FAULT_KINDS[kind].takes_peers else count,
        options=_draw_options(dice, kind),
    )


def _draw_options(dice: random.Random, kind: str) -> dict[str, int | float | str | bool]:
    match kind:
        case "slow":
            return {"factor": float(dice.randint(2, 20))}
        case "partition":
            return {"one_way": dice.random() < 0.3}
        case "weather":
            return {"loss": round(dice.uniform(0.1, 0.9), 3), "latency": dice.choice(LATENCIES)}
        case "clock-skew":
            return {"skew_ms": dice.randrange(-3_600_000, 3_600_000)}
        case "clock-jump":
            return {"by_ms": dice.randrange(-60_000, 60_000)}
        case "clock-drift":
            return {"factor": round(dice.uniform(0.5, 2.0), 3)}
        case _:
            return {}


def list_seeds(*, seed: int, rounds: int) -> Iterator[int]:
    """Return the seeds of as many manifests as it takes to ask `rounds` questions, from `seed` on."""
    asked = 0
    while asked < rounds:
        yield seed
        asked += draw_manifest(seed).rounds
        seed += 1
