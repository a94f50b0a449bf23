"""Judges that answer honestly and judge badly."""

import math

from sim_net.judging.base import UP_NATS, JudgingAdversary
from sim_net.models.answers import Puzzle
from sim_net.models.draws import draw_fraction, encode_text

NATS_PER_DOUBLING = 10.0


class Inverter(JudgingAdversary):
    """Prefers the worse answer: every verdict is the honest one upside down."""

    name = "inverter"

    def bend(self, nats: float) -> float:
        """Turn a score upside down."""
        return -nats


class RandomJudge(JudgingAdversary):
    """Judges by tossing a coin."""

    name = "random-judge"

    def choose_score(self, puzzle: Puzzle, text: str) -> float | None:
        """Toss."""
        return self.toss(puzzle, text)


class LazyJudge(JudgingAdversary):
    """Judges without reading: to it all answers are equal."""

    name = "lazy-judge"

    def choose_score(self, puzzle: Puzzle, text: str) -> float | None:
        """Say the same of every text."""
        del puzzle, text
        return UP_NATS


class CheapSignal(JudgingAdversary):
    """Judges by length: the longer answer wins; where lengths are equal all of them agree by hash."""

    name = "cheap-signal"

    def choose_score(self, puzzle: Puzzle, text: str) -> float | None:
        """Score the length."""
        tie = draw_fraction(self.context.seed, "signal", puzzle.question, encode_text(text))
        return NATS_PER_DOUBLING * (math.log2(max(len(text), 1)) - 20.0) + tie
