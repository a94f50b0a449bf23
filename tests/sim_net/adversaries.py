"""Bad seats as small classes. Each runs the honest node and bends what leaves it; it knows only its own keys.

An adversary overhears what is sent to it, like any seat, and may send whatever it can sign.
"""

from collections.abc import Callable

from consensus.bodies import AnswerBody
from consensus.cosigned import Page, group
from consensus.decision import Opening, RoundFacts
from consensus.encoding import Wire, decode, encode
from consensus.errors import LimitExceeded, PeerageError, PeerError
from consensus.evidence import Payload, decode_payload
from consensus.identity import NetworkId, PeerKey
from consensus.messages import (
    BODY_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    NIL,
    NO_PROOF,
    VALUE_BYTES_MAX,
    BodyRequest,
    Certificate,
    CertificateMessage,
    Commit,
    CommitsMessage,
    CoSigned,
    Entry,
    Kind,
    Message,
    Precommit,
    Prevote,
    Proposal,
    ProposalMessage,
    Reveal,
    RevealMessage,
    SeatList,
    SeatSignature,
    Signed,
    StatementMessage,
    compute_commit,
    compute_value_digest,
)
from consensus.question import RoundId
from consensus.round import Round
from sim_net.world import World
from swarm.core.actions import Send
from tests.sim_net.checkers import decode_cached

OTHER_NETWORK = NetworkId(b"o" * 32)
FLOOD = 40


class Adversary:
    """A seat whose word cannot be trusted. This one is honest; subclasses are not."""

    def __init__(self, world: World, index: int) -> None:
        self.world = world
        self.index = index
        self.node = world.nodes[index]
        self.key = self.node.signer.key
        world.tampers.append(self._tamper)

    # -- what subclasses bend ----------------------------------------------------------------------

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Return what leaves in place of `send`."""
        return [send]

    def overhear(self, sender: int, message: Message) -> None:
        """Look at a message that comes to this seat."""

    # -- tools -------------------------------------------------------------------------------------

    def _tamper(self, index: int, send: Send) -> list[Send]:
        if index == self.index and send.to != self.world.asker.key:
            return self.corrupt(send, decode_cached(send.data))
        if send.to == self.key:
            try:
                message = decode_cached(send.data)
            except (PeerError, LimitExceeded):
                return [send]  # another adversary's noise
            self.overhear(index, message)
        return [send]

    @property
    def round(self) -> Round:
        """The round it plays, through the eyes of its own node."""
        return next(iter(self.node.state.seats.values())).round

    @property
    def facts(self) -> RoundFacts:
        return self.round.desk.facts

    @property
    def seat(self) -> int:
        return self.round.desk.seat

    @property
    def step(self) -> int:
        return self.round.collection.step

    @property
    def others(self) -> list[PeerKey]:
        return [key for key in self.facts.committee.keys if key != self.key]

    def is_odd(self, send: Send) -> bool:
        """Split the others in two camps."""
        return self.others.index(send.to) % 2 == 1

    def sign(self, kind: Kind, payload: Wire, network: NetworkId | None = None) -> Signed:
        data = encode(payload)
        network = network or self.facts.network.network_id
        return Signed(int(kind), self.seat, data, self.node.signer.sign(kind, network, data))

    def state(self, kind: Kind, payload: Wire) -> bytes:
        """Return a statement as it travels."""
        return encode(StatementMessage(self.facts.round_id, self.sign(kind, payload)))

    def tell_all(self, data: bytes, *, delay_ms: int = 0) -> None:
        for key in self.others:
            target = next(i for i, node in enumerate(self.world.nodes) if node.signer.key == key)
            self.world.at(delay_ms, self._make_delivery(target, data))

    def _make_delivery(self, target: int, data: bytes) -> Callable[[], None]:
        return lambda: self.world.deliver(target, self.key, data)

    def seal(self, body: bytes, salt: bytes) -> tuple[Commit, Reveal]:
        facts = self.facts
        commit = compute_commit(
            network=facts.network.network_id,
            round_id=facts.round_id,
            step=self.step,
            author=self.key,
            prev=self.round.collection.prev,
            salt=salt,
            body=body,
        )
        return Commit(facts.round_id, self.step, commit), Reveal(
            facts.round_id, self.step, commit, salt, body
        )

    def get_own(self, kind: Kind) -> Payload | None:
        signed = self.round.desk.signed.get(bytes([kind, self.step, 0]))
        return decode_payload(signed.kind, signed.payload) if signed is not None else None

    def get_other_body(self) -> bytes:
        """Return another well-formed body than the node's own."""
        own = self.get_own(Kind.REVEAL)
        if isinstance(own, Reveal) and self.step == 0:
            answer = decode(AnswerBody, own.body, bytes_max=BODY_BYTES_MAX)
            return encode(AnswerBody(answer.version, answer.text + b"1", answer.model, 0, 1))
        return own.body if isinstance(own, Reveal) else b""


