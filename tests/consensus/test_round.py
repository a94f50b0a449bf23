"""One seat's round by hand: rules 1 to 7 of a step, each with the message that breaks it."""

from dataclasses import dataclass, field

import pytest

from consensus.bodies import AnswerBody
from consensus.decision import DecisionEngine, RoundFacts, create_facts
from consensus.desk import Timing
from consensus.effects import (
    Accuse,
    Broadcast,
    Effect,
    NeedAnswer,
    Save,
    SendTo,
    StartTimer,
    Timer,
    TimerName,
)
from consensus.encoding import Wire, encode
from consensus.errors import PeerError
from consensus.evidence import Fault
from consensus.identity import KeyPair, NetworkId, Verifier
from consensus.messages import (
    BodyRequest,
    Certificate,
    CertificateMessage,
    Commit,
    CommitsMessage,
    CoSigned,
    Entry,
    Kind,
    Precommit,
    Prevote,
    Proposal,
    ProposalMessage,
    Reveal,
    RevealMessage,
    SeatList,
    SeatMessage,
    SeatSignature,
    Signed,
    StatementMessage,
    compute_commit,
)
from consensus.phases import Phase
from consensus.question import open_question
from consensus.round import Round
from tests.core.bench import SIGNERS, make_network, make_question

NETWORK = make_network()
QUESTION = make_question(NETWORK)
FACTS: RoundFacts = create_facts(
    NETWORK, open_question(QUESTION, NETWORK, Verifier()), QUESTION.payload, QUESTION.signature
)
BY_KEY = {signer.key: signer for signer in SIGNERS}
SEATS: tuple[KeyPair, ...] = tuple(BY_KEY[key] for key in FACTS.committee.keys)
ROUND = FACTS.round_id
ME = 0


def make_body(text: bytes) -> bytes:
    return encode(AnswerBody(1, text, b"m" * 32, 1, 1))


def sign(kind: Kind, payload: Wire, seat: int, network: NetworkId = NETWORK.network_id) -> Signed:
    data = encode(payload)
    return Signed(int(kind), seat, data, SEATS[seat].sign(kind, network, data))


def state(kind: Kind, payload: Wire, seat: int) -> StatementMessage:
    return StatementMessage(ROUND, sign(kind, payload, seat))


def seal(seat: int, text: bytes | None = None, salt: bytes = b"s" * 32) -> tuple[Commit, Reveal]:
    body = make_body(text or b"answer %d" % seat)
    commit = compute_commit(
        network=NETWORK.network_id,
        round_id=ROUND,
        step=0,
        author=SEATS[seat].key,
        prev=ROUND,
        salt=salt,
        body=body,
    )
    return Commit(ROUND, 0, commit), Reveal(ROUND, 0, commit, salt, body)


@dataclass
class Hand:
    """Seat 0, moved by hand."""

    round: Round = field(init=False)
    now_ms: int = 0
    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.round = Round(
            FACTS,
            seat=ME,
            signer=SEATS[ME],
            verifier=Verifier(),
            engine=DecisionEngine(),
            timing=Timing(),
            now_ms=0,
        )
        self.round.start(0)
        self.take()

    def take(self) -> list[Effect]:
        effects = self.round.take()
        self.effects += effects
        return effects

    def say(self, message: SeatMessage, sender: int | None = 1) -> list[Effect]:
        self.round.on_message(message, sender, self.now_ms)
        return self.take()

    def seal_own(self) -> Commit:
        self.round.on_body(0, make_body(b"mine"), self.now_ms)
        self.take()
        return Commit(ROUND, 0, next(iter(self.round.collection.openings))[1])

    def fire(self, name: TimerName, view: int = 0) -> list[Effect]:
        self.round.on_timer(Timer(name, self.round.collection.step, view), self.now_ms)
        return self.take()

    def get_own(self, kind: Kind, view: int = 0) -> Signed | None:
        return self.round.desk.signed.get(bytes([kind, 0, view]))

    def get_commits(self) -> dict[int, Commit]:
        return {seat: seal(seat)[0] for seat in range(1, 4)}

    def collect_lists(self, seats: tuple[int, ...] = (1, 2)) -> tuple[Entry, ...]:
        """Bring the step to its reveals: all commits, own list, lists of these seats."""
        own = self.seal_own()
        commits = {ME: own} | self.get_commits()
        for seat in (1, 2, 3):
            self.say(state(Kind.COMMIT, commits[seat], seat), seat)
        entries = tuple(Entry(seat, commits[seat].commit) for seat in range(4))
        for seat in seats:
            self.say(state(Kind.COMMIT_LIST, SeatList(ROUND, 0, entries), seat), seat)
        return entries


