"""The tests are tested: each rule is broken on purpose, and some checker must notice.

A mutant that nobody notices means that the suite would let the same mistake through tomorrow.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import pytest

from consensus import collection, cosigned, decision, verify, votes
from consensus.bodies import BallotBody
from consensus.collection import Collection
from consensus.committee import Committee
from consensus.decision import DecisionEngine, Status
from consensus.encoding import decode
from consensus.identity import Verifier
from consensus.messages import BODY_BYTES_MAX, Kind, Proposal, Reveal, RevealMessage, SeatList, Signed
from consensus.round import Round
from consensus.verify import verify_receipt
from consensus.votes import Agreement, Candidate
from ranking.canonical import Assignment
from sim_net.adversaries import (
    Adversary,
    Amnesiac,
    CensoringProposer,
    CommitThief,
    LateCommitter,
    ListLiar,
    ListPadder,
    ListStuffer,
    RevealWithholder,
    TwoFacedProposer,
    VoteEquivocator,
)
from sim_net.checkers.final import check_world
from sim_net.checkers.watch import Watch
from sim_net.manifest import NetworkSettings
from sim_net.world import World
from swarm.core.outbox import Outbox
from tests.consensus.receipt_cases import CASES, Case
from tests.consensus.receipt_kit import get_kit
from tests.sim_net.kit import MODEL

Patch = pytest.MonkeyPatch


def is_noticed_in_worlds(
    kind: type[Adversary] | None,
    *,
    seeds: int = 12,
    network: NetworkSettings | None = None,
    steps_max: int = 1,
) -> bool:
    """Say whether any checker objects in a few worlds, each with one bad seat."""
    for seed in range(seeds):
        world = World(seed=seed, models=[MODEL] * 4, network=network)
        bad = [] if kind is None else [seed % 4]
        watch = Watch(world)
        if kind is not None:
            kind(world, bad[0])
        world.ask("What is 7 times 12?", steps_max=steps_max)
        try:
            world.run(until_ms=30_000)
            check_world(watch, is_healed=False)
        except AssertionError:
            return True
    return False


def is_noticed_in_receipts(names: Sequence[str]) -> bool:
    """Say whether any of these forgeries is taken for good, or refused by another step than it should be."""
    for name in names:
        case: Case = CASES[name]
        verdict = verify_receipt(case.mutate(get_kit(case.kit)))
        failed = [check.number for check in verdict.checks if check.outcome.value == "failed"]
        if failed != [case.refused_at]:
            return True
    return False


def is_noticed_after_restarts() -> bool:
    """Say whether any checker objects when seats restart in a bad network."""
    for seed in range(12):
        network = NetworkSettings(latency="uniform(1, 600)", loss=0.2)
        world = World(seed=seed, models=[MODEL] * 4, network=network)
        watch = Watch(world)
        for beat in range(8):
            world.at(300 + 700 * beat, partial(world.crash, beat % 4))
            world.at(310 + 700 * beat, partial(world.restart, beat % 4))
        world.ask("What is 7 times 12?", steps_max=1)
        try:
            world.run(until_ms=30_000)
            check_world(watch, is_healed=False)
        except AssertionError:
            return True
    return False


def is_noticed_in_a_split() -> bool:
    """Say whether any checker objects when two halves cannot hear each other for a while."""
    world = World(seed=1, models=[MODEL] * 4)
    watch = Watch(world)
    cut = [(a, b) for a in range(4) for b in range(4) if (a < 2) != (b < 2)]
    world.links.cut(cut)
    world.at(60_000, lambda: world.heal(cut))
    world.ask("What is 7 times 12?", steps_max=1)
    try:
        world.run(until_ms=120_000)
        check_world(watch, is_healed=False)
    except AssertionError:
        return True
    return False


# -- the mutants -------------------------------------------------------------------------------------


def skip_signature_checks(patch: Patch) -> None:
    patch.setattr(Verifier, "is_valid", lambda *_: True)


def certify_with_f_plus_one_lists(patch: Patch) -> None:
    def is_certified(self: Collection, seat: int, commit: bytes) -> bool:
        return self._named.get((seat, commit), 0).bit_count() > self.desk.facts.committee.f

    patch.setattr(Collection, "is_certified", is_certified)


def reveal_before_q_lists(patch: Patch) -> None:
    send = Collection._send_own_reveal
    start = Collection._send_commit

    def send_commit(self: Collection, signed: Signed) -> None:
        start(self, signed)
        reveal = self.desk.signed.get(bytes([Kind.REVEAL, self.step, 0]))
        if reveal is not None:
            self.desk.broadcast(RevealMessage(self.desk.facts.round_id, reveal, ()))
        send(self)

    patch.setattr(Collection, "_send_commit", send_commit)


def drop_the_lock(patch: Patch) -> None:
    patch.setattr(Agreement, "_may_vote", lambda self, content: True)
    # Proposers forget as well; an honest one would offer its proven value again.
    patch.setattr(Agreement, "_get_highest_proof", lambda self: None)


def take_a_stale_proof(patch: Patch) -> None:
    def may_vote(self: Agreement, content: Proposal) -> bool:
        return self.lock is None or content.pol_view >= -1

    patch.setattr(Agreement, "_may_vote", may_vote)


def take_bodies_that_do_not_open(patch: Patch) -> None:
    def admit(self: Collection, signed: Signed, content: Reveal) -> None:
        decision.check_body(self.desk.facts, self.desk.closed, signed.seat, content.body)
        self.openings.setdefault(
            (signed.seat, content.commit),
            decision.Opening(signed.seat, content.commit, content.salt, content.body, signed),
        )

    patch.setattr(Collection, "admit_opening", admit)


def verify_bodies_that_do_not_open(patch: Patch) -> None:
    def compute(*, body: bytes, salt: bytes, **rest: bytes) -> bytes:
        for kit in (get_kit("four"), get_kit("short")):
            for step in kit.closed:
                for opening in step.openings:
                    if opening.salt == salt:
                        return opening.commit
        return bytes(32)

    patch.setattr(verify, "compute_commit", compute)


def vote_without_recomputing(patch: Patch) -> None:
    def validate(self: Agreement, candidate: Candidate) -> bool | None:
        return None if self._get_openings(candidate.revealed) is None else True

    patch.setattr(Agreement, "_validate", validate)


def verify_without_recomputing(patch: Patch) -> None:
    recompute = DecisionEngine.compute

    class Lenient(bytes):
        def __eq__(self, other: object) -> bool:
            return True

        def __ne__(self, other: object) -> bool:
            return False

        __hash__ = bytes.__hash__

    def compute(self, facts, closed, openings):  # type: ignore[no-untyped-def]
        outcome = recompute(self, facts, closed, openings)
        object.__setattr__(outcome, "value_bytes", Lenient(outcome.value_bytes))
        return outcome

    patch.setattr(DecisionEngine, "compute", compute)


def send_before_it_is_on_disk(patch: Patch) -> None:
    patch.setattr(Outbox, "wait_for", lambda self, write_id: None)


def forget_who_is_missing(patch: Patch) -> None:
    patch.setattr(decision, "_compute_status", lambda closed, missing, decided: Status.FULL)


def judge_the_own_class(patch: Patch) -> None:
    def open_any(body: bytes, *, prev: bytes, dealt: Sequence[Assignment]) -> BallotBody:
        return decode(BallotBody, body, bytes_max=BODY_BYTES_MAX)

    patch.setattr(decision, "open_ballot", open_any)


def count_a_seat_as_often_as_it_is_named(patch: Patch) -> None:
    for module in (votes, collection, cosigned, verify):
        patch.setattr(module, "check_seat_list", lambda content, committee: None)


def take_uncertified_reveals(patch: Patch) -> None:
    def get_all(self: Collection) -> dict[int, bytes]:
        return dict(sorted(self.openings))

    patch.setattr(Collection, "_get_certified_openings", get_all)


def forget_what_was_signed(patch: Patch) -> None:
    restore = Round.restore

    def restore_facts(
        self: Round, signed: Sequence[Signed], facts: Mapping[bytes, bytes], now_ms: int
    ) -> None:
        restore(self, (), facts, now_ms)

    patch.setattr(Round, "restore", restore_facts)


def lower_the_quorum(patch: Patch) -> None:
    prepare = Committee.__post_init__

    def prepare_less(self: Committee) -> None:
        prepare(self)
        object.__setattr__(self, "q", self.f + 1)

    patch.setattr(Committee, "__post_init__", prepare_less)


def count_lists_of_f(patch: Patch) -> None:
    def compute(lists: Iterator[SeatList], committee: Committee) -> dict[int, bytes]:
        revealed: dict[int, bytes] = {}
        for content in lists:
            for entry in content.entries:
                revealed.setdefault(entry.seat, entry.commit)
        return revealed

    for module in (votes, verify):
        patch.setattr(module, "compute_revealed", compute)


def is_noticed_in_slow_worlds() -> bool:
    kinds = (TwoFacedProposer, CensoringProposer, Amnesiac, VoteEquivocator)
    return any(is_noticed_in_worlds(kind, network=SLOW, seeds=45) for kind in kinds)


SLOW = NetworkSettings(latency="uniform(1, 2500)")

MUTANTS: dict[str, tuple[Callable[[Patch], None], Callable[[], bool]]] = {
    "signatures are not checked": (
        skip_signature_checks,
        lambda: is_noticed_in_receipts(["reveal signature zeroed", "precommits exchanged between seats"]),
    ),
    "f + 1 lists certify a commit": (
        certify_with_f_plus_one_lists,
        lambda: is_noticed_in_worlds(LateCommitter) or is_noticed_in_worlds(ListLiar),
    ),
    "reveals leave before q lists": (reveal_before_q_lists, lambda: is_noticed_in_worlds(None, seeds=1)),
    "the lock is forgotten": (
        drop_the_lock,
        is_noticed_in_slow_worlds,
    ),
    "a stale proof unlocks": (
        take_a_stale_proof,
        lambda: is_noticed_in_worlds(CensoringProposer, network=SLOW, seeds=45),
    ),
    "bodies need not open their commit": (
        take_bodies_that_do_not_open,
        lambda: is_noticed_in_worlds(CommitThief),
    ),
    "a verifier takes bodies that do not open": (
        verify_bodies_that_do_not_open,
        lambda: is_noticed_in_receipts(["own body changed under the old commit"]),
    ),
    "a verifier does not recompute": (
        verify_without_recomputing,
        lambda: is_noticed_in_receipts(["winner changed, certified by all", "full for partial"]),
    ),
    "words leave before they are on disk": (
        send_before_it_is_on_disk,
        lambda: is_noticed_in_worlds(None, seeds=1),
    ),
    "status does not look at who is missing": (
        forget_who_is_missing,
        lambda: is_noticed_in_worlds(RevealWithholder),
    ),
    "a seat may judge what was not dealt to it": (
        judge_the_own_class,
        lambda: is_noticed_in_receipts(["ballot on the own class"]),
    ),
    "a list may name a seat again and again": (
        count_a_seat_as_often_as_it_is_named,
        lambda: is_noticed_in_worlds(ListStuffer),
    ),
    "uncertified reveals are listed": (take_uncertified_reveals, lambda: is_noticed_in_worlds(LateCommitter)),
    "a restarted seat forgets what it signed": (forget_what_was_signed, is_noticed_after_restarts),
    "f + 1 is a quorum": (lower_the_quorum, is_noticed_in_a_split),
    "one list is enough": (
        count_lists_of_f,
        lambda: is_noticed_in_worlds(ListPadder),
    ),
}


@contextmanager
def planted(plant: Callable[[Patch], None]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        yield


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_noticed(name: str) -> None:
    plant, is_noticed = MUTANTS[name]
    for kit in ("four", "short", "partial"):
        get_kit(kit)  # made by the rules as they are
    assert not is_noticed(), "the checkers are quiet where nothing is planted"
    with planted(plant):
        assert is_noticed(), f"{name}: nobody noticed"
