"""A local swarm whose peers run in processes of their own, as strangers' peers do.

Parent and child speak JSON lines over the child's standard input and output: the parent sends what the
peer is, the child answers with the address it listens on, the parent sends everybody's addresses. Keys
travel over that pipe, never in an argument list. A child whose parent goes away ends.
"""

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import PIPE

import trio

from consensus.errors import ConfigError, NetworkError
from consensus.identity import PeerKey
from swarm.edge.local import LocalKeys, LocalSwarm, compute_peer_seed

START_TIMEOUT_S = 180.0  # loading a model in several processes at once takes a while on two cores
STOP_TIMEOUT_S = 5.0
LINE_BYTES_MAX = 1_048_576


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """The first line a child reads."""

    key_seed: str
    genesis: str
    directory: str
    logs: str
    name: str
    model: str


class LineReader:
    """Reads JSON objects, one a line, from a byte stream."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def read(self) -> dict[str, str]:
        """Return the next object, whose values are strings.

        Raises:
            NetworkError: The stream ended, or what came is no such line.
        """
        while b"\n" not in self._buffer:
            data = await self._stream.receive_some()
            if not data or len(self._buffer) > LINE_BYTES_MAX:
                raise NetworkError("the other process ended before it said what was expected")
            self._buffer += data
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer = bytearray(rest)
        try:
            value = json.loads(line)
        except ValueError as exc:
            raise NetworkError(f"expected a JSON line, got {line[:80]!r}") from exc
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise NetworkError(f"expected an object of strings, got {line[:80]!r}")
        return value


def encode_line(value: dict[str, str]) -> bytes:
    """Return an object of strings as one JSON line."""
    return json.dumps(value).encode() + b"\n"


@asynccontextmanager
async def open_process_swarm(
    keys: LocalKeys, *, seed: bytes, directory: Path, logs: Path, model: str, note: Callable[[str], None]
) -> AsyncIterator[LocalSwarm]:
    """Run each peer of a local swarm in its own process until the block is left.

    Args:
        keys: Who the peers are.
        seed: The secret seed `keys` were derived from.
        directory: Where each peer keeps its database.
        logs: Where each peer keeps its event log, which outlives the swarm.
        model: Model specification that every peer opens for itself.
        note: Called with one line at each stage.

    Raises:
        ConfigError: A peer process did not come up; its own words are in the message.
    """
    async with trio.open_nursery() as nursery:
        children: list[trio.Process] = []
        for _ in keys.peers:
            command = [sys.executable, "-m", "swarm.edge.peer_process"]
            # A group of its own: Ctrl-C in a terminal is for the parent, which ends its children itself.
            start = partial(trio.run_process, command, stdin=PIPE, stdout=PIPE, check=False, process_group=0)
            children.append(await nursery.start(start))
        try:
            with trio.fail_after(START_TIMEOUT_S):
                urls = await _introduce(
                    keys, children, seed=seed, directory=directory, logs=logs, model=model
                )
        except (trio.TooSlowError, NetworkError, trio.BrokenResourceError) as exc:
            nursery.cancel_scope.cancel()
            raise ConfigError(
                f"a peer process did not come up: {exc}",
                remedy="run without --processes, or with fewer --peers",
            ) from exc
        note(f"{len(children)} peer processes: {' '.join(str(child.pid) for child in children)}")
        yield LocalSwarm(keys.network, keys.asker, urls, tuple(child.pid for child in children))
        for child in children:
            assert child.stdin is not None, "opened with a pipe"
            await child.stdin.aclose()
        with trio.move_on_after(STOP_TIMEOUT_S):
            for child in children:
                await child.wait()
        for child in children:
            if child.returncode is None:
                child.kill()  # it is stopped or stuck: a polite signal would wait for it again


async def _introduce(
    keys: LocalKeys, children: list[trio.Process], *, seed: bytes, directory: Path, logs: Path, model: str
) -> dict[PeerKey, str]:
    readers = []
    for index, child in enumerate(children):
        assert child.stdin is not None, "opened with a pipe"
        assert child.stdout is not None, "opened with a pipe"
        readers.append(LineReader(child.stdout))
        spec = ChildSpec(
            key_seed=compute_peer_seed(seed, index).hex(),
            genesis=keys.network.genesis_bytes.hex(),
            directory=str(directory),
            logs=str(logs / f"{directory.name}-peer-{index}.jsonl"),
            name=f"peer-{index}",
            model=model,
        )
        fields = {name: getattr(spec, name) for name in ChildSpec.__slots__}
        await child.stdin.send_all(encode_line(fields))
    urls: dict[PeerKey, str] = {}
    for pair, reader in zip(keys.peers, readers, strict=True):
        urls[pair.key] = (await reader.read()).get("url", "")
    book = encode_line({key.hex(): url for key, url in urls.items()})
    for child in children:
        assert child.stdin is not None, "opened with a pipe"
        await child.stdin.send_all(book)
    for reader in readers:
        await reader.read()
    return urls
