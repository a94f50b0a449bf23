"""Keeps sends behind the writes they depend on."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from swarm.core.actions import Action


@dataclass(slots=True)
class Outbox:
    """A round's sends, in order; an entry that is a write id blocks what stands behind it."""

    waiting: deque[int | Action] = field(default_factory=deque)
    durable: set[int] = field(default_factory=set)

    def wait_for(self, write_id: int) -> None:
        """Let nothing that is put in from now on leave before this write is durable."""
        self.waiting.append(write_id)

    def put(self, actions: Iterable[Action]) -> None:
        """Put actions behind everything waited for so far."""
        self.waiting.extend(actions)

    def confirm(self, write_id: int) -> None:
        """A write is durable; writes may be confirmed out of order."""
        self.durable.add(write_id)

    def take(self) -> list[Action]:
        """Return what may leave now, in order."""
        ready: list[Action] = []
        while self.waiting:
            head = self.waiting[0]
            if isinstance(head, int):
                if head not in self.durable:
                    break
                self.durable.discard(head)
            else:
                ready.append(head)
            self.waiting.popleft()
        return ready
