"""Gold questions: fixed by their seed, uniform, right by a second reckoning, and checked with tolerance.

`python tests/consensus/test_gold.py` writes the vectors anew, for a new GOLD_VERSION.
"""

import calendar
import hashlib
import json
import re
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus._gold_draw import WORD_VALUES, Draw
from consensus._gold_words import MONTHS, NAMES, WEEKDAYS, WORDS
from consensus.errors import ConfigError, PeerError
from consensus.gold import (
    DRAWN_FAMILIES,
    FAMILIES,
    GOLD_VERSION,
    LEVELS,
    GoldOpening,
    GoldQuestion,
    draw_gold,
    generate,
    open_gold,
)
from tests.consensus.gold_solvers import SOLVERS

VECTORS = Path(__file__).parent / "vectors" / "gold.json"
CASES = [(family, level) for family in FAMILIES for level in LEVELS]
SEEDS = st.binary(min_size=32, max_size=32)
FAMILY_NAMES = st.sampled_from(list(FAMILIES))
TEXT_CHARS_MAX = 260  # few-shot prompts of a small model must hold several


class Vector(TypedDict):
    family: str
    level: int
    seed: str
    text: str
    truth: str


class VectorFile(TypedDict):
    version: int
    questions: list[Vector]


def make_seed(i: int) -> bytes:
    return hashlib.sha256(b"gold test seed %d" % i).digest()


def make_questions(family: str, level: int, count: int) -> list[GoldQuestion]:
    return [generate(family, make_seed(i), level) for i in range(count)]


def test_the_vectors_still_hold() -> None:
    vectors: VectorFile = json.loads(VECTORS.read_text())
    assert vectors["version"] == GOLD_VERSION
    assert len(vectors["questions"]) == len(CASES) * 8
    for vector in vectors["questions"]:
        question = generate(vector["family"], bytes.fromhex(vector["seed"]), vector["level"])
        assert (question.text, question.truth) == (vector["text"], vector["truth"])


@given(FAMILY_NAMES, SEEDS, st.sampled_from(LEVELS))
def test_a_question_is_a_function_of_its_seed(family: str, seed: bytes, level: int) -> None:
    question = generate(family, seed, level)
    assert question == generate(family, seed, level)
    assert question.text.isascii()
    assert question.text.isprintable()
    assert len(question.text) <= TEXT_CHARS_MAX
    assert question.text[-1] in ".?"
    assert re.fullmatch(r"[0-9]{1,7}|[0-9]+\.[0-9]+|[0-9]{1,2}:[0-9]{2}|[A-Za-z]{1,14}", question.truth)
    assert (question.family, question.level) == (family, level)


# --- a second reckoning, by other means -------------------------------------------------------------


def solve(question: GoldQuestion) -> str:
    solvers = {
        "arithmetic": solve_arithmetic,
        "counting": solve_counting,
        "dates": solve_dates,
        "logic": solve_logic,
        "ordering": solve_ordering,
        "units": solve_units,
    }
    return (solvers | SOLVERS)[question.family](question.text)


def solve_arithmetic(text: str) -> str:
    words = {"plus": "+", "minus": "-", "times": "*", "x": "*"}
    numbers = re.findall(r"[0-9]+", text)
    if match := re.fullmatch(r"(?:What is|How much is|Calculate) (.*)[?.]", text):
        formula = " ".join(words.get(word, word) for word in match[1].split())
    elif text.startswith("Subtract"):
        formula = f"{numbers[1]} - {numbers[0]}"
    elif "then multiply" in text:
        formula = "({} + {}) * {}".format(*numbers)
    elif "then add" in text:
        formula = "{} * {} + {}".format(*numbers)
    else:
        formula = ("{} + {}" if text.startswith("Add") else "{} * {}").format(*numbers)
    assert re.fullmatch(r"[0-9+*() -]+", formula)
    return str(eval(formula))


def solve_counting(text: str) -> str:
    if match := re.fullmatch(r'.*"([a-z]+)" (?:appear in this list|is written here): (.*)[?.]', text):
        return str(match[2].split(", ").count(match[1]))
    if "next" in text:
        numbers = [int(number) for number in re.findall(r"[0-9]+", text)]
        assert len({b - a for a, b in pairwise(numbers)}) == 1
        return str(2 * numbers[-1] - numbers[-2])
    if match := re.fullmatch(r'.*letters? "(.)" (?:appear|are) in "([a-z ]+)"\?', text):
        return str(len(re.findall(match[1], match[2])))
    if match := re.fullmatch(r'How many letters .*"([a-z]+)".*', text):
        return str(len(match[1]))
    listed = re.sub(r".*: |[?.]$", "", text).split(", ")
    if match := re.search(r"greater than ([0-9]+)", text):
        return str(len([item for item in listed if int(item) > int(match[1])]))
    if "even" in text:
        return str(len([item for item in listed if item[-1] in "02468"]))
    assert "How many words" in text
    return str(len(listed))


