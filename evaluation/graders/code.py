"""The grader of programs, as in HumanEval: the completed function is run against the task's tests, once.

The program runs in a Python of its own (`-I -S`: no site packages, no environment, no user directory) in a
fresh empty directory, as a process group of its own, under limits on CPU seconds, memory, file size and,
where the system counts them for this user, processes. It is killed as a group at a wall deadline.

What this does not protect from: the program runs as the user who grades. It can read that user's files and
reach the network; it can write files of up to `FILE_BYTES_MAX` wherever that user can; a process that makes a
session of its own outlives the group. Grade programs of models that you do not trust in a container or a
virtual machine. The tests run in the same process as the program, so a program written to fool them can.
"""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from consensus.errors import ConfigError
from evaluation.graders.payload import read_payload, read_text
from evaluation.task import Task

WALL_S_MAX = 10.0
CPU_S_MAX = 8
MEMORY_BYTES_MAX = 1 << 30
FILE_BYTES_MAX = 1 << 20
PROCESSES_MAX = 64
ANSWER_CHARS_MAX = 100_000
_PASSED_BYTES = 16  # random: a program cannot print the mark without having run to the end


def build_program(prompt: str, answer: str, tests: str, entry_point: str, mark: str) -> str:
    """Put together what is run: the completed function, the tests, their call, and the mark of success.

    An answer that defines the function itself stands alone; one that goes on from the prompt stands after it.
    """
    code = strip_fence(answer)
    head = code if f"def {entry_point}(" in code else prompt + code
    return f"{head}\n\n{tests}\n\ncheck({entry_point})\nprint({mark!r})\n"


def strip_fence(answer: str) -> str:
    """Return the first fenced block of a Markdown answer, or the answer where there is none."""
    _, opened, rest = answer.partition("```")
    if not opened:
        return answer
    _, _, body = rest.partition("\n")
    return body.partition("```")[0]


def _compute_limiter() -> Callable[[], None]:
    """Return what sets the limits in the child, between fork and exec."""
    limits = [
        (resource.RLIMIT_CPU, CPU_S_MAX),
        (resource.RLIMIT_AS, MEMORY_BYTES_MAX),
        (resource.RLIMIT_FSIZE, FILE_BYTES_MAX),
        (resource.RLIMIT_CORE, 0),
    ]
    # Counted per user, and not for root: a busy user's limit is above what is running already.
    if hasattr(resource, "RLIMIT_NPROC"):
        limits.append((resource.RLIMIT_NPROC, PROCESSES_MAX))

    def limit() -> None:
        for kind, value in limits:
            _, hard = resource.getrlimit(kind)
            bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (bound, bound))

    return limit


def run_program(program: str, mark: str) -> bool:
    """Run `program` under the module's limits; say whether it ended well and printed `mark` last.

    Raises:
        ConfigError: No process can be started here.
    """
    with tempfile.TemporaryDirectory(prefix="peerage-code-", ignore_cleanup_errors=True) as folder:
        script, printed = Path(folder, "program.py"), Path(folder, "printed")
        script.write_text(program, encoding="utf-8", errors="replace")
        try:
            with printed.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(script)],
                    cwd=folder,
                    env={},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    preexec_fn=_compute_limiter(),  # noqa: PLW1509 - sets limits only, between fork and exec
                )
        except (OSError, subprocess.SubprocessError) as exc:
            raise ConfigError(f"no process can be started to grade a program: {exc}") from exc
        try:
            status = process.wait(timeout=WALL_S_MAX)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return status == 0 and printed.read_bytes().rstrip().endswith(mark.encode())


def grade_code(task: Task, answer: str) -> bool:
    """Say whether the program that `answer` completes passes the task's tests.

    The payload holds `prompt`, `test` (which defines `check(candidate)`) and `entry_point`.

    Raises:
        ConfigError: The payload lacks one of them, or no process can be started.
    """
    content = read_payload(task)
    prompt, tests, entry = (read_text(task, content, name) for name in ("prompt", "test", "entry_point"))
    if not entry.isidentifier():
        raise ConfigError(f"task {task.key}: the entry point {entry!r} is no name")
    if len(answer) > ANSWER_CHARS_MAX or "\0" in answer:
        return False
    mark = os.urandom(_PASSED_BYTES).hex()
    return run_program(build_program(prompt, answer, tests, entry, mark), mark)
