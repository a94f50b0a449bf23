"""The pool of examples from which every peer draws its own few-shot prompt."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Shot:
    """One example: a question and its true, short answer."""

    question: str
    answer: str


SHOTS_BY_KIND: Mapping[str, tuple[Shot, ...]] = MappingProxyType(
    {
        "product": (
            Shot("What is 6 times 7?", "42"),
            Shot("What is 8 times 11?", "88"),
            Shot("What is 9 times 4?", "36"),
            Shot("What is 5 times 13?", "65"),
            Shot("What is 56 divided by 8?", "7"),
        ),
        "sum": (
            Shot("What is 34 plus 25?", "59"),
            Shot("What is 17 plus 46?", "63"),
            Shot("What is 72 plus 19?", "91"),
            Shot("What is 58 minus 23?", "35"),
            Shot("What is 90 minus 41?", "49"),
        ),
        "capital": (
            Shot("What is the capital of Italy?", "Rome"),
            Shot("What is the capital of Kenya?", "Nairobi"),
            Shot("What is the capital of Norway?", "Oslo"),
            Shot("What is the capital of Peru?", "Lima"),
            Shot("What is the capital of Thailand?", "Bangkok"),
        ),
        "antonym": (
            Shot("What is the opposite of hot?", "cold"),
            Shot("What is the opposite of early?", "late"),
            Shot("What is the opposite of empty?", "full"),
            Shot("What is the opposite of brave?", "cowardly"),
            Shot("What is the opposite of ancient?", "modern"),
        ),
        "date": (
            Shot("Which day comes after Tuesday?", "Wednesday"),
            Shot("Which month comes before June?", "May"),
            Shot("What date is 3 days after 10 March?", "13 March"),
            Shot("How many days are in April?", "30"),
            Shot("If today is Friday, what day is it in 2 days?", "Sunday"),
        ),
        "counting": (
            Shot('How many letters are in the word "house"?', "5"),
            Shot('How many times does the letter "a" occur in "banana"?', "3"),
            Shot("How many words are in the sentence: The dog ran home?", "4"),
            Shot("How many legs do 3 cats have?", "12"),
        ),
        "ordering": (
            Shot("Which is largest: 14, 91, 37?", "91"),
            Shot("Which is smallest: 62, 8, 45?", "8"),
            Shot("Sort these numbers from small to large: 9, 2, 5.", "2, 5, 9"),
            Shot("Sort these words alphabetically: pear, apple, fig.", "apple, fig, pear"),
        ),
        "conversion": (
            Shot("How many centimetres are in 3 metres?", "300"),
            Shot("How many minutes are in 4 hours?", "240"),
            Shot("How many grams are in 2 kilograms?", "2000"),
            Shot("How many inches are in 5 feet?", "60"),
        ),
        "fact": (
            Shot("Which planet is closest to the Sun?", "Mercury"),
            Shot("What gas do plants take in from the air?", "carbon dioxide"),
            Shot("Who wrote Hamlet?", "William Shakespeare"),
            Shot("In which continent is Egypt?", "Africa"),
            Shot("What colour do you get from blue and yellow?", "green"),
        ),
    }
)
