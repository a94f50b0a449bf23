"""An asker: sends questions to a network's members, follows their rounds, fetches and checks the receipts.

Nothing a peer says is believed: progress is shown as it comes, and a receipt counts only when it verifies
against the network that was asked, for the very question that was asked.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import trio

from consensus.committee import Committee, draw_committee
from consensus.encoding import decode, encode
from consensus.errors import LimitExceeded, PeerError
from consensus.genesis import Network
from consensus.identity import PeerKey
from consensus.messages import (
    BUSY_PREFIX,
    CancelMessage,
    Message,
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
from consensus.question import QUESTION_BYTES_MAX, Question, RoundId, compute_round_id
from consensus.verify import Verdict, verify_receipt
from swarm.core.history import CHUNKS_MAX
from swarm.core.receipts import make_chunk
from swarm.edge.link import DialFailed, Inbound, LinkDown, LinkUp, MeshEvent
from swarm.edge.mesh import Mesh
from swarm.edge.past import Backing

AGAIN_S = 0.5  # before a busy seat is asked again; it keeps an asker's place in its line for longer
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
    """Something the asker saw; `step`, `phase` and `seats` only for PHASE.

    `round_id` is empty where it is about a link.
    """

    kind: ProgressKind
    peer: PeerKey
    round_id: bytes = b""
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


@dataclass(slots=True)
class _Asking:
    """One question under way."""

    round_id: RoundId
    ask: bytes
    backing: Backing | None
    asked_at: float
    committee: Committee  # nobody else's refusal counts
    waiting: int = 0  # who asks the same question twice waits for the same round
    transfers: dict[PeerKey, _Transfer] = field(default_factory=dict)
    refusals: dict[PeerKey, str] = field(default_factory=dict)
    busy: dict[PeerKey, str] = field(default_factory=dict)  # seats that had no place, and what they said
    again: dict[PeerKey, None] = field(default_factory=dict)  # of those, seats to be asked again
    again_at: float = math.inf
    seconds: dict[int, float] = field(default_factory=dict)
    end: Answered | Unanswered | None = None


class AskerClient:
    """Asks over a client mesh, which the caller runs and cancels; several questions may be under way.

    Args:
        network: The network asked; its genesis is what receipts are checked against.
        mesh: Links to members, opened with the asker's key.
        on_progress: Called for whatever is seen.
    """

    def __init__(self, *, network: Network, mesh: Mesh, on_progress: Callable[[Progress], None]) -> None:
        self._network = network
        self._mesh = mesh
        self._on_progress = on_progress
        self._askings: dict[bytes, _Asking] = {}
        self._asked: deque[bytes] = deque(maxlen=EARLIER_ROUNDS_MAX)
        self._bases: deque[bytes] = deque(maxlen=EARLIER_ROUNDS_MAX)  # which these were asked to build on
        self._is_reading = False
        self._others = trio.lowlevel.ParkingLot()

    @property
    def linked(self) -> int:
        """How many members can be spoken to, directly or through others."""
        return len(self._mesh.linked())

    async def ask(
        self, question: SignedQuestion, *, deadline_s: float, backing: Backing | None = None
    ) -> Answered | Unanswered:
        """Ask, and wait for a receipt that verifies.

        Who is cancelled while waiting takes the question back: no peer goes on with it. A deadline does not;
        the round may still end, and `cancel` says that nobody waits for it.

        Args:
            question: Signed by the asker.
            deadline_s: Seconds after which the answer no longer matters.
            backing: What the question's header names; None where that is the network id.

        Returns:
            The verified receipt, or why there is none.
        """
        asking = self._open_asking(question, backing)
        asking.waiting += 1
        try:
            with trio.move_on_after(deadline_s):
                while asking.end is None:
                    with trio.move_on_at(asking.again_at):
                        await self._take_events()
                    self._ask_again(asking)
        except trio.Cancelled:
            if asking.waiting == 1:
                self.cancel(asking.round_id)
            raise
        finally:
            asking.waiting -= 1
            if not asking.waiting:
                self._askings.pop(asking.round_id, None)
        if asking.end is None:
            linked, members = len(self._mesh.linked()), len(self._network.keys)
            said = f"no certified result within {deadline_s:g} s; {linked} of {members} peers are connected"
            busy = f", {len(asking.busy)} were busy: {'; '.join(sorted(set(asking.busy.values())))}"
            return self._give_up(asking, said + (busy if asking.busy else ""))
        return asking.end

    async def watch(self) -> None:
        """Take what the links bring also while nobody asks, until cancelled.

        Who asks now and then over links that come and go needs this: a mesh whose events nobody takes lets no
        further link come up.
        """
        while True:
            await self._take_events()

    def is_waited_for(self, round_id: RoundId) -> bool:
        """Say whether anybody here waits for a round."""
        return round_id in self._askings

    def cancel(self, round_id: RoundId) -> None:
        """Tell every peer that nobody waits for a round any more."""
        for key in self._mesh.linked():
            self._mesh.send(key, encode(CancelMessage(round_id)))

    def _open_asking(self, question: SignedQuestion, backing: Backing | None) -> _Asking:
        round_id = compute_round_id(question.payload)
        known = self._askings.get(round_id)
        if known is not None:
            return known
        opened = decode(Question, question.payload, bytes_max=QUESTION_BYTES_MAX)
        committee = draw_committee(self._network, opened)
        ask = encode(make_ask(question, None if backing is None else backing.standing.data))
        asking = self._askings[round_id] = _Asking(round_id, ask, backing, trio.current_time(), committee)
        self._asked.append(round_id)
        if backing is not None:
            self._bases.append(backing.standing.standing.round)
        for key in self._mesh.linked():
            self._tell(key, asking)
        return asking

    def _tell(self, key: PeerKey, asking: _Asking) -> None:
        """Put the question to a member, if it has a seat: the others have nothing to do with it."""
        if asking.committee.get_seat(key) is not None:
            self._mesh.send(key, asking.ask)

    def _ask_again(self, asking: _Asking) -> None:
        """Ask the seats again that had no place, once it is time; they know how long who waits."""
        if trio.current_time() < asking.again_at:
            return
        for key in asking.again:
            self._tell(key, asking)
        asking.again.clear()
        asking.again_at = math.inf

    async def _take_events(self) -> None:
        """Take what the links bring, for all who wait: one of them reads, the others sleep until it has."""
        if self._is_reading:
            await self._others.park()
            return
        self._is_reading = True
        try:
            for event in await self._mesh.inbox.receive_batch():
                self._on_event(event)
        finally:
            self._is_reading = False
            self._others.unpark_all()  # who has no end yet reads on

    def _on_event(self, event: MeshEvent) -> None:
        match event:
            case LinkUp(key):
                # A member that was away gets the questions too; asking twice is harmless.
                for asking in self._askings.values():
                    self._tell(key, asking)
                self._on_progress(Progress(ProgressKind.LINKED, key))
            case LinkDown(key, reason):
                for asking in self._askings.values():
                    asking.transfers.pop(key, None)
                self._on_progress(Progress(ProgressKind.UNLINKED, key, reason=reason))
            case DialFailed():
                pass  # another dial follows by itself
            case Inbound(key, message):
                try:
                    self._on_message(key, decode_message(message))
                except (PeerError, LimitExceeded) as exc:
                    self._mesh.penalise(key, exc.message)

    def _on_message(self, key: PeerKey, message: Message) -> None:
        match message:
            case ReceiptRequest():
                self._serve(key, message)
            case ProgressMessage() | RefusalMessage() | RoundClosed() | ReceiptChunk():
                asking = self._askings.get(message.round)
                if asking is not None and asking.end is None:
                    self._on_word(key, message, asking)
                elif not self._has_named(message.round):
                    # A peer that was slower than the one whose receipt was taken has done nothing wrong.
                    raise PeerError(f"got {type(message).__name__} of a round that was not asked")
            case _:
                raise PeerError(f"got {type(message).__name__}, expected word of a round asked")

    def _on_word(
        self,
        key: PeerKey,
        message: ProgressMessage | RefusalMessage | RoundClosed | ReceiptChunk,
        asking: _Asking,
    ) -> None:
        match message:
            case ProgressMessage():
                self._note_progress(key, message, asking)
            case RefusalMessage():
                self._note_refusal(key, message, asking)
            case RoundClosed():
                if key not in asking.transfers:
                    asking.transfers[key] = _Transfer(count=0)
                    self._mesh.send(key, encode(ReceiptRequest(asking.round_id, 0)))
            case ReceiptChunk():
                self._on_chunk(key, message, asking)

    def _has_named(self, round_id: bytes) -> bool:
        """Say whether a round was asked lately, or a question of late builds on it."""
        return round_id in self._asked or round_id in self._bases

    def _serve(self, key: PeerKey, request: ReceiptRequest) -> None:
        """Give a peer that missed it a piece of the receipt that a question builds on."""
        if not self._has_named(request.round) or request.round in self._askings:
            raise PeerError("got a ReceiptRequest, expected word of a round asked")
        for asking in self._askings.values():
            backing = asking.backing
            if backing is not None and backing.standing.standing.round == request.round:
                self._mesh.send(key, make_chunk(key, request.round, request.index, backing.receipt).data)
                return

    def _note_refusal(self, key: PeerKey, message: RefusalMessage, asking: _Asking) -> None:
        reason = message.reason[:512].decode("utf-8", "replace")
        is_seat = asking.committee.get_seat(key) is not None
        if is_seat and reason.startswith(BUSY_PREFIX):
            is_news = key not in asking.busy
            asking.busy[key] = reason.removeprefix(BUSY_PREFIX)
            asking.again[key] = None
            asking.again_at = min(asking.again_at, trio.current_time() + AGAIN_S)
            if not is_news:
                return
        elif is_seat:
            asking.refusals[key] = reason
        self._on_progress(Progress(ProgressKind.REFUSED, key, round_id=asking.round_id, reason=reason))
        if len(asking.refusals) > asking.committee.f:
            reasons = "; ".join(sorted(set(asking.refusals.values())))
            asking.end = self._give_up(asking, f"the members refuse the question: {reasons}")

    def _note_progress(self, key: PeerKey, message: ProgressMessage, asking: _Asking) -> None:
        if message.phase not in list(Phase):
            raise PeerError(f"progress: got phase {message.phase}, expected 0 to 3")
        phase = Phase(message.phase)
        asking.busy.pop(key, None)  # it has a place by now
        if phase is Phase.CLOSED:
            asking.seconds.setdefault(message.step, trio.current_time() - asking.asked_at)
        self._on_progress(
            Progress(
                ProgressKind.PHASE,
                key,
                round_id=asking.round_id,
                step=message.step,
                phase=phase,
                seats=message.seats,
            )
        )

    def _on_chunk(self, key: PeerKey, message: ReceiptChunk, asking: _Asking) -> None:
        transfer = asking.transfers.get(key)
        expected = len(transfer.chunks) if transfer is not None else 0
        if transfer is None or message.index != expected or not 1 <= message.count <= CHUNKS_MAX:
            raise PeerError(f"receipt: got chunk {message.index} of {message.count}, expected {expected}")
        transfer.count = transfer.count or message.count
        if message.count != transfer.count:
            raise PeerError("receipt: got another number of chunks than before")
        transfer.chunks[message.index] = message.data
        if len(transfer.chunks) < transfer.count:
            self._mesh.send(key, encode(ReceiptRequest(asking.round_id, len(transfer.chunks))))
            return
        receipt = b"".join(transfer.chunks[index] for index in range(transfer.count))
        self._check(key, receipt, asking)

    def _check(self, key: PeerKey, receipt: bytes, asking: _Asking) -> None:
        verdict = verify_receipt(receipt, trusted_network=self._network.genesis_bytes)
        if verdict.round is None or not verdict.is_trusted or verdict.round.facts.round_id != asking.round_id:
            failed = [f"step {c.number}, {c.name}: {c.detail}" for c in verdict.checks if c.detail]
            reason = f"its receipt does not verify ({failed[-1] if failed else 'another round'})"
            self._on_progress(Progress(ProgressKind.LIED, key, round_id=asking.round_id, reason=reason))
            self._mesh.penalise(key, reason)
            return
        elapsed = trio.current_time() - asking.asked_at
        asking.end = Answered(receipt, verdict, tuple(sorted(asking.seconds.items())), elapsed)

    def _give_up(self, asking: _Asking, reason: str) -> Unanswered:
        elapsed = trio.current_time() - asking.asked_at
        return Unanswered(reason, self._mesh.linked(), tuple(sorted(set(asking.refusals.values()))), elapsed)
