"""The pool of examples from which peers draw their few-shot prompts.

No example asks for what a generated question asks for (`tests/models/test_examples.py`): countries, words
and animals here stand in none of the tables of `consensus`, so a measured answer was not given away.
"""

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
            Shot("What is 9 * 4?", "36"),
            Shot("Multiply 5 by 13.", "65"),
            Shot("What is 56 divided by 8?", "7"),
        ),
        "sum": (
            Shot("What is 34 plus 25?", "59"),
            Shot("Add 17 and 46.", "63"),
            Shot("What is 72 + 19?", "91"),
            Shot("What is 58 minus 23?", "35"),
            Shot("Subtract 41 from 90.", "49"),
            Shot("How much is 16 - 7?", "9"),
        ),
        "steps": (
            Shot("What is 4 + 3 * 5?", "19"),
            Shot("What is (6 + 2) * 3?", "24"),
            Shot("Add 5 and 9, then multiply by 2. What do you get?", "28"),
        ),
        "capital": (
            Shot("What is the capital of Italy?", "Rome"),
            Shot("What is the capital of Kenya?", "Nairobi"),
            Shot("What is the capital city of Norway?", "Oslo"),
            Shot("Name the capital of Peru.", "Lima"),
            Shot("What is the capital of Thailand?", "Bangkok"),
            Shot("Which country has Prague as its capital?", "Czechia"),
        ),
        "antonym": (
            Shot("What is the opposite of hot?", "cold"),
            Shot("What is the opposite of brave?", "cowardly"),
            Shot("What is the opposite of ancient?", "modern"),
            Shot("Give the opposite of loud.", "quiet"),
            Shot("What is the antonym of smooth?", "rough"),
            Shot("Which word is the opposite of open: red, closed, soft, green?", "closed"),
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
            Shot("How many numbers are in this list: 7, 2, 9, 4?", "4"),
            Shot("How many legs do 3 cats have?", "12"),
        ),
        "ordering": (
            Shot("Which is largest: 14, 91, 37?", "91"),
            Shot("Which is smallest: 62, 8, 45?", "8"),
            Shot("Sort these numbers from small to large: 9, 2, 5.", "2, 5, 9"),
            Shot("Sort these words alphabetically: pear, apple, fig.", "apple, fig, pear"),
            Shot("Which is larger, 47 or 74?", "74"),
            Shot("Is 15 greater than 51?", "no"),
        ),
        "conversion": (
            Shot("How many centimetres are in 3 metres?", "300"),
            Shot("How many minutes are in 4 hours?", "240"),
            Shot("How many grams are in 2 kilograms?", "2000"),
            Shot("How many inches are in 5 feet?", "60"),
            Shot("How many days are in 6 weeks?", "42"),
        ),
        "logic": (
            Shot("Ben is taller than Carl. Who is shorter?", "Carl"),
            Shot("All robins are birds. Tweety is a robin. Is Tweety a bird?", "yes"),
            Shot("No fish can read. Nemo is a fish. Can Nemo read?", "no"),
            Shot("Ann is older than Eve, and Eve is older than Ida. Who is the youngest?", "Ida"),
        ),
        "plural": (
            Shot("What is the plural of pencil?", "pencils"),
            Shot("What is the plural of peach?", "peaches"),
            Shot("What is the plural of penny?", "pennies"),
            Shot("Give the plural of scarf.", "scarves"),
        ),
        "tense": (
            Shot("What is the past tense of walk?", "walked"),
            Shot("What is the past tense of hold?", "held"),
            Shot("Give the past tense of become.", "became"),
            Shot("What is the past participle of play?", "played"),
        ),
        "young": (
            Shot("What is a young hen called?", "pullet"),
            Shot("What do you call a young hawk?", "eyas"),
            Shot("What is a female peacock called?", "peahen"),
        ),
        "kind": (
            Shot("Which of these is a flower: hammer, rose, window?", "rose"),
            Shot("Which of these is a tool: cloud, spoon, hammer?", "hammer"),
            Shot("Which word does not belong: rain, snow, ladder, hail?", "ladder"),
            Shot("How many of these are trees: oak, bread, pine?", "2"),
        ),
        "letter": (
            Shot('What is the first letter of "garden"?', "g"),
            Shot('What is the last letter of "wagon"?', "n"),
            Shot("Which letter comes after F in the alphabet?", "G"),
            Shot('Spell "stop" backwards.', "pots"),
        ),
        "sequence": (
            Shot("What number comes next: 3, 6, 9, 12?", "15"),
            Shot("What comes next: 2, 4, 8, 16?", "32"),
            Shot("Which number follows: 30, 27, 24?", "21"),
        ),
        "number": (
            Shot("Is 14 even or odd?", "even"),
            Shot("Is 45 divisible by 5?", "yes"),
            Shot("Round 47 to the nearest ten.", "50"),
            Shot("What is the remainder when 17 is divided by 5?", "2"),
            Shot("What is half of 18?", "9"),
            Shot("What is 10% of 60?", "6"),
            Shot("Write twenty-five in digits.", "25"),
            Shot("Write the Roman numeral IX as a number.", "9"),
            Shot("What is the square of 6?", "36"),
        ),
        "everyday": (
            Shot("A lamp costs $3. How much do 4 lamps cost?", "$12"),
            Shot("You pay $10 for something that costs $6. How much change do you get?", "$4"),
            Shot("What time is it 2 hours after 3:00?", "5:00"),
            Shot("How many minutes are there from 2:10 to 2:40?", "30"),
            Shot("Nora has 5 nuts and eats 2. How many are left?", "3"),
            Shot("There are 4 boxes with 6 eggs each. How many eggs are there?", "24"),
        ),
        "fact": (
            Shot("Which planet is closest to the Sun?", "Mercury"),
            Shot("What gas do plants take in from the air?", "carbon dioxide"),
            Shot("Who wrote Hamlet?", "William Shakespeare"),
            Shot("In which continent is Ethiopia?", "Africa"),
            Shot("What colour do you get from mixing blue and yellow?", "green"),
            Shot("What do bees make?", "honey"),
        ),
    }
)
