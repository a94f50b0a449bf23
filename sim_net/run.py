"""Runs a manifest in virtual time: faults, then healing and liveness, then quiet and the last checks."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from consensus.errors import LimitExceeded
from models.contract import Model
from sim_net.adversaries import ASKER_REGISTRY, REGISTRY, load_plugin
from sim_net.adversary_kinds import compute_adversary_count
from sim_net.asker import Asking
from sim_net.assumption import compute_calls, compute_seats, keeps_standing
from sim_net.checkers.discovery import Discovery
from sim_net.checkers.final import check_end
from sim_net.checkers.watch import Watch
from sim_net.faults import FaultPlan
from sim_net.judging import JUDGING_ADVERSARIES, JudgingAdversary, JudgingContext
from sim_net.manifest import AdversarySettings, Manifest
from sim_net.models import create_models, make_questions
from sim_net.questions import Scheduled, schedule
from sim_net.recorder import Recorder
from sim_net.seeds import Seeds
from sim_net.world import World
from swarm.edge.past import Past

SLICE_MS = 500  # how often a healed world is looked at


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is: `phase` is faults, liveness or quiet."""

    phase: str
    rounds_done: int
    rounds: int
    now_ms: int


@dataclass(slots=True)
class Cast:
    """Who plays what.

    Attributes:
        behaviour: By peer; who is not in it is honest.
        entries: Each entry of the manifest with its peers.
    """

    behaviour: dict[int, str] = field(default_factory=dict)
    entries: list[tuple[AdversarySettings, tuple[int, ...]]] = field(default_factory=list)


def draw_cast(manifest: Manifest, seeds: Seeds) -> Cast:
    """Draw which peers are adversaries; leaving an entry out shifts the draws of no other."""
    cast = Cast()
    known: dict[str, int] = {}
    for entry in manifest.adversaries:
        known[entry.kind] = known.get(entry.kind, 0) + 1
        dice = seeds.split(f"cast-{entry.kind}-{known[entry.kind]}")
        count = compute_adversary_count(entry, manifest.swarm.peers)
        order = dice.sample(range(manifest.swarm.peers), manifest.swarm.peers)
        chosen = tuple(sorted([peer for peer in order if peer not in cast.behaviour][:count]))
        if entry.kind in ASKER_REGISTRY:
            chosen = ()
        cast.behaviour.update(dict.fromkeys(chosen, entry.kind))
        cast.entries.append((entry, chosen))
    return cast


