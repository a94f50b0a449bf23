"""Harmless forms of an answer that a family's questions invite, as rules on the answer's canonical key.

Each rule says which keys mean the same as the truth. A rule looks at the whole answer: what stands beside
the truth must be the form itself, so a sentence that holds the truth somewhere stays wrong.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from ranking.merge import canonical_key

_ARTICLES = (b"a ", b"an ", b"the ")
_LETTER_NAMES = (b"the letter ", b"letter ")
_DOLLARS = re.compile(rb"(?:\$ ?([0-9.,]+)|([0-9.,]+) dollars?)")
_TIME = re.compile(rb"([0-9]{1,2})(?::([0-9]{2}))?(?: o'clock)?(?: ?[ap]\.?m\.?)?")
_EQUATION = re.compile(rb"[0-9($][0-9 .,+*/x()%$-]* ?= ?([^=]+)")

Form = Callable[[bytes, bytes], bool]


def is_with_article(given: bytes, truth: bytes) -> bool:
    """Say whether `given` is `truth` with an article before it: `a puppy`."""
    return any(given == article + truth for article in _ARTICLES)


def is_named_letter(given: bytes, truth: bytes) -> bool:
    """Say whether `given` is a letter with its name before it, quoted or not: `the letter "e"`."""
    return any(
        given.startswith(name) and canonical_key(given[len(name) :]) == truth for name in _LETTER_NAMES
    )


def is_dollars(given: bytes, truth: bytes) -> bool:
    """Say whether `given` is a sum of dollars of the amount `truth`: `$12`, `12 dollars`, `$12.00`."""
    match = _DOLLARS.fullmatch(given)
    return match is not None and canonical_key(match[1] or match[2]) == truth


def is_time(given: bytes, truth: bytes) -> bool:
    """Say whether `given` is the time `truth` (`5:00`): `5`, `05:00`, `5 o'clock`, `5:00 pm`.

    The questions name no half of the day, so either half is as good as none. Hours run from 1 to 12.
    """
    match = _TIME.fullmatch(given)
    hour, colon, minute = truth.partition(b":")
    if match is None or not colon:  # some questions about the clock ask for minutes
        return False
    return int(match[1]) == int(hour) and int(match[2] or b"0") == int(minute)


def is_equation(given: bytes, truth: bytes) -> bool:
    """Say whether `given` is a reckoning in digits with `truth` as its result: `40 / 10 = 4`, `2 * $3 = $6`.

    The left side is not reckoned again: what is asked for is the result.
    """
    match = _EQUATION.fullmatch(given)
    return match is not None and (canonical_key(match[1]) == truth or is_dollars(match[1], truth))


# Families that are not here have the plain truth, and the unit that a question asks for.
FORMS: Mapping[str, tuple[Form, ...]] = MappingProxyType(
    {
        "animals": (is_with_article,),
        "categories": (is_with_article,),
        "clock": (is_time,),
        "division": (is_equation,),
        "fractions": (is_equation,),
        "money": (is_dollars, is_equation),
        "percentages": (is_equation,),
        "spelling": (is_named_letter,),
        "stories": (is_equation,),
    }
)


def has_form(family: str, given: bytes, truth: bytes) -> bool:
    """Say whether the key `given` is the key `truth` in a form that `family` invites."""
    return any(is_form(given, truth) for is_form in FORMS.get(family, ()))
