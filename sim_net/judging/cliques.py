"""Peers that push one wrong answer together: the one that honest peers fall for most."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from models.contract import Model
from sim_net.judging.base import DOWN_NATS, UP_NATS, JudgingAdversary, JudgingContext, is_answer
from sim_net.manifest import Option
from sim_net.models.answers import Puzzle
from sim_net.models.draws import draw_number


class ColludingClique(JudgingAdversary):
    """Gives one wrong answer together, always prefers it, and tosses a coin about the rest."""

    name = "colluding-clique"

    def choose_answer(self, puzzle: Puzzle) -> str | None:
        """Push the wrong answer that tempts most."""
        return puzzle.wrong[0]

    def choose_score(self, puzzle: Puzzle, text: str) -> float | None:
        """Prefer what is pushed; whatever else is worth as much as a coin says."""
        return UP_NATS if is_answer(text, puzzle.wrong_keys[0]) else self.toss(puzzle, text)


class TacticalDownVoter(JudgingAdversary):
    """Gives one wrong answer together, prefers it, votes down its best rival, and judges the rest honestly.

    The best rival is the right answer: these peers know it.
    """

    name = "tactical-down-voter"

    def choose_answer(self, puzzle: Puzzle) -> str | None:
        """Push the wrong answer that tempts most."""
        return puzzle.wrong[0]

    def choose_score(self, puzzle: Puzzle, text: str) -> float | None:
        """Up with what is pushed, down with the truth."""
        if is_answer(text, puzzle.wrong_keys[0]):
            return UP_NATS
        return DOWN_NATS if is_answer(text, puzzle.truth_key) else None


class Shill(JudgingAdversary):
    """A share of them push one wrong answer; the others answer honestly, and all vote for what is pushed.

    Options: `pushers`, the share that pushes, at least one peer.
    """

    name = "shill"
    defaults: ClassVar[Mapping[str, Option]] = MappingProxyType({"pushers": 0.2})

    def __init__(self, inner: Model, context: JudgingContext, **options: Option) -> None:
        super().__init__(inner, context, **options)
        share = self.get_number("pushers")
        if not (math.isfinite(share) and 0.0 < share <= 1.0):
            raise self.refuse("pushers", "a share above 0, at most 1")

    def choose_answer(self, puzzle: Puzzle) -> str | None:
        """Push, if it is one of those that push."""
        return puzzle.wrong[0] if self.context.peer in self.get_pushers(puzzle) else None

    def choose_score(self, puzzle: Puzzle, text: str) -> float | None:
        """Prefer what is pushed, judge the rest honestly."""
        return UP_NATS if is_answer(text, puzzle.wrong_keys[0]) else None

    def get_pushers(self, puzzle: Puzzle) -> tuple[int, ...]:
        """Return who pushes in the round of a question."""
        shift = self.get_shift(puzzle)
        order = sorted(
            self.clique, key=lambda peer: (draw_number(self.context.seed, "pusher", shift, peer), peer)
        )
        return tuple(order[: max(math.ceil(self.get_number("pushers") * len(order) - 1e-9), 1)])

    def get_shift(self, puzzle: Puzzle) -> int:
        """Return which draw of pushers is at work; here it is always the first."""
        del puzzle
        return 0


class RotatingShill(Shill):
    """A share of them push one wrong answer, others every round; all vote for what is pushed.

    Options: `pushers`, the share that pushes; `every`, rounds after which others push.
    """

    name = "rotating-shill"
    defaults: ClassVar[Mapping[str, Option]] = MappingProxyType({"pushers": 0.2, "every": 1})

    def __init__(self, inner: Model, context: JudgingContext, **options: Option) -> None:
        super().__init__(inner, context, **options)
        if self.get_integer("every") < 1:
            raise self.refuse("every", "a number of rounds, at least 1")

    def get_shift(self, puzzle: Puzzle) -> int:
        """Return which draw of pushers is at work, by the question's round."""
        return self.context.get_round(puzzle.question) // self.get_integer("every")


class Sleeper(ColludingClique):
    """Honest until the round in which it wakes, then a colluding clique.

    Options: `wakes`, the first round, from 0, in which it is not honest.
    """

    name = "sleeper"
    defaults: ClassVar[Mapping[str, Option]] = MappingProxyType({"wakes": 10})

    def __init__(self, inner: Model, context: JudgingContext, **options: Option) -> None:
        super().__init__(inner, context, **options)
        if self.get_integer("wakes") < 0:
            raise self.refuse("wakes", "a round, at least 0")

    def is_awake(self, puzzle: Puzzle) -> bool:
        """Say whether it is past being honest in the round of a question."""
        return self.context.get_round(puzzle.question) >= self.get_integer("wakes")

    def choose_answer(self, puzzle: Puzzle) -> str | None:
        """Collude once awake."""
        return super().choose_answer(puzzle) if self.is_awake(puzzle) else None

    def choose_score(self, puzzle: Puzzle, text: str) -> float | None:
        """Collude once awake."""
        return super().choose_score(puzzle, text) if self.is_awake(puzzle) else None
