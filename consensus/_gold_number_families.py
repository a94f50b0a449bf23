"""Families about numbers: comparing, continuing, dividing, rounding, writing, parts of a whole."""

from consensus._gold_draw import Draw
from consensus._gold_families import Composed

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL")),
    *((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)


def compute_words(number: int) -> str:
    """Write 0 <= `number` < 1,000,000 in English words, without "and"."""
    assert 0 <= number < 1_000_000
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    size, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    head, rest = divmod(number, size)
    return f"{compute_words(head)} {name}" + (f" {compute_words(rest)}" if rest else "")


def compute_roman(number: int) -> str:
    """Write 1 <= `number` < 4000 in Roman numerals."""
    assert 1 <= number < 4000
    written = ""
    for value, sign in _ROMAN:
        count, number = divmod(number, value)
        written += sign * count
    return written


def compose_comparison(draw: Draw, level: int) -> Composed:
    """The larger or smaller of two: whole numbers, decimals, a product and a number."""
    is_larger = draw.below(2) == 0
    word = "larger" if is_larger else "smaller"
    if level == 3:
        a, b = draw.between(3, 12), draw.between(3, 12)
        other = a * b + draw.pick((-5, -4, -3, -2, -1, 1, 2, 3, 4, 5))
        truth = max(a * b, other) if is_larger else min(a * b, other)
        shapes: tuple[str, ...] = (
            "Compute {a} * {b}. Which is {w}, the result or {c}? Give the number.",
            "Which number is {w}: the product of {a} and {b}, or {c}? Give it in digits.",
            "What is the {w} one of {c} and the product of {a} and {b}? Give it in digits.",
        )
        return Composed(draw.pick(shapes).format(a=a, b=b, c=other, w=word), str(truth))
    if level == 1:
        low, high = draw.pick(((10, 99), (100, 999)))
        x, y = draw.sample(range(low, high + 1), 2)
        one, two = str(x), str(y)
    else:  # one decimal against two: the longer one is not always the larger
        x, y = 10 * draw.between(1, 9), draw.between(11, 99)
        y += 1 if y % 10 == 0 else 0
        whole = draw.between(0, 9)
        one, two = f"{whole}.{x // 10}", f"{whole}.{y}"
    truth_text = one if (x > y) == is_larger else two
    if draw.below(2) == 0:
        one, two = two, one
    shapes = (
        "Which number is {w}, {x} or {y}?",
        "Which is {w}: {x} or {y}?",
        "What is the {w} number of {x} and {y}?",
    )
    return Composed(draw.pick(shapes).format(w=word, x=one, y=two), truth_text)


def compose_sequences(draw: Draw, level: int) -> Composed:
    """What comes next: by equal steps, by factors or larger steps, by a rule to be found."""
    if level == 1:
        step = draw.pick((1, 2, 5, 10, 100))
        start = step * draw.between(1, 30) if draw.below(2) == 0 else draw.between(1, 30)
        numbers = [start + step * i for i in range(5)]
    elif level == 2:
        numbers = _draw_geometric(draw) if draw.below(2) == 0 else _draw_steps(draw)
    else:
        numbers = _draw_growing(draw)
    shapes = (
        "Continue the sequence: {s}. What is the next number?",
        "Continue this sequence: {s}. Which number is next?",
        "Here is a sequence: {s}. What is the next number?",
    )
    shown = ", ".join(str(number) for number in numbers[:-1])
    return Composed(draw.pick(shapes).format(s=shown), str(numbers[-1]))


def _draw_geometric(draw: Draw) -> list[int]:
    start, factor = draw.between(1, 60), draw.pick((2, 3, 10))
    return [start * factor**i for i in range(5)]


def _draw_steps(draw: Draw) -> list[int]:
    start, step = draw.between(1, 60), draw.between(6, 19)
    numbers = [start + step * i for i in range(5)]
    return numbers[::-1] if draw.below(2) == 0 else numbers


def _draw_growing(draw: Draw) -> list[int]:
    numbers = [draw.between(1, 20), draw.between(1, 20)]
    if draw.below(2) == 0:  # each is the sum of the two before
        while len(numbers) < 6:
            numbers.append(numbers[-1] + numbers[-2])
        return numbers
    step, growth = draw.between(1, 9), draw.between(1, 5)
    return [numbers[0] + step * i + growth * i * (i - 1) // 2 for i in range(6)]


def compose_divisibility(draw: Draw, level: int) -> Composed:
    """Which one is even or odd, which can be divided by a small number, by a harder one."""
    if level == 1:
        is_even = draw.below(2) == 0
        numbers = [2 * draw.between(1, 49) + (0 if is_even else 1)]
        numbers += [2 * number + (1 if is_even else 0) for number in draw.sample(range(1, 50), 2)]
        shapes: tuple[str, ...] = (
            "Which of these numbers is {k}: {s}?",
            "Which number is {k}: {s}?",
            "One of these numbers is {k}: {s}. Which one?",
        )
        listed = ", ".join(str(number) for number in draw.sample(numbers, 3))
        return Composed(draw.pick(shapes).format(k="even" if is_even else "odd", s=listed), str(numbers[0]))
    divisor = draw.pick((3, 5, 10) if level == 2 else (4, 6, 7, 9))
    low, high = (11, 99) if level == 2 else (100, 400)
    right = draw.pick([number for number in range(low, high + 1) if number % divisor == 0])
    wrong = draw.sample([number for number in range(low, high + 1) if number % divisor], 3)
    listed = ", ".join(str(number) for number in draw.sample([right, *wrong], 4))
    shapes = (
        "Which of these numbers can be divided by {d} without a remainder: {s}?",
        "Which number is a multiple of {d}: {s}?",
        "One of these numbers is divisible by {d}: {s}. Which one?",
    )
    return Composed(draw.pick(shapes).format(d=divisor, s=listed), str(right))


def compose_rounding(draw: Draw, level: int) -> Composed:
    """To the nearest ten, to the nearest hundred, thousand or whole number; never a tie."""
    if level == 3 and draw.below(2) == 0:
        whole, rest = draw.between(1, 199), draw.pick([x for x in range(1, 100) if x % 10 and x != 50])
        number, unit, truth = f"{whole}.{rest:02}", "whole number", whole + (1 if rest > 50 else 0)
    else:
        size = (10, 100, 1000)[level - 1]
        value = size * draw.between(1, 9 if level == 1 else 30) + draw.pick(
            [x for x in range(1, size) if 2 * x != size]
        )
        unit = ("ten", "hundred", "thousand")[level - 1]
        number, truth = str(value), (value + size // 2) // size * size
    shapes = (
        "What is {n} rounded to the nearest {u}?",
        "Round {n} to the nearest {u}.",
        "Which number do you get when you round {n} to the nearest {u}?",
    )
    return Composed(draw.pick(shapes).format(n=number, u=unit), str(truth))


def compose_numerals(draw: Draw, level: int) -> Composed:
    """Numbers in words, to be written in digits: below 100, 1,000 and 100,000."""
    low, high = ((11, 99), (101, 999), (1001, 99_999))[level - 1]
    number = draw.between(low, high)
    shapes = (
        "Write {w} in digits.",
        "What number is {w}, in digits?",
        "How do you write {w} as a number?",
    )
    return Composed(draw.pick(shapes).format(w=compute_words(number)), str(number))


def compose_roman(draw: Draw, level: int) -> Composed:
    """Roman numerals, read and written: to 20, to 120, to 2030."""
    low, high = ((1, 20), (21, 120), (121, 2030))[level - 1]
    number = draw.between(low, high)
    roman = compute_roman(number)
    if draw.below(2) == 0:
        shapes: tuple[str, ...] = (
            "What number is the Roman numeral {r}?",
            "Write the Roman numeral {r} in digits.",
            "Which number does the Roman numeral {r} stand for?",
        )
        return Composed(draw.pick(shapes).format(r=roman), str(number))
    shapes = (
        "How do you write {n} in Roman numerals?",
        "Write {n} as a Roman numeral.",
        "What is the Roman numeral for {n}?",
    )
    return Composed(draw.pick(shapes).format(n=number), roman)


def compose_division(draw: Draw, level: int) -> Composed:
    """Dividing without a remainder, small remainders, larger ones."""
    if level == 1:
        b, q = draw.between(2, 12), draw.between(2, 15)
        shapes: tuple[str, ...] = (
            "What is {a} / {b}?",
            "Divide {a} by {b}. What do you get?",
            "How many times does {b} go into {a}?",
            "What do you get when you divide {a} by {b}?",
        )
        return Composed(draw.pick(shapes).format(a=b * q, b=b), str(q))
    b, q = (
        (draw.between(3, 10), draw.between(1, 9))
        if level == 2
        else (draw.between(6, 19), draw.between(6, 40))
    )
    rest = draw.below(b)
    shapes = (
        "What is the remainder when {a} is divided by {b}?",
        "What remains when you divide {a} by {b}?",
        "Divide {a} by {b}. What is the remainder?",
    )
    return Composed(draw.pick(shapes).format(a=b * q + rest, b=b), str(rest))


def compose_fractions(draw: Draw, level: int) -> Composed:
    """Parts of a number: half and double, thirds to tenths, any fraction."""
    if level == 1:
        number = draw.between(2, 14)
        if draw.below(2) == 0:
            shapes: tuple[str, ...] = (
                "What is half of {n}?",
                "What is one half of {n}?",
                "What is the half of {n}?",
                "How much is half of {n}?",
            )
            return Composed(draw.pick(shapes).format(n=2 * number), str(number))
        shapes = (
            "What is twice {n}?",
            "How much is twice {n}?",
            "What is {n} doubled?",
            "What is the double of {n}?",
        )
        return Composed(draw.pick(shapes).format(n=number), str(2 * number))
    below = draw.pick((3, 4, 5, 10) if level == 2 else (3, 4, 5, 6, 8))
    names = {3: "third", 4: "quarter", 5: "fifth", 10: "tenth"}
    part = draw.between(2, 45)
    if level == 2:
        shapes = ("What is a {p} of {n}?", "How much is one {p} of {n}?", "Which number is a {p} of {n}?")
        return Composed(draw.pick(shapes).format(p=names[below], n=part * below), str(part))
    above = draw.between(2, below - 1)
    shapes = ("What is {f} of {n}?", "How much is {f} of {n}?", "Calculate {f} of {n}.")
    text = draw.pick(shapes).format(f=f"{above}/{below}", n=part * below)
    return Composed(text, str(above * part))


def compose_percentages(draw: Draw, level: int) -> Composed:
    """Percent of a number: tenth and half, other easy parts, then a raise or a discount."""
    if level == 1:
        percent, number = draw.pick((10, 50, 100)), 10 * draw.between(1, 90)
    else:
        percent = draw.pick((5, 20, 25, 30, 40, 60, 75, 80, 90))
        number = 20 * draw.between(1, 30)
    part = percent * number // 100
    if level < 3:
        shapes: tuple[str, ...] = (
            "What is {p} percent of {n}?",
            "How much is {p}% of {n}?",
            "Calculate {p} percent of {n}.",
        )
        return Composed(draw.pick(shapes).format(p=percent, n=number), str(part))
    is_raise = draw.below(2) == 0
    word, side = ("increase", "larger") if is_raise else ("decrease", "smaller")
    shapes = (
        f"What do you get if you {word} {{n}} by {{p}} percent?",
        f"Which number is {{p}} percent {side} than {{n}}?",
        f"{word.capitalize()} {{n}} by {{p}} percent. What is the result?",
    )
    truth = number + part if is_raise else number - part
    return Composed(draw.pick(shapes).format(p=percent, n=number), str(truth))