def get_sent(effects: list[Effect], kind: type[SeatMessage]) -> list[SeatMessage]:
    return [e.message for e in effects if isinstance(e, Broadcast | SendTo) and isinstance(e.message, kind)]


def get_timers(effects: list[Effect]) -> dict[TimerName, int]:
    return {e.timer.name: e.delay_ms for e in effects if isinstance(e, StartTimer)}


# -- commits and their lists -------------------------------------------------------------------------


def test_a_round_begins_with_a_wish_and_a_deadline() -> None:
    hand = Hand()
    assert [effect for effect in hand.effects if isinstance(effect, NeedAnswer)]
    assert get_timers(hand.effects)[TimerName.COMMIT_DEADLINE] == FACTS.question.answer_ms


def test_the_commit_is_saved_before_it_is_sent() -> None:
    hand = Hand()
    before = len(hand.effects)
    hand.seal_own()
    kinds = [type(effect) for effect in hand.effects[before:]]
    assert kinds.index(Broadcast) > max(place for place, kind in enumerate(kinds) if kind is Save)


def test_n_commits_close_the_list_at_once() -> None:
    hand = Hand()
    hand.collect_lists(seats=())
    assert hand.round.collection.phase is Phase.REVEALING
    assert hand.get_own(Kind.COMMIT_LIST) is not None


def test_q_commits_wait_for_the_grace() -> None:
    hand = Hand()
    hand.now_ms = 1_000
    hand.seal_own()
    hand.say(state(Kind.COMMIT, seal(1)[0], 1))
    assert TimerName.COMMIT_GRACE not in get_timers(hand.effects)
    effects = hand.say(state(Kind.COMMIT, seal(2)[0], 2), 2)
    assert get_timers(effects)[TimerName.COMMIT_GRACE] == 1_000  # the time elapsed, at least 250
    assert hand.get_own(Kind.COMMIT_LIST) is None
    hand.fire(TimerName.COMMIT_GRACE)
    assert hand.get_own(Kind.COMMIT_LIST) is not None


def test_the_deadline_closes_a_list_that_may_be_empty() -> None:
    hand = Hand()
    hand.fire(TimerName.COMMIT_DEADLINE)
    signed = hand.get_own(Kind.COMMIT_LIST)
    assert signed is not None
    assert signed.payload == encode(SeatList(ROUND, 0, ()))
    hand.round.on_body(0, make_body(b"late"), 1)
    assert hand.get_own(Kind.COMMIT) is None, "who has listed commits no more"


def test_a_late_commit_is_not_admitted() -> None:
    hand = Hand()
    hand.fire(TimerName.COMMIT_DEADLINE)
    assert hand.say(state(Kind.COMMIT, seal(1)[0], 1)) == []
    assert hand.round.collection.commits.pages == {}


