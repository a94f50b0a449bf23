"""What the gateway adds to a question, over real loopback sockets, with scripted models.

Prints medians over several rounds, in milliseconds: from a request to the first progress event of its
stream; a whole round asked through the gateway, and asked of the same swarm without it; from a client's
leaving to the model idle. One process serves, asks and answers. Run: python -m benchmarks.gateway_latency
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from swarm.edge.ask_options import AskOptions
from swarm.edge.paths import Paths
from swarm.edge.wishes import make_wish
from swarm.gateway.limits import GatewayLimits
from swarm.gateway.serving import ServeOptions, Serving, open_serving
from swarm.gateway.swarms import serve_local

KEY = "benchmark-key-0123456789"
ENDLESS = "scripted:latency=600"
MS = 1_000.0


@dataclass(frozen=True, slots=True)
class Timed:
    """One round through the gateway, milliseconds from the request's first byte."""

    first_event_ms: float
    whole_ms: float


async def connect(serving: Serving) -> trio.SocketStream:
    """Open a connection to the gateway."""
    host, _, port = serving.url.removeprefix("http://").rpartition(":")
    return await trio.open_tcp_stream(host, int(port))


def make_request(text: str) -> bytes:
    """Return a streaming request for an answer."""
    fields = {"model": "swarm", "stream": True, "messages": [{"role": "user", "content": text}]}
    body = json.dumps(fields).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def read_until(stream: trio.SocketStream, seen: bytearray, wanted: bytes) -> float:
    """Read until some bytes have come; returns when that was."""
    while wanted not in seen:
        data = await stream.receive_some()
        assert data, bytes(seen)
        seen += data
    return time.perf_counter()


async def time_stream(stream: trio.SocketStream, text: str) -> Timed:
    """Ask one question over an open connection."""
    seen = bytearray()
    started = time.perf_counter()
    await stream.send_all(make_request(text))
    first = await read_until(stream, seen, b'"event":"round.asked"')
    last = await read_until(stream, seen, b"0\r\n\r\n")
    assert b"data: [DONE]" in seen, bytes(seen)
    return Timed(MS * (first - started), MS * (last - started))


async def time_direct(serving: Serving, text: str) -> float:
    """Ask the same swarm one question without the gateway; returns milliseconds."""
    asker = serving.gateway.asker
    started = time.perf_counter()
    asked = await asker.ask_prepared(asker.prepare(make_wish(text)))
    assert asked.report is not None, asked.reason
    return MS * (time.perf_counter() - started)


async def time_leaving(serving: Serving, text: str) -> float:
    """Ask what is never answered, leave, and wait for the model; returns milliseconds."""
    host = serving.gateway.asker.host
    assert host is not None, "peers share a model"
    stream, seen = await connect(serving), bytearray()
    await stream.send_all(make_request(text))
    await read_until(stream, seen, b'"phase":"committing"')
    started = time.perf_counter()
    await stream.aclose()
    await host.wait_idle()
    return MS * (time.perf_counter() - started)


async def with_gateway(
    model: str, peers: int, work: Callable[[Serving], Awaitable[None]], directory: str
) -> None:
    """Do some work with a gateway that is up."""
    swarm = serve_local(AskOptions(peers=peers, model=model), GatewayLimits())
    options = ServeOptions(open_swarm=swarm, port=0, api_key=KEY)
    paths = Paths(data=Path(directory) / "data", cache=Path(directory) / "cache")
    async with open_serving(options, paths=paths, note=lambda _: None) as serving:
        await work(serving)


def show(name: str, values: list[float]) -> None:
    """Print a median with its range."""
    print(f"{name:44s} {statistics.median(values):7.1f} ms  ({min(values):.1f} to {max(values):.1f})")


async def measure_answers(serving: Serving, rounds: int) -> None:
    """Time rounds through the gateway and without it, in turn, so that both meet the same machine."""
    through: list[Timed] = []
    direct: list[float] = []
    async with await connect(serving) as stream:
        for number in range(rounds + 1):
            text = f"What is {number} times 12?"
            through.append(await time_stream(stream, text))
            direct.append(await time_direct(serving, text))
    through, direct = through[1:], direct[1:]  # the first fills caches
    show("request to first progress event", [one.first_event_ms for one in through])
    show("round through the gateway", [one.whole_ms for one in through])
    show("round of the same swarm without it", direct)
    show("added", [one.whole_ms - alone for one, alone in zip(through, direct, strict=True)])


async def measure_leaving(serving: Serving, rounds: int) -> None:
    """Time how fast the model is idle after its client has left."""
    show("client gone to model idle", [await time_leaving(serving, f"Why {n}?") for n in range(rounds)])


def main() -> None:
    """Print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    for model, measure in (("scripted", measure_answers), (ENDLESS, measure_leaving)):
        with tempfile.TemporaryDirectory() as directory:
            work = partial(measure, rounds=arguments.rounds)
            trio.run(with_gateway, model, arguments.peers, work, directory)


if __name__ == "__main__":
    main()
