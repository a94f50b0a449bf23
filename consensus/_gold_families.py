"""Six first families of questions, each a pure function of its draws: one text, one short truth.

Level 1 is within reach of a 135M model now and then; levels 2 and 3 take more steps. Numbers are written
in digits without separators, lists with commas, sentences end with a full stop or a question mark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from consensus._gold_draw import Draw
from consensus._gold_words import MONTHS, NAMES, WEEKDAYS, WORDS


@dataclass(frozen=True, slots=True)
class Composed:
    """A question's exact text and its one true answer."""

    text: str
    truth: str


class Family(Protocol):
    """A kind of question. The same draws give the same text and truth for as long as the version stands."""

    def __call__(self, draw: Draw, level: int) -> Composed:
        """Compose a question of `level`, 1 to 3."""


def compose_arithmetic(draw: Draw, level: int) -> Composed:
    """Add, subtract, multiply: what a child knows by heart, then longer numbers, then two operations."""
    kind = draw.below(3)
    if level == 1:
        return _compose_one_operation_by_heart(draw, kind)
    if level == 3:
        return _compose_two_operations(draw, kind)
    shapes: tuple[str, ...]
    if kind == 2:
        a, b = draw.between(12, 99), draw.between(3, 9)
        shapes = (
            "What is {a} times {b}?",
            "What is {a} * {b}?",
            "Multiply {a} by {b}.",
            "Calculate {a} x {b}.",
        )
        return Composed(draw.pick(shapes).format(a=a, b=b), str(a * b))
    low, high = draw.pick(((10, 99), (100, 999)))
    a, b = draw.between(low, high), draw.between(low, high)
    if kind == 0:
        shapes = ("What is {a} plus {b}?", "What is {a} + {b}?", "Add {a} and {b}.", "Calculate {a} + {b}.")
        return Composed(draw.pick(shapes).format(a=a, b=b), str(a + b))
    a, b = max(a, b), min(a, b)
    shapes = (
        "What is {a} minus {b}?",
        "What is {a} - {b}?",
        "Subtract {b} from {a}.",
        "Calculate {a} - {b}.",
    )
    return Composed(draw.pick(shapes).format(a=a, b=b), str(a - b))


def _compose_one_operation_by_heart(draw: Draw, kind: int) -> Composed:
    if kind == 2:
        a, b, word, sign = draw.between(2, 12), draw.between(2, 12), "times", "*"
        truth = a * b
    elif kind == 0:
        a, b, word, sign = draw.between(2, 20), draw.between(2, 20), "plus", "+"
        truth = a + b
    else:
        a, b = draw.between(2, 20), draw.between(2, 20)
        a, b, word, sign = max(a, b), min(a, b), "minus", "-"
        truth = a - b
    shape = draw.pick(("What is {a} {word} {b}?", "What is {a} {sign} {b}?", "How much is {a} {word} {b}?"))
    return Composed(shape.format(a=a, b=b, word=word, sign=sign), str(truth))


def _compose_two_operations(draw: Draw, kind: int) -> Composed:
    if kind == 0:
        a, b = draw.between(11, 49), draw.between(11, 49)
        shapes: tuple[str, ...] = ("What is {a} times {b}?", "What is {a} * {b}?", "Multiply {a} by {b}.")
        return Composed(draw.pick(shapes).format(a=a, b=b), str(a * b))
    a, b, c = draw.between(10, 99), draw.between(2, 12), draw.between(2, 12)
    if kind == 1:
        shapes = ("What is {a} + {b} * {c}?", "Multiply {b} by {c}, then add {a}. What do you get?")
        return Composed(draw.pick(shapes).format(a=a, b=b, c=c), str(a + b * c))
    shapes = ("What is ({a} + {b}) * {c}?", "Add {a} and {b}, then multiply by {c}. What do you get?")
    return Composed(draw.pick(shapes).format(a=a, b=b, c=c), str((a + b) * c))


def compute_days_in_month(year: int, month: int) -> int:
    """Return the days of `month` (1 to 12) in the Gregorian calendar."""
    if month == 2:
        is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return 29 if is_leap else 28
    return 30 if month in (4, 6, 9, 11) else 31


