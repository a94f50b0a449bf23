"""One node on a bench: inputs by hand, actions by hand, no world around it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from consensus.decision import DecisionEngine
from consensus.desk import Timing
from consensus.encoding import encode
from consensus.genesis import Member, Network, create_network
from consensus.identity import KeyPair, PeerKey, Verifier
from consensus.messages import AskMessage, Message, SignedQuestion, decode_message
from consensus.question import Question, Turn, sign_question
from models.contract import Finish, Generation
from models.scripted import ScriptedModel
from swarm.core.actions import Action, Emit, Generate, Penalise, Persist, Send
from swarm.core.inputs import Input, Persisted, Received
from swarm.core.node import NodeConfig, NodeState, create_node, step
from swarm.core.records import Record

SIGNERS = tuple(KeyPair(bytes([place]) * 32) for place in range(1, 5))
ASKER = KeyPair(b"a" * 32)
STRANGER = KeyPair(b"s" * 32)
GENERATION = Generation(text=" 84", tokens=(1,), finish=Finish.STOP, prompt_tokens=3, logprob=-1.0)
MODEL = ScriptedModel()


def make_network() -> Network:
    return create_network(
        name=b"bench", beacon=b"b" * 32, members=tuple(Member(signer.key, b"") for signer in SIGNERS)
    )


def make_question(
    network: Network,
    *,
    text: bytes = b"What is 7 times 12?",
    counter: int = 0,
    asker: KeyPair = ASKER,
) -> SignedQuestion:
    question = Question(
        version=1,
        network=network.network_id,
        asker=asker.key,
        counter=counter,
        header=network.network_id,
        turns=(Turn(1, text),),
        temperature_milli=700,
        tokens_max=64,
        seats=4,
        calls_per_peer=6,
        steps_max=1,
        answer_ms=10_000,
        ballot_ms=10_000,
        reveal_ms=3_000,
        attestation=0,
    )
    return sign_question(question, asker, network)


@dataclass
class Bench:
    """A node, what it wanted done so far, and a clock that only moves by hand."""

    signer: KeyPair = SIGNERS[0]
    network: Network = field(default_factory=make_network)
    now_ms: int = 0
    state: NodeState = field(init=False)
    done: list[Action] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = create_node(
            NodeConfig(
                network=self.network,
                signer=self.signer,
                verifier=Verifier(),
                engine=DecisionEngine(),
                timing=Timing(),
                info=MODEL.info(),
            )
        )

    def put(self, input_: Input) -> list[Action]:
        self.state, actions = step(self.state, input_)
        self.done += actions
        return actions

    def receive(self, sender: PeerKey, message: Message | bytes) -> list[Action]:
        data = message if isinstance(message, bytes) else encode(message)
        return self.put(Received(self.now_ms, sender, data))

    def ask(self, signed: SignedQuestion | None = None, sender: PeerKey = ASKER.key) -> list[Action]:
        return self.receive(sender, AskMessage(signed or make_question(self.network)))

    def confirm(self, actions: Sequence[Action]) -> list[Action]:
        """Say that the writes among these actions are durable, and those that follow from it."""
        more: list[Action] = []
        for action in actions:
            if isinstance(action, Persist):
                later = self.put(Persisted(self.now_ms, action.write_id))
                more += later + self.confirm(later)
        return more

    @property
    def others(self) -> list[PeerKey]:
        return [signer.key for signer in SIGNERS if signer is not self.signer]


def get_sent(actions: Sequence[Action], to: PeerKey | None = None) -> list[Message]:
    return [
        decode_message(action.data)
        for action in actions
        if isinstance(action, Send) and (to is None or action.to == to)
    ]


def get_events(actions: Sequence[Action]) -> list[str]:
    return [action.event for action in actions if isinstance(action, Emit)]


def get_penalties(actions: Sequence[Action]) -> list[Penalise]:
    return [action for action in actions if isinstance(action, Penalise)]


def get_records(actions: Sequence[Action]) -> list[Record]:
    return [record for action in actions if isinstance(action, Persist) for record in action.records]


def get_call(actions: Sequence[Action]) -> Generate:
    return next(action for action in actions if isinstance(action, Generate))