def is_own(adversary: Adversary, message: Message, kind: Kind) -> bool:
    """Say whether a message is the adversary's own statement of a kind, in the current step."""
    return (
        isinstance(message, StatementMessage | RevealMessage | ProposalMessage)
        and message.signed.kind == kind
        and message.signed.seat == adversary.seat
    )


# -- commits and reveals -----------------------------------------------------------------------------


class EquivocatingCommitter(Adversary):
    """Shows one commit and reveal to one camp, another to the other."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        if self.is_odd(send) and isinstance(message, StatementMessage | RevealMessage):
            commit, reveal = self.seal(self.get_other_body(), b"2" * 32)
            if is_own(self, message, Kind.COMMIT):
                return [Send(send.to, self.state(Kind.COMMIT, commit))]
            if isinstance(message, RevealMessage) and is_own(self, message, Kind.REVEAL):
                signed = self.sign(Kind.REVEAL, reveal)
                return [Send(send.to, encode(RevealMessage(message.round, signed, message.commit_lists)))]
        return [send]


class CommitFlooder(Adversary):
    """Signs many commits, to have those who pass them on penalised."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        if not is_own(self, message, Kind.COMMIT):
            return [send]
        extra = [self.seal(self.get_other_body(), bytes([i]) * 32)[0] for i in range(8)]
        return [send, *(Send(send.to, self.state(Kind.COMMIT, commit)) for commit in extra)]


class CommitThief(Adversary):
    """Signs the first commit it sees as its own, and later the reveal that opens it."""

    def __init__(self, world: World, index: int) -> None:
        super().__init__(world, index)
        self.stolen: bytes | None = None
        self.reveal: Reveal | None = None

    def overhear(self, sender: int, message: Message) -> None:
        if isinstance(message, StatementMessage) and message.signed.kind == Kind.COMMIT:
            content = decode_payload(message.signed.kind, message.signed.payload)
            if self.stolen is None and isinstance(content, Commit):
                self.stolen = content.commit
                theft = Commit(content.round, content.step, content.commit)
                if self.node.state.seats:
                    self.tell_all(self.state(Kind.COMMIT, theft))
        if isinstance(message, RevealMessage):
            content = decode_payload(message.signed.kind, message.signed.payload)
            if isinstance(content, Reveal) and content.commit == self.stolen and self.node.state.seats:
                self.tell_all(
                    encode(
                        RevealMessage(message.round, self.sign(Kind.REVEAL, content), message.commit_lists)
                    )
                )

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        is_sealed = is_own(self, message, Kind.COMMIT) or is_own(self, message, Kind.REVEAL)
        return [] if is_sealed and self.stolen is not None else [send]


