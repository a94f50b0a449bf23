"""What all lying judges and authors share: they wrap the honest peer's model and bend what it says.

Like the models they wrap they are pure functions of seed, peer, question and text: no call changes another.
They know the truths, and what honest peers fall for: the worst case, on purpose.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import ClassVar

from consensus.errors import ConfigError
from models.choices import refuse_choices
from models.contract import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Interruptible,
    Model,
    ModelInfo,
    Score,
    ScoreRequest,
)
from ranking.merge import canonical_key
from sim_net.manifest import Option
from sim_net.models.answers import Puzzle, Puzzles, make_generation
from sim_net.models.draws import draw_fraction, encode_text

# Above and below whatever a model says of an answer. Nobody else sees scores, only the verdicts on pairs.
UP_NATS, DOWN_NATS = 10_000.0, -10_000.0
COIN_NATS = 100.0  # scores of a coin lie in -COIN_NATS..0, so that nearly every verdict is as sure as may be


BEHAVES_ON_GOLD = "behaves_on_gold"  # an option of every kind: honest on gold, which it recognises


def _know_no_gold(question: str) -> bool:
    del question
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingContext:
    """What one lying peer knows.

    Attributes:
        peer: Its index.
        allies: Indices of all peers of its entry of the manifest; whether it is among them does not matter.
        seed: What its clique draws from: the same for all allies.
        truths: Right answers by question.
        get_round: Number of the round that a question belongs to; asked with the question on one line.
        is_gold: Whether a question is gold; asked likewise. Nobody can be surer: the worst case again.
    """

    peer: int
    allies: tuple[int, ...]
    seed: bytes
    truths: Mapping[str, str]
    get_round: Callable[[str], int]
    is_gold: Callable[[str], bool] = _know_no_gold


class JudgingAdversary:
    """Honest until a subclass bends it; implements `models.contract.Model`.

    A subclass says what it answers (`choose_answer`, `bend_answer`) and how it scores (`choose_score`,
    `bend`).

    Args:
        inner: The honest peer's model.
        context: What it knows.
        options: Options of the class, by the names of `get_defaults`.

    Raises:
        ConfigError: There is no such option, or its value cannot be used.
    """

    name: ClassVar[str]
    is_byzantine: ClassVar[bool] = False
    defaults: ClassVar[Mapping[str, Option]] = MappingProxyType({})

    def __init__(self, inner: Model, context: JudgingContext, **options: Option) -> None:
        self.inner = inner
        self.context = context
        self.clique = tuple(sorted({*context.allies, context.peer}))
        self._options = read_options(self.name, self.get_defaults(), options)
        self._puzzles = Puzzles(context.truths)

    @classmethod
    def get_summary(cls) -> str:
        """Return what it does, in one line for people."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    @classmethod
    def get_defaults(cls) -> Mapping[str, Option]:
        """Return its options with their defaults: its own, then those of every kind."""
        return {**cls.defaults, BEHAVES_ON_GOLD: False}

    # -- the model ---------------------------------------------------------------------------------

    def info(self) -> ModelInfo:
        """Return what the honest model is: nobody can see the difference."""
        return self.inner.info()

    def interrupt(self) -> None:
        """Give up the inner model's running call."""
        if isinstance(self.inner, Interruptible):
            self.inner.interrupt()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        """Answer each request, honestly or not; see `Model.generate`."""
        results: dict[int, Generation] = {}
        honest: list[int] = []
        for place, request in enumerate(requests):
            puzzle = self._puzzles.get_by_prompt(request.prompt)
            answer = None if self._behaves(puzzle) else self.choose_answer(puzzle)
            if answer is None:
                honest.append(place)
            else:
                results[place] = make_generation(answer, request, is_whole=True)
        if honest:
            replies = self.inner.generate([requests[place] for place in honest])
            for place, reply in zip(honest, replies, strict=True):
                puzzle = self._puzzles.get_by_prompt(requests[place].prompt)
                text = reply.text if self._behaves(puzzle) else self.bend_answer(puzzle, reply.text)
                is_bent = text != reply.text
                results[place] = make_generation(text, requests[place], is_whole=True) if is_bent else reply
        return [results[place] for place in range(len(requests))]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Score each continuation, honestly or not; see `Model.score`."""
        results: dict[int, Score] = {}
        honest: list[int] = []
        for place, request in enumerate(requests):
            text, puzzle = request.continuation.strip(), self._puzzles.get_by_prompt(request.context)
            nats = self.choose_score(puzzle, text) if text and not self._behaves(puzzle) else None
            if nats is None:
                honest.append(place)
            else:
                results[place] = Score(logprob=nats, tokens=len(text.split()))
        if honest:
            replies = self.inner.score([requests[place] for place in honest])
            for place, reply in zip(honest, replies, strict=True):
                puzzle = self._puzzles.get_by_prompt(requests[place].context)
                nats = reply.logprob if self._behaves(puzzle) else self.bend(reply.logprob)
                results[place] = Score(logprob=nats, tokens=reply.tokens)
        return [results[place] for place in range(len(requests))]

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Raise ModelError: attacks here bend scores, and an honest choice would hide that."""
        refuse_choices(f"a {self.name} judge", requests)

    def _behaves(self, puzzle: Puzzle) -> bool:
        return bool(self._options[BEHAVES_ON_GOLD]) and self.context.is_gold(puzzle.question)

    # -- what a subclass bends ---------------------------------------------------------------------

    def choose_answer(self, puzzle: Puzzle) -> str | None:
        """Return what to answer instead of thinking, None to think."""
        del puzzle
        return None

    def bend_answer(self, puzzle: Puzzle, honest: str) -> str:
        """Return what to make of the honest answer."""
        del puzzle
        return honest

    def choose_score(self, puzzle: Puzzle, text: str) -> float | None:
        """Return the score of a candidate, in nats; None to judge it honestly."""
        del puzzle, text
        return None

    def bend(self, nats: float) -> float:
        """Return what to make of an honest score."""
        return nats

    # -- for subclasses ----------------------------------------------------------------------------

    def get_integer(self, name: str) -> int:
        """Return an option that is a whole number."""
        return int(self._options[name])

    def get_number(self, name: str) -> float:
        """Return an option that is a number."""
        return float(self._options[name])

    def get_text(self, name: str) -> str:
        """Return an option that is a text."""
        return str(self._options[name])

    def toss(self, puzzle: Puzzle, text: str) -> float:
        """Return a score that has nothing to do with the text's merit, this peer's own."""
        key = canonical_key(encode_text(text))
        fraction = draw_fraction(self.context.seed, "coin", self.context.peer, puzzle.question, key)
        return -COIN_NATS * fraction

    def refuse(self, name: str, expected: str) -> ConfigError:
        """Return the error for an option whose value is out of range."""
        return ConfigError(
            f"{self.name}: {name} is {self._options[name]!r}, expected {expected}",
            remedy=f"choose {expected}",
        )


def is_answer(text: str, key: bytes) -> bool:
    """Say whether a text merges into the class of a canonical key."""
    return canonical_key(encode_text(text)) == key


def read_options(
    kind: str, defaults: Mapping[str, Option], options: Mapping[str, Option]
) -> dict[str, Option]:
    """Return the values of all options, given ones checked against the type of their default.

    Raises:
        ConfigError: There is no such option (the nearest is named), or a value has another type.
    """
    values = dict(defaults)
    for name, value in options.items():
        if name not in defaults:
            (near,) = get_close_matches(name, defaults, n=1, cutoff=0.0)
            known = f"did you mean {near!r}? known: {', '.join(defaults)}"
            raise ConfigError(f"{kind}: there is no option {name!r}", remedy=known)
        wanted = type(defaults[name])
        is_whole_for_number = wanted is float and type(value) is int
        if type(value) is not wanted and not is_whole_for_number:
            raise ConfigError(
                f"{kind}: {name} is {value!r}, expected {wanted.__name__}",
                remedy=f"write it like {defaults[name]!r}",
            )
        values[name] = value
    return values