def compose_dates(draw: Draw, level: int) -> Composed:
    """Weekdays, months and their lengths: the next one, some steps on, then across a calendar."""
    if level == 3:
        return _compose_calendar(draw, draw.below(3))
    if level == 2 and draw.below(2) == 0:
        return _compose_month_length(draw)
    cycle, noun = draw.pick(((WEEKDAYS, "day"), (MONTHS, "month")))
    start = draw.below(len(cycle))
    is_after = draw.below(2) == 0
    side = "after" if is_after else "before"
    size = 1 if level == 1 else draw.between(2, len(cycle) + 3)
    many = "" if size == 1 else f"{size} {noun}s "
    shapes = (
        f"What {noun} is {many}{side} {cycle[start]}?",
        f"Which {noun} comes {many}{side} {cycle[start]}?",
        f"What is the {noun} {many}{side} {cycle[start]}?",
    )
    step = size if is_after else -size
    return Composed(draw.pick(shapes), cycle[(start + step) % len(cycle)])


def _compose_month_length(draw: Draw) -> Composed:
    if draw.below(2) == 0:
        month = draw.pick((1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12))
        shapes = (
            "How many days are in {m}?",
            "How many days does {m} have?",
            "How many days are there in {m}?",
        )
        days = compute_days_in_month(2001, month)
        return Composed(draw.pick(shapes).format(m=MONTHS[month - 1]), str(days))
    year = draw.between(1890, 2110)
    shapes = (
        "How many days are in February of the year {y}?",
        "How many days does February of the year {y} have?",
        "How many days are there in February {y}?",
    )
    return Composed(draw.pick(shapes).format(y=year), str(compute_days_in_month(year, 2)))


def _compose_calendar(draw: Draw, kind: int) -> Composed:
    month = draw.between(1, 12)
    last = compute_days_in_month(2001, month)
    name = MONTHS[month - 1]
    if kind == 0:
        a, b = sorted(draw.sample(range(1, last + 1), 2))
        start = draw.below(7)
        shapes: tuple[str, ...] = (
            "If {m} {a} is a {w}, what day of the week is {m} {b}?",
            "{m} {a} falls on a {w}. On what day of the week does {m} {b} fall?",
        )
        text = draw.pick(shapes).format(m=name, a=a, b=b, w=WEEKDAYS[start])
        return Composed(text, WEEKDAYS[(start + b - a) % 7])
    if kind == 1:
        month = draw.between(1, 11)
        a = draw.between(1, compute_days_in_month(2001, month))
        b = draw.between(1, compute_days_in_month(2001, month + 1))
        shapes = (
            "In a year that is not a leap year, how many days is it from {m} {a} to {n} {b}?",
            "How many days after {m} {a} is {n} {b}, when it is not a leap year?",
        )
        text = draw.pick(shapes).format(m=MONTHS[month - 1], a=a, n=MONTHS[month], b=b)
        return Composed(text, str(compute_days_in_month(2001, month) - a + b))
    day = draw.between(1, last)
    shapes = (
        "In a year that is not a leap year, {m} {d} is day number what of the year?",
        "What is the day number of {m} {d} in a year with 365 days, counting January 1 as day 1?",
    )
    before = sum(compute_days_in_month(2001, earlier) for earlier in range(1, month))
    return Composed(draw.pick(shapes).format(m=name, d=day), str(before + day))


def compose_counting(draw: Draw, level: int) -> Composed:
    """Counting on, letters and words; then how many of a kind there are in a list."""
    if level == 1:
        return _compose_plain_count(draw)
    kind = draw.below(4)
    if kind == 0:
        return _compose_repeats(draw, 3 * level)
    if kind == 1:
        count = 2 if level == 2 else 4
        words = draw.sample(WORDS, count)
        letter = draw.pick("aeiorst")
        shapes: tuple[str, ...] = (
            'How many times does the letter "{x}" appear in "{w}"?',
            'How many letters "{x}" are in "{w}"?',
        )
        text = " ".join(words)
        return Composed(draw.pick(shapes).format(x=letter, w=text), str(text.count(letter)))
    numbers = draw.sample(range(10, 100), 5 if level == 2 else 8)
    listed = _list_items(numbers)
    if kind == 2:
        limit = draw.between(30, 70)
        shapes = (
            "How many of these numbers are greater than {k}: {s}?",
            "Count the numbers greater than {k}: {s}.",
        )
        found = sum(number > limit for number in numbers)
        return Composed(draw.pick(shapes).format(k=limit, s=listed), str(found))
    shapes = ("How many of these numbers are even: {s}?", "Count the even numbers: {s}.")
    return Composed(draw.pick(shapes).format(s=listed), str(sum(number % 2 == 0 for number in numbers)))


