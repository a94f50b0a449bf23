"""A stage: the very rounds that seats run, brought to the votes, and every delivery and timer in one hand.

Four seats gather the same answer honestly. The last place's reveal is named by two of the four reveal lists,
so three of the lists give one of two revealed sets, and honest seats compute a value for each: X without
that reveal, Y with it. From then on bad seats are only keys, and nothing arrives that is not delivered here.
"""

from dataclasses import dataclass, field

from consensus.bodies import AnswerBody
from consensus.committee import compute_proposers
from consensus.cosigned import Book, group
from consensus.decision import DecisionEngine, RoundFacts, create_facts
from consensus.desk import Timing
from consensus.effects import (
    Accuse,
    Broadcast,
    Effect,
    Finished,
    Save,
    SendTo,
    StartTimer,
    Timer,
    TimerName,
)
from consensus.encoding import encode
from consensus.evidence import Evidence, Payload, decode_payload, get_slot
from consensus.genesis import Member, create_network
from consensus.identity import KeyPair, Verifier
from consensus.messages import (
    NO_PROOF,
    Certificate,
    CertificateMessage,
    CoSigned,
    Kind,
    Precommit,
    Prevote,
    Proposal,
    ProposalMessage,
    RevealMessage,
    SeatList,
    SeatMessage,
    Signed,
    StatementMessage,
)
from consensus.question import QUESTION_VERSION, Question, Role, Turn, open_question, sign_question
from consensus.round import Round
from sim_net.votes.rules import SEATS, VALUES, Offer

ANSWER = b"84"
DISPUTED = SEATS - 1  # the place whose reveal only two lists name: its own and the one before
LISTS = {  # by place and value: whose reveal lists it is given, its own among them
    0: ((0, 1, 2), (0, 2, 3)),
    1: ((0, 1, 2), (1, 2, 3)),
    2: ((0, 1, 2), (0, 2, 3)),
    3: ((0, 1, 3), (1, 2, 3)),
}


@dataclass(slots=True)
class Player:
    """One seat: its round, its disk, and what it has said."""

    round: Round
    signer: KeyPair
    statements: dict[bytes, Signed] = field(default_factory=dict)
    facts: dict[bytes, bytes] = field(default_factory=dict)
    said: list[SeatMessage] = field(default_factory=list)
    timers: set[tuple[int, int]] = field(default_factory=set)
    accusations: list[Evidence] = field(default_factory=list)
    receipt: bytes | None = None


