"""Looks at what honest nodes do, while they do it: before anybody bends it, and once it is on disk."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from consensus.bodies import BallotBody
from consensus.committee import Committee
from consensus.decision import DecisionEngine, Status
from consensus.encoding import decode, encode
from consensus.errors import LimitExceeded, PeerError, VerificationError
from consensus.evidence import (
    EVIDENCE_BYTES_MAX,
    Evidence,
    Payload,
    decode_payload,
    get_slot,
    verify_evidence,
)
from consensus.history import verify_succession
from consensus.identity import PeerKey, Verifier
from consensus.messages import (
    BODY_BYTES_MAX,
    Commit,
    CommitsMessage,
    Kind,
    Message,
    ProposalMessage,
    RevealMessage,
    SeatList,
    Signed,
    StatementMessage,
    decode_message,
)
from consensus.round import Round
from consensus.verify import VerifiedRound, verify_receipt
from ranking.canonical import OUTCOME_MAX, OUTCOME_MIN
from sim_net.checkers.rules import Violation
from sim_net.world import Observer, World
from swarm.core.actions import Emit, Penalise, Send
from swarm.core.records import Record, Table

SEEN_MAX = 50_000
VIOLATIONS_MAX = 100
SlotKey = tuple[int, bytes, bytes]  # node, round, slot


@lru_cache(maxsize=4_096)
def decode_cached(data: bytes) -> Message:
    """Decode a message once, however many seats it goes to."""
    return decode_message(data)


@dataclass(frozen=True, slots=True)
class Decided:
    """A node's word that a step is certified."""

    node: int
    round_id: bytes
    step: int
    digest: bytes
    view: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Accusation:
    """What an honest node holds against a key: evidence, or a broken rule of the link."""

    node: int
    round_id: bytes | None
    accused: PeerKey
    kind: str
    is_evidence: bool
    at_ms: int


@dataclass(slots=True)
class RoundWatch:
    """What is known of one round."""

    committee: Committee
    asker: bytes
    counter: int
    digests: dict[int, bytes] = field(default_factory=dict)  # by step: the first value certified
    openings: dict[int, dict[int, bytes]] = field(default_factory=dict)  # by step: seat -> commit that counts
    commits: dict[tuple[int, bytes], int] = field(default_factory=dict)  # honest (step, commit) -> seat
    lists: dict[tuple[int, int, Kind], SeatList] = field(default_factory=dict)  # honest (step, seat, kind)
    result: bytes | None = None


