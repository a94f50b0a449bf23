"""The processes of a real testnet: started, killed, stopped, parted, and brought back from their disks."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from consensus.errors import ConfigError, NetworkError
from consensus.identity import PeerKey
from models.judges.strategy import AUTOMATIC
from sim_net.real.plan import PeerModel
from sim_net.real.reach import ASKER, PeerState, Reach, compute_reach
from swarm.edge.local import LOOPBACK, LocalKeys
from swarm.edge.process_swarm import (
    START_TIMEOUT_S,
    ChildSpec,
    PeerProcess,
    create_spec,
    encode_keys,
    end_all,
    introduce_all,
    start_peer_process,
)

UP, DOWN = PeerState(), PeerState(is_up=False)
STOPPED_POLL_S = 0.002
CUT_TIMEOUT_S = 10.0  # a busy machine; a peer that does not answer by then has died or hangs


@dataclass(frozen=True, slots=True, kw_only=True)
class NetPaths:
    """Where a testnet's peers keep their databases and their event logs."""

    peers: Path
    logs: Path

    def get_database(self, index: int) -> Path:
        """Return a peer's database."""
        return self.peers / f"peer-{index}.sqlite3"

    def get_log(self, index: int) -> Path:
        """Return a peer's event log, which all its lives continue."""
        return self.logs / f"peer-{index}.jsonl"

    def get_words(self, index: int) -> Path:
        """Return what a peer wrote to its standard error."""
        return self.logs / f"peer-{index}.stderr.txt"


@dataclass(slots=True)
class _Place:
    """One peer: its port for good, its process while it lives, how it is and how it shall be."""

    index: int
    port: int
    process: PeerProcess | None = None
    actual: PeerState = DOWN
    wanted: PeerState = UP
    lock: trio.Lock = field(default_factory=trio.Lock)


