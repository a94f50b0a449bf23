"""Offline verification of a receipt, in numbered steps, by somebody who was not there.

Steps 1 and 3 to 7 make a receipt *consistent*; with 2 against a network the reader trusts it is
*trusted*; step 8 (anchoring in a later header) does not exist in a private network. Anyone can make
seven keys and a consistent receipt, which is why the words are kept apart. No receipt shows that the
answer is true, which model was run, that operators are independent, or when it happened.
Source: docs/protocol.md, "Receipt and what a stranger learns".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from consensus.cosigned import check_seat_list, compute_revealed, open_cosigned
from consensus.decision import (
    ClosedStep,
    DecisionEngine,
    Opening,
    RoundFacts,
    check_body,
    create_facts,
    get_previous_digest,
    get_shown_texts,
    get_winner,
)
from consensus.errors import LimitExceeded, PeerError, VerificationError
from consensus.evidence import decode_payload
from consensus.genesis import STEPS_MAX, Network, open_network
from consensus.hashing import DIGEST_BYTES, sha256
from consensus.identity import Verifier
from consensus.messages import VIEW_MAX, Entry, Kind, Precommit, Reveal, SeatList, Signed, compute_commit
from consensus.question import open_question
from consensus.receipt import Receipt, ReceiptStep, compute_receipt_digest, get_standing, open_receipt
from consensus.standing import open_standing
from ranking.canonical import Next


class CheckOutcome(Enum):
    """What became of one numbered step."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"  # it does not apply, or was not asked for
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Check:
    """One numbered step of verification."""

    number: int
    name: str
    outcome: CheckOutcome
    detail: str


@dataclass(frozen=True, slots=True)
class VerifiedRound:
    """What a consistent receipt says, recomputed. `winner` is None where the round was aborted."""

    facts: RoundFacts
    closed: tuple[ClosedStep, ...]
    winner: int | None
    texts: tuple[bytes, ...]
    receipt_digest: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of verification; `round` is None where the receipt is not consistent."""

    checks: tuple[Check, ...]
    is_consistent: bool
    is_trusted: bool
    round: VerifiedRound | None


NAMES = {
    1: "decoding and bounds",
    2: "network and its trust root",
    3: "question, standing and drawing of seats",
    4: "signatures and slots",
    5: "openings, and the sets that count",
    6: "merging, pairs, scores and decision",
    7: "certificates, chain of values and status",
    8: "anchoring in a later header",
}


class _Run:
    """Runs the steps in order and stops at the first that fails."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def ok(self, number: int, detail: str) -> None:
        self.checks.append(Check(number, NAMES[number], CheckOutcome.OK, detail))

    def skip(self, number: int, detail: str) -> None:
        self.checks.append(Check(number, NAMES[number], CheckOutcome.SKIPPED, detail))

    def fail(self, error: VerificationError) -> None:
        detail = error.message.removeprefix(f"step {error.step}: ")
        self.checks = [check for check in self.checks if check.number < error.step]
        if error.step == 6:  # 5 and 6 go hand in hand, step by step of the round
            self.ok(5, "up to the step of the round refused next")
        self.checks.append(Check(error.step, NAMES[error.step], CheckOutcome.FAILED, detail))
        self.checks += [
            Check(number, NAMES[number], CheckOutcome.NOT_REACHED, "")
            for number in NAMES
            if number > error.step
        ]


def verify_receipt(
    data: bytes,
    *,
    trusted_network: bytes | None = None,
    verifier: Verifier | None = None,
    engine: DecisionEngine | None = None,
) -> Verdict:
    """Verify a receipt's exact bytes. Needs no network and no model.

    Args:
        data: The receipt file.
        trusted_network: Exact bytes of a genesis the reader trusts; None where there is none, and then
            the receipt can be consistent, never trusted.
        verifier: Remembers signatures, for whoever checks many receipts; a fresh one when None.
        engine: Remembers outcomes, likewise. Both are pure: what they remember changes no verdict.

    Returns:
        The numbered checks and what they add up to. Nothing is raised for a bad receipt.
    """
    run = _Run()
    try:
        verified, is_trusted = _verify(
            run, data, trusted_network, verifier or Verifier(), engine or DecisionEngine()
        )
    except VerificationError as exc:
        run.fail(exc)
        return Verdict(tuple(run.checks), is_consistent=False, is_trusted=False, round=None)
    return Verdict(tuple(run.checks), is_consistent=True, is_trusted=is_trusted, round=verified)


