"""How many questions are answered at once, and how many may wait: a queue with an end."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from swarm.gateway.errors import ApiError, ErrorKind


class Ticket:
    """A place in the queue, or a question under way."""

    def __init__(self) -> None:
        self._turn = trio.Event()

    @property
    def has_turn(self) -> bool:
        """Whether the question may be asked now."""
        return self._turn.is_set()

    async def wait(self) -> None:
        """Wait until the question may be asked."""
        await self._turn.wait()

    def call(self) -> None:
        """Say that it is this ticket's turn."""
        self._turn.set()


class Admission:
    """Lets questions in, first come first served.

    Args:
        running_max: Questions under way at once.
        waiting_max: Questions that wait; one more is refused.
        get_retry_s: Called for the seconds after which a refused client may try again.
    """

    def __init__(self, *, running_max: int, waiting_max: int, get_retry_s: Callable[[], int]) -> None:
        self._running_max = running_max
        self._waiting_max = waiting_max
        self._get_retry_s = get_retry_s
        self._running: list[Ticket] = []
        self._waiting: deque[Ticket] = deque()
        self.is_closed = False

    @property
    def running(self) -> int:
        """How many questions are under way."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many questions wait."""
        return len(self._waiting)

    def count_ahead(self, ticket: Ticket) -> int:
        """Return how many questions wait before this one."""
        return self._waiting.index(ticket) if ticket in self._waiting else 0

    @contextmanager
    def enter(self) -> Iterator[Ticket]:
        """Hold a place until the block is left.

        Raises:
            ApiError: The queue is full, or the server is going down.
        """
        if self.is_closed:
            raise ApiError(503, ErrorKind.SERVER, "the server is shutting down", code="server_shutdown")
        if len(self._running) >= self._running_max and len(self._waiting) >= self._waiting_max:
            raise ApiError(
                429,
                ErrorKind.RATE_LIMIT,
                f"{self.running} questions are under way and {self.waiting} wait, which is the limit",
                code="queue_full",
                headers={"retry-after": str(self._get_retry_s())},
            )
        ticket = Ticket()
        self._waiting.append(ticket)
        self._call_next()
        try:
            yield ticket
        finally:
            queue = self._running if ticket in self._running else self._waiting
            queue.remove(ticket)
            self._call_next()

    def _call_next(self) -> None:
        while self._waiting and len(self._running) < self._running_max:
            ticket = self._waiting.popleft()
            self._running.append(ticket)
            ticket.call()
