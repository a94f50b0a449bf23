"""A real peer's process killed at one system call of its round, and what it does in its second life."""

import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import PIPE

import trio

from consensus.encoding import encode
from consensus.errors import NetworkError
from consensus.messages import make_ask
from swarm.core.records import Table
from swarm.edge.events import read_events
from swarm.edge.local import create_local_keys
from swarm.edge.paths import ensure_directory
from swarm.edge.process_swarm import ChildSpec, PeerProcess, create_spec, start_peer_process
from swarm.edge.store import open_store
from tests.crash.tracer import Strike, Trace
from tests.crash.witness import PEERS, SEED, VICTIM, CrashRun, open_crash_swarm

LIFE_S = 60.0  # generous: it is a deadline, and a busy machine has passed half of it
LOOK_S = 0.02
ASK_AGAIN_S = 0.5
STATE = "state"  # the victim's directory: database, mark and event log


@dataclass
class Lives:
    """Two lives of a peer, and what was found between and after them.

    Attributes:
        trace: The first life's calls.
        unwritten: Slots whose statement the network had seen, and the disk did not hold, at the first death.
        lost_receipts: Rounds whose end the asker was told of, and the disk held no receipt of.
        doubles: Slots with two different statements over both lives.
        is_back: Whether the second life came to the end of the round and said so.
        heard_again: Statements that it sent in its second life.
        events: Names of the events of its second life.
    """

    trace: Trace
    unwritten: list[str]
    lost_receipts: int
    doubles: int
    is_back: bool
    heard_again: int
    events: list[str]

    @property
    def problems(self) -> str:
        """What is wrong, empty where nothing is."""
        found = []
        if self.unwritten:
            found.append(f"said before it was written: {', '.join(self.unwritten)}")
        if self.lost_receipts:
            found.append("an acknowledged receipt is lost")
        if self.doubles:
            found.append(f"{self.doubles} slots were signed twice")
        if not self.is_back:
            found.append("it did not come back to the round")
        return "; ".join(found)


async def live_twice(
    directory: Path,
    strike: Strike,
    *,
    tamper: Callable[[Path], None] = lambda _: None,
    patience_s: float = LIFE_S,
) -> Lives:
    """Run a round with a victim that is killed at a call, look at its disk, and let it come back.

    Needs the loop of `open_asyncio_loop` around it. Where the first life ends before the call it is ended
    politely, and its trace says so.

    Args:
        directory: Where everything is kept; not there yet.
        strike: What ends the first life.
        tamper: Does something to the victim's directory between its lives.
        patience_s: How long the second life may take to come to the end of the round.
    """
    state, report = ensure_directory(directory / STATE), directory / "report"
    report.write_bytes(pickle.dumps((state, strike)))
    keys = create_local_keys(peers=PEERS, seed=SEED)
    model = "scripted:accuracy=0.3"
    spec = create_spec(keys, VICTIM, seed=SEED, directory=state, logs=state, model=model)
    with trio.fail_after(3 * LIFE_S):
        async with trio.open_nursery() as nursery:
            victim = await _start_traced(nursery, report)
            url = await victim.introduce(spec)
            async with open_crash_swarm(directory, victim_url=url) as run:
                await _live(victim, run)
                await victim.process.wait()
                unwritten, lost = await _compare_disk(directory, spec, run)
                tamper(state)
                heard, told = run.witness.heard, len(list(_read_events(state)))
                is_back = await _come_back(nursery, spec, run, patience_s)
            nursery.cancel_scope.cancel()
    trace: Trace = pickle.loads(report.read_bytes())
    return Lives(
        trace,
        unwritten,
        lost,
        doubles=len(run.witness.get_doubles()),
        is_back=is_back,
        heard_again=run.witness.heard - heard,
        events=list(_read_events(state))[told:],
    )


def _read_events(state: Path) -> Iterator[str]:
    for path in state.glob("*.jsonl"):
        yield from (event.event for event in read_events(path))


async def _start_traced(nursery: trio.Nursery, report: Path) -> PeerProcess:
    command = [sys.executable, "-m", "tests.crash.traced", str(report)]
    start = partial(trio.run_process, command, stdin=PIPE, stdout=PIPE, check=False)
    return PeerProcess(await nursery.start(start))


async def _live(victim: PeerProcess, run: CrashRun) -> None:
    """Let the victim take part in a round, until it dies or has told the asker of the end."""
    try:
        await victim.tell_urls(run.urls)
        await victim.wait_ready()
    except NetworkError:
        return  # it died while it opened its database
    await _wait_closed(run, lambda: victim.process.poll() is not None, LIFE_S)
    await victim.close()


async def _compare_disk(directory: Path, spec: ChildSpec, run: CrashRun) -> tuple[list[str], int]:
    """Hold what the network saw against a copy of what the dead process left."""
    copy = directory / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory / STATE, copy)
    async with aclosing(await open_store(copy / f"{spec.name}.sqlite3")) as store:
        records = await store.load_round(run.round_id)
    signed = {record.key: record.value for record in records if record.table is Table.SIGNED}
    unwritten = [
        slot.hex()
        for (_, slot), payloads in run.witness.statements.items()
        if slot not in signed or payloads[0] not in signed[slot]
    ]
    has_receipt = any(record.table is Table.RECEIPT for record in records)
    return unwritten, int(bool(run.witness.closed) and not has_receipt)


async def _come_back(nursery: trio.Nursery, spec: ChildSpec, run: CrashRun, patience_s: float) -> bool:
    """Start the victim again at its old address, ask it again, and wait for the end of the round."""
    port = run.urls[run.witness.victim].rpartition(":")[2].strip("/")
    again = ChildSpec(**{**{name: getattr(spec, name) for name in ChildSpec.__slots__}, "port": port})
    victim = await start_peer_process(nursery)
    await victim.introduce(again)
    await victim.tell_urls(run.urls)
    await victim.wait_ready()
    is_back = await _wait_closed(run, lambda: False, patience_s)
    await victim.close()
    return is_back


async def _wait_closed(run: CrashRun, is_over: Callable[[], bool], patience_s: float) -> bool:
    """Ask until the victim tells the asker of the round's end, or something else ends it; says which."""
    before = len(run.witness.closed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_ask_again, run)
        nursery.start_soon(_listen, run)
        with trio.move_on_after(patience_s):
            while len(run.witness.closed) == before and not is_over():
                await trio.sleep(LOOK_S)
        nursery.cancel_scope.cancel()
    return len(run.witness.closed) > before


async def _ask_again(run: CrashRun) -> None:
    while True:
        for key in run.urls:
            run.asker.send(key, encode(make_ask(run.question, None)))
        await trio.sleep(ASK_AGAIN_S)


async def _listen(run: CrashRun) -> None:
    """Note what comes to the asker."""
    while True:
        for event in await run.asker.inbox.receive_batch():
            run.note(event)
