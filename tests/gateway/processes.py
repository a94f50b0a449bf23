"""`peerage serve` as a user runs it: a process of its own, killed if a test forgets it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.gateway.kit import RawClient

STOP_S = 15.0


@dataclass
class Served:
    """A server's process, and what it said once it was up."""

    process: subprocess.Popen[bytes]
    base_url: str
    api_key: str
    page: str
    network: str
    peers: int

    @property
    def url(self) -> str:
        return self.base_url.removesuffix("/v1")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Have it end; returns its exit code."""
        self.process.send_signal(how)
        return self.process.wait(STOP_S)

    def open_raw(self) -> RawClient:
        return RawClient(self.url)


def get_env(directory: Path, **more: str) -> dict[str, str]:
    """Return the environment of a user whose data lie there and whose model cache is everybody's."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PEERAGE_API")}
    return env | {"PEERAGE_DATA_DIR": str(directory)} | more


@contextmanager
def serve(directory: Path, *args: str, **env: str) -> Iterator[Served]:
    """Serve until the block is left."""
    command = [sys.executable, "-m", "swarm.cli.main", "serve", "--port", "0", "--json", *args]
    with (directory / "stderr").open("wb") as words:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=words, env=get_env(directory, **env)
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()  # ends with the process
            assert line, (directory / "stderr").read_text()
            said = json.loads(line)
            assert said["schema"] == "peerage.serve/1"
            key = said["api_key"] or env["PEERAGE_API_KEY"]
            yield Served(
                process, said["base_url"], key, said["page"], network=said["network"], peers=said["peers"]
            )
        finally:
            process.kill()
            process.communicate()
