"""Examples: a peer's own and those like the question, the same on every machine, giving nothing away."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.examples import LIKE_SHOTS, OWN_SHOTS, QUESTION_CHARS_MAX, choose_examples
from models.prompts import STOP_STRINGS, as_line, clean_answer
from models.shots import SHOTS_BY_KIND, Shot

KEYS = tuple(hashlib.sha256(bytes([index])).digest() for index in range(32))
POOL = tuple(shot for shots in SHOTS_BY_KIND.values() for shot in shots)

VECTOR = [
    "How much is 16 - 7?",
    "What is the capital of Kenya?",
    "Which is largest: 14, 91, 37?",
    "If today is Friday, what day is it in 2 days?",
    "What time is it 2 hours after 3:00?",
    "What number comes next: 3, 6, 9, 12?",
]


def list_shown(question: str, key: bytes) -> tuple[Shot, ...]:
    examples = choose_examples(question, key)
    return examples.own + examples.like


@given(st.text(max_size=80), st.binary(max_size=40))
def test_examples_are_distinct_and_of_full_number(question: str, key: bytes) -> None:
    shown = list_shown(question, key)
    assert len(shown) == len(set(shown)) == OWN_SHOTS + LIKE_SHOTS
    assert shown == list_shown(question, key)


def test_peers_differ_for_one_question() -> None:
    assert len({list_shown("What is 12 times 12?", key) for key in KEYS}) == len(KEYS)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What is 12 times 3?", "product"),
        ("What is the capital of Bolivia?", "capital"),
        ("What is the opposite of cruel?", "antonym"),
        ("How many minutes are in 7 hours?", "conversion"),
        ("What is the plural of lamp?", "plural"),
    ],
)
def test_the_example_most_like_the_question_is_shown_last(question: str, kind: str) -> None:
    last = [choose_examples(question, key).like[-1] for key in KEYS]
    assert sum(shot in SHOTS_BY_KIND[kind] for shot in last) > len(KEYS) * 3 // 4


@pytest.mark.parametrize("shot", POOL, ids=lambda shot: shot.question)
def test_an_example_is_not_shown_to_its_own_question(shot: Shot) -> None:
    for question in (shot.question, f"Please tell me: {shot.question.lower()}"):
        assert all(shot not in list_shown(question, key) for key in KEYS[:8])


def test_only_the_head_of_a_long_question_counts() -> None:
    head = ("What is the capital of Bolivia? " * 40)[:QUESTION_CHARS_MAX]
    assert len(head) == QUESTION_CHARS_MAX
    assert list_shown(head, KEYS[0]) == list_shown(head + " What is 3 times 4?", KEYS[0])


def test_a_vector_of_the_choice_holds() -> None:
    """Another machine must show the same: peers of one swarm may be asked to replay each other's answers."""
    shown = [shot.question for shot in list_shown("Which day comes after Monday?", KEYS[0])]
    assert shown == VECTOR


def test_the_pool_is_one_line_each_without_repeats() -> None:
    assert len({shot.question for shot in POOL}) == len(POOL) >= 80
    for shot in POOL:
        assert shot.question == as_line(shot.question)
        assert shot.answer == clean_answer(shot.answer)
        assert not any(stop in shot.answer for stop in STOP_STRINGS)
