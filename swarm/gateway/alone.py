"""One peer's model asked alone: no round, nothing signed, for titles, tags and the like."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import trio

from consensus.hashing import tagged_hash
from models.contract import Finish, GenerateRequest, Generation
from models.errors import ModelError
from models.prompts import STOP_STRINGS, answer_prompt, clean_answer
from swarm.core.judgement import make_messages
from swarm.edge.asking import SwarmAsker
from swarm.edge.model_host import ModelHost
from swarm.gateway.answers import Answer, Text, make_usage
from swarm.gateway.errors import unavailable
from swarm.gateway.metrics import Metrics
from swarm.gateway.quotas import Hold
from swarm.gateway.requests import Order


@dataclass(frozen=True, slots=True)
class PeerAlone:
    """Answers by the model that all peers share.

    Args:
        host: The model.
        asker: The swarm.
        metrics: Counts.
        get_ms: The time of day, milliseconds.
        beside: How many answers are given at once: rounds have the model too, and a deadline.
    """

    host: ModelHost
    asker: SwarmAsker
    metrics: Metrics
    get_ms: Callable[[], int]
    beside: trio.CapacityLimiter

    async def answer(self, order: Order, hold: Hold, *, tokens_each: int, fingerprint: str) -> Answer:
        """Let the model answer, as many times as answers are wanted.

        Args:
            order: Checked.
            hold: Told what the answers cost, also where nobody waits for them any more.
            tokens_each: Longest answer, tokens.
            fingerprint: What OpenAI calls the system's fingerprint.

        Raises:
            ApiError: The model cannot answer.
        """
        made: dict[int, Generation] = {}

        async def generate(place: int) -> None:
            async with self.beside:
                made[place] = await self.host.generate(self._make_request(order, place, tokens_each))

        failures: list[ModelError] = []
        hold.used = order.choices * tokens_each  # for who leaves: how far the answers were is not known
        try:
            async with trio.open_nursery() as nursery:
                for place in range(order.choices):
                    nursery.start_soon(generate, place)
        except* ModelError as group:
            failures += [exc for exc in group.exceptions if isinstance(exc, ModelError)]
        hold.used = sum(one.token_count for one in made.values())
        if failures:
            raise unavailable("the peer's model could not answer", code="model_failed") from failures[0]
        found = [made[place] for place in range(order.choices)]
        usage = make_usage(
            prompt_tokens=sum(one.prompt_tokens for one in found),
            completion_tokens=sum(one.token_count for one in found),
        )
        self.metrics.tokens.labels(order.model, "answer").inc(usage.completion_tokens)
        self.metrics.tokens.labels(order.model, "prompt").inc(usage.prompt_tokens)
        return Answer(
            id=f"chatcmpl-{secrets.token_hex(16)}",
            created=self.get_ms() // 1_000,
            model=order.model,
            fingerprint=fingerprint,
            texts=tuple(Text("", clean_answer(one.text), one.finish is Finish.LENGTH) for one in found),
            usage=usage,
            provenance=None,
        )

    def _make_request(self, order: Order, place: int, tokens_each: int) -> GenerateRequest:
        """Return the request for one answer of a peer alone; a seed decides its noise."""
        key = self.asker.swarm.asker.key
        seed = secrets.token_bytes(32) if order.seed is None else tagged_hash("helper-seed", order.seed)
        milli = order.temperature_milli
        return GenerateRequest(
            prompt=answer_prompt(make_messages(order.turns), key),
            noise_seed=tagged_hash("helper-noise", seed, place),
            seat_key=key,
            temperature_milli=self.asker.options.temperature_milli if milli is None else milli,
            max_tokens=tokens_each,
            stop=STOP_STRINGS,
        )
