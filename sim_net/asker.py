"""A simulated asker: sends questions, fetches receipts, and believes only those that verify.

It gives the receipt of an earlier round to whoever asks for it, as a question that builds on one needs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from consensus.decision import DecisionEngine
from consensus.encoding import encode
from consensus.errors import LimitExceeded, PeerError
from consensus.genesis import Network
from consensus.identity import KeyPair, PeerKey, Verifier
from consensus.messages import (
    ReceiptChunk,
    ReceiptRequest,
    RoundClosed,
    SignedQuestion,
    decode_message,
    make_ask,
)
from consensus.question import Question, compute_round_id, sign_question
from consensus.verify import VerifiedRound, verify_receipt
from swarm.core.history import CHUNKS_MAX
from swarm.core.receipts import make_chunk
from swarm.edge.past import Backing

if TYPE_CHECKING:
    from sim_net.world import World

REPEAT_MS = 2_000  # links come and go; asking twice is harmless
REPEATS_MAX = 1_000
LIES_MAX = 3


@dataclass(slots=True)
class Asking:
    """One question under way.

    Attributes:
        backing: What the question builds on; None where that is nothing.
        closed: What each node said how the round ended.
        receipt: The first receipt that verified.
    """

    question: Question
    round_id: bytes
    asked_ms: int
    backing: Backing | None = None
    closed: dict[PeerKey, RoundClosed] = field(default_factory=dict)
    chunks: dict[PeerKey, dict[int, bytes]] = field(default_factory=dict)
    lies: list[PeerKey] = field(default_factory=list)
    receipt: bytes | None = None
    verified: VerifiedRound | None = None
    closed_ms: int | None = None


# Which question each node is sent; an asker that equivocates replaces it.
Sorter = Callable[[SignedQuestion, Question], Mapping[int, SignedQuestion]]


class SimAsker:
    """Asks on behalf of one key, over links like any other.

    Args:
        world: Where it asks.
        signer: Its key.
        network: Whom it asks; receipts are checked against this.
    """

    def __init__(self, world: "World", signer: KeyPair, network: Network) -> None:
        self.world = world
        self.signer = signer
        self.network = network
        self.is_honest = True
        self.asked: dict[bytes, Asking] = {}
        self.sort: Sorter = lambda signed, _: dict.fromkeys(range(len(world.nodes)), signed)
        # What its questions build on; an asker that makes histories up replaces it.
        self.choose_backing: Callable[[Backing], Backing] = lambda backing: backing
        # Its own, apart from the nodes': they check what it believes.
        self.verifier = Verifier()
        self.engine = DecisionEngine()

    @property
    def key(self) -> PeerKey:
        """The asker's key."""
        return self.signer.key

    @property
    def latest(self) -> Asking | None:
        """The question asked last."""
        return next(reversed(self.asked.values()), None)

    def ask(self, question: Question, *, backing: Backing | None = None) -> Asking:
        """Send a question to every node, again and again until a receipt has come.

        Args:
            question: Its header is the network id.
            backing: What it builds on; its header is then that standing's digest.
        """
        if backing is not None:
            backing = self.choose_backing(backing)
            question = msgspec.structs.replace(question, header=backing.standing.digest)
        signed = sign_question(question, self.signer, self.network)
        asking = Asking(question, compute_round_id(signed.payload), self.world.now_ms, backing)
        self.asked.setdefault(asking.round_id, asking)
        self._repeat(self.asked[asking.round_id], self.sort(signed, question), 0)
        return self.asked[asking.round_id]

    def _repeat(self, asking: Asking, sorted_: Mapping[int, SignedQuestion], count: int) -> None:
        if count and (asking.receipt is not None or count > REPEATS_MAX):
            return
        for index, signed in sorted_.items():
            ask = make_ask(signed, None if asking.backing is None else asking.backing.standing.data)
            self.world.carry_from_asker(index, encode(ask))
        for key in asking.closed:
            if asking.lies.count(key) <= LIES_MAX:
                self._fetch(asking, key)
        self.world.at(REPEAT_MS, lambda: self._repeat(asking, sorted_, count + 1))

    def on_message(self, node: int, data: bytes) -> None:
        """Take what a node sends; what breaks a rule is dropped."""
        key = self.world.nodes[node].signer.key
        try:
            message = decode_message(data)
        except (PeerError, LimitExceeded):
            return
        match message:
            case RoundClosed(round_id) if round_id in self.asked:
                asking = self.asked[round_id]
                is_new = key not in asking.closed
                asking.closed[key] = message
                if is_new and asking.receipt is None:
                    self._fetch(asking, key)
            case ReceiptChunk(round_id) if round_id in self.asked:
                self._on_chunk(self.asked[round_id], key, message)
            case ReceiptRequest(round_id, index) if round_id in self.asked:
                self._serve(node, key, round_id, index)
            case _:
                pass  # progress and refusals are for people

    def _serve(self, node: int, key: PeerKey, round_id: bytes, index: int) -> None:
        """Give a node that missed it a piece of a receipt that a question builds on."""
        receipt = self.asked[round_id].receipt
        if receipt is None:
            return
        try:
            piece = make_chunk(key, round_id, index, receipt)
        except PeerError:
            return
        self.world.carry_from_asker(node, piece.data)

    def _fetch(self, asking: Asking, key: PeerKey) -> None:
        wanted = len(asking.chunks.get(key, {}))
        self.world.carry_from_asker(
            self.world.get_nodes(key)[0], encode(ReceiptRequest(asking.round_id, wanted))
        )

    def _on_chunk(self, asking: Asking, key: PeerKey, chunk: ReceiptChunk) -> None:
        chunks = asking.chunks.setdefault(key, {})
        is_next = chunk.index == len(chunks) and 1 <= chunk.count <= CHUNKS_MAX
        if asking.receipt is not None or not is_next or asking.lies.count(key) > LIES_MAX:
            return
        chunks[chunk.index] = chunk.data
        if len(chunks) < chunk.count:
            self._fetch(asking, key)
            return
        data = b"".join(chunks.values())
        verdict = verify_receipt(
            data,
            trusted_network=self.network.genesis_bytes,
            verifier=self.verifier,
            engine=self.engine,
        )
        verified = verdict.round
        if not verdict.is_trusted or verified is None or verified.facts.round_id != asking.round_id:
            # Bytes may have been lost or changed on the way: it is asked again, a few times.
            asking.lies.append(key)
            chunks.clear()
            return
        asking.receipt, asking.verified = data, verified
        asking.closed_ms = self.world.now_ms
