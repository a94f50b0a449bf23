"""What is asked, of which swarms, by which rules it is decided: one frozen plan, as plain data."""

from dataclasses import dataclass, replace
from typing import Final

from consensus.hashing import tagged_hash
from models.judges.strategy import AUTOMATIC
from models.prompts import DEFAULT_MAX_TOKENS, DEFAULT_TEMPERATURE_MILLI
from ranking.canonical import STEPS_MAX, default_calls_per_peer

BOOTSTRAP_DEFAULT = 2_000
QUICK_QUESTIONS_MAX = 4
QUICK_BOOTSTRAP_MAX = 200
EXTRANEOUS_KINDS: Final = ("facts", "numbers", "orders", "answers")
"""What is added to questions: irrelevant facts, distracting numbers, orders to who answers or judges, and
answers that are none."""


DIRTY_NAME: Final = "{} (extraneous text)"
HOSTILE_NAME: Final = "{} (hostile answers)"
"""What a swarm is called in tables where it stands once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSource:
    """Where questions come from.

    Args:
        spec: What `evaluation.tasks.load_tasks` reads, such as `gold:units:1`.
        count: How many are drawn.
    """

    spec: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Questions that were used before, to teach or to choose by, and must not be measured on.

    Args:
        spec: What `evaluation.tasks.draw_tasks` reads.
        count: How many were drawn.
        seed: By which seed.
    """

    spec: str
    count: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenList:
    """The same as a list of texts that comes with the package.

    Args:
        name: What `evaluation.tasks.seen.read_seen` reads.
    """

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A peer that differs from its swarm.

    Args:
        peer: Which one, from 0.
        model: Its own model; the swarm's when None.
        temperature_milli: Its own temperature in thousandths; the swarm's when None.
    """

    peer: int
    model: str | None = None
    temperature_milli: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmPlan:
    """One swarm that every question is put to.

    Args:
        name: Unique in the plan.
        model: What `models.catalog.open_model` reads.
        peers: How many peers, all of them seats of every round.
        key_seed: What `peerage ask --seed` takes: fixes keys, hence prompts, seats and noise.
        judge: What `models.judges.strategy.parse_strategy` reads, or `auto`.
        calls_per_peer: Judge calls a peer in a round.
        steps: Ballot steps of a round.
        temperature_milli: Sampling temperature in thousandths.
        tokens_max: Longest answer.
        members: Peers that differ, by rising place.
    """

    name: str
    model: str
    peers: int
    key_seed: str
    judge: str = AUTOMATIC
    calls_per_peer: int
    steps: int = STEPS_MAX
    temperature_milli: int = DEFAULT_TEMPERATURE_MILLI
    tokens_max: int = DEFAULT_MAX_TOKENS
    members: tuple[Member, ...] = ()

    def get_models(self) -> tuple[str, ...]:
        """Return the model of each peer."""
        own = {member.peer: member.model for member in self.members}
        return tuple(own.get(peer) or self.model for peer in range(self.peers))

    def get_temperatures_milli(self) -> tuple[int, ...]:
        """Return the sampling temperature of each peer, in thousandths."""
        own = {member.peer: member.temperature_milli for member in self.members}
        found = [own.get(peer) for peer in range(self.peers)]
        return tuple(self.temperature_milli if value is None else value for value in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """What is done to every swarm of a plan, beside leaving it in peace.

    Args:
        extraneous: Kinds of text that are added to questions, of EXTRANEOUS_KINDS; every question gets one.
        hostile_answers: How many peers that are wrong speak to the judges in their answers; 0 for none.
        hostile_judges: Numbers of peers that judge against the swarm, rising.
    """

    extraneous: tuple[str, ...] = ()
    hostile_answers: int = 0
    hostile_judges: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The questions as rounds in sequence, in which peers gain and lose weight.

    Args:
        gold_every: Every how manieth round's truth comes out afterwards; 0 for none.
    """

    gold_every: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Tasks x swarms x methods.

    Args:
        name: For people.
        seed: Draws questions, ties, deals and the bootstrap.
        tasks: Sources, in order.
        swarms: Swarms, in order.
        methods: Names of `evaluation.methods.METHODS`; all that the records allow when empty.
        against: The method that all others are compared with.
        bootstrap: Resamples of the questions.
        budgets: Judge calls a peer that the curve of accuracy against calls shows, rising.
        sizes: Numbers of peers that the curve of accuracy against peers shows, rising.
        robustness: What swarms have to withstand; None for nothing.
        standing: How rounds are held in sequence; None where they are not.
        seen: What was used before, whose texts are not drawn again.
    """

    name: str
    seed: int
    tasks: tuple[TaskSource, ...]
    swarms: tuple[SwarmPlan, ...]
    methods: tuple[str, ...] = ()
    against: str = "majority"
    bootstrap: int = BOOTSTRAP_DEFAULT
    budgets: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    robustness: Robustness | None = None
    standing: Standing | None = None
    seen: tuple[Seen | SeenList, ...] = ()

    @property
    def seed_bytes(self) -> bytes:
        """The seed of everything that is drawn once the answers are there."""
        return tagged_hash("evaluation-seed", self.seed)


def shrink(plan: Plan) -> Plan:
    """Return a plan of the same shape that takes a minute: few questions, few resamples."""
    return replace(
        plan,
        tasks=tuple(replace(one, count=min(one.count, QUICK_QUESTIONS_MAX)) for one in plan.tasks),
        bootstrap=min(plan.bootstrap, QUICK_BOOTSTRAP_MAX),
    )


def reseed(plan: Plan, seed: int) -> Plan:
    """Return the plan on other questions: all that its seed draws is drawn anew, its swarms stay."""
    return replace(plan, seed=seed)


def get_calls_default(peers: int) -> int:
    """Return the judge calls a peer that the product would make, where the plan does not say."""
    return default_calls_per_peer(peers)
