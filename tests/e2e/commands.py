"""A command of the program in a process of its own, as a shell runs it, and what it says meanwhile."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from tests.cli.console import Json


@dataclass
class Command:
    """A running command: what it said so far, and its peers."""

    process: trio.Process
    err: str = ""
    out: bytes = b""
    said: trio.Event = field(default_factory=trio.Event)
    pids: tuple[int, ...] = ()

    async def read_err(self) -> None:
        assert self.process.stderr is not None
        async for data in self.process.stderr:
            self.err += data.decode()
            for line in self.err.splitlines(keepends=True):
                if " peer processes: " in line and line.endswith("\n"):
                    self.pids = tuple(map(int, line.partition(": ")[2].split()))
            self.said.set()
            self.said = trio.Event()

    async def read_out(self) -> None:
        assert self.process.stdout is not None
        async for data in self.process.stdout:
            self.out += data

    async def wait_said(self, words: str) -> None:
        while words not in self.err:
            await self.said.wait()

    @property
    def json(self) -> Json:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@asynccontextmanager
async def open_command(*args: str, config: Path, data: Path) -> AsyncIterator[Command]:
    """Run a command with directories of its own; leaving the block waits for its end."""
    start = partial(
        trio.run_process,
        [sys.executable, "-m", "swarm.cli.main", *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
        start_new_session=True,
        env={**os.environ, "PEERAGE_DATA_DIR": str(data), "XDG_CONFIG_HOME": str(config)},
    )
    async with trio.open_nursery() as nursery:
        command = Command(await nursery.start(start))
        nursery.start_soon(command.read_err)
        nursery.start_soon(command.read_out)
        yield command
