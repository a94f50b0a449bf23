"""Families from daily life: money, the clock, short stories with numbers."""

from consensus._gold_draw import Draw
from consensus._gold_families import Composed
from consensus._gold_tables import GOODS
from consensus._gold_words import NAMES

HOUR_MINUTES = 60
HALF_DAY_HOURS = 12
_THINGS = ("apples", "books", "coins", "pencils", "stamps", "marbles", "cards", "eggs", "shells", "stickers")


def compose_money(draw: Draw, level: int) -> Composed:
    """Prices and change in whole dollars: one step, two steps, then a price to be found."""
    (one, many), (other, others) = draw.sample(GOODS, 2)
    price, count = draw.between(2, 9), draw.between(2, 9)
    shapes: tuple[str, ...]
    if level == 1:
        if draw.below(2) == 0:
            shapes = (
                "A {one} costs {p} dollars. How much do {c} {many} cost?",
                "One {one} costs ${p}. What is the price of {c} {many}?",
                "If one {one} is ${p}, how much are {c} {many}?",
            )
            text = draw.pick(shapes).format(one=one, many=many, p=price, c=count)
            return Composed(text, str(price * count))
        paid = draw.pick((10, 20, 50))
        price = draw.between(1, paid - 1)
        shapes = (
            "You buy a {one} for ${p} and pay with ${n}. How much change do you get?",
            "A {one} costs ${p}. How much change do you get from ${n}?",
            "How much change is left from ${n} after buying a {one} for ${p}?",
        )
        return Composed(draw.pick(shapes).format(one=one, p=price, n=paid), str(paid - price))
    if level == 2:
        extra = draw.between(2, 19)
        shapes = (
            "A {one} costs ${p} and a {other} costs ${q}. How much do {c} {many} and one {other} cost?",
            "What is the price of {c} {many} at ${p} each and one {other} at ${q}?",
            "You buy {c} {many} for ${p} each and a {other} for ${q}. How much do you pay?",
        )
        values = {"one": one, "many": many, "other": other, "p": price, "q": extra, "c": count}
        return Composed(draw.pick(shapes).format(**values), str(price * count + extra))
    second, total = draw.between(2, 6), draw.between(2, 9)
    shapes = (
        "{c} {many} and {d} {others} cost ${t} together. One {one} costs ${p}. What does one {other} cost?",
        "You pay ${t} for {c} {many} at ${p} each and {d} {others}. How much is one {other}?",
        "If {c} {many} at ${p} each and {d} {others} cost ${t}, what is the price of one {other}?",
    )
    names = {"one": one, "many": many, "other": other, "others": others}
    paid = price * count + total * second
    return Composed(draw.pick(shapes).format(c=count, d=second, p=price, t=paid, **names), str(total))


def _write_time(minutes: int) -> str:
    """Write minutes after twelve on a clock with twelve hours, such as `3:05`."""
    hour, minute = divmod(minutes % (HALF_DAY_HOURS * HOUR_MINUTES), HOUR_MINUTES)
    return f"{hour or HALF_DAY_HOURS}:{minute:02}"


def compose_clock(draw: Draw, level: int) -> Composed:
    """What the clock shows: whole hours on, minutes on, the minutes between two times."""
    if level == 3:
        start, gap = draw.between(60, 600), draw.between(21, 110)
        shapes: tuple[str, ...] = (
            "How many minutes is it from {a} to {b}?",
            "How many minutes pass between {a} and {b}?",
            "A film starts at {a} and ends at {b}. How many minutes does it last?",
        )
        times = {"a": _write_time(start), "b": _write_time(start + gap)}
        return Composed(draw.pick(shapes).format(**times), str(gap))
    if level == 1:
        start = HOUR_MINUTES * draw.between(1, HALF_DAY_HOURS)
        count = draw.between(1, 11)
        gap, many = HOUR_MINUTES * count, "1 hour" if count == 1 else f"{count} hours"
    else:
        start, gap = 5 * draw.between(12, 143), 5 * draw.between(2, 11)
        many = f"{gap} minutes"
    if draw.below(3) > 0:
        shapes = (
            "It is {a} now. What time will it be in {m}?",
            "What time is it {m} after {a}?",
            "The clock shows {a}. What does it show {m} later?",
        )
    else:
        gap = -gap
        shapes = (
            "It is {a} now. What time was it {m} ago?",
            "What time is it {m} before {a}?",
            "The clock shows {a}. What did it show {m} earlier?",
        )
    return Composed(draw.pick(shapes).format(a=_write_time(start), m=many), _write_time(start + gap))


def compose_stories(draw: Draw, level: int) -> Composed:
    """A sentence or three with numbers: one step, two steps, three steps."""
    name, friend = draw.sample(NAMES, 2)
    thing = draw.pick(_THINGS)
    words = {"n": name, "f": friend, "t": thing}
    if level == 1:
        return _compose_one_step(draw, words)
    shapes: tuple[str, ...]
    if level == 2:
        a, b, c = draw.between(10, 40), draw.between(2, 9), draw.between(2, 9)
        shapes = (
            "{n} has {a} {t}, loses {b} and finds {c}. How many {t} does {n} have now?",
            "{n} has {a} {t}. {n} gives {b} to {f} and buys {c} more. How many {t} does {n} have now?",
            "There are {a} {t} in a box. {n} takes {b}, and {f} adds {c}. How many {t} are in the box now?",
        )
        return Composed(draw.pick(shapes).format(a=a, b=b, c=c, **words), str(a - b + c))
    a, b, c = draw.between(3, 9), draw.between(3, 9), draw.between(2, 8)
    shapes = (
        "{n} has {a} bags with {b} {t} each and gives {c} {t} to {f}. How many {t} does {n} have left?",
        "A box holds {b} {t}. {n} buys {a} boxes and loses {c} {t}. How many {t} does {n} have left?",
        "{f} gives {n} {b} {t} a day for {a} days. {n} loses {c} of them. How many {t} does {n} have left?",
    )
    return Composed(draw.pick(shapes).format(a=a, b=b, c=c, **words), str(a * b - c))


def _compose_one_step(draw: Draw, words: dict[str, str]) -> Composed:
    kind, a, b = draw.below(3), draw.between(2, 9), draw.between(2, 6)
    if kind == 0:
        shapes = (
            "There are {a} boxes with {b} {t} each. How many {t} are there?",
            "{n} buys {a} bags with {b} {t} each. How many {t} does {n} buy?",
            "{a} boxes hold {b} {t} each. How many {t} do they hold together?",
        )
        return Composed(draw.pick(shapes).format(a=a, b=b, **words), str(a * b))
    if kind == 1:
        shapes = (
            "{n} has {a} {t} and gets {b} more. How many {t} does {n} have now?",
            "{n} has {a} {t} and {f} has {b}. How many {t} do they have together?",
            "There are {a} {t} on the table. {n} adds {b}. How many {t} are there now?",
        )
        return Composed(draw.pick(shapes).format(a=a, b=b, **words), str(a + b))
    a += b
    shapes = (
        "{n} has {a} {t} and gives {b} to {f}. How many {t} does {n} have left?",
        "There are {a} {t} on the table. {n} takes {b}. How many {t} are left?",
        "{n} had {a} {t} and lost {b} of them. How many {t} does {n} have now?",
    )
    return Composed(draw.pick(shapes).format(a=a, b=b, **words), str(a - b))