def _verify(
    run: _Run, data: bytes, trusted_network: bytes | None, verifier: Verifier, engine: DecisionEngine
) -> tuple[VerifiedRound, bool]:
    receipt = open_receipt(data)
    _check_shape(receipt)
    run.ok(1, f"{len(data)} bytes, {len(receipt.steps)} steps")
    with _at_step(2):
        network = open_network(receipt.genesis)
    is_trusted = _check_trust(run, network, trusted_network)
    with _at_step(3):
        question = open_question(receipt.question, network, verifier)
        standing = open_standing(get_standing(receipt), header=question.header, network=network)
        payload, signature = receipt.question.payload, receipt.question.signature
        facts = create_facts(network, question, payload, signature, standing)
    builds = "" if standing is None else f", on a standing of {standing.standing.rounds} rounds"
    run.ok(3, f"{facts.committee.n} seats drawn, quorum {facts.committee.q}{builds}")
    signed = [_verify_signatures(facts, verifier, step, index) for index, step in enumerate(receipt.steps)]
    run.ok(4, f"{sum(signed)} signatures of distinct seats")
    closed = _recompute(facts, verifier, engine, receipt)
    revealed = sum(len(step.openings) for step in closed)
    run.ok(5, f"{revealed} openings")
    scored = [step for step in closed if step.outcome.scores is not None]
    run.ok(6, f"{len(closed[0].outcome.value.classes)} candidates, {len(scored)} rankings recomputed")
    for index, step in enumerate(receipt.steps):
        _verify_certificate(step, closed[index], is_last=index == len(receipt.steps) - 1)
    run.ok(7, f"{len(closed)} certificates of {facts.committee.q} seats")
    run.skip(8, "a private network has no later headers")
    verified = VerifiedRound(
        facts=facts,
        closed=closed,
        winner=get_winner(closed),
        texts=get_shown_texts(facts, closed),
        receipt_digest=compute_receipt_digest(data),
    )
    return verified, is_trusted


@contextmanager
def _at_step(number: int) -> Iterator[None]:
    """Let a broken rule fail the numbered step it belongs to."""
    try:
        yield
    except (PeerError, LimitExceeded) as exc:
        raise VerificationError(number, exc.message) from exc


def _check_shape(receipt: Receipt) -> None:
    if not receipt.steps:
        raise VerificationError(1, "receipt: got no step, expected at least one")
    if len(receipt.steps) > 1 + STEPS_MAX:
        raise VerificationError(
            1, f"receipt: got {len(receipt.steps)} steps, expected at most {1 + STEPS_MAX}"
        )


def _check_trust(run: _Run, network: Network, trusted_network: bytes | None) -> bool:
    if trusted_network is None:
        run.skip(2, "keys are self-declared: no trusted network was given")
        return False
    if trusted_network != network.genesis_bytes:
        raise VerificationError(2, "the receipt's network is not the trusted one")
    run.ok(2, f"network {network.network_id.hex()[:16]} is the trusted one")
    return True


# -- step 4 ----------------------------------------------------------------------------------------


def _verify_signatures(facts: RoundFacts, verifier: Verifier, step: ReceiptStep, index: int) -> int:
    """Check every signature of a step, and that no seat signs a slot twice. Returns how many."""
    network_id, committee = facts.network.network_id, facts.committee
    last = -1
    for reveal in step.reveals:
        seat = reveal.signature.seat
        if not last < seat < committee.n:
            raise VerificationError(4, f"step {index}: reveals are not by rising, known seat")
        last = seat
        digest = sha256(reveal.payload)
        if not verifier.is_valid(
            committee.keys[seat], Kind.REVEAL, network_id, digest, reveal.signature.signature
        ):
            raise VerificationError(4, f"step {index}: the reveal of seat {seat} is not signed by it")
    lists = _open(facts, verifier, 4, Kind.REVEAL_LIST, step)
    votes = _open(facts, verifier, 4, Kind.PRECOMMIT, step)
    for what, got in (("reveal lists", lists), ("precommits", votes)):
        if len(got) != committee.q:
            raise VerificationError(4, f"step {index}: got {len(got)} {what}, expected {committee.q}")
    for signed in (*lists, *votes):
        with _at_step(4):
            content = decode_payload(signed.kind, signed.payload)
        if (content.round, content.step) != (facts.round_id, index):
            raise VerificationError(4, f"step {index}: a statement belongs to another round or step")
    return len(step.reveals) + len(lists) + len(votes)


