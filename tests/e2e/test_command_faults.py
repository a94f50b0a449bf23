"""The command in a process of its own, whose peers die, whose user loses patience, or who dies itself."""

import json
import os
import signal
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio

from consensus.verify import verify_receipt
from tests.cli.console import Json, run
from tests.e2e.commands import Command, open_command
from tests.e2e.processes import run_within, wait_gone

pytestmark = pytest.mark.slow

DEADLINE_S = 60.0
SLOW = "scripted:accuracy=0.3,latency=0.5"
NEVER = "scripted:latency=600"


def open_ask(tmp_path: Path, *args: str) -> AbstractAsyncContextManager[Command]:
    """Ask a swarm of processes."""
    return open_command("ask", "x", "--processes", *args, config=tmp_path, data=tmp_path)


def test_more_dead_peers_than_tolerated_exit_6_without_an_answer(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_ask(tmp_path, "--peers", "4", "--model", SLOW, "--deadline", "4") as command:
            await command.wait_said("answers: thinking")
            for pid in command.pids[:2]:
                os.kill(pid, signal.SIGKILL)
        assert (command.process.returncode, command.out) == (6, b"")
        assert "FAILED, uncertified: no certified result within 4 s; 2 of 4 peers" in command.err
        assert "Traceback" not in command.err
        await wait_gone(command.pids)

    run_within(DEADLINE_S, main)


@pytest.mark.parametrize("on_partial", ["accept", "reject"])
def test_one_dead_peer_is_a_partial_answer_or_none_at_all(tmp_path: Path, on_partial: str) -> None:
    receipt = tmp_path / "receipt"
    options = ("--peers", "4", "--seed", "a", "--model", SLOW, "--deadline", "30", "--receipt", str(receipt))

    async def main() -> None:
        async with open_ask(tmp_path, *options, "--json", "--on-partial", on_partial) as command:
            await command.wait_said("answers: thinking")
            os.kill(command.pids[0], signal.SIGKILL)
        said: Json = json.loads(command.out)
        assert said["status"] == "partial"
        missing = said["missing"]
        assert isinstance(missing, list)
        assert len({entry["seat"] for entry in missing if isinstance(entry, dict)}) == 1
        assert verify_receipt(receipt.read_bytes()).is_consistent
        if on_partial == "accept":
            assert command.process.returncode == 0
            assert said["answer"] is not None
        else:
            assert command.process.returncode == 6
            assert said["answer"] is None
        shown = run("verify", str(receipt))
        assert shown.code == 0
        assert "PARTIAL: missing seat" in shown.out
        await wait_gone(command.pids)

    run_within(DEADLINE_S, main)


def test_ctrl_c_ends_everything_with_130_and_one_word(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_ask(tmp_path, "--peers", "4", "--model", NEVER) as command:
            await command.wait_said("answers: thinking")
            os.killpg(command.process.pid, signal.SIGINT)  # a terminal sends it to the whole group
        assert (command.process.returncode, command.out) == (130, b"")
        assert command.err.endswith("interrupted\n")
        assert "Traceback" not in command.err
        await wait_gone(command.pids)
        assert list((tmp_path / "peers").iterdir()) == []

    run_within(DEADLINE_S, main)


def test_ctrl_c_while_the_peers_start_leaves_none_behind(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_ask(tmp_path, "--peers", "4", "--model", NEVER) as command:
            while len(children := get_children(command.process.pid)) < 4:
                await trio.sleep(0.01)
            os.killpg(command.process.pid, signal.SIGINT)
        assert command.process.returncode == 130
        assert "Traceback" not in command.err
        await wait_gone(children)

    run_within(DEADLINE_S, main)


def test_a_parent_that_is_killed_leaves_no_orphans(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_ask(tmp_path, "--peers", "4", "--model", NEVER) as command:
            await command.wait_said("answers: thinking")
            command.process.kill()
            await wait_gone(command.pids)

    run_within(DEADLINE_S, main)


def test_ctrl_c_in_one_process(tmp_path: Path) -> None:
    """Peers that share the process with the command go with it, the model's thread included."""
    command = [sys.executable, "-m", "swarm.cli.main", "ask", "x", "--model", NEVER]
    started = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PEERAGE_DATA_DIR": str(tmp_path)},
    )
    assert started.stderr is not None
    for line in started.stderr:
        if b"answers: thinking" in line:
            started.send_signal(signal.SIGINT)
            break
    out, err = started.communicate(timeout=DEADLINE_S)
    assert (started.returncode, out, err) == (130, b"", b"interrupted\n")


def get_children(pid: int) -> tuple[int, ...]:
    """Return a process's children, whichever of its threads started them."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, thread.read_text().split())
    return tuple(found)
