"""An asker: sends a question to a network's members, follows its round, fetches and checks the receipt.

Nothing a peer says is believed: progress is shown as it comes, and a receipt counts only when it verifies
against the network that was asked, for the very question that was asked.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import trio

from consensus.committee import compute_tolerated
from consensus.encoding import encode
from consensus.errors import LimitExceeded, PeerError
from consensus.genesis import Network
from consensus.identity import PeerKey
from consensus.messages import (
    ProgressMessage,
    ReceiptChunk,
    ReceiptRequest,
    RefusalMessage,
    RoundClosed,
    SignedQuestion,
    decode_message,
    make_ask,
)
from consensus.phases import Phase
from consensus.question import RoundId, compute_round_id
from consensus.verify import Verdict, verify_receipt
from swarm.core.history import CHUNKS_MAX
from swarm.core.receipts import make_chunk
from swarm.edge.link import DialFailed, Inbound, LinkDown, LinkUp, MeshEvent
from swarm.edge.mesh import Mesh
from swarm.edge.past import Backing

EARLIER_ROUNDS_MAX = 64  # late word of the last so many rounds is no fault


class ProgressKind(Enum):
    """What a progress note is about."""

    LINKED = "linked"
    UNLINKED = "unlinked"
    PHASE = "phase"
    REFUSED = "refused"
    LIED = "lied"


@dataclass(frozen=True, slots=True)
class Progress:
    """Something the asker saw; `step`, `phase` and `seats` only for PHASE."""

    kind: ProgressKind
    peer: PeerKey
    step: int = 0
    phase: Phase = Phase.COMMITTING
    seats: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """A verified receipt, and the seconds after asking at which each step was first seen decided."""

    receipt: bytes
    verdict: Verdict
    step_seconds: tuple[tuple[int, float], ...]
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No certified result in time: `failed, uncertified`. A later certificate supersedes this."""

    reason: str
    linked: tuple[PeerKey, ...]
    refusals: tuple[str, ...]
    elapsed_s: float


@dataclass(slots=True)
class _Transfer:
    count: int
    chunks: dict[int, bytes] = field(default_factory=dict)