def solve_dates(text: str) -> str:
    named = re.findall("|".join(MONTHS), text)
    months = [list(calendar.month_name).index(name) for name in named]
    weekdays = re.findall("|".join(WEEKDAYS), text)
    numbers = [int(number) for number in re.findall(r"[0-9]+", text)]
    if "February" in named and re.search(r"How many days (?:are|were|does|did)", text):
        return str(calendar.monthrange(numbers[0], 2)[1])
    if re.search(r"How many days (?:are|does)", text):
        return str(calendar.monthrange(2001, months[0])[1])
    if "how many days" in text.lower():
        days = [day for day in numbers if day <= 31]
        return str((date(2001, months[1], days[1]) - date(2001, months[0], days[0])).days)
    if "day number" in text:
        day = next(number for number in numbers if number <= 31)
        return str(date(2001, months[0], day).timetuple().tm_yday)
    if months and weekdays:
        candidates = [date(year, months[0], numbers[0]) for year in range(2001, 2030)]
        first = next(candidate for candidate in candidates if candidate.strftime("%A") == weekdays[0])
        return (first + timedelta(days=numbers[1] - numbers[0])).strftime("%A")
    step = (numbers[0] if numbers else 1) * (1 if " after " in text else -1)
    if weekdays:
        return list(calendar.day_name)[(list(calendar.day_name).index(weekdays[0]) + step) % 7]
    return calendar.month_name[(months[0] - 1 + step) % 12 + 1]


def solve_ordering(text: str) -> str:
    place = re.search(
        r"(second to last|third to last|second|third)? ?(smallest|largest)|"
        r"(second to last|third to last|first|second|third|last)",
        text,
    )
    assert place is not None
    items = re.sub(r".*: |\?$", "", text).split(", ")
    rank = {"first": 1, "second": 2, "third": 3, "last": 1, "second to last": 2, "third to last": 3}
    if place[2]:
        numbers = sorted((int(item) for item in items), reverse=place[2] == "largest")
        return str(numbers[rank.get(place[1] or "first", 1) - 1])
    return sorted(items, reverse=place[3].endswith("last"))[rank[place[3]] - 1]


