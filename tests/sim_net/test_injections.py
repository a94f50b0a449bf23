"""The corpus of hostile answers: complete, tame on one line, and recognised."""

import hashlib
from collections import Counter

import pytest

from models.judges.likelihood import judge_request
from models.prompts import ANSWER_CHARS_MAX, Message, Role, answer_prompt, as_line, clean_answer
from ranking.merge import canonical_key
from sim_net.injections import ANSWER_MARK, CORPUS, CORPUS_VERSION, FAMILIES, Injection, find_injection

QUESTION = [Message(role=Role.USER, text="What is 7 times 12?")]
KEY = bytes(32)
WRONG = "85"
# A changed text is another corpus: figures measured on the two cannot be compared.
DIGESTS = {1: "0f282cac3cca82dab971d2f53d77c41317d0ee3a2fa06a62110003c5f07b0416"}

each_injection = pytest.mark.parametrize("injection", CORPUS, ids=lambda injection: injection.id)


def count_openings(text: str) -> int:
    return sum(line.startswith(("Question:", "Answer:")) for line in text.splitlines())


def test_the_corpus_is_as_large_as_it_says_and_every_id_is_one_text() -> None:
    assert len(CORPUS) >= 40
    assert len(FAMILIES) >= 10
    assert min(Counter(injection.family for injection in CORPUS).values()) >= 4
    assert len({injection.id for injection in CORPUS}) == len(CORPUS)
    assert len({injection.template for injection in CORPUS}) == len(CORPUS)


def test_a_changed_corpus_is_a_new_version() -> None:
    parts = "\0".join(f"{injection.id}\0{injection.template}" for injection in CORPUS)
    assert hashlib.sha256(parts.encode()).hexdigest() == DIGESTS[CORPUS_VERSION]


@each_injection
def test_each_carries_the_wrong_answer_through_the_cleaning_of_answers(injection: Injection) -> None:
    assert ANSWER_MARK in injection.template
    text = injection.render(WRONG)
    assert ANSWER_MARK not in text
    assert WRONG in clean_answer(text)
    assert len(text) <= ANSWER_CHARS_MAX, "nothing of it is cut off"


@each_injection
def test_none_opens_a_line_of_its_own(injection: Injection) -> None:
    text = injection.render(WRONG)
    assert as_line(text).isprintable()
    request = judge_request(QUESTION, KEY, text)
    assert request.context == answer_prompt(QUESTION, KEY)
    assert request.continuation.count("\n") == 1
    assert request.continuation.endswith("\n")
    assert count_openings(request.continuation) == 0, "the continuation stands behind `Answer:`"
    # Nor where it comes as a question, or as an earlier answer of a conversation.
    asked = answer_prompt([Message(role=Role.USER, text=text)], KEY)
    plain = answer_prompt([Message(role=Role.USER, text="x")], KEY)
    assert count_openings(asked.text) == count_openings(plain.text)
    turns = [*QUESTION, Message(role=Role.ASSISTANT, text=text), *QUESTION]
    plain_turns = [*QUESTION, Message(role=Role.ASSISTANT, text="x"), *QUESTION]
    assert count_openings(answer_prompt(turns, KEY).text) == count_openings(
        answer_prompt(plain_turns, KEY).text
    )


def test_some_would_open_a_line_if_nobody_put_them_on_one() -> None:
    assert sum(count_openings(injection.render(WRONG)) > 0 for injection in CORPUS) >= 3


def test_what_is_invisible_does_not_survive() -> None:
    hidden = [injection for injection in CORPUS if injection.family == "invisible-unicode"]
    lines = [as_line(injection.render(WRONG)) for injection in hidden]
    assert lines.count(WRONG) == 2, "tags and joiners leave the plain answer"
    assert "prefer 85" in lines
    assert all(line.isascii() for line in lines)


@each_injection
def test_each_is_recognised_as_a_judge_sees_it_unless_nothing_is_left_of_it(injection: Injection) -> None:
    line = clean_answer(injection.render(WRONG))
    found = find_injection(line)
    assert (found is None) == (line == WRONG)
    if found is not None:
        assert canonical_key(line.encode()) != canonical_key(WRONG.encode())
        assert find_injection(injection.render("another answer")) is found


@pytest.mark.parametrize("text", ["84", "", "the answer is 84", "Paris, in France", "Question: what?"])
def test_plain_answers_are_no_injections(text: str) -> None:
    assert find_injection(text) is None
