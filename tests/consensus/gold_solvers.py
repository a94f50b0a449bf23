"""A second reckoning of the measuring families: from a question's text to its answer, by other means."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from consensus._gold_tables import (
    ANTONYMS,
    CAPITALS,
    FEMALES,
    KINDS,
    MALES,
    PARTICIPLES,
    PASTS,
    PLURALS,
    RARE_ANTONYMS,
    RARE_CAPITALS,
    RARE_PASTS,
    RARE_PLURALS,
    YOUNG,
    Pair,
)

DIGIT_WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
DIGIT_WORDS += " sixteen seventeen eighteen nineteen"
TEN_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"


def get_numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", text)]


def get_listed(text: str) -> list[str]:
    match = re.search(r": ([^:]+?)[.?]( Which one\?)?$", text)
    assert match is not None, text
    return match[1].split(", ")


def look_up(pairs: Sequence[Pair], text: str) -> str:
    """Return the right side of the one pair whose left side `text` asks about."""
    asked = re.sub(r": .*", "", text)
    found = sorted({right for left, right in pairs if re.search(rf"\b{left}\b", asked)})
    assert len(found) == 1, (text, found)
    if text != asked:
        listed = get_listed(text)
        assert len({*listed}) == len(listed)
        assert listed.count(found[0]) == 1
    return found[0]


def solve_antonyms(text: str) -> str:
    return look_up(ANTONYMS + RARE_ANTONYMS, text)


def solve_capitals(text: str) -> str:
    known = CAPITALS + RARE_CAPITALS
    if "country" in text:
        return next(country for country, city in known if re.search(rf"\b{city}\b", text))
    return next(city for country, city in known if text.endswith((f" of {country}?", f" of {country}.")))


def solve_plurals(text: str) -> str:
    match = re.search(r'"?(\w+)"?[?.]$', text)
    assert match is not None
    irregular = dict(PLURALS + RARE_PLURALS)
    for pattern, ending in ((r"(.*[^aeiou])y", "ies"), (r"(.*(?:s|x|[cs]h))", "es"), (r"(.*)", "s")):
        if found := re.fullmatch(pattern, match[1]):
            return irregular.get(match[1], found[1] + ending)
    raise AssertionError(text)


def solve_tenses(text: str) -> str:
    return look_up(PARTICIPLES if "participle" in text else PASTS + RARE_PASTS, text)


def solve_categories(text: str) -> str:
    kind_of = {word: kind.name for kind in KINDS for word in kind.words}
    listed = get_listed(text)
    kinds = [kind_of[word] for word in listed]
    if "belong" in text or "odd one out" in text:
        assert len(set(kinds)) == 2
        return next(word for word, kind in zip(listed, kinds, strict=True) if kinds.count(kind) == 1)
    asked = next(kind.name for kind in KINDS if re.search(rf"(?:is|names?) {kind.name}:", text))
    if text.startswith(("How many", "Count", "In this list")):
        return str(kinds.count(asked))
    assert kinds.count(asked) == 1
    return listed[kinds.index(asked)]


def solve_spelling(text: str) -> str:
    if "alphabet" in text:
        match = re.search(r"(?:(\d) places|right) (after|before) ([A-Z])", text)
        assert match is not None
        return chr(ord(match[3]) + int(match[1] or 1) * (1 if match[2] == "after" else -1))
    quoted = re.search(r'"(\w+)"|word (\w+) begins|letter of (\w+)\?', text)
    assert quoted is not None
    word = next(group for group in quoted.groups() if group)
    if "last letter to the first" in text or "backwards" in text:
        return "".join(reversed(word))
    if "start with" in text or "begins with" in text:
        return word[0]
    place = re.search(r"(first|second|third|fourth|last)( to last)?", text)
    assert place is not None
    index = ("first", "second", "third", "fourth").index(place[1]) if place[1] != "last" else -1
    return word[::-1][index] if place[2] else word[index]


def solve_animals(text: str) -> str:
    if "female" in text:
        return look_up(FEMALES, text)
    if "animal" in text:
        return look_up([(young, animal) for animal, young in YOUNG], text)
    return look_up(MALES if " male " in text else YOUNG, text)


def solve_comparison(text: str) -> str:
    numbers = re.findall(r"[0-9]+(?:\.[0-9]+)?", text)
    if product := re.search(r"(\d+) \* (\d+)|product of (\d+) and (\d+)", text):
        factors = [number for number in product.groups() if number]
        for factor in factors:
            numbers.remove(factor)
        numbers.append(str(int(factors[0]) * int(factors[1])))
    ordered: list[str] = sorted(numbers, key=Fraction)
    assert len({Fraction(number) for number in ordered}) == 2
    return ordered[-1 if "larger" in text else 0]


def solve_sequences(text: str) -> str:
    """Continue by equal steps, equal factors, sums of neighbours or steps of equal growth."""
    numbers = get_numbers(text)
    steps = [b - a for a, b in pairwise(numbers)]
    if len({*steps}) == 1:
        return str(numbers[-1] + steps[-1])
    if all(b * numbers[0] == a * numbers[1] for a, b in pairwise(numbers)):
        return str(numbers[-1] * numbers[1] // numbers[0])
    growth = {b - a for a, b in pairwise(steps)}
    is_sum = all(a + b == c for a, b, c in zip(numbers, numbers[1:], numbers[2:], strict=False))
    assert (len(growth) == 1) != is_sum, "one rule, no other"
    return str(numbers[-1] + numbers[-2] if is_sum else 2 * numbers[-1] - numbers[-2] + steps[-1] - steps[-2])


def solve_divisibility(text: str) -> str:
    listed = [int(item) for item in get_listed(text)]
    match = re.search(r"by (\d+)|of (\d+)", text)
    divisor, rest = (int(match[1] or match[2]), 0) if match else (2, 1 if "odd" in text else 0)
    right = [number for number in listed if number % divisor == rest]
    assert len(right) == 1
    return str(right[0])


def solve_rounding(text: str) -> str:
    match = re.search(r"[0-9]+(?:\.[0-9]+)?", text)
    assert match is not None
    size = next(
        n for word, n in (("ten", 10), ("hundred", 100), ("thousand", 1000), ("whole", 1)) if word in text
    )
    parts = Fraction(match[0]) / size
    assert parts % 1 != Fraction(1, 2)
    return str(round(parts) * size)


def solve_numerals(text: str) -> str:
    values = {word: i for i, word in enumerate(DIGIT_WORDS.split())}
    values |= {word: 10 * i for i, word in enumerate(TEN_WORDS.split(), start=2)}
    total = group = 0
    for word in re.findall(r"[a-z]+", text):
        if word == "hundred":
            group *= 100
        elif word == "thousand":
            total, group = 1000 * group, 0
        else:
            group += values.get(word, 0)
    return str(total + group)


def read_roman(text: str) -> int:
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}[sign] for sign in text]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def solve_roman(text: str) -> str:
    if match := re.search(r"\b([IVXLCDM]+)\b", text):
        return str(read_roman(match[1]))
    (number,) = get_numbers(text)
    return write_roman(number)


def write_roman(number: int) -> str:
    """Write digit by digit, by the pattern of each decimal place."""
    patterns = ("", "a", "aa", "aaa", "ab", "b", "ba", "baa", "baaa", "ac")
    places = zip(reversed(str(number)), ("IVX", "XLC", "CDM", "M--"), strict=False)
    written = [patterns[int(digit)].translate(str.maketrans("abc", signs)) for digit, signs in places]
    return "".join(reversed(written))


def solve_division(text: str) -> str:
    numbers = get_numbers(text)
    if "remain" in text:
        return str(numbers[0] % numbers[1])
    small, large = sorted(numbers)
    assert large % small == 0
    return str(large // small)


def solve_fractions(text: str) -> str:
    if match := re.search(r"(\d+)/(\d+) of (\d+)", text):
        result = Fraction(int(match[1]), int(match[2])) * int(match[3])
    else:
        (number,) = get_numbers(text)
        parts = {"half": Fraction(1, 2), "third": Fraction(1, 3), "quarter": Fraction(1, 4)}
        parts |= {
            "fifth": Fraction(1, 5),
            "tenth": Fraction(1, 10),
            "double": Fraction(2),
            "twice": Fraction(2),
        }
        result = next(part for word, part in parts.items() if word in text) * number
    assert result.denominator == 1
    return str(result)


def solve_percentages(text: str) -> str:
    match = re.search(r"(\d+)(?: percent|%)", text)
    other = re.search(r"\b(\d+)(?! percent|%|\d)", text)
    assert match is not None
    assert other is not None
    share, number = Fraction(int(match[1]), 100), int(other[1])
    factor = share
    if re.search("increase|larger", text, re.IGNORECASE):
        factor = 1 + share
    elif re.search("decrease|smaller", text, re.IGNORECASE):
        factor = 1 - share
    result = factor * number
    assert result.denominator == 1
    return str(result)


def solve_money(text: str) -> str:
    """Balance: what is paid is the sum of counts times prices."""
    prices = [int(price) for price in re.findall(r"\$(\d+)", text)]
    counts = [int(count) for count in re.findall(r"(?<!\$)\b(\d+) (?!dollars)", text)]
    prices += [int(price) for price in re.findall(r"(\d+) dollars", text)]
    if "change" in text:
        return str(max(prices) - min(prices))
    if len(counts) == 2:
        total, price = max(prices), min(prices)
        rest = total - counts[0] * price
        assert rest % counts[1] == 0
        return str(rest // counts[1])
    return str(prices[0] * counts[0] + sum(prices[1:]))


def solve_clock(text: str) -> str:
    times = [datetime.strptime(shown, "%I:%M") for shown in re.findall(r"\d+:\d\d", text)]
    if len(times) == 2:
        return str((times[1] - times[0]) % timedelta(hours=12) // timedelta(minutes=1))
    match = re.search(r"(\d+) (hour|minute)s?", text)
    assert match is not None
    step = timedelta(**{f"{match[2]}s": int(match[1])})
    is_back = re.search("ago|before|earlier", text) is not None
    return (times[0] - step if is_back else times[0] + step).strftime("%I:%M").removeprefix("0")


def solve_stories(text: str) -> str:
    numbers = get_numbers(text)
    if re.search(r"(?:bags|boxes) (?:with|hold)|box holds|a day for", text):
        return str(numbers[0] * numbers[1] - sum(numbers[2:]))
    signs = {"gives": -1, "takes": -1, "loses": -1, "lost": -1}
    spoken = re.findall(r"\b(\w+) (?:out )?(\d+)", re.sub(r" (?:apples|of them)", "", text))
    assert [int(count) for _, count in spoken] == numbers
    return str(sum(signs.get(verb, 1) * int(count) for verb, count in spoken))


SOLVERS: dict[str, Callable[[str], str]] = {
    "animals": solve_animals,
    "antonyms": solve_antonyms,
    "capitals": solve_capitals,
    "categories": solve_categories,
    "clock": solve_clock,
    "comparison": solve_comparison,
    "divisibility": solve_divisibility,
    "division": solve_division,
    "fractions": solve_fractions,
    "money": solve_money,
    "numerals": solve_numerals,
    "percentages": solve_percentages,
    "plurals": solve_plurals,
    "roman": solve_roman,
    "rounding": solve_rounding,
    "sequences": solve_sequences,
    "spelling": solve_spelling,
    "stories": solve_stories,
    "tenses": solve_tenses,
}
