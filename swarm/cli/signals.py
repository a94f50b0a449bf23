"""What signals mean to a command that serves until it is told to stop."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import trio

from swarm.cli.exits import Exit


class Stoppable(Protocol):
    """Whatever serves: `stop` brings it down, first gently, and sets `stopped`."""

    @property
    def stopped(self) -> trio.Event:
        """Set once it was told to stop."""

    def stop(self) -> None:
        """Tell it to."""


@dataclass(slots=True)
class Life:
    """How far a command has come, as whoever sends signals needs to know."""

    serving: Stoppable | None = None
    has_ended: bool = False

    async def obey(self, signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
        """Stop at the first signal, at once at the second or where nothing is up yet."""
        async for _ in signals:
            if self.serving is None or self.serving.stopped.is_set():
                scope.cancel()
                return
            self.serving.stop()

    def get_exit(self) -> Exit:
        """Return how the command ended."""
        return Exit.OK if self.has_ended else Exit.INTERRUPTED
