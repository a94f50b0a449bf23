"""Every key that a manifest may hold, described once: the parser, the schema and the template read this.

A key's default is the one of its dataclass in `sim_net.manifest`, so that it is written in one place too.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from consensus.genesis import MEMBERS_MAX, SEATS_MAX, SEATS_MIN, STEPS_MAX
from consensus.question import CALLS_MAX, CALLS_MIN, DEADLINE_MS_MAX, DEADLINE_MS_MIN
from ranking.canonical import PEERS_MAX

SEED_MAX = 2**63 - 1
ROUNDS_MAX = 100_000
ITEMS_MAX = 256  # adversaries, faults, or expectations of one manifest
DAY_MS = 86_400_000
RUN_MS_MAX = 7 * DAY_MS
LOGITS_MAX = 10.0
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"
_REAL = r"[0-9]{1,9}(\.[0-9]{1,9})?"
DISTRIBUTION_PATTERN = (
    rf"^((constant|exponential)\({_REAL}\)|(uniform|normal|lognormal)\({_REAL}, ?{_REAL}\))$"
)
_KNOWN_SHOWN_MAX = 12

Value = bool | int | float | str | tuple[int, ...] | tuple[str, ...] | tuple[tuple[int, ...], ...]


class Form(StrEnum):
    """What a key's value looks like in TOML."""

    INTEGER = "a whole number"
    NUMBER = "a number"
    TEXT = "a text"
    FLAG = "true or false"
    DURATION = "a duration"
    DISTRIBUTION = "a distribution"
    INDICES = "a list of peers by index"
    GROUPS = "a list of lists of peers by index"
    TEXTS = "a list of texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key.

    Attributes:
        name: As written in TOML.
        form: What its value looks like.
        about: One line for people, in the template and the schema.
        least: Smallest value: a number, milliseconds of a duration.
        most: Largest value; characters of a text, items of a list.
        is_zero_special: 0 has a meaning of its own and is accepted beside the bounds.
        choices: The only texts accepted, where there are any.
        pattern: What a text must match, where it is not empty.
        default: Value where the key is left out, for the options of faults and adversaries; None leaves
            what holds without it.
    """

    name: str
    form: Form
    about: str
    least: float = 0.0
    most: float = 1.0
    is_zero_special: bool = False
    choices: tuple[str, ...] = ()
    pattern: str = ""
    default: bool | int | float | str | None = None

    @property
    def field(self) -> str:
        """Its name in the dataclasses and among options: durations carry their unit there."""
        return f"{self.name}_ms" if self.form is Form.DURATION else self.name


def _integer(name: str, about: str, least: int, most: int, *, zero: bool = False) -> Key:
    return Key(name=name, form=Form.INTEGER, about=about, least=least, most=most, is_zero_special=zero)


def _number(name: str, about: str, least: float = 0.0, most: float = 1.0) -> Key:
    return Key(name=name, form=Form.NUMBER, about=about, least=least, most=most)


def _duration(name: str, about: str, least: int, most: int, *, zero: bool = False) -> Key:
    return Key(name=name, form=Form.DURATION, about=about, least=least, most=most, is_zero_special=zero)


TOP_KEYS = (
    Key(
        name="name",
        form=Form.TEXT,
        about="Short name: letters, digits and hyphens.",
        most=64,
        pattern=NAME_PATTERN,
    ),
    Key(name="about", form=Form.TEXT, about="What is tested, and why.", most=2_000),
    _integer("seed", "Everything random follows from it.", 0, SEED_MAX),
    _integer("rounds", "Questions to ask.", 1, ROUNDS_MAX),
    Key(
        name="expect",
        form=Form.TEXTS,
        about='Conditions on the metrics of the run, such as "finished == 1" or "accuracy >= 0.6".',
        most=ITEMS_MAX,
    ),
)
SWARM_KEYS = (
    _integer("peers", "Nodes of the network.", SEATS_MIN, MEMBERS_MAX),
    _integer(
        "seats",
        f"Seats of a round's committee; 0 takes as many as there are peers, {SEATS_MAX} at most.",
        SEATS_MIN,
        SEATS_MAX,
        zero=True,
    ),
    _integer(
        "calls",
        "Judge calls a peer may spend on a round; 0 takes the default.",
        CALLS_MIN,
        CALLS_MAX,
        zero=True,
    ),
    _integer("steps", "Ballot steps at most.", 1, STEPS_MAX),
    _duration("answer", "Deadline to commit an answer.", DEADLINE_MS_MIN, DEADLINE_MS_MAX),
    _duration("ballot", "Deadline to commit a ballot.", DEADLINE_MS_MIN, DEADLINE_MS_MAX),
    _duration("reveal", "Deadline to reveal, in every step.", DEADLINE_MS_MIN, DEADLINE_MS_MAX),
    _duration("patience", "How long the asker waits for a round before it asks the next.", 1_000, DAY_MS),
    _integer("overlap", "Rounds open at once.", 1, 64),
    Key(
        name="standing",
        form=Form.TEXT,
        about=f"Judges weigh what earlier rounds taught; auto is on in a network of {PEERS_MAX} or fewer.",
        most=8,
        choices=("auto", "on", "off"),
    ),
    _integer(
        "gold_every",
        "Questions before a gold one, whose answer is opened with the next; 0 asks none.",
        0,
        ROUNDS_MAX,
    ),
)
MODELS_KEYS = (
    Key(
        name="kind",
        form=Form.TEXT,
        about="What the peers think with.",
        most=32,
        choices=("statistical", "scripted", "recorded", "embedded"),
    ),
    _number("accuracy", "Mean probability that a peer's answer is right."),
    _number("accuracy_spread", "Standard deviation of that probability over the peers."),
    _number("difficulty_spread", "Standard deviation of a question's difficulty, in logits.", 0, LOGITS_MAX),
    _number("judge_accuracy", "Mean probability that a judge prefers a right answer to a wrong one."),
    _number("judge_spread", "Standard deviation of that probability over the judges."),
    _number(
        "shared_error",
        "Standard deviation of the error that all judges share; right and wrong differ by 1.",
        0,
        LOGITS_MAX,
    ),
    _number("sharpness", "Nats by which a judge's scores differ for each logit.", 0, 100),
    _number("own_preference", "Logits by which a judge prefers its own answer.", -LOGITS_MAX, LOGITS_MAX),
    _number(
        "length_bias", "Logits that a judge adds for each doubling of the length.", -LOGITS_MAX, LOGITS_MAX
    ),
    _number("obedience", "Probability that a judge obeys an answer that speaks to it."),
    Key(name="latency", form=Form.DISTRIBUTION, about="Time a model call takes, in milliseconds.", most=100),
    Key(
        name="cache", form=Form.TEXT, about='File of recorded calls; for kind = "recorded" only.', most=1_000
    ),
    Key(name="inner", form=Form.TEXT, about='The model recorded; for kind = "recorded" only.', most=1_000),
    Key(name="record", form=Form.FLAG, about="Ask the inner model for calls that the cache lacks."),
)
NETWORK_KEYS = (
    Key(
        name="latency",
        form=Form.DISTRIBUTION,
        about="One-way delay in milliseconds: constant, uniform, normal, exponential or lognormal.",
        most=100,
    ),
    _duration("jitter", "A further uniform delay, of 0 to this much.", 0, 3_600_000),
    _number("loss", "Probability that a message is lost."),
    _number("duplication", "Probability that a message arrives twice."),
    _number("reordering", "Probability that a message is held back behind later ones."),
    _number("corruption", "Probability that one byte of a message is changed on the way."),
)
PHASES_KEYS = (
    _duration(
        "faults", "When everything heals; 0s is once the last round is closed or given up.", 0, RUN_MS_MAX
    ),
    _duration("liveness", "How long the healed network may take to finish.", 1_000, RUN_MS_MAX),
    _duration("quiet", "How long nothing happens before the last check.", 0, RUN_MS_MAX),
)
SECTIONS: dict[str, tuple[Key, ...]] = {
    "swarm": SWARM_KEYS,
    "models": MODELS_KEYS,
    "network": NETWORK_KEYS,
    "phases": PHASES_KEYS,
}
SECTION_ABOUT = {
    "swarm": "Who takes part, and the limits of every question.",
    "models": "What the peers think with.",
    "network": "What the network does to every message.",
    "phases": "First faults, then healing and liveness, then quiet before the last check.",
}
ADVERSARY_KEYS = (
    _integer("peers", "How many peers, drawn from the seed.", 0, MEMBERS_MAX),
    _number("share", "Share of all peers, rounded to the nearest number."),
)
FAULT_KEYS = (
    _duration("at", "When it strikes first.", 0, RUN_MS_MAX),
    _duration(
        "every", "When it strikes again, counted from the first; 0s is never.", 100, RUN_MS_MAX, zero=True
    ),
    _duration("until", "No strike at or after this; 0s is the end of the faults.", 0, RUN_MS_MAX),
    _duration("lasts", "How long each strike lasts; 0s is until the network heals.", 0, RUN_MS_MAX),
    _number("probability", "Probability of each strike."),
    Key(
        name="peers",
        form=Form.INDICES,
        about="Which peers, by index; without it `count` are drawn at every strike.",
        most=MEMBERS_MAX,
    ),
    _integer("count", "How many honest peers are drawn.", 1, MEMBERS_MAX),
)
LISTS = {
    "adversary": "Peers that are not honest.",
    "fault": "Something that goes wrong, once or again and again.",
}


def get_close(name: str, known: Iterable[str]) -> str:
    """Return the known name that is nearest to `name`, empty where none is near."""
    by_plain = {_make_plain(one): one for one in known}
    close = difflib.get_close_matches(_make_plain(name), by_plain, n=1)
    return by_plain[close[0]] if close else ""


def _make_plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())


def make_suggestion(name: str, known: Iterable[str]) -> str:
    """Return a remedy for an unknown name: the nearest known one, or all of them where they are few."""
    names = list(known)
    close = get_close(name, names)
    if close:
        return f"did you mean {close}?"
    shown = ", ".join(names[:_KNOWN_SHOWN_MAX])
    return f"known: {shown}" + (", ..." if len(names) > _KNOWN_SHOWN_MAX else "")
