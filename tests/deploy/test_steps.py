"""What containers run at their start, run as plain commands: four peers, their network, and an answer."""

import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.deploy.files import DEPLOY, read_unit

MEMBERS = tuple(range(1, 5))
STEP_S_MAX = 120


class Machine:
    """A directory that stands for the containers' volumes, and `peerage` on the path.

    Args:
        directory: Where everything goes.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.members = directory / "members"
        self.members.mkdir()
        binaries = directory / "bin"
        binaries.mkdir()
        program = binaries / "peerage"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m swarm.cli.main "$@"\n')
        program.chmod(0o700)
        self._path = f"{binaries}:{os.environ['PATH']}"

    def get_environment(self, number: int) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": self._path,
            "PEERAGE_DATA_DIR": str(self.directory / f"data{number}"),
            "MEMBERS_DIR": str(self.members),
            "PASSWORD_FILE": str(self.directory / "secrets" / f"peer{number}_password"),
            "SECRETS_OWNER": f"{os.getuid()}:{os.getgid()}",
        }

    def run(self, *argv: str, number: int = 1) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            env=self.get_environment(number),
            capture_output=True,
            text=True,
            timeout=STEP_S_MAX,
            check=False,
        )

    def run_step(self, name: str, *args: str, number: int = 1) -> str:
        done = self.run("sh", str(DEPLOY / "steps" / name), *args, number=number)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def start(
        self, *command: str, number: int = 1, env: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """Run a peer; on leaving, it is told to stop as Docker and systemd tell it, and must obey."""
        environment = {**self.get_environment(number), **(env or {})}
        with (
            (self.directory / f"peer{number}.err").open("wb") as notes,
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=notes, text=True
            ) as process,
        ):
            try:
                yield process
                process.send_signal(signal.SIGTERM)
                assert process.wait(STEP_S_MAX) == 0
            finally:
                process.kill()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    done = made.run("sh", str(DEPLOY / "make-secrets.sh"), str(tmp_path / "secrets"))
    assert done.returncode == 0, done.stderr
    return made


def make_members(machine: Machine) -> None:
    for number in MEMBERS:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        machine.run_step(
            "member.sh",
            f"peer{number}",
            f"wss://127.0.0.1:{port}",
            *("--model", "scripted", "--allow-volatile"),
            number=number,
        )


def test_passwords_are_seven_different_ones_for_their_owner_only_and_stay(machine: Machine) -> None:
    directory = machine.directory / "secrets"
    files = sorted(directory.iterdir())
    assert [file.name for file in files] == [f"peer{number}_password" for number in range(1, 8)]
    before = [file.read_bytes() for file in files]
    assert len(set(before)) == 7
    assert all(len(one.strip()) >= 32 for one in before)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert machine.run("sh", str(DEPLOY / "make-secrets.sh"), str(directory)).returncode == 0
    assert [file.read_bytes() for file in files] == before


@pytest.mark.slow
def test_a_step_that_was_run_changes_nothing_when_run_again(machine: Machine) -> None:
    make_members(machine)
    machine.run_step("network.sh", "home")
    made = {path: path.read_bytes() for path in machine.directory.rglob("*.json")}
    assert len(made) == len(MEMBERS) + 1
    make_members(machine)
    machine.run_step("network.sh", "home")
    assert {path: path.read_bytes() for path in machine.directory.rglob("*.json")} == made


def test_a_key_file_that_is_none_stops_the_step(machine: Machine) -> None:
    key = machine.directory / "data1" / "peer" / "key.json"
    key.parent.mkdir(parents=True)
    key.write_text("{}")
    done = machine.run("sh", str(DEPLOY / "steps" / "member.sh"), "peer1", "wss://peer1:4242")
    assert done.returncode == 3
    assert "no public key" in done.stderr
    assert list(machine.members.iterdir()) == []


@pytest.mark.slow
def test_the_peers_of_the_steps_answer_a_question(machine: Machine) -> None:
    make_members(machine)
    machine.run_step("network.sh", "home")
    with ExitStack() as stack:
        start = ("sh", str(DEPLOY / "steps" / "start.sh"), "--allow-volatile", "--json")
        peers = [stack.enter_context(machine.start(*start, number=number)) for number in MEMBERS]
        for number, peer in zip(MEMBERS, peers, strict=True):
            assert peer.stdout is not None
            said = peer.stdout.readline()
            if (
                '"links"' not in said
            ):  # what `net join --json` would say is not asked for: only the peer speaks
                said = next((line for line in peer.stdout if '"links"' in line), "")
            assert said, (machine.directory / f"peer{number}.err").read_text()
        network = machine.members / "network.json"
        done = machine.run("peerage", "ask", "--network", str(network), "--json", "What is 7 times 12?")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["status"] == "full"
        status = machine.run("peerage", "peer", "status", "--json", number=2)
        assert (status.returncode, json.loads(status.stdout)["rounds"]["full"]) == (0, 1), status.stderr
        shown = json.loads(machine.run("peerage", "top", "--json", number=2).stdout)
        assert (shown["state"], shown["rounds_seen"]) == ("running", 1)
        assert shown["links_up"] >= len(MEMBERS) - 1
    after = json.loads(machine.run("peerage", "top", "--json", number=2).stdout)
    assert after["state"] == "stopped"


@pytest.mark.slow
def test_the_units_command_tells_systemd_that_it_is_ready_alive_and_stopping(machine: Machine) -> None:
    make_members(machine)
    machine.run_step("network.sh", "home")
    state, credentials = machine.directory / "data1", machine.directory / "credentials"
    machine.run("peerage", "net", "join", str(machine.members / "network.json"), "--dir", str(state / "peer"))
    credentials.mkdir()
    password = credentials / "password"
    password.write_bytes((machine.directory / "secrets" / "peer1_password").read_bytes())
    password.chmod(0o440)  # how an access list of systemd's looks
    unit = read_unit((DEPLOY / "systemd" / "peerage-peer.service").read_text())
    _, *words = shlex.split(unit["Service"]["ExecStart"][0])
    args = [word.replace("%S/peerage", str(state)).replace("%d", str(credentials)) for word in words]
    environment = {
        "NOTIFY_SOCKET": str(machine.directory / "notify"),
        "WATCHDOG_USEC": "200000",
        "CREDENTIALS_DIRECTORY": str(credentials),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(environment["NOTIFY_SOCKET"])
        receiver.settimeout(STEP_S_MAX)
        with machine.start("peerage", *args, "--allow-volatile", env=environment):
            wait_for(receiver, b"READY=1")
            wait_for(receiver, b"WATCHDOG=1")
        wait_for(receiver, b"STOPPING=1")


def wait_for(receiver: socket.socket, message: bytes) -> None:
    """Receive until systemd would have been told this."""
    ends = time.monotonic() + STEP_S_MAX
    while message not in receiver.recv(4_096).split(b"\n"):
        assert time.monotonic() < ends, f"never told {message!r}"
