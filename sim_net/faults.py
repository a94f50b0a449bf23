"""Faults as they strike a world: each strike says how it is undone, and healing undoes all of them."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType

from sim_net.fault_kinds import FAULT_KINDS, get_flag, get_ms, get_number
from sim_net.manifest import FaultSettings, NetworkSettings
from sim_net.records import FaultRow
from sim_net.world import World

ROLLBACK_MAX = 20  # transactions
Undo = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike: what it is, whom it hits, and the generator it may draw from."""

    world: World
    fault: FaultSettings
    peers: tuple[int, ...]
    dice: random.Random

    @property
    def nodes(self) -> list[int]:
        """The nodes of the peers it hits."""
        return [index for index, node in enumerate(self.world.nodes) if node.peer in self.peers]


# -- nodes -------------------------------------------------------------------------------------------


def _kill(strike: Strike) -> Undo:
    world = strike.world
    down = [node for node in strike.nodes if world.nodes[node].is_up]
    for node in down:
        world.crash(node)
    return lambda: _start(world, down)


def _start(world: World, nodes: Sequence[int]) -> None:
    for node in nodes:
        if not world.nodes[node].is_up or world.nodes[node].state.is_halted:
            world.restart(node)


def _restart(strike: Strike) -> None:
    for node in strike.nodes:
        strike.world.restart(node)


def _forget(strike: Strike) -> None:
    for node in strike.nodes:
        strike.world.byzantine[node] = "forgetful"
        strike.world.crash(node)
        strike.world.nodes[node].disk.erase()
        strike.world.restart(node)


def _pause(strike: Strike) -> Undo:
    world, nodes = strike.world, strike.nodes
    for node in nodes:
        world.pause(node)

    def undo() -> None:
        for node in nodes:
            world.resume(node)

    return undo


def _slow(strike: Strike) -> Undo:
    world, nodes = strike.world, strike.nodes
    factor = get_number(strike.fault, "factor") or 1.0
    for node in nodes:
        world.nodes[node].slowed_by.append(factor)

    def undo() -> None:
        for node in nodes:
            world.nodes[node].slowed_by.remove(factor)

    return undo


# -- links -------------------------------------------------------------------------------------------


def _partition(strike: Strike) -> Undo:
    world, nodes = strike.world, strike.world.nodes
    sides = strike.fault.groups or (strike.peers,)
    side = {peer: number for number, group in enumerate(sides) for peer in group}
    # With groups, who is in none is alone; a single side stands against all the rest.
    alone = range(-1, -1 - len(nodes), -1) if strike.fault.groups else [-1] * len(nodes)
    place = [side.get(node.peer, alone[index]) for index, node in enumerate(nodes)]
    pairs = [(a, b) for a in range(len(nodes)) for b in range(len(nodes)) if place[a] != place[b]]
    if get_flag(strike.fault, "one_way"):
        pairs = [(a, b) for a, b in pairs if place[a] == 0]
    world.links.cut(pairs)
    return lambda: world.heal(pairs)


def _isolate(strike: Strike) -> Undo:
    world, hit = strike.world, strike.nodes
    count = len(world.nodes)
    pairs = [(a, b) for a in range(count) for b in range(count) if a != b and (a in hit or b in hit)]
    world.links.cut(pairs)
    return lambda: world.heal(pairs)


def _weather(strike: Strike) -> Undo:
    known = [one.name for one in fields(NetworkSettings)]
    changes = {name: value for name, value in strike.fault.options.items() if name in known}
    weather = replace(strike.world.links.settings, **changes)  # type: ignore[arg-type]
    strike.world.links.push(weather)
    return lambda: strike.world.links.pop(weather)


# -- clocks and disks --------------------------------------------------------------------------------


def _skew_clock(strike: Strike) -> Undo:
    skew, world, nodes = get_ms(strike.fault, "skew") or 0, strike.world, strike.nodes
    _shift_clocks(world, nodes, skew)
    return lambda: _shift_clocks(world, nodes, -skew)


def _shift_clocks(world: World, nodes: Sequence[int], by_ms: int) -> None:
    for node in nodes:
        world.nodes[node].clock.offset_ms += by_ms


def _jump_clock(strike: Strike) -> None:
    _shift_clocks(strike.world, strike.nodes, get_ms(strike.fault, "by") or 0)


def _drift_clock(strike: Strike) -> Undo:
    factor, world, nodes = get_number(strike.fault, "factor") or 1.0, strike.world, strike.nodes

    def run_at(rate: float) -> None:
        for node in nodes:
            world.nodes[node].clock.set_rate(rate, world.now_ms)

    run_at(factor)
    return lambda: run_at(1.0)


def _fill_disk(strike: Strike) -> Undo:
    world, nodes = strike.world, strike.nodes
    for node in nodes:
        world.nodes[node].disk.is_full = True

    def undo() -> None:
        for node in nodes:
            world.nodes[node].disk.is_full = False
        _start(world, nodes)

    return undo


