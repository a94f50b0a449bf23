"""What a finished round teaches: the standing after it, a pure function of the round and its truth.

The truth of a gold round needs no commitment made before: the round's question is the very text that the
opening generates, or the opening is refused. Source: docs/protocol.md, "Standing".
"""

from collections.abc import Sequence
from itertools import pairwise

from consensus.decision import ClosedStep, RoundFacts, get_shown_texts, get_winner, read_comparisons
from consensus.errors import LimitExceeded, PeerError
from consensus.gold import GoldOpening, GoldQuestion, is_correct, open_gold
from consensus.question import Question, Role, Turn
from consensus.standing import (
    ROUNDS_MAX,
    STANDING_BYTES_MAX,
    STANDING_VERSION,
    OpenedStanding,
    Standing,
    close_standing,
    find_members,
)
from ranking.canonical import PastRound, create_reputation, to_numbers, update_reputation


def open_truth(question: Question, opening: GoldOpening) -> GoldQuestion:
    """Return the gold question that `question` turns out to have been.

    Raises:
        PeerError: The opening generates another text, or the question says more than that text.
    """
    gold = open_gold(opening)
    if question.turns != (Turn(int(Role.USER), gold.text.encode("ascii")),):
        raise PeerError("truth: got the opening of another question than was asked")
    return gold


def compute_standing(
    facts: RoundFacts, closed: Sequence[ClosedStep], truth: GoldOpening | None
) -> OpenedStanding:
    """Return the standing after a finished round.

    Args:
        facts: The round's facts; its own standing is the one before.
        closed: All its steps, certified.
        truth: Its opening where the round was gold and is opened; None otherwise.

    Raises:
        PeerError: The round has no winner, so it teaches nothing; or the truth is another question's.
        LimitExceeded: The network's standing does not fit into a question's message.
    """
    if not closed or get_winner(closed) is None:
        raise PeerError("standing: got a round without a winner, which teaches nothing")
    before = facts.standing
    rounds = 1 if before is None else before.standing.rounds + 1
    if rounds > ROUNDS_MAX:
        raise LimitExceeded(f"standing: got {rounds} rounds, expected at most {ROUNDS_MAX}")
    past = _create_past(facts, closed, truth)
    reputation = create_reputation() if before is None else before.reputation
    after = update_reputation(reputation, past, terms=facts.terms)
    opened = close_standing(
        Standing(
            version=STANDING_VERSION,
            network=facts.network.network_id,
            rounds=rounds,
            previous=b"" if before is None else before.digest,
            round=facts.round_id,
            result=closed[-1].outcome.digest,
            truth=() if truth is None else (truth,),
            numbers=to_numbers(after),
        ),
        after,
    )
    if len(opened.data) > STANDING_BYTES_MAX:
        size = len(opened.data)
        raise LimitExceeded(f"standing: got {size} bytes, expected at most {STANDING_BYTES_MAX}")
    return opened


def verify_succession(standing: OpenedStanding, facts: RoundFacts, closed: Sequence[ClosedStep]) -> None:
    """Check that `standing` is the one after the finished round of `facts`.

    Raises:
        PeerError: It is not; the message says why.
        LimitExceeded: The round's standing would be too large.
    """
    held = standing.standing
    if held.round != facts.round_id:
        raise PeerError("standing: got one that builds on another round")
    truth = held.truth[0] if held.truth else None
    expected = compute_standing(facts, closed, truth)
    if expected.digest != standing.digest:
        raise PeerError(
            f"standing: got {standing.digest.hex()[:16]}, expected {expected.digest.hex()[:16]},"
            f" which follows from round {facts.round_id.hex()[:16]}"
        )


def _create_past(facts: RoundFacts, closed: Sequence[ClosedStep], truth: GoldOpening | None) -> PastRound:
    last = closed[-1].outcome
    return PastRound(
        peers=find_members(facts.network, facts.committee.keys),
        authors=last.value.classes,
        comparisons=tuple(
            said for before, step in pairwise(closed) for said in read_comparisons(before, step.openings)
        ),
        correct=None if truth is None else _find_correct(facts, closed, truth),
    )


def _find_correct(facts: RoundFacts, closed: Sequence[ClosedStep], truth: GoldOpening) -> tuple[int, ...]:
    """Return the classes whose shown text is right; texts of one class differ in harmless form only."""
    gold = open_truth(facts.question, truth)
    return tuple(
        index
        for index, text in enumerate(get_shown_texts(facts, closed))
        if is_correct(gold, text.decode("utf-8"))
    )
