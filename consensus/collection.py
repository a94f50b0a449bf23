"""Phases 1 to 4 of a step: commits, commit lists, reveals, reveal lists.

Source: docs/protocol.md, "Step s", rules 1 to 4.
"""

from consensus.cosigned import Book, check_seat_list, group
from consensus.decision import Opening, check_body, get_previous_digest
from consensus.desk import Desk
from consensus.effects import PhaseReached, Timer, TimerName
from consensus.encoding import encode
from consensus.errors import LimitExceeded, PeerError
from consensus.evidence import Fault, Payload, decode_payload, get_slot
from consensus.hashing import DIGEST_BYTES
from consensus.messages import (
    Commit,
    CommitsMessage,
    CoSigned,
    Entry,
    Kind,
    Reveal,
    RevealMessage,
    SeatList,
    SeatMessage,
    Signed,
    StatementMessage,
    compute_commit,
)
from consensus.phases import TABLE, Phase, Rule

OPENINGS_PER_SEAT_MAX = 2  # a seat has at most one certified commit; one more is room for a liar's


class Collection:
    """One step's collecting, seen from one seat."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.step = len(desk.closed)
        self.prev = get_previous_digest(desk.facts, desk.closed)
        self.phase = Phase.COMMITTING
        self.started_ms = desk.now_ms
        self.revealing_ms = desk.now_ms
        self.commits = Book(Kind.COMMIT)
        self.commit_lists = Book(Kind.COMMIT_LIST)
        self.reveal_lists = Book(Kind.REVEAL_LIST)
        self.openings: dict[tuple[int, bytes], Opening] = {}
        self.changes = 0  # counts whatever voting may depend on: reveal lists, openings, the phase
        self.saved: set[tuple[int, bytes]] = set()
        self._named: dict[tuple[int, bytes], int] = {}
        self._unforwarded: list[Signed] = []
        self._has_seen_reveal = False
        self._is_own_reveal_sent = False
        self._running: set[TimerName] = set()

    # -- what others need to know ------------------------------------------------------------------

    def is_certified(self, seat: int, commit: bytes) -> bool:
        """Say whether q seats name this commit."""
        return self._named.get((seat, commit), 0).bit_count() >= self.desk.facts.committee.q

    def get_list_slot(self, kind: Kind) -> bytes:
        """Return the slot of this step's lists of a kind."""
        return bytes([kind, self.step, 0])

    def get_listed(self, book: Book) -> list[int]:
        """Return the seats whose list of a kind is held."""
        return book.get_seats(self.get_list_slot(book.kind))

    def count_listed(self, book: Book) -> int:
        """Return how many seats' lists of a kind are held."""
        return book.count(self.get_list_slot(book.kind))

    def get_own_messages(self) -> list[SeatMessage]:
        """Return all own messages of the step up to the RevealList, for retransmission."""
        messages: list[SeatMessage] = []
        for kind in (Kind.COMMIT, Kind.COMMIT_LIST, Kind.REVEAL, Kind.REVEAL_LIST):
            signed = self.desk.get_signed(kind, self.step)
            if signed is None:
                continue
            if kind is not Kind.REVEAL:
                messages.append(StatementMessage(self.desk.facts.round_id, signed))
            elif self._is_own_reveal_sent:
                messages.append(self._make_reveal_message(signed, open_reveal(signed)))
        return messages

    # -- inputs ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the step: run the commit deadline, and send again what was sealed before a crash."""
        question = self.desk.facts.question
        deadline = question.ballot_ms if self.desk.closed else question.answer_ms
        self.desk.start_timer(Timer(TimerName.COMMIT_DEADLINE, self.step), deadline)
        self._report(0)
        sealed = self.desk.get_signed(Kind.COMMIT, self.step)
        if sealed is not None:
            self._send_commit(sealed)
            self._admit_own_opening()
        if self.desk.has_signed(Kind.COMMIT_LIST, self.step):
            self._sign_commit_list()
        if self.desk.has_signed(Kind.REVEAL_LIST, self.step):
            self._sign_reveal_list()

    def may_commit(self) -> bool:
        """Say whether a body may still be sealed: own list unsigned, and no reveal of the step seen."""
        return self.phase is Phase.COMMITTING and not self._has_seen_reveal

    def on_body(self, body: bytes) -> None:
        """Seal and send this seat's body, unless it comes too late."""
        if not self.may_commit() or self.desk.has_signed(Kind.COMMIT, self.step):
            return
        facts = self.desk.facts
        salt = self.desk.signer.derive_salt(facts.round_id, self.step)
        commit = compute_commit(
            network=facts.network.network_id,
            round_id=facts.round_id,
            step=self.step,
            author=self.desk.signer.key,
            prev=self.prev,
            salt=salt,
            body=body,
        )
        # The reveal is signed and stored together with the commit, so that a crash in between can
        # neither lose the body nor make the seat open its commit in two ways.
        reveal, _ = self.desk.sign(Kind.REVEAL, Reveal(facts.round_id, self.step, commit, salt, body))
        # After a crash between the two writes the model may say something else; the kept reveal counts.
        signed, _ = self.desk.sign(Kind.COMMIT, Commit(facts.round_id, self.step, open_reveal(reveal).commit))
        self._send_commit(signed)
        self._admit_own_opening()
        self.advance()

    def on_statement(self, signed: Signed, content: Payload) -> None:
        """Take a verified commit or list."""
        rule = TABLE[self.phase, Kind(signed.kind)]
        if rule is Rule.IGNORE:
            return
        book = {
            Kind.COMMIT: self.commits,
            Kind.COMMIT_LIST: self.commit_lists,
            Kind.REVEAL_LIST: self.reveal_lists,
        }[Kind(signed.kind)]
        if book.has(signed.seat, signed.payload):
            return
        if isinstance(content, SeatList) and signed.payload not in book.pages:
            check_seat_list(content, self.desk.facts.committee)
        elif isinstance(content, Commit) and len(content.commit) != DIGEST_BYTES:
            raise PeerError(f"commit: got {len(content.commit)} bytes, expected {DIGEST_BYTES}")
        self._enter(book, signed, content)
        if signed.kind == Kind.COMMIT:
            self._plan_forward(signed)
        self.advance()

    def on_reveal(self, signed: Signed, content: Reveal, lists: tuple[CoSigned, ...]) -> None:
        """Take a verified reveal and the lists that travel with it."""
        facts = self.desk.facts
        fresh = [groups for groups in lists if not self._is_known(groups)]
        for listed, listing in self.desk.open_groups(fresh, Kind.COMMIT_LIST):
            if not isinstance(listing, SeatList) or (listing.round, listing.step) != (
                facts.round_id,
                self.step,
            ):
                raise PeerError("reveal: got commit lists of another step")
            check_seat_list(listing, facts.committee)
            if not self.commit_lists.has(listed.seat, listed.payload):
                self._enter(self.commit_lists, listed, listing)
        self.admit_opening(signed, content)
        # Only a certified reveal proves that q lists are closed; an early one must not silence anybody.
        if self.is_certified(signed.seat, content.commit):
            self._has_seen_reveal = True
        self.advance()

    def on_timer(self, name: TimerName) -> None:
        """A timer of this step fired."""
        match name:
            case TimerName.COMMIT_GRACE | TimerName.COMMIT_DEADLINE:
                self._sign_commit_list()
            case TimerName.FORWARD:
                self._forward()
            case TimerName.REVEAL_GRACE | TimerName.REVEAL_DEADLINE:
                self._sign_reveal_list()
            case _:
                raise AssertionError(f"not a timer of collecting: {name!r}")
        self.advance()

    # -- rules -------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Apply every rule whose condition holds; called after each input, harmless when nothing does."""
        committee = self.desk.facts.committee
        slot = self.get_list_slot(Kind.COMMIT)
        if self.phase is Phase.COMMITTING:
            held = self.commits.count(slot)
            if held == committee.n:
                self._sign_commit_list()
            elif held >= committee.q:
                elapsed = self.desk.now_ms - self.started_ms
                self._run_once(TimerName.COMMIT_GRACE, max(self.desk.timing.grace_ms_min, elapsed))
        listed = self.count_listed(self.commit_lists)
        if self.phase is not Phase.COMMITTING and listed >= committee.q:
            self._send_own_reveal()
            if self.phase is Phase.REVEALING:
                self._watch_reveals()

    def admit_opening(self, signed: Signed, content: Reveal) -> None:
        """Keep a reveal that opens its commit with a well-formed body.

        Raises:
            PeerError: It does not.
        """
        facts = self.desk.facts
        pair = (signed.seat, content.commit)
        if pair in self.openings:
            return
        expected = compute_commit(
            network=facts.network.network_id,
            round_id=facts.round_id,
            step=self.step,
            author=self.desk.get_key(signed.seat),
            prev=self.prev,
            salt=content.salt,
            body=content.body,
        )
        if len(content.salt) != DIGEST_BYTES or expected != content.commit:
            raise PeerError(f"reveal: seat {signed.seat} does not open the commit it names")
        try:
            check_body(facts, self.desk.closed, signed.seat, content.body)
        except LimitExceeded as exc:
            raise PeerError(exc.message) from exc
        known = [opening for opening in self.openings.values() if opening.seat == signed.seat]
        if known:
            self.desk.accuse(Fault.EQUIVOCATION, known[0].signed, signed)
        if len(known) < OPENINGS_PER_SEAT_MAX or self.is_certified(*pair):
            self.changes += 1
            self.openings[pair] = Opening(signed.seat, content.commit, content.salt, content.body, signed)

    def get_unsaved(self, entries: dict[int, bytes]) -> dict[bytes, bytes]:
        """Return as facts the held openings of these entries that are not on disk yet."""
        facts: dict[bytes, bytes] = {}
        for pair in sorted(entries.items()):
            opening = self.openings.get(pair)
            if opening is not None and pair not in self.saved:
                self.saved.add(pair)
                facts[b"opening/%d/%d/" % (self.step, pair[0]) + pair[1]] = encode(opening.signed)
        return facts

    # -- details -----------------------------------------------------------------------------------

    def _enter(self, book: Book, signed: Signed, content: Payload) -> None:
        slot = get_slot(signed.kind, content)
        earlier = book.add(signed, content, slot)
        if earlier is not None:
            self.desk.accuse(Fault.EQUIVOCATION, earlier, signed)
        if signed.kind == Kind.REVEAL_LIST:
            self.changes += 1
        if signed.kind == Kind.COMMIT_LIST and book.has(signed.seat, signed.payload):
            assert isinstance(content, SeatList), "commit lists are seat lists"
            for entry in content.entries:
                pair = (entry.seat, entry.commit)
                self._named[pair] = self._named.get(pair, 0) | 1 << signed.seat

    def _is_known(self, groups: CoSigned) -> bool:
        page = self.commit_lists.pages.get(groups.payload)
        return page is not None and all(
            page.signatures.get(entry.seat) == entry.signature for entry in groups.signatures
        )

    def _send_commit(self, signed: Signed) -> None:
        self._enter(self.commits, signed, decode_payload(signed.kind, signed.payload))
        self.desk.broadcast(StatementMessage(self.desk.facts.round_id, signed))

    def _admit_own_opening(self) -> None:
        signed = self.desk.get_signed(Kind.REVEAL, self.step)
        assert signed is not None, "the reveal is signed before the commit"
        self.admit_opening(signed, open_reveal(signed))

    def _plan_forward(self, signed: Signed) -> None:
        # Links are direct, so in a quiet network everybody has the commit already; waiting a moment
        # spares n^3 messages, and the grace wait is several times longer.
        # Only a seat's first commit is passed on: more of them would make the forwarder look bad.
        first = self.commits.get_first(signed.seat, self.get_list_slot(Kind.COMMIT))
        if signed.seat != self.desk.seat and first is not None and first.payload == signed.payload:
            self._unforwarded.append(signed)
            self._run_once(TimerName.FORWARD, self.desk.timing.forward_ms)

    def _forward(self) -> None:
        self._running.discard(TimerName.FORWARD)
        if self.phase is Phase.COMMITTING:
            self.desk.broadcast(CommitsMessage(self.desk.facts.round_id, tuple(self._unforwarded)))
        self._unforwarded.clear()

    def _sign_commit_list(self) -> None:
        if self.phase is not Phase.COMMITTING:
            return
        entries = []
        slot = self.get_list_slot(Kind.COMMIT)
        for seat in self.commits.get_seats(slot):
            page = self.commits.get_first(seat, slot)
            assert page is not None
            assert isinstance(page.content, Commit), "the book of commits holds commits"
            entries.append(Entry(seat, page.content.commit))
        payload = SeatList(self.desk.facts.round_id, self.step, tuple(entries))
        signed, _ = self.desk.sign(Kind.COMMIT_LIST, payload)
        self.phase = Phase.REVEALING
        self._enter(self.commit_lists, signed, decode_payload(signed.kind, signed.payload))
        self.desk.broadcast(StatementMessage(self.desk.facts.round_id, signed))
        self._report(len(entries))

    def _send_own_reveal(self) -> None:
        signed = self.desk.get_signed(Kind.REVEAL, self.step)
        if signed is None or self._is_own_reveal_sent:
            return
        content = open_reveal(signed)
        if self.is_certified(self.desk.seat, content.commit):
            self._is_own_reveal_sent = True
            self.desk.broadcast(self._make_reveal_message(signed, content))

    def _make_reveal_message(self, signed: Signed, content: Reveal) -> RevealMessage:
        entry = Entry(self.desk.seat, content.commit)
        naming: dict[int, bytes] = {}
        for page in self.commit_lists.pages.values():
            if isinstance(page.content, SeatList) and entry in page.content.entries:
                naming |= dict.fromkeys(page.signatures, page.payload)
        chosen = {seat: naming[seat] for seat in sorted(naming)[: self.desk.facts.committee.q]}
        return RevealMessage(self.desk.facts.round_id, signed, group(self.commit_lists, chosen))

    def _watch_reveals(self) -> None:
        committee = self.desk.facts.committee
        if self._run_once(TimerName.REVEAL_DEADLINE, self.desk.facts.question.reveal_ms):
            self.revealing_ms = self.desk.now_ms
        held = len(self._get_certified_openings())
        if held == committee.n:
            self._sign_reveal_list()
        elif held >= committee.q:
            elapsed = self.desk.now_ms - self.revealing_ms
            self._run_once(TimerName.REVEAL_GRACE, max(self.desk.timing.grace_ms_min, elapsed))

    def _get_certified_openings(self) -> dict[int, bytes]:
        return {seat: commit for seat, commit in sorted(self.openings) if self.is_certified(seat, commit)}

    def _sign_reveal_list(self) -> None:
        if self.phase is not Phase.REVEALING:
            return
        openings = self._get_certified_openings()
        entries = tuple(Entry(seat, commit) for seat, commit in openings.items())
        payload = SeatList(self.desk.facts.round_id, self.step, entries)
        signed, _ = self.desk.sign(Kind.REVEAL_LIST, payload, facts=self.get_unsaved(openings))
        self.phase = Phase.VOTING
        self.changes += 1
        self._enter(self.reveal_lists, signed, decode_payload(signed.kind, signed.payload))
        self.desk.broadcast(StatementMessage(self.desk.facts.round_id, signed))
        self._report(len(entries))

    def _run_once(self, name: TimerName, delay_ms: int) -> bool:
        if name in self._running:
            return False
        self._running.add(name)
        self.desk.start_timer(Timer(name, self.step), delay_ms)
        return True

    def _report(self, seats: int) -> None:
        self.desk.effects.append(PhaseReached(self.step, self.phase, seats))


def open_reveal(signed: Signed) -> Reveal:
    """Decode a reveal of one's own making, or one that was admitted before."""
    content = decode_payload(signed.kind, signed.payload)
    assert isinstance(content, Reveal), "the reveal slot holds a reveal"
    return content
