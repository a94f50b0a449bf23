"""Settings of the interpreter for a process that runs peers."""

import gc

GENERATION_0_OBJECTS = 50_000
GENERATION_1_RUNS = 20
GENERATION_2_RUNS = 50


def tune_collector() -> None:
    """Collect garbage less often: messages are many, small and free of cycles.

    What is loaded now is never looked at again, and a young collection waits for 50,000 new objects
    instead of 700. Measured at 31 peers in one process: a third of the time of a step.
    """
    gc.freeze()
    gc.set_threshold(GENERATION_0_OBJECTS, GENERATION_1_RUNS, GENERATION_2_RUNS)
