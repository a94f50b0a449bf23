"""The finished rounds that open questions build on: found in memory, read from disk, or fetched.

A standing is accepted if it follows from a certified receipt of this network: the round of that receipt, and
the opening that the standing itself shows, give the same bytes. The receipt's own standing was accepted in
the same way by the committee that certified it. So one receipt is all that a node needs which has missed
rounds, lost its disk, or is new (docs/adr/0015). Everything fetched is hostile until it verifies.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeVar

from consensus.decision import ClosedStep, DecisionEngine, RoundFacts
from consensus.encoding import encode
from consensus.errors import PeerError
from consensus.genesis import Network
from consensus.gold import GoldOpening
from consensus.history import compute_standing
from consensus.identity import PeerKey, Verifier
from consensus.messages import AskMessage, ReceiptChunk, SignedQuestion, StandingAskMessage, make_ask
from consensus.receipt import RECEIPT_BYTES_MAX
from consensus.standing import OpenedStanding
from consensus.verify import CheckOutcome, verify_receipt

CHUNK_BYTES = 131_072
CHUNKS_MAX = -(-RECEIPT_BYTES_MAX // CHUNK_BYTES)
BASES_MAX = 4  # receipts from disk or from others, held open at once
DERIVED_MAX = 16  # standings computed and remembered; one costs about what ranking a round costs
FETCHES_MAX = 4  # receipts on their way at once, RECEIPT_BYTES_MAX each
FETCHES_PER_QUESTION_MAX = 2  # so that one silent sender costs no time
FETCH_MS_MAX = 2_000  # a sender that is silent for so long makes room for another

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Ask:
    """A question as it travels: what the asker signed, and the bytes of the standing its header names."""

    question: SignedQuestion
    standing: bytes = b""


def retell_ask(facts: RoundFacts) -> AskMessage | StandingAskMessage:
    """Return the message that tells a peer of a round's question."""
    question = SignedQuestion(facts.payload, facts.signature)
    return make_ask(question, None if facts.standing is None else facts.standing.data)


@dataclass(frozen=True, slots=True)
class Base:
    """A finished, certified round. `receipt` is empty where the node has it elsewhere."""

    facts: RoundFacts
    closed: tuple[ClosedStep, ...]
    receipt: bytes = b""


@dataclass(slots=True)
class Fetch:
    """A receipt on its way from one sender, for the sake of a question."""

    ask: Ask
    round_id: bytes
    base: bytes
    heard_ms: int
    count: int = 0
    chunks: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class History:
    """What a node holds of finished rounds beside its seats in them."""

    bases: OrderedDict[bytes, Base] = field(default_factory=OrderedDict)
    derived: OrderedDict[tuple[bytes, bytes], OpenedStanding] = field(default_factory=OrderedDict)
    fetches: dict[PeerKey, Fetch] = field(default_factory=dict)

    def derive(self, base: Base, truth: GoldOpening | None) -> OpenedStanding:
        """Return the standing after a finished round; remembered, since every asker's question needs it.

        Raises:
            PeerError: The round has no winner, or the truth is another question's.
            LimitExceeded: The standing does not fit.
        """
        key = (base.facts.round_id, b"" if truth is None else encode(truth))
        standing = self.derived.get(key)
        if standing is None:
            standing = self.derived[key] = compute_standing(base.facts, base.closed, truth)
            _limit(self.derived, DERIVED_MAX)
        return standing

    def check(self, standing: OpenedStanding, base: Base) -> None:
        """Check that a standing follows from the finished round that it names.

        Raises:
            PeerError: It does not; the message says why.
            LimitExceeded: What follows would be too large.
        """
        held = standing.standing
        expected = self.derive(base, held.truth[0] if held.truth else None)
        if expected.digest != standing.digest:
            raise PeerError(
                f"another one follows from round {held.round.hex()[:16]}: {expected.digest.hex()[:16]}"
            )

    def keep(self, base: Base) -> None:
        """Hold a finished round that came from disk or from another peer."""
        self.bases[base.facts.round_id] = base
        _limit(self.bases, BASES_MAX)

    def start_fetch(self, ask: Ask, *, round_id: bytes, base: bytes, sender: PeerKey, now_ms: int) -> bool:
        """Note that `sender` is asked for the receipt of `base`; False where it is not to be asked.

        At most two for a question and one at a sender are under way at a time, and never more than
        FETCHES_MAX; one that has been silent for FETCH_MS_MAX makes room.
        """
        for key, fetch in list(self.fetches.items()):
            if now_ms - fetch.heard_ms >= FETCH_MS_MAX:
                del self.fetches[key]
        same = [fetch for fetch in self.fetches.values() if fetch.round_id == round_id]
        if len(same) >= FETCHES_PER_QUESTION_MAX or len(self.fetches) >= FETCHES_MAX:
            return False
        if sender in self.fetches:
            return False
        self.fetches[sender] = Fetch(ask, round_id, base, now_ms)
        return True

    def take_chunk(self, chunk: ReceiptChunk, sender: PeerKey, now_ms: int) -> Fetch | None:
        """Take a piece of a receipt; returns its fetch, None where the piece comes late, twice or unasked.

        Who was asked before this node restarted answers in good faith: a piece that nothing waits for is no
        fault.

        Raises:
            PeerError: It does not fit what came before; its fetch is given up.
        """
        fetch = self.fetches.get(sender)
        if fetch is None or fetch.base != chunk.round or 0 <= chunk.index < len(fetch.chunks):
            return None
        count = fetch.count or chunk.count
        fits = chunk.index == len(fetch.chunks) and chunk.count == count and 1 <= count <= CHUNKS_MAX
        if not fits or len(chunk.data) > CHUNK_BYTES:
            del self.fetches[sender]
            raise PeerError(
                f"receipt: got chunk {chunk.index} of {chunk.count}, expected the next of {count}"
            )
        fetch.count, fetch.heard_ms = count, now_ms
        fetch.chunks.append(chunk.data)
        if len(fetch.chunks) == count:
            del self.fetches[sender]
        return fetch


def open_base(
    receipt: bytes, round_id: bytes, *, network: Network, verifier: Verifier, engine: DecisionEngine
) -> Base:
    """Verify the receipt of the round that a standing builds on.

    Raises:
        PeerError: It does not verify, or is another round's; the message names the step that refused it.
    """
    verdict = verify_receipt(receipt, trusted_network=network.genesis_bytes, verifier=verifier, engine=engine)
    verified = verdict.round
    if verified is None or not verdict.is_trusted:
        failed = next(check for check in verdict.checks if check.outcome is CheckOutcome.FAILED)
        raise PeerError(f"receipt: step {failed.number}, {failed.name}: {failed.detail}")
    if verified.facts.round_id != round_id:
        raise PeerError("receipt: got another round's")
    return Base(verified.facts, verified.closed, receipt)


def _limit(memory: OrderedDict[KeyT, ValueT], count: int) -> None:
    while len(memory) > count:
        memory.popitem(last=False)
