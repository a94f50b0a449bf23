"""Strikes a manifest's faults at their times, undoes them, and heals everything at the end."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import trio

from sim_net.manifest import FaultSettings, Manifest
from sim_net.real.net import RealNet
from sim_net.real.plan import (
    ISOLATE,
    KILL,
    MS_PER_S,
    PARTITION,
    PAUSE,
    RESTART,
    Strike,
    draw_groups,
    plan_strikes,
)
from sim_net.real.reach import ASKER, PeerState
from sim_net.records import FaultRow
from sim_net.seeds import Seeds


@dataclass(frozen=True, slots=True, eq=False)
class ActiveFault:
    """A fault that has struck and is not undone yet."""

    kind: str
    groups: tuple[tuple[int, ...], ...]

    @property
    def struck(self) -> tuple[int, ...]:
        """Whom it strikes; of a partition, its first side."""
        return self.groups[0]


def compute_states(active: list[ActiveFault], peers: int) -> list[PeerState]:
    """Return how each peer shall be while these faults last."""
    down = [index for one in active if one.kind in (KILL, RESTART) for index in one.struck]
    paused = [index for one in active if one.kind == PAUSE for index in one.struck]
    return [
        PeerState(index not in down, index in paused, _compute_cut(active, index, peers))
        for index in range(peers)
    ]


def _compute_cut(active: list[ActiveFault], index: int, peers: int) -> frozenset[int]:
    others = [other for other in range(peers) if other != index]
    cut: list[int] = []
    for one in active:
        if one.kind == ISOLATE:
            cut += [*others, ASKER] if index in one.struck else one.struck
        elif one.kind == PARTITION:
            side = next(group for group in one.groups if index in group)
            cut += [other for other in others if other not in side]
    return frozenset(cut)


class Striker:
    """Strikes faults until it is told to heal.

    Args:
        manifest: What strikes.
        seeds: Decides whom, where the manifest does not.
        net: Whom it strikes.
        get_ms: Milliseconds since the start of the run.
        note: Called with one line at each strike.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        seeds: Seeds,
        net: RealNet,
        get_ms: Callable[[], int],
        note: Callable[[str], None],
    ) -> None:
        self.rows: list[FaultRow] = []
        self.healed_ms: int | None = None
        self._manifest = manifest
        self._seeds = seeds
        self._net = net
        self._get_ms = get_ms
        self._note = note
        self._active: list[ActiveFault] = []
        self._scope = trio.CancelScope()

    async def run(self) -> None:
        """Strike until `heal` is called; it is at the end of the fault phase, where the phase has one."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                for place, fault in enumerate(self._manifest.faults):
                    dice = self._seeds.split(f"real-fault-{place}")
                    nursery.start_soon(self._run_fault, nursery, fault, dice)
        # Outside of the scope, which healing cancels.
        faults_ms = self._manifest.phases.faults_ms
        if faults_ms and self.healed_ms is None:
            await self._sleep_until(faults_ms)
            await self.heal()

    async def heal(self) -> None:
        """Strike no more and undo whatever lasts; returns once every peer is as it should be."""
        if self.healed_ms is not None:
            return
        self.healed_ms = self._get_ms()
        self._scope.cancel()
        said = [self._add_row(one, is_end=True) for one in self._active]
        self._active.clear()
        await self._apply()
        for text in said:
            self._note(text)
        self._note(f"{self.healed_ms / MS_PER_S:.1f} s: everything is healed")

    async def _run_fault(self, nursery: trio.Nursery, fault: FaultSettings, dice: random.Random) -> None:
        end_ms = self._manifest.phases.faults_ms or None
        for strike in plan_strikes(fault, end_ms=end_ms, dice=dice):
            await self._sleep_until(strike.at_ms)
            groups = draw_groups(fault, peers=self._manifest.swarm.peers, dice=dice)
            nursery.start_soon(self._strike, strike, ActiveFault(fault.kind, groups))

    async def _strike(self, strike: Strike, one: ActiveFault) -> None:
        if self.healed_ms is not None:
            return  # it was about to begin when everything was healed
        self._active.append(one)
        text = self._add_row(one, is_end=False)
        await self._apply()
        self._note(text)  # once it is so: who reads it may act on it
        if one.kind != RESTART:
            if strike.until_ms is None:
                return
            await self._sleep_until(strike.until_ms)
        if one in self._active:
            self._active.remove(one)
            text = self._add_row(one, is_end=True)
            await self._apply()
            self._note(text)

    async def _apply(self) -> None:
        # Shielded: a peer that is being started when everything heals shall be started, not left half-way.
        with trio.CancelScope(shield=True):
            await self._net.apply(compute_states(self._active, self._manifest.swarm.peers))

    async def _sleep_until(self, at_ms: int) -> None:
        await trio.sleep(max(0, at_ms - self._get_ms()) / MS_PER_S)

    def _add_row(self, one: ActiveFault, *, is_end: bool) -> str:
        """Keep when a fault begins or ends; returns that in words."""
        sides = " | ".join(",".join(map(str, group)) for group in one.groups)
        at_ms = self._get_ms()
        self.rows.append(FaultRow(at_ms=at_ms, kind=one.kind, peers=one.struck, detail=sides, is_end=is_end))
        return f"{at_ms / MS_PER_S:.1f} s: {one.kind} of {sides} {'ends' if is_end else 'begins'}"