def test_first_commits_are_passed_on_together_and_second_ones_are_not() -> None:
    hand = Hand()
    first, second = seal(1)[0], seal(1, b"other")[0]
    effects = hand.say(state(Kind.COMMIT, first, 1))
    assert TimerName.FORWARD in get_timers(effects)
    effects = hand.say(state(Kind.COMMIT, second, 1))
    assert [e.evidence.fault for e in effects if isinstance(e, Accuse)] == [Fault.EQUIVOCATION]
    hand.say(state(Kind.COMMIT, seal(2)[0], 2), 2)
    (message,) = get_sent(hand.fire(TimerName.FORWARD), CommitsMessage)
    assert isinstance(message, CommitsMessage)
    assert [signed.payload for signed in message.commits] == [encode(first), encode(seal(2)[0])]


def test_passed_on_commits_count_like_direct_ones() -> None:
    hand = Hand()
    hand.seal_own()
    commits = tuple(sign(Kind.COMMIT, seal(seat)[0], seat) for seat in (1, 2, 3))
    hand.say(CommitsMessage(ROUND, commits))
    assert hand.round.collection.phase is Phase.REVEALING


# -- reveals -----------------------------------------------------------------------------------------


def test_nothing_is_revealed_before_q_lists_are_held() -> None:
    hand = Hand()
    entries = hand.collect_lists(seats=(1,))
    assert get_sent(hand.effects, RevealMessage) == []
    effects = hand.say(state(Kind.COMMIT_LIST, SeatList(ROUND, 0, entries), 2), 2)
    (reveal,) = get_sent(effects, RevealMessage)
    assert isinstance(reveal, RevealMessage)
    assert sum(len(groups.signatures) for groups in reveal.commit_lists) == FACTS.committee.q


def test_nothing_is_revealed_that_q_lists_do_not_name() -> None:
    hand = Hand()
    hand.seal_own()
    hand.fire(TimerName.COMMIT_DEADLINE)
    others = SeatList(ROUND, 0, tuple(Entry(seat, seal(seat)[0].commit) for seat in (1, 2, 3)))
    for seat in (1, 2, 3):
        hand.say(state(Kind.COMMIT_LIST, others, seat), seat)
    assert get_sent(hand.effects, RevealMessage) == []


def test_a_certified_reveal_ends_committing_and_an_early_one_does_not() -> None:
    hand = Hand()
    _, reveal = seal(1)
    hand.say(RevealMessage(ROUND, sign(Kind.REVEAL, reveal, 1), ()))
    assert hand.round.collection.may_commit()
    lists = SeatList(ROUND, 0, (Entry(1, reveal.commit),))
    group = CoSigned(
        encode(lists),
        tuple(SeatSignature(seat, sign(Kind.COMMIT_LIST, lists, seat).signature) for seat in (1, 2, 3)),
    )
    hand.say(RevealMessage(ROUND, sign(Kind.REVEAL, reveal, 1), (group,)))
    assert not hand.round.collection.may_commit()


def test_all_reveals_close_the_reveal_list() -> None:
    hand = Hand()
    hand.collect_lists()
    for seat in (1, 2, 3):
        hand.say(RevealMessage(ROUND, sign(Kind.REVEAL, seal(seat)[1], seat), ()), seat)
    assert hand.round.collection.phase is Phase.VOTING
    assert hand.get_own(Kind.REVEAL_LIST) is not None


def test_bodies_named_are_saved_with_the_list_that_names_them() -> None:
    hand = Hand()
    hand.collect_lists()
    for seat in (1, 2, 3):
        hand.say(RevealMessage(ROUND, sign(Kind.REVEAL, seal(seat)[1], seat), ()), seat)
    saved = next(
        effect
        for effect in hand.effects
        if isinstance(effect, Save) and any(slot[0] == Kind.REVEAL_LIST for slot, _ in effect.signed)
    )
    assert len([key for key, _ in saved.facts if key.startswith(b"opening/0/")]) == 4


