"""Bad seats in proposing and voting: dead, censoring, two-faced and forgetful ones."""

from collections.abc import Mapping
from typing import ClassVar

from consensus.cosigned import Page, group
from consensus.decision import Opening
from consensus.encoding import encode
from consensus.errors import PeerageError
from consensus.evidence import decode_payload
from consensus.messages import (
    NIL,
    NO_PROOF,
    CoSigned,
    Entry,
    Kind,
    Message,
    Precommit,
    Prevote,
    Proposal,
    ProposalMessage,
    SeatList,
    SeatSignature,
    Signed,
    StatementMessage,
    compute_value_digest,
)
from sim_net.adversaries.base import Adversary
from sim_net.adversaries.commits import LateCommitter
from sim_net.manifest import Option
from swarm.core.actions import Send

ListPages = dict[int, tuple[Page, SeatList]]


class DeadProposer(Adversary):
    """Never proposes."""

    name = "dead-proposer"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Drop proposals."""
        return [] if isinstance(message, ProposalMessage) else [send]


class CensoringProposer(Adversary):
    """Lists nobody's reveal, and proposes over the shortest lists there are."""

    name = "censoring-proposer"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Empty its list, and leave out of its proposals whom it can."""
        if self.is_own(message, Kind.REVEAL_LIST):
            return [Send(send.to, self.state(Kind.REVEAL_LIST, self.make_list()))]
        if self.is_own(message, Kind.PROPOSAL) and isinstance(message, ProposalMessage):
            forged = repropose(self, message, self.make_list())
            return [Send(send.to, forged if forged is not None else send.data)]
        return [send]

    def make_list(self) -> SeatList:
        """Return the list it shows."""
        return SeatList(self.facts.round_id, self.step, ())


class TwoFacedProposer(CensoringProposer):
    """Proposes one value to one camp, another to the other, and votes for both."""

    name = "two-faced-proposer"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Replace its proposal for every second seat."""
        is_proposal = self.is_own(message, Kind.PROPOSAL) and self.is_odd(send)
        if isinstance(message, ProposalMessage) and is_proposal:
            forged = repropose(self, message, self.make_list())
            return [Send(send.to, forged if forged is not None else send.data)]
        return [send]

    def make_list(self) -> SeatList:
        """Return its own list without the first entry."""
        own = self.get_own(Kind.REVEAL_LIST)
        entries = own.entries[1:] if isinstance(own, SeatList) else ()
        return SeatList(self.facts.round_id, self.step, entries)


class ListStuffer(LateCommitter):
    """Names its late commit f + 1 times in one list, so that one liar counts as f + 1 lists."""

    name = "list-stuffer"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Propose over the stuffed list."""
        is_proposal = self.is_own(message, Kind.PROPOSAL) and self.copied is not None and self.step == 0
        if isinstance(message, ProposalMessage) and not message.prevotes and is_proposal:
            forged = self._stuff(message)
            return [Send(send.to, forged if forged is not None else send.data)]
        return super().corrupt(send, message)

    def _stuff(self, message: ProposalMessage) -> bytes | None:
        mine, facts = self.copied, self.facts
        assert mine is not None, "asked for only with a copy at hand"
        lists = get_lists(self)
        chosen = {seat: lists[seat] for seat in sorted(lists)[: facts.committee.q - 1]}
        collection = self.round.collection
        openings = {
            seat: collection.openings[seat, commit]
            for seat, commit in count_revealed(chosen, facts.committee.f)
            if (seat, commit) in collection.openings
        }
        signed = self.sign(Kind.REVEAL, mine)
        openings[self.seat] = Opening(self.seat, mine.commit, mine.salt, mine.body, signed)
        stuffing = (Entry(self.seat, mine.commit),) * (facts.committee.f + 1)
        own = self.sign(Kind.REVEAL_LIST, SeatList(facts.round_id, 0, stuffing))
        return propose(self, openings, group_lists(self, chosen, own), message)


class VoteEquivocator(Adversary):
    """Votes for the value to one camp and nil to the other; tells some both."""

    name = "vote-equivocator"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Split its votes."""
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

    name = "amnesiac"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Turn nil votes into votes for what was proposed."""
        if not isinstance(message, StatementMessage) or message.signed.seat != self.seat:
            return [send]
        content = decode_payload(message.signed.kind, message.signed.payload)
        if not isinstance(content, Prevote | Precommit) or content.value != NIL:
            return [send]
        proposal = self.round.agreement.proposals.get(content.view)
        if proposal is None or content.step != self.step:
            return [send]
        value = compute_value_digest(proposal.value)
        vote = (
            Prevote(content.round, content.step, content.view, value, NO_PROOF)
            if isinstance(content, Prevote)
            else Precommit(content.round, content.step, content.view, value)
        )
        return [Send(send.to, self.state(Kind(message.signed.kind), vote))]


class Chaotic(Adversary):
    """Says to each seat whatever comes to its mind: its own word, another, the opposite, or nothing."""

    name = "chaotic"
    OPTIONS: ClassVar[Mapping[str, Option]] = {"honesty": 0.4}

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Draw what one seat is told."""
        if self.dice.random() < float(self.options["honesty"]):
            return [send]
        if isinstance(message, ProposalMessage) and self.is_own(message, Kind.PROPOSAL):
            forged = repropose(self, message, SeatList(self.facts.round_id, self.step, ()))
            return [Send(send.to, forged)] if forged is not None else [send]
        if not isinstance(message, StatementMessage) or message.signed.seat != self.seat:
            return [send]
        content = decode_payload(message.signed.kind, message.signed.payload)
        match content:
            case SeatList(round_id, step, entries):
                kept = tuple(entry for entry in entries if self.dice.random() < 0.5)
                word = self.state(Kind(message.signed.kind), SeatList(round_id, step, kept))
            case Prevote(round_id, step, view):
                word = self.state(Kind.PREVOTE, Prevote(round_id, step, view, self._draw_value(), NO_PROOF))
            case Precommit(round_id, step, view):
                word = self.state(Kind.PRECOMMIT, Precommit(round_id, step, view, self._draw_value()))
            case _:
                return [send] if self.dice.random() < 0.5 else []
        return self.dice.choice(([Send(send.to, word)], [send, Send(send.to, word)], []))

    def _draw_value(self) -> bytes:
        known = list(self.round.agreement.candidates)
        return self.dice.choice([NIL, *known])


