"""Settings of the interpreter for a process that runs peers."""

import gc

GENERATION_0_OBJECTS = 50_000
GENERATION_1_RUNS = 20
GENERATION_2_RUNS = 50
CONNECTIONS_PER_COLLECTION = 256  # 60 KB of OpenSSL each: 15 MB


def tune_collector() -> None:
    """Collect garbage less often: messages are many, small and free of cycles.

    What is loaded now is never looked at again, and a young collection waits for 50,000 new objects
    instead of 700. Measured at 31 peers in one process: a third of the time of a step.
    """
    gc.freeze()
    gc.set_threshold(GENERATION_0_OBJECTS, GENERATION_1_RUNS, GENERATION_2_RUNS)


class ConnectionCollector:
    """Has garbage collected when many connections have ended, which the collector would not notice by itself.

    A TLS stream is part of a cycle, and holds memory that the collector cannot see while it is a handful of
    objects: some 60 KB. A flood of connections that fail would take 100 MB before 50,000 objects were new.
    """

    __slots__ = ("_ended",)

    def __init__(self) -> None:
        self._ended = 0

    def note_end(self) -> None:
        """Count one connection that has ended, and nobody uses any more."""
        self._ended += 1
        if self._ended >= CONNECTIONS_PER_COLLECTION:
            self._ended = 0
            gc.collect()
