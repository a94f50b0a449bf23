"""What every Byzantine seat is made of: an honest node, and a hand on what leaves it.

An adversary overhears what is sent to it, like any seat, and may send whatever it can sign. It knows its
own key and nobody else's. A new one is a subclass with `corrupt` or `overhear`; `module:Class` in a manifest
loads it.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import ClassVar

from consensus.bodies import AnswerBody
from consensus.decision import RoundFacts
from consensus.encoding import Wire, decode, encode
from consensus.errors import ConfigError, LimitExceeded, PeerError
from consensus.evidence import Payload, decode_payload
from consensus.identity import NetworkId, PeerKey
from consensus.messages import (
    BODY_BYTES_MAX,
    Commit,
    Kind,
    Message,
    ProposalMessage,
    Reveal,
    RevealMessage,
    Signed,
    StatementMessage,
    compute_commit,
)
from consensus.round import Round
from sim_net.checkers.watch import decode_cached
from sim_net.manifest import Option
from sim_net.world import World
from swarm.core.actions import Send


class Adversary:
    """A seat whose word cannot be trusted. This one is honest; subclasses are not."""

    name: ClassVar[str] = ""
    OPTIONS: ClassVar[Mapping[str, Option]] = MappingProxyType({})  # names and defaults

    def __init__(self, world: World, index: int, **options: Option) -> None:
        self.world = world
        self.index = index
        self.node = world.nodes[index]
        self.key = self.node.signer.key
        self.options = resolve_options(self.name, self.OPTIONS, options)
        self.dice = world.seeds.split(f"adversary-{index}")
        self.round_id: bytes | None = None  # the round that the message at hand belongs to
        world.byzantine[index] = self.name
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
            message = decode_cached(send.data)
            self._turn_to(message)
            return self.corrupt(send, message) if self.round_id is not None else [send]
        if send.to == self.key:
            try:
                message = decode_cached(send.data)
            except (PeerError, LimitExceeded):
                return [send]  # another adversary's noise
            self._turn_to(message)
            if self.round_id is not None and self.round_id == getattr(message, "round", None):
                self.overhear(index, message)
        return [send]

    def _turn_to(self, message: Message) -> None:
        round_id = getattr(message, "round", None)
        if isinstance(round_id, bytes) and round_id in self.node.state.seats:
            self.round_id = round_id
        elif self.round_id not in self.node.state.seats:
            self.round_id = None

    @property
    def round(self) -> Round:
        """The round at hand, through the eyes of its own node."""
        assert self.round_id is not None, "adversaries act within rounds"
        return self.node.state.seats[self.round_id].round

    @property
    def facts(self) -> RoundFacts:
        """What is given in the round at hand."""
        return self.round.desk.facts

    @property
    def seat(self) -> int:
        """Its seat in the round at hand."""
        return self.round.desk.seat

    @property
    def step(self) -> int:
        """The step that its own node is in."""
        return self.round.collection.step

    @property
    def others(self) -> list[PeerKey]:
        """The keys of the other seats, in seat order."""
        return [key for key in self.facts.committee.keys if key != self.key]

    def is_odd(self, send: Send) -> bool:
        """Split the others in two camps."""
        return send.to in self.others and self.others.index(send.to) % 2 == 1

    def sign(self, kind: Kind, payload: Wire, network: NetworkId | None = None) -> Signed:
        """Sign whatever it likes, under its own key."""
        data = encode(payload)
        network = network or self.facts.network.network_id
        return Signed(int(kind), self.seat, data, self.node.signer.sign(kind, network, data))

    def state(self, kind: Kind, payload: Wire) -> bytes:
        """Return a statement as it travels."""
        return encode(StatementMessage(self.facts.round_id, self.sign(kind, payload)))

    def tell_all(self, data: bytes, *, delay_ms: int = 0) -> None:
        """Send a message to every other seat, past what its node would say."""
        for key in self.others:
            for target in self.world.get_nodes(key):
                self.world.at(delay_ms, self._make_delivery(target, data))

    def _make_delivery(self, target: int, data: bytes) -> Callable[[], None]:
        return lambda: self.world.deliver(target, self.key, data)

    def seal(self, body: bytes, salt: bytes) -> tuple[Commit, Reveal]:
        """Return a commit of its own to a body, and the reveal that opens it."""
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
        return (
            Commit(facts.round_id, self.step, commit),
            Reveal(facts.round_id, self.step, commit, salt, body),
        )

    def get_own(self, kind: Kind) -> Payload | None:
        """Return what its own node signed of a kind in the step at hand."""
        signed = self.round.desk.signed.get(bytes([kind, self.step, 0]))
        return decode_payload(signed.kind, signed.payload) if signed is not None else None

    def is_own(self, message: Message, kind: Kind) -> bool:
        """Say whether a message is its own statement of a kind."""
        return (
            isinstance(message, StatementMessage | RevealMessage | ProposalMessage)
            and message.signed.kind == kind
            and message.signed.seat == self.seat
        )

    def get_other_body(self) -> bytes:
        """Return another well-formed body than the node's own."""
        own = self.get_own(Kind.REVEAL)
        if isinstance(own, Reveal) and self.step == 0:
            answer = decode(AnswerBody, own.body, bytes_max=BODY_BYTES_MAX)
            return encode(AnswerBody(answer.version, answer.text + b"1", answer.model, 0, 1))
        return own.body if isinstance(own, Reveal) else b""


def resolve_options(
    name: str, known: Mapping[str, Option], given: Mapping[str, Option]
) -> Mapping[str, Option]:
    """Return options with their defaults.

    Raises:
        ConfigError: An unknown option, or a value of another type than its default.
    """
    for key, value in given.items():
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.0)
            raise ConfigError(
                f"adversary {name!r}: unknown option {key!r}",
                remedy=f"did you mean {near[0]!r}?" if near else f"{name} takes no options",
            )
        default = known[key]
        is_number = isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool)
        if type(value) is not type(default) and not is_number:
            expected = type(default).__name__
            raise ConfigError(f"adversary {name!r}: {key} is {value!r}, expected {expected}")
    return {**known, **given}
