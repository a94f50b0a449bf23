"""What of a manifest honest processes over loopback can do: models, strikes, and what is refused."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from consensus.errors import ConfigError
from consensus.genesis import SEATS_MAX, SEATS_MIN
from consensus.gold import DRAWN_FAMILIES, generate
from models.scripted import compute_scripted_truth
from models.weights import EMBEDDED_NAME
from sim_net.distributions import parse_distribution
from sim_net.manifest import FaultSettings, Manifest, NetworkSettings
from sim_net.questions import Scheduled, schedule
from sim_net.seeds import Seeds

VIRTUAL_REMEDY = "run it in virtual time: peerage testnet run"
KILL, RESTART, PAUSE, PARTITION, ISOLATE = "kill", "restart", "pause", "partition", "isolate"
REAL_FAULTS = (KILL, RESTART, PAUSE, PARTITION, ISOLATE)
SHARE_OPTION = "share"
STRIKES_MAX = 10_000  # of one fault; a run in real time ends long before
LEVEL_MIN, LEVEL_MAX = 0.02, 0.98  # what a scripted model's levels are cut to
MS_PER_S = 1_000


@dataclass(frozen=True, slots=True)
class PeerModel:
    """What one peer thinks with: a specification, and the levels behind it (None where they are unknown)."""

    spec: str
    accuracy: float | None
    judge_accuracy: float | None


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike of a fault: when, and when it is undone; None is when everything heals."""

    at_ms: int
    until_ms: int | None
    fault: FaultSettings


def check_manifest(manifest: Manifest) -> None:
    """Refuse what honest processes over loopback cannot do.

    Raises:
        ConfigError: Names what, and where it can be run.
    """
    _check_swarm(manifest)
    for adversary in manifest.adversaries:
        _refuse(
            f"the manifest asks for the adversary {adversary.kind!r}, and the processes of a real testnet are"
            " honest: they neither break the protocol nor judge badly on purpose"
        )
    for fault in manifest.faults:
        _check_fault(fault, manifest)
    if manifest.models.kind == "recorded":
        _refuse("the manifest's models are recorded, and a recording answers to virtual time only")
    for name in ("jitter_ms", "loss", "duplication", "reordering", "corruption"):
        if getattr(manifest.network, name) != getattr(NetworkSettings(), name):
            _refuse(f"the manifest sets network.{name}, and the loopback of this machine has none")
    parse_distribution(manifest.models.latency)


def _refuse(message: str) -> None:
    raise ConfigError(message, remedy=VIRTUAL_REMEDY)


def _check_swarm(manifest: Manifest) -> None:
    peers = manifest.swarm.peers
    if not SEATS_MIN <= peers <= SEATS_MAX:
        _refuse(f"the manifest has {peers} peers, a real testnet runs {SEATS_MIN} to {SEATS_MAX} processes")
    if manifest.swarm.overlap != 1:
        _refuse(
            f"the manifest has {manifest.swarm.overlap} rounds open at once, a real testnet asks one by one"
        )


def _check_fault(fault: FaultSettings, manifest: Manifest) -> None:
    if fault.kind not in REAL_FAULTS:
        _refuse(
            f"the manifest asks for the fault {fault.kind!r}, a real testnet knows {', '.join(REAL_FAULTS)}"
        )
    for name, value in fault.options.items():
        is_idle = value is False  # one_way = false says what holds anyway
        if not is_idle and not (fault.kind == PARTITION and name == SHARE_OPTION):
            _refuse(
                f"the manifest gives the fault {fault.kind!r} {name} = {value}, which is not done for real"
            )
    named = (*fault.peers, *(index for group in fault.groups for index in group))
    strangers = sorted(index for index in named if not 0 <= index < manifest.swarm.peers)
    if strangers:
        raise ConfigError(
            f"the fault {fault.kind!r} names peer {strangers[0]}, there are 0 to {manifest.swarm.peers - 1}",
            remedy="name peers that exist",
        )


