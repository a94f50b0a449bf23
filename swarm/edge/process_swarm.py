"""A local swarm whose peers run in processes of their own, as strangers' peers do.

Parent and child speak JSON lines over the child's standard input and output: the parent sends what the
peer is, the child answers with the address it listens on, the parent sends everybody's addresses, the
child says that it is ready. From then on a testnet may send `{"cut": "key,key"}`, and the child answers the
same once it has no links with these peers any more. Keys travel over that pipe, never in an argument list. A
child whose parent goes away ends.
"""

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import IO

import trio

from consensus.errors import ConfigError, NetworkError
from consensus.identity import PeerKey
from models.judges.strategy import AUTOMATIC
from swarm.edge.local import LocalKeys, SwarmAccess, compute_peer_seed

START_TIMEOUT_S = 180.0  # loading a model in several processes at once takes a while on two cores
STOP_TIMEOUT_S = 5.0
LINE_BYTES_MAX = 1_048_576


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """The first line a child reads; `port` 0 takes any free one, `cut` is what `encode_keys` returns.

    `judge` names a strategy, or leaves it to the child and its model.
    """

    key_seed: str
    genesis: str
    directory: str
    logs: str
    name: str
    model: str
    port: str = "0"
    cut: str = ""
    judge: str = AUTOMATIC


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


class PeerProcess:
    """A peer's process as its parent sees it."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None, "opened with a pipe"
        assert process.stdout is not None, "opened with a pipe"
        self.process = process
        self.judge = ""  # known once it is ready
        self._stdin = process.stdin
        self._reader = LineReader(process.stdout)

    async def tell_spec(self, spec: ChildSpec) -> None:
        """Tell the child who it is, and let it load its model; raises NetworkError where it has ended."""
        await self._send({name: getattr(spec, name) for name in ChildSpec.__slots__})

    async def read_url(self) -> str:
        """Wait until the child listens; returns its URL, raises NetworkError where it ended instead."""
        return (await self._reader.read()).get("url", "")

    async def introduce(self, spec: ChildSpec) -> str:
        """Tell the child who it is; returns the URL it listens on, raises NetworkError where it ended."""
        await self.tell_spec(spec)
        return await self.read_url()

    async def tell_urls(self, urls: Mapping[PeerKey, str]) -> None:
        """Tell the child everybody's addresses; raises NetworkError where it has ended."""
        await self._send({key.hex(): url for key, url in urls.items()})

    async def wait_ready(self) -> None:
        """Wait until it has resumed from its disk and takes links; raises NetworkError where it ended."""
        self.judge = (await self._reader.read()).get("judge", "")

    async def cut(self, keys: Iterable[PeerKey]) -> None:
        """Have the child drop its links with `keys`, and only these; returns once it has.

        Raises:
            NetworkError: It has ended.
        """
        wanted = {"cut": encode_keys(keys)}
        await self._send(wanted)
        while await self._reader.read() != wanted:
            pass  # the answer to an earlier word that nobody waited for

    async def close(self) -> None:
        """Tell the child to end; it may take a moment."""
        await self._stdin.aclose()

    async def _send(self, value: dict[str, str]) -> None:
        try:
            await self._stdin.send_all(encode_line(value))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            raise NetworkError("the other process has ended") from exc


def encode_keys(keys: Iterable[PeerKey]) -> str:
    """Return keys as one string, in ascending order."""
    return ",".join(sorted(key.hex() for key in keys))


def decode_keys(text: str) -> frozenset[PeerKey]:
    """Return the keys of `encode_keys`.

    Raises:
        NetworkError: It is no such string.
    """
    try:
        return frozenset(PeerKey(bytes.fromhex(part)) for part in text.split(",") if part)
    except ValueError as exc:
        raise NetworkError(f"expected keys, got {text[:80]!r}") from exc


def encode_line(value: dict[str, str]) -> bytes:
    """Return an object of strings as one JSON line."""
    return json.dumps(value).encode() + b"\n"


