"""A gateway over real loopback sockets, run in a thread of its own, as clients that block need it."""

import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import TypeVar

import httpx2
import msgspec
import openai
import trio
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam

from consensus.errors import PeerageError
from models.errors import ModelError
from swarm.edge.ask_options import AskOptions
from swarm.edge.paths import Paths
from swarm.gateway.limits import GatewayLimits
from swarm.gateway.replies import ProgressEvent, Provenance
from swarm.gateway.serving import ServeOptions, Serving, open_serving
from swarm.gateway.swarms import OpenSwarm, serve_local

PATIENCE_S = 30.0
KEY = "a-key-for-tests-0123456789"
QUESTION = "What is 7 times 12?"
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
ENDLESS = "scripted:latency=60"  # until it is interrupted
LIMITS = GatewayLimits(shutdown_s=0.2)

ResultT = TypeVar("ResultT")


class RawClient:
    """A client that writes and reads as it likes."""

    def __init__(self, url: str, *, receive_bytes: int | None = None) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect((host, int(port)))
        self.host = f"{host}:{port}"
        self.seen = b""

    def post(self, *, key: str = KEY, **fields: object) -> None:
        body = json.dumps({"model": "swarm", "messages": MESSAGES} | fields).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode() + body)

    def read_until(self, wanted: bytes, *, count: int = 1) -> bytes:
        while self.seen.count(wanted) < count:
            data = self.socket.recv(65_536)
            assert data, f"ended before {wanted!r}: {self.seen[-1_000:]!r}"
            self.seen += data
        return self.seen

    def read_all(self) -> bytes:
        while data := self.socket.recv(65_536):
            self.seen += data
        return self.seen

    def leave(self) -> None:
        self.socket.close()


@dataclass
class Up:
    """A gateway that is up, and how to reach it from another thread."""

    serving: Serving
    token: trio.lowlevel.TrioToken
    clients: dict[str | None, httpx2.Client] = field(default_factory=dict)
    raw: list[RawClient] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"{self.serving.url}/v1"

    def open_client(self, key: str = KEY) -> openai.OpenAI:
        """OpenAI's own client; it does not try again, so that every refusal is seen."""
        return openai.OpenAI(base_url=self.base_url, api_key=key, max_retries=0, timeout=PATIENCE_S)

    def open_http(self, key: str | None = KEY) -> httpx2.Client:
        """A client that stays open with the gateway, one for each key."""
        if key in self.clients:
            return self.clients[key]
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        client = httpx2.Client(base_url=self.serving.url, headers=headers, timeout=PATIENCE_S)
        self.clients[key] = client
        return client

    def open_raw(self, *, receive_bytes: int | None = None) -> RawClient:
        client = RawClient(self.serving.url, receive_bytes=receive_bytes)
        self.raw.append(client)
        return client

    def ask(self, *, key: str = KEY, **fields: object) -> httpx2.Response:
        """Post a question with these fields besides model and messages."""
        body = {"model": "swarm", "messages": MESSAGES} | fields
        return self.open_http(key).post("/v1/chat/completions", json=body)

    def run(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Do some work where the gateway lives."""

        async def bounded() -> ResultT:
            with trio.fail_after(PATIENCE_S):
                return await work()

        return trio.from_thread.run(bounded, trio_token=self.token)


@contextmanager
def open_gateway(
    directory: Path,
    *,
    peers: int = 4,
    model: str = "scripted",
    seed: str | None = None,
    limits: GatewayLimits = LIMITS,
    change: Callable[[ServeOptions], ServeOptions] = lambda options: options,
) -> Iterator[Up]:
    """Serve from a thread until the block is left."""
    ask = AskOptions(peers=peers, model=model, seed=seed, rounds_at_once=limits.rounds_at_once)
    with open_before(serve_local(ask, limits), directory, limits=limits, change=change) as up:
        yield up


@contextmanager
def open_before(
    open_swarm: OpenSwarm,
    directory: Path,
    *,
    limits: GatewayLimits = LIMITS,
    change: Callable[[ServeOptions], ServeOptions] = lambda options: options,
) -> Iterator[Up]:
    """Serve a swarm from a thread until the block is left."""
    options = change(ServeOptions(open_swarm=open_swarm, port=0, api_key=KEY, limits=limits))
    came_up: Queue[Up | Exception] = Queue()
    failures: list[Exception] = []

    async def main() -> None:
        paths = Paths(data=directory / "data", cache=directory / "cache")
        async with open_serving(options, paths=paths, note=lambda _: None) as serving:
            came_up.put(Up(serving, trio.lowlevel.current_trio_token()))
            await serving.stopped.wait()

    def run() -> None:
        try:
            trio.run(main)
        except (PeerageError, ModelError, ExceptionGroup) as exc:  # the test that runs it shall fail
            failures.append(exc)
            came_up.put(exc)

    thread = threading.Thread(target=run)
    thread.start()
    up = came_up.get(timeout=PATIENCE_S)
    if isinstance(up, Exception):
        thread.join()
        raise up
    try:
        yield up
    finally:
        for client in up.clients.values():
            client.close()
        for raw in up.raw:
            raw.leave()
        if thread.is_alive():
            trio.from_thread.run_sync(up.serving.stop, trio_token=up.token)
        thread.join(timeout=PATIENCE_S)
        assert not thread.is_alive(), "the gateway did not go down"
    if failures:
        raise failures[0]


def poll(is_so: Callable[[], bool], *, within_s: float = 4.0) -> bool:
    """Wait until something is so; False where it takes longer than a client would wait."""
    changed = threading.Event()
    for _ in range(round(within_s / 0.01)):
        if is_so():
            return True
        changed.wait(0.01)
    return False


Said = ChatCompletion | ChatCompletionChunk


def get_provenance(said: Said) -> Provenance:
    """Return the `swarm` object of an answer."""
    return msgspec.convert((said.model_extra or {})["swarm"], Provenance)


def get_progress(chunks: Iterable[ChatCompletionChunk]) -> list[ProgressEvent]:
    """Return the progress among the chunks of a stream."""
    found = [(chunk.model_extra or {}).get("swarm_progress") for chunk in chunks]
    return [msgspec.convert(one, ProgressEvent) for one in found if one is not None]
