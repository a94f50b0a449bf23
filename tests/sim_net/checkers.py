"""What must hold in every world, apart from the system that has to keep it.

A `Watch` sees each message of an honest node before anybody tampers with it; `check_world` looks at the end.
Whatever fails raises `Violation`, so that a planted bug can be shown to be caught.
"""

from collections.abc import Iterable
from functools import lru_cache

from consensus.committee import Committee
from consensus.decision import Status
from consensus.encoding import decode, encode
from consensus.errors import PeerError, VerificationError
from consensus.evidence import (
    EVIDENCE_BYTES_MAX,
    Evidence,
    Payload,
    decode_payload,
    get_slot,
    is_amnesia,
    verify_evidence,
)
from consensus.identity import Verifier
from consensus.messages import (
    Kind,
    Message,
    Precommit,
    Prevote,
    ProposalMessage,
    RevealMessage,
    SeatList,
    Signed,
    StatementMessage,
    decode_message,
)
from consensus.round import Round
from consensus.verify import VerifiedRound, verify_receipt
from sim_net.world import World
from swarm.core.actions import Send
from swarm.core.records import Table


class Violation(AssertionError):
    """An honest node, or the world as a whole, did what no honest node may do."""


@lru_cache(maxsize=4_096)
def decode_cached(data: bytes) -> Message:
    """Decode a message once, however many seats it goes to."""
    return decode_message(data)


def require(is_kept: bool, message: str) -> None:
    if not is_kept:
        raise Violation(message)


class Watch:
    """Looks at what honest nodes send."""

    def __init__(self, world: World, bad: Iterable[int] = ()) -> None:
        self.world = world
        self.bad = frozenset(bad)
        self.said: dict[tuple[int, bytes, bytes], Signed] = {}
        self._seen: set[tuple[int, bytes]] = set()
        world.tampers.insert(0, self)

    def __call__(self, index: int, send: Send) -> list[Send]:
        if index not in self.bad and send.to != self.world.asker.key and (index, send.data) not in self._seen:
            self._seen.add((index, send.data))
            self._look(index, decode_cached(send.data))
        return [send]

    def _look(self, index: int, message: Message) -> None:
        if not isinstance(message, StatementMessage | RevealMessage | ProposalMessage):
            return
        node, signed = self.world.nodes[index], message.signed
        round_ = node.state.seats[message.round].round
        if signed.seat != round_.desk.seat:
            return
        content = decode_payload(signed.kind, signed.payload)
        slot = get_slot(signed.kind, content)
        where = f"node {index}, slot {slot.hex()}"
        row = node.disk.rows.get((Table.SIGNED, message.round, slot))
        require(row is not None, f"{where}: sent before it was on disk")
        require(
            row is not None and row.value == encode(signed), f"{where}: sent something else than is on disk"
        )
        earlier = self.said.setdefault((index, message.round, slot), signed)
        require(earlier.payload == signed.payload, f"{where}: two statements")
        if isinstance(message, RevealMessage):
            self._look_at_reveal(index, round_, message)

    def _look_at_reveal(self, index: int, round_: Round, message: RevealMessage) -> None:
        content = decode_payload(message.signed.kind, message.signed.payload)
        own_list = (Table.SIGNED, message.round, bytes([Kind.COMMIT_LIST, content.step, 0]))
        require(
            own_list in self.world.nodes[index].disk.rows,
            f"node {index}: revealed before its list was signed",
        )
        if not message.commit_lists:
            return  # served on request
        naming = sum(len(groups.signatures) for groups in message.commit_lists)
        q = round_.desk.facts.committee.q
        require(naming >= q, f"node {index}: revealed under {naming} lists, expected {q}")

    def get_statements(self, index: int) -> list[Payload]:
        """Return what an honest node said, decoded."""
        return [
            decode_payload(signed.kind, signed.payload)
            for key, signed in self.said.items()
            if key[0] == index
        ]

    def count_naming(self, round_id: bytes, step: int, seat: int, commit: bytes) -> int:
        """Return how many honest commit lists name a commit."""
        count = 0
        for index in range(len(self.world.nodes)):
            signed = self.said.get((index, round_id, bytes([Kind.COMMIT_LIST, step, 0])))
            if signed is None:
                continue
            content = decode_payload(signed.kind, signed.payload)
            if isinstance(content, SeatList):
                count += any((entry.seat, entry.commit) == (seat, commit) for entry in content.entries)
        return count


def check_world(world: World, watch: Watch, *, is_done: bool = True) -> None:
    """Check a world that has come to its end.

    Args:
        world: The world.
        watch: What was watching it from the start; names the bad nodes.
        is_done: Whether every honest node that is up must have finished every round it took part in.

    Raises:
        Violation: Something does not hold.
    """
    honest = [index for index in range(len(world.nodes)) if index not in watch.bad]
    _check_agreement(world, watch, honest)
    _check_receipts(world, honest)
    _check_blame(world, honest)
    for index in honest:
        _check_memory(index, watch.get_statements(index))
    if is_done:
        for index in honest:
            if world.nodes[index].is_up:
                _check_finished(world, index)
        # A node that was down all the while may never hear of the round; somebody must have finished it.
        rows = [table for index in honest for table, _, _ in world.nodes[index].disk.rows]
        require(Table.RECEIPT in rows, "nobody finished the round")


