"""Memory that the queues of several links share.

Each queue may hold as much as is left of the pool: the dynamic thresholds of Choudhury and Hahne ("Dynamic
queue length thresholds for shared-memory packet switches", IEEE/ACM Transactions on Networking 6(2), 1998,
with a factor of 1). One greedy queue gets half of the pool, k of them 1/(k+1) each, and as much again stays
free for everybody else; nothing has to be configured by link, and no queue is searched for.
"""


class BytePool:
    """Counts what several queues hold together.

    Args:
        bytes_max: What they may hold, bytes.
    """

    __slots__ = ("_bytes_max", "held")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self.held = 0

    @property
    def left(self) -> int:
        """How much is free, bytes: also the most that one queue may hold just now."""
        return self._bytes_max - self.held