def list_notes(manifest: Manifest) -> list[str]:
    """Return what is done otherwise than the manifest says, for people to know before it starts."""
    notes = ["the network is this machine's loopback: network.latency is not applied"]
    if manifest.models.kind == "statistical":
        notes.append(
            "statistical models are scripted here: each peer with its own accuracy and the mean latency,"
            " without the correlated errors of judges"
        )
    if manifest.swarm.gold_every and manifest.models.kind != EMBEDDED_NAME:
        notes.append("gold teaches nothing here: scripted models hold no true answers to it")
    return notes


def create_models(manifest: Manifest, seeds: Seeds) -> tuple[PeerModel, ...]:
    """Return what each peer thinks with, drawn from the seed."""
    settings = manifest.models
    if settings.kind == EMBEDDED_NAME:
        return (PeerModel(EMBEDDED_NAME, None, None),) * manifest.swarm.peers
    dice = seeds.split("real-models")
    latency_s = parse_distribution(settings.latency).mean_ms / MS_PER_S
    models = []
    for _ in range(manifest.swarm.peers):
        accuracy = _draw_level(dice, settings.accuracy, settings.accuracy_spread)
        judge_accuracy = _draw_level(dice, settings.judge_accuracy, settings.judge_spread)
        spec = f"scripted:accuracy={accuracy:.4f},judge_accuracy={judge_accuracy:.4f},latency={latency_s:.3f}"
        models.append(PeerModel(spec, accuracy, judge_accuracy))
    return tuple(models)


def _draw_level(dice: random.Random, mean: float, spread: float) -> float:
    return round(min(max(dice.normalvariate(mean, spread), LEVEL_MIN), LEVEL_MAX), 4)


def create_questions(manifest: Manifest, seeds: Seeds) -> tuple[Scheduled, ...]:
    """Return what to ask, gold between the questions where the manifest asks for it.

    A scripted model holds its own answers for the truth, so all it says to gold is wrong.
    """
    families = sorted(DRAWN_FAMILIES)
    golds = [
        generate(families[number % len(families)], seeds.derive(f"real-question-{number}"))
        for number in range(manifest.rounds)
    ]
    asked = [Scheduled(gold.text, gold.truth) for gold in golds]
    scheduled = schedule(asked, manifest.swarm, secret=seeds.derive("real-gold"))
    if manifest.models.kind == EMBEDDED_NAME:
        return scheduled
    return tuple(replace(one, truth=compute_scripted_truth(one.text)) for one in scheduled)


def plan_strikes(fault: FaultSettings, *, end_ms: int | None, dice: random.Random) -> Iterator[Strike]:
    """Yield a fault's strikes in order; without an end of their own they go on until somebody stops asking.

    Args:
        fault: What strikes, and how often.
        end_ms: The end of the fault phase, None where it ends with the last round.
        dice: Decides which strikes happen.
    """
    at_ms = fault.at_ms
    for _ in range(STRIKES_MAX):
        if any(end and at_ms >= end for end in (fault.until_ms, end_ms)):
            return
        if dice.random() < fault.probability:
            yield Strike(at_ms, at_ms + fault.lasts_ms if fault.lasts_ms else None, fault)
        if not fault.every_ms:
            return
        at_ms += fault.every_ms


def draw_groups(fault: FaultSettings, *, peers: int, dice: random.Random) -> tuple[tuple[int, ...], ...]:
    """Return whom a strike concerns: for a partition the sides, for any other fault one group.

    A partition's peers who are in no group are alone each; where it names peers, a count or a share, these
    are one side and everybody else is the other.
    """
    if fault.kind == PARTITION and fault.groups:
        placed = [index for group in fault.groups for index in group]
        return (*fault.groups, *((index,) for index in range(peers) if index not in placed))
    share = fault.options.get(SHARE_OPTION)
    count = round(float(share) * peers) if share is not None and not fault.peers else fault.count
    struck = fault.peers or tuple(sorted(dice.sample(range(peers), min(count, peers))))
    if fault.kind != PARTITION:
        return (struck,)
    others = tuple(index for index in range(peers) if index not in struck)
    return (struck, others)