class Watch(Observer):
    """Watches a world from its start; `violations` holds what was found so far."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.violations: list[Violation] = []
        self.rounds: dict[bytes, RoundWatch] = {}
        self.said: dict[SlotKey, Signed] = {}
        self.decided: list[Decided] = []
        self.accusations: list[Accusation] = []
        self.receipts: dict[bytes, VerifiedRound] = {}
        self.halted: dict[tuple[int, bytes], int] = {}  # by node and round: when it gave up
        self.healed_ms = 0
        self.verifier = Verifier()
        self.engine = DecisionEngine()
        self._counters: dict[tuple[int, bytes, int], bytes] = {}
        self._seen: dict[tuple[int, bytes], None] = {}
        self._verified: dict[bytes, None] = {}
        world.observers.append(self)

    def require(self, rule: str, round_id: bytes | None, is_kept: bool, message: str) -> None:
        """Note a violation unless the rule is kept."""
        if not is_kept and len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(Violation(rule, round_id, self.world.now_ms, message))

    def is_honest(self, node: int) -> bool:
        """Say whether a node keeps the protocol."""
        return node not in self.world.byzantine

    def is_honest_key(self, key: bytes) -> bool:
        """Say whether a key is held by an honest node, or is the asker's and it is honest."""
        if key == self.world.asker.key:
            return self.world.asker.is_honest
        nodes = self.world.get_nodes(PeerKey(key))
        return bool(nodes) and all(self.is_honest(node) for node in nodes)

    def count_bad(self, committee: Committee) -> int:
        """Return how many seats of a committee are Byzantine."""
        return sum(not self.is_honest_key(key) for key in committee.keys)

    # -- what nodes send ---------------------------------------------------------------------------

    def on_send(self, node: int, send: Send) -> None:
        """Look at a message of an honest node, once however many it goes to."""
        if not self.is_honest(node) or send.to == self.world.asker.key or (node, send.data) in self._seen:
            return
        if len(self._seen) > SEEN_MAX:
            self._seen.clear()
        self._seen[node, send.data] = None
        message = decode_cached(send.data)
        if not isinstance(message, StatementMessage | RevealMessage | ProposalMessage | CommitsMessage):
            return
        seat = self.world.nodes[node].state.seats.get(message.round)
        if seat is None:
            return  # read from its disk for a late seat: nothing new is said
        round_ = seat.round
        self._note_round(node, round_)
        own = [one for one in _get_signed(message) if one.seat == round_.desk.seat]
        for signed in own:
            self._look_at_statement(node, message.round, signed)
            if isinstance(message, RevealMessage):
                self._look_at_reveal(node, round_, message)

    def _note_round(self, node: int, round_: Round) -> RoundWatch:
        facts = round_.desk.facts
        known = self.rounds.get(facts.round_id)
        if known is None:
            question = facts.question
            known = RoundWatch(facts.committee, question.asker, question.counter)
            self.rounds[facts.round_id] = known
        slot = (node, known.asker, known.counter)
        earlier = self._counters.setdefault(slot, facts.round_id)
        is_one = earlier == facts.round_id
        self.require("asker", facts.round_id, is_one, f"node {node}: two rounds under {known.counter}")
        return known

    def _look_at_statement(self, node: int, round_id: bytes, signed: Signed) -> None:
        content = decode_payload(signed.kind, signed.payload)
        slot = get_slot(signed.kind, content)
        row = self.world.nodes[node].disk.rows.get((Table.SIGNED, round_id, slot))
        is_kept = row is not None and row.value == encode(signed)
        where = f"node {node}, slot {slot.hex()}"
        self.require("signatures", round_id, is_kept, f"{where}: sent what is not on its disk")
        earlier = self.said.setdefault((node, round_id, slot), signed)
        is_same = earlier.payload == signed.payload
        self.require("signatures", round_id, is_same, f"{where}: two statements")
        self._note_content(self.rounds[round_id], signed, content)

    def _note_content(self, known: RoundWatch, signed: Signed, content: Payload) -> None:
        if isinstance(content, SeatList):
            known.lists.setdefault((content.step, signed.seat, Kind(signed.kind)), content)
        elif isinstance(content, Commit):
            known.commits.setdefault((content.step, content.commit), signed.seat)

    def _look_at_reveal(self, node: int, round_: Round, message: RevealMessage) -> None:
        content = decode_payload(message.signed.kind, message.signed.payload)
        round_id = message.round
        own_list = (Table.SIGNED, round_id, bytes([Kind.COMMIT_LIST, content.step, 0]))
        is_listed = own_list in self.world.nodes[node].disk.rows
        self.require("order", round_id, is_listed, f"node {node}: revealed before its list was signed")
        if not message.commit_lists:
            return  # served on request
        naming = 0
        for group in message.commit_lists:
            listed = decode_payload(Kind.COMMIT_LIST, group.payload)
            named = [(entry.seat, entry.commit) for entry in getattr(listed, "entries", ())]
            if (round_.desk.seat, getattr(content, "commit", b"")) in named:
                naming += len(group.signatures)
        q = round_.desk.facts.committee.q
        self.require("order", round_id, naming >= q, f"node {node}: revealed under {naming} lists, not {q}")

    # -- what nodes hold ---------------------------------------------------------------------------

    def on_emit(self, node: int, emit: Emit) -> None:
        """Look at a step that an honest node holds certified."""
        if emit.event == "round_halted" and emit.round_id is not None:
            self.halted[node, emit.round_id] = self.world.now_ms
        if emit.event != "step_decided" or emit.round_id is None or not self.is_honest(node):
            return
        round_ = self.world.nodes[node].state.seats[emit.round_id].round
        known = self._note_round(node, round_)
        closed = round_.desk.closed[-1]
        step, digest = closed.outcome.value.step, closed.outcome.digest
        vote = decode_payload(Kind.PRECOMMIT, round_.certificates[-1].certificate.precommits.payload)
        view = getattr(vote, "view", 0)
        self.decided.append(Decided(node, emit.round_id, step, digest, view, self.world.now_ms))
        first = known.digests.setdefault(step, digest)
        where = f"round {emit.round_id.hex()[:8]}, step {step}"
        self.require("agreement", emit.round_id, first == digest, f"{where}: two values are certified")
        openings = {opening.seat: opening.commit for opening in closed.openings}
        known.openings.setdefault(step, openings)
        needed = known.committee.q - self.count_bad(known.committee)
        for seat, commit in openings.items():
            author = known.commits.get((step, commit), seat)
            stolen = f"{where}: seat {seat} counts with the commit of seat {author}"
            self.require("thieves", emit.round_id, author == seat, stolen)
            named = _count_naming(known, step, seat, commit)
            late = f"{where}: seat {seat} counts, listed by {named} honest seats, expected {needed}"
            self.require("late", emit.round_id, named >= needed, late)

    def on_write(self, node: int, records: Sequence[Record]) -> None:
        """Look at receipts and evidence once they are on an honest node's disk."""
        if not self.is_honest(node):
            return
        for record in records:
            if record.table is Table.RECEIPT:
                self._look_at_receipt(node, record)
            elif record.table is Table.FACT and record.key.startswith(b"evidence/"):
                self._look_at_evidence(node, record)

    def _look_at_receipt(self, node: int, record: Record) -> None:
        if record.value in self._verified:
            return
        self._verified[record.value] = None
        verdict = verify_receipt(
            record.value,
            trusted_network=self.world.network.genesis_bytes,
            verifier=self.verifier,
            engine=self.engine,
        )
        verified, round_id = verdict.round, record.round_id
        if not verdict.is_trusted or verified is None or verified.facts.round_id != round_id:
            self.require("receipts", round_id, False, f"node {node}: {verdict.checks}")
            return
        is_first = round_id not in self.receipts
        self.receipts.setdefault(round_id, verified)
        if is_first:
            self._look_at_standing(round_id, verified)
        self._look_at_ballots(round_id, verified)
        self._look_at_honesty(round_id, verified)
        known, digest = self.rounds.get(round_id), verified.closed[-1].outcome.digest
        if known is not None:
            known.result = known.result or digest
            where = f"round {round_id.hex()[:8]}"
            self.require("agreement", round_id, known.result == digest, f"{where}: two results")

    def _look_at_standing(self, round_id: bytes, verified: VerifiedRound) -> None:
        """Look at whether what a round builds on follows from the one before, as that was certified."""
        standing = verified.facts.standing
        if standing is None:
            return
        asked = self.world.asker.asked.get(standing.standing.round)
        base = self.receipts.get(standing.standing.round) or (asked.verified if asked is not None else None)
        self.require(
            "standings", round_id, base is not None, "a standing names a round that nobody certified"
        )
        if base is None:
            return
        try:
            verify_succession(standing, base.facts, base.closed)
        except (PeerError, LimitExceeded) as exc:
            self.require("standings", round_id, False, exc.message)

    def _look_at_ballots(self, round_id: bytes, verified: VerifiedRound) -> None:
        """Look at every vote that counts, without the code that admits it: dealt, and no certainty."""
        for before, closed in pairwise(verified.closed):
            dealt = {(pair.judge, pair.left, pair.right) for pair in before.outcome.deal}
            for opening in closed.openings:
                ballot = decode(BallotBody, opening.body, bytes_max=BODY_BYTES_MAX)
                for vote in ballot.votes:
                    is_dealt = (opening.seat, vote.left, vote.right) in dealt
                    is_doubt = OUTCOME_MIN <= vote.outcome <= OUTCOME_MAX
                    told = f"seat {opening.seat} counts with {vote}"
                    self.require("receipts", round_id, is_dealt and is_doubt, told)

    def on_failure(self, node: int, reason: str) -> None:
        """Look at a node that did not survive an input."""
        if self.is_honest(node):
            self.require("soundness", None, False, f"node {node} failed: {reason}")

    def on_signed_twice(self, node: int, reason: str) -> None:
        """Look at a node that would write a second statement for a slot."""
        if self.is_honest(node):
            self.require("signatures", None, False, f"node {node}: {reason}")

    def _look_at_honesty(self, round_id: bytes, verified: VerifiedRound) -> None:
        """Look at what a reader is told, without the code that decided it: who is missing, and the status."""
        n, q = verified.facts.committee.n, verified.facts.committee.q
        is_whole = True
        for closed in verified.closed:
            seats = [opening.seat for opening in closed.openings]
            missing = [seat for seat in range(n) if seat not in seats]
            is_named = [*closed.outcome.value.missing] == missing
            self.require("receipts", round_id, is_named, f"missing seats {missing} are not named")
            is_whole = is_whole and not missing
        last = verified.closed[-1].outcome.value
        is_aborted = len(verified.closed) <= 2 and len(verified.closed[-1].openings) < q
        expected = Status.FAILED if is_aborted else Status.FULL if is_whole else Status.PARTIAL
        self.require("receipts", round_id, last.status == expected, f"status {last.status}, not {expected}")

    def _look_at_evidence(self, node: int, record: Record) -> None:
        round_id = record.round_id
        evidence = decode(Evidence, record.value, bytes_max=EVIDENCE_BYTES_MAX)
        committee = self.world.nodes[node].state.seats[round_id].round.desk.facts.committee
        try:
            verify_evidence(
                evidence,
                round_id=round_id,
                committee=committee,
                network_id=self.world.network.network_id,
                verifier=self.verifier,
            )
        except (VerificationError, PeerError) as exc:
            self.require("evidence", round_id, False, f"node {node} keeps what proves nothing: {exc}")
            return
        accused = committee.keys[evidence.first.seat]
        kind = "equivocation" if evidence.fault == 0 else "amnesia"
        is_bad = not self.is_honest_key(accused)
        self.require("evidence", round_id, is_bad, f"node {node} holds evidence against an honest seat")
        self.accusations.append(Accusation(node, round_id, accused, kind, True, self.world.now_ms))

    def on_penalty(self, node: int, penalty: Penalise, *, is_excused: bool) -> None:
        """Look at what an honest node holds against a link."""
        if not self.is_honest(node) or is_excused:
            return
        is_just = not self.is_honest_key(penalty.key)
        blamed = f"node {node} penalises an honest peer: {penalty.reason}"
        self.require("penalties", None, is_just, blamed)
        self.accusations.append(Accusation(node, None, penalty.key, penalty.reason, False, self.world.now_ms))


def _get_signed(
    message: StatementMessage | RevealMessage | ProposalMessage | CommitsMessage,
) -> tuple[Signed, ...]:
    return message.commits if isinstance(message, CommitsMessage) else (message.signed,)


def _count_naming(known: RoundWatch, step: int, seat: int, commit: bytes) -> int:
    """Return how many honest commit lists name a commit."""
    count = 0
    for lister in range(known.committee.n):
        listed = known.lists.get((step, lister, Kind.COMMIT_LIST))
        if listed is not None:
            count += any((entry.seat, entry.commit) == (seat, commit) for entry in listed.entries)
    return count