class LateCommitter(Adversary):
    """Waits until it has seen somebody's reveal, then commits to a copy and reveals it."""

    is_stuffing = False

    def __init__(self, world: World, index: int) -> None:
        super().__init__(world, index)
        self.copied: Reveal | None = None

    def overhear(self, sender: int, message: Message) -> None:
        if not isinstance(message, RevealMessage) or self.copied is not None or not self.node.state.seats:
            return
        content = decode_payload(message.signed.kind, message.signed.payload)
        if isinstance(content, Reveal) and content.step == self.step == 0:
            commit, self.copied = self.seal(content.body, b"3" * 32)
            self.tell_all(self.state(Kind.COMMIT, commit))
            self.tell_all(encode(RevealMessage(message.round, self.sign(Kind.REVEAL, self.copied), ())))

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        is_sealed = is_own(self, message, Kind.COMMIT) or is_own(self, message, Kind.REVEAL)
        return [] if is_sealed else [send]


class Withholder(Adversary):
    """Commits and never reveals."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        return [] if isinstance(message, RevealMessage) else [send]


class EarlyRevealer(Adversary):
    """Reveals with its commit, hoping that who sees a reveal commits no more."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        own = self.get_own(Kind.REVEAL)
        if is_own(self, message, Kind.COMMIT) and own is not None:
            early = RevealMessage(self.facts.round_id, self.sign(Kind.REVEAL, own), ())
            return [send, Send(send.to, encode(early))]
        return [send]


# -- lists -------------------------------------------------------------------------------------------


class ListLiar(Adversary):
    """Names commits that do not exist, and no reveals."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        if isinstance(message, StatementMessage) and message.signed.seat == self.seat:
            content = decode_payload(message.signed.kind, message.signed.payload)
            if message.signed.kind == Kind.COMMIT_LIST and isinstance(content, SeatList):
                junk = tuple(Entry(seat, bytes([seat]) * 32) for seat in range(self.facts.committee.n))
                return [
                    Send(send.to, self.state(Kind.COMMIT_LIST, SeatList(content.round, content.step, junk)))
                ]
            if message.signed.kind == Kind.REVEAL_LIST and isinstance(content, SeatList):
                return [
                    Send(send.to, self.state(Kind.REVEAL_LIST, SeatList(content.round, content.step, ())))
                ]
        return [send]


class EquivocatingLister(Adversary):
    """Signs one list for one camp, an emptier one for the other."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        if isinstance(message, StatementMessage) and message.signed.seat == self.seat and self.is_odd(send):
            content = decode_payload(message.signed.kind, message.signed.payload)
            if isinstance(content, SeatList):
                shorter = SeatList(content.round, content.step, content.entries[1:])
                return [Send(send.to, self.state(Kind(message.signed.kind), shorter))]
        return [send]


# -- proposals and votes -----------------------------------------------------------------------------


