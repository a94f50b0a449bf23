"""Keeps what nodes append to their event logs, in order: the source of tables, reports and tests."""

from dataclasses import dataclass

from sim_net.world import Observer, World
from swarm.core.actions import Emit, Penalise

EVENTS_KEPT_MAX = 5_000_000


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """What a node appended to its event log."""

    at_ms: int
    node: int
    emit: Emit


@dataclass(frozen=True, slots=True)
class LoggedPenalty:
    """What a node held against a link."""

    at_ms: int
    node: int
    penalty: Penalise


class Recorder(Observer):
    """The event logs of all nodes of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.events: list[LoggedEvent] = []
        self.penalties: list[LoggedPenalty] = []
        world.observers.append(self)

    def on_emit(self, node: int, emit: Emit) -> None:
        """Keep an event."""
        if len(self.events) < EVENTS_KEPT_MAX:
            self.events.append(LoggedEvent(self.world.now_ms, node, emit))

    def on_penalty(self, node: int, penalty: Penalise, *, is_excused: bool) -> None:
        """Keep a penalty, whoever is to blame."""
        del is_excused
        if len(self.penalties) < EVENTS_KEPT_MAX:
            self.penalties.append(LoggedPenalty(self.world.now_ms, node, penalty))
