"""Bad seats in committing and revealing: two-faced, thieving, late, silent, and early ones."""

from collections.abc import Mapping
from typing import ClassVar

from consensus.bodies import ANSWER_BYTES_MAX, ANSWER_VERSION, AnswerBody, BallotBody, Vote
from consensus.encoding import encode
from consensus.evidence import decode_payload
from consensus.messages import Commit, Kind, Message, Reveal, RevealMessage, StatementMessage
from ranking.canonical import ENGINE_VERSION, OUTCOME_MAX, OUTCOME_MIN
from sim_net.adversaries.base import Adversary
from sim_net.manifest import Option
from sim_net.world import World
from swarm.core.actions import Send


class Equivocator(Adversary):
    """Shows one commit and reveal to one camp, another to the other."""

    name = "equivocator"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Replace its own commit and reveal for every second seat."""
        if self.is_odd(send) and isinstance(message, StatementMessage | RevealMessage):
            commit, reveal = self.seal(self.get_other_body(), b"2" * 32)
            if self.is_own(message, Kind.COMMIT):
                return [Send(send.to, self.state(Kind.COMMIT, commit))]
            if isinstance(message, RevealMessage) and self.is_own(message, Kind.REVEAL):
                signed = self.sign(Kind.REVEAL, reveal)
                return [Send(send.to, encode(RevealMessage(message.round, signed, message.commit_lists)))]
        return [send]


class CommitFlooder(Adversary):
    """Signs many commits, to have those who pass them on penalised."""

    name = "commit-flooder"
    OPTIONS: ClassVar[Mapping[str, Option]] = {"commits": 8}

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Add more commits to its own."""
        if not self.is_own(message, Kind.COMMIT):
            return [send]
        count = int(self.options["commits"])
        extra = [self.seal(self.get_other_body(), i.to_bytes(32, "big"))[0] for i in range(count)]
        return [send, *(Send(send.to, self.state(Kind.COMMIT, commit)) for commit in extra)]


class CommitThief(Adversary):
    """Signs the first commit it sees as its own, and later the reveal that opens it."""

    name = "commit-thief"

    def __init__(self, world: World, index: int, **options: Option) -> None:
        super().__init__(world, index, **options)
        self.stolen: dict[bytes, bytes] = {}  # by round: the commit of step 0 it took

    def overhear(self, sender: int, message: Message) -> None:
        """Sign what it hears."""
        assert self.round_id is not None
        if isinstance(message, StatementMessage) and message.signed.kind == Kind.COMMIT:
            content = decode_payload(message.signed.kind, message.signed.payload)
            if self.round_id not in self.stolen and isinstance(content, Commit):
                self.stolen[self.round_id] = content.commit
                self.tell_all(self.state(Kind.COMMIT, Commit(content.round, content.step, content.commit)))
        if isinstance(message, RevealMessage):
            content = decode_payload(message.signed.kind, message.signed.payload)
            if isinstance(content, Reveal) and content.commit == self.stolen.get(self.round_id):
                signed = self.sign(Kind.REVEAL, content)
                self.tell_all(encode(RevealMessage(message.round, signed, message.commit_lists)))

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Say nothing of its own once it has stolen."""
        is_sealed = self.is_own(message, Kind.COMMIT) or self.is_own(message, Kind.REVEAL)
        return [] if is_sealed and self.round_id in self.stolen else [send]


class LateCommitter(Adversary):
    """Waits until it has seen somebody's reveal, then commits to a copy and reveals it."""

    name = "late-committer"

    def __init__(self, world: World, index: int, **options: Option) -> None:
        super().__init__(world, index, **options)
        self.copies: dict[bytes, Reveal] = {}  # by round: its copy of another's answer

    @property
    def copied(self) -> Reveal | None:
        """Its copy in the round at hand."""
        assert self.round_id is not None
        return self.copies.get(self.round_id)

    def overhear(self, sender: int, message: Message) -> None:
        """Copy the first answer that is revealed to it."""
        if not isinstance(message, RevealMessage) or self.copied is not None:
            return
        content = decode_payload(message.signed.kind, message.signed.payload)
        if isinstance(content, Reveal) and content.step == self.step == 0:
            commit, copy = self.seal(content.body, b"3" * 32)
            self.copies[message.round] = copy
            self.tell_all(self.state(Kind.COMMIT, commit))
            self.tell_all(encode(RevealMessage(message.round, self.sign(Kind.REVEAL, copy), ())))

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Say nothing of its own."""
        is_sealed = self.is_own(message, Kind.COMMIT) or self.is_own(message, Kind.REVEAL)
        return [] if is_sealed else [send]


class RevealWithholder(Adversary):
    """Commits and never reveals."""

    name = "reveal-withholder"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Drop every reveal."""
        return [] if isinstance(message, RevealMessage) else [send]


class BodyForger(Adversary):
    """Seals bodies that no seat may send: pairs not dealt to it, certainties, answers that are none."""

    name = "body-forger"

    def __init__(self, world: World, index: int, **options: Option) -> None:
        super().__init__(world, index, **options)
        self.forged: dict[tuple[bytes, int], tuple[Commit, Reveal]] = {}  # by round and step
        self.told: dict[tuple[bytes, int], None] = {}

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Replace its own commit; its node's reveal opens nothing that anybody has seen."""
        assert self.round_id is not None, "it acts within rounds"
        if self.is_own(message, Kind.COMMIT):
            place = (self.round_id, self.step)
            if place not in self.forged:
                self.forged[place] = self.seal(self._forge(), b"4" * 32)
            return [Send(send.to, self.state(Kind.COMMIT, self.forged[place][0]))]
        return [] if self.is_own(message, Kind.REVEAL) else [send]

    def overhear(self, sender: int, message: Message) -> None:
        """Reveal when the first other does, under the same lists: they name its commit as well."""
        assert self.round_id is not None, "it acts within rounds"
        if isinstance(message, RevealMessage) and message.commit_lists:
            content = decode_payload(message.signed.kind, message.signed.payload)
            sealed = self.forged.get((self.round_id, content.step))
            if sealed is not None and (self.round_id, content.step) not in self.told:
                self.told[self.round_id, content.step] = None
                signed = self.sign(Kind.REVEAL, sealed[1])
                self.tell_all(encode(RevealMessage(message.round, signed, message.commit_lists)))

    def _forge(self) -> bytes:
        if self.step == 0:
            texts = (b"", b"\xff\xfe", b" ", b"x" * (ANSWER_BYTES_MAX + 1))
            model = self.node.state.config.info.digest
            return encode(AnswerBody(ANSWER_VERSION, self.dice.choice(texts), model, 0, 1))
        votes = [
            (Vote(0, 1, OUTCOME_MAX), Vote(1, 0, OUTCOME_MIN)),
            (Vote(0, 1, 65_536),),
            (Vote(0, 0, 32_768),),
            (Vote(30, 31, 32_768),),
        ]
        return encode(BallotBody(ENGINE_VERSION, self.round.collection.prev, self.dice.choice(votes)))


class EarlyRevealer(Adversary):
    """Reveals with its commit, hoping that who sees a reveal commits no more."""

    name = "early-revealer"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Send the reveal right behind the commit."""
        own = self.get_own(Kind.REVEAL)
        if self.is_own(message, Kind.COMMIT) and own is not None:
            early = RevealMessage(self.facts.round_id, self.sign(Kind.REVEAL, own), ())
            return [send, Send(send.to, encode(early))]
        return [send]