class DeadProposer(Adversary):
    """Never proposes."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        return [] if isinstance(message, ProposalMessage) else [send]


class Censor(Adversary):
    """Lists nobody's reveal but its own, and proposes over the shortest lists there are."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        if is_own(self, message, Kind.REVEAL_LIST):
            return [Send(send.to, self.state(Kind.REVEAL_LIST, self._make_list()))]
        if isinstance(message, ProposalMessage) and not message.prevotes:
            forged = self.repropose(message)
            return [Send(send.to, forged if forged is not None else send.data)]
        return [send]

    def _make_list(self) -> SeatList:
        return SeatList(self.facts.round_id, self.step, ())

    def repropose(self, message: ProposalMessage) -> bytes | None:
        """Return a valid proposal over as few reveals as can be."""
        collection, facts = self.round.collection, self.facts
        slot = collection.get_list_slot(Kind.REVEAL_LIST)
        pages = {seat: collection.reveal_lists.get_first(seat, slot) for seat in range(facts.committee.n)}
        lists = {
            seat: page.content
            for seat, page in pages.items()
            if page is not None and seat != self.seat and isinstance(page.content, SeatList)
        }
        ranked = sorted(lists, key=lambda seat: (len(lists[seat].entries), seat))[: facts.committee.q - 1]
        counts: dict[tuple[int, bytes], int] = {}
        for seat in ranked:
            for entry in lists[seat].entries:
                counts[entry.seat, entry.commit] = counts.get((entry.seat, entry.commit), 0) + 1
        revealed = [pair for pair, count in sorted(counts.items()) if count > facts.committee.f]
        if len(ranked) < facts.committee.q - 1 or any(pair not in collection.openings for pair in revealed):
            return None
        chosen = {seat: page.payload for seat in ranked if (page := pages[seat]) is not None}
        own = self.sign(Kind.REVEAL_LIST, self._make_list())
        groups = [*group(collection.reveal_lists, chosen)]
        groups = _add_signature(groups, own)
        return self.propose(
            {seat: collection.openings[seat, commit] for seat, commit in revealed}, groups, message
        )

    def propose(
        self, openings: dict[int, Opening], groups: list[CoSigned], message: ProposalMessage
    ) -> bytes | None:
        try:
            outcome = self.round.desk.engine.compute(self.facts, self.round.desk.closed, openings)
        except PeerageError:
            return None
        content = decode_payload(message.signed.kind, message.signed.payload)
        assert isinstance(content, Proposal)
        payload = Proposal(content.round, content.step, content.view, outcome.digest, NO_PROOF)
        signed = self.sign(Kind.PROPOSAL, payload)
        return encode(ProposalMessage(message.round, signed, outcome.value_bytes, tuple(groups), ()))


def _add_signature(groups: list[CoSigned], signed: Signed) -> list[CoSigned]:
    entry = SeatSignature(signed.seat, signed.signature)
    by_payload = {one.payload: list(one.signatures) for one in groups}
    by_payload.setdefault(signed.payload, []).append(entry)
    return [
        CoSigned(payload, tuple(sorted(by_payload[payload], key=lambda one: one.seat)))
        for payload in sorted(by_payload)
    ]


class TwoFacedProposer(Censor):
    """Proposes one value to one camp, another to the other, and votes for both."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        if isinstance(message, ProposalMessage) and not message.prevotes and self.is_odd(send):
            forged = self.repropose(message)
            return [Send(send.to, forged if forged is not None else send.data)]
        return [send]

    def _make_list(self) -> SeatList:
        own = self.get_own(Kind.REVEAL_LIST)
        entries = own.entries[1:] if isinstance(own, SeatList) else ()
        return SeatList(self.facts.round_id, self.step, entries)


class ListPadder(LateCommitter):
    """Names its late commit in its reveal list, where nobody else names it."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        if is_own(self, message, Kind.REVEAL_LIST) and self.copied is not None and self.step == 0:
            own = self.get_own(Kind.REVEAL_LIST)
            assert isinstance(own, SeatList)
            entries = {entry.seat: entry.commit for entry in own.entries} | {self.seat: self.copied.commit}
            padded = tuple(Entry(seat, entries[seat]) for seat in sorted(entries))
            return [Send(send.to, self.state(Kind.REVEAL_LIST, SeatList(own.round, 0, padded)))]
        return super().corrupt(send, message)


