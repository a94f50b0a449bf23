"""The command line as a test calls it: in this process, or as a user's shell would."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from swarm.cli.main import main

TIMEOUT_S = 60.0
Json = dict[str, "Value"]
Value = str | int | float | bool | None | list["Value"] | Json


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


class _Stdin(io.TextIOWrapper):
    def isatty(self) -> bool:
        return False


def run(*args: str, stdin: bytes = b"") -> Ran:
    """Run a command in this process."""
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = _Stdin(io.BytesIO(stdin), encoding="utf-8")
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main(args)
    finally:
        sys.stdin = before
    return Ran(int(code), out.getvalue(), err.getvalue())


def run_process(
    *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S
) -> Ran:
    """Run a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "swarm.cli.main", *args],
        input=stdin,
        capture_output=True,
        env={**os.environ, **(env or {})},
        timeout=timeout_s,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
