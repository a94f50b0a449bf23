"""What attackers do: whom they push, what they say as judges, and when they attack at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Pushers = Literal["none", "all", "fixed", "rotating", "halves"]
"""Attackers that answer the first wrong answer. `fixed`, `rotating`: a fifth of them, always the same or
drawn each round, and the others answer honestly. `halves`: two halves in turn, the half at rest is honest."""
Say = Literal["coin", "honest", "rival", "inverted", "random", "signal"]
"""What an attacker says. A pushed item always beats another; of other pairs it tosses a coin, judges
honestly, or votes down one rival item and judges the rest honestly. `inverted`, `random` and `signal` (by a
cheap signal that they share) look at no pushed item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One way to attack.

    Attributes:
        pushers: Who pushes.
        says: What attackers say as judges.
        round_share: P(they attack in a round), all together.
        honest_share: P(a verdict is an honest one after all).
        wakes_after: Rounds that they behave before the first attack.
        rests_below: They attack only while their mean public weight is at least this; None: always.
    """

    pushers: Pushers = "none"
    says: Say = "honest"
    round_share: float = 1.0
    honest_share: float = 0.0
    wakes_after: int = 0
    rests_below: float | None = None


COLLUDE: Final = Attack(pushers="all", says="coin")
TACTICAL: Final = Attack(pushers="all", says="rival")
ROTATING: Final = Attack(pushers="rotating", says="honest")

ATTACKS: Final[Mapping[str, Attack]] = {
    "collude": COLLUDE,
    "tactical": TACTICAL,
    "copycat": Attack(pushers="all", says="honest"),
    "invert": Attack(says="inverted"),
    "random": Attack(says="random"),
    "shill": Attack(pushers="fixed", says="honest"),
    "rotating": ROTATING,
}
"""The seven of the study."""

KNOWING: Final[Mapping[str, Attack]] = {
    "tactical": TACTICAL,
    "sporadic 1/2": Attack(pushers="all", says="rival", round_share=0.5),
    "sporadic 1/4": Attack(pushers="all", says="rival", round_share=0.25),
    "noisy .3": Attack(pushers="all", says="rival", honest_share=0.3),
    "noisy .6": Attack(pushers="all", says="rival", honest_share=0.6),
    "camp-splitting": Attack(pushers="halves", says="rival"),
    "weight-watching": Attack(pushers="all", says="rival", rests_below=0.5),
    "watching shills": Attack(pushers="fixed", says="honest", rests_below=0.5),
    "sporadic shills": Attack(pushers="rotating", says="honest", round_share=0.5),
}
"""Attackers that know the rule and its thresholds, after one that does not."""
SIGNAL: Final = Attack(says="signal")
"""A coalition that votes by a cheap signal, such as length; its answers are honest."""
