"""The checker of gold answers: harmless forms are accepted, by rule; whatever else stands there is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.gold import FAMILIES, LEVELS, GoldQuestion, generate, is_correct

SEEDS = st.binary(min_size=32, max_size=32)
FAMILY_NAMES = st.sampled_from(list(FAMILIES))
MINUTES = GoldQuestion(family="units", text="How many minutes are in 20 hours?", truth="1200", level=1)
NAME = GoldQuestion(family="logic", text="... Who is the tallest?", truth="Zoe", level=1)


@pytest.mark.parametrize(
    "answer",
    [
        *(
            "1200",
            " 1200\n",
            "1200.",
            "1,200",
            "1,200.",
            "The answer is 1200.",
            "answer: 1200",
            "1200 minutes",
        ),
        *("1,200 minutes.", "The answer is 1,200 Minutes.", "**1200**", "+1200", "01200", "1200.0"),
    ],
)
def test_harmless_form_is_accepted(answer: str) -> None:
    assert is_correct(MINUTES, answer)


@pytest.mark.parametrize(
    "answer",
    [
        *("", " ", ".", "120", "1201", "-1200", "1200 hours", "12 00", "1200 or 1201", "minutes"),
        *(
            "1200 minutes minutes",
            "20 hours is 1200 minutes",
            "\u0661\u0662\u0660\u0660",
            "1200\x00",
            "\ud800",
        ),
        "1200" + " " * 1000,
    ],
)
def test_another_answer_is_refused(answer: str) -> None:
    assert not is_correct(MINUTES, answer)


def test_names_are_compared_without_case() -> None:
    assert is_correct(NAME, "ZOE.")
    assert is_correct(NAME, "It is Zoe.")
    assert not is_correct(NAME, "Zo")
    assert not is_correct(NAME, "Zoe and Ben")


def make_gold(family: str, truth: str) -> GoldQuestion:
    return GoldQuestion(family=family, text="What is asked?", truth=truth, level=1)


@pytest.mark.parametrize(
    ("family", "truth", "answers"),
    [
        ("animals", "puppy", ["a puppy", "A puppy.", "the puppy", "It is a puppy."]),
        ("categories", "apple", ["an apple", "the apple"]),
        (
            "money",
            "12",
            ["$12", "$ 12", "12 dollars", "$12.00", "The answer is $12.", "12.00 dollars", "012"],
        ),
        ("money", "1", ["1 dollar", "$1"]),
        ("money", "12", ["3 * 4 = 12", "3 * $4 = $12", "$20 - $8 = 12 dollars"]),
        ("money", "1200", ["$1,200", "1,200 dollars"]),
        ("clock", "5:00", ["5", "5:00", "05:00", "5 o'clock", "5:00 pm", "5pm", "5 p.m.", "5 a.m"]),
        ("clock", "12:35", ["12:35 am", "12:35 o'clock"]),
        ("division", "4", ["40 / 10 = 4", "40/10=4.", "40 x 1 = 4", "= 4"]),
        ("stories", "1200", ["3 * 400 = 1,200", "(2 + 1) * 400 = 1200"]),
        ("spelling", "e", ["E", "the letter e", 'The letter "E".', "letter E"]),
    ],
)
def test_a_form_that_the_family_invites_is_accepted(family: str, truth: str, answers: list[str]) -> None:
    for answer in answers:
        assert is_correct(make_gold(family, truth), answer), answer


@pytest.mark.parametrize(
    ("family", "truth", "answers"),
    [
        ("animals", "puppy", ["a dog", "some puppy", "a a puppy", "a puppy or a kitten", "a", "puppies"]),
        ("antonyms", "cold", ["a cold", "the cold"]),
        (
            "money",
            "12",
            ["$13", "12 cents", "12 dollars each", "$12 dollars", "$-12", "$12 or $13", "$", "$1.2"],
        ),
        ("money", "12", ["3 * $4 = $13", "3 * 4 = 12 cents"]),
        ("money", "12", ["6 times 2 is $12", "$12.50", "$1,2"]),
        (
            "clock",
            "5:00",
            ["5:30", "6", "17", "5:0", "5:00 noon", "5 hours", "15:00", "5:00 or 6:00", "", "pm"],
        ),
        ("clock", "68", ["68:00", "68 o'clock", "1:08", "68 pm"]),
        ("clock", "5:35", ["5", "5 o'clock", "35", "5:53"]),
        (
            "division",
            "4",
            [
                "40 / 10 = 5",
                "4 = 40 / 10",
                "8 / 4",
                "x = 4",
                "8 / 2 = 4 = 5",
                "40 / 10 = 4 or 5",
                "so 8 / 2 = 4",
            ],
        ),
        ("arithmetic", "4", ["2 + 2 = 4"]),
        ("spelling", "e", ["the letter f", "the letter", "the letters e", "e and f", "a e"]),
        ("arithmetic", "12", ["$12", "12 dollars", "a 12", "12:00", "the letter 12"]),
    ],
)
def test_another_form_is_refused(family: str, truth: str, answers: list[str]) -> None:
    for answer in answers:
        assert not is_correct(make_gold(family, truth), answer), answer


@given(
    FAMILY_NAMES, SEEDS, st.sampled_from(LEVELS), st.sampled_from(["{}", "{}.", " {}\n", "The answer is {}."])
)
def test_the_truth_is_always_accepted(family: str, seed: bytes, level: int, form: str) -> None:
    question = generate(family, seed, level)
    assert is_correct(question, form.format(question.truth))
    assert is_correct(question, question.truth.upper())


ANSWERS = st.one_of(st.text(max_size=40), st.text(alphabet="0123456789:.$=+ apmo'\"", max_size=9))


@given(FAMILY_NAMES, SEEDS, st.sampled_from(LEVELS), ANSWERS)
def test_the_checker_is_total(family: str, seed: bytes, level: int, answer: str) -> None:
    question = generate(family, seed, level)
    if is_correct(question, answer):
        told = question.truth.removesuffix(":00") if family == "clock" else question.truth
        assert told.lower() in answer.lower().replace(",", "").replace(" ", "")


@given(FAMILY_NAMES, SEEDS, SEEDS, st.sampled_from(LEVELS))
def test_the_truth_of_another_question_is_right_only_when_equal(
    family: str, one: bytes, other: bytes, level: int
) -> None:
    question, stranger = generate(family, one, level), generate(family, other, level)
    assert is_correct(question, stranger.truth) == (question.truth == stranger.truth)
