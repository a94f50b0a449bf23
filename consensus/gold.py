"""Gold: questions whose truth everyone can recompute from a seed (protocol.md, "Gold").

Pure and integer: the same family, seed and level give the same text and truth on every machine, for as
long as `GOLD_VERSION` stands. Who draws the seed, and when it opens, is not decided here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from consensus._gold_draw import GOLD_VERSION, Draw
from consensus._gold_families import (
    Family,
    compose_arithmetic,
    compose_counting,
    compose_dates,
    compose_logic,
    compose_ordering,
    compose_units,
)
from consensus._gold_forms import has_form
from consensus._gold_number_families import (
    compose_comparison,
    compose_divisibility,
    compose_division,
    compose_fractions,
    compose_numerals,
    compose_percentages,
    compose_roman,
    compose_rounding,
    compose_sequences,
)
from consensus._gold_story_families import compose_clock, compose_money, compose_stories
from consensus._gold_word_families import (
    compose_animals,
    compose_antonyms,
    compose_capitals,
    compose_categories,
    compose_plurals,
    compose_spelling,
    compose_tenses,
)
from consensus.encoding import Wire
from consensus.errors import ConfigError, PeerError
from consensus.hashing import tagged_hash
from ranking.merge import canonical_key

__all__ = [
    "DRAWN_FAMILIES",
    "FAMILIES",
    "GOLD_VERSION",
    "LEVELS",
    "SEED_BYTES",
    "Family",
    "GoldOpening",
    "GoldQuestion",
    "draw_gold",
    "generate",
    "is_correct",
    "open_gold",
]

SEED_BYTES = 32
LEVELS = (1, 2, 3)
DRAW_LEVEL = 1  # small models differ there: there is something to judge
ANSWER_CHARS_MAX = 1_000  # a longer text is an essay, whatever it says

# What an opening may name: which openings count decides what a standing becomes, so this is protocol, and
# growing it is a new GOLD_VERSION. The other families measure swarms and decide nothing.
DRAWN_FAMILIES = ("arithmetic", "counting", "dates", "logic", "ordering", "units")
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "animals": compose_animals,
        "antonyms": compose_antonyms,
        "arithmetic": compose_arithmetic,
        "capitals": compose_capitals,
        "categories": compose_categories,
        "clock": compose_clock,
        "comparison": compose_comparison,
        "counting": compose_counting,
        "dates": compose_dates,
        "divisibility": compose_divisibility,
        "division": compose_division,
        "fractions": compose_fractions,
        "logic": compose_logic,
        "money": compose_money,
        "numerals": compose_numerals,
        "ordering": compose_ordering,
        "percentages": compose_percentages,
        "plurals": compose_plurals,
        "roman": compose_roman,
        "rounding": compose_rounding,
        "sequences": compose_sequences,
        "spelling": compose_spelling,
        "stories": compose_stories,
        "tenses": compose_tenses,
        "units": compose_units,
    }
)

_UNIT_ASKED = re.compile(r"\bhow many ([a-z]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """A question with its truth.

    Attributes:
        family: A key of `FAMILIES`.
        text: Exact rendering, ASCII, one line.
        truth: The one right answer: a number in digits, one word, or a time such as `5:30`.
        level: 1 (a 135M model is right now and then) to 3.
    """

    family: str
    text: str
    truth: str
    level: int


class GoldOpening(Wire, frozen=True):
    """The draw behind a gold question, shown after its round: text and truth follow from it."""

    version: int
    family: bytes
    level: int
    seed: bytes


def open_gold(opening: GoldOpening) -> GoldQuestion:
    """Make the question that somebody else's draw stands for.

    Raises:
        PeerError: There is no such version, family or level, or the seed has another length.
    """
    names = [name for name in DRAWN_FAMILIES if name.encode("ascii") == opening.family]
    if opening.version != GOLD_VERSION or not names:
        raise PeerError(f"gold: got version {opening.version} and family {opening.family[:16]!r}")
    try:
        return generate(names[0], opening.seed, opening.level)
    except ConfigError as exc:
        raise PeerError(f"gold: {exc.message}") from exc


def draw_gold(secret: bytes, index: int) -> GoldOpening:
    """Draw the `index`-th gold question of whoever holds `secret`; one opened tells nothing of the others."""
    place = int.from_bytes(tagged_hash("gold-family", secret, index)[:8], "big") % len(DRAWN_FAMILIES)
    seed = tagged_hash("gold-seed", secret, index)
    return GoldOpening(GOLD_VERSION, DRAWN_FAMILIES[place].encode("ascii"), DRAW_LEVEL, seed)


def generate(family: str, seed: bytes, level: int = 1) -> GoldQuestion:
    """Make the question that a seed stands for.

    Args:
        family: A key of `FAMILIES`.
        seed: 32 bytes; families and levels draw from independent streams of one seed.
        level: 1, 2 or 3.

    Returns:
        The question; a function of the arguments and `GOLD_VERSION` only.

    Raises:
        ConfigError: There is no such family or level, or the seed has another length.
    """
    compose = FAMILIES.get(family)
    if compose is None:
        raise ConfigError(
            f"there is no question family {family!r}", remedy=f"choose one of {', '.join(FAMILIES)}"
        )
    if level not in LEVELS:
        raise ConfigError(f"there is no level {level}", remedy="choose level 1, 2 or 3")
    if len(seed) != SEED_BYTES:
        raise ConfigError(f"a question's seed has {SEED_BYTES} bytes, got {len(seed)}")
    composed = compose(Draw(family, level, seed), level)
    return GoldQuestion(family=family, text=composed.text, truth=composed.truth, level=level)


def is_correct(question: GoldQuestion, answer: str) -> bool:
    """Say whether `answer` is the truth, harmless form aside.

    Case, a trailing full stop, thousands separators and openings such as "the answer is" do not matter
    (`ranking.merge.canonical_key`), nor does the unit that the question asks for ("120 minutes"), nor a
    form that the family invites ("a puppy", "$5", "5 o'clock": `consensus._gold_forms`).
    A right answer inside a longer text does not count: such a text may hold several.
    """
    if len(answer) > ANSWER_CHARS_MAX:
        return False
    try:
        given = canonical_key(answer.encode("utf-8"))
    except UnicodeEncodeError:  # a lone surrogate is no text
        return False
    truth = canonical_key(question.truth.encode("ascii"))
    if given == truth or has_form(question.family, given, truth):
        return True
    asked = _UNIT_ASKED.search(question.text)
    number, _, unit = given.rpartition(b" ")
    return asked is not None and unit == asked[1].lower().encode("ascii") and canonical_key(number) == truth
