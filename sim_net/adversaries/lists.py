"""Bad seats in listing: lists that lie, differ, or are padded."""

from consensus.evidence import decode_payload
from consensus.messages import Entry, Kind, Message, SeatList, StatementMessage
from sim_net.adversaries.base import Adversary
from sim_net.adversaries.commits import LateCommitter
from swarm.core.actions import Send


class ListLiar(Adversary):
    """Names commits that do not exist, and no reveals."""

    name = "list-liar"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Replace its lists."""
        if isinstance(message, StatementMessage) and message.signed.seat == self.seat:
            content = decode_payload(message.signed.kind, message.signed.payload)
            if message.signed.kind == Kind.COMMIT_LIST and isinstance(content, SeatList):
                junk = tuple(Entry(seat, bytes([seat]) * 32) for seat in range(self.facts.committee.n))
                lie = SeatList(content.round, content.step, junk)
                return [Send(send.to, self.state(Kind.COMMIT_LIST, lie))]
            if message.signed.kind == Kind.REVEAL_LIST and isinstance(content, SeatList):
                nothing = SeatList(content.round, content.step, ())
                return [Send(send.to, self.state(Kind.REVEAL_LIST, nothing))]
        return [send]


class ListEquivocator(Adversary):
    """Signs one list for one camp, an emptier one for the other."""

    name = "list-equivocator"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Shorten its lists for every second seat."""
        if isinstance(message, StatementMessage) and message.signed.seat == self.seat and self.is_odd(send):
            content = decode_payload(message.signed.kind, message.signed.payload)
            if isinstance(content, SeatList):
                shorter = SeatList(content.round, content.step, content.entries[1:])
                return [Send(send.to, self.state(Kind(message.signed.kind), shorter))]
        return [send]


class ListPadder(LateCommitter):
    """Names its late commit in its reveal list, where nobody else names it."""

    name = "list-padder"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Add its copy to its own list."""
        if self.is_own(message, Kind.REVEAL_LIST) and self.copied is not None and self.step == 0:
            own = self.get_own(Kind.REVEAL_LIST)
            assert isinstance(own, SeatList), "a reveal list is a list"
            entries = {entry.seat: entry.commit for entry in own.entries} | {self.seat: self.copied.commit}
            padded = tuple(Entry(seat, entries[seat]) for seat in sorted(entries))
            return [Send(send.to, self.state(Kind.REVEAL_LIST, SeatList(own.round, 0, padded)))]
        return super().corrupt(send, message)
