"""How many questions are answered at once, and how many may wait: callers take turns in a bounded queue."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from swarm.gateway.errors import ApiError, ErrorKind


class Ticket:
    """A place in the queue, or a question under way.

    Args:
        caller: Whose it is.
    """

    def __init__(self, caller: str) -> None:
        self.caller = caller
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
    """Lets questions in: of one caller first come first served, of several in turns.

    The next turn is that of the caller with the fewest questions under way; of these, of the one whose last
    turn was longest ago. So one key can hold up its own questions only.

    Args:
        running_max: Questions under way at once.
        waiting_max: Questions that wait; one more is refused, unless it is its caller's only one: places that
            one key has taken lock nobody else out. Where it is 0, nobody waits.
        get_retry_s: Called for the seconds after which a refused client may try again.
    """

    def __init__(self, *, running_max: int, waiting_max: int, get_retry_s: Callable[[], int]) -> None:
        self._running_max = running_max
        self._waiting_max = waiting_max
        self._get_retry_s = get_retry_s
        self._running: list[Ticket] = []
        self._waiting: list[Ticket] = []
        self._turns = 0
        self._last_turn: dict[str, int] = {}  # of callers who have a place
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
        """Return how many questions wait before this one, as things stand."""
        return self._get_order().index(ticket) if ticket in self._waiting else 0

    @contextmanager
    def enter(self, caller: str) -> Iterator[Ticket]:
        """Hold a place until the block is left.

        Args:
            caller: Who asks.

        Raises:
            ApiError: The queue is full, or the server is going down.
        """
        if self.is_closed:
            raise ApiError(503, ErrorKind.SERVER, "the server is shutting down", code="server_shutdown")
        if self._is_full_for(caller):
            raise ApiError(
                429,
                ErrorKind.RATE_LIMIT,
                f"{self.running} questions are under way and {self.waiting} wait, which is the limit",
                code="queue_full",
                headers={"retry-after": str(self._get_retry_s())},
            )
        ticket = Ticket(caller)
        self._waiting.append(ticket)
        # Whoever is new comes before the one called last, and after those who waited by then.
        self._last_turn.setdefault(caller, self._turns - 1)
        self._call_next()
        try:
            yield ticket
        finally:
            queue = self._running if ticket in self._running else self._waiting
            queue.remove(ticket)
            if not any(other.caller == caller for other in (*self._running, *self._waiting)):
                del self._last_turn[caller]
            self._call_next()

    def _is_full_for(self, caller: str) -> bool:
        if len(self._running) < self._running_max or len(self._waiting) < self._waiting_max:
            return False
        return not self._waiting_max or caller in self._last_turn

    def _get_order(self) -> list[Ticket]:
        """Return who waits, whose turn is next first."""
        ahead = Counter(ticket.caller for ticket in self._running)
        keyed: list[tuple[int, int, int, Ticket]] = []
        for place, ticket in enumerate(self._waiting):
            keyed.append((ahead[ticket.caller], self._last_turn[ticket.caller], place, ticket))
            ahead[ticket.caller] += 1
        return [ticket for *_, ticket in sorted(keyed, key=lambda entry: entry[:3])]

    def _call_next(self) -> None:
        while self._waiting and len(self._running) < self._running_max:
            ticket = self._get_order()[0]
            self._waiting.remove(ticket)
            self._running.append(ticket)
            self._turns += 1
            self._last_turn[ticket.caller] = self._turns
            ticket.call()