def test_bodies_are_served_once_certified_and_only_to_seats() -> None:
    hand = Hand()
    _, reveal = seal(1)
    hand.say(RevealMessage(ROUND, sign(Kind.REVEAL, reveal, 1), ()))
    request = BodyRequest(ROUND, 0, (Entry(1, reveal.commit),))
    assert get_sent(hand.say(request, 2), RevealMessage) == []
    with pytest.raises(PeerError):
        hand.say(request, None)
    later = Hand()
    later.collect_lists()
    later.say(RevealMessage(ROUND, sign(Kind.REVEAL, reveal, 1), ()))
    assert len(get_sent(later.say(request, 2), RevealMessage)) == 1


# -- messages that break a rule ----------------------------------------------------------------------

GARBLED = Signed(int(Kind.COMMIT), 1, b"\x90", SEATS[1].sign(Kind.COMMIT, NETWORK.network_id, b"\x90"))
OTHER_ROUND = b"o" * 32
UNKNOWN = SeatList(ROUND, 0, (Entry(9, b"c" * 32),))
TWICE = SeatList(ROUND, 0, (Entry(1, b"c" * 32), Entry(1, b"d" * 32)))


def move(
    signed: Signed, *, kind: int | None = None, seat: int | None = None, signature: bytes | None = None
) -> StatementMessage:
    """Return a statement with some of what is outside its payload replaced."""
    return StatementMessage(
        ROUND,
        Signed(
            signed.kind if kind is None else kind,
            signed.seat if seat is None else seat,
            signed.payload,
            signed.signature if signature is None else signature,
        ),
    )


COMMIT = sign(Kind.COMMIT, seal(1)[0], 1)