class RealNet:
    """Peers in processes of their own.

    Args:
        keys: Who the peers are.
        seed: The secret seed `keys` were derived from.
        models: What each peer thinks with.
        ports: Where each peer listens, in all its lives.
        paths: Where peers keep their files.
        get_ms: Milliseconds since the start of the run.
        note: Called with one line at each stage.
        nursery: Holds the processes; cancelling it kills them.
        judge: How every peer judges: a strategy, or `auto` for what fits its model.
    """

    def __init__(
        self,
        keys: LocalKeys,
        *,
        seed: bytes,
        models: Sequence[PeerModel],
        ports: Sequence[int],
        paths: NetPaths,
        get_ms: Callable[[], int],
        note: Callable[[str], None],
        nursery: trio.Nursery,
        judge: str = AUTOMATIC,
    ) -> None:
        self.keys = keys
        self.judge = ""  # of the first peer; known once it is up
        self._wanted_judge = judge
        self.urls: dict[PeerKey, str] = {}
        self.timeline: list[Reach] = []
        self.failures: list[str] = []
        self._seed = seed
        self._models = models
        self._paths = paths
        self._get_ms = get_ms
        self._note = note
        self._nursery = nursery
        self._places = [_Place(index, port) for index, port in enumerate(ports)]

    @property
    def pids(self) -> tuple[int | None, ...]:
        """The process of each peer, None for one that is down."""
        return tuple(place.process.process.pid if place.process else None for place in self._places)

    def list_up(self) -> tuple[int, ...]:
        """Return the peers whose process lives, whether it is stopped or not."""
        return tuple(
            place.index
            for place in self._places
            if place.process is not None and place.process.process.returncode is None
        )

    async def start(self) -> None:
        """Bring all peers up.

        Raises:
            ConfigError: One did not come up; its own words are in its stderr file.
        """
        processes = [await self._spawn(place) for place in self._places]
        try:
            with trio.fail_after(START_TIMEOUT_S):
                self.urls = await introduce_all(
                    self.keys, processes, [self._specify(place) for place in self._places]
                )
        except (trio.TooSlowError, NetworkError) as exc:
            raise ConfigError(
                f"a peer process did not come up: {exc}", remedy=f"read what it said in {self._paths.logs}"
            ) from exc
        for place, process in zip(self._places, processes, strict=True):
            place.process, place.actual = process, place.wanted
        self.judge = processes[0].judge
        self._note(f"{len(processes)} peer processes: {' '.join(map(str, self.pids))}")
        self._note(f"judge {self.judge}")

    def begin_timeline(self) -> None:
        """Start to keep who could reach whom; from now on times count from the run's start."""
        self.timeline.clear()
        self._note_reach()

    async def apply(self, wanted: Sequence[PeerState]) -> None:
        """Bring every peer into the state it shall be in; returns once the peers are."""
        for place, state in zip(self._places, wanted, strict=True):
            place.wanted = state
        self._note_reach()
        async with trio.open_nursery() as nursery:
            for place in self._places:
                nursery.start_soon(self._settle, place)
        self._note_reach()

    async def stop(self) -> None:
        """End all processes; whoever ended before by itself is noted as a failure."""
        alive = []
        for place in self._places:
            if place.process is not None:
                self._note_death(place)
            if place.process is not None:
                alive.append(place.process)
        await end_all(alive)

    def _note_reach(self) -> None:
        actual, wanted = zip(*((place.actual, place.wanted) for place in self._places), strict=True)
        self.timeline.append(compute_reach(self._get_ms(), actual, wanted))

    def _note_death(self, place: _Place) -> None:
        """Take note of a process that ended although nobody ended it."""
        assert place.process is not None, "the caller has looked"
        code = place.process.process.returncode
        if code is not None:
            self.failures.append(f"peer {place.index} ended by itself with exit code {code}")
            place.process, place.actual = None, DOWN

    async def _settle(self, place: _Place) -> None:
        async with place.lock:
            if place.process is not None:
                self._note_death(place)
            if not place.wanted.is_up:
                await self._kill(place)
                return
            if place.process is None:
                await self._revive(place)
            process = place.process
            if process is None:
                return
            if place.actual.is_paused != place.wanted.is_paused:
                is_paused = place.wanted.is_paused
                process.process.send_signal(signal.SIGSTOP if is_paused else signal.SIGCONT)
                if is_paused:
                    await _wait_stopped(process.process.pid)
                place.actual = replace(place.actual, is_paused=is_paused)
            # A stopped process could not answer; what it is cut from, the other ends have cut too.
            if place.actual.cut != place.wanted.cut and not place.actual.is_paused:
                await self._cut(place, process, place.wanted.cut)

    async def _kill(self, place: _Place) -> None:
        if place.process is not None:
            place.process.process.kill()
            await place.process.process.wait()
            place.process = None
        place.actual = DOWN

    async def _cut(self, place: _Place, process: PeerProcess, cut: frozenset[int]) -> None:
        try:
            with trio.fail_after(CUT_TIMEOUT_S):
                await process.cut(self._list_keys(cut))
            place.actual = replace(place.actual, cut=cut)
        except NetworkError:
            pass  # it died meanwhile, which is noted when it is settled next, or at the end
        except trio.TooSlowError:
            self.failures.append(
                f"peer {place.index} did not change its links within {CUT_TIMEOUT_S:g} s: it hangs"
            )

    async def _revive(self, place: _Place) -> None:
        """Start a peer again on its port and its disk; one that does not come up stays down."""
        cut = place.wanted.cut
        process = await self._spawn(place)
        try:
            with trio.fail_after(START_TIMEOUT_S):
                await process.introduce(self._specify(place))
                await process.tell_urls(self.urls)
                await process.wait_ready()
        except (trio.TooSlowError, NetworkError) as exc:
            words = self._paths.get_words(place.index)
            self.failures.append(f"peer {place.index} did not come up from its disk ({exc}); see {words}")
            process.process.kill()
            await process.process.wait()
            return
        place.process, place.actual = process, PeerState(cut=cut)
        self._note(f"peer {place.index} is up again, process {process.process.pid}")

    async def _spawn(self, place: _Place) -> PeerProcess:
        with self._paths.get_words(place.index).open("ab") as words:
            return await start_peer_process(self._nursery, words=words)

    def _specify(self, place: _Place) -> ChildSpec:
        spec = create_spec(
            self.keys,
            place.index,
            seed=self._seed,
            directory=self._paths.peers,
            logs=self._paths.logs,
            model=self._models[place.index].spec,
            judge=self._wanted_judge,
        )
        return replace(
            spec,
            logs=str(self._paths.get_log(place.index)),
            port=str(place.port),
            cut=encode_keys(self._list_keys(place.wanted.cut)),
        )

    def _list_keys(self, peers: frozenset[int]) -> list[PeerKey]:
        return [
            self.keys.asker.key if index == ASKER else self.keys.peers[index].key for index in sorted(peers)
        ]


def reserve_port(stack: ExitStack) -> int:
    """Return a free loopback port, kept for those who mean to listen on it until `stack` is closed.

    A peer that is down leaves its port free, and the kernel might lend it to somebody's outgoing connection.
    On Linux a socket that is bound and never listens keeps it from that, and lets others that share
    addresses bind and listen; elsewhere it would keep them out, so the port is only found, not kept.
    """
    held = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((LOOPBACK, 0))
    port = int(held.getsockname()[1])
    if sys.platform != "linux":
        held.close()
    return port


async def _wait_stopped(pid: int) -> None:
    """Wait until a process that was told to has stopped, or has ended.

    The system wakes, and so ends, the stopped processes of a parent that dies; one that is only about to
    stop it passes over, and that one would sleep for ever.
    """
    with suppress(ChildProcessError):  # it ended, and was collected
        while os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            await trio.sleep(STOPPED_POLL_S)