class Stuffer(LateCommitter):
    """Names its late commit f + 1 times in one list, so that one liar counts as f + 1 lists."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        if (
            isinstance(message, ProposalMessage)
            and not message.prevotes
            and self.copied is not None
            and self.step == 0
        ):
            forged = self._repropose(message)
            return [Send(send.to, forged if forged is not None else send.data)]
        return super().corrupt(send, message)

    def _repropose(self, message: ProposalMessage) -> bytes | None:
        assert self.copied is not None
        collection, facts = self.round.collection, self.facts
        slot = collection.get_list_slot(Kind.REVEAL_LIST)
        chosen: dict[int, Page] = {}
        for seat in collection.get_listed(collection.reveal_lists):
            page = collection.reveal_lists.get_first(seat, slot)
            if page is not None and seat != self.seat and len(chosen) < facts.committee.q - 1:
                chosen[seat] = page
        counts: dict[tuple[int, bytes], int] = {}
        for page in chosen.values():
            assert isinstance(page.content, SeatList)
            for entry in page.content.entries:
                counts[entry.seat, entry.commit] = counts.get((entry.seat, entry.commit), 0) + 1
        openings = {
            seat: collection.openings[seat, commit]
            for (seat, commit), count in counts.items()
            if count > facts.committee.f and (seat, commit) in collection.openings
        }
        mine = self.copied
        openings[self.seat] = Opening(
            self.seat, mine.commit, mine.salt, mine.body, self.sign(Kind.REVEAL, mine)
        )
        stuffed = SeatList(facts.round_id, 0, (Entry(self.seat, mine.commit),) * (facts.committee.f + 1))
        payloads = {seat: page.payload for seat, page in chosen.items()}
        groups = _add_signature(
            list(group(collection.reveal_lists, payloads)), self.sign(Kind.REVEAL_LIST, stuffed)
        )
        return Censor.propose(self, openings, groups, message)  # type: ignore[arg-type]


class VoteEquivocator(Adversary):
    """Votes for the value to one camp and nil to the other; tells some both."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        if isinstance(message, StatementMessage) and message.signed.seat == self.seat:
            content = decode_payload(message.signed.kind, message.signed.payload)
            if isinstance(content, Prevote) and content.value != NIL:
                nil = Prevote(content.round, content.step, content.view, NIL, NO_PROOF)
                return self._split(send, self.state(Kind.PREVOTE, nil))
            if isinstance(content, Precommit) and content.value != NIL:
                none = Precommit(content.round, content.step, content.view, NIL)
                return self._split(send, self.state(Kind.PRECOMMIT, none))
        return [send]

    def _split(self, send: Send, nil: bytes) -> list[Send]:
        place = self.others.index(send.to) % 3
        return ([send], [Send(send.to, nil)], [send, Send(send.to, nil)])[place]


class Amnesiac(Adversary):
    """Forgets its lock: prevotes whatever is proposed, with no proof, and precommits it."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        if isinstance(message, StatementMessage) and message.signed.seat == self.seat:
            content = decode_payload(message.signed.kind, message.signed.payload)
            if isinstance(content, Prevote | Precommit) and content.value == NIL:
                proposal = self.round.agreement.proposals.get(content.view)
                if proposal is not None:
                    value = compute_value_digest(proposal.value)
                    vote = (
                        Prevote(content.round, content.step, content.view, value, NO_PROOF)
                        if isinstance(content, Prevote)
                        else Precommit(content.round, content.step, content.view, value)
                    )
                    return [Send(send.to, self.state(Kind(message.signed.kind), vote))]
        return [send]


# -- noise -------------------------------------------------------------------------------------------


class Noise(Adversary):
    """Sends frames that are no messages, messages of no phase, and words of other rounds and networks."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        return [send, *(Send(send.to, data) for data in self._make_noise(send.data, message))]

    def _make_noise(self, data: bytes, message: Message) -> list[bytes]:
        facts, step = self.facts, self.step
        place = len(data) % 9
        foreign = RoundId(b"f" * 32)
        match place:
            case 0:
                return [b"", b"\xdd\xff\xff\xff\xff", b"\xc1"]
            case 1:
                return [bytes(MESSAGE_BYTES_MAX + 1)]
            case 2:
                return [data[:-1], data + b"\x00"]
            case 3:
                return [
                    encode(
                        StatementMessage(
                            facts.round_id, self.sign(Kind.COMMIT, Commit(foreign, step, b"c" * 32))
                        )
                    )
                ]
            case 4:
                other = self.sign(Kind.COMMIT, Commit(facts.round_id, step, b"c" * 32), OTHER_NETWORK)
                return [encode(StatementMessage(facts.round_id, other))]
            case 5:
                late = Prevote(facts.round_id, 200, 300, b"v", 7)
                return [self.state(Kind.PREVOTE, late), self.state(Kind.PROPOSAL, late)]
            case 6:
                listing = SeatList(facts.round_id, step, (Entry(30, b"c" * 32), Entry(2, b"x")))
                return [self.state(Kind.REVEAL_LIST, listing), self.state(Kind.COMMIT_LIST, listing)]
            case 7:
                wide = tuple(
                    self.sign(Kind.COMMIT, Commit(facts.round_id, step, b"c" * 32)) for _ in range(33)
                )
                return [
                    encode(CommitsMessage(facts.round_id, wide)),
                    encode(BodyRequest(facts.round_id, 2**40, (Entry(2**50, b""),) * 99)),
                ]
            case _:
                votes = CoSigned(
                    encode(Precommit(facts.round_id, step, 0, b"v")), (SeatSignature(0, b"s" * 64),)
                )
                return [
                    encode(CertificateMessage(facts.round_id, Certificate(b"v", votes), ())),
                    encode(StatementMessage(facts.round_id, Signed(99, -1, b"", b""))),
                ]


