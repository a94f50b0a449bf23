"""A program on a terminal of its own, as whoever sits there sees and types."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

TIMEOUT_S = 60.0
PRESS_AGAIN_S = 0.5
PRESSES_MAX = 20
SETSID = ("setsid", "--ctty")  # hidden prompts go to the terminal of the session, not to stdin


class Terminal:
    """What a program printed, all of it, and how to answer it."""

    def __init__(self, process: "subprocess.Popen[bytes]", descriptor: int) -> None:
        self.process = process
        self.text = ""
        self._descriptor = descriptor
        self._seen = 0

    def expect(self, text: str) -> None:
        """Read until the program has printed `text` after what was expected before."""
        while text not in self.text[self._seen :]:
            assert self._read(), f"ended before {text!r}: {self.text}"
        self._seen = self.text.index(text, self._seen) + len(text)

    def type(self, text: str) -> None:
        """Type what is given, control characters too."""
        os.write(self._descriptor, text.encode())

    def interrupt(self) -> int:
        """Press Ctrl-C, and again while the program goes on waiting for a key; returns the exit code.

        Python misses one that comes between its last look at signals and its waiting. A second one to a
        program that is just ending would end it in another way, however long the machine takes for that.
        """
        for _ in range(PRESSES_MAX):
            self.type("\x03")
            while self._is_ready(PRESS_AGAIN_S) or not self._is_asleep():
                if self._is_ready(0.0) and not self._read():
                    return self.process.wait(TIMEOUT_S)
        raise AssertionError(f"did not hear Ctrl-C: {self.text}")

    def finish(self) -> int:
        """Read to the end; returns the exit code."""
        while self._read():
            pass
        return self.process.wait(TIMEOUT_S)

    def _is_asleep(self) -> bool:
        """Say whether the program waits for something, and not for a core (proc_pid_stat(5))."""
        status = Path(f"/proc/{self.process.pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] == "S"

    def _is_ready(self, timeout_s: float) -> bool:
        return bool(select.select([self._descriptor], [], [], timeout_s)[0])

    def _read(self) -> bool:
        assert self._is_ready(TIMEOUT_S), f"silent for {TIMEOUT_S} s: {self.text}"
        try:
            data = os.read(self._descriptor, 4_096)
        except OSError:  # Linux says EIO once nobody has the other end open
            return False
        self.text += data.decode()
        return bool(data)


@contextmanager
def open_terminal(*args: str, env: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    """Run Python with `args` on a terminal; the process does not outlive the block."""
    ours, theirs = os.openpty()
    try:
        process = subprocess.Popen(
            [*SETSID, sys.executable, *args],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **(env or {})},
        )
    finally:
        os.close(theirs)  # so that the end can be seen
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait(TIMEOUT_S)
        os.close(ours)
