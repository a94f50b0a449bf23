"""Writes the records of a round through a `SqliteStore`, once a strike, each time in a fork that is traced.

`run_job` starts a process of its own for it, because a tracer must have one thread: that one reads a pickled
`Job` and leaves a pickled list of `Outcome`.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import trio

from consensus.errors import StoreError
from swarm.core.records import Record
from swarm.edge.paths import write_private_file
from swarm.edge.store import open_asyncio_loop, open_store
from tests.crash.tracer import Blow, Call, Strike, Trace, trace_fork

ROOT = Path(__file__).parents[2]
DATABASE = "peer/peer.sqlite3"
SECRET = "peer/key.json"
OLD, NEW = b"old " * 2_000, b"new, and of another length " * 1_000
RUNS_MAX = 2_000  # of one job; more points than that in one round would be a mistake

Write = tuple[Record, ...]


@dataclass(frozen=True)
class Job:
    """What to do, and at which calls to strike; each strike has a directory `0`, `1`, ... to itself.

    Attributes:
        directory: Where all of them are made.
        writes: What goes through the store; None writes SECRET over an older one instead.
        blows: Struck at every call in turn, until a run ends before it.
    """

    directory: Path
    writes: tuple[Write, ...] | None
    blows: tuple[Blow, ...]


@dataclass(frozen=True)
class Outcome:
    """One run: where it left its files, what it did, what it acknowledged, and what it had to say."""

    directory: Path
    strike: Strike | None
    trace: Trace
    acknowledged: int
    error: str = ""
    remedy: str = ""

    @property
    def acknowledged_at(self) -> list[int]:
        """By write, the number of calls before it was reported as durable."""
        return [calls for calls, data in self.trace.said if pickle.loads(data)[0] == "written"]

    @property
    def call(self) -> Call | None:
        """The call that was struck."""
        return None if self.strike is None else self.trace.calls[self.strike.at]


def run_job(job: Job) -> list[Outcome]:
    """Have a worker do a job; the first outcome is the run without a strike, its calls with their data."""
    path = job.directory / "job"
    path.write_bytes(pickle.dumps(job))
    # Not with -m: what __main__ pickles, nobody else can open.
    command = [sys.executable, "-c", "from tests.crash.worker import main; main()", str(path)]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)  # the tracer has heard it
    outcomes: list[Outcome] = pickle.loads(path.with_suffix(".done").read_bytes())
    return outcomes


def _say(kind: str, text: str = "") -> None:
    os.write(1, pickle.dumps((kind, text)))


def _write_records(path: Path, writes: Iterable[Write]) -> None:
    """Do as a node does: write, say that it is written, and stop at the first error."""

    async def main() -> None:
        async with open_asyncio_loop():
            try:
                store = await open_store(path)
            except StoreError as exc:
                _say("error", exc.message)
                _say("remedy", exc.remedy)
                return
            try:
                for records in writes:
                    await store.write(records)
                    _say("written")
            except StoreError as exc:
                _say("error", exc.message)
                _say("remedy", exc.remedy)
            finally:
                await store.aclose()

    trio.run(main)


def _write_secret(path: Path) -> None:
    try:
        write_private_file(path, NEW)
    except StoreError as exc:
        _say("error", exc.message)
        _say("remedy", exc.remedy)
    else:
        _say("written")


def _run(job: Job, number: int, strike: Strike | None) -> Outcome:
    directory = job.directory / str(number)
    directory.mkdir()
    body: Callable[[], None]
    if job.writes is None:
        write_private_file(directory / SECRET, OLD)
        body = lambda: _write_secret(directory / SECRET)  # noqa: E731 - beside its twin
    else:
        writes = job.writes
        body = lambda: _write_records(directory / DATABASE, writes)  # noqa: E731
    trace = trace_fork(body, directory, strike)
    said: list[tuple[str, str]] = [pickle.loads(data) for _, data in trace.said]
    words = dict(said)
    written = sum(kind == "written" for kind, _ in said)
    return Outcome(directory, strike, trace, written, words.get("error", ""), words.get("remedy", ""))


def _run_all(job: Job) -> Iterator[Outcome]:
    yield _run(job, 0, None)
    number = 1
    for blow in job.blows:
        for at in range(RUNS_MAX):
            outcome = _run(job, number, Strike(blow, at))
            number += 1
            if len(outcome.trace.calls) <= at:
                break  # this run ended before the call: every one has been struck
            for call in outcome.trace.calls:
                call.data = b""
            yield outcome


def main() -> None:
    path = Path(sys.argv[1])
    job: Job = pickle.loads(path.read_bytes())
    outcomes = list(_run_all(job))
    path.with_suffix(".done").write_bytes(pickle.dumps(outcomes))