def _open(facts: RoundFacts, verifier: Verifier, number: int, kind: Kind, step: ReceiptStep) -> list[Signed]:
    groups = step.reveal_lists if kind is Kind.REVEAL_LIST else (step.precommits,)
    with _at_step(number):
        opened = open_cosigned(
            groups,
            kind=kind,
            committee=facts.committee,
            network_id=facts.network.network_id,
            verifier=verifier,
        )
    return [signed for signed, _ in opened]


# -- steps 5 and 6 ---------------------------------------------------------------------------------


def _recompute(
    facts: RoundFacts, verifier: Verifier, engine: DecisionEngine, receipt: Receipt
) -> tuple[ClosedStep, ...]:
    """Derive each step's set from its lists, open its commits, and decide it anew."""
    closed: list[ClosedStep] = []
    for index, step in enumerate(receipt.steps):
        if closed and closed[-1].outcome.value.next != Next.CONTINUE:
            raise VerificationError(6, f"step {index} follows a step that ended the round")
        if closed and not closed[-1].outcome.deal:
            raise VerificationError(6, f"step {index} follows a step that dealt no pairs")
        openings = _open_reveals(facts, closed, step, index)
        revealed = _compute_set(facts, verifier, step)
        if {seat: opening.commit for seat, opening in openings.items()} != revealed:
            raise VerificationError(5, f"step {index}: the reveals are not the set its lists give")
        with _at_step(6):
            outcome = engine.compute(facts, closed, openings)
        if outcome.value_bytes != step.value:
            raise VerificationError(6, f"step {index}: the value does not follow from the revealed set")
        closed.append(ClosedStep(tuple(openings[seat] for seat in sorted(openings)), outcome))
    return tuple(closed)


def _compute_set(facts: RoundFacts, verifier: Verifier, step: ReceiptStep) -> dict[int, bytes]:
    contents: list[SeatList] = []
    for signed in _open(facts, verifier, 5, Kind.REVEAL_LIST, step):
        content = decode_payload(signed.kind, signed.payload)
        assert isinstance(content, SeatList), "opened under its kind"
        with _at_step(5):
            check_seat_list(content, facts.committee)
        contents.append(content)
    with _at_step(5):
        return compute_revealed(contents, facts.committee)


def _open_reveals(
    facts: RoundFacts, closed: list[ClosedStep], step: ReceiptStep, index: int
) -> dict[int, Opening]:
    openings: dict[int, Opening] = {}
    for reveal in step.reveals:
        seat = reveal.signature.seat
        with _at_step(5):
            content = decode_payload(Kind.REVEAL, reveal.payload)
        assert isinstance(content, Reveal), "decoded under its kind"
        if (content.round, content.step) != (facts.round_id, index):
            raise VerificationError(5, f"step {index}: the reveal of seat {seat} is of another step")
        expected = compute_commit(
            network=facts.network.network_id,
            round_id=facts.round_id,
            step=index,
            author=facts.committee.keys[seat],
            prev=get_previous_digest(facts, closed),
            salt=content.salt,
            body=content.body,
        )
        if len(content.salt) != DIGEST_BYTES or content.commit != expected:
            raise VerificationError(5, f"step {index}: seat {seat} does not open its commit")
        with _at_step(5):
            check_body(facts, closed, seat, content.body)
        signed = Signed(int(Kind.REVEAL), seat, reveal.payload, reveal.signature.signature)
        openings[seat] = Opening(seat, content.commit, content.salt, content.body, signed)
    return openings


# -- step 7 ----------------------------------------------------------------------------------------


def _verify_certificate(step: ReceiptStep, closed: ClosedStep, *, is_last: bool) -> None:
    with _at_step(7):
        vote = decode_payload(Kind.PRECOMMIT, step.precommits.payload)
    value = closed.outcome.value
    if not isinstance(vote, Precommit) or vote.value != closed.outcome.digest:
        raise VerificationError(7, f"step {value.step}: the precommits are for another value")
    if not 0 <= vote.view <= VIEW_MAX:
        raise VerificationError(7, f"step {value.step}: got view {vote.view}, expected 0 to {VIEW_MAX}")
    if is_last and value.next == Next.CONTINUE:
        raise VerificationError(7, f"step {value.step} goes on, but the receipt ends with it")
    if [Entry(opening.seat, opening.commit) for opening in closed.openings] != list(value.revealed):
        raise VerificationError(7, f"step {value.step}: the value names another set")