def _compose_repeats(draw: Draw, length: int) -> Composed:
    times = draw.between(1, length - 2)
    word, *others = draw.sample(WORDS, 1 + length - times)
    listed = draw.sample([word] * times + others, length)
    shapes = (
        'How many times does "{w}" appear in this list: {s}?',
        'Count how many times "{w}" is written here: {s}.',
    )
    return Composed(draw.pick(shapes).format(w=word, s=_list_items(listed)), str(times))


def _compose_plain_count(draw: Draw) -> Composed:
    kind = draw.below(4)
    if kind <= 1:
        step = 1 if kind == 0 else draw.pick((2, 5, 10))
        start = draw.between(1, 50) if step == 1 else step * draw.between(1, 10)
        numbers = [start + step * i for i in range(5)]
        shapes = (
            "What number comes next: {s}?",
            "Which number comes next when you count {s}?",
            "What is the next number: {s}?",
        )
        return Composed(draw.pick(shapes).format(s=_list_items(numbers[:4])), str(numbers[4]))
    if kind == 2:
        word = draw.pick([word for word in WORDS if len(word) <= 6])
        shapes = (
            'How many letters are in the word "{w}"?',
            'How many letters does the word "{w}" have?',
            'How many letters are there in "{w}"?',
        )
        return Composed(draw.pick(shapes).format(w=word), str(len(word)))
    words = draw.sample(WORDS, draw.between(2, 5))
    shapes = (
        "How many words are in this list: {s}?",
        "How many words are here: {s}?",
        "How many words are there: {s}?",
    )
    return Composed(draw.pick(shapes).format(s=_list_items(words)), str(len(words)))


def _list_items(items: Sequence[int] | Sequence[str]) -> str:
    return ", ".join(str(item) for item in items)


def compose_ordering(draw: Draw, level: int) -> Composed:
    """Numbers by size, words by the alphabet: the end of a short list, then a place inside a longer one."""
    is_numeric = draw.below(2) == 0
    if level == 1:
        place = draw.pick((0, -1))
        count = draw.between(3, 4) if is_numeric else 3
    else:
        count = 4 if level == 2 else 6
        place = draw.pick((1, -2)) if level == 2 else draw.pick((2, -3))
    if is_numeric:
        numbers = draw.sample(range(1, 100 if level == 1 else 1000), count)
        names = {0: "smallest", -1: "largest", 1: "second smallest", -2: "second largest"}
        names |= {2: "third smallest", -3: "third largest"}
        shapes: tuple[str, ...] = (
            "Which number is the {p}: {s}?",
            "What is the {p} of these numbers: {s}?",
            "What is the {p} number in this list: {s}?",
        )
        text = draw.pick(shapes).format(p=names[place], s=_list_items(numbers))
        return Composed(text, str(sorted(numbers)[place]))
    words = draw.sample(WORDS, count)
    names = {0: "first", -1: "last", 1: "second", -2: "second to last", 2: "third", -3: "third to last"}
    shapes = (
        "Which word comes {p} in alphabetical order: {s}?",
        "In alphabetical order, which of these words is {p}: {s}?",
    )
    text = draw.pick(shapes).format(p=names[place], s=_list_items(words))
    return Composed(text, sorted(words)[place])


# (one large unit, small unit, small units in it), as everybody knows them.
_PLAIN_UNITS = (
    ("hour", "minutes", 60),
    ("minute", "seconds", 60),
    ("day", "hours", 24),
    ("week", "days", 7),
    ("year", "months", 12),
    ("decade", "years", 10),
    ("meter", "centimeters", 100),
    ("kilometer", "meters", 1000),
    ("kilogram", "grams", 1000),
    ("liter", "milliliters", 1000),
    ("yard", "feet", 3),
    ("dollar", "cents", 100),
)
# The same for several, plural.
_UNITS = (
    ("hours", "minutes", 60),
    ("minutes", "seconds", 60),
    ("days", "hours", 24),
    ("weeks", "days", 7),
    ("years", "months", 12),
    ("decades", "years", 10),
    ("centuries", "years", 100),
    ("meters", "centimeters", 100),
    ("centimeters", "millimeters", 10),
    ("kilometers", "meters", 1000),
    ("kilograms", "grams", 1000),
    ("liters", "milliliters", 1000),
    ("feet", "inches", 12),
    ("yards", "feet", 3),
)
# Two steps at once.
_FAR_UNITS = (
    ("hours", "seconds", 3600),
    ("weeks", "hours", 168),
    ("days", "minutes", 1440),
    ("kilometers", "centimeters", 100_000),
    ("meters", "millimeters", 1000),
    ("yards", "inches", 36),
    ("decades", "months", 120),
)


