"""Phases 5 and 6 of a step: proposals and votes, single-shot Tendermint with view changes.

The set that counts is agreed on; everything else in a value follows from it, so a seat validates a
proposal by recomputing it. Source: docs/protocol.md, "Step s", rules 5 and 6; Buchman, Kwon and Milosevic
2018 (arXiv 1807.04938), algorithm 1.
"""

from dataclasses import dataclass

from consensus.collection import Collection
from consensus.committee import compute_proposers
from consensus.cosigned import Book, Page, check_seat_list, compute_revealed, group
from consensus.decision import Opening
from consensus.desk import Desk
from consensus.effects import Timer, TimerName
from consensus.encoding import decode, encode
from consensus.errors import LimitExceeded, PeerError
from consensus.evidence import Fault, decode_payload, get_slot, is_amnesia
from consensus.messages import (
    NIL,
    NO_PROOF,
    VALUE_BYTES_MAX,
    VIEW_MAX,
    BodyRequest,
    Certificate,
    CoSigned,
    Entry,
    Kind,
    Precommit,
    Prevote,
    Proposal,
    ProposalMessage,
    SeatList,
    SeatMessage,
    Signed,
    StatementMessage,
    Value,
    compute_value_digest,
)
from consensus.phases import Phase


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposed value with its lists, and the set those lists give. Not validated by itself."""

    digest: bytes
    value_bytes: bytes
    reveal_lists: tuple[CoSigned, ...]
    revealed: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """What this seat precommitted last: it prevotes nothing else without newer proof."""

    view: int
    candidate: Candidate


class Agreement:
    """One step's voting, seen from one seat."""

    def __init__(self, desk: Desk, collection: Collection) -> None:
        self.desk = desk
        self.collection = collection
        self.step = collection.step
        self.view = 0
        self.lock: Lock | None = None
        self.prevotes = Book(Kind.PREVOTE)
        self.precommits = Book(Kind.PRECOMMIT)
        self.proposals: dict[int, ProposalMessage] = {}
        self.candidates: dict[bytes, Candidate] = {}
        self.certificate: tuple[Certificate, tuple[CoSigned, ...]] | None = None
        self._order = compute_proposers(
            desk.facts.committee, round_id=desk.facts.round_id, step=self.step, prev=collection.prev
        )
        self._views_seen: dict[int, int] = {}
        self._is_view_news = False
        self._valid: dict[bytes, bool] = {}
        self._precommitted: list[bytes] = []
        self._timed_view: int | None = None
        self._may_propose_early = False
        self._is_asking_bodies = False
        self._has_news = True
        self._seen_changes = 0

    # -- inputs ------------------------------------------------------------------------------------

    def on_proposal(self, signed: Signed, content: Proposal, message: ProposalMessage) -> None:
        """Take a verified proposal; the first of a view counts, a second is evidence.

        Raises:
            PeerError: From a seat whose turn it is not, or with lists, value or proof that do not hold.
        """
        self._check_view(content.view)
        if signed.seat != self.get_proposer(content.view):
            raise PeerError(f"proposal: seat {signed.seat} proposes in view {content.view}, not its turn")
        earlier = self.proposals.get(content.view)
        if earlier is not None:
            if earlier.signed.payload != signed.payload:
                self.desk.accuse(Fault.EQUIVOCATION, earlier.signed, signed)
            return
        candidate = self._open_candidate(content.value, message.value, message.reveal_lists)
        self._check_proof(content, message.prevotes)
        self.proposals[content.view] = message
        self.candidates.setdefault(candidate.digest, candidate)
        self._see_view(signed.seat, content.view)
        self._has_news = True

    def on_vote(self, signed: Signed, content: Prevote | Precommit) -> None:
        """Take a verified prevote or precommit of any view.

        Raises:
            PeerError: Its view is out of bounds.
        """
        self._check_view(content.view)
        self._enter_vote(signed, content)
        self._has_news = True

    def on_timer(self, name: TimerName, view: int) -> None:
        """A timer of this step fired."""
        match name:
            case TimerName.PROPOSER_WAIT:
                if view == self.view:
                    self._may_propose_early = True
            case TimerName.PREVOTE:
                if view == self.view and not self.desk.has_signed(Kind.PREVOTE, self.step, view):
                    self._prevote(NIL, NO_PROOF)
            case TimerName.VIEW:
                if view == self.view:
                    self._leave_view()
            case TimerName.BODIES:
                self._is_asking_bodies = False
            case _:
                raise AssertionError(f"not a timer of voting: {name!r}")
        self._has_news = True

    def advance(self) -> None:
        """Apply every rule whose condition holds, until none does; after each input of the step."""
        if not self._has_news and self._seen_changes == self.collection.changes:
            return
        self._has_news, self._seen_changes = False, self.collection.changes
        while self.certificate is None:
            before = (self.view, len(self.desk.effects))
            self._catch_up()
            self._run_view_timers()
            self._propose()
            self._consider_prevote()
            self._consider_precommit()
            self._consider_certificate()
            if before == (self.view, len(self.desk.effects)):
                return

    # -- what others need to know ------------------------------------------------------------------

    def get_proposer(self, view: int) -> int:
        """Return whose turn a view is."""
        return self._order[view % len(self._order)]

    def get_own_messages(self) -> list[SeatMessage]:
        """Return own votes and proposals of the current and the previous view, for retransmission."""
        messages: list[SeatMessage] = []
        for view in (self.view - 1, self.view):
            if view < 0:
                continue
            proposal = self.proposals.get(view)
            if proposal is not None and proposal.signed.seat == self.desk.seat:
                messages.append(proposal)
            for kind in (Kind.PREVOTE, Kind.PRECOMMIT):
                signed = self.desk.get_signed(kind, self.step, view)
                if signed is not None:
                    messages.append(StatementMessage(self.desk.facts.round_id, signed))
        return messages

    def restore(self, view: int, lock: ProposalMessage | None) -> None:
        """Take up view, lock and own votes from before a crash; all of them are this seat's own writes."""
        self.view = view
        if lock is not None:
            content = decode_payload(lock.signed.kind, lock.signed.payload)
            assert isinstance(content, Proposal), "a lock is kept with its proposal"
            candidate = self._open_candidate(content.value, lock.value, lock.reveal_lists)
            self.candidates[candidate.digest] = candidate
            self.lock = Lock(content.view, candidate)
            for signed, vote in self._open_prevotes(lock.prevotes):
                self._enter_vote(signed, vote)
        for signed in list(self.desk.signed.values()):
            content = decode_payload(signed.kind, signed.payload)
            if isinstance(content, Prevote | Precommit) and content.step == self.step:
                self._enter_vote(signed, content)
                if isinstance(content, Precommit) and content.value != NIL:
                    self._precommitted.append(content.value)

    # -- rules -------------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Move to the (f + 1)-th highest of the views seen: an honest seat is there."""
        if not self._is_view_news:
            return
        self._is_view_news = False
        highest = sorted(self._views_seen.values(), reverse=True)
        f = self.desk.facts.committee.f
        if len(highest) > f and highest[f] > self.view:
            self._enter_view(highest[f])

    def _run_view_timers(self) -> None:
        if self._timed_view == self.view:
            return
        listed = self.collection.count_listed(self.collection.reveal_lists)
        ready = self.collection.phase is Phase.VOTING and listed >= self.desk.facts.committee.q
        if self.view == 0 and not ready:
            return
        self._timed_view = self.view
        timing = self.desk.timing
        growth = timing.view_growth_ms * self.view
        self._start(TimerName.PREVOTE, timing.prevote_ms + growth // 2)
        self._start(TimerName.VIEW, timing.view_ms + growth)
        self._start(TimerName.PROPOSER_WAIT, timing.proposer_wait_ms)

    def _propose(self) -> None:
        if self.get_proposer(self.view) != self.desk.seat or self.collection.phase is not Phase.VOTING:
            return
        if self.desk.has_signed(Kind.PROPOSAL, self.step, self.view):
            return
        proven = self._get_highest_proof()
        if proven is not None:
            pol_view, page, candidate = proven
            seats = sorted(page.signatures)[: self.desk.facts.committee.q]
            self._send_proposal(candidate, pol_view, (page.to_cosigned(seats),))
            return
        fresh = self._make_candidate()
        if fresh is not None:
            self._send_proposal(fresh, NO_PROOF, ())

    def _make_candidate(self) -> Candidate | None:
        """Choose the q reveal lists with most entries and decide over the set they give, once it is held."""
        collection, committee = self.collection, self.desk.facts.committee
        slot = collection.get_list_slot(Kind.REVEAL_LIST)
        lists: dict[int, Page] = {}
        for seat in collection.get_listed(collection.reveal_lists):
            page = collection.reveal_lists.get_first(seat, slot)
            assert page is not None, "listed seats have a list"
            lists[seat] = page
        if len(lists) < committee.q or (len(lists) < committee.n and not self._may_propose_early):
            return None
        ranked = sorted(lists, key=lambda seat: (-_count_entries(lists[seat]), seat))
        chosen = {seat: lists[seat].payload for seat in ranked[: committee.q]}
        contents = [lists[seat].content for seat in chosen]
        try:
            revealed = compute_revealed(
                [content for content in contents if isinstance(content, SeatList)], committee
            )
        except PeerError:
            return None  # more than f bad seats; another view's proposer may hold better lists
        openings = self._get_openings(tuple(sorted(revealed.items())))
        if openings is None:
            return None
        outcome = self.desk.engine.compute(self.desk.facts, self.desk.closed, openings)
        return Candidate(
            outcome.digest,
            outcome.value_bytes,
            group(collection.reveal_lists, chosen),
            tuple(sorted(revealed.items())),
        )

    def _send_proposal(self, candidate: Candidate, pol_view: int, proof: tuple[CoSigned, ...]) -> None:
        facts = self.desk.facts
        payload = Proposal(facts.round_id, self.step, self.view, candidate.digest, pol_view)
        signed, is_new = self.desk.sign(Kind.PROPOSAL, payload)
        assert is_new, "the slot was free"
        message = ProposalMessage(
            facts.round_id, signed, candidate.value_bytes, candidate.reveal_lists, proof
        )
        self.proposals[self.view] = message
        self.candidates.setdefault(candidate.digest, candidate)
        self._see_view(self.desk.seat, self.view)
        self.desk.broadcast(message)

    def _consider_prevote(self) -> None:
        message = self.proposals.get(self.view)
        if message is None or self.desk.has_signed(Kind.PREVOTE, self.step, self.view):
            return
        content = decode_payload(message.signed.kind, message.signed.payload)
        assert isinstance(content, Proposal), "proposals are kept under their kind"
        candidate = self.candidates[content.value]
        is_valid = self._validate(candidate)
        if is_valid is None:
            return  # bodies are missing and asked for; the prevote timer bounds the wait
        if is_valid and self._may_vote(content):
            self._prevote(content.value, content.pol_view)
        else:
            self._prevote(NIL, NO_PROOF)

    def _may_vote(self, content: Proposal) -> bool:
        """Say whether the lock permits a prevote for this proposal."""
        if self.lock is None:
            return True
        if content.pol_view >= self.lock.view:
            return True
        others = [value for value in self._precommitted if value != content.value]
        return self.lock.candidate.digest == content.value and not others

    def _consider_precommit(self) -> None:
        if self.desk.has_signed(Kind.PRECOMMIT, self.step, self.view):
            return
        if not self.desk.has_signed(Kind.PREVOTE, self.step, self.view):
            return
        page = self._get_quorum(self.prevotes, self.view)
        if page is None or not isinstance(page.content, Prevote):
            return
        if page.content.value == NIL:
            self._precommit(NIL, None)
            return
        message = self.proposals.get(self.view)
        candidate = self.candidates.get(page.content.value)
        # A seat locks only on a proposal of this view that it holds and has validated.
        if message is None or candidate is None or not self._validate(candidate):
            return
        content = decode_payload(message.signed.kind, message.signed.payload)
        if isinstance(content, Proposal) and content.value == page.content.value:
            seats = sorted(page.signatures)[: self.desk.facts.committee.q]
            proof = (page.to_cosigned(seats),)
            self._precommit(
                page.content.value,
                Lock(self.view, candidate),
                ProposalMessage(message.round, message.signed, message.value, message.reveal_lists, proof),
            )

    def _consider_certificate(self) -> None:
        q = self.desk.facts.committee.q
        for page in self.precommits.pages.values():
            content = page.content
            assert isinstance(content, Precommit), "the book of precommits holds precommits"
            if len(page.signatures) < q:
                continue
            if content.value == NIL:
                # q nil precommits: nothing can be decided in this view any more, so do not wait it out.
                if content.view == self.view:
                    self._leave_view()
                    return
            elif content.value in self.candidates:
                candidate = self.candidates[content.value]
                seats = sorted(page.signatures)[:q]
                certificate = Certificate(candidate.value_bytes, page.to_cosigned(seats))
                self.certificate = (certificate, candidate.reveal_lists)
                return

    # -- signing -----------------------------------------------------------------------------------

    def _prevote(self, value: bytes, pol_view: int) -> None:
        facts = self.desk.facts
        payload = Prevote(facts.round_id, self.step, self.view, value, pol_view)
        signed, _ = self.desk.sign(Kind.PREVOTE, payload)
        self._enter_vote(signed, payload)
        self.desk.broadcast(StatementMessage(facts.round_id, signed))

    def _precommit(self, value: bytes, lock: Lock | None, proof: ProposalMessage | None = None) -> None:
        round_id = self.desk.facts.round_id
        payload = Precommit(round_id, self.step, self.view, value)
        kept: dict[bytes, bytes] = {}
        if lock is not None and proof is not None:
            self.lock = lock
            self._precommitted.append(value)
            kept[b"lock/%d" % self.step] = encode(proof)
            kept |= self.collection.get_unsaved(dict(lock.candidate.revealed))
        signed, _ = self.desk.sign(Kind.PRECOMMIT, payload, facts=kept)
        self._enter_vote(signed, payload)
        self.desk.broadcast(StatementMessage(round_id, signed))

    def _leave_view(self) -> None:
        if not self.desk.has_signed(Kind.PRECOMMIT, self.step, self.view):
            self._precommit(NIL, None)
        self._enter_view(self.view + 1)

    def _enter_view(self, view: int) -> None:
        if view > VIEW_MAX:
            return
        self.view = view
        self._may_propose_early = False
        self.desk.save({b"view/%d" % self.step: b"%d" % view})

    # -- details -----------------------------------------------------------------------------------

    def _start(self, name: TimerName, delay_ms: int) -> None:
        self.desk.start_timer(Timer(name, self.step, self.view), delay_ms)

    def _check_view(self, view: int) -> None:
        if not 0 <= view <= VIEW_MAX:
            raise PeerError(f"vote: got view {view}, expected 0 to {VIEW_MAX}")

    def _see_view(self, seat: int, view: int) -> None:
        if view > self._views_seen.get(seat, -1):
            self._views_seen[seat] = view
            self._is_view_news = True

    def _enter_vote(self, signed: Signed, content: Prevote | Precommit) -> None:
        book = self.prevotes if isinstance(content, Prevote) else self.precommits
        earlier = book.add(signed, content, get_slot(signed.kind, content))
        if earlier is not None:
            self.desk.accuse(Fault.EQUIVOCATION, earlier, signed)
        self._see_view(signed.seat, content.view)
        self._look_for_amnesia(signed, content)

    def _look_for_amnesia(self, signed: Signed, content: Prevote | Precommit) -> None:
        other = self.precommits if isinstance(content, Prevote) else self.prevotes
        for page in other.pages.values():
            signature = page.signatures.get(signed.seat)
            if signature is None:
                continue
            counterpart = Signed(int(other.kind), signed.seat, page.payload, signature)
            if is_amnesia(page.content, content):
                self.desk.accuse(Fault.AMNESIA, counterpart, signed)
            elif is_amnesia(content, page.content):
                self.desk.accuse(Fault.AMNESIA, signed, counterpart)

    def _get_quorum(self, book: Book, view: int) -> Page | None:
        """Return the page of `view` that q seats signed: equal value and, for prevotes, equal pol_view."""
        for page in book.pages.values():
            content = page.content
            if (
                isinstance(content, Prevote | Precommit)
                and content.view == view
                and len(page.signatures) >= self.desk.facts.committee.q
            ):
                return page
        return None

    def _get_highest_proof(self) -> tuple[int, Page, Candidate] | None:
        best: tuple[int, Page, Candidate] | None = None
        for page in self.prevotes.pages.values():
            content = page.content
            assert isinstance(content, Prevote), "the book of prevotes holds prevotes"
            candidate = self.candidates.get(content.value)
            if candidate is None or len(page.signatures) < self.desk.facts.committee.q:
                continue
            if content.view < self.view and (best is None or content.view > best[0]):
                best = (content.view, page, candidate)
        return best

    def _check_proof(self, content: Proposal, prevotes: tuple[CoSigned, ...]) -> None:
        if content.pol_view == NO_PROOF:
            if prevotes:
                raise PeerError("proposal: got prevotes without a view they prove")
            return
        if not 0 <= content.pol_view < content.view:
            raise PeerError(f"proposal: got pol_view {content.pol_view} in view {content.view}")
        votes = self._open_prevotes(prevotes)
        if len(votes) != self.desk.facts.committee.q or len(prevotes) != 1:
            raise PeerError(f"proposal: got {len(votes)} prevotes as proof, expected equal ones of a quorum")
        proven = votes[0][1]
        if proven.view != content.pol_view or proven.value != content.value:
            raise PeerError("proposal: got prevotes for another view or value than the proof names")
        for signed, vote in votes:
            self._enter_vote(signed, vote)

    def _open_prevotes(self, prevotes: tuple[CoSigned, ...]) -> list[tuple[Signed, Prevote]]:
        opened = []
        for signed, vote in self.desk.open_groups(prevotes, Kind.PREVOTE):
            if not isinstance(vote, Prevote) or not self._is_of_step(vote):
                raise PeerError("proposal: got prevotes of another step")
            opened.append((signed, vote))
        return opened

    def _open_candidate(
        self, digest: bytes, value_bytes: bytes, reveal_lists: tuple[CoSigned, ...]
    ) -> Candidate:
        if compute_value_digest(value_bytes) != digest:
            raise PeerError("proposal: got a value that is not the one signed for")
        value = decode(Value, value_bytes, bytes_max=VALUE_BYTES_MAX)
        revealed = self.open_reveal_lists(reveal_lists)
        if value.revealed != tuple(Entry(seat, commit) for seat, commit in revealed):
            raise PeerError("proposal: got a set that does not follow from its reveal lists")
        return Candidate(digest, value_bytes, reveal_lists, revealed)

    def open_reveal_lists(self, reveal_lists: tuple[CoSigned, ...]) -> tuple[tuple[int, bytes], ...]:
        """Verify exactly q reveal lists and return the set they give.

        Raises:
            PeerError: Not q of them, of another step, or badly signed.
        """
        contents: list[SeatList] = []
        for _, content in self.desk.open_groups(reveal_lists, Kind.REVEAL_LIST):
            if not isinstance(content, SeatList) or not self._is_of_step(content):
                raise PeerError("proposal: got reveal lists of another step")
            check_seat_list(content, self.desk.facts.committee)
            contents.append(content)
        if len(contents) != self.desk.facts.committee.q:
            q = self.desk.facts.committee.q
            raise PeerError(f"proposal: got {len(contents)} reveal lists, expected exactly {q}")
        return tuple(sorted(compute_revealed(contents, self.desk.facts.committee).items()))

    def _is_of_step(self, content: SeatList | Prevote) -> bool:
        return (content.round, content.step) == (self.desk.facts.round_id, self.step)

    def _validate(self, candidate: Candidate) -> bool | None:
        """Recompute a candidate; None while bodies of its set are missing."""
        known = self._valid.get(candidate.digest)
        if known is not None:
            return known
        openings = self._get_openings(candidate.revealed)
        if openings is None:
            return None
        try:
            outcome = self.desk.engine.compute(self.desk.facts, self.desk.closed, openings)
        except (PeerError, LimitExceeded):
            self._valid[candidate.digest] = False
            return False
        self._valid[candidate.digest] = outcome.value_bytes == candidate.value_bytes
        return self._valid[candidate.digest]

    def _get_openings(self, revealed: tuple[tuple[int, bytes], ...]) -> dict[int, Opening] | None:
        """Return the openings of a set, or ask for those missing and return None."""
        held = self.collection.openings
        missing = [pair for pair in revealed if pair not in held]
        if not missing:
            return {seat: held[seat, commit] for seat, commit in revealed}
        if not self._is_asking_bodies:
            self._is_asking_bodies = True
            entries = tuple(Entry(seat, commit) for seat, commit in missing)
            self.desk.broadcast(BodyRequest(self.desk.facts.round_id, self.step, entries))
            self._start(TimerName.BODIES, self.desk.timing.bodies_ms)
        return None


def _count_entries(page: Page) -> int:
    return len(page.content.entries) if isinstance(page.content, SeatList) else 0