class Replayer(Adversary):
    """Gives every honest message it hears to all the others, again and again, as if it were its own."""

    def __init__(self, world: World, index: int) -> None:
        super().__init__(world, index)
        self.heard: list[bytes] = []

    def overhear(self, sender: int, message: Message) -> None:
        if len(self.heard) < FLOOD:
            self.heard.append(encode(message))

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        place = len(self.heard) and len(send.data) % len(self.heard)
        return [send, *(Send(send.to, data) for data in self.heard[place : place + 3])]


class SignatureFlooder(Adversary):
    """Sends statements of other seats under signatures that do not hold."""

    def __init__(self, world: World, index: int) -> None:
        super().__init__(world, index)
        self.left = 4

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        if self.left == 0:
            return [send]
        self.left -= 1
        payload = encode(Precommit(self.facts.round_id, self.step, 0, b"v" * 32))
        forged = [
            encode(
                StatementMessage(
                    self.facts.round_id, Signed(int(Kind.PRECOMMIT), seat, payload, bytes([i]) * 64)
                )
            )
            for i in range(FLOOD)
            for seat in range(self.facts.committee.n)
        ]
        return [send, *(Send(send.to, data) for data in forged)]


class EarlyBird(Adversary):
    """Speaks of the next step too early: of oversized values, and of a reveal that opens nothing."""

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        if not is_own(self, message, Kind.COMMIT_LIST) or self.step >= self.facts.question.steps_max:
            return [send]
        round_id, step = self.facts.round_id, self.step + 1
        large = bytes(VALUE_BYTES_MAX + 1)
        proposals = [
            ProposalMessage(
                round_id,
                self.sign(
                    Kind.PROPOSAL, Proposal(round_id, step, view, compute_value_digest(large), NO_PROOF)
                ),
                large,
                (),
                (),
            )
            for view in range(self.facts.committee.n)
        ]
        reveal = RevealMessage(
            round_id, self.sign(Kind.REVEAL, Reveal(round_id, step, b"c" * 32, b"s" * 32, b"\x90")), ()
        )
        return [send, *(Send(send.to, encode(early)) for early in (*proposals, reveal))]


ADVERSARIES: tuple[type[Adversary], ...] = (
    EquivocatingCommitter,
    CommitFlooder,
    CommitThief,
    LateCommitter,
    Withholder,
    EarlyRevealer,
    ListLiar,
    EquivocatingLister,
    DeadProposer,
    Censor,
    TwoFacedProposer,
    ListPadder,
    Stuffer,
    VoteEquivocator,
    Amnesiac,
    Noise,
    Replayer,
    SignatureFlooder,
    EarlyBird,
)