class Run:
    """One run of a manifest, from its seed.

    Args:
        manifest: What to run.
        seed: Decides everything.
        on_progress: Told how far it is, now and then.

    Raises:
        ConfigError: The manifest names what cannot be loaded, or options that a class does not take.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        seed: int,
        on_progress: Callable[[RunProgress], None] = lambda _: None,
    ) -> None:
        self.manifest = manifest
        self.seed = seed
        seeds = Seeds(seed)
        self.cast = draw_cast(manifest, seeds)
        asked = make_questions(seed=seeds.derive("questions"), count=manifest.rounds)
        self.questions = schedule(
            [Scheduled(text, truth) for text, truth in asked], manifest.swarm, secret=seeds.derive("gold")
        )
        self.truths: Mapping[str, str] = {one.text: one.truth for one in self.questions}
        self.models = create_models(
            manifest.models, seed=seeds.derive("models"), peers=manifest.swarm.peers, truths=self.truths
        )
        self.world = World(
            seed=seed,
            models=self._make_minds(seeds),
            network=manifest.network,
            latency=manifest.models.latency,
        )
        self.watch = Watch(self.world)
        self.discovery = Discovery(self.world, self.watch)
        self.recorder = Recorder(self.world)
        self._corrupt()
        self.faults = FaultPlan(self.world)
        self.faults.schedule(manifest.faults)
        self.askings: list[Asking] = []
        self.past = Past()
        self._on_progress = on_progress

    # -- the cast ----------------------------------------------------------------------------------

    def _make_minds(self, seeds: Seeds) -> list[Model]:
        """Return the peers' models, those of lying judges and authors wrapped."""
        minds = list(self.models)
        number = {one.text: place for place, one in enumerate(self.questions)}
        golds = frozenset(one.text for one in self.questions if one.opening is not None)
        for entry, peers in self.cast.entries:
            kind = find_judging(entry.kind)
            if kind is None:
                continue
            for peer in peers:
                context = JudgingContext(
                    peer=peer,
                    allies=peers,
                    seed=seeds.derive(f"judging-{entry.kind}"),
                    truths=self.truths,
                    get_round=lambda question: number.get(question, 0),
                    is_gold=golds.__contains__,
                )
                minds[peer] = kind(minds[peer], context, **entry.options)
        return minds

    def _corrupt(self) -> None:
        """Let the Byzantine peers take hold of their nodes."""
        for entry, peers in self.cast.entries:
            if find_judging(entry.kind) is not None:
                continue
            if entry.kind in ASKER_REGISTRY:
                ASKER_REGISTRY[entry.kind](self.world, **entry.options)
                continue
            kind = REGISTRY.get(entry.kind) or load_plugin(entry.kind)
            for peer in peers:
                kind(self.world, peer, **entry.options)

    # -- phases ------------------------------------------------------------------------------------

    def execute(self) -> None:
        """Live through all phases, and check what must hold at the end."""
        manifest, world = self.manifest, self.world
        if manifest.phases.faults_ms:
            world.at(manifest.phases.faults_ms, self._heal)
        self._ask_all()
        self._heal()
        limit = world.now_ms + manifest.phases.liveness_ms
        while world.now_ms < limit and not self._is_at_rest():
            self._report("liveness")
            world.run(until_ms=min(limit, world.now_ms + SLICE_MS))
        self._report("quiet")
        world.run(until_ms=world.now_ms + manifest.phases.quiet_ms)
        check_end(self.watch)
        self.discovery.check()

    def _heal(self) -> None:
        if self.faults.healed_ms is None:
            self.faults.heal(self.manifest.network)
            self.watch.healed_ms = self.world.now_ms

    def _ask_all(self) -> None:
        """Ask one question after another; one is given up after the asker's patience."""
        swarm, world = self.manifest.swarm, self.world
        waiting = list(self.questions)
        opened: list[Asking] = []
        while waiting or opened:
            while waiting and len(opened) < swarm.overlap:
                opened.append(self._ask(waiting.pop(0)))
            until = min(asking.asked_ms for asking in opened) + swarm.patience_ms
            current = tuple(opened)
            world.run(until_ms=until, is_done=lambda current=current: any(one.receipt for one in current))  # type: ignore[misc]
            for one in sorted(opened, key=lambda one: one.closed_ms or 0):
                self._learn(one)
            opened = [
                one
                for one in opened
                if one.receipt is None and world.now_ms < one.asked_ms + swarm.patience_ms
            ]
            self._report("faults")

    def _ask(self, scheduled: Scheduled) -> Asking:
        swarm = self.manifest.swarm
        question = self.world.make_question(
            scheduled.text,
            counter=len(self.askings),
            seats=compute_seats(self.manifest),
            calls_per_peer=compute_calls(self.manifest),
            steps_max=swarm.steps,
            answer_ms=swarm.answer_ms,
            ballot_ms=swarm.ballot_ms,
            reveal_ms=swarm.reveal_ms,
        )
        asking = self.world.asker.ask(question, backing=self.past.backing)
        self.askings.append(asking)
        return asking

    def _learn(self, asking: Asking) -> None:
        """Build the questions after this one on its round, as the real asker does.

        Where several are open at once, what sums up fewer rounds does not take the place of more.
        """
        if asking.verified is None or asking.receipt is None or not keeps_standing(self.manifest.swarm):
            return
        held, before = self.past.backing, asking.backing
        rounds = 1 if before is None else before.standing.standing.rounds + 1
        if held is not None and held.standing.standing.rounds > rounds:
            return
        opening = self.questions[asking.question.counter].opening
        with suppress(LimitExceeded):  # a standing that fits no message: the one before stays
            self.past.add(asking.verified, asking.receipt, opening)

    def _is_at_rest(self) -> bool:
        return all(
            node.is_up
            and all(seat.round.is_finished and not seat.outbox.waiting for seat in node.state.seats.values())
            for index, node in enumerate(self.world.nodes)
            if self.watch.is_honest(index)
        ) and all(asking.receipt is not None or not self._is_answerable(asking) for asking in self.askings)

    def _is_answerable(self, asking: Asking) -> bool:
        """Say whether somebody holds a receipt that the asker has not got yet."""
        return asking.round_id in self.watch.receipts

    def _report(self, phase: str) -> None:
        done = sum(asking.receipt is not None for asking in self.askings)
        self._on_progress(RunProgress(phase, done, self.manifest.rounds, self.world.now_ms))


def find_judging(kind: str) -> type[JudgingAdversary] | None:
    """Return the class of a judging adversary, plug-ins included; None where the kind is another."""
    if ":" in kind:
        loaded = load_plugin(kind)
        return loaded if issubclass(loaded, JudgingAdversary) else None
    return JUDGING_ADVERSARIES.get(kind)
