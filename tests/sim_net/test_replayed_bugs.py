"""Bugs planted in the protocol: random manifests find each, and the line that is printed finds it again.

The plants are those of tests/consensus/test_planted_bugs.py and a few that only a whole world can show.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from consensus.decision import ClosedStep, DecisionEngine, Opening, Outcome, RoundFacts
from consensus.desk import Desk
from consensus.encoding import encode
from consensus.errors import PeerError
from consensus.messages import SeatMessage, Value, compute_value_digest
from consensus.round import Round
from models.contract import Model
from sim_net.fuzz import FUZZ_SOURCE
from sim_net.records import VerdictKind
from sim_net.replay import Line, parse_line
from sim_net.shrink import Failure, run_line
from sim_net.world import World
from swarm.core.history import History
from swarm.core.node import NodeConfig, NodeState, create_node
from tests.consensus import test_planted_bugs as plants
from tests.consensus.test_planted_bugs import Patch, planted

BUDGET = 160  # seeds; the slowest to be found needs about 100


def accuse_nobody(patch: Patch) -> None:
    patch.setattr(Desk, "accuse", lambda self, fault, first, second: None)


def never_say_anything_twice(patch: Patch) -> None:
    patch.setattr(Round, "_resend", lambda self: None)
    patch.setattr(Round, "on_linked", lambda self, seat, now_ms: None)


def blame_who_repeats(patch: Patch) -> None:
    """Take a message that came before for a broken rule: honest seats send theirs again."""
    take = Round.on_message
    heard: dict[tuple[int, bytes], None] = {}

    def on_message(self: Round, message: SeatMessage, sender: int | None, now_ms: int) -> None:
        place = (id(self), encode(message))
        if place in heard:
            raise PeerError("heard before")
        heard[place] = None
        take(self, message, sender, now_ms)

    patch.setattr(Round, "on_message", on_message)


def decide_by_floats(patch: Patch) -> None:
    """Give each machine its own rounding: the last bit of what is certified depends on who computes it."""
    machines = 0

    class OwnEngine(DecisionEngine):
        def __init__(self, machine: int) -> None:
            super().__init__()
            self.machine = machine

        def compute(
            self, facts: RoundFacts, closed: Sequence[ClosedStep], openings: Mapping[int, Opening]
        ) -> Outcome:
            outcome = super().compute(facts, closed, openings)
            rounded = outcome.value.p_best_q16 * (1.0 + self.machine % 2 * 1e-4)
            value = replace_field(outcome.value, "p_best_q16", int(rounded))
            data = encode(value)
            return replace(outcome, value=value, value_bytes=data, digest=compute_value_digest(data))

    def create_state(self: World, signer: object, model: Model) -> NodeState:
        nonlocal machines
        machines += 1
        return create_node(
            NodeConfig(
                network=self.network,
                signer=signer,  # type: ignore[arg-type]
                verifier=self.verifier,
                engine=OwnEngine(machines),
                timing=self.timing,
                info=model.info(),
            )
        )

    patch.setattr(World, "_create_state", create_state)


def replace_field(value: Value, name: str, new: int) -> Value:
    fields = {field: getattr(value, field) for field in value.__struct_fields__}
    return Value(**(fields | {name: new}))


def believe_any_history(patch: Patch) -> None:
    patch.setattr(History, "check", lambda self, standing, base: None)


PLANTS: dict[str, Callable[[Patch], None]] = {
    "skip a signature": plants.skip_signature_checks,
    "trust f + 1 for commits": plants.certify_with_f_plus_one_lists,
    "reveal early": plants.reveal_before_q_lists,
    "drop a lock": plants.drop_the_lock,
    "accept a stale pol_view": plants.take_a_stale_proof,
    "adopt foreign commits": plants.take_bodies_that_do_not_open,
    "forget sync": plants.send_before_it_is_on_disk,
    "call a partial round full": plants.forget_who_is_missing,
    "count votes that were not dealt": plants.judge_the_own_class,
    "let one list name a seat again and again": plants.count_a_seat_as_often_as_it_is_named,
    "list what is not certified": plants.take_uncertified_reveals,
    "forget over a restart what was signed": plants.forget_what_was_signed,
    "take f + 1 for a quorum": plants.lower_the_quorum,
    "let one list decide who counts": plants.count_lists_of_f,
    "accuse nobody": accuse_nobody,
    "believe any history": believe_any_history,
    "never say anything twice": never_say_anything_twice,
    "a float in the decision": decide_by_floats,
    "blame who says a thing again": blame_who_repeats,
}


# These show themselves to one kind of adversary only: they are looked for in its scenario.
STUFFED = Line(
    "thieves",
    0,
    sets=("rounds=6", "swarm.peers=4"),
    drops=("adversary.0", "adversary.1", "adversary.2"),
)
STOLEN = replace(STUFFED, drops=("adversary.1", "adversary.2", "adversary.3"))
CENSORED = Line(
    "censorship",
    0,
    sets=("rounds=6", "swarm.peers=4", "swarm.steps=1", "network.latency=uniform(1, 2500)"),
    drops=("adversary.1", "adversary.2"),
)
FORGED = Line("forged-history", 0, sets=("rounds=4", "adversary.0.every=2"), drops=("fault.0",))
SOURCES = {
    "believe any history": FORGED,
    "let one list name a seat again and again": STUFFED,
    "adopt foreign commits": STOLEN,
    "accept a stale pol_view": CENSORED,
}


# A rule that each plant must be seen to break; together they show that the checkers' rules fire.
BREAKS = {
    "skip a signature": "evidence",
    "reveal early": "order",
    "drop a lock": "amnesia",
    "adopt foreign commits": "thieves",
    "forget sync": "signatures",
    "call a partial round full": "receipts",
    "count votes that were not dealt": "soundness",
    "list what is not certified": "late",
    "take f + 1 for a quorum": "omission",
    "let one list decide who counts": "termination",
    "accuse nobody": "discovery",
    "believe any history": "standings",
    "blame who says a thing again": "penalties",
}


def find(name: str) -> tuple[Line, Failure]:
    """Return the first line on which the plant breaks the rule that it is here to show."""
    for seed in range(BUDGET):
        line = replace(SOURCES.get(name, Line(FUZZ_SOURCE, 0)), seed=seed)
        with planted(PLANTS[name]):
            failure = run_line(line).failure
        if failure is not None and BREAKS.get(name, failure.names[0]) in failure.names:
            return line, failure
    raise AssertionError(f"{BUDGET} random manifests did not find it")


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_found_and_replayed_from_its_line(name: str) -> None:
    line, failure = find(name)
    print(line.command)  # noqa: T201 - what a person would copy
    assert failure.kind in (VerdictKind.SAFETY, VerdictKind.LIVENESS)
    with planted(PLANTS[name]):
        again = run_line(parse_line(line.render())).failure
    assert again == failure
    cured = run_line(parse_line(line.render()))
    assert cured.failure is None, [check for check in cured.checks if not check.is_ok]
