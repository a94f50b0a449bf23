"""What is simulated, and the figures that it is held to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Design = Literal["merged", "unmerged"]
"""`merged`: equal answers are one class, as in the protocol. `unmerged`: each peer's answer is an item."""
Regime = Literal["none", "gold", "camouflaged"]
"""`none`: no truth. `gold`: a round in GOLD_EVERY. `camouflaged`: likewise, and attackers behave in it."""

DESIGNS: Final[tuple[Design, ...]] = ("merged", "unmerged")
REGIMES: Final[tuple[Regime, ...]] = ("none", "gold", "camouflaged")
ROUNDS: Final = 200
SCORED_AFTER: Final = 100
"""Rounds are scored from the next on."""
GOLD_EVERY: Final = 16
"""One round in 16 is gold: half a call a judge and round at 8 calls."""
CALLS: Final[Mapping[int, int]] = {7: 6, 15: 8, 31: 10}
"""Judge calls a peer, by swarm size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The generative model; the defaults are those that the study's columns are reproduced with.

    Attributes:
        accuracy: Mean P(an honest answer is right).
        difficulty_sd: Spread of a question's difficulty, logits.
        skill_sd: Spread of a peer's skill at answering, logits.
        wrong_shares: Shares of the three wrong answers; attackers push the first.
        judge_accuracy: Mean P(a right answer beats a wrong one) of an honest judge, without its biases.
        judge_accuracy_sd: Spread of it over judges.
        position_bias: Leaning of every honest judge to the left, logits.
        own_preference: Its leaning to an answer equal to its own, logits.
        class_error_sd: Error of an answer's quality that all judges share; right is 1, wrong 0.
        partly_right_share: Share of wrong answers that are half right instead: quality 1/2, never counted
            as right.
        lazy_share: P(an honest judge tosses coins).
    """

    accuracy: float = 0.49
    difficulty_sd: float = 1.1
    skill_sd: float = 0.4
    wrong_shares: tuple[float, float, float] = (0.60, 0.25, 0.15)
    judge_accuracy: float = 0.75
    judge_accuracy_sd: float = 0.07
    position_bias: float = 0.4
    own_preference: float = 0.4
    class_error_sd: float = 0.38
    partly_right_share: float = 0.0
    lazy_share: float = 0.0


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A row of the study, section 3.2: P(winner is right), worst of 7 attacks; FULL is its recommended rule.

    `full` is the better of FULL's two variants (gold mixed in, gold as a gate) where both are given.
    """

    size: int
    attackers: int
    majority: float
    plain: float
    full: float
    oracle: float


STUDY: Final = (
    StudyRow(7, 0, 0.67, 0.86, 0.86, 0.86),
    StudyRow(7, 1, 0.54, 0.76, 0.80, 0.83),
    StudyRow(7, 2, 0.41, 0.57, 0.75, 0.78),
    StudyRow(7, 3, 0.21, 0.25, 0.68, 0.71),
    StudyRow(15, 0, 0.66, 0.88, 0.89, 0.90),
    StudyRow(15, 2, 0.51, 0.80, 0.86, 0.86),
    StudyRow(15, 4, 0.36, 0.62, 0.81, 0.81),
    StudyRow(15, 6, 0.17, 0.26, 0.75, 0.76),
    StudyRow(15, 7, 0.07, 0.12, 0.69, 0.73),
    StudyRow(31, 0, 0.66, 0.90, 0.89, 0.90),
    StudyRow(31, 5, 0.49, 0.80, 0.88, 0.88),
    StudyRow(31, 9, 0.30, 0.55, 0.83, 0.84),
    StudyRow(31, 14, 0.05, 0.10, 0.74, 0.78),
)
STUDY_FULL_ROTATING: Final[Mapping[int, float]] = {7: 0.69, 15: 0.69, 31: 0.79}
"""FULL against rotating shills at about 45 %, by swarm size."""

ATTACKERS: Final[Mapping[int, tuple[int, int, int, int]]] = {
    7: (0, 1, 2, 3),
    15: (0, 2, 4, 7),
    31: (0, 5, 9, 14),
}
"""Attackers by swarm size: none, about 15, 30 and 45 %."""
GOALS: Final[Mapping[int, tuple[float, float, float, float]]] = {
    7: (0.84, 0.78, 0.72, 0.64),
    15: (0.86, 0.83, 0.78, 0.64),
    31: (0.87, 0.85, 0.80, 0.67),
}
"""Least accuracy, worst of the attacks, in the same places; the last without rotating shills."""
GOALS_ROTATING: Final[Mapping[int, float]] = {7: 0.52, 15: 0.57, 31: 0.74}
"""Least accuracy against rotating shills at about 45 %."""
