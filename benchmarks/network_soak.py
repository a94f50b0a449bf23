"""A private network under faults for a long time: real processes, TLS, kills, pauses and restarts at random.

Ten peers, two of which only dial out, are asked one question after another. Between questions, never more
than two at once, peers are killed, stopped in their tracks or told to restart. At the end three things must
hold, and the fourth is printed:

1. no acknowledged receipt is lost: whoever logged that a round closed has its receipt in its database, and
   every receipt that the asker got is on its disk and verifies as trusted;
2. nothing was signed twice: no peer found evidence against another one;
3. all peers go down as they are told, with exit code 0;
4. the memory of the peers that were never restarted, after each tenth of the run.

Run: python -m benchmarks.network_soak --rounds 500
     python -m benchmarks.network_soak --rounds 3000 --faults 0.02
"""

import argparse
import json
import random
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import trio

from consensus.verify import verify_receipt
from swarm.edge.ask_options import AskOptions
from swarm.edge.asking import Asked, SwarmAsker
from swarm.edge.network_asking import open_network_asker
from swarm.edge.network_file import NetworkFile, read_network_file
from swarm.edge.paths import Paths
from swarm.edge.peer_directory import STORE_NAME, get_log_path
from swarm.peer.stage import Stage, StagedPeer, create_stage

PEERS, SEATS = 10, 7
OUTBOUND_ONLY = (8, 9)
STEADY = 4  # so many peers are paused at most, so that their memory can be followed
AWAY_MAX = 2  # a committee of 7 tolerates two
DEADLINE_S = 30.0
FAULT_SHARE = 0.25  # of questions, before which something happens
TENTHS = 10
AWAY_QUESTIONS_MAX = 4
PAUSE_S_MAX = 8.0
KINDS = ("kill", "pause", "restart")