class Stage:
    """Four seats by place: the seat at place p proposes in views p, p + 4, ...

    Args:
        wanted: By place: the value it proposes if it has to propose afresh.
    """

    def __init__(self, wanted: dict[int, int] | None = None) -> None:
        self.wanted = wanted or {}
        self.facts, signers = _create_facts()
        self.verifier, self.engine = Verifier(), DecisionEngine()
        order = compute_proposers(
            self.facts.committee, round_id=self.facts.round_id, step=0, prev=self.facts.round_id
        )
        self.seats = order  # by place
        by_key = {signer.key: signer for signer in signers}
        self.players = []
        for seat in order:
            signer = by_key[self.facts.committee.keys[seat]]
            self.players.append(Player(self._create_round(seat, signer), signer))
        self.votes: dict[tuple[Kind, int], list[Signed]] = {}
        self.proposals: dict[tuple[int, Offer], ProposalMessage] = {}
        self._collect()
        self.values = tuple(self._compute_value(value) for value in VALUES)
        self.digests = {digest: value for value, (digest, _) in enumerate(self.values)}

    # -- what is delivered -------------------------------------------------------------------------

    def deliver(self, place: int, message: SeatMessage) -> None:
        """Give a seat a message; raises what the seat raises."""
        self.players[place].round.on_message(message, None, 0)
        self._absorb(place)

    def fire(self, place: int, name: TimerName, view: int = 0) -> None:
        """Let a timer of a seat end, if it runs."""
        player = self.players[place]
        if (int(name), view) in player.timers:
            player.timers.remove((int(name), view))
            player.round.on_timer(Timer(name, 0, view), 0)
            self._absorb(place)

    def restart(self, place: int) -> None:
        """Crash a seat and bring it up from its disk; collected bodies and lists reach it again."""
        player = self.players[place]
        player.round = self._create_round(self.seats[place], player.signer)
        player.timers.clear()
        player.round.restore(list(player.statements.values()), player.facts, 0)
        self._absorb(place)
        for other in range(SEATS):
            self._repeat(other, place, (Kind.COMMIT_LIST, Kind.REVEAL))
        self._deliver_lists(place)

    def get_view(self, place: int) -> int:
        """Return the view a seat is in."""
        return self.players[place].round.agreement.view

    def get_vote(self, place: int, kind: Kind, view: int) -> Offer | str | None:
        """Return what a seat knows that it signed in a view: a vote, "nil", or None for none."""
        signed = self.players[place].round.desk.get_signed(kind, 0, view)
        return None if signed is None else self.read(signed)

    def read(self, signed: Signed) -> Offer | str:
        """Return a vote in the model's words."""
        content = decode_payload(signed.kind, signed.payload)
        assert isinstance(content, Prevote | Precommit), "only votes are read"
        if content.value not in self.digests:
            return "nil"
        pol_view = content.pol_view if isinstance(content, Prevote) else NO_PROOF
        return Offer(self.digests[content.value], pol_view)

    # -- what bad seats make -----------------------------------------------------------------------

    def sign(self, place: int, payload: Prevote | Precommit | Proposal) -> Signed:
        """Sign anything with a seat's key."""
        kind = {Prevote: Kind.PREVOTE, Precommit: Kind.PRECOMMIT, Proposal: Kind.PROPOSAL}[type(payload)]
        data = encode(payload)
        signature = self.players[place].signer.sign(kind, self.facts.network.network_id, data)
        signed = Signed(int(kind), self.seats[place], data, signature)
        if kind is not Kind.PROPOSAL:
            self._note_vote(signed, payload)
        return signed

    def make_prevote(self, view: int, offer: Offer) -> Prevote:
        """Return a prevote's payload."""
        return Prevote(self.facts.round_id, 0, view, self.values[offer.value][0], offer.pol_view)

    def make_precommit(self, view: int, value: int) -> Precommit:
        """Return a precommit's payload."""
        return Precommit(self.facts.round_id, 0, view, self.values[value][0])

    def make_proposal(
        self, place: int, view: int, offer: Offer, proof: tuple[CoSigned, ...] = ()
    ) -> ProposalMessage:
        """Return a proposal signed by a seat, with whatever proof it is given."""
        digest, value_bytes = self.values[offer.value]
        payload = Proposal(self.facts.round_id, 0, view, digest, offer.pol_view)
        lists = self._group_lists(LISTS[0][offer.value])
        signed = self.sign(place, payload)
        return ProposalMessage(self.facts.round_id, signed, value_bytes, lists, proof)

    def make_group(self, votes: list[Signed]) -> tuple[CoSigned, ...]:
        """Return votes as they travel, those with equal payloads together."""
        book = Book(Kind(votes[0].kind))
        for signed in votes:
            content = decode_payload(signed.kind, signed.payload)
            book.add(signed, content, get_slot(signed.kind, content))
        return group(book, {signed.seat: signed.payload for signed in votes})

    def make_certificate(self, value: int, precommits: list[Signed]) -> CertificateMessage:
        """Return a certificate from q precommits."""
        groups = self.make_group(precommits)
        lists = self._group_lists(LISTS[0][value])
        certificate = Certificate(self.values[value][1], groups[0])
        return CertificateMessage(self.facts.round_id, certificate, lists)

    # -- details -----------------------------------------------------------------------------------

    def _create_round(self, seat: int, signer: KeyPair) -> Round:
        return Round(
            self.facts,
            seat=seat,
            signer=signer,
            verifier=self.verifier,
            engine=self.engine,
            timing=Timing(),
            now_ms=0,
        )

    def _collect(self) -> None:
        body = encode(AnswerBody(1, ANSWER, b"m" * 32, 0, 1))
        for place, player in enumerate(self.players):
            player.round.start(0)
            player.round.on_body(0, body, 0)
            self._absorb(place)
        for kind in (Kind.COMMIT, Kind.COMMIT_LIST):
            self._exchange(kind)
        for place in range(SEATS):
            for other in range(SEATS):
                if other != DISPUTED or place >= DISPUTED - 1:
                    self._repeat(other, place, (Kind.REVEAL,))
            self.fire(place, TimerName.REVEAL_GRACE)
        self._exchange(Kind.REVEAL)
        for place in range(SEATS):
            self._deliver_lists(place)

    def _exchange(self, kind: Kind) -> None:
        for place in range(SEATS):
            for other in range(SEATS):
                self._repeat(other, place, (kind,))

    def _repeat(self, sender: int, place: int, kinds: tuple[Kind, ...]) -> None:
        """Deliver what a seat has said of some kinds, once more if need be."""
        for message in list(self.players[sender].said):
            if (
                sender != place
                and isinstance(message, StatementMessage | RevealMessage)
                and message.signed.kind in kinds
            ):
                self.deliver(place, message)

    def _deliver_lists(self, place: int) -> None:
        for other in LISTS[place][self.wanted.get(place, 0)]:
            self._repeat(other, place, (Kind.REVEAL_LIST,))

    def _group_lists(self, places: tuple[int, ...]) -> tuple[CoSigned, ...]:
        book, chosen = Book(Kind.REVEAL_LIST), {}
        for place in places:
            signed = self.players[place].statements[bytes([Kind.REVEAL_LIST, 0, 0])]
            content = decode_payload(signed.kind, signed.payload)
            assert isinstance(content, SeatList), "a list's slot holds a list"
            book.add(signed, content, get_slot(signed.kind, content))
            chosen[signed.seat] = signed.payload
        return group(book, chosen)

    def _compute_value(self, value: int) -> tuple[bytes, bytes]:
        held = self.players[0].round.collection.openings
        out = None if value else self.seats[DISPUTED]
        openings = {seat: opening for (seat, _), opening in sorted(held.items()) if seat != out}
        outcome = self.engine.compute(self.facts, (), openings)
        return outcome.digest, outcome.value_bytes

    def _absorb(self, place: int) -> None:
        for effect in self.players[place].round.take():
            self._take(place, effect)

    def _take(self, place: int, effect: Effect) -> None:
        player = self.players[place]
        match effect:
            case Save():
                player.facts.update(effect.facts)
            case Broadcast() | SendTo():
                self._hear(player, effect.message)
            case StartTimer():
                player.timers.add((int(effect.timer.name), effect.timer.view))
            case Accuse():
                player.accusations.append(effect.evidence)
            case Finished():
                player.receipt = effect.receipt
            case _:
                pass
        player.statements.update(player.round.desk.signed)

    def _hear(self, player: Player, message: SeatMessage) -> None:
        if message not in player.said:
            player.said.append(message)
        if isinstance(message, StatementMessage | ProposalMessage):
            content = decode_payload(message.signed.kind, message.signed.payload)
            self._note_vote(message.signed, content)
            if isinstance(message, ProposalMessage) and isinstance(content, Proposal):
                offer = Offer(self.digests[content.value], content.pol_view)
                self.proposals[content.view, offer] = message

    def _note_vote(self, signed: Signed, content: Payload) -> None:
        if isinstance(content, Prevote | Precommit):
            kept = self.votes.setdefault((Kind(signed.kind), content.view), [])
            if signed not in kept:
                kept.append(signed)


def _create_facts() -> tuple[RoundFacts, list[KeyPair]]:
    signers = [KeyPair(bytes([place + 1]) * 32) for place in range(SEATS)]
    asker = KeyPair(b"a" * 32)
    members = tuple(sorted((Member(signer.key, b"") for signer in signers), key=lambda member: member.key))
    network = create_network(name=b"stage", beacon=b"b" * 32, members=members)
    question = Question(
        version=QUESTION_VERSION,
        network=network.network_id,
        asker=asker.key,
        counter=0,
        header=network.network_id,
        turns=(Turn(int(Role.USER), b"What is 7 times 12?"),),
        temperature_milli=700,
        tokens_max=64,
        seats=SEATS,
        calls_per_peer=6,
        steps_max=1,
        answer_ms=10_000,
        ballot_ms=10_000,
        reveal_ms=3_000,
        attestation=0,
    )
    signed = sign_question(question, asker, network)
    opened = open_question(signed, network, Verifier())
    return create_facts(network, opened, signed.payload, signed.signature), signers
