"""Common knowledge that gold questions ask for. Part of the version: a change here is a new GOLD_VERSION.

A pair stands here only if its first word has one answer that most people give first, written as one ASCII
word, and the answer is asked for nowhere in the examples of `models.shots` with the same question.
"""

from dataclasses import dataclass

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """Things of one kind: `name` says what each is, `words` belong to it and to no other kind here."""

    name: str
    words: tuple[str, ...]


def _read_kind(name: str, words: str) -> Kind:
    return Kind(name, tuple(words.split()))


def _read_pairs(text: str) -> tuple[Pair, ...]:
    """Read `left right, left right, ...`; the last word of an entry is its right side."""
    pairs = []
    for entry in text.split(","):
        left, _, right = " ".join(entry.split()).rpartition(" ")
        assert left, entry
        pairs.append((left, right))
    return tuple(pairs)


ANTONYMS = _read_pairs(
    """up down, down up, left right, north south, south north, east west, west east, in out, day night,
    night day, black white, white black, true false, good bad, bad good, buy sell, sell buy, heavy light,
    wet dry, dry wet, love hate, hate love, win lose, push pull, pull push, top bottom, first last,
    young old, new old, rich poor, poor rich, strong weak, weak strong, tall short, long short, deep shallow,
    wide narrow, narrow wide, difficult easy, fast slow, slow fast, high low, low high,
    clean dirty, dirty clean, full empty, late early, alive dead, dead alive, happy sad, sad happy,
    before after, after before, always never, war peace, summer winter,
    winter summer, life death, positive negative, negative positive, male female, female male"""
)
RARE_ANTONYMS = _read_pairs(
    """remember forget, forget remember, borrow lend, lend borrow, import export, export import,
    include exclude, increase decrease, decrease increase, maximum minimum, minimum maximum, profit loss,
    success failure, failure success, victory defeat, defeat victory, entrance exit, guilty innocent,
    innocent guilty, public private, private public, vertical horizontal, horizontal vertical,
    permanent temporary, temporary permanent, natural artificial, artificial natural, expensive cheap,
    cheap expensive, polite rude, rude polite, optimist pessimist, pessimist optimist, singular plural,
    plural singular, sunrise sunset, sunset sunrise, float sink, visible invisible, legal illegal,
    regular irregular, honest dishonest, agree disagree, appear disappear, possible impossible,
    patient impatient, logical illogical, relevant irrelevant, lucky unlucky, friend enemy, enemy friend,
    above below, below above, thick thin, lock unlock, asleep awake, awake asleep, tight loose, loose tight"""
)

CAPITALS = _read_pairs(
    """France Paris, Germany Berlin, Spain Madrid, Japan Tokyo, China Beijing, Russia Moscow, Greece Athens,
    Egypt Cairo, Canada Ottawa, Australia Canberra, Portugal Lisbon, Austria Vienna, Poland Warsaw,
    Sweden Stockholm, Finland Helsinki, Denmark Copenhagen, Ireland Dublin, Hungary Budapest, Turkey Ankara,
    Cuba Havana, Belgium Brussels, Chile Santiago, Colombia Bogota, Venezuela Caracas, Iran Tehran,
    Iraq Baghdad, Syria Damascus, Lebanon Beirut, Romania Bucharest, Bulgaria Sofia, Serbia Belgrade,
    Croatia Zagreb, Vietnam Hanoi, the Philippines Manila, Nepal Kathmandu, Afghanistan Kabul,
    Pakistan Islamabad, Jordan Amman, Morocco Rabat, Algeria Algiers, Libya Tripoli, Nigeria Abuja,
    England London, Scotland Edinburgh, Wales Cardiff, South Korea Seoul, Saudi Arabia Riyadh"""
)
RARE_CAPITALS = _read_pairs(
    """Qatar Doha, Oman Muscat, Tunisia Tunis, Ghana Accra, Senegal Dakar, Uganda Kampala, Zimbabwe Harare,
    Uruguay Montevideo, Ecuador Quito, Jamaica Kingston, Bangladesh Dhaka, Laos Vientiane, Albania Tirana,
    Estonia Tallinn, Latvia Riga, Lithuania Vilnius, Slovakia Bratislava, Slovenia Ljubljana, Cyprus Nicosia,
    Malta Valletta, Armenia Yerevan, Azerbaijan Baku, Uzbekistan Tashkent, Sudan Khartoum, Somalia Mogadishu,
    Zambia Lusaka, Angola Luanda, Rwanda Kigali, Mali Bamako, Niger Niamey, Namibia Windhoek,
    Mozambique Maputo, Botswana Gaborone, Fiji Suva, Barbados Bridgetown, Nicaragua Managua,
    Paraguay Asuncion, Bahrain Manama, Belarus Minsk, Moldova Chisinau, Liberia Monrovia, Gabon Libreville"""
)
# Nations of a larger state have capitals, but "which country" would be a matter of words.
NOT_COUNTRIES = ("England", "Scotland", "Wales")

