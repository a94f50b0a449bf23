"""What a step decides: a pure function of the question, the steps before, and the revealed bodies.

Everything certified is computed here, by every seat and later by every stranger with a receipt, from
exact bytes and integers only. Source: docs/protocol.md, "Candidates and pairs", "Scores and decision".
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from consensus.bodies import open_answer, open_ballot
from consensus.committee import Committee, compute_first_seed, compute_next_seed, draw_committee
from consensus.encoding import encode
from consensus.genesis import Network
from consensus.messages import Entry, Signed, Value, compute_value_digest
from consensus.question import Question, RoundId, compute_round_id
from consensus.standing import OpenedStanding
from ranking.canonical import (
    Assignment,
    Comparison,
    JudgeTerms,
    Next,
    Scores,
    compute_scores,
    deal_pairs,
    decide_next,
)
from ranking.merge import get_shown_author, merge_answers

OUTCOMES_MAX = 256  # outcomes an engine remembers: a few rounds of a few steps


class Status(IntEnum):
    """How complete a round is; part of what is certified."""

    FULL = 0
    PARTIAL = 1
    FAILED = 2


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """What is fixed the moment a question is accepted.

    `terms` is what the round assumes about its judges, by seat; None where it builds on no standing, and
    then all judges weigh the same.
    """

    network: Network
    question: Question
    payload: bytes
    signature: bytes
    round_id: RoundId
    committee: Committee
    first_seed: bytes
    standing: OpenedStanding | None = None
    terms: Mapping[int, JudgeTerms] | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """A seat's opened commit: `signed` carries the exact reveal bytes."""

    seat: int
    commit: bytes
    salt: bytes
    body: bytes
    signed: Signed


@dataclass(frozen=True, slots=True)
class Outcome:
    """A step's value and what the next step needs of it. `scores` is None where nothing was ranked."""

    value: Value
    value_bytes: bytes
    digest: bytes
    scores: Scores | None
    next_seed: bytes
    deal: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class ClosedStep:
    """A decided step: its openings by rising seat, and its outcome."""

    openings: tuple[Opening, ...]
    outcome: Outcome


def create_facts(
    network: Network,
    question: Question,
    payload: bytes,
    signature: bytes,
    standing: OpenedStanding | None = None,
) -> RoundFacts:
    """Derive a round's fixed facts from an accepted question and the standing that its header names.

    Raises:
        PeerError: No terms follow from the standing.
    """
    has_header = question.header != network.network_id
    assert has_header == (standing is not None), "the standing is opened under the question's header"
    committee = draw_committee(network, question)
    return RoundFacts(
        network=network,
        question=question,
        payload=payload,
        signature=signature,
        round_id=compute_round_id(payload),
        committee=committee,
        first_seed=compute_first_seed(network, question),
        standing=standing,
        terms=None if standing is None else standing.compute_terms(network, committee.keys),
    )


def get_previous_digest(facts: RoundFacts, closed: Sequence[ClosedStep]) -> bytes:
    """Return what commits of the coming step chain to: the last value, or the round id in step 0."""
    return closed[-1].outcome.digest if closed else facts.round_id


def get_dealt(closed: Sequence[ClosedStep], seat: int) -> tuple[Assignment, ...]:
    """Return the pairs dealt to `seat` in the step after the last closed one."""
    return tuple(pair for pair in closed[-1].outcome.deal if pair.judge == seat)


def check_body(facts: RoundFacts, closed: Sequence[ClosedStep], seat: int, body: bytes) -> None:
    """Check that `body` is what `seat` may seal in the step after the last closed one.

    Raises:
        PeerError: It is not; the message says why.
        LimitExceeded: It is too large.
    """
    if not closed:
        open_answer(body, tokens_max=facts.question.tokens_max)
    else:
        open_ballot(body, prev=closed[-1].outcome.digest, dealt=get_dealt(closed, seat))


def get_shown_texts(facts: RoundFacts, closed: Sequence[ClosedStep]) -> tuple[bytes, ...]:
    """Return one text a class, in class order: that of its author lowest by hash under seed_1."""
    answers = closed[0]
    texts = {
        opening.seat: open_answer(opening.body, tokens_max=facts.question.tokens_max).text
        for opening in answers.openings
    }
    seed = answers.outcome.next_seed
    return tuple(texts[get_shown_author(authors, seed)] for authors in answers.outcome.value.classes)


