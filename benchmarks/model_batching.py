"""Tokens a second of eight peers in one batch, against eight calls one after the other, in one run.

Run: python benchmarks/model_batching.py [--threads 2] [--peers 8] [--tokens 48]
Every way generates the same number of tokens with the same weights in fp32; prompts are the peers' own.
"""

import argparse
import hashlib
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from models.catalog import open_model
from models.contract import GenerateRequest, Model
from models.prompts import DEFAULT_TEMPERATURE_MILLI, Message, Role, answer_prompt
from models.tokens import PlainTokenizer
from models.weights import TOKENIZER_NAME, ensure_embedded, get_cache_dir
from swarm.edge.model_host import ModelHost

GOAL_RATIO = 4.0
QUESTION = "Tell a long story about a lighthouse keeper and the sea."


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One way of generating: tokens and wall time."""

    name: str
    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


def build_requests(peers: int, tokens: int) -> list[GenerateRequest]:
    messages = [Message(role=Role.USER, text=QUESTION)]
    keys = [hashlib.sha256(bytes([index])).digest() for index in range(peers)]
    return [
        GenerateRequest(
            prompt=answer_prompt(messages, key),
            noise_seed=b"benchmark",
            seat_key=key,
            temperature_milli=DEFAULT_TEMPERATURE_MILLI,
            max_tokens=tokens,
            stop=(),
        )
        for key in keys
    ]


def time_way(name: str, run: Callable[[], int]) -> Timing:
    started = time.perf_counter()
    tokens = run()
    return Timing(name=name, tokens=tokens, seconds=time.perf_counter() - started)


def run_hosted(model: Model, requests: Sequence[GenerateRequest]) -> int:
    counts: list[int] = []

    async def main() -> None:
        host = ModelHost(model)

        async def one(request: GenerateRequest) -> None:
            counts.append(len((await host.generate(request)).tokens))

        async with trio.open_nursery() as nursery:
            await nursery.start(host.run)
            async with trio.open_nursery() as peers:
                for request in requests:
                    peers.start_soon(one, request)
            nursery.cancel_scope.cancel()

    trio.run(main)
    return sum(counts)


def run_sequential(model: Model, requests: Sequence[GenerateRequest]) -> int:
    return sum(len(model.generate([request])[0].tokens) for request in requests)


def build_foreign(requests: Sequence[GenerateRequest]) -> Callable[[], int]:
    """Load the same weights into transformers' own `generate`, as a script of one's own would."""
    import torch  # after `open_model`, which has told OpenMP not to spin
    from transformers import AutoModelForCausalLM

    directory = ensure_embedded(get_cache_dir(), progress=print).directory
    tokenizer = PlainTokenizer(directory / TOKENIZER_NAME)
    plain = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    prompts = [torch.tensor([tokenizer.encode(request.prompt.text)]) for request in requests]

    def run() -> int:
        total = 0
        for ids, request in zip(prompts, requests, strict=True):
            made: object = plain.generate(  # type: ignore[misc]
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                temperature=request.temperature_milli / 1000,
                top_k=0,
                min_new_tokens=request.max_tokens,
                max_new_tokens=request.max_tokens,
                pad_token_id=0,
            )
            assert isinstance(made, torch.Tensor)
            total += made.shape[1] - ids.shape[1]
        return total

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=48)
    options = parser.parse_args()
    requests = build_requests(options.peers, options.tokens)
    model = open_model("embedded", progress=print, threads=options.threads)
    first = time_way("one host, first question", lambda: run_hosted(model, requests))
    hosted = time_way("one host, prefixes known", lambda: run_hosted(model, requests))
    sequential = time_way("our calls one by one, prefixes known", lambda: run_sequential(model, requests))
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    foreign_run = build_foreign(requests)
    foreign = time_way("transformers generate, one by one", foreign_run)
    print(f"{options.peers} peers, {options.tokens} tokens each, {options.threads} threads, fp32, embedded")
    for timing in (first, hosted, sequential, foreign):
        print(
            f"{timing.name:36} {timing.tokens:5} tokens {timing.seconds:7.2f} s {timing.rate:7.1f} tokens/s"
        )
    print(f"ratio to our own calls               {hosted.rate / sequential.rate:.2f}")
    print(f"ratio to transformers' generate      {hosted.rate / foreign.rate:.2f} (goal {GOAL_RATIO:.0f})")
    print(f"the same, on the first question      {first.rate / foreign.rate:.2f}")
    print(f"peak memory with one model           {rss_mb:.0f} MB")


if __name__ == "__main__":
    main()