def solve_units(text: str) -> str:
    seconds = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}
    months = {"months": 1, "years": 12, "decades": 120, "centuries": 1200}
    lengths = {"millimeters": 1, "centimeters": 10, "meters": 1000, "kilometers": 1_000_000}
    money = {"cents": 1, "dollars": 100}
    imperial = {"inches": 1, "feet": 12, "yards": 36}
    rest = {"grams": 1, "kilograms": 1000}, {"milliliters": 1, "liters": 1000}
    table = next(
        t for t in (seconds, months, lengths, imperial, money, *rest) if any(f" {unit}" in text for unit in t)
    )
    asked = re.search(r"ow many ([a-z]+)", text)
    assert asked is not None
    counted = re.sub(r"\bone ([a-z]+)", r"1 \1s", text)
    amount = sum(int(count) * table[unit] for count, unit in re.findall(r"([0-9]+) ([a-z]+)", counted))
    assert amount % table[asked[1]] == 0
    return str(amount // table[asked[1]])


def solve_logic(text: str) -> str:
    up = {"taller", "older", "faster", "richer"}
    above: set[tuple[str, str]] = set()
    for left, word, right in re.findall(r"(\w+) is (\w+) than (\w+)\.", text):
        above.add((left, right) if word in up else (right, left))
    people = {person for pair in above for person in pair}
    while more := {(a, d) for a, b in above for c, d in above if b == c} - above:
        above |= more
    if match := re.search(r"Is (\w+) (\w+) than (\w+)\? Yes or no\?", text):
        return "yes" if (match[1], match[3]) in above else "no"
    is_top = re.search(r"tallest|oldest|fastest|richest", text) is not None
    answers = [p for p in people if all((p, o) in above if is_top else (o, p) in above for o in people - {p})]
    assert len(answers) == 1, "one answer, no other"
    return answers[0]


@pytest.mark.parametrize(("family", "level"), CASES)
def test_the_truth_agrees_with_a_second_reckoning(family: str, level: int) -> None:
    for question in make_questions(family, level, 300):
        assert solve(question) == question.truth, question.text


@given(FAMILY_NAMES, SEEDS, st.sampled_from(LEVELS))
def test_the_truth_agrees_for_any_seed(family: str, seed: bytes, level: int) -> None:
    question = generate(family, seed, level)
    assert solve(question) == question.truth, question.text


# --- distribution -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "level"), CASES)
def test_questions_vary_and_no_guess_pays(family: str, level: int) -> None:
    questions = make_questions(family, level, 600)
    assert len({question.text for question in questions}) >= 90
    truths = Counter(question.truth for question in questions)
    assert len(truths) >= 6
    assert truths.most_common(1)[0][1] <= 0.35 * len(questions), truths.most_common(3)
    openings = Counter(" ".join(question.text.split()[:3]) for question in questions)
    assert len(openings) >= 3 or family == "logic" or (family, level) == ("clock", 3)


def test_openings_name_the_drawn_families_only() -> None:
    assert DRAWN_FAMILIES == ("arithmetic", "counting", "dates", "logic", "ordering", "units")
    assert {draw_gold(b"secret", index).family.decode() for index in range(200)} == {*DRAWN_FAMILIES}
    for family in FAMILIES:
        opening = GoldOpening(GOLD_VERSION, family.encode(), 1, make_seed(0))
        if family in DRAWN_FAMILIES:
            assert open_gold(opening) == generate(family, make_seed(0), 1)
        else:
            with pytest.raises(PeerError, match="gold: got version 1 and family"):
                open_gold(opening)


def test_draws_are_uniform() -> None:
    draw = Draw("arithmetic", 1, make_seed(0))
    for count in (2, 3, 7, 10):
        seen = Counter(draw.below(count) for _ in range(7_000))
        expected = 7_000 / count
        chi_square = sum((seen[value] - expected) ** 2 / expected for value in range(count))
        assert chi_square < 30, (count, seen)  # 9 degrees of freedom at most: beyond 30 once in 2,000
        assert sorted(seen) == list(range(count))


def test_a_word_beyond_the_fair_range_is_drawn_again() -> None:
    class Scripted(Draw):
        __slots__ = ("words",)
        words: list[int]

        def _next_word(self) -> int:
            return self.words.pop(0)

    draw = Scripted("f", 1, bytes(32))
    draw.words = [WORD_VALUES - 1, 5]  # 2**64 = 1 modulo 3: the topmost word would favour 0
    assert draw.below(3) == 2
    draw.words = [WORD_VALUES - 1]
    assert draw.below(4) == 3


@given(SEEDS, st.integers(0, 8))
def test_a_sample_has_no_place_twice(seed: bytes, count: int) -> None:
    sample = Draw("f", 1, seed).sample(range(8), count)
    assert len(sample) == len(set(sample)) == count


def test_families_and_levels_draw_from_independent_streams() -> None:
    firsts = {Draw(family, level, make_seed(0)).below(1 << 60) for family, level in CASES}
    assert len(firsts) == len(CASES)


def test_the_stream_is_the_documented_one() -> None:
    seed = make_seed(0)
    parts = (b"i", b"1"), (b"b", b"dates"), (b"i", b"2"), (b"b", seed), (b"i", b"0")
    data = b"".join(marker + len(part).to_bytes(8, "big") + part for marker, part in parts)
    block = hashlib.sha256(b"peerage/1/hash/gold\x00" + data).digest()
    draw = Draw("dates", 2, seed)
    words = [draw.below(WORD_VALUES) for _ in range(4)]
    assert b"".join(word.to_bytes(8, "big") for word in words) == block


def test_the_words_are_plain_and_unique() -> None:
    assert len(set(WORDS)) == len(WORDS)
    assert all(re.fullmatch(r"[a-z]{3,9}", word) for word in WORDS)
    assert len(set(NAMES)) == len(NAMES)
    assert all(re.fullmatch(r"[A-Z][a-z]{1,6}", name) for name in NAMES)


@pytest.mark.parametrize(
    ("family", "seed", "level", "message"),
    [
        ("poetry", bytes(32), 1, "no question family 'poetry'"),
        ("dates", bytes(32), 0, "no level 0"),
        ("dates", bytes(32), 4, "no level 4"),
        ("dates", bytes(31), 1, "32 bytes, got 31"),
    ],
)
def test_what_cannot_be_generated_is_named(family: str, seed: bytes, level: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generate(family, seed, level)


def write_vectors() -> None:
    questions: list[Vector] = [
        {"family": q.family, "level": q.level, "seed": make_seed(i).hex(), "text": q.text, "truth": q.truth}
        for family, level in CASES
        for i, q in enumerate(make_questions(family, level, 8))
    ]
    vectors: VectorFile = {"version": GOLD_VERSION, "questions": questions}
    VECTORS.write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    write_vectors()
