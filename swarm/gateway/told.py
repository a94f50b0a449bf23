"""What members of a network tell their asker, written down as an event log: their own logs are elsewhere.

How far a member is, is its own word, as its own log would hold it; of a committee f + 1 seats tell. Which
others took part, what a step has decided and how a round ended is read from the receipt, which the asker has
verified; what is decided and ended names the asker's key.
"""

from dataclasses import dataclass, field

from consensus.committee import Committee, draw_committee
from consensus.decision import Status
from consensus.encoding import decode
from consensus.evidence import decode_payload
from consensus.genesis import Network
from consensus.identity import PeerKey
from consensus.messages import Kind, Precommit
from consensus.question import QUESTION_BYTES_MAX, Question
from consensus.receipt import open_receipt
from consensus.verify import VerifiedRound
from swarm.edge.client import Answered, Progress, ProgressKind
from swarm.edge.event_log import EventLog
from swarm.edge.wishes import Prepared


@dataclass(slots=True)
class _Told:
    """A round under way. `reached` is how far each seat says it is: step, phase, seats heard of."""

    committee: Committee
    steps_max: int
    reached: dict[PeerKey, tuple[int, int, int]] = field(default_factory=dict)


class ToldLog:
    """Writes down what is told of rounds that were begun here.

    A member's word counts where it has a seat, and as it goes forward: so each has a bounded number of them.

    Args:
        log: Takes the events.
        network: Whose members tell.
        asker: The asker's key.
    """

    def __init__(self, log: EventLog, *, network: Network, asker: PeerKey) -> None:
        self._log = log
        self._network = network
        self._asker = asker
        self._rounds: dict[bytes, _Told] = {}

    def begin(self, prepared: Prepared) -> None:
        """Listen for word of a round; one that is listened for already stays as it is."""
        question = decode(Question, prepared.signed.payload, bytes_max=QUESTION_BYTES_MAX)
        told = _Told(draw_committee(self._network, question), question.steps_max)
        self._rounds.setdefault(prepared.round_id, told)

    def on_progress(self, progress: Progress) -> None:
        """Write down what a link brought."""
        match progress.kind:
            case ProgressKind.PHASE:
                self._note_phase(progress)
            case ProgressKind.LINKED:
                self._log.append("link_opened", peer=progress.peer)
            case ProgressKind.UNLINKED:
                self._log.append("link_closed", peer=progress.peer, fields={"reason": progress.reason})
            case ProgressKind.LIED:
                self._log.append("peer_penalised", peer=progress.peer, fields={"reason": progress.reason})
            case ProgressKind.REFUSED:
                pass  # clients are told; what a member's own log calls it is not known here

    def close(self, answered: Answered) -> None:
        """Write down what a receipt says of its round; once, however many have waited for it."""
        verified = answered.verdict.round
        assert verified is not None, "only verified receipts are answers"
        round_id = verified.facts.round_id
        told = self._rounds.pop(round_id, None)
        if told is None:
            return
        for opening in verified.closed[0].openings:
            if told.committee.keys[opening.seat] not in told.reached:
                self._note_opened(round_id, told.committee, opening.seat)
        for closed, view in zip(verified.closed, _read_views(answered.receipt), strict=True):
            value = closed.outcome.value
            self._log.append(
                "step_decided",
                round_id=round_id,
                peer=self._asker,
                fields={
                    "step": value.step,
                    "status": Status(value.status).name.lower(),
                    "next": value.next,
                    "missing": value.missing,
                    "classes": [",".join(map(str, authors)) for authors in value.classes],
                    "scores": value.scores,
                    "p_best_q16": value.p_best_q16,
                    "flip_estimate": value.flip_estimate,
                    "digest": closed.outcome.digest.hex(),
                    "view": view,
                },
            )
        self._note_closed(verified)

    def halt(self, round_id: bytes, reason: str) -> None:
        """Write down that the asker has left a round without a result; once."""
        if self._rounds.pop(round_id, None) is not None:
            self._log.append("round_halted", round_id=round_id, peer=self._asker, fields={"reason": reason})

    def _note_phase(self, progress: Progress) -> None:
        told, peer = self._rounds.get(progress.round_id), progress.peer
        seat = None if told is None else told.committee.get_seat(peer)
        if told is None or seat is None or not 0 <= progress.step <= told.steps_max:
            return
        committee, seats = told.committee, max(0, min(progress.seats, told.committee.n))
        place = (progress.step, int(progress.phase), seats)
        if peer not in told.reached:  # who says how far it is has taken the question
            self._note_opened(progress.round_id, committee, seat)
        elif place <= told.reached[peer]:
            return
        told.reached[peer] = place
        self._log.append(
            "phase_reached",
            round_id=progress.round_id,
            peer=peer,
            fields={"step": progress.step, "phase": progress.phase.name.lower(), "seats": seats},
        )

    def _note_opened(self, round_id: bytes, committee: Committee, seat: int) -> None:
        self._log.append(
            "round_opened",
            round_id=round_id,
            peer=committee.keys[seat],
            fields={"seat": seat, "seats": committee.n, "quorum": committee.q},
        )

    def _note_closed(self, verified: VerifiedRound) -> None:
        last = verified.closed[-1].outcome
        self._log.append(
            "round_closed",
            round_id=verified.facts.round_id,
            peer=self._asker,
            fields={
                "status": Status(last.value.status).name.lower(),
                "winner": verified.winner,
                "result": last.digest.hex(),
            },
        )


def _read_views(receipt: bytes) -> list[int]:
    """Return the view in which each step of a verified receipt was agreed on."""
    votes = [decode_payload(Kind.PRECOMMIT, step.precommits.payload) for step in open_receipt(receipt).steps]
    return [vote.view for vote in votes if isinstance(vote, Precommit)]