async def start_peer_process(nursery: trio.Nursery, *, words: IO[bytes] | None = None) -> PeerProcess:
    """Start a peer's process; it ends when `PeerProcess.close` is called or the nursery is cancelled.

    Args:
        nursery: Cancelling it kills the process.
        words: Where its standard error goes; this process's own when None.
    """
    command = [sys.executable, "-m", "swarm.edge.peer_process"]
    # A group of its own: Ctrl-C in a terminal is for the parent, which ends its children itself.
    start = partial(
        trio.run_process,
        command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=words,
        check=False,
        process_group=0,
        deliver_cancel=_kill,
    )
    return PeerProcess(await nursery.start(start))


async def _kill(process: trio.Process) -> None:
    process.kill()  # everything worth keeping is on disk; one that is stopped takes no politer signal


def create_spec(
    keys: LocalKeys,
    index: int,
    *,
    seed: bytes,
    directory: Path,
    logs: Path,
    model: str,
    judge: str = AUTOMATIC,
) -> ChildSpec:
    """Return what one peer of a local swarm is told; the arguments are those of `open_process_swarm`."""
    return ChildSpec(
        key_seed=compute_peer_seed(seed, index).hex(),
        genesis=keys.network.genesis_bytes.hex(),
        directory=str(directory),
        logs=str(logs / f"{directory.name}-peer-{index}.jsonl"),
        name=f"peer-{index}",
        model=model,
        judge=judge,
    )


@asynccontextmanager
async def open_process_swarm(
    keys: LocalKeys,
    *,
    seed: bytes,
    directory: Path,
    logs: Path,
    model: str,
    note: Callable[[str], None],
    judge: str = AUTOMATIC,
) -> AsyncIterator[SwarmAccess]:
    """Run each peer of a local swarm in its own process until the block is left.

    Args:
        keys: Who the peers are.
        seed: The secret seed `keys` were derived from.
        directory: Where each peer keeps its database.
        logs: Where each peer keeps its event log, which outlives the swarm.
        model: Model specification that every peer opens for itself.
        note: Called with one line at each stage.
        judge: How every peer judges: a strategy, or `auto` for what fits its model.

    Raises:
        ConfigError: A peer process did not come up; its own words are in the message.
    """
    async with trio.open_nursery() as nursery:
        peers = [await start_peer_process(nursery) for _ in keys.peers]
        specs = [
            create_spec(keys, index, seed=seed, directory=directory, logs=logs, model=model, judge=judge)
            for index in range(len(peers))
        ]
        try:
            with trio.fail_after(START_TIMEOUT_S):
                urls = await introduce_all(keys, peers, specs)
        except (trio.TooSlowError, NetworkError) as exc:
            nursery.cancel_scope.cancel()
            raise ConfigError(
                f"a peer process did not come up: {exc}",
                remedy="run without --processes, or with fewer --peers",
            ) from exc
        pids = tuple(peer.process.pid for peer in peers)
        note(f"{len(pids)} peer processes: {' '.join(map(str, pids))}")
        yield SwarmAccess(keys.network, keys.asker, urls, pids, peers[0].judge)  # one model, one judge
        await end_all(peers)


async def end_all(peers: Sequence[PeerProcess]) -> None:
    """Tell processes to end, wait a moment, and kill those that do not."""
    for peer in peers:
        await peer.close()
    with trio.move_on_after(STOP_TIMEOUT_S):
        for peer in peers:
            await peer.process.wait()
    for peer in peers:
        if peer.process.returncode is None:
            peer.process.kill()  # it is stopped or stuck: a polite signal would wait for it again


async def introduce_all(
    keys: LocalKeys, peers: Sequence[PeerProcess], specs: Sequence[ChildSpec]
) -> dict[PeerKey, str]:
    """Bring processes up together, each knowing all; returns their URLs.

    Raises:
        NetworkError: One of them ended.
    """
    for peer, spec in zip(peers, specs, strict=True):
        await peer.tell_spec(spec)  # all of them first: they load their models side by side
    urls = {pair.key: await peer.read_url() for pair, peer in zip(keys.peers, peers, strict=True)}
    for peer in peers:
        await peer.tell_urls(urls)
    for peer in peers:
        await peer.wait_ready()
    return urls