class DecisionEngine:
    """Computes outcomes and remembers them.

    An outcome is a pure function of the set that keys it (a commit fixes salt and body), so the seats
    of one process may share an engine.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[bytes, bytes, tuple[Entry, ...]], Outcome] = OrderedDict()

    def compute(
        self, facts: RoundFacts, closed: Sequence[ClosedStep], openings: Mapping[int, Opening]
    ) -> Outcome:
        """Decide the step after the last closed one over the given openings, all of them checked."""
        revealed = tuple(Entry(seat, openings[seat].commit) for seat in sorted(openings))
        key = (facts.round_id, get_previous_digest(facts, closed), revealed)
        outcome = self._known.get(key)
        if outcome is None:
            outcome = _compute_outcome(facts, closed, tuple(openings[seat] for seat in sorted(openings)))
            self._known[key] = outcome
            if len(self._known) > OUTCOMES_MAX:
                self._known.popitem(last=False)
        return outcome


def _compute_outcome(
    facts: RoundFacts, closed: Sequence[ClosedStep], openings: tuple[Opening, ...]
) -> Outcome:
    step = len(closed)
    committee = facts.committee
    seed = closed[-1].outcome.next_seed if closed else facts.first_seed
    next_seed = compute_next_seed(seed, tuple(opening.salt for opening in openings))
    classes = closed[0].outcome.value.classes if closed else _merge(facts, openings)
    scores = _rank(facts, closed, classes, openings, next_seed) if closed and classes else None
    deal: tuple[Assignment, ...] = ()
    if step < facts.question.steps_max and len(classes) > 1:
        deal = deal_pairs(
            step=step + 1,
            authors=classes,
            seats=committee.n,
            calls_per_peer=facts.question.calls_per_peer,
            seed=next_seed,
            scores=scores,
            history=tuple(pair for before in closed for pair in before.outcome.deal),
        )
    decided = decide_next(
        step=step,
        steps_max=facts.question.steps_max,
        revealed=len(openings),
        quorum=committee.q,
        classes=len(classes),
        scores=scores,
        has_more_pairs=bool(deal),
    )
    seats_revealed = [opening.seat for opening in openings]
    missing = tuple(seat for seat in range(committee.n) if seat not in seats_revealed)
    value = Value(
        round=facts.round_id,
        step=step,
        prev=get_previous_digest(facts, closed),
        revealed=tuple(Entry(opening.seat, opening.commit) for opening in openings),
        missing=missing,
        classes=classes,
        scores=scores.log_strengths if scores else (),
        p_best_q16=scores.p_best_q16 if scores else 0,
        flip_estimate=scores.flip_estimate if scores else 0,
        next=int(decided),
        status=int(_compute_status(closed, missing, decided)),
    )
    value_bytes = encode(value)
    return Outcome(
        value=value,
        value_bytes=value_bytes,
        digest=compute_value_digest(value_bytes),
        scores=scores,
        next_seed=next_seed,
        deal=deal if decided is Next.CONTINUE else (),
    )


def _merge(facts: RoundFacts, openings: Sequence[Opening]) -> tuple[tuple[int, ...], ...]:
    answers = [
        (opening.seat, open_answer(opening.body, tokens_max=facts.question.tokens_max).text)
        for opening in openings
    ]
    return tuple(candidate.authors for candidate in merge_answers(answers))


def _rank(
    facts: RoundFacts,
    closed: Sequence[ClosedStep],
    classes: tuple[tuple[int, ...], ...],
    openings: Sequence[Opening],
    seed: bytes,
) -> Scores:
    comparisons = [
        comparison
        for before, ballots in _ballots_by_step(closed, openings)
        for comparison in read_comparisons(before, ballots)
    ]
    return compute_scores(authors=classes, comparisons=comparisons, terms=facts.terms, seed=seed)


def read_comparisons(before: ClosedStep, ballots: Sequence[Opening]) -> list[Comparison]:
    """Return the comparisons of checked ballots, which were cast on the pairs that `before` dealt."""
    return [
        Comparison(opening.seat, vote.left, vote.right, vote.outcome)
        for opening in ballots
        for vote in open_ballot(
            opening.body, prev=before.outcome.digest, dealt=get_dealt((before,), opening.seat)
        ).votes
    ]


def _ballots_by_step(
    closed: Sequence[ClosedStep], openings: Sequence[Opening]
) -> list[tuple[ClosedStep, Sequence[Opening]]]:
    """Pair every step that dealt with the ballots cast on it; the last ones are not closed yet."""
    cast: list[Sequence[Opening]] = [step.openings for step in closed[1:]]
    return list(zip(closed, [*cast, openings], strict=True))


def _compute_status(closed: Sequence[ClosedStep], missing: tuple[int, ...], decided: Next) -> Status:
    if decided is Next.ABORT:
        return Status.FAILED
    if missing or any(step.outcome.value.missing for step in closed):
        return Status.PARTIAL
    return Status.FULL


def get_winner(closed: Sequence[ClosedStep]) -> int | None:
    """Return the winning class index of a finished round, None where it was aborted or goes on."""
    last = closed[-1].outcome
    if last.value.next != Next.STOP:
        return None
    return last.scores.order[0] if last.scores else 0
