"""Families about words: opposites, capitals, plurals, tenses, kinds, letters, animals.

Level 1 is what a child answers at once; levels 2 and 3 ask for rarer words or for a choice among several.
"""

from collections.abc import Sequence

from consensus._gold_draw import Draw
from consensus._gold_families import Composed
from consensus._gold_tables import (
    ANTONYMS,
    CAPITALS,
    FEMALES,
    KINDS,
    MALES,
    NOT_COUNTRIES,
    NOUNS,
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
from consensus._gold_words import WORDS

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
ORDINALS = ("first", "second", "third")


def _ask(draw: Draw, pair: Pair, shapes: Sequence[str]) -> Composed:
    """Ask for the right side of `pair` in one of `shapes`, which hold its left side as `{x}`."""
    return Composed(draw.pick(shapes).format(x=pair[0]), pair[1])


def _ask_among(draw: Draw, pair: Pair, pool: Sequence[str], count: int, shapes: Sequence[str]) -> Composed:
    """The same, with `count` words to choose from: the answer and some of `pool`."""
    others = [word for word in dict.fromkeys(pool) if word not in pair]
    listed = draw.sample([pair[1], *draw.sample(others, count - 1)], count)
    return Composed(draw.pick(shapes).format(x=pair[0], s=", ".join(listed)), pair[1])


def compose_antonyms(draw: Draw, level: int) -> Composed:
    """Opposites: of plain words, among four words, of rarer words."""
    if level == 2:
        shapes: tuple[str, ...] = (
            'Which of these words is the opposite of "{x}": {s}?',
            'Which word means the opposite of "{x}": {s}?',
            'What is the opposite of "{x}" among these words: {s}?',
        )
        pair = draw.pick(ANTONYMS)
        # A word with several opposites must not meet two of them.
        taken = [right for left, right in ANTONYMS if left == pair[0]]
        pool = [right for _, right in ANTONYMS if right not in taken]
        return _ask_among(draw, pair, pool, 4, shapes)
    shapes = (
        "What is the opposite of {x}?",
        'Which word is the opposite of "{x}"?',
        'What word means the opposite of "{x}"?',
    )
    return _ask(draw, draw.pick(ANTONYMS if level == 1 else RARE_ANTONYMS), shapes)


def compose_capitals(draw: Draw, level: int) -> Composed:
    """Capitals: of well-known countries, of others, and the country of a capital."""
    if level == 3:
        known = [pair for pair in CAPITALS + RARE_CAPITALS if " " not in pair[0]]
        country, city = draw.pick([pair for pair in known if pair[0] not in NOT_COUNTRIES])
        shapes: tuple[str, ...] = (
            "{x} is the capital of which country?",
            "Which country has {x} as its capital?",
            "What country is {x} the capital of?",
        )
        return _ask(draw, (city, country), shapes)
    shapes = (
        "What is the capital of {x}?",
        "Which city is the capital of {x}?",
        "What is the name of the capital of {x}?",
        "Name the capital of {x}.",
    )
    return _ask(draw, draw.pick(CAPITALS if level == 1 else RARE_CAPITALS), shapes)


def compute_regular_plural(noun: str) -> str:
    """Spell the plural of a regular noun: `-s`, `-es` after a hiss, `-ies` for a consonant and `-y`."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def compose_plurals(draw: Draw, level: int) -> Composed:
    """Plurals: regular ones, common irregular ones, learned ones."""
    regular = tuple((noun, compute_regular_plural(noun)) for noun in NOUNS)
    shapes = (
        "What is the plural of {x}?",
        'Which word is the plural of "{x}"?',
        'Give the plural of the word "{x}".',
    )
    return _ask(draw, draw.pick((regular, PLURALS, RARE_PLURALS)[level - 1]), shapes)


def compose_tenses(draw: Draw, level: int) -> Composed:
    """Irregular verbs: the past of common ones, of rarer ones, the past participle."""
    name = "past participle" if level == 3 else "past tense"
    shapes = (
        f"What is the {name} of the verb to {{x}}?",
        f'Give the {name} of the verb "{{x}}".',
        f'In one word, what is the {name.replace("tense", "form")} of "{{x}}"?',
    )
    return _ask(draw, draw.pick((PASTS, RARE_PASTS, PARTICIPLES)[level - 1]), shapes)


def compose_categories(draw: Draw, level: int) -> Composed:
    """Kinds of things: which is one, which is not, how many are."""
    kind, other, third = draw.sample(KINDS, 3)
    if level == 1:
        word = draw.pick(kind.words)
        listed = draw.sample([word, draw.pick(other.words), draw.pick(third.words)], 3)
        shapes: tuple[str, ...] = (
            "Which of these is {x}: {s}?",
            "Which one is {x}: {s}?",
            "Which word names {x}: {s}?",
        )
        return Composed(draw.pick(shapes).format(x=kind.name, s=", ".join(listed)), word)
    if level == 2:
        stranger = draw.pick(other.words)
        listed = draw.sample([stranger, *draw.sample(kind.words, 3)], 4)
        shapes = (
            "Which word does not belong with the others: {s}?",
            "Which of these does not belong: {s}?",
            "Which is the odd one out: {s}?",
        )
        return Composed(draw.pick(shapes).format(s=", ".join(listed)), stranger)
    count = draw.between(1, 6)
    strangers = draw.sample([*other.words, *third.words], 7 - count)
    listed = draw.sample([*draw.sample(kind.words, count), *strangers], 7)
    shapes = (
        "How many of these words name {x}: {s}?",
        "Count the words that name {x}: {s}.",
        "In this list, how many words name {x}: {s}?",
    )
    return Composed(draw.pick(shapes).format(x=kind.name, s=", ".join(listed)), str(count))


def compose_spelling(draw: Draw, level: int) -> Composed:
    """Letters: the first of a word, others and the alphabet's next, words backwards."""
    if level == 1:
        return _compose_first_letter(draw)
    if level == 2:
        return _compose_letter(draw) if draw.below(2) == 0 else _compose_alphabet(draw, draw.between(1, 3))
    word = draw.pick([word for word in WORDS if len(word) <= 6])
    if draw.below(2) == 0:
        shapes: tuple[str, ...] = (
            'Write the word "{w}" backwards.',
            'What is the word "{w}" spelled backwards?',
            'How do you write "{w}" from the last letter to the first?',
        )
        return Composed(draw.pick(shapes).format(w=word), word[::-1])
    place = draw.between(1, 2)
    shapes = (
        'What is the {p} to last letter of the word "{w}"?',
        'Which letter comes {p} to last in the word "{w}"?',
        'What letter is {p} to last in "{w}"?',
    )
    return Composed(draw.pick(shapes).format(p=ORDINALS[place], w=word), word[-1 - place])


def _compose_first_letter(draw: Draw) -> Composed:
    word = draw.pick(WORDS)
    shapes = (
        "What is the first letter of {w}?",
        'What is the first letter of the word "{w}"?',
        'Which letter does the word "{w}" start with?',
        "The word {w} begins with which letter?",
    )
    return Composed(draw.pick(shapes).format(w=word), word[0])


def _compose_letter(draw: Draw) -> Composed:
    word = draw.pick([word for word in WORDS if len(word) >= 5])
    place, name = draw.pick(((1, "second"), (2, "third"), (3, "fourth"), (-1, "last")))
    shapes = (
        'What is the {p} letter of the word "{w}"?',
        'Which letter comes {p} in the word "{w}"?',
        'What letter is {p} in "{w}"?',
    )
    return Composed(draw.pick(shapes).format(p=name, w=word), word[place])


def _compose_alphabet(draw: Draw, step: int) -> Composed:
    is_after = draw.below(2) == 0
    low = draw.below(len(ALPHABET) - step)
    start, end = (low, low + step) if is_after else (low + step, low)
    many = "right " if step == 1 else f"{step} places "
    side = "after" if is_after else "before"
    shapes = (
        "Which letter comes {m}{d} {x} in the alphabet?",
        "What letter is {m}{d} {x} in the alphabet?",
        "In the alphabet, which letter stands {m}{d} {x}?",
    )
    text = draw.pick(shapes).format(m=many, d=side, x=ALPHABET[start].upper())
    return Composed(text, ALPHABET[end].upper())


def compose_animals(draw: Draw, level: int) -> Composed:
    """Names of animals: whose young it is, what the young is called, females and males."""
    if level == 1:
        animal, young = draw.pick([pair for pair in YOUNG if [y for _, y in YOUNG].count(pair[1]) == 1])
        article = "an" if young[0] in "aeiou" else "a"
        shapes: tuple[str, ...] = (
            "Which animal is {a} {{x}} when it grows up?",
            "Which animal has a baby called {a} {{x}}?",
            "What animal does {a} {{x}} grow up to be?",
            "{b} {{x}} is the baby of which animal?",
            "What animal is the parent of {a} {{x}}?",
        )
        named = [shape.format(a=article, b=article.capitalize()) for shape in shapes]
        return _ask(draw, (young, animal), named)
    if level == 2:
        shapes = (
            "What is a baby {x} called?",
            "What do you call a young {x}?",
            "What is the name for a young {x}?",
            "A young {x} is called what?",
        )
        return _ask(draw, draw.pick(YOUNG), shapes)
    pairs, sex = draw.pick(((FEMALES, "female"), (MALES, "male")))
    shapes = (
        "What is a {s} {{x}} called?",
        "What do you call a {s} {{x}}?",
        "What is the name for a {s} {{x}}?",
        "A {s} {{x}} is called what?",
        "Which word means a {s} {{x}}?",
    )
    return _ask(draw, draw.pick(pairs), [shape.format(s=sex) for shape in shapes])