def compose_units(draw: Draw, level: int) -> Composed:
    """Time, length, mass, volume: into the smaller unit, then back or mixed, then over two steps."""
    if level == 3:
        large, small, factor = draw.pick(_FAR_UNITS)
        return _compose_into_smaller(draw, large, small, factor * draw.between(2, 12), factor)
    if level == 1:
        large, small, factor = draw.pick(_PLAIN_UNITS)
        count = draw.pick((1, 1, 1, 2, 3, 4, 5, 10))
        noun = f"one {large}" if count == 1 else f"{count} {large}s"
        shapes: tuple[str, ...] = (
            f"How many {small} are in {noun}?",
            f"How many {small} are there in {noun}?",
            f"How many {small} does {noun} have?" if count == 1 else f"How many {small} do {noun} have?",
        )
        return Composed(draw.pick(shapes), str(factor * count))
    large, small, factor = draw.pick(_UNITS)
    count = draw.between(2, 20)
    if draw.below(2) == 0:
        shapes = (
            "How many {l} are {n} {s}?",
            "How many {l} are there in {n} {s}?",
            "Convert {n} {s} to {l}. How many {l} is that?",
        )
        return Composed(draw.pick(shapes).format(l=large, s=small, n=count * factor), str(count))
    rest = draw.between(2, max(2, min(factor - 1, 59)))
    shapes = ("How many {s} are in {n} {l} and {r} {s}?", "How many {s} are {n} {l} and {r} {s} together?")
    text = draw.pick(shapes).format(l=large, s=small, n=count, r=rest)
    return Composed(text, str(count * factor + rest))


def _compose_into_smaller(draw: Draw, large: str, small: str, total: int, factor: int) -> Composed:
    shapes: tuple[str, ...] = (
        "How many {s} are in {n} {l}?",
        "How many {s} are there in {n} {l}?",
        "{n} {l} is how many {s}?",
        "Convert {n} {l} to {s}. How many {s} is that?",
    )
    return Composed(draw.pick(shapes).format(l=large, s=small, n=total // factor), str(total))


# (more of it, less of it, most of it, least of it).
_SCALES = (
    ("taller", "shorter", "tallest", "shortest"),
    ("older", "younger", "oldest", "youngest"),
    ("faster", "slower", "fastest", "slowest"),
    ("richer", "poorer", "richest", "poorest"),
)


def compose_logic(draw: Draw, level: int) -> Composed:
    """Who is tallest: from a chain of comparisons, told in order, then shuffled, then from both sides."""
    count = level + 2
    people = draw.sample(NAMES, count)  # from most to least
    more, less, most, least = draw.pick(_SCALES)
    facts = []
    for upper, lower in pairwise(people):
        is_reversed = level == 3 and draw.below(2) == 1
        facts.append(
            f"{lower} is {less} than {upper}." if is_reversed else f"{upper} is {more} than {lower}."
        )
    if level >= 2:
        facts = draw.sample(facts, len(facts))
    told = " ".join(facts)
    if level >= 2 and draw.below(2) == 0:
        a, b = sorted(draw.sample(range(count), 2))
        is_true = draw.below(2) == 0
        first, second = (people[a], people[b]) if is_true else (people[b], people[a])
        return Composed(f"{told} Is {first} {more} than {second}? Yes or no?", "yes" if is_true else "no")
    superlative, answer = draw.pick(((most, people[0]), (least, people[-1])))
    shapes: tuple[str, ...] = (
        "{t} Who is the {s}?",
        "{t} Which person is the {s}?",
        "{t} Who of them is the {s}?",
    )
    return Composed(draw.pick(shapes).format(t=told, s=superlative), answer)
