"""`peerage testnet up` as a shell runs it: its exit codes, what it says, and that nothing outlives it."""

import os
import signal
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from swarm.edge.events import read_events
from tests.e2e.commands import Command, open_command
from tests.e2e.processes import is_alive, run_within, wait_gone

pytestmark = pytest.mark.slow

DEADLINE_S = 60.0
MANIFEST = """
schema = 1
name = "small"
rounds = {rounds}
expect = ["{expect}"]

[swarm]
peers = 4
steps = 1
answer = "8s"
ballot = "8s"
patience = "30s"

[models]
latency = "constant({latency})"

[phases]
liveness = "20s"
quiet = "100ms"
"""
PAUSE = """
[[fault]]
kind = "pause"
peers = [2]
at = "100ms"
"""


def open_up(tmp_path: Path, manifest: str, *args: str) -> AbstractAsyncContextManager[Command]:
    """Run `testnet up` on a manifest."""
    path = tmp_path / "small.toml"
    path.write_text(manifest, "utf-8")
    return open_command("testnet", "up", str(path), *args, config=tmp_path, data=tmp_path / "data")


def make_manifest(*, rounds: int = 1, expect: str = "finished == 1", latency: int = 100) -> str:
    return MANIFEST.format(rounds=rounds, expect=expect, latency=latency)


def test_a_good_run_exits_0_and_says_how_to_repeat_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_up(tmp_path, make_manifest(), "--json", "--seed", "5") as command:
            pass
        assert command.process.returncode == 0, command.err
        first, second, third = command.err.splitlines()[:3]
        assert first.startswith("seed 5, peerage ")
        assert second.endswith(f"peerage testnet run {tmp_path}/small.toml --seed 5")
        said = command.json
        assert third == f"directory {said['directory']}"
        assert (said["verdict"], said["time"], said["seed"]) == ("ok", "real", 5)
        assert isinstance(said["checks"], list)
        assert all(isinstance(row, dict) and row["is_ok"] for row in said["checks"])
        assert (Path(str(said["directory"])) / "receipts" / "round-0.receipt").is_file()
        await wait_gone(command.pids)

    run_within(DEADLINE_S, main)


def test_peers_judge_as_they_are_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_up(
            tmp_path, make_manifest(), "--json", "--seed", "5", "--judge", "letters"
        ) as command:
            pass
        assert command.process.returncode == 0, command.err
        assert "judge letters" in command.err
        logs = Path(str(command.json["directory"])) / "logs"
        events = [event for path in sorted(logs.glob("*.jsonl")) for event in read_events(path)]
        judged = [event.fields for event in events if event.event == "pairs_judged"]
        assert judged
        assert {(fields["judge"], fields["missing"]) for fields in judged} == {("letters", 0)}
        await wait_gone(command.pids)
        async with open_up(tmp_path, make_manifest(), "--judge", "jury") as refused:
            pass
        assert refused.process.returncode == 3
        assert "no judge is called 'jury'" in refused.err

    run_within(DEADLINE_S, main)


def test_an_expectation_that_is_not_met_exits_22(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_up(tmp_path, make_manifest(expect="rounds == 2")) as command:
            pass
        assert command.process.returncode == 22, command.err
        assert command.out.decode().startswith("EXPECTATION: 1 rounds (1 full)")

    run_within(DEADLINE_S, main)


def test_a_process_that_dies_by_itself_exits_21(tmp_path: Path) -> None:
    async def main() -> None:
        hurried = make_manifest(latency=600).replace('"8s"', '"3s"')
        async with open_up(tmp_path, hurried) as command:
            await command.wait_said("linked to 4 of 4 peers")
            os.kill(command.pids[1], signal.SIGKILL)
        assert command.process.returncode == 21, command.err
        assert "peer 1 ended by itself with exit code -9" in command.out.decode()
        await wait_gone(command.pids)

    run_within(DEADLINE_S, main)


def test_a_net_is_kept_until_ctrl_c_and_checked_then(tmp_path: Path) -> None:
    """What is on disk by then counts: a receipt that was tampered with meanwhile is a broken promise."""

    async def main() -> None:
        directory = tmp_path / "run"
        async with open_up(tmp_path, make_manifest(), "--keep", "--directory", str(directory)) as command:
            await command.wait_said("Ctrl-C ends it")
            for index, pid in enumerate(command.pids):
                assert is_alive(pid)
                assert f"peer {index}: process {pid}, ws://127.0.0.1:" in command.err
            (path,) = directory.glob("small-1-*/receipts/round-0.receipt")
            path.write_bytes(path.read_bytes()[:-1])
            os.kill(command.process.pid, signal.SIGINT)
        assert command.process.returncode == 20, command.err
        assert command.out.decode().startswith("SAFETY: ")
        assert "the asker: its receipt does not verify" in command.out.decode()
        await wait_gone(command.pids)

    run_within(DEADLINE_S, main)


def test_ctrl_c_leaves_no_process_behind_not_even_a_stopped_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_up(tmp_path, make_manifest(latency=5_000) + PAUSE) as command:
            await command.wait_said("pause of 2 begins")
            assert all(map(is_alive, command.pids))
            os.kill(command.process.pid, signal.SIGINT)
        assert (command.process.returncode, command.out) == (130, b"")
        assert "Traceback" not in command.err
        await wait_gone(command.pids)

    run_within(DEADLINE_S, main)


def test_the_parents_death_ends_its_peers_stopped_ones_included(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_up(tmp_path, make_manifest(latency=5_000) + PAUSE) as command:
            await command.wait_said("pause of 2 begins")
            os.kill(command.process.pid, signal.SIGKILL)
        await wait_gone(command.pids)

    run_within(DEADLINE_S, main)


def test_what_needs_virtual_time_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    async def main() -> None:
        adversary = '\n[[adversary]]\nkind = "equivocator"\npeers = 1\n'
        async with open_up(tmp_path, make_manifest() + adversary) as command:
            pass
        assert (command.process.returncode, command.out) == (3, b"")
        assert "'equivocator'" in command.err
        assert "peerage testnet run" in command.err.splitlines()[-1]
        assert not (tmp_path / "data").exists()

    run_within(DEADLINE_S, main)


def test_a_place_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_up(tmp_path, make_manifest(), "--directory", str(tmp_path / "small.toml")) as command:
            pass
        assert (command.process.returncode, command.out) == (2, b"")
        assert "is a file" in command.err

    run_within(DEADLINE_S, main)