class AskerClient:
    """Asks over a client mesh, which the caller runs and cancels.

    Args:
        network: The network asked; its genesis is what receipts are checked against.
        mesh: Links to members, opened with the asker's key.
        on_progress: Called for whatever is seen.
    """

    def __init__(self, *, network: Network, mesh: Mesh, on_progress: Callable[[Progress], None]) -> None:
        self._network = network
        self._mesh = mesh
        self._on_progress = on_progress
        self._transfers: dict[PeerKey, _Transfer] = {}
        self._refusals: dict[PeerKey, str] = {}
        self._seconds: dict[int, float] = {}
        self._asked: deque[bytes] = deque(maxlen=EARLIER_ROUNDS_MAX)
        self._backing: Backing | None = None
        self._asked_at = 0.0

    async def ask(
        self, question: SignedQuestion, *, deadline_s: float, backing: Backing | None = None
    ) -> Answered | Unanswered:
        """Ask, and wait for a receipt that verifies.

        Args:
            question: Signed by the asker.
            deadline_s: Seconds after which the answer no longer matters.
            backing: What the question's header names; None where that is the network id.

        Returns:
            The verified receipt, or why there is none.
        """
        self._asked_at = trio.current_time()
        self._transfers.clear()
        self._refusals.clear()
        self._seconds.clear()
        round_id = compute_round_id(question.payload)
        self._asked.append(round_id)
        self._backing = backing
        if backing is not None:
            self._asked.append(backing.standing.standing.round)
        data = encode(make_ask(question, None if backing is None else backing.standing.data))
        for key in self._mesh.linked():
            self._mesh.send(key, data)
        with trio.move_on_after(deadline_s):
            while True:
                for event in await self._mesh.inbox.receive_batch():
                    answered = self._on_event(event, data, round_id)
                    if answered is not None:
                        return answered
                if len(self._refusals) > compute_tolerated(len(self._network.keys)):
                    reasons = "; ".join(sorted(set(self._refusals.values())))
                    return self._give_up(f"the members refuse the question: {reasons}")
        linked, members = len(self._mesh.linked()), len(self._network.keys)
        return self._give_up(
            f"no certified result within {deadline_s:g} s; {linked} of {members} peers are connected"
        )

    def _on_event(self, event: MeshEvent, ask: bytes, round_id: RoundId) -> Answered | None:
        match event:
            case LinkUp(key):
                # A member that was away gets the question too; asking twice is harmless.
                self._mesh.send(key, ask)
                self._on_progress(Progress(ProgressKind.LINKED, key))
            case LinkDown(key, reason):
                self._transfers.pop(key, None)
                self._on_progress(Progress(ProgressKind.UNLINKED, key, reason=reason))
            case DialFailed():
                pass  # another dial follows by itself
            case Inbound(key, message):
                try:
                    return self._on_message(key, message, round_id)
                except (PeerError, LimitExceeded) as exc:
                    self._mesh.penalise(key, exc.message)
        return None

    def _on_message(self, key: PeerKey, data: bytes, round_id: RoundId) -> Answered | None:
        message = decode_message(data)
        match message:
            case ProgressMessage() if message.round == round_id:
                self._note_progress(key, message)
            case RefusalMessage() if message.round == round_id:
                reason = message.reason[:512].decode("utf-8", "replace")
                self._refusals[key] = reason
                self._on_progress(Progress(ProgressKind.REFUSED, key, reason=reason))
            case RoundClosed() if message.round == round_id:
                if key not in self._transfers:
                    self._transfers[key] = _Transfer(count=0)
                    self._mesh.send(key, encode(ReceiptRequest(round_id, 0)))
            case ReceiptChunk() if message.round == round_id:
                return self._on_chunk(key, message, round_id)
            case ReceiptRequest() if message.round != round_id and message.round in self._asked:
                self._serve(key, message)
            case ProgressMessage() | RefusalMessage() | RoundClosed() | ReceiptChunk():
                # A peer that was slower than the one whose receipt was taken has done nothing wrong.
                if message.round not in self._asked:
                    raise PeerError(f"got {type(message).__name__} of a round that was not asked")
            case _:
                raise PeerError(f"got {type(message).__name__}, expected word of the round asked")
        return None

    def _serve(self, key: PeerKey, request: ReceiptRequest) -> None:
        """Give a peer that missed it a piece of the receipt that the question builds on."""
        backing = self._backing
        if backing is not None and backing.standing.standing.round == request.round:
            self._mesh.send(key, make_chunk(key, request.round, request.index, backing.receipt).data)

    def _note_progress(self, key: PeerKey, message: ProgressMessage) -> None:
        if message.phase not in list(Phase):
            raise PeerError(f"progress: got phase {message.phase}, expected 0 to 3")
        phase = Phase(message.phase)
        if phase is Phase.CLOSED:
            self._seconds.setdefault(message.step, trio.current_time() - self._asked_at)
        self._on_progress(
            Progress(ProgressKind.PHASE, key, step=message.step, phase=phase, seats=message.seats)
        )

    def _on_chunk(self, key: PeerKey, message: ReceiptChunk, round_id: RoundId) -> Answered | None:
        transfer = self._transfers.get(key)
        expected = len(transfer.chunks) if transfer is not None else 0
        if transfer is None or message.index != expected or not 1 <= message.count <= CHUNKS_MAX:
            raise PeerError(f"receipt: got chunk {message.index} of {message.count}, expected {expected}")
        transfer.count = transfer.count or message.count
        if message.count != transfer.count:
            raise PeerError("receipt: got another number of chunks than before")
        transfer.chunks[message.index] = message.data
        if len(transfer.chunks) < transfer.count:
            self._mesh.send(key, encode(ReceiptRequest(round_id, len(transfer.chunks))))
            return None
        receipt = b"".join(transfer.chunks[index] for index in range(transfer.count))
        return self._check(key, receipt, round_id)

    def _check(self, key: PeerKey, receipt: bytes, round_id: RoundId) -> Answered | None:
        verdict = verify_receipt(receipt, trusted_network=self._network.genesis_bytes)
        if verdict.round is None or not verdict.is_trusted or verdict.round.facts.round_id != round_id:
            failed = [f"step {c.number}, {c.name}: {c.detail}" for c in verdict.checks if c.detail]
            reason = f"its receipt does not verify ({failed[-1] if failed else 'another round'})"
            self._on_progress(Progress(ProgressKind.LIED, key, reason=reason))
            self._mesh.penalise(key, reason)
            return None
        elapsed = trio.current_time() - self._asked_at
        return Answered(receipt, verdict, tuple(sorted(self._seconds.items())), elapsed)

    def _give_up(self, reason: str) -> Unanswered:
        elapsed = trio.current_time() - self._asked_at
        return Unanswered(reason, self._mesh.linked(), tuple(sorted(set(self._refusals.values()))), elapsed)