# -- forging proposals -------------------------------------------------------------------------------


def get_lists(adversary: Adversary) -> ListPages:
    """Return the reveal lists that its node holds of other seats."""
    collection, n = adversary.round.collection, adversary.facts.committee.n
    slot = collection.get_list_slot(Kind.REVEAL_LIST)
    pages = {seat: collection.reveal_lists.get_first(seat, slot) for seat in range(n)}
    return {
        seat: (page, page.content)
        for seat, page in pages.items()
        if page is not None and seat != adversary.seat and isinstance(page.content, SeatList)
    }


def count_revealed(lists: ListPages, f: int) -> list[tuple[int, bytes]]:
    """Return the commits that more than f of these lists name."""
    counts: dict[tuple[int, bytes], int] = {}
    for _, content in lists.values():
        for entry in content.entries:
            counts[entry.seat, entry.commit] = counts.get((entry.seat, entry.commit), 0) + 1
    return [pair for pair, count in sorted(counts.items()) if count > f]


def group_lists(adversary: Adversary, lists: ListPages, own: Signed) -> list[CoSigned]:
    """Return lists as a proposal carries them, its own added."""
    payloads = {seat: page.payload for seat, (page, _) in lists.items()}
    groups = group(adversary.round.collection.reveal_lists, payloads)
    by_payload = {one.payload: list(one.signatures) for one in groups}
    by_payload.setdefault(own.payload, []).append(SeatSignature(own.seat, own.signature))
    return [
        CoSigned(payload, tuple(sorted(by_payload[payload], key=lambda one: one.seat)))
        for payload in sorted(by_payload)
    ]


def repropose(adversary: Adversary, message: ProposalMessage, own_list: SeatList) -> bytes | None:
    """Return a valid fresh proposal over as few reveals as can be; None where there is no other."""
    if message.prevotes:
        return None
    collection, committee = adversary.round.collection, adversary.facts.committee
    lists = get_lists(adversary)
    ranked = sorted(lists, key=lambda seat: (len(lists[seat][1].entries), seat))[: committee.q - 1]
    chosen = {seat: lists[seat] for seat in ranked}
    revealed = count_revealed(chosen, committee.f)
    if len(ranked) < committee.q - 1 or any(pair not in collection.openings for pair in revealed):
        return None
    openings = {seat: collection.openings[seat, commit] for seat, commit in revealed}
    own = adversary.sign(Kind.REVEAL_LIST, own_list)
    return propose(adversary, openings, group_lists(adversary, chosen, own), message)


def propose(
    adversary: Adversary, openings: dict[int, Opening], groups: list[CoSigned], message: ProposalMessage
) -> bytes | None:
    """Return a proposal over these openings in place of `message`; None where it would decide nothing."""
    desk = adversary.round.desk
    try:
        outcome = desk.engine.compute(adversary.facts, desk.closed, openings)
    except PeerageError:
        return None
    content = decode_payload(message.signed.kind, message.signed.payload)
    assert isinstance(content, Proposal), "decoded under its kind"
    payload = Proposal(content.round, content.step, content.view, outcome.digest, NO_PROOF)
    signed = adversary.sign(Kind.PROPOSAL, payload)
    return encode(ProposalMessage(message.round, signed, outcome.value_bytes, tuple(groups), ()))