BROKEN: dict[str, SeatMessage] = {
    "signature of another seat": move(COMMIT, seat=2),
    "signature zeroed": move(COMMIT, signature=bytes(64)),
    "no such seat": move(COMMIT, seat=4),
    "seat -1": move(COMMIT, seat=-1),
    "no such kind": move(COMMIT, kind=9),
    "kind 300": move(COMMIT, kind=300),
    "a question": move(COMMIT, kind=1),
    "signed as another kind": move(COMMIT, kind=int(Kind.PRECOMMIT)),
    "signed for another network": StatementMessage(
        ROUND, sign(Kind.COMMIT, seal(1)[0], 1, NetworkId(b"x" * 32))
    ),
    "payload that does not decode": StatementMessage(ROUND, GARBLED),
    "another round inside": state(Kind.COMMIT, Commit(OTHER_ROUND, 0, b"c" * 32), 1),
    "step beyond the last": state(Kind.COMMIT, Commit(ROUND, 2, b"c" * 32), 1),
    "step -1": state(Kind.COMMIT, Commit(ROUND, -1, b"c" * 32), 1),
    "commit of 31 bytes": state(Kind.COMMIT, Commit(ROUND, 0, b"c" * 31), 1),
    "list of unknown seats": state(Kind.COMMIT_LIST, UNKNOWN, 1),
    "list with a seat twice": state(Kind.REVEAL_LIST, TWICE, 1),
    "reveal without its message": state(Kind.REVEAL, seal(1)[1], 1),
    "proposal without its message": state(Kind.PROPOSAL, Proposal(ROUND, 0, 0, b"v" * 32, -1), 1),
    "commit as a reveal": RevealMessage(ROUND, COMMIT, ()),
    "commit as a proposal": ProposalMessage(ROUND, COMMIT, b"", (), ()),
    "reveal that opens another commit": RevealMessage(
        ROUND, sign(Kind.REVEAL, Reveal(ROUND, 0, b"c" * 32, b"s" * 32, make_body(b"x")), 1), ()
    ),
    "reveal of somebody else's body": RevealMessage(ROUND, sign(Kind.REVEAL, seal(2)[1], 1), ()),
    "reveal with a short salt": RevealMessage(ROUND, sign(Kind.REVEAL, seal(1, salt=b"s")[1], 1), ()),
    "reveal of an empty answer": RevealMessage(ROUND, sign(Kind.REVEAL, seal(1, b" ")[1], 1), ()),
    "reveal with lists nobody signed": RevealMessage(
        ROUND, sign(Kind.REVEAL, seal(1)[1], 1), (CoSigned(encode(UNKNOWN), ()),)
    ),
    "reveal with lists of another step": RevealMessage(
        ROUND,
        sign(Kind.REVEAL, seal(1)[1], 1),
        (
            CoSigned(
                encode(SeatList(ROUND, 1, ())),
                (SeatSignature(2, sign(Kind.COMMIT_LIST, SeatList(ROUND, 1, ()), 2).signature),),
            ),
        ),
    ),
    "too many commits at once": CommitsMessage(ROUND, (COMMIT,) * 5),
    "a list among commits": CommitsMessage(ROUND, (sign(Kind.COMMIT_LIST, SeatList(ROUND, 0, ()), 1),)),
    "prevote of view 256": state(Kind.PREVOTE, Prevote(ROUND, 0, 256, b"v", -1), 1),
    "precommit of view -1": state(Kind.PRECOMMIT, Precommit(ROUND, 0, -1, b"v"), 1),
    "certificate of nothing": CertificateMessage(ROUND, Certificate(b"", CoSigned(b"", ())), ()),
    "body request for step 256": BodyRequest(ROUND, 256, ()),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_the_senders_fault_and_changes_nothing(name: str) -> None:
    hand = Hand()
    with pytest.raises(PeerError):
        hand.round.on_message(BROKEN[name], 1, 0)
    assert [e for e in hand.round.take() if not isinstance(e, StartTimer)] == []
    assert hand.round.collection.commits.pages == {}
    assert hand.round.collection.openings == {}
    assert hand.round.desk.signed == {}


def test_the_same_statement_again_is_nothing_new() -> None:
    hand = Hand()
    hand.say(state(Kind.COMMIT, seal(1)[0], 1))
    assert hand.say(state(Kind.COMMIT, seal(1)[0], 1)) == []


def test_a_proposal_out_of_turn_is_a_fault() -> None:
    hand = Hand()
    turn = hand.round.agreement.get_proposer(0)
    wrong = next(seat for seat in range(1, 4) if seat != turn)
    proposal = sign(Kind.PROPOSAL, Proposal(ROUND, 0, 0, b"v" * 32, -1), wrong)
    with pytest.raises(PeerError, match="not its turn"):
        hand.say(ProposalMessage(ROUND, proposal, b"", (), ()))


# -- votes -------------------------------------------------------------------------------------------


def test_two_votes_of_one_seat_are_evidence_once() -> None:
    hand = Hand()
    hand.say(state(Kind.PREVOTE, Prevote(ROUND, 0, 0, b"v" * 32, -1), 1))
    effects = hand.say(state(Kind.PREVOTE, Prevote(ROUND, 0, 0, b"w" * 32, -1), 1))
    assert [e.evidence.fault for e in effects if isinstance(e, Accuse)] == [Fault.EQUIVOCATION]
    again = hand.say(state(Kind.PREVOTE, Prevote(ROUND, 0, 0, b"x" * 32, -1), 1))
    assert [e for e in again if isinstance(e, Accuse)] == []


@pytest.mark.parametrize("is_vote_first", [False, True])
def test_amnesia_is_seen_whichever_vote_comes_first(is_vote_first: bool) -> None:
    hand = Hand()
    locked = state(Kind.PRECOMMIT, Precommit(ROUND, 0, 0, b"v" * 32), 1)
    forgot = state(Kind.PREVOTE, Prevote(ROUND, 0, 1, b"w" * 32, -1), 1)
    for message in (forgot, locked) if is_vote_first else (locked, forgot):
        effects = hand.say(message)
    assert [e.evidence.fault for e in effects if isinstance(e, Accuse)] == [Fault.AMNESIA]


def test_a_seat_moves_to_the_second_highest_view_and_never_back() -> None:
    hand = Hand()
    hand.say(state(Kind.PREVOTE, Prevote(ROUND, 0, 200, b"", -1), 1))
    assert hand.round.agreement.view == 0, "one seat may lie"
    effects = hand.say(state(Kind.PREVOTE, Prevote(ROUND, 0, 7, b"", -1), 2), 2)
    assert hand.round.agreement.view == 7
    saved = [fact for e in effects if isinstance(e, Save) for fact in e.facts]
    assert (b"view/0", b"7") in saved
    hand.say(state(Kind.PREVOTE, Prevote(ROUND, 0, 3, b"", -1), 3), 3)
    assert hand.round.agreement.view == 7


def test_an_expired_view_precommits_nil_and_moves_on() -> None:
    hand = Hand()
    for seat in (1, 2):
        hand.say(state(Kind.PREVOTE, Prevote(ROUND, 0, 5, b"", -1), seat), seat)
    hand.fire(TimerName.VIEW, view=5)
    signed = hand.get_own(Kind.PRECOMMIT, view=5)
    assert signed is not None
    assert signed.payload == encode(Precommit(ROUND, 0, 5, b""))
    assert hand.round.agreement.view == 6
    hand.fire(TimerName.VIEW, view=5)
    assert hand.round.agreement.view == 6, "a timer of a view left behind is ignored"


def test_no_lock_without_the_proposal() -> None:
    """Prevotes of a quorum for a value nobody has shown lock nobody."""
    hand = Hand()
    for seat in (1, 2, 3):
        hand.say(state(Kind.PREVOTE, Prevote(ROUND, 0, 0, b"v" * 32, -1), seat), seat)
    hand.fire(TimerName.PREVOTE)
    assert hand.round.agreement.lock is None
    assert hand.get_own(Kind.PRECOMMIT) is None


def test_messages_of_the_next_step_are_kept_and_of_the_one_after_are_refused() -> None:
    hand = Hand()
    assert hand.say(state(Kind.COMMIT, Commit(ROUND, 1, b"c" * 32), 1)) == []
    assert len(hand.round._early) == 1
    with pytest.raises(PeerError):
        hand.say(state(Kind.COMMIT, Commit(ROUND, FACTS.question.steps_max + 1, b"c" * 32), 1))


# -- the end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_cancelled", [True, False])
@pytest.mark.parametrize("passed_on", [True, False])
def test_a_round_given_up_signs_and_says_nothing_more(is_cancelled: bool, passed_on: bool) -> None:
    hand = Hand()
    own = hand.seal_own()
    if is_cancelled:
        hand.round.on_cancel(1)
        hand.take()
    else:
        hand.fire(TimerName.GIVE_UP)
    commits = {ME: own} | hand.get_commits()
    signed = [sign(Kind.COMMIT, commits[seat], seat) for seat in (1, 2, 3)]
    if passed_on:
        assert hand.say(CommitsMessage(ROUND, tuple(signed))) == []
    else:
        assert [hand.say(StatementMessage(ROUND, one), one.seat) for one in signed] == [[], [], []]
    entries = tuple(Entry(seat, commits[seat].commit) for seat in range(4))
    lists = SeatList(ROUND, 0, entries)
    assert [hand.say(state(Kind.COMMIT_LIST, lists, seat), seat) for seat in (1, 2, 3)] == [[], [], []]
    for seat in (1, 2, 3):
        reveal = sign(Kind.REVEAL, seal(seat)[1], seat)
        assert hand.say(RevealMessage(ROUND, reveal, ()), seat) == []
    assert (hand.get_own(Kind.COMMIT_LIST), hand.get_own(Kind.REVEAL_LIST)) == (None, None)


def test_a_round_given_up_seals_no_body_that_comes_late() -> None:
    hand = Hand()
    hand.round.on_cancel(1)
    hand.take()
    hand.round.on_body(0, make_body(b"late"), 2)
    assert hand.take() == []
