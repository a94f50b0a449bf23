"""Answers and ballots: what a seat may seal."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.bodies import ANSWER_BYTES_MAX, AnswerBody, BallotBody, Vote, open_answer, open_ballot
from consensus.encoding import encode
from consensus.errors import LimitExceeded, PeerError
from consensus.messages import BODY_BYTES_MAX
from ranking.canonical import ENGINE_VERSION, OUTCOME_MAX, OUTCOME_MIN, Assignment

PREV = b"p" * 32
DEALT = (Assignment(0, 1, 2), Assignment(0, 2, 3), Assignment(0, 2, 1))
ANSWER = AnswerBody(1, b"84", b"m" * 32, 1, 2)


def open_changed(**changes: object) -> AnswerBody:
    return open_answer(encode(msgspec.structs.replace(ANSWER, **changes)), tokens_max=64)


def open_votes(*votes: Vote, engine: int = ENGINE_VERSION, prev: bytes = PREV) -> BallotBody:
    return open_ballot(encode(BallotBody(engine, prev, votes)), prev=PREV, dealt=DEALT)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"sampling": 0},
        {"tokens": 0},
        {"tokens": 64},
        {"text": b"x" * ANSWER_BYTES_MAX},
        {"text": "\u00e9".encode()},
    ],
)
def test_answers_are_taken(change: dict[str, object]) -> None:
    assert open_changed(**change) == msgspec.structs.replace(ANSWER, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"version": 2},
        {"text": b""},
        {"text": b" \t"},
        {"text": b"\xff"},
        {"text": b"x" * (ANSWER_BYTES_MAX + 1)},
        {"model": b"m" * 31},
        {"model": b""},
        {"sampling": 2},
        {"sampling": -1},
        {"tokens": -1},
        {"tokens": 65},
    ],
)
def test_other_answers_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(PeerError):
        open_changed(**change)


def test_bodies_have_a_size() -> None:
    large = msgspec.structs.replace(ANSWER, text=b"x" * BODY_BYTES_MAX)
    for data in (bytes(BODY_BYTES_MAX + 1), encode(large)):
        with pytest.raises(LimitExceeded):
            open_answer(data, tokens_max=64)
        with pytest.raises(LimitExceeded):
            open_ballot(data, prev=PREV, dealt=DEALT)


@pytest.mark.parametrize(
    "votes",
    [
        (),
        (Vote(1, 2, OUTCOME_MIN),),
        (Vote(2, 1, OUTCOME_MAX),),
        (Vote(1, 2, 30_000), Vote(2, 1, 30_000)),
        (Vote(1, 2, 1 << 15), Vote(2, 3, 1 << 15), Vote(2, 1, 1 << 15)),
    ],
)
def test_ballots_are_taken_missing_votes_and_all(votes: tuple[Vote, ...]) -> None:
    assert open_votes(*votes).votes == votes


@pytest.mark.parametrize(
    "votes",
    [
        (Vote(1, 2, OUTCOME_MIN - 1),),
        (Vote(1, 2, OUTCOME_MAX + 1),),
        (Vote(1, 2, 0),),
        (Vote(1, 2, 65_536),),
        (Vote(1, 3, 30_000),),
        (Vote(3, 2, 30_000),),
        (Vote(2, 3, 30_000), Vote(1, 2, 30_000)),
        (Vote(1, 2, 30_000), Vote(1, 2, 30_000)),
        (Vote(-1, 2, 30_000),),
    ],
)
def test_other_ballots_are_refused(votes: tuple[Vote, ...]) -> None:
    with pytest.raises(PeerError):
        open_votes(*votes)


def test_ballots_of_another_engine_or_value_are_refused() -> None:
    with pytest.raises(PeerError, match="engine"):
        open_votes(engine=ENGINE_VERSION + 1)
    with pytest.raises(PeerError, match="another value"):
        open_votes(prev=b"q" * 32)
    with pytest.raises(PeerError, match="another value"):
        open_votes(prev=b"")


@given(st.lists(st.booleans(), min_size=3, max_size=3), st.integers(OUTCOME_MIN, OUTCOME_MAX))
def test_any_part_of_what_was_dealt_is_a_ballot(kept: list[bool], outcome: int) -> None:
    votes = [Vote(p.left, p.right, outcome) for p, is_kept in zip(DEALT, kept, strict=True) if is_kept]
    assert open_votes(*votes).votes == tuple(votes)


@given(st.binary(max_size=200))
def test_an_answer_is_no_ballot_and_noise_is_neither(data: bytes) -> None:
    with pytest.raises(PeerError):
        open_ballot(encode(ANSWER), prev=PREV, dealt=DEALT)
    with pytest.raises(PeerError):
        open_answer(data, tokens_max=64)
