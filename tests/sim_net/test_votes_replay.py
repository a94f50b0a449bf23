"""What the model finds is played on the code that seats run: it forks without the rule, not with it."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from consensus.cosigned import Book, Page
from consensus.messages import Kind, Prevote, Proposal, ProposalMessage, Signed
from consensus.receipt import get_result, open_receipt
from consensus.round import Round
from consensus.verify import verify_receipt
from consensus.votes import Agreement
from sim_net.votes import Schedule, VotingRule, explore_votes
from sim_net.votes.explore import Search
from sim_net.votes.interleave import Interleaving
from sim_net.votes.replay import Replay, replay_schedule
from sim_net.votes.rules import Offer
from sim_net.votes.schedule import Act, Cast, Move, Role

Patch = pytest.MonkeyPatch
MAY_VOTE = Agreement._may_vote


def drop_the_lock(patch: Patch) -> None:
    patch.setattr(Agreement, "_may_vote", lambda self, content: True)


def believe_proofs(patch: Patch) -> None:
    patch.setattr(Agreement, "_check_proof", lambda self, content, prevotes: None)


def take_a_stale_proof(patch: Patch) -> None:
    def may_vote(self: Agreement, content: Proposal) -> bool:
        return content.pol_view >= 0 or MAY_VOTE(self, content)

    patch.setattr(Agreement, "_may_vote", may_vote)


def add_up_votes_of_one_value(patch: Patch) -> None:
    def get_quorum(self: Agreement, book: Book, view: int) -> Page | None:
        merged: dict[bytes, Page] = {}
        for page in book.pages.values():
            if isinstance(page.content, Prevote) and page.content.view == view:
                sums = merged.setdefault(page.content.value, Page(page.payload, page.content))
                sums.signatures.update(page.signatures)
        full = [page for page in merged.values() if len(page.signatures) >= self.desk.facts.committee.q]
        return full[0] if full else None

    patch.setattr(Agreement, "_get_quorum", get_quorum)


def forget_earlier_values(patch: Patch) -> None:
    def may_vote(self: Agreement, content: Proposal) -> bool:
        is_locked_on_it = self.lock is not None and self.lock.candidate.digest == content.value
        return is_locked_on_it or MAY_VOTE(self, content)

    patch.setattr(Agreement, "_may_vote", may_vote)


def forget_votes(patch: Patch) -> None:
    restore = Round.restore

    def restore_rest(
        self: Round, signed: Sequence[Signed], facts: Mapping[bytes, bytes], now_ms: int
    ) -> None:
        kept = [one for one in signed if one.kind not in (Kind.PREVOTE, Kind.PRECOMMIT)]
        restore(self, kept, facts, now_ms)

    patch.setattr(Round, "restore", restore_rest)


def forget_the_view(patch: Patch) -> None:
    restore = Agreement.restore

    def restore_rest(self: Agreement, view: int, lock: ProposalMessage | None) -> None:
        restore(self, 0, lock)

    patch.setattr(Agreement, "restore", restore_rest)


FORKS: dict[VotingRule, tuple[Callable[[Patch], None], int]] = {
    VotingRule.LOCK: (drop_the_lock, 2),
    VotingRule.PROOF: (believe_proofs, 2),
    VotingRule.FRESH_PROOF: (take_a_stale_proof, 3),
}
X, Y = Offer(0), Offer(1)
BACK_AND_FORTH = Schedule(
    # Seat 3 goes ahead by its timer; seat 0 follows it without a word, votes, and falls back.
    Cast((Role.HONEST, Role.FREE, Role.HONEST, Role.HONEST)),
    (
        Move(0, 0, Act.PROPOSE, X),
        Move(0, 0, Act.PREVOTE, X),
        Move(2, 0, Act.PREVOTE, X),
        Move(3, 1, Act.PREVOTE, Y),
        Move(0, 1, Act.PREVOTE, Y),
        Move(0, 0, Act.PRECOMMIT, X),
        Move(2, 0, Act.PRECOMMIT, X),
        Move(0, 1, Act.PRECOMMIT, Y),
        Move(3, 1, Act.PRECOMMIT, Y),
    ),
)
TWICE = Schedule(
    # The model's shortest fork has two precommits in one view. The code happens not to make the second: a
    # restarted seat reads the q prevotes of its lock first. Two prevotes are enough.
    Cast((Role.FREE, Role.HONEST, Role.HONEST, Role.HONEST)),
    (
        Move(2, 0, Act.PREVOTE, Y),
        Move(3, 0, Act.PREVOTE, Y),
        Move(2, 0, Act.PREVOTE, X),
        Move(3, 0, Act.PREVOTE, X),
        Move(2, 0, Act.PRECOMMIT, X),
        Move(3, 0, Act.PRECOMMIT, X),
        Move(1, 0, Act.PREVOTE, None),
        Move(1, 1, Act.PROPOSE, Offer(1, 0)),
        Move(2, 1, Act.PREVOTE, Offer(1, 0)),
        Move(3, 1, Act.PREVOTE, Offer(1, 0)),
        Move(2, 1, Act.PRECOMMIT, Y),
        Move(3, 1, Act.PRECOMMIT, Y),
    ),
)
BY_HAND: dict[VotingRule, tuple[Callable[[Patch], None], Schedule]] = {
    VotingRule.ONE_VOTE: (forget_votes, TWICE),
    VotingRule.CURRENT_VIEW: (forget_the_view, BACK_AND_FORTH),
}


def assert_forked(played: Replay) -> None:
    assert played.refused is None, f"refused: {played.refused}"
    assert len(played.receipts) == 2
    assert all(verify_receipt(receipt).is_consistent for receipt in played.receipts)
    results = [get_result(open_receipt(receipt)) for receipt in played.receipts]
    assert results[0].digest != results[1].digest


def find_fork(rule: VotingRule) -> Schedule:
    if rule in BY_HAND:
        return BY_HAND[rule][1]
    found = explore_votes(bad=1, views=FORKS[rule][1], removed=[rule]).fork
    assert found is not None
    return found


@pytest.mark.parametrize("rule", [*FORKS, *BY_HAND])
def test_without_the_rule_two_receipts_that_verify_come_out(rule: VotingRule, monkeypatch: Patch) -> None:
    schedule = find_fork(rule)
    plant = FORKS[rule][0] if rule in FORKS else BY_HAND[rule][0]
    plant(monkeypatch)
    assert_forked(replay_schedule(schedule))


@pytest.mark.parametrize("rule", [*FORKS, *BY_HAND])
def test_with_the_rule_a_seat_refuses_to_go_along(rule: VotingRule) -> None:
    schedule = find_fork(rule)
    played = replay_schedule(schedule)
    assert played.refused is not None
    assert not played.receipts
    assert set(played.guilty) <= set(schedule.cast.get_places(Role.FREE))


def test_the_model_allows_the_fork_by_hand_without_its_rule_only() -> None:
    allowing = Interleaving(BACK_AND_FORTH.cast, frozenset({VotingRule.CURRENT_VIEW}))
    assert allowing.find_impossible(BACK_AND_FORTH.moves, 2) is None
    forbidding = Interleaving(BACK_AND_FORTH.cast, frozenset())
    impossible = forbidding.find_impossible(BACK_AND_FORTH.moves, 2)
    assert impossible == Move(0, 0, Act.PRECOMMIT, X)
    assert impossible == replay_schedule(BACK_AND_FORTH).refused


def test_without_never_another_an_honest_seat_is_proven_guilty(monkeypatch: Patch) -> None:
    schedule = explore_votes(bad=1, views=3, removed=[VotingRule.NEVER_ANOTHER]).slashable
    assert schedule is not None
    refused = replay_schedule(schedule)
    assert refused.refused == schedule.moves[-1]
    assert set(refused.guilty) <= {0}
    forget_earlier_values(monkeypatch)
    played = replay_schedule(schedule)
    assert played.refused is None
    assert schedule.moves[-1].place in played.guilty


def test_two_bad_seats_fork_the_code_as_it_is() -> None:
    schedule = explore_votes(bad=2, views=2).fork
    assert schedule is not None
    played = replay_schedule(schedule)
    assert_forked(played)
    assert sorted(played.guilty) == sorted(schedule.cast.get_places(Role.FREE))


def test_without_equal_votes_a_fork_leaves_evidence_against_f_seats_at_most(monkeypatch: Patch) -> None:
    schedule = explore_votes(bad=2, views=2, removed=[VotingRule.EQUAL_VOTES]).unaccounted
    assert schedule is not None
    refused = replay_schedule(schedule)
    assert refused.refused is not None
    add_up_votes_of_one_value(monkeypatch)
    played = replay_schedule(schedule)
    assert_forked(played)
    assert set(played.guilty) <= set(schedule.cast.get_places(Role.FREE))


def test_without_equal_votes_a_fork_need_not_leave_any_evidence(monkeypatch: Patch) -> None:
    cast = Cast((Role.COVERT, Role.COVERT, Role.HONEST, Role.HONEST))
    search = Search(cast, frozenset({VotingRule.EQUAL_VOTES}))
    search.run(2)
    assert search.fork is not None
    assert replay_schedule(search.fork).refused is not None
    add_up_votes_of_one_value(monkeypatch)
    played = replay_schedule(search.fork)
    assert_forked(played)
    assert played.guilty == {}
