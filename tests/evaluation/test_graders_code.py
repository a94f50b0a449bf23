"""The code grader: right and wrong programs, and what a hostile one may not do."""

import json
import os
import resource
import select
from pathlib import Path

import pytest

from evaluation.graders import code
from evaluation.graders.code import build_program, run_program, strip_fence
from evaluation.grading import grade
from evaluation.task import Task

PROMPT = 'def double(x: int) -> int:\n    """Return twice x."""\n'
TESTS = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == -2\n"
CONTENT = {"prompt": PROMPT, "test": TESTS, "entry_point": "double"}
TASK = Task(key="t", family="t", text=PROMPT, truth="", grader="code", payload=json.dumps(CONTENT))


@pytest.mark.parametrize(
    "answer",
    [
        "    return 2 * x\n",
        "    return x + x",
        "def double(x):\n    return x * 2\n",
        "Here it is:\n```python\ndef double(x):\n    return x * 2\n```\nDone.",
        "    print('noise')\n    return 2 * x\n",
    ],
)
def test_a_right_program_passes(answer: str) -> None:
    assert grade(TASK, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "    return x\n",
        "",
        "return 2 * x (",
        "    raise SystemExit(0)\n",
        "    import os; os._exit(0)\n",
        "\0",
        "\ud800",
        "x" * 200_000,
        "I cannot.",
    ],
)
def test_a_wrong_program_fails_and_never_raises(answer: str) -> None:
    assert not grade(TASK, answer)


def test_a_fence_is_taken_off_and_a_whole_function_stands_alone() -> None:
    assert strip_fence("```py\nx = 1\n```\n```\ny\n```") == "x = 1\n"
    assert strip_fence("x = 1") == "x = 1"
    assert PROMPT not in build_program(PROMPT, "def double(x): return x", TESTS, "double", "m")
    assert build_program(PROMPT, "    return x", TESTS, "double", "m").startswith(PROMPT)


def run_alone(body: str) -> bool:
    return run_program(f"{body}\nprint('mark')\n", "mark")


def test_the_mark_counts_only_at_the_end_of_a_run_that_ended_well() -> None:
    assert run_alone("pass")
    assert not run_program("print('mark')\nraise ValueError\n", "mark")
    assert not run_program("print('mark')\nprint('more')\n", "mark")


def test_nothing_of_the_environment_or_the_working_tree_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_SECRET", "s")
    assert run_alone("import os\nassert 'PEERAGE_SECRET' not in os.environ\nassert 'PATH' not in os.environ")
    assert run_alone("import os\nassert sorted(os.listdir('.')) == ['printed', 'program.py']")
    assert not run_alone("import numpy")
    assert not run_alone("import evaluation")


def test_memory_and_file_size_are_limited() -> None:
    assert not run_alone("x = bytearray(2 << 30)")
    assert not run_alone("open('big', 'wb').write(bytes(4 << 20))")
    assert run_alone("open('small', 'wb').write(bytes(1 << 10))")


def test_a_program_that_does_not_end_is_killed_with_its_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(code, "WALL_S_MAX", 1.0)
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    try:
        hang = "os.write(fd, b'.')\nwhile True: signal.pause()"
        assert not run_alone(
            f"import os, signal\nfd = os.open({str(alive)!r}, os.O_WRONLY)\nos.fork()\n{hang}"
        )
        assert os.read(reader, 9) == b".."  # both ran
        assert select.select([reader], [], [], 10)[0]
        assert os.read(reader, 9) == b""  # nobody holds the other end any more
    finally:
        os.close(reader)


@pytest.mark.slow
def test_cpu_time_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "CPU_S_MAX", 1)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert not run_alone("while True: pass")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < code.WALL_S_MAX / 2


def test_nothing_is_left_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run_alone("open('left', 'w').write('x')")
    assert list(tmp_path.iterdir()) == []
