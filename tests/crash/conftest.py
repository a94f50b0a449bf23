"""What the crash tests share: whether this machine can trace, a directory in memory, a recorded round."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.crash.tracer import ask_obstacle
from tests.crash.witness import record_round
from tests.crash.worker import Write

MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def tracing() -> None:
    """Skip, in words, where system calls cannot be traced."""
    obstacle = ask_obstacle()
    if obstacle:
        pytest.skip(f"CRASH POINTS ARE NOT TESTED HERE: {obstacle}")


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: what is tested are calls, and a sync costs nothing there."""
    if not MEMORY.is_dir():
        yield tmp_path
        return
    directory = Path(tempfile.mkdtemp(prefix="peerage-crash-", dir=MEMORY))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def writes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Write, ...]:
    """What one of four peers wrote in a round, write by write."""
    return tuple(trio.run(record_round, tmp_path_factory.mktemp("round")))
