"""Every adversary a manifest can name, with what it takes; classes of plug-ins are `module:Class`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sim_net.injections import FAMILIES
from sim_net.keys import ROUNDS_MAX, Form, Key
from sim_net.manifest import AdversarySettings

PLUGIN_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"
OPTION_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
_PLUGIN = re.compile(PLUGIN_PATTERN, re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversaryKind:
    """One kind of adversary.

    Attributes:
        about: One line for people.
        is_byzantine: It breaks the protocol and counts against f; others only answer and judge badly.
        is_peer: It is some of the peers, so that `peers` or `share` says how many; else it is the asker.
        options: Keys it takes beside `peers` and `share`.
    """

    about: str
    is_byzantine: bool = True
    is_peer: bool = True
    options: tuple[Key, ...] = ()


def _integer(name: str, about: str, least: int, most: int, default: int) -> Key:
    return Key(name=name, form=Form.INTEGER, about=about, least=least, most=most, default=default)


_COPIES = _integer("copies", "Statements it repeats for each that it hears.", 1, 100, 3)


_PUSHERS = Key(
    name="pushers",
    form=Form.NUMBER,
    about="Share of them that push, at least one peer.",
    least=0.01,
    default=0.2,
)


_BEHAVES_ON_GOLD = Key(
    name="behaves_on_gold",
    form=Form.FLAG,
    about="Honest on gold questions, which it recognises.",
    default=False,
)


def _judging(about: str, *options: Key) -> AdversaryKind:
    return AdversaryKind(about=about, is_byzantine=False, options=(*options, _BEHAVES_ON_GOLD))


ADVERSARY_KINDS: Mapping[str, AdversaryKind] = MappingProxyType(
    {
        "equivocator": AdversaryKind(about="Shows one commit and reveal to one camp, another to the other."),
        "twin": AdversaryKind(
            about="Two unmodified nodes with one key, each with half of the network.",
            options=(
                Key(
                    name="split",
                    form=Form.FLAG,
                    about="Each hears half of the others; else both hear all of them.",
                    default=True,
                ),
            ),
        ),
        "amnesiac": AdversaryKind(about="Forgets its lock: votes for whatever is proposed, with no proof."),
        "commit-flooder": AdversaryKind(
            about="Signs many commits, so that those who pass them on look bad.",
            options=(_integer("commits", "Commits it adds to its own.", 1, 1_000, 8),),
        ),
        "commit-thief": AdversaryKind(
            about="Signs the first commit it sees as its own, and reveals what opens it."
        ),
        "late-committer": AdversaryKind(about="Waits for somebody's reveal, then commits to a copy of it."),
        "reveal-withholder": AdversaryKind(about="Commits and never reveals."),
        "early-revealer": AdversaryKind(about="Reveals with its commit, hoping that others stop committing."),
        "body-forger": AdversaryKind(
            about="Seals what no seat may send: pairs not dealt to it, certainties."
        ),
        "list-liar": AdversaryKind(about="Lists commits that do not exist, and no reveals."),
        "list-equivocator": AdversaryKind(about="Signs one list for one camp, an emptier one for the other."),
        "list-padder": AdversaryKind(about="Lists its late commit, which nobody else lists."),
        "list-stuffer": AdversaryKind(about="Lists its late commit f + 1 times, to count as f + 1 lists."),
        "dead-proposer": AdversaryKind(about="Never proposes."),
        "censoring-proposer": AdversaryKind(
            about="Lists nobody's reveal but its own, and proposes over that."
        ),
        "two-faced-proposer": AdversaryKind(about="Proposes one value to one camp, another to the other."),
        "vote-equivocator": AdversaryKind(about="Votes for the value to one camp, for nothing to the other."),
        "chaotic": AdversaryKind(
            about="Says to each seat what comes to its mind: its word, another, the opposite, or nothing.",
            options=(
                Key(
                    name="honesty",
                    form=Form.NUMBER,
                    about="Probability that a message leaves as it should.",
                    default=0.4,
                ),
            ),
        ),
        "silent": AdversaryKind(about="Hears everything and never says a word."),
        "slow-sender": AdversaryKind(
            about="Says everything late: just before or just after it would still count.",
            options=(
                Key(
                    name="delay",
                    form=Form.DURATION,
                    about="Mean delay of what it sends.",
                    most=3_600_000,
                    default=2_000,
                ),
            ),
        ),
        "malformed-sender": AdversaryKind(about="Sends bytes that are no message, or none of this round."),
        "flooder": AdversaryKind(
            about="Sends far more than anyone can use, under signatures that do not hold.",
            options=(
                _integer("frames", "Frames of one burst.", 1, 100_000, 40),
                _integer("bursts", "Bursts a round.", 1, 1_000, 4),
            ),
        ),
        "replayer": AdversaryKind(
            about="Sends what others said again and again, as if it were its own.", options=(_COPIES,)
        ),
        "network-replayer": AdversaryKind(
            about="Sends statements of another network with the same peers.", options=(_COPIES,)
        ),
        "early-bird": AdversaryKind(about="Speaks of the next step before it has begun."),
        "equivocating-asker": AdversaryKind(
            about="The asker signs two questions under one number, and shows each to half of the network.",
            is_byzantine=False,
            is_peer=False,
            options=(_integer("every", "Which questions: one in so many.", 1, ROUNDS_MAX, 1),),
        ),
        "history-forger": AdversaryKind(
            about="The asker makes up what earlier rounds taught, and asks on that.",
            is_byzantine=False,
            is_peer=False,
            options=(_integer("every", "Which questions: one in so many.", 1, ROUNDS_MAX, 1),),
        ),
        "colluding-clique": _judging(
            "They give one wrong answer together, always prefer it, and toss a coin about the rest."
        ),
        "tactical-down-voter": _judging(
            "They give one wrong answer together, vote its best rival down, and judge the rest honestly."
        ),
        "inverter": _judging("Prefers the worse answer: every verdict is the honest one upside down."),
        "random-judge": _judging("Judges by tossing a coin."),
        "copycat": _judging("They give identical copies of one agreed wrong answer, and prefer them."),
        "shill": _judging(
            "Some push one wrong answer; the others answer honestly and vote for it.", _PUSHERS
        ),
        "rotating-shill": _judging(
            "Some push one wrong answer, others of them every round; all vote for it.",
            _PUSHERS,
            _integer("every", "Rounds after which others push.", 1, ROUNDS_MAX, 1),
        ),
        "sleeper": _judging(
            "Honest until the round in which it wakes, then a colluding clique.",
            _integer("wakes", "First round, from 0, in which it is not honest.", 0, ROUNDS_MAX, 10),
        ),
        "length-gamer": _judging(
            "Pads its answer with empty words, to please judges that like length; judges honestly.",
            _integer("words", "Words that it adds.", 1, 100, 40),
        ),
        "prompt-injector": _judging(
            "Gives a wrong answer dressed in orders to the judge; judges honestly.",
            Key(
                name="family",
                form=Form.TEXT,
                about="Family of hostile texts; all of them without it.",
                most=64,
                choices=FAMILIES,
            ),
        ),
        "lazy-judge": _judging("Judges without reading: to it all answers are equal."),
        "cheap-signal": _judging("Judges by length alone: the longer answer wins."),
    }
)


def is_plugin(kind: str) -> bool:
    """Say whether a kind names a class outside this package."""
    return _PLUGIN.fullmatch(kind) is not None


def is_byzantine(kind: str) -> bool:
    """Say whether a kind counts against f; of a plug-in's class the worst is assumed."""
    return kind not in ADVERSARY_KINDS or ADVERSARY_KINDS[kind].is_byzantine


def compute_adversary_count(adversary: AdversarySettings, peers: int) -> int:
    """Return how many of `peers` an adversary takes: its share is rounded, a half to the even number."""
    return adversary.peers or round(adversary.share * peers)
