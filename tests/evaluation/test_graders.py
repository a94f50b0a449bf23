"""Graders: every accepted form beside a refused one, and no answer text makes any of them raise."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ConfigError
from evaluation.graders.mathematics import find_boxed, normalise
from evaluation.graders.numbers import find_numbers
from evaluation.grading import GRADERS, grade
from evaluation.task import Task


def make_task(grader: str, truth: str, **payload: object) -> Task:
    written = json.dumps(payload) if payload else ""
    return Task(key="t", family="t", text="How many cups?", truth=truth, grader=grader, payload=written)


TASKS = {
    "gold": make_task("gold", "12", family="units", level=1),
    "exact": make_task("exact", "Kyiv", aliases=["Kiev"]),
    "integer": make_task("integer", "1200"),
    "number": make_task("number", "2.50"),
    "gsm8k": make_task("gsm8k", "6 * 7 = <<6*7=42>>42\n#### 42"),
    "choice": make_task("choice", "B", options=["Rome", "Paris", "Vitamin A", "A"]),
    "math": make_task("math", "\\frac{3}{4}"),
}
RIGHT = {
    "gold": ["12", "12 cups", "The answer is 12."],
    "exact": ["Kyiv", "kiev.", "The answer is Kyiv", "**Kiev**"],
    "integer": ["1200", "1,200", "It is 1,200.", "from 5 to 1200", "1200.0", "$1,200", "=1200"],
    "number": ["2.5", "2.50", "about 3, exactly 2.5", "$2.50."],
    "gsm8k": ["42", "6*7=42", "so 42 cups", "#### 42", "it is 41 #### 42 cups, not 7", "$42.00"],
    "choice": [
        "B",
        "b",
        "(B)",
        "B.",
        "B) Paris",
        "B: Paris",
        "Answer: B",
        "The answer is B",
        "Paris",
        "paris.",
    ],
    "math": [
        "\\boxed{\\frac{3}{4}}",
        "3/4",
        "$\\dfrac34$",
        "0.75",
        "The answer is $0.75$.",
        "x = \\frac{6}{8}",
    ],
}
WRONG = {
    "gold": ["13", "12 bowls", "", "12 or 13"],
    "exact": ["Lviv", "", "Kyiv or Lviv", "It is in Kyiv now"],
    "integer": ["120", "12,00", "1200.5", "-1200", "1200 or 1201", "twelve hundred", "", "1200e1"],
    "number": ["2.51", "25", "2.5 or 3", "", "-2.5"],
    "gsm8k": ["41", "42 and then 43", "#### 41", "42 ####", "", "#### forty-two"],
    "choice": [
        "A",
        "C",
        "E",
        "Rome",
        "B) Rome",
        "A) Paris",
        "B or C",
        "",
        "Paris is in France",
        "Z",
        "B Paris D",
    ],
    "math": [
        "\\boxed{\\frac{4}{3}}",
        "-3/4",
        "3",
        "4",
        "\\boxed{3/4} no, \\boxed{1}",
        "",
        "\\frac{3}{0}",
        "3//4",
    ],
}
ANSWERS = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="0123456789.,-+/$%#\\{}()[] ABboxedfrac\n\ud800\x00", max_size=60),
    st.sampled_from(
        ["\\boxed{" * 14_000, "9" * 50_000, "{" * 50_000, "####" * 5_000, "A " * 5_000, "1," * 9_000]
    ),
)


@pytest.mark.parametrize("name", list(TASKS))
def test_right_answers_are_right_and_wrong_ones_are_not(name: str) -> None:
    for answer in RIGHT[name]:
        assert grade(TASKS[name], answer), answer
    for answer in WRONG[name]:
        assert not grade(TASKS[name], answer), answer


@given(st.sampled_from(list(TASKS)), ANSWERS)
def test_no_answer_makes_a_grader_raise(name: str, answer: str) -> None:
    assert grade(TASKS[name], answer) in (True, False)


@given(
    st.integers(-(10**12), 10**12), st.sampled_from(["{}", "It is {:,}.", "{} cups", "5 then {}", "**{}**"])
)
def test_an_integer_is_found_in_any_plain_form(number: int, form: str) -> None:
    assert grade(make_task("integer", str(number)), form.format(number))
    assert not grade(make_task("integer", str(number + 1)), form.format(number))


def test_numbers_are_read_by_the_stated_rule() -> None:
    read = {
        "5-3": [5, 3],
        "-3": [-3],
        "(-3)": [-3],
        "x-3": [3],
        "$-7 or -$8": [-7, -8],
        "1,234,567": [1_234_567],
        "1,23": [1, 23],
        "v2.5.1": [],
        "1" * 101: [],
        "50%": [50],
        "2.5.1 1e5 1.5e5": [],
        "12kg": [12],
        "3.": [3],
    }
    for text, numbers in read.items():
        assert find_numbers(text) == numbers, text


def test_boxes_are_read_with_their_braces() -> None:
    assert find_boxed("\\boxed{\\frac{1}{2}} and \\boxed{\\sqrt{2}}") == "\\sqrt{2}"
    assert find_boxed("\\boxed 7 cups") == "7"
    assert find_boxed("\\fbox{3} \\boxed{4") is None
    assert find_boxed("none") is None


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\frac{\\pi}{2})"),
        ("\\$1{,}000", "1{,}000"),
        ("12,345", "12345"),
        ("\\text{Evelyn}", "Evelyn"),
        ("10\\text{ cm}", "10"),
        ("90^\\circ", "90"),
        ("50\\%", "50"),
        ("\\tfrac12", "\\frac{1}{2}"),
        ("\\sqrt3", "\\sqrt{3}"),
        ("x=5", "5"),
        ("x \\in [1,2]", "[1,2]"),
        ("\\leftarrow", "\\leftarrow"),
        ("5.", "5"),
    ],
)
def test_forms_that_mean_the_same_become_one(written: str, normal: str) -> None:
    assert normalise(written) == normal


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (make_task("poem", "x"), "there is no grader 'poem'"),
        (make_task("integer", "2.5"), "is no integer"),
        (make_task("number", "two"), "holds no number"),
        (make_task("choice", "E", options=["a", "b"]), "expected a letter of 'AB'"),
        (make_task("choice", "A"), "expected a letter"),
        (make_task("choice", "A", options=["a", 3]), "no text"),
        (make_task("choice", "A", options="ab"), "expected a list"),
        (make_task("gold", "5", family="units"), "level is None"),
        (make_task("gold", "5", family=3, level=1), "expected a text"),
        (make_task("exact", "5", aliases="five"), "expected a list"),
        (make_task("code", "", prompt="x", test="y"), "'entry_point' is None"),
        (make_task("code", "", prompt="x", test="y", entry_point="f("), "is no name"),
        (make_task("reasoning-gym", "5", dataset="leg_counting"), "lacks seed, size or index"),
        (make_task("reasoning-gym", "5", dataset="n_queens", seed=1, size=1, index=0), "as code"),
        (Task(key="t", family="t", text="?", truth="5", grader="exact", payload="{"), "is no JSON"),
        (Task(key="t", family="t", text="?", truth="5", grader="exact", payload="[]"), "expected an object"),
    ],
)
def test_a_task_that_cannot_be_graded_is_named(task: Task, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        grade(task, "5")


def test_every_grader_is_tried_here_or_in_a_file_of_its_own() -> None:
    assert {*GRADERS} == {*TASKS, "code", "reasoning-gym"}
