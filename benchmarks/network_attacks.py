"""A network of real peers under attack, one attack after another, while somebody honest goes on asking.

Five peers under TLS on this machine, with scripted models. Attackers are processes of their own and attack
one peer, or all with --all; they, the peers and the asker share the machine's cores, so what rounds lose is
what the attackers' own work takes from them as well. The fifth peer's key is the one of the attacks by a
member; then its own process is down, in the peace that is compared with too.

Printed of each attack: what the attackers got done in a second; of the attacked peer (of all, the one that
used most) memory, open files and share of a core before, at most, and after; what its log grew by; the
honest rounds, in the peace just before and during; and how many newcomers got a link who tried once a second.

Run: python -m benchmarks.network_attacks --seconds 15
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import trio

from benchmarks.attacks.links import GONE, Rate, Tally, Target, open_link
from benchmarks.attacks.process import ATTACKS, READY, draw_key
from benchmarks.attacks.watch import (
    Use,
    Watch,
    count_bans,
    count_events,
    count_lines,
    get_log_size,
    read_new_events,
)
from swarm.edge.ask_options import AskOptions
from swarm.edge.asking import SwarmAsker
from swarm.edge.network_asking import open_network_asker
from swarm.edge.network_file import NetworkFile, read_network_file
from swarm.edge.paths import Paths
from swarm.edge.peer_directory import KEY_NAME
from swarm.peer.stage import Stage, StagedPeer, create_stage

PEERS: Final = 5
SEATS: Final = 4  # so that rounds of the attacks by a member, which is away, are not all short of a seat
DEADLINE_S: Final = 9.0
MEMBERS_ATTACKS: Final = "member-"
MEMORY_GROWTH_MIB_MAX: Final = 64.0  # shared/goals.md
SLOWER_MAX: Final = 1.5
CALM_S: Final = 8.0  # after an attack: longer than half-open connections are waited for
PROBE_S: Final = 1.0
START_S_MAX: Final = 60.0


@dataclass(frozen=True, slots=True)
class HonestRound:
    """A round of the honest asker; the status is `none` where there was no answer."""

    started: float
    seconds: float
    status: str


@dataclass(slots=True)
class Scene:
    """A network, its honest asker, and who is watched."""

    stage: Stage
    file: NetworkFile
    victims: Sequence[StagedPeer]
    watches: Sequence[Watch]
    rounds: list[HonestRound] = field(default_factory=list)

    @property
    def traitor(self) -> StagedPeer:
        """The member whose key is used for attacks."""
        return self.stage.peers[-1]

    def get_rounds(self, since: float, until: float) -> list[HonestRound]:
        """Return the rounds that began between two moments and are over."""
        return [one for one in self.rounds if since <= one.started < until]


@dataclass(frozen=True, slots=True)
class Attacked:
    """What came of one attack. Uses are of the victim that used most memory during it."""

    kind: str
    seconds: float
    tally: Tally
    before: Use
    during: Use
    after: Use
    log_bytes: int
    events: Counter[str]
    bans: int
    peace: Sequence[HonestRound]
    war: Sequence[HonestRound]
    newcomers: tuple[bool, ...]

    @property
    def growth_mib(self) -> float:
        """How much more memory the victim used."""
        return self.during.memory_mib - self.before.memory_mib


async def keep_asking(scene: Scene, asker: SwarmAsker) -> None:
    """Ask honestly, one question after another."""
    number = 0
    while True:
        started = time.monotonic()
        asked = await asker.ask(f"What is {number} times 12?")
        status = "none" if asked.report is None else asked.report.status.name.lower()
        scene.rounds.append(HonestRound(started, time.monotonic() - started, status))
        number += 1
        if status == "none":
            await trio.sleep(0.1)  # as a person would wait before asking again


async def probe(scene: Scene, found: list[bool]) -> None:
    """Try to become linked with the first victim, once in a while."""
    target = Target(scene.victims[0].url, scene.file.network, Tally(), Rate(1.0))
    while True:
        is_in = False
        try:
            async with open_link(target, draw_key()):
                is_in = True
        except* GONE:
            pass  # it is one of those that found no way in
        found.append(is_in)
        await trio.sleep(PROBE_S)


async def attack(scene: Scene, kind: str, *, seconds: float, processes: int) -> tuple[float, Tally]:
    """Let attackers loose; returns when they began, once their time is over, and what they got done."""
    command = [
        sys.executable, "-m", "benchmarks.attacks.process", kind, "--network", str(scene.stage.network),
        "--key", str(scene.traitor.directory / KEY_NAME), "--password-file", str(scene.stage.password),
        "--seconds", str(seconds),
        *(part for victim in scene.victims for part in ("--victim", victim.url)),
    ]  # fmt: skip
    done = Tally()
    began: list[float] = []

    async def run_one() -> None:
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None, "it is a pipe"
            said = b""
            async for part in process.stdout:
                said += part
                if not began and said.startswith(READY.encode()):
                    began.append(time.monotonic())
            if await process.wait():
                raise RuntimeError(f"the attacker {kind} failed")
            done.add(json.loads(said.splitlines()[1]))
        finally:
            process.kill()

    with trio.fail_after(seconds + START_S_MAX):
        async with trio.open_nursery() as nursery:
            for _ in range(processes):
                nursery.start_soon(run_one)
    return began[0], done


async def measure(scene: Scene, kind: str, *, seconds: float, processes: int, calm_s: float) -> Attacked:
    """Be at peace, be attacked, be at peace again."""
    logs = [get_log_size(victim) for victim in scene.victims]
    starts = [count_lines(victim) for victim in scene.victims]
    peace = time.monotonic()
    await trio.sleep(seconds)
    newcomers: list[bool] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(probe, scene, newcomers)
        came = time.monotonic()
        began, tally = await attack(scene, kind, seconds=seconds, processes=processes)
        nursery.cancel_scope.cancel()
    ended = time.monotonic()
    await trio.sleep(calm_s)
    calm = time.monotonic()
    await trio.sleep(calm_s / 2)
    now = time.monotonic()
    watch = max(scene.watches, key=lambda one: one.get_use(began, ended).memory_mib)
    place = scene.watches.index(watch)
    events = read_new_events(scene.victims[place], starts[place])
    return Attacked(
        kind=kind,
        seconds=ended - began,
        tally=tally,
        before=watch.get_use(peace, came),
        during=watch.get_use(began, ended),
        after=watch.get_use(calm, now),
        log_bytes=get_log_size(scene.victims[place]) - logs[place],
        events=count_events(events),
        bans=count_bans(events),
        peace=scene.get_rounds(peace, came),
        war=scene.get_rounds(began, ended),
        newcomers=tuple(newcomers),
    )


def describe(found: Attacked) -> list[str]:
    """Return what came of an attack, as lines."""
    before, during, after = found.before, found.during, found.after
    rates = {name: f"{count / found.seconds:,.0f}" for name, count in found.tally.to_value().items()}
    noted = ", ".join(f"{name} {count}" for name, count in found.events.most_common(5))
    return [
        f"{found.kind}: {found.seconds:.0f} s",
        "  attackers, a second: " + ", ".join(f"{name} {rate}" for name, rate in rates.items()),
        f"  memory, MiB: {before.memory_mib:.0f} before, {found.growth_mib:+.0f} at most,"
        f" {after.memory_mib - before.memory_mib:+.0f} after",
        f"  open files: {before.descriptors} before, {during.descriptors} at most, {after.descriptors} after",
        f"  share of a core: {before.cpu_share:.2f} before, {during.cpu_share:.2f} during,"
        f" {after.cpu_share:.2f} after",
        f"  log: {found.log_bytes / 1_024:,.0f} KiB in all ({noted}); bans: {found.bans}",
        f"  honest rounds in peace: {describe_rounds(found.peace)}",
        f"  honest rounds under attack: {describe_rounds(found.war)}",
        f"  newcomers let in: {sum(found.newcomers)} of {len(found.newcomers)}",
    ]


def describe_rounds(rounds: Sequence[HonestRound]) -> str:
    """Return how many rounds ended how, and how long they took."""
    statuses = Counter(one.status for one in rounds)
    seconds = sorted(one.seconds for one in rounds if one.status != "none")
    if not seconds:
        return f"{dict(statuses)}"
    return f"{dict(statuses)}, median {statistics.median(seconds):.2f} s, p95 {get_p95(seconds):.2f} s"


def get_p95(rising: Sequence[float]) -> float:
    """Return the value that 95 of 100 are not above."""
    return rising[-(-len(rising) * 95 // 100) - 1]


def find_failures(found: Attacked) -> list[str]:
    """Return which goals an attack kept from being reached; how long rounds take is none of them."""
    failures = []
    if found.growth_mib > MEMORY_GROWTH_MIB_MAX:
        failures.append(f"{found.kind}: {found.growth_mib:.0f} MiB more memory")
    if not any(one.status != "none" for one in found.war):
        failures.append(f"{found.kind}: no honest round finished")
    return failures


async def run_attacks(
    scene: Scene, kinds: Sequence[str], *, seconds: float, processes: int, calm_s: float
) -> list[Attacked]:
    """Attack in all these ways; while the member attacks, its own process is down."""
    paths = Paths(data=scene.stage.root / "honest", cache=scene.stage.root / "cache")
    options = AskOptions(peers=SEATS, deadline_s=DEADLINE_S)
    found = []
    async with (
        open_network_asker(
            options, scene.file, paths=paths, note=lambda _: None, on_progress=lambda _: None
        ) as asker,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(keep_asking, scene, asker)
        for watch in scene.watches:
            nursery.start_soon(watch.run)
        for kind in kinds:
            if kind.startswith(MEMBERS_ATTACKS) and scene.traitor.is_up():
                scene.stage.kill(scene.traitor)
            found.append(await measure(scene, kind, seconds=seconds, processes=processes, calm_s=calm_s))
            print("\n".join(describe(found[-1])), flush=True)
        nursery.cancel_scope.cancel()
    return found


def group_kinds(kinds: Sequence[str]) -> list[Sequence[str]]:
    """Return which attacks share a network; a member attacks once in each, for its key is banned then."""
    by_strangers = [kind for kind in kinds if not kind.startswith(MEMBERS_ATTACKS)]
    by_members = [[kind] for kind in kinds if kind.startswith(MEMBERS_ATTACKS)]
    return [by_strangers, *by_members] if by_strangers else [*by_members]


def run(
    root: Path,
    kinds: Sequence[str],
    *,
    seconds: float,
    processes: int,
    is_all: bool,
    calm_s: float = CALM_S,
) -> list[Attacked]:
    """Make a network in an empty directory and attack it.

    Returns:
        What came of each attack.
    """
    stage = create_stage(root, model="scripted", peers=PEERS)
    stage.make(introduced=PEERS)
    victims = stage.peers[:-1] if is_all else stage.peers[:1]
    scene = Scene(stage, read_network_file(stage.network), victims, [Watch(victim) for victim in victims])
    try:
        for peer in stage.peers:
            stage.start(peer)
        stage.wait_linked(stage.peers, PEERS - 1)
        return trio.run(
            partial(run_attacks, scene, kinds, seconds=seconds, processes=processes, calm_s=calm_s)
        )
    finally:
        stage.stop()


def main() -> int:
    """Read the command line and attack; the exit code says whether the goals were reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "kinds", nargs="*", choices=[[], *ATTACKS], default=[], help="all where none is named"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of peace and of war, each")
    parser.add_argument("--processes", type=int, default=2, help="attackers at one time")
    parser.add_argument("--all", action="store_true", help="attack all peers, not only one")
    chosen = parser.parse_args()
    found = []
    for kinds in group_kinds(chosen.kinds or tuple(ATTACKS)):
        with tempfile.TemporaryDirectory(prefix="peerage-attacks-") as root:
            found += run(
                Path(root),
                kinds,
                seconds=chosen.seconds,
                processes=chosen.processes,
                is_all=chosen.all,
            )
    failures = [failure for one in found for failure in find_failures(one)]
    print("\n".join(failures) or "all goals were reached")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
