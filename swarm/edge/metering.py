"""What answering costs, round by round, and whether it fails: a meter between peers and their model.

A request names its round by its noise seed. Answers are metered; what judging costs is not.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

from models.contract import Choice, ChoiceRequest, GenerateRequest, Generation, Score, ScoreRequest
from models.errors import ModelError
from swarm.edge.model_calls import ModelCalls

ROUNDS_METERED_MAX = 256

OnAnswer = Callable[[bytes, Generation], None]


@dataclass(slots=True)
class _Reading:
    prompt_tokens: int = 0
    answer_tokens_max: int = 0
    failures: list[str] = field(default_factory=list)


class MeteredCalls:
    """A model as peers call it, with a meter.

    Args:
        model: Behind it.
    """

    def __init__(self, model: ModelCalls) -> None:
        self._model = model
        self._readings: OrderedDict[bytes, _Reading] = OrderedDict()
        self._listeners: dict[bytes, list[OnAnswer]] = {}
        self._changed = trio.lowlevel.ParkingLot()

    def get_prompt_tokens(self, noise_seed: bytes) -> int:
        """Return how many tokens of prompts were read for the answers of a round."""
        return self._read(noise_seed).prompt_tokens

    def get_answer_tokens_max(self, noise_seed: bytes) -> int:
        """Return how many tokens the answers of a round have cost: at most, and just so where all have ended.

        One that is under way, or was given up, counts as long as it might have become: how far it was is not
        known, and who leaves just before its end shall not have had it for nothing.
        """
        return self._read(noise_seed).answer_tokens_max

    @contextmanager
    def listen(self, noise_seed: bytes, on_answer: OnAnswer) -> Iterator[None]:
        """Have `on_answer` called with the peer's key and each answer of a round until the block is left."""
        listeners = self._listeners.setdefault(noise_seed, [])
        listeners.append(on_answer)
        try:
            yield
        finally:
            listeners.remove(on_answer)
            if not listeners:
                del self._listeners[noise_seed]

    async def wait_failures(self, noise_seed: bytes, count: int) -> str:
        """Wait until so many answers of a round have failed; returns why the last one did."""
        while len(self._read(noise_seed).failures) < count:
            await self._changed.park()
        return self._read(noise_seed).failures[-1]

    async def generate(self, request: GenerateRequest) -> Generation:
        """Generate one continuation; see `ModelHost.generate`."""
        reading = self._read(request.noise_seed)
        reading.answer_tokens_max += request.max_tokens
        try:
            generation = await self._model.generate(request)
        except ModelError as exc:
            reading.answer_tokens_max -= request.max_tokens
            reading.failures.append(exc.message)
            self._changed.unpark_all()
            raise
        reading.answer_tokens_max += generation.token_count - request.max_tokens
        reading.prompt_tokens += generation.prompt_tokens
        for on_answer in tuple(self._listeners.get(request.noise_seed, ())):
            on_answer(request.seat_key, generation)
        return generation

    async def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Score continuations; see `ModelHost.score`."""
        return await self._model.score(requests)

    async def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Choose between options; see `ModelHost.choose`."""
        return await self._model.choose(requests)

    def _read(self, noise_seed: bytes) -> _Reading:
        reading = self._readings.setdefault(noise_seed, _Reading())
        if len(self._readings) > ROUNDS_METERED_MAX:
            self._readings.popitem(last=False)
        return reading
