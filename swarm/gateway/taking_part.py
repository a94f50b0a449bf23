"""Which rounds somebody here takes part in, from before it is asked until its end has been noted."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import trio


class TakingPart:
    """Counts, round by round, who asks it or notes how it ended."""

    def __init__(self) -> None:
        self._counts: Counter[bytes] = Counter()
        self._left = trio.lowlevel.ParkingLot()

    @contextmanager
    def hold(self, round_id: bytes) -> Iterator[None]:
        """Take part in a round until the block is left.

        Args:
            round_id: Of the round.
        """
        self._counts[round_id] += 1
        try:
            yield
        finally:
            self._counts[round_id] -= 1
            if not self._counts[round_id]:
                del self._counts[round_id]
                self._left.unpark_all()

    async def wait_none(self, round_id: bytes) -> bool:
        """Wait until nobody takes part in a round; False where nobody did, and nothing was waited for.

        Args:
            round_id: Of the round.
        """
        if round_id not in self._counts:
            return False
        while round_id in self._counts:
            await self._left.park()
        return True