# Regular nouns, whose plural `_gold_word_families` spells by rule.
NOUNS = (
    *("cat", "dog", "book", "car", "tree", "house", "box", "bus", "glass", "dish", "watch", "church"),
    *("city", "baby", "lady", "story", "country", "party", "toy", "key", "boy", "day", "table", "chair"),
    *("flower", "apple", "river", "window", "bird", "star", "fox", "brush", "beach", "bench", "class"),
    *("dress", "berry", "cherry", "puppy", "family", "monkey", "donkey", "train", "letter", "teacher"),
)
PLURALS = _read_pairs(
    """child children, man men, woman women, foot feet, tooth teeth, goose geese, mouse mice, ox oxen,
    person people, leaf leaves, knife knives, wife wives, life lives, wolf wolves, shelf shelves, half halves,
    calf calves, loaf loaves, thief thieves, elf elves, fireman firemen, policeman policemen, postman postmen,
    snowman snowmen, fisherman fishermen, grandchild grandchildren, bookshelf bookshelves, potato potatoes,
    tomato tomatoes, hero heroes, echo echoes, sheep sheep, deer deer, louse lice, housewife housewives,
    salesman salesmen, gentleman gentlemen, werewolf werewolves"""
)
RARE_PLURALS = _read_pairs(
    """crisis crises, analysis analyses, thesis theses, oasis oases, basis bases, axis axes,
    hypothesis hypotheses, diagnosis diagnoses, parenthesis parentheses, synthesis syntheses,
    phenomenon phenomena, criterion criteria, bacterium bacteria, stimulus stimuli, nucleus nuclei,
    alumnus alumni, larva larvae, vertebra vertebrae, alga algae, datum data, stratum strata,
    erratum errata, bacillus bacilli, radius radii, nemesis nemeses, ellipsis ellipses, neurosis neuroses,
    psychosis psychoses, metamorphosis metamorphoses, prognosis prognoses, antithesis antitheses,
    paralysis paralyses, emphasis emphases, ovum ova, passerby passersby, species species, series series"""
)

PASTS = _read_pairs(
    """go went, see saw, eat ate, run ran, come came, give gave, take took, make made, say said, know knew,
    think thought, find found, tell told, leave left, feel felt, keep kept, begin began, write wrote, sit sat,
    stand stood, hear heard, meet met, pay paid, send sent, build built, fall fell, sell sold, buy bought,
    bring brought, drink drank, drive drove, fly flew, grow grew, sing sang, speak spoke, swim swam, win won,
    teach taught, catch caught, sleep slept"""
)
RARE_PASTS = _read_pairs(
    """choose chose, freeze froze, steal stole, wear wore, tear tore, swear swore, break broke, shake shook,
    forget forgot, forgive forgave, hide hid, bite bit, ride rode, rise rose, shrink shrank, sink sank,
    ring rang, throw threw, blow blew, draw drew, withdraw withdrew, dig dug, stick stuck, strike struck,
    swing swung, sting stung, fight fought, seek sought, feed fed, lead led, bleed bled, breed bred,
    shoot shot, lose lost, spend spent, lend lent, bend bent, sweep swept, weep wept, creep crept,
    bind bound, grind ground, deal dealt, mean meant"""
)
PARTICIPLES = _read_pairs(
    """write written, break broken, choose chosen, drive driven, eat eaten, fall fallen, give given,
    know known, see seen, speak spoken, steal stolen, take taken, wear worn, begin begun, drink drunk,
    ring rung, sing sung, swim swum, sink sunk, run run, come come, become become, go gone, do done,
    grow grown, throw thrown, blow blown, fly flown, draw drawn, freeze frozen, rise risen, ride ridden,
    hide hidden, bite bitten, shake shaken, tear torn, swear sworn, forgive forgiven, withdraw withdrawn"""
)

YOUNG = _read_pairs(
    """dog puppy, cat kitten, cow calf, horse foal, sheep lamb, goat kid, pig piglet, duck duckling,
    goose gosling, lion cub, bear cub, tiger cub, deer fawn, kangaroo joey, frog tadpole, swan cygnet,
    eagle eaglet, chicken chick, whale calf, elephant calf, giraffe calf, owl owlet,
    butterfly caterpillar, donkey foal, zebra foal, spider spiderling, hare leveret,
    turkey poult, pigeon squab, eel elver"""
)
FEMALES = _read_pairs(
    """lion lioness, tiger tigress, horse mare, sheep ewe, chicken hen, deer doe, pig sow, fox vixen,
    whale cow, elephant cow, donkey jenny, leopard leopardess, duck hen"""
)
MALES = _read_pairs(
    """horse stallion, sheep ram, chicken rooster, pig boar, duck drake, goose gander, elephant bull,
    whale bull, bee drone, swan cob, donkey jack, rabbit buck"""
)

KINDS = (
    _read_kind("an animal", "dog cat horse cow pig sheep goat lion tiger elephant fox bear monkey rabbit"),
    _read_kind("a fruit", "apple banana pear peach grape lemon mango cherry plum melon"),
    _read_kind("a color", "red blue green yellow purple pink brown black white gray"),
    _read_kind("a vehicle", "car bus truck train bicycle airplane tractor van tram taxi"),
    _read_kind("a body part", "hand foot arm leg knee elbow ear eye nose shoulder"),
    _read_kind("furniture", "table chair sofa bed desk bookcase wardrobe stool bench"),
    _read_kind("a musical instrument", "piano guitar violin flute trumpet drum harp cello clarinet trombone"),
    _read_kind("clothing", "shirt jacket trousers sweater skirt sock hat coat scarf"),
    _read_kind("a metal", "iron tin zinc aluminum nickel steel titanium platinum"),
    _read_kind("a vegetable", "carrot potato onion cabbage spinach broccoli lettuce"),
)

GOODS = (
    *(("pen", "pens"), ("book", "books"), ("cup", "cups"), ("toy", "toys"), ("ticket", "tickets")),
    *(("hat", "hats"), ("cake", "cakes"), ("ball", "balls"), ("melon", "melons"), ("shirt", "shirts")),
)
