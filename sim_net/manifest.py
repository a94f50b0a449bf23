"""A testnet's manifest: everything that a run consists of besides its seed.

Plain data, frozen; `sim_net.manifest_file` reads it from TOML. Every time is in milliseconds here and a
duration with a unit there; every probability and share lies in 0..1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

MANIFEST_SCHEMA = 1
Option = int | float | str | bool


def _no_options() -> Mapping[str, Option]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmSettings:
    """Who takes part, and the limits of every question.

    Attributes:
        peers: Nodes of the network, 4 to 1024.
        seats: Seats of a round's committee, 4 to 31; 0 means as many as there are peers, 31 at most.
        calls: Judge calls a peer may spend on a round; 0 takes the default for the committee.
        steps: Ballot steps at most, 1 to 3.
        answer_ms: Deadline to commit an answer.
        ballot_ms: Deadline to commit a ballot.
        reveal_ms: Deadline to reveal, in every step.
        patience_ms: How long the asker waits for a round before it asks the next question.
        overlap: Rounds open at once.
        standing: Whether a question builds on what the rounds before it taught: `auto` is `on` in a network
            that is small enough for a standing, `off` in a larger one.
        gold_every: How many questions pass before the asker asks a gold one beside them; 0 is never. It is
            opened with the question after it.
    """

    peers: int = 7
    seats: int = 0
    calls: int = 0
    steps: int = 3
    answer_ms: int = 20_000
    ballot_ms: int = 10_000
    reveal_ms: int = 3_000
    patience_ms: int = 120_000
    overlap: int = 1
    standing: str = "auto"
    gold_every: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """What the peers think with.

    Attributes:
        kind: `statistical`, `scripted`, `recorded`, or `embedded`.
        accuracy: Mean probability that a peer's answer is right.
        accuracy_spread: Standard deviation of that probability over the peers.
        difficulty_spread: Standard deviation of a question's difficulty, in logits, alike for all peers.
        judge_accuracy: Mean probability that a judge prefers a right answer to a wrong one.
        judge_spread: Standard deviation of that probability over the judges.
        shared_error: Standard deviation of the part of a judge's error that all judges share, in units of
            the gap in quality between a right answer and a wrong one.
        sharpness: Nats by which a judge's scores differ for each logit: at 1 its verdicts are graded and
            modest, from about 4 on most of them are as sure as a ballot allows.
        own_preference: Logits by which a judge prefers the answer it gave itself.
        length_bias: Logits a judge adds for each doubling of an answer's length.
        obedience: Probability that a judge obeys an answer that speaks to it.
        latency: Distribution of the time a model call takes, in milliseconds, as in `network.latency`.
        cache: For `recorded`: file of the cache; for others ignored, and refused where given.
        inner: For `recorded`: the model that is recorded, as `models.catalog.open_model` takes it.
        record: For `recorded`: ask `inner` for what the cache lacks and add it; else that is an error.
    """

    kind: str = "statistical"
    accuracy: float = 0.6
    accuracy_spread: float = 0.1
    difficulty_spread: float = 1.0
    judge_accuracy: float = 0.75
    judge_spread: float = 0.07
    shared_error: float = 0.3
    sharpness: float = 4.0
    own_preference: float = 0.4
    length_bias: float = 0.0
    obedience: float = 0.0
    latency: str = "uniform(50, 400)"
    cache: str = ""
    inner: str = "embedded"
    record: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """What the network does to every message.

    Attributes:
        latency: Distribution of the one-way delay in milliseconds: `constant(a)`, `uniform(low, high)`,
            `normal(mean, deviation)`, `exponential(mean)`, or `lognormal(median, sigma)`.
        jitter_ms: A further uniform delay of 0 to this much.
        loss: Probability that a message is lost.
        duplication: Probability that it arrives twice.
        reordering: Probability that it is held back behind later ones.
        corruption: Probability that one of its bytes is changed on the way.
    """

    latency: str = "uniform(1, 20)"
    jitter_ms: int = 0
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    corruption: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarySettings:
    """Peers that are not honest.

    Attributes:
        kind: Name of a class in `sim_net.adversaries`, or `module:Class` of a plug-in.
        peers: How many, drawn from the seed among the peers that are still honest; 0 where `share` says it.
        share: Share of all peers, rounded to the nearest number; 0 where `peers` says it.
        options: What else the class takes, by its own names.
    """

    kind: str
    peers: int = 0
    share: float = 0.0
    options: Mapping[str, Option] = field(default_factory=_no_options)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSettings:
    """Something that goes wrong, once or again and again.

    Attributes:
        kind: Name of a fault in `sim_net.faults`.
        at_ms: When it strikes first.
        every_ms: When it strikes again, counted from the first; 0 is never.
        until_ms: No strike at or after this; 0 is the end of the fault phase.
        lasts_ms: How long each strike lasts before it is undone; 0 is until the network heals.
        probability: Probability of each strike.
        peers: Which peers, by index; empty draws `count` of the honest ones from the seed at every strike.
        count: How many peers are drawn where `peers` is empty.
        groups: For a partition: who can still talk to whom; who is in none is alone.
        options: What else the fault takes, by its own names; durations in milliseconds, named `..._ms`.
    """

    kind: str
    at_ms: int = 0
    every_ms: int = 0
    until_ms: int = 0
    lasts_ms: int = 0
    probability: float = 1.0
    peers: tuple[int, ...] = ()
    count: int = 1
    groups: tuple[tuple[int, ...], ...] = ()
    options: Mapping[str, Option] = field(default_factory=_no_options)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSettings:
    """A run's phases: faults, then healing and liveness, then quiet before the last check.

    Attributes:
        faults_ms: When everything heals at the latest; 0 is once the last round is closed or given up.
        liveness_ms: How long the healed network may take to finish what is open.
        quiet_ms: How long nothing is asked and nothing fails before the last check.
    """

    faults_ms: int = 0
    liveness_ms: int = 600_000
    quiet_ms: int = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One experiment.

    Attributes:
        name: Short name, letters, digits and hyphens.
        about: One sentence for people.
        seed: The seed used where none is given.
        rounds: Questions to ask.
        swarm: Who takes part.
        models: What they think with.
        network: What the network does.
        phases: When it heals, and what is granted then.
        adversaries: Peers that are not honest; drawn in this order.
        faults: What goes wrong.
        expect: Conditions such as `accuracy >= 0.8`, over the names in `sim_net.metrics`.
    """

    name: str
    about: str = ""
    seed: int = 1
    rounds: int = 1
    swarm: SwarmSettings = SwarmSettings()
    models: ModelSettings = ModelSettings()
    network: NetworkSettings = NetworkSettings()
    phases: PhaseSettings = PhaseSettings()
    adversaries: tuple[AdversarySettings, ...] = ()
    faults: tuple[FaultSettings, ...] = ()
    expect: tuple[str, ...] = ()
