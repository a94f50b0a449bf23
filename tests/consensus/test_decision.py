"""What a step decides: a pure function of the set, whoever computes it and in whatever order."""

import pytest

from consensus.bodies import AnswerBody, BallotBody
from consensus.decision import (
    OUTCOMES_MAX,
    DecisionEngine,
    Opening,
    Outcome,
    Status,
    check_body,
    get_dealt,
    get_previous_digest,
    get_shown_texts,
    get_winner,
)
from consensus.encoding import encode
from consensus.errors import LimitExceeded, PeerError
from consensus.messages import BODY_BYTES_MAX, Signed, compute_value_digest
from ranking.canonical import ENGINE_VERSION, Next
from tests.consensus.receipt_kit import KITS, Kit, get_kit

NOBODY = Signed(4, 0, b"", b"")


def make_opening(seat: int, text: bytes, *, salt: bytes = b"s" * 32) -> Opening:
    body = encode(AnswerBody(1, text, b"m" * 32, 1, 1))
    return Opening(seat, bytes([seat]) * 31 + text[:1], salt, body, NOBODY)


def decide(kit: Kit, openings: list[Opening]) -> Outcome:
    return DecisionEngine().compute(kit.facts, [], {opening.seat: opening for opening in openings})


@pytest.mark.parametrize("name", KITS)
def test_every_step_of_a_round_follows_from_its_set(name: str) -> None:
    kit = get_kit(name)
    for index, closed in enumerate(kit.closed):
        openings = {opening.seat: opening for opening in reversed(closed.openings)}
        outcome = DecisionEngine().compute(kit.facts, kit.closed[:index], openings)
        assert outcome == closed.outcome
        assert outcome.digest == compute_value_digest(outcome.value_bytes)
        assert outcome.value.prev == get_previous_digest(kit.facts, kit.closed[:index])


def test_equal_answers_are_one_class_and_the_rest_keep_their_order() -> None:
    kit = get_kit("four")
    texts = (b"84", b"12", b" 84. ", b"The answer is 12")
    outcome = decide(kit, [make_opening(seat, text) for seat, text in enumerate(texts)])
    assert outcome.value.classes == ((0, 2), (1, 3))
    assert outcome.value.next == Next.CONTINUE
    assert outcome.deal


def test_one_class_stops_unanimous() -> None:
    kit = get_kit("four")
    outcome = decide(kit, [make_opening(seat, b"84") for seat in range(4)])
    assert (outcome.value.next, outcome.value.status) == (Next.STOP, Status.FULL)
    assert outcome.scores is None
    assert outcome.deal == ()


def test_a_quorum_of_answers_is_partial_and_less_is_an_abort() -> None:
    kit = get_kit("four")
    three = decide(kit, [make_opening(seat, b"84") for seat in (0, 1, 3)])
    assert (three.value.status, three.value.missing) == (Status.PARTIAL, (2,))
    two = decide(kit, [make_opening(seat, b"84") for seat in (0, 3)])
    assert (two.value.next, two.value.status, two.value.missing) == (Next.ABORT, Status.FAILED, (1, 2))
    none = decide(kit, [])
    assert (none.value.next, none.value.classes) == (Next.ABORT, ())


def decide_ballots(kit: Kit, count: int) -> Outcome:
    kept = kit.closed[1].openings[:count]
    return DecisionEngine().compute(kit.facts, kit.closed[:1], {opening.seat: opening for opening in kept})


def test_missing_ballots_abort_the_first_step_and_end_a_later_one() -> None:
    kit = get_kit("four")
    assert decide_ballots(kit, 2).value.next == Next.ABORT
    assert decide_ballots(kit, 2).value.status == Status.FAILED
    assert decide_ballots(kit, 0).value.next == Next.ABORT
    assert decide_ballots(kit, 3).value.status == Status.PARTIAL
    later = DecisionEngine().compute(kit.facts, kit.closed[:2], {})
    assert later.value.next == Next.STOP
    assert later.value.status == Status.PARTIAL


def test_ballots_without_votes_leave_every_class_where_it_was() -> None:
    kit = get_kit("four")
    body = encode(BallotBody(ENGINE_VERSION, kit.closed[0].outcome.digest, ()))
    empty = {
        opening.seat: Opening(opening.seat, opening.commit, opening.salt, body, NOBODY)
        for opening in kit.closed[1].openings
    }
    outcome = DecisionEngine().compute(kit.facts, kit.closed[:1], empty)
    assert outcome.scores is not None
    assert outcome.value.p_best_q16 < 62_259


def test_the_next_seed_follows_from_the_salts() -> None:
    kit = get_kit("four")
    first = decide(kit, [make_opening(seat, b"84") for seat in range(4)])
    other = decide(kit, [make_opening(seat, b"84", salt=b"t" * 32) for seat in range(4)])
    assert first.next_seed != other.next_seed


def test_statuses_carry_over() -> None:
    kit = get_kit("partial")
    assert [closed.outcome.value.status for closed in kit.closed] == [Status.PARTIAL] * len(kit.closed)


def test_seats_see_their_own_deal_and_one_text_a_class() -> None:
    kit = get_kit("four")
    deal = kit.closed[0].outcome.deal
    assert tuple(pair for seat in range(4) for pair in get_dealt(kit.closed[:1], seat)) == deal
    texts = get_shown_texts(kit.facts, kit.closed)
    assert len(texts) == len(kit.closed[0].outcome.value.classes)
    answers = [kit.get_answer(place).text for place in range(4)]
    assert all(text in answers for text in texts)


def test_only_a_stopped_round_has_a_winner() -> None:
    kit = get_kit("four")
    assert get_winner(kit.closed) == kit.round.winner
    assert get_winner(kit.closed[:1]) is None
    assert get_winner(get_kit("aborted").closed) is None


def test_bodies_are_checked_by_what_their_step_is() -> None:
    kit = get_kit("four")
    answer, ballot = kit.get_reveal(0, 0).body, kit.get_reveal(1, 0).body
    check_body(kit.facts, [], 0, answer)
    check_body(kit.facts, kit.closed[:1], 0, ballot)
    with pytest.raises(PeerError):
        check_body(kit.facts, [], 0, ballot)
    with pytest.raises(PeerError):
        check_body(kit.facts, kit.closed[:1], 0, answer)
    with pytest.raises(PeerError):
        check_body(kit.facts, kit.closed[:2], 0, ballot)
    with pytest.raises(LimitExceeded):
        check_body(kit.facts, [], 0, bytes(BODY_BYTES_MAX + 1))


def test_an_engine_remembers_within_a_limit() -> None:
    kit, engine = get_kit("four"), DecisionEngine()
    first = make_opening(0, b"84")
    kept = engine.compute(kit.facts, [], {0: first})
    assert engine.compute(kit.facts, [], {0: first}) is kept
    for number in range(OUTCOMES_MAX):
        opening = Opening(0, b"%032d" % number, first.salt, first.body, NOBODY)
        engine.compute(kit.facts, [], {0: opening})
    assert engine.compute(kit.facts, [], {0: first}) is not kept
    assert engine.compute(kit.facts, [], {0: first}) == kept
