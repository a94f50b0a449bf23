"""Runs a plan in a process that is killed at a chosen moment, as a power cut would: no cleanup, no goodbye.

Usage: python crash.py MOMENT COUNT PLAN DIR; MOMENT is before, within or after the COUNT-th batch is kept, or
writing, when the COUNT-th file of results is about to be written.
"""

import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import evaluation.calls
import evaluation.directory
import evaluation.export
import swarm.edge.paths
from evaluation.batches import Bounds, cut_batches
from evaluation.store import CallStore, StoredCall
from swarm.cli.main import main


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    def __init__(self, count: int) -> None:
        self.left = count

    def is_over(self) -> bool:
        self.left -= 1
        return self.left == 0


def crash_store(moment: str, countdown: Countdown) -> None:
    keep = CallStore.add

    def add(self: CallStore, calls: Sequence[StoredCall], *, kind: str, model: bytes) -> None:
        is_over = "warm-up" not in str(self._path) and countdown.is_over()
        if is_over and moment == "before":
            die()
        if is_over and moment == "within":
            self._database.set_trace_callback(lambda sql: die() if sql == "COMMIT" else None)
        keep(self, calls, kind=kind, model=model)
        if is_over:
            die()

    CallStore.add = add  # type: ignore[method-assign]


def crash_files(countdown: Countdown) -> None:
    write = swarm.edge.paths.write_private_file

    def write_or_die(path: Path, data: bytes) -> None:
        if path.name not in ("plan.toml", "run.json") and countdown.is_over():
            die()
        write(path, data)

    for module in (evaluation.export, evaluation.directory):
        module.write_private_file = write_or_die  # type: ignore[attr-defined]


if __name__ == "__main__":
    moment, count, plan, directory = sys.argv[1:]
    evaluation.calls.cut_batches = partial(cut_batches, bounds=Bounds(rows_max=9))  # type: ignore[attr-defined]
    if moment == "writing":
        crash_files(Countdown(int(count)))
    else:
        crash_store(moment, Countdown(int(count)))
    sys.exit(main(["eval", "run", plan, "--out", directory]))
