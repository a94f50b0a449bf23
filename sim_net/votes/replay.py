"""A schedule of the model, played on the code that seats run."""

from dataclasses import dataclass
from itertools import combinations

from consensus.effects import TimerName
from consensus.errors import PeerError, VerificationError
from consensus.evidence import Evidence, Fault, verify_evidence
from consensus.messages import NIL, NO_PROOF, Kind, Precommit, ProposalMessage, Signed, StatementMessage
from sim_net.votes.rules import QUORUM, SEATS, Offer
from sim_net.votes.schedule import Act, Move, Role, Schedule
from sim_net.votes.stage import Stage


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a schedule.

    Attributes:
        refused: The first move that a seat did not make; None where all were made.
        receipts: Of the honest seats that were brought a certificate, one for each certified value.
        guilty: By place: two statements of a seat that prove a fault.
    """

    refused: Move | None
    receipts: tuple[bytes, ...]
    guilty: dict[int, Evidence]


def replay_schedule(schedule: Schedule) -> Replay:
    """Play a schedule up to its end or to the first move that a seat does not make."""
    return Director(schedule).play()


class Director:
    """Brings each seat what it needs to make its next move, and sees whether it makes it."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.cast = schedule.cast
        self._honest = self.cast.get_places(Role.HONEST)
        self._free = self.cast.get_places(Role.FREE)
        fresh = {
            move.place: move.offer.value
            for move in schedule.moves
            if move.act is Act.PROPOSE and move.offer is not None and move.offer.pol_view == NO_PROOF
        }
        self.stage = Stage(fresh)

    def play(self) -> Replay:
        """Play all of it, certificates included."""
        refused = self.play_moves()
        receipts = () if refused is not None else self._certify()
        guilty = {place: found for place in range(SEATS) if (found := self._find_evidence(place)) is not None}
        return Replay(refused, receipts, guilty)

    def play_moves(self) -> Move | None:
        """Play the moves; return the first that a seat does not make."""
        for index, move in enumerate(self.schedule.moves):
            if not self.make(move, self.schedule.moves[index + 1 :]):
                return move
        return None

    # -- moves -------------------------------------------------------------------------------------

    def offer(self, place: int, view: int, offer: Offer) -> Offer | str | None:
        """Bring a seat to a view, make it a proposal, and return how it votes.

        Raises:
            PeerError: It does not read the proposal.
        """
        self._approach(Move(place, view, Act.PREVOTE, offer), ())
        self.stage.deliver(place, self.get_proposal(view, offer))
        return self.stage.get_vote(place, Kind.PREVOTE, view)

    def make(self, move: Move, later: tuple[Move, ...] = ()) -> bool:
        """Have a seat make a move, and say whether it does; `later` are the moves after it."""
        if move.place not in self._honest:
            self._sign(move)
            return True
        try:
            self._approach(move, later)
            return self._act(move)
        except PeerError:
            return False

    def _sign(self, move: Move) -> None:
        """Let a bad seat that minds its words say this."""
        assert move.offer is not None, "bad seats say something or nothing"
        if move.act is Act.PREVOTE:
            self.stage.sign(move.place, self.stage.make_prevote(move.view, move.offer))
        elif move.act is Act.PRECOMMIT:
            self.stage.sign(move.place, self.stage.make_precommit(move.view, move.offer.value))
        else:
            self.get_proposal(move.view, move.offer)

    def _approach(self, move: Move, later: tuple[Move, ...]) -> None:
        """Bring a seat to the view of its move; a restart is the only way back."""
        stage, place, view = self.stage, move.place, move.view
        kind = Kind.PRECOMMIT if move.act is Act.PRECOMMIT else Kind.PREVOTE
        said = stage.get_vote(place, kind, view)
        is_taken = move.act is not Act.PROPOSE and said is not None and not is_same(said, move)
        held = stage.players[place].round.agreement.proposals.get(view)
        is_other = move.act is Act.PRECOMMIT and held is not None and not self._is_for(held, move)
        # What it was shown, a seat would propose again; after a restart it holds its lock's proof only.
        is_turn = self.cast.get_proposer(view) == place and 0 < stage.get_view(place) < view
        if is_taken or is_other or is_turn or stage.get_view(place) > view:
            stage.restart(place)
        comes_back = any(after.place == place and after.view < view for after in later)
        while stage.get_view(place) < view:
            at = stage.get_view(place)
            if comes_back:
                self._call_up(place, view)
            if stage.get_view(place) == at:
                stage.fire(place, TimerName.VIEW, at)
            if stage.get_view(place) == at:
                return

    def _call_up(self, place: int, view: int) -> None:
        """Show a seat that f + 1 others are in a view, so that it follows without a word."""
        votes = self.stage.votes.get((Kind.PREVOTE, view), [])
        others = [signed for signed in votes if signed.seat != self.stage.seats[place]]
        payload = Precommit(self.stage.facts.round_id, 0, view, NIL)
        others += [self.stage.sign(bad, payload) for bad in self._free]
        for signed in others:
            self._tell(place, signed)

    def _act(self, move: Move) -> bool:
        stage, place, view = self.stage, move.place, move.view
        match move.act:
            case Act.PROPOSE:
                assert move.offer is not None, "a proposal is of something"
                if move.offer.pol_view == NO_PROOF:
                    stage.fire(place, TimerName.PROPOSER_WAIT, view)
                else:
                    self._show_quorum(place, move.offer.pol_view, move.offer.value)
                return (view, move.offer) in stage.proposals
            case Act.PREVOTE if move.offer is None:
                stage.fire(place, TimerName.PREVOTE, view)
                return stage.get_vote(place, Kind.PREVOTE, view) == "nil"
            case Act.PREVOTE:
                assert move.offer is not None, "nil is handled above"
                if stage.get_vote(place, Kind.PREVOTE, view) is None:
                    stage.deliver(place, self.get_proposal(view, move.offer))
                return stage.get_vote(place, Kind.PREVOTE, view) == move.offer
            case Act.PRECOMMIT:
                assert move.offer is not None, "nil precommits come by themselves"
                self._show_quorum(place, view, move.offer.value)
                said = stage.get_vote(place, Kind.PRECOMMIT, view)
                return said is not None and is_same(said, move)

    def _show_quorum(self, place: int, view: int, value: int) -> None:
        """Deliver a proposal of a view and q prevotes for its value."""
        votes = self._gather(Kind.PREVOTE, view, value)
        made = [offer for at, offer in self.stage.proposals if (at, offer.value) == (view, value)]
        voted = sorted(read for signed in votes if isinstance(read := self.stage.read(signed), Offer))
        for offer in [*made, *voted][:1]:
            self.stage.deliver(place, self.get_proposal(view, offer))
        for signed in votes:
            self._tell(place, signed)

    def _tell(self, place: int, signed: Signed) -> None:
        # Its own votes too: a seat that has forgotten them may be told.
        self.stage.deliver(place, StatementMessage(self.stage.facts.round_id, signed))

    # -- what is at hand ---------------------------------------------------------------------------

    def get_proposal(self, view: int, offer: Offer) -> ProposalMessage:
        """Return a proposal made before, or make it with whatever proof there is."""
        known = self.stage.proposals.get((view, offer))
        if known is not None:
            return known
        votes = [] if offer.pol_view == NO_PROOF else self._gather(Kind.PREVOTE, offer.pol_view, offer.value)
        proof = self.stage.make_group(votes) if len(votes) == QUORUM else ()
        proposer = self._free[0] if self.cast.is_hostile else view % SEATS
        made = self.stage.make_proposal(proposer, view, offer, proof)
        self.stage.proposals[view, offer] = made
        return made

    def _gather(self, kind: Kind, view: int, value: int) -> list[Signed]:
        """Return q votes for a value, equal ones if there are, filled up by the free seats."""
        said: dict[Offer, dict[int, Signed]] = {}
        bad = [self.stage.seats[place] for place in self._free]
        for signed in self.stage.votes.get((kind, view), []):
            read = self.stage.read(signed)
            if isinstance(read, Offer) and read.value == value and signed.seat not in bad:
                said.setdefault(read, {})[signed.seat] = signed
        if not said:
            return []
        for offer in sorted(said):
            if len(said[offer]) + len(bad) >= QUORUM:
                return self._fill(kind, view, offer, said[offer])
        mixed = {seat: signed for votes in said.values() for seat, signed in votes.items()}
        return self._fill(kind, view, sorted(said)[0], mixed)

    def _fill(self, kind: Kind, view: int, offer: Offer, votes: dict[int, Signed]) -> list[Signed]:
        chosen = list(votes.values())[:QUORUM]
        for place in self._free[: QUORUM - len(chosen)]:
            if kind is Kind.PREVOTE:
                chosen.append(self.stage.sign(place, self.stage.make_prevote(view, offer)))
            else:
                chosen.append(self.stage.sign(place, self.stage.make_precommit(view, offer.value)))
        return chosen

    def _is_for(self, message: ProposalMessage, move: Move) -> bool:
        digest, value_bytes = self.stage.values[move.offer.value] if move.offer else (b"", b"")
        return message.value == value_bytes and digest != b""

    # -- what it comes to --------------------------------------------------------------------------

    def _certify(self) -> tuple[bytes, ...]:
        """Bring a certificate of each certified value to an honest seat of its own."""
        receipts = []
        done: set[int] = set()
        for view, value in self.schedule.get_certified():
            votes = self._gather(Kind.PRECOMMIT, view, value)
            if value in done or len(votes) < QUORUM:
                continue
            place = self._honest[len(done)]
            done.add(value)
            self.stage.deliver(place, self.stage.make_certificate(value, votes))
            receipt = self.stage.players[place].receipt
            if receipt is not None:
                receipts.append(receipt)
        return tuple(receipts)

    def _find_evidence(self, place: int) -> Evidence | None:
        seat = self.stage.seats[place]
        signed = [vote for votes in self.stage.votes.values() for vote in votes if vote.seat == seat]
        for first, second in combinations(signed, 2):
            for fault in Fault:
                for pair in ((first, second), (second, first)):
                    evidence = Evidence(int(fault), *pair)
                    if self._is_proof(evidence):
                        return evidence
        return None

    def _is_proof(self, evidence: Evidence) -> bool:
        facts = self.stage.facts
        try:
            verify_evidence(
                evidence,
                round_id=facts.round_id,
                committee=facts.committee,
                network_id=facts.network.network_id,
                verifier=self.stage.verifier,
            )
        except VerificationError:
            return False
        return True


def is_same(said: Offer | str, move: Move) -> bool:
    """Say whether a vote says what a move says; precommits name no pol_view."""
    if move.offer is None:
        return said == "nil"
    if move.act is Act.PRECOMMIT:
        return isinstance(said, Offer) and said.value == move.offer.value
    return said == move.offer