def _tear_write(strike: Strike) -> Undo:
    world, nodes = strike.world, strike.nodes
    for node in nodes:
        world.nodes[node].is_tearing = True

    def undo() -> None:
        for node in nodes:
            world.nodes[node].is_tearing = False
        _start(world, nodes)

    return undo


def _lose_sync(strike: Strike) -> Undo:
    world, nodes = strike.world, strike.nodes
    for node in nodes:
        world.byzantine[node] = "forgetful"
        world.nodes[node].disk.is_lying = True

    def undo() -> None:
        for node in nodes:
            world.nodes[node].disk.is_lying = False
            world.nodes[node].disk.unsynced.clear()

    return undo


def _roll_back(strike: Strike) -> None:
    for node in strike.nodes:
        strike.world.byzantine[node] = "forgetful"
        strike.world.crash(node)
        strike.world.nodes[node].disk.roll_back(strike.dice.randint(1, ROLLBACK_MAX))
        strike.world.restart(node)


STRIKES: Mapping[str, Callable[[Strike], Undo | None]] = MappingProxyType(
    {
        "kill": _kill,
        "restart": _restart,
        "forget": _forget,
        "pause": _pause,
        "slow": _slow,
        "partition": _partition,
        "isolate": _isolate,
        "weather": _weather,
        "clock-skew": _skew_clock,
        "clock-jump": _jump_clock,
        "clock-drift": _drift_clock,
        "disk-full": _fill_disk,
        "torn-write": _tear_write,
        "lost-sync": _lose_sync,
        "rollback": _roll_back,
    }
)


# -- when they strike --------------------------------------------------------------------------------


@dataclass(slots=True)
class FaultPlan:
    """All faults of a run.

    Attributes:
        world: What they strike.
        rows: Every strike and every undoing, in order.
        healed_ms: When all was undone; None before.
    """

    world: World
    rows: list[FaultRow] = field(default_factory=list)
    healed_ms: int | None = None
    _undos: list[Callable[[], None]] = field(default_factory=list)

    def schedule(self, faults: Sequence[FaultSettings]) -> None:
        """Plan every fault from its first strike on."""
        known: dict[str, int] = {}
        for fault in faults:
            # Named by what it is and not by its place, so that leaving one out shifts no other's draws.
            name = f"fault-{fault.kind}-{fault.at_ms}"
            known[name] = known.get(name, 0) + 1
            dice = self.world.seeds.split(f"{name}-{known[name]}")
            self._plan(fault, dice, fault.at_ms)

    def heal(self, network: NetworkSettings) -> None:
        """Undo everything, and let a healthy network hold from now on."""
        self.healed_ms = self.world.now_ms
        undos, self._undos = self._undos, []
        for undo in undos:
            undo()
        self.world.links.calm(replace(network, loss=0.0, duplication=0.0, reordering=0.0, corruption=0.0))
        nodes = range(len(self.world.nodes))
        for node in nodes:
            self.world.resume(node)
        _start(self.world, nodes)

    def _plan(self, fault: FaultSettings, dice: random.Random, delay_ms: int) -> None:
        def strike() -> None:
            is_over = bool(fault.until_ms) and self.world.now_ms >= fault.until_ms
            if self.healed_ms is not None or is_over:
                return
            if dice.random() < fault.probability:
                self._strike(fault, dice)
            if fault.every_ms:
                self._plan(fault, dice, fault.every_ms)

        self.world.at(delay_ms, strike)

    def _strike(self, fault: FaultSettings, dice: random.Random) -> None:
        peers = self._choose(fault, dice)
        undo = STRIKES[fault.kind](Strike(self.world, fault, peers, dice))
        self._note(fault, peers, is_end=False)
        if undo is None:
            return
        is_undone = False

        def undo_once() -> None:
            nonlocal is_undone
            if not is_undone:
                is_undone = True
                undo()
                self._note(fault, peers, is_end=True)

        self._undos.append(undo_once)
        if fault.lasts_ms:
            self.world.at(fault.lasts_ms, undo_once)

    def _choose(self, fault: FaultSettings, dice: random.Random) -> tuple[int, ...]:
        kind = FAULT_KINDS[fault.kind]
        if fault.peers or not (kind.takes_peers or kind.takes_groups):
            return fault.peers
        if fault.groups:
            return tuple(peer for group in fault.groups for peer in group)
        peers = len(self.world.network.keys)
        honest = [peer for peer in range(peers) if peer not in self.world.byzantine]
        share = get_number(fault, "share") if fault.kind == "partition" else None
        count = fault.count if share is None else round(share * peers)
        pool = list(range(peers)) if fault.kind == "partition" else honest
        return tuple(sorted(dice.sample(pool, min(count, len(pool)))))

    def _note(self, fault: FaultSettings, peers: tuple[int, ...], *, is_end: bool) -> None:
        detail = ", ".join(f"{name}={value}" for name, value in fault.options.items())
        row = FaultRow(at_ms=self.world.now_ms, kind=fault.kind, peers=peers, detail=detail, is_end=is_end)
        self.rows.append(row)
