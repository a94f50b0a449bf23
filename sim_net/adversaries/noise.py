"""Bad seats that make noise or none: malformed, flooding, replaying, early, slow and silent ones."""

from collections.abc import Mapping
from typing import ClassVar

from consensus.encoding import encode
from consensus.identity import NetworkId
from consensus.messages import (
    MESSAGE_BYTES_MAX,
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
    compute_value_digest,
)
from consensus.question import RoundId
from sim_net.adversaries.base import Adversary
from sim_net.manifest import Option
from sim_net.world import World
from swarm.core.actions import Send

OTHER_NETWORK = NetworkId(b"o" * 32)
HEARD_MAX = 200


class Silent(Adversary):
    """Says nothing at all."""

    name = "silent"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Drop everything."""
        return []


class SlowSender(Adversary):
    """Says everything late: just before or just after it would still count."""

    name = "slow-sender"
    OPTIONS: ClassVar[Mapping[str, Option]] = {"delay_ms": 2_000}

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Hold every message back."""
        delay = self.dice.randint(0, 2 * int(self.options["delay_ms"]))
        self.world.at(delay, lambda: self.world.transmit(self.index, send))
        return []


class MalformedSender(Adversary):
    """Sends frames that are no messages, messages of no phase, and words of other rounds and networks."""

    name = "malformed-sender"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Add noise to everything it says."""
        return [send, *(Send(send.to, data) for data in self._make_noise(send.data))]

    def _make_noise(self, data: bytes) -> list[bytes]:
        facts, step = self.facts, self.step
        foreign = RoundId(b"f" * 32)
        match len(data) % 9:
            case 0:
                return [b"", b"\xdd\xff\xff\xff\xff", b"\xc1"]
            case 1:
                return [bytes(MESSAGE_BYTES_MAX + 1)]
            case 2:
                return [data[:-1], data + b"\x00"]
            case 3:
                strange = self.sign(Kind.COMMIT, Commit(foreign, step, b"c" * 32))
                return [encode(StatementMessage(facts.round_id, strange))]
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
                one = Commit(facts.round_id, step, b"c" * 32)
                wide = tuple(self.sign(Kind.COMMIT, one) for _ in range(33))
                greedy = BodyRequest(facts.round_id, 2**40, (Entry(2**50, b""),) * 99)
                return [encode(CommitsMessage(facts.round_id, wide)), encode(greedy)]
            case _:
                vote = encode(Precommit(facts.round_id, step, 0, b"v"))
                votes = CoSigned(vote, (SeatSignature(0, b"s" * 64),))
                return [
                    encode(CertificateMessage(facts.round_id, Certificate(b"v", votes), ())),
                    encode(StatementMessage(facts.round_id, Signed(99, -1, b"", b""))),
                ]


class Flooder(Adversary):
    """Sends statements of other seats under signatures that do not hold, many at a time."""

    name = "flooder"
    OPTIONS: ClassVar[Mapping[str, Option]] = {"frames": 40, "bursts": 4}

    def __init__(self, world: World, index: int, **options: Option) -> None:
        super().__init__(world, index, **options)
        self.sent: dict[bytes, int] = {}

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Add a burst of forgeries, a few times a round."""
        assert self.round_id is not None
        bursts = self.sent.get(self.round_id, 0)
        if bursts >= int(self.options["bursts"]):
            return [send]
        self.sent[self.round_id] = bursts + 1
        payload = encode(Precommit(self.facts.round_id, self.step, 0, b"v" * 32))
        forged = [
            encode(StatementMessage(self.facts.round_id, Signed(int(Kind.PRECOMMIT), seat, payload, false)))
            for false in (i.to_bytes(64, "big") for i in range(int(self.options["frames"])))
            for seat in range(self.facts.committee.n)
        ]
        return [send, *(Send(send.to, data) for data in forged)]


class Replayer(Adversary):
    """Gives what it hears to all others again and again, in this round and in later ones."""

    name = "replayer"
    OPTIONS: ClassVar[Mapping[str, Option]] = {"copies": 3}

    def __init__(self, world: World, index: int, **options: Option) -> None:
        super().__init__(world, index, **options)
        self.heard: list[bytes] = []

    def overhear(self, sender: int, message: Message) -> None:
        """Keep what it hears; the newest replaces the oldest."""
        data = encode(message)
        if len(self.heard) < HEARD_MAX:
            self.heard.append(data)
        else:
            self.heard[self.dice.randrange(HEARD_MAX)] = data

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Add some of what it heard to everything it says."""
        count = min(int(self.options["copies"]), len(self.heard))
        return [send, *(Send(send.to, data) for data in self.dice.sample(self.heard, count))]


class NetworkReplayer(Adversary):
    """Replays a whole round of another network that has the same peers: only its id differs."""

    name = "network-replayer"
    OPTIONS: ClassVar[Mapping[str, Option]] = {"copies": 3}

    def __init__(self, world: World, index: int, **options: Option) -> None:
        super().__init__(world, index, **options)
        self.foreign: list[bytes] = []

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Add messages of the other network to everything it says."""
        if not self.foreign:
            self.foreign = self._record()
        count = min(int(self.options["copies"]), len(self.foreign))
        return [send, *(Send(send.to, data) for data in self.dice.sample(self.foreign, count))]

    def _record(self) -> list[bytes]:
        """Live through the same question in a network whose peers have the same keys."""
        seats = len(self.world.network.keys)
        models = [node.model for node in self.world.nodes[:seats]]
        other = World(seed=self.world.seeds.seed, models=models, network_name=b"another")
        messages: list[bytes] = []

        def keep(_: int, send: Send) -> list[Send]:
            if send.to != other.asker.key and len(messages) < HEARD_MAX:
                messages.append(send.data)
            return [send]

        other.tampers.append(keep)
        other.ask(self.facts.question.turns[-1].text.decode("utf-8"), seats=self.facts.committee.n)
        other.run(until_ms=20_000, is_done=lambda: len(messages) >= HEARD_MAX)
        return messages


class EarlyBird(Adversary):
    """Speaks of the next step too early: of oversized values, and of a reveal that opens nothing."""

    name = "early-bird"

    def corrupt(self, send: Send, message: Message) -> list[Send]:
        """Add words of the next step to its list."""
        if not self.is_own(message, Kind.COMMIT_LIST) or self.step >= self.facts.question.steps_max:
            return [send]
        round_id, step = self.facts.round_id, self.step + 1
        large = bytes(VALUE_BYTES_MAX + 1)
        digest = compute_value_digest(large)
        proposals = [
            ProposalMessage(
                round_id,
                self.sign(Kind.PROPOSAL, Proposal(round_id, step, view, digest, NO_PROOF)),
                large,
                (),
                (),
            )
            for view in range(self.facts.committee.n)
        ]
        empty = self.sign(Kind.REVEAL, Reveal(round_id, step, b"c" * 32, b"s" * 32, b"\x90"))
        reveal = RevealMessage(round_id, empty, ())
        return [send, *(Send(send.to, encode(early)) for early in (*proposals, reveal))]