@dataclass
class Soak:
    """A run under way."""

    stage: Stage
    file: NetworkFile
    random: random.Random
    fault_share: float
    away: dict[int, tuple[str, int]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    receipts: list[Path] = field(default_factory=list)
    memory: dict[int, dict[int, float]] = field(default_factory=dict)

    def disturb(self, number: int) -> None:
        """Bring back who was away long enough, and perhaps take somebody away."""
        for place, (kind, until) in list(self.away.items()):
            if number >= until:
                self.bring_back(place, kind)
        if len(self.away) < AWAY_MAX and self.random.random() < self.fault_share:
            kind = self.random.choice(KINDS)
            first = 0 if kind == "pause" else STEADY
            places = [place for place in range(first, PEERS) if place not in self.away]
            place = self.random.choice(places)
            self.away[place] = (kind, number + self.random.randint(1, AWAY_QUESTIONS_MAX))
            self.faults[kind] += 1
            self.take_away(self.stage.peers[place], kind)

    def take_away(self, peer: StagedPeer, kind: str) -> None:
        """Do one fault to a peer."""
        assert peer.process is not None, "all were started"
        if kind == "kill":
            self.stage.kill(peer)
        elif kind == "pause":
            peer.process.send_signal(signal.SIGSTOP)
        else:
            peer.process.send_signal(signal.SIGTERM)

    def bring_back(self, place: int, kind: str) -> None:
        """Undo a fault."""
        peer = self.stage.peers[place]
        assert peer.process is not None, "all were started"
        if kind == "pause":
            peer.process.send_signal(signal.SIGCONT)
        else:
            peer.process.wait()
            self.stage.start(peer)
        del self.away[place]

    def note_memory(self, rounds: int) -> None:
        """Read how much memory the peers use that are never restarted, after so many rounds."""
        for place in range(STEADY):
            if place not in self.away:
                used = self.stage.get_status(self.stage.peers[place]).get("memory_mb")
                if isinstance(used, float):
                    self.memory.setdefault(place, {})[rounds] = used


async def ask_all(soak: Soak, *, rounds: int) -> None:
    """Ask so many questions, with faults between them."""
    paths = Paths(data=soak.stage.root / "soak", cache=soak.stage.root / "cache")
    options = AskOptions(peers=SEATS, deadline_s=DEADLINE_S)
    async with open_network_asker(
        options, soak.file, paths=paths, note=lambda _: None, on_progress=lambda _: None
    ) as asker:
        for number in range(rounds):
            await trio.to_thread.run_sync(soak.disturb, number)
            started = time.monotonic()
            asked = await ask_again(asker, f"What is {number} times 12?")
            soak.seconds.append(time.monotonic() - started)
            soak.statuses["none" if asked.report is None else asked.report.status.name.lower()] += 1
            if asked.receipt_path is not None:
                soak.receipts.append(asked.receipt_path)
            if (number + 1) % max(1, rounds // TENTHS) == 0:
                await trio.to_thread.run_sync(soak.note_memory, number + 1)
            if (number + 1) % 50 == 0:
                print(f"  {number + 1} of {rounds}: {dict(soak.statuses)}, {dict(soak.faults)}", flush=True)


async def ask_again(asker: SwarmAsker, text: str) -> Asked:
    """Ask; a question that came to nothing is asked once more, as a person would."""
    asked = await asker.ask(text)
    return asked if asked.report is not None else await asker.ask(text)


def find_lost(soak: Soak) -> list[str]:
    """Return what was acknowledged and is not there."""
    lost = []
    for peer in soak.stage.peers:
        with sqlite3.connect(f"file:{peer.directory / STORE_NAME}?mode=ro", uri=True) as database:
            kept = {bytes(row[0]).hex() for row in database.execute("SELECT round_id FROM receipt")}
        closed = {event["round"] for event in read_events(peer) if event["event"] == "round_closed"}
        lost += [f"{peer.label} lost {round_id}" for round_id in sorted(closed - kept)]
    for path in soak.receipts:
        verdict = verify_receipt(path.read_bytes(), trusted_network=soak.file.network.genesis_bytes)
        if not verdict.is_trusted:
            lost.append(f"{path} is not trusted")
    return lost


def find_evidence(soak: Soak) -> list[str]:
    """Return what peers hold against each other."""
    return [
        f"{peer.label}: {event}"
        for peer in soak.stage.peers
        for event in read_events(peer)
        if event["event"] in ("evidence_found", "node_halted", "second_machine")
    ]


def read_events(peer: StagedPeer) -> list[dict[str, str]]:
    """Return a peer's log, old files first."""
    path = get_log_path(peer.directory)
    found = []
    for file in sorted(path.parent.glob(f"{path.stem}*")):
        for line in file.read_text("utf-8", "replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # the line that a kill tore
    return found


def run(root: Path, *, rounds: int, seed: int, fault_share: float) -> int:
    """Run the soak and print what held; returns the exit code."""
    stage = create_stage(root, model="scripted", peers=PEERS, outbound_only=OUTBOUND_ONLY)
    stage.make(introduced=3)
    soak = Soak(stage, read_network_file(stage.network), random.Random(seed), fault_share)
    started = time.monotonic()
    try:
        for peer in stage.peers:
            stage.start(peer)
        stage.wait_linked(stage.peers, PEERS - 1)
        trio.run(lambda: ask_all(soak, rounds=rounds))
        for place, (kind, _) in list(soak.away.items()):
            soak.bring_back(place, kind)
        stage.wait_linked(stage.peers, PEERS - 1)
    finally:
        codes = stage.stop()
    lost, evidence = find_lost(soak), find_evidence(soak)
    median = statistics.median(soak.seconds)
    print(f"{rounds} rounds in {time.monotonic() - started:.0f} s, median {median:.2f} s, seed {seed}")
    print(f"ended: {dict(soak.statuses)}; faults: {dict(soak.faults)}")
    print(f"1. acknowledged receipts lost: {len(lost)}")
    print(f"2. evidence and halts: {len(evidence)}")
    print(f"3. exit codes: {sorted(set(codes))}")
    for place, used in sorted(soak.memory.items()):
        after = ", ".join(f"{mib:.1f} after {number}" for number, mib in used.items())
        print(f"4. {stage.peers[place].label}, MiB: {after}")
    for line in (*lost[:10], *evidence[:10]):
        print(f"   {line}")
    return int(bool(lost or evidence or set(codes) != {0}))


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--faults", type=float, default=FAULT_SHARE, help="share of questions before which something happens"
    )
    parser.add_argument("--keep", type=Path, help="make everything there, and keep it")
    chosen = parser.parse_args()
    if chosen.keep is not None:
        chosen.keep.mkdir(mode=0o700)
        return run(chosen.keep.absolute(), rounds=chosen.rounds, seed=chosen.seed, fault_share=chosen.faults)
    with tempfile.TemporaryDirectory(prefix="peerage-soak-") as root:
        return run(Path(root), rounds=chosen.rounds, seed=chosen.seed, fault_share=chosen.faults)


if __name__ == "__main__":
    sys.exit(main())