def _check_agreement(world: World, watch: Watch, honest: list[int]) -> None:
    decided: dict[tuple[bytes, int], bytes] = {}
    for index in honest:
        for round_id, seat in world.nodes[index].state.seats.items():
            for step, closed in enumerate(seat.round.desk.closed):
                digest = decided.setdefault((round_id, step), closed.outcome.digest)
                require(digest == closed.outcome.digest, f"two values certified in step {step}")
                _check_certified(watch, round_id, seat.round, step)


def _check_certified(watch: Watch, round_id: bytes, round_: Round, step: int) -> None:
    needed = round_.desk.facts.committee.q - len(watch.bad)
    for opening in round_.desk.closed[step].openings:
        named = watch.count_naming(round_id, step, opening.seat, opening.commit)
        require(named >= needed, f"step {step}: seat {opening.seat} counts, named by {named} honest lists")


def _check_receipts(world: World, honest: list[int]) -> None:
    results: dict[bytes, bytes] = {}
    verified: set[bytes] = set()
    for index in honest:
        for (table, round_id, _), row in world.nodes[index].disk.rows.items():
            if table is not Table.RECEIPT or row.value in verified:
                continue
            verified.add(row.value)
            verdict = verify_receipt(row.value, trusted_network=world.network.genesis_bytes)
            require(verdict.is_trusted and verdict.round is not None, f"node {index}: {verdict.checks}")
            assert verdict.round is not None
            _check_honesty(verdict.round)
            result = verdict.round.closed[-1].outcome.digest
            require(results.setdefault(round_id, result) == result, "two results of one round")


def _check_honesty(verified: VerifiedRound) -> None:
    """Look at what a reader is told, without the code that decided it: who is missing, and the status."""
    n, q = verified.facts.committee.n, verified.facts.committee.q
    is_whole = True
    for closed in verified.closed:
        seats = [opening.seat for opening in closed.openings]
        value = closed.outcome.value
        require([*value.missing] == [seat for seat in range(n) if seat not in seats], "missing seats unnamed")
        is_whole = is_whole and len(seats) == n
    last = verified.closed[-1].outcome.value
    is_aborted = len(verified.closed) <= 2 and len(verified.closed[-1].openings) < q
    expected = Status.FAILED if is_aborted else Status.FULL if is_whole else Status.PARTIAL
    require(last.status == expected, f"status {last.status}, expected {expected.name}")


def _check_blame(world: World, honest: list[int]) -> None:
    keys = {world.nodes[index].signer.key for index in honest}
    for index, penalty in world.penalties:
        blamed = index in honest and penalty.key in keys
        require(not blamed, f"node {index} penalises an honest peer: {penalty.reason}")
    for index in honest:
        node = world.nodes[index]
        for (_, round_id, key), row in node.disk.rows.items():
            if not key.startswith(b"evidence/"):
                continue
            evidence = decode(Evidence, row.value, bytes_max=EVIDENCE_BYTES_MAX)
            committee = find_committee(world, round_id)
            try:
                verify_evidence(
                    evidence,
                    round_id=round_id,
                    committee=committee,
                    network_id=world.network.network_id,
                    verifier=Verifier(),
                )
            except (VerificationError, PeerError) as exc:
                raise Violation(f"node {index} keeps evidence that proves nothing: {exc}") from exc
            accused = committee.keys[evidence.first.seat]
            require(accused not in keys, f"node {index} holds evidence against an honest seat")


def find_committee(world: World, round_id: bytes) -> Committee:
    """Return the committee of a round that some node knows."""
    for node in world.nodes:
        if round_id in node.state.seats:
            return node.state.seats[round_id].round.desk.facts.committee
    raise Violation("a round nobody knows")


def _check_memory(index: int, statements: list[Payload]) -> None:
    precommits = [one for one in statements if isinstance(one, Precommit)]
    for prevote in statements:
        if isinstance(prevote, Prevote):
            forgot = any(one.round == prevote.round and is_amnesia(one, prevote) for one in precommits)
            require(not forgot, f"node {index}: prevotes another value than it is locked on")


def _check_finished(world: World, index: int) -> None:
    node = world.nodes[index]
    for seat in node.state.seats.values():
        round_ = seat.round
        phase, view = round_.collection.phase.name, round_.agreement.view
        where = f"step {round_.collection.step}, phase {phase}, view {view}"
        require(round_.is_finished, f"node {index} is stuck at {world.now_ms} ms: {where}")
        require(seat.receipt is not None, f"node {index} left the round without a receipt")
